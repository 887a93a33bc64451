/**
 * The command line in process: `runInProcess(["scan", "d0.img"], { services })` runs a verb as the program would, on a terminal
 * that keeps what is written, with this machine's files and a clock that the test moves.
 */
import type { Env } from "../../src/env/env.ts";
import { nodeEnv } from "../../src/env/node/env.ts";
import { runCli } from "../../src/cli/main.ts";
import type { Services } from "../../src/cli/services.ts";
import { ClosedPipeError } from "../../src/cli/terminal.ts";
import type { OutputStream, Terminal } from "../../src/cli/terminal.ts";

interface FakeStreamOptions {
  readonly columns?: number;
  /** The reader goes away when it has been given so many pieces. */
  readonly closedAfter?: number;
}

class FakeStream implements OutputStream {
  readonly isTTY: boolean;
  readonly columns: number;
  readonly #closedAfter: number;
  readonly #pieces: Uint8Array[] = [];
  #onWrite: (text: string) => void = () => {};

  constructor(options: FakeStreamOptions) {
    this.isTTY = options.columns !== undefined;
    this.columns = options.columns ?? Infinity;
    this.#closedAfter = options.closedAfter ?? Infinity;
  }

  async write(data: string | Uint8Array): Promise<void> {
    await Promise.resolve();
    if (this.#pieces.length >= this.#closedAfter) throw new ClosedPipeError();
    this.#pieces.push(Buffer.from(data));
    this.#onWrite(this.text);
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#pieces);
  }

  get text(): string {
    return Buffer.from(this.bytes).toString();
  }

  /** Resolves when what was written so far contains `text`. */
  contains(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#onWrite = (all) => {
        if (all.includes(text)) resolve();
      };
      this.#onWrite(this.text);
    });
  }
}

export class FakeTerminal implements Terminal {
  readonly stdout: FakeStream;
  readonly stderr: FakeStream;
  readonly #variables: Readonly<Record<string, string>>;
  readonly #handlers = new Map<(count: number) => void, number>();
  #wantFigures: () => void = () => {};
  readonly folder: string;
  readonly hostName = "machine";
  readonly #input: string[];
  /** Programs that were to be run, with their words. */
  readonly programs: string[][] = [];
  /** What exitNow was called with. */
  exitedWith: number | null = null;
  leftovers: readonly string[] = [];

  constructor(options: RunOptions) {
    const columns = options.columns === undefined ? {} : { columns: options.columns };
    const closedAfter =
      options.closedAfter === undefined ? {} : { closedAfter: options.closedAfter };
    this.stdout = new FakeStream({ ...columns, ...closedAfter });
    const stderrColumns = options.stderrColumns ?? options.columns;
    this.stderr = new FakeStream(stderrColumns === undefined ? {} : { columns: stderrColumns });
    this.#variables = options.variables ?? {};
    this.folder = options.folder ?? "/";
    this.#input = [...(options.input ?? [])];
  }

  async readLine(): Promise<string | null> {
    await Promise.resolve();
    return this.#input.shift() ?? null;
  }

  async readInput(): Promise<string> {
    await Promise.resolve();
    return this.#input.splice(0).join("\n");
  }

  async runProgram(path: string, words: readonly string[]): Promise<void> {
    await Promise.resolve();
    this.programs.push([path, ...words]);
  }

  variable(name: string): string | undefined {
    return this.#variables[name];
  }

  onInterrupt(handler: (count: number) => void): () => void {
    this.#handlers.set(handler, 0);
    return () => this.#handlers.delete(handler);
  }

  onFiguresWanted(handler: () => void): () => void {
    this.#wantFigures = handler;
    return () => {
      this.#wantFigures = () => {};
    };
  }

  exitNow(code: number, leftovers: readonly string[] = []): void {
    this.exitedWith ??= code;
    this.leftovers = leftovers;
  }

  /** As SIGUSR1 does. */
  wantFigures(): void {
    this.#wantFigures();
  }

  /** As Ctrl-C does. Says whether anybody listens. */
  interrupt(): boolean {
    for (const [handler, count] of this.#handlers) {
      this.#handlers.set(handler, count + 1);
      handler(count + 1);
    }
    return this.#handlers.size > 0;
  }
}

export interface RunOptions {
  /** What is not given must not be called. */
  readonly services?: Partial<Services>;
  readonly env?: Partial<Env>;
  /** Both stdout and stderr are terminals of this width. */
  readonly columns?: number;
  /** Just stderr is. */
  readonly stderrColumns?: number;
  readonly variables?: Readonly<Record<string, string>>;
  /** Lines of standard input. */
  readonly input?: readonly string[];
  /** Where relative paths start. */
  readonly folder?: string;
  /** Whoever reads stdout goes away after so many writes. */
  readonly closedAfter?: number;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderr: string;
}

function refuse(name: string): () => Promise<never> {
  return () => Promise.reject(new Error(`this test did not expect ${name} to be called`));
}

const NO_SERVICES: Services = {
  scan: refuse("scan"),
  examine: refuse("examine"),
  explain: refuse("explain"),
  open: refuse("open"),
  arena: () => null,
  files: refuse("files"),
  process: { uid: 1000, processId: 4711, folder: "/work" },
  setLogLevel: () => {},
  startEngine: refuse("startEngine"),
  watchProcess: () =>
    Promise.resolve(() => ({
      residentBytes: 64 * 1024 * 1024,
      loopDelay: { p50Ms: 0.125, p99Ms: 1.5, maxMs: 20 },
    })),
};

/** A run that goes on: for verbs that wait to be interrupted. */
export function startInProcess(
  args: readonly string[],
  options: RunOptions = {},
): { readonly terminal: FakeTerminal; readonly ended: Promise<RunResult> } {
  const terminal = new FakeTerminal(options);
  const run = async (): Promise<RunResult> => {
    const code = await runCli(args, {
      env: { ...nodeEnv(), ...options.env },
      terminal,
      services: { ...NO_SERVICES, ...options.services },
    });
    const { stdout, stderr } = terminal;
    return { code, stdout: stdout.text, stdoutBytes: stdout.bytes, stderr: stderr.text };
  };
  return { terminal, ended: run() };
}

export function runInProcess(
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  return startInProcess(args, options).ended;
}
