/** What carrying out a mdadm command line takes, as one argument: tests give their own. */
import type { Env } from "../../env/env.ts";
import type { ArrayHost } from "../../host/array-host.ts";

export interface MdadmTools {
  readonly env: Env;
  /** The arrays. Only called where they are needed; rejects with how to start the daemon where none runs. */
  host(): Promise<ArrayHost>;
  stdout(text: string): Promise<void>;
  stderr(text: string): Promise<void>;
  /** A line from standard input, without its end; null when there is no more. */
  readLine(): Promise<string | null>;
  /** Relative paths start here. */
  readonly folder: string;
  /** Of this machine; null where it has no name. */
  readonly hostName: string | null;
  /** An environment variable. */
  variable(name: string): string | undefined;
  /** Runs a program and resolves when it has ended, however it did. Rejects when it cannot be started. */
  runProgram(path: string, words: readonly string[]): Promise<void>;
  /** Resolves when whoever runs this wants it to end; for what goes on until then. */
  readonly interrupted: Promise<void>;
}
