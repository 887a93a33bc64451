/** What carrying out a mdadm command line takes, as one argument: tests give their own. */
import type { Env } from "../../env/env.ts";
import type { ArrayHost } from "../../host/array-host.ts";

export interface MdadmTools {
  readonly env: Env;
  /** The arrays. Only called where they are needed; rejects with how to start the daemon where none runs. */
  host(): Promise<ArrayHost>;
  /** Where a device is served that only the arrays' host has: "/dev/mapper/v"; null: it is none of those. */
  servedAt?(path: string): Promise<string | null>;
  stdout(text: string): Promise<void>;
  stderr(text: string): Promise<void>;
  /** A line from standard input, without its end; null when there is no more. */
  readLine(): Promise<string | null>;
  /** Relative paths start here. */
  readonly folder: string;
  /** Of this machine; null where it has no name. */
  readonly hostName: string | null;
  /** Runs a program and resolves when it has ended, however it did. Rejects when it cannot be started. */
  runProgram(path: string, words: readonly string[]): Promise<void>;
  /** From now on, until this resolves: whoever runs this wants it to end. For what goes on until then. */
  interrupted(): Promise<void>;
}
