/**
 * What the command line needs of the place it runs in. Only terminal-node.ts knows the process; verbs and their tests see
 * this interface.
 */

export interface OutputStream {
  readonly isTTY: boolean;
  /** Width of the terminal in characters; Infinity where there is none, and nothing is to be cut or wrapped. */
  readonly columns: number;
  /**
   * Resolves when the data has been taken over by the system, so a slow reader slows the writer down; borrows `data` until
   * then. Rejects with ClosedPipeError when the reader has gone, with HoldfastError when the data cannot be stored.
   */
  write(data: string | Uint8Array): Promise<void>;
}

export interface Terminal {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** An environment variable; undefined when it is not set. */
  variable(name: string): string | undefined;
  /**
   * From now on, until the function it returns is called, SIGINT, SIGTERM and SIGHUP call `handler` with how many of
   * them came, this one included, instead of ending the process.
   */
  onInterrupt(handler: (count: number) => void): () => void;
  /** From now on SIGUSR1 calls `handler`; once the function it returns was called, the signal does nothing. */
  onFiguresWanted(handler: () => void): () => void;
  /** The folder that relative paths start from. */
  readonly folder: string;
  /** Of this machine. */
  readonly hostName: string;
  /** The next line of standard input, without its end; null when there is no more. */
  readLine(): Promise<string | null>;
  /** All of standard input that is left. */
  readInput(): Promise<string>;
  /** Runs a program with our streams and resolves when it has ended, however it did. Rejects when it cannot be started. */
  runProgram(path: string, words: readonly string[]): Promise<void>;
  /** Ends the process at once, whatever is under way, after removing `leftovers`: files, and folders that are empty then. */
  exitNow(code: number, leftovers?: readonly string[]): void;
}

/** Whoever read our output has seen enough. Not a failure: the program ends quietly. */
export class ClosedPipeError extends Error {
  constructor() {
    super("the reader of the output has gone");
    this.name = "ClosedPipeError";
  }
}
