/**
 * A verb is data: `meta` says what it takes, and from it come parsing, --help, the manual page and the shells'
 * completion, so they cannot disagree. `run` does the work with what was parsed.
 */
import type { Env } from "../env/env.ts";
import type { Output } from "./output.ts";
import type { Services } from "./services.ts";
import type { Terminal } from "./terminal.ts";

/** What a shell offers when a word is completed. */
export type Completes = "files" | "folders" | "verbs" | "nothing" | readonly string[];

export interface ArgumentSpec {
  /** In capitals, as it stands in the usage line. */
  readonly name: string;
  readonly required: boolean;
  /** The verb itself sees to it that it is there. */
  readonly checkedByVerb?: true;
  readonly repeated: boolean;
  readonly text: string;
  readonly completes: Completes;
}

export interface OptionSpec {
  /** Without the dashes: "output". */
  readonly long: string;
  /** Without the dash: "o". */
  readonly short?: string;
  /** Absent for a switch. */
  readonly value?: {
    readonly name: string;
    readonly optional?: true;
    readonly completes: Completes;
  };
  /** Other options it makes no sense with. */
  readonly conflicts?: readonly string[];
  readonly text: string;
}

export interface Example {
  readonly command: string;
  readonly text: string;
}

export interface CommandMeta {
  readonly name: string;
  /** Half a sentence, small letter, no full stop. */
  readonly summary: string;
  /** Paragraphs. */
  readonly description: readonly string[];
  readonly arguments: readonly ArgumentSpec[];
  readonly options: readonly OptionSpec[];
  readonly examples: readonly Example[];
  /** The words behind the verb are another program's language: they come as operands, unread, --help and all. */
  readonly ownGrammar?: true;
  /** Words that begin with "/" behind --volume are files in the volume (file-arguments.ts). */
  readonly fileArguments?: { readonly lastIsLocal: boolean };
}

/** What was typed behind the verb. */
export interface ParsedArguments {
  readonly operands: readonly string[];
  /** Whether the option was given, with or without a value. */
  has(option: string): boolean;
  /** Its value; undefined when it was not given or has none. */
  value(option: string): string | undefined;
}

export interface CommandContext {
  readonly env: Env;
  readonly terminal: Terminal;
  readonly services: Services;
  readonly output: Output;
}

export interface Command {
  readonly meta: CommandMeta;
  /** An ExitCode, but for languages of other programs. */
  run(context: CommandContext, args: ParsedArguments): Promise<number>;
}
