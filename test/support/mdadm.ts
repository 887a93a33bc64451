/** Asking the real mdadm what does not need a kernel: its grammar, and what it reads from images. */
import { spawnSync } from "node:child_process";
import { findProgram } from "../../scripts/peers.mjs";

export interface MdadmAnswer {
  readonly exitCode: number;
  /** Standard output. */
  readonly text: string;
  /** Lines of both streams, errors first. */
  readonly lines: readonly string[];
}

/**
 * Runs it in UTC, without input, in a folder, so that paths can be short. The caller names no array that could be there and no
 * action that changes the machine.
 */
export function askMdadm(words: readonly string[], folder?: string): MdadmAnswer {
  const run = spawnSync(findProgram("mdadm")!, words, {
    // Its messages begin with the name it was called by.
    argv0: "mdadm",
    encoding: "utf8",
    input: "",
    env: { TZ: "UTC", LC_ALL: "C" },
    timeout: 20_000,
    ...(folder === undefined ? {} : { cwd: folder }),
  });
  return {
    exitCode: run.status ?? -1,
    text: run.stdout,
    lines: `${run.stderr}${run.stdout}`.split("\n"),
  };
}
