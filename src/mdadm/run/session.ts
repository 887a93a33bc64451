/**
 * One command line being carried out: what it says and where, whose arrays are ours, the configuration, the arrays' host.
 *
 * Results go to standard output as they are; what was done ("array /dev/md0 started.") follows as lines that begin with "mdadm: "; what
 * went wrong or is to be known goes to standard error. With --json standard output has one document instead, at the end.
 */
import { posix } from "node:path";
import { HoldfastError } from "../../base/errors.ts";
import { isNbdUri } from "../../formats/nbd/uri.ts";
import type { ArrayHost } from "../../host/array-host.ts";
import type { CommonOptions } from "../command.ts";
import type { Config } from "../config.ts";
import { loadConfig } from "./load-config.ts";
import type { MdadmTools } from "./tools.ts";

/** Whose arrays are local, and whether only those may have their own names. */
export interface Homehost {
  /** Null: nobody's are. */
  readonly name: string | null;
  readonly required: boolean;
}

export interface Message {
  readonly kind: "info" | "error";
  readonly text: string;
}

/** Continuation lines of a message stand behind "mdadm: ". */
const INDENT = "       ";

export class Session {
  readonly tools: MdadmTools;
  readonly common: CommonOptions;
  readonly isJson: boolean;
  readonly messages: Message[] = [];
  readonly results: object[] = [];
  #written: Promise<void> = Promise.resolve();
  #config: Promise<Config> | null = null;
  #host: Promise<ArrayHost> | null = null;

  constructor(tools: MdadmTools, common: CommonOptions, isJson: boolean) {
    this.tools = tools;
    this.common = common;
    this.isJson = isJson;
  }

  get env(): MdadmTools["env"] {
    return this.tools.env;
  }

  get isQuiet(): boolean {
    return this.common.verbosity < 0;
  }

  get isVerbose(): boolean {
    return this.common.verbosity > 0;
  }

  /** A result as text, its newlines included. */
  print(text: string): void {
    if (!this.isJson) this.#write("stdout", text);
  }

  /** A result for --json. */
  result(value: object): void {
    this.results.push(value);
  }

  /** What was done. */
  info(text: string): void {
    if (this.isQuiet) return;
    this.messages.push({ kind: "info", text });
    if (!this.isJson) this.#write("stdout", `mdadm: ${text}\n`);
  }

  /** For whoever wants to know more. */
  detail(text: string): void {
    if (this.isVerbose) this.warn(text);
  }

  /** Lines behind the first are continuations. */
  warn(...lines: readonly string[]): void {
    this.messages.push({ kind: "error", text: lines.join(" ") });
    this.#write("stderr", `mdadm: ${lines.join(`\n${INDENT}`)}\n`);
  }

  /** A line for standard error as it is. */
  note(text: string): void {
    this.#write("stderr", `${text}\n`);
  }

  /** Something that happened while we watch, for --json: a line of its own. */
  event(value: object): void {
    if (this.isJson) this.#write("stdout", `${JSON.stringify(value)}\n`);
  }

  /** What --json prints. */
  async document(exitCode: number): Promise<void> {
    const { messages, results } = this;
    await this.tools.stdout(`${JSON.stringify({ exitCode, messages, results }, null, 2)}\n`);
  }

  /** A refusal as mdadm would say it, and its exit code. */
  refuse(exitCode: number, ...lines: readonly string[]): number {
    this.warn(...lines);
    return exitCode;
  }

  /** Asks on standard error; false at the end of input. */
  async confirm(question: string): Promise<boolean> {
    this.#write("stderr", `${question}? `);
    await this.flush();
    const answer = await this.tools.readLine();
    return answer !== null && /^y/i.test(answer.trim());
  }

  #write(stream: "stdout" | "stderr", text: string): void {
    this.#written = this.#written.then(() => this.tools[stream](text));
    // Whoever flushes hears of it.
    this.#written.catch(() => {});
  }

  /** Everything said so far has left. */
  flush(): Promise<void> {
    return this.#written;
  }

  /** As the arrays' host knows a device: not relative to where we are. */
  absolute(path: string): string {
    return isNbdUri(path) ? path : posix.resolve(this.tools.folder, path);
  }

  host(): Promise<ArrayHost> {
    this.#host ??= this.tools.host();
    return this.#host;
  }

  /** Null where there is none: for what does without. */
  async hostIfAny(): Promise<ArrayHost | null> {
    try {
      return await this.host();
    } catch (thrown) {
      if (thrown instanceof HoldfastError) return null;
      throw thrown;
    }
  }

  config(): Promise<Config> {
    this.#config ??= this.#loadConfig();
    return this.#config;
  }

  async #loadConfig(): Promise<Config> {
    const config = await loadConfig(this.env, this.common.config);
    for (const message of config.messages) this.warn(message);
    return config;
  }

  async homehost(): Promise<Homehost> {
    const { homehost, homehostRequired } = this.common;
    const said = homehost ?? (await this.config()).homehost ?? "<system>";
    const required = homehostRequired && said !== "<ignore>";
    if (said === "" || said === "<none>") return { name: null, required };
    const isSystem = said === "<system>" || said === "<ignore>";
    return { name: isSystem ? this.tools.hostName : said, required };
  }
}
