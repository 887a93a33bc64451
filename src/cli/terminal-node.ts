/** The Terminal of this process. */
import { spawn } from "node:child_process";
import { hostname } from "node:os";
import { createInterface } from "node:readline";
import { HoldfastError } from "../base/errors.ts";
import { ClosedPipeError } from "./terminal.ts";
import type { OutputStream, Terminal } from "./terminal.ts";

const CLOSED = new Set(["EPIPE", "ERR_STREAM_DESTROYED", "ERR_STREAM_WRITE_AFTER_END"]);
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const FALLBACK_COLUMNS = 80;

class NodeOutput implements OutputStream {
  readonly #stream: NodeJS.WriteStream;
  readonly #name: string;

  constructor(stream: NodeJS.WriteStream, name: string) {
    this.#stream = stream;
    this.#name = name;
    // Failed writes are told to their callers; without a listener the event would end the process.
    stream.on("error", () => {});
  }

  get isTTY(): boolean {
    return this.#stream.isTTY;
  }

  get columns(): number {
    return this.isTTY ? this.#stream.columns || FALLBACK_COLUMNS : Infinity;
  }

  write(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write(data, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(this.#failed(error));
      });
    });
  }

  #failed(error: NodeJS.ErrnoException): Error {
    if (CLOSED.has(error.code ?? "")) return new ClosedPipeError();
    const code = error.code === "ENOSPC" ? "no-space" : "io";
    return new HoldfastError(code, `${this.#name} cannot be written: ${error.message}.`, {
      cause: error,
    });
  }
}

function onInterrupt(handler: (count: number) => void): () => void {
  let count = 0;
  const listener = (): void => {
    count += 1;
    handler(count);
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return () => {
    for (const signal of SIGNALS) process.off(signal, listener);
  };
}

/** A listener stays, since without any the signal would end the process that is about to end in order. */
function onFiguresWanted(handler: () => void): () => void {
  let wanted = handler;
  process.on("SIGUSR1", () => wanted());
  return () => {
    wanted = () => {};
  };
}

/** What follows the line stays unread, but for what came with it. */
async function readLine(): Promise<string | null> {
  const lines = createInterface({ input: process.stdin, terminal: false });
  try {
    for await (const line of lines) return line;
    return null;
  } finally {
    lines.close();
  }
}

async function readInput(): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString("utf8");
}

function runProgram(path: string, words: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, words, { stdio: ["ignore", "inherit", "inherit"] });
    child.once("error", (error) =>
      reject(new HoldfastError("not-found", error.message, { cause: error })),
    );
    child.once("exit", () => resolve());
  });
}

/** @param exitNow how this process ends at once */
export function nodeTerminal(exitNow: Terminal["exitNow"]): Terminal {
  return {
    stdout: new NodeOutput(process.stdout, "standard output"),
    stderr: new NodeOutput(process.stderr, "standard error"),
    variable: (name) => process.env[name],
    onInterrupt,
    onFiguresWanted,
    folder: process.cwd(),
    hostName: hostname(),
    readLine,
    readInput,
    runProgram,
    exitNow,
  };
}
