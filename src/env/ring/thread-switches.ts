/** How often the calling thread stopped running, for Pace. */
import type { ThreadSwitches } from "../pace.ts";
import { RUSAGE_THREAD, Rusage } from "./abi.ts";
import type { Kernel } from "./kernel.ts";

export function threadSwitches(system: Kernel): ThreadSwitches {
  const usage = new Int32Array(Rusage.words);
  const address = system.addressOf(new Uint8Array(usage.buffer));
  return {
    look: () => void system.getrusage(RUSAGE_THREAD, address),
    get waits() {
      return usage[Rusage.voluntarySwitches]!;
    },
    get preemptions() {
      return usage[Rusage.involuntarySwitches]!;
    },
  };
}
