/** A Host that does what the test says, and writes down what it was asked. */
import { HoldfastError } from "../../src/base/errors.ts";
import { hostBehind } from "../../src/host/host-call.ts";
import type { Host, HostCall } from "../../src/host/host-call.ts";

export interface FakeHost {
  readonly host: Host;
  readonly calls: HostCall[];
}

/** What is not given must not be called. */
export function fakeHost(answers: Partial<Host> = {}): FakeHost {
  const calls: HostCall[] = [];
  const host = hostBehind(async (call) => {
    // Whoever keeps a list looks at them with the arrays.
    if (call.method === "mappedDevices" && answers.mappedDevices === undefined) return [];
    calls.push(call);
    const answer = answers[call.method] as ((argument: unknown) => Promise<unknown>) | undefined;
    if (answer === undefined) throw new HoldfastError("usage", `${call.method} is not expected`);
    return answer(call.argument);
  });
  return { host, calls };
}
