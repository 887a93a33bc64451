/**
 * The implementations of Env's files and sockets. Tests of what does I/O run over all of them: one entry here, and a new
 * one is tested.
 */
import { afterAll } from "vitest";
import type { Env } from "../../src/env/env.ts";
import { nodeEnv } from "../../src/env/node/env.ts";
import { ringEnv } from "../../src/env/ring/env.ts";
import { describeUnless } from "./peers.ts";

export interface Backend {
  readonly name: string;
  readonly env: Env;
}

interface Entry {
  readonly name: string;
  /** Or why there is none on this machine. */
  readonly open: () =>
    | { readonly env: Env; readonly stop: () => Promise<void> }
    | { readonly why: string };
}

const ENTRIES: readonly Entry[] = [
  { name: "node", open: () => ({ env: nodeEnv(), stop: () => Promise.resolve() }) },
  {
    name: "ring",
    open: () => {
      const env = ringEnv(nodeEnv());
      return "unavailable" in env ? { why: env.unavailable } : { env, stop: () => env.stop() };
    },
  },
];

/** Declares the tests of `fn` once for each backend; one that this machine does not have is skipped by name, and fails in CI. */
export function describeBackends(fn: (backend: Backend) => void): void {
  for (const { name, open } of ENTRIES) {
    const opened = open();
    const why = "why" in opened ? opened.why : null;
    const env = "why" in opened ? nodeEnv() : opened.env;
    describeUnless(why, `on the ${name} backend`, () => {
      if ("stop" in opened) afterAll(() => opened.stop());
      fn({ name, env });
    });
  }
}
