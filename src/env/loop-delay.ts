/** How late a thread's event loop comes to what is due, over the time it was watched: what everything on that thread waits at least. */
export interface LoopDelays {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}
