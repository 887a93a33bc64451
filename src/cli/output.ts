/**
 * What verbs print with. Results go to stdout; notes, warnings and errors to stderr, each one line that begins
 * with "holdfast: ". That stderr cannot be written is nobody's error.
 */
import type { OutputStream, Terminal } from "./terminal.ts";
import { paintFor } from "./style.ts";
import type { Paint } from "./style.ts";
import type { TableStyle } from "./table.ts";
import { printable } from "./text.ts";

export class Output {
  readonly stdout: OutputStream;
  readonly #stderr: OutputStream;
  /** For results. */
  readonly paint: Paint;
  readonly #paintStderr: Paint;

  constructor(terminal: Terminal) {
    this.stdout = terminal.stdout;
    this.#stderr = terminal.stderr;
    this.paint = paintFor(terminal.stdout, terminal);
    this.#paintStderr = paintFor(terminal.stderr, terminal);
  }

  /** How results are to be laid out. */
  get tableStyle(): TableStyle {
    return { width: this.stdout.columns, paint: this.paint };
  }

  async lines(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.stdout.write(`${lines.join("\n")}\n`);
  }

  /** A report for programs. */
  async json(value: unknown): Promise<void> {
    await this.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** One event for programs that read line by line. */
  async jsonLine(value: unknown): Promise<void> {
    await this.stdout.write(`${JSON.stringify(value)}\n`);
  }

  note(sentence: string): Promise<void> {
    return this.#say(this.#paintStderr("note: ", "dim"), sentence);
  }

  warning(sentence: string): Promise<void> {
    return this.#say(this.#paintStderr("warning: ", "warning"), sentence);
  }

  error(sentence: string): Promise<void> {
    return this.#say("", sentence);
  }

  async #say(kind: string, sentence: string): Promise<void> {
    const oneLine = printable(sentence.trim().replace(/\s*\n\s*/g, " "));
    const stop = /[.!?]$/.test(oneLine) ? "" : ".";
    await this.#stderr.write(`holdfast: ${kind}${oneLine}${stop}\n`).catch(() => {});
  }
}
