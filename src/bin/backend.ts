/**
 * Which backend moves the bytes of an engine: io_uring where this machine lets us, else Node's own files and sockets. The other
 * verbs work on one thing and end; for them setting up a ring would cost more than it brings.
 *
 * HOLDFAST_BACKEND=node or =ring decides otherwise, for comparisons and for machines whose io_uring misbehaves.
 */
import { HoldfastError } from "../base/errors.ts";
import type { Env } from "../env/env.ts";

export interface Backend {
  /** "ring", or "node" with the reason in brackets. */
  readonly name: string;
  readonly env: Env;
  /** Everything that was opened through `env` must have been closed, or will be closed now. */
  stop(): Promise<void>;
}

export async function chooseBackend(base: Env): Promise<Backend> {
  const wanted = process.env["HOLDFAST_BACKEND"];
  if (wanted !== undefined && wanted !== "node" && wanted !== "ring") {
    throw new HoldfastError("usage", `HOLDFAST_BACKEND is ${wanted}; it can be node or ring.`);
  }
  if (wanted === "node") return nodeBackend(base, "asked for");
  const { ringEnv } = await import("../env/ring/env.ts");
  const env = ringEnv(base);
  if (!("unavailable" in env)) return { name: "ring", env, stop: () => env.stop() };
  if (wanted === "ring") {
    const why = `io_uring cannot be used: ${env.unavailable}; leave out HOLDFAST_BACKEND to do without.`;
    throw new HoldfastError("unsupported", why);
  }
  return nodeBackend(base, env.unavailable);
}

function nodeBackend(env: Env, why: string): Backend {
  return { name: `node (${why})`, env, stop: () => Promise.resolve() };
}
