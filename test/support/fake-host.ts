/** An ArrayHost that does what the test says, and writes down what it was asked. */
import { HoldfastError } from "../../src/base/errors.ts";
import type { ArrayHost } from "../../src/host/array-host.ts";
import { hostBehind } from "../../src/host/host-call.ts";
import type { HostCall } from "../../src/host/host-call.ts";

export interface FakeHost {
  readonly host: ArrayHost;
  readonly calls: HostCall[];
}

/** What is not given must not be called. */
export function fakeHost(answers: Partial<ArrayHost> = {}): FakeHost {
  const calls: HostCall[] = [];
  const host = hostBehind(async (call) => {
    calls.push(call);
    const answer = answers[call.method] as ((argument: unknown) => Promise<unknown>) | undefined;
    if (answer === undefined) throw new HoldfastError("usage", `${call.method} is not expected`);
    return answer(call.argument);
  });
  return { host, calls };
}
