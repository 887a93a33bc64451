/** Figures of this process and its main thread. */
import type { ProcessFigures } from "../cli/services.ts";
import { watchLoopDelay } from "../env/node/loop-delay.ts";

/** From now on; the function it returns tells them. */
export function watchProcess(): () => ProcessFigures {
  const loopDelays = watchLoopDelay();
  return () => ({ residentBytes: process.memoryUsage.rss(), loopDelay: loopDelays() });
}
