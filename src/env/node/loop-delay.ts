/** Watches the event loop of the thread that calls it, from now on, without keeping the thread alive. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { LoopDelays } from "../loop-delay.ts";

/** A look every so often. Each wakes an idle thread: these take 0.2 % of a processor. */
const RESOLUTION_MS = 50;
const NS_PER_MS = 1e6;

/** The function it returns tells the delays so far. */
export function watchLoopDelay(): () => LoopDelays {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  // What is recorded is the time between two looks, so the time there should have been is taken off.
  const delayMs = (ns: number): number =>
    Math.max(0, Math.round((ns / NS_PER_MS - RESOLUTION_MS) * 1000) / 1000);
  return () =>
    histogram.count === 0
      ? { p50Ms: 0, p99Ms: 0, maxMs: 0 }
      : {
          p50Ms: delayMs(histogram.percentile(50)),
          p99Ms: delayMs(histogram.percentile(99)),
          maxMs: delayMs(histogram.max),
        };
}
