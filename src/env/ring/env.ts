/**
 * An Env whose files and sockets go through one io_uring of the calling thread. Clock, timers, random numbers and log are those of
 * `base`; so is everything of files that is not reading, writing and flushing open ones.
 */
import type { Env } from "../env.ts";
import { ringFiles } from "./files.ts";
import { kernel } from "./kernel.ts";
import { RingLoop } from "./loop.ts";
import { openRing } from "./ring.ts";
import type { RingOptions } from "./ring.ts";
import { SocketSpace, ringSockets } from "./sockets.ts";

export interface RingEnv extends Env {
  /** Requests with the kernel, and open connections: for tests and statistics. */
  readonly usage: { readonly operations: number; readonly connections: number };
  /**
   * Closes listeners and connections, waits for what is in flight, gives the ring back. Files are their owners' to close, before.
   * A thread that has a ring ends after this, not by Worker.terminate: that frees memory the kernel may write to.
   */
  stop(): Promise<void>;
}

/** `unavailable` is a reason, as part of a sentence. */
export function ringEnv(
  base: Env,
  options: RingOptions = {},
): RingEnv | { readonly unavailable: string } {
  const system = kernel();
  if (typeof system === "string") return { unavailable: system };
  const ring = openRing(system, options);
  if (typeof ring === "string") return { unavailable: ring };
  let loop: RingLoop;
  try {
    loop = new RingLoop(system, ring);
  } catch (error) {
    ring.close();
    return { unavailable: error instanceof Error ? error.message : String(error) };
  }
  const sockets = new SocketSpace(loop, base.timers);
  let stopping: Promise<void> | null = null;
  const stop = async (): Promise<void> => {
    await sockets.stop();
    await loop.stop();
  };
  return {
    ...base,
    files: ringFiles(loop, base.clock, base.files),
    sockets: ringSockets(sockets, base.sockets),
    get usage() {
      return { operations: ring.busy, connections: sockets.connections };
    },
    stop: () => (stopping ??= stop()),
  };
}
