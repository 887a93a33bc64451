/** What carrying out a dmsetup command line takes, as one argument: tests give their own. */
import type { Env } from "../env/env.ts";
import type { MappedHost } from "../host/mapped/mapped-host.ts";

export interface DmsetupTools {
  readonly env: Env;
  /** The mapped devices. Only called where they are needed; rejects with how to start the daemon where none runs. */
  host(): Promise<MappedHost>;
  stdout(text: string): Promise<void>;
  stderr(text: string): Promise<void>;
  /** All of standard input. */
  readInput(): Promise<string>;
  /** Runs it to its end, with this program's output. @throws HoldfastError when it cannot be run */
  runProgram(path: string, words: readonly string[]): Promise<void>;
  /** Relative paths start here. */
  readonly folder: string;
}
