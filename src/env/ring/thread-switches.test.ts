import { expect, it } from "vitest";
import { describeUnless } from "../../../test/support/peers.ts";
import { kernel } from "./kernel.ts";
import { threadSwitches } from "./thread-switches.ts";

const system = kernel();

describeUnless(typeof system === "string" ? system : null, "switches of a thread", () => {
  it("count what it waits for, and what others take from it", () => {
    const seen = threadSwitches(system as Exclude<typeof system, string>);
    seen.look();
    const { waits, preemptions } = seen;
    // Nobody wakes it: the thread waits in the system until the time is over.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    expect(seen.waits).toBe(waits);
    seen.look();
    expect(seen.waits).toBeGreaterThan(waits);
    expect(seen.preemptions).toBeGreaterThanOrEqual(preemptions);
  });
});
