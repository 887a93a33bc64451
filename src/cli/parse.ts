/**
 * The words behind a verb, by its meta. Commander does the reading (clustered short options, --name=value, "--",
 * suggestions); what it has to say comes out as one sentence of ours.
 */
import { HoldfastError } from "../base/errors.ts";
import { assert } from "../base/assert.ts";
import type { Command as Parser } from "commander";
import type { ArgumentSpec, CommandMeta, OptionSpec, ParsedArguments } from "./command.ts";
import { markFileArguments } from "./file-arguments.ts";

export function operandText(argument: ArgumentSpec): string {
  const name = argument.repeated ? `${argument.name}...` : argument.name;
  return argument.required ? name : `[${name}]`;
}

/** " OUT", with its space; "" for a switch. */
export function valueText({ value }: OptionSpec): string {
  if (value === undefined) return "";
  return value.optional === true ? ` [${value.name}]` : ` ${value.name}`;
}

function commanderFlags(option: OptionSpec): string {
  const { value } = option;
  const short = option.short === undefined ? "" : `-${option.short}, `;
  const suffix =
    value === undefined ? "" : value.optional === true ? ` [${value.name}]` : ` <${value.name}>`;
  return `${short}--${option.long}${suffix}`;
}

function commanderArgument(argument: ArgumentSpec): string {
  const name = argument.repeated ? `${argument.name}...` : argument.name;
  const isChecked = argument.required && argument.checkedByVerb !== true;
  return isChecked ? `<${name}>` : `[${name}]`;
}

function camelCase(long: string): string {
  return long.replaceAll(/-(\w)/g, (_all, letter: string) => letter.toUpperCase());
}

/** Commander's words ("error: unknown option '--jso'\n(Did you mean --json?)") as a sentence. */
function sentenceOf(message: string, verb: string | null): string {
  const text = message
    .replace(/^error: /, "")
    .replace(/\s*\(Did you mean (.*)\?\)$/s, ", did you mean $1?")
    .replace(/\.$/, "");
  const help = verb === null ? "holdfast --help" : `holdfast ${verb} --help`;
  const separator = text.endsWith("?") ? " See" : "; see";
  return `${verb === null ? "" : `${verb}: `}${text}${separator} '${help}'.`;
}

/** Runs `parse` on a commander that throws `usage` instead of printing and leaving. */
async function withParser<T>(verb: string | null, parse: (parser: Parser) => T): Promise<T> {
  const { Command, CommanderError } = await import("commander");
  const parser = new Command(verb ?? "holdfast")
    .exitOverride()
    .helpOption(false)
    .helpCommand(false)
    .configureOutput({ writeOut: () => {}, writeErr: () => {} });
  try {
    return parse(parser);
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    throw new HoldfastError("usage", sentenceOf(thrown.message, verb), { cause: thrown });
  }
}

/** Behind a repeated operand commander takes no other; the verb tells them apart. */
function tellable({ arguments: all }: CommandMeta): readonly ArgumentSpec[] {
  const repeatedAt = all.findIndex(({ repeated }) => repeated);
  return repeatedAt < 0 ? all : all.slice(0, repeatedAt + 1);
}

/** Throws `usage` for words that the verb does not take. */
export async function parseArguments(
  meta: CommandMeta,
  words: readonly string[],
): Promise<ParsedArguments> {
  const { Option } = await import("commander");
  return withParser(meta.name, (parser) => {
    for (const argument of tellable(meta)) parser.argument(commanderArgument(argument));
    for (const option of meta.options) {
      const made = new Option(commanderFlags(option));
      const choices = option.value?.completes;
      if (Array.isArray(choices)) made.choices(choices);
      parser.addOption(made.conflicts((option.conflicts ?? []).map(camelCase)));
    }
    parser.action(() => {});
    parser.parse(markFileArguments(meta, words), { from: "user" });
    return parsed(meta, parser.args, (long) => parser.getOptionValue(camelCase(long)) as unknown);
  });
}

function parsed(
  meta: CommandMeta,
  operands: readonly string[],
  find: (long: string) => unknown,
): ParsedArguments {
  const known = new Set(meta.options.map(({ long }) => long));
  const lookUp = (long: string): unknown => {
    assert(known.has(long), `${meta.name} has an option --${long}`);
    return find(long);
  };
  return {
    operands,
    has: (long) => lookUp(long) !== undefined,
    value(long) {
      const found = lookUp(long);
      return typeof found === "string" ? found : undefined;
    },
  };
}

/** The error for a first word that is no verb, with the verb that may have been meant. */
export async function refuseVerb(word: string, verbs: readonly string[]): Promise<never> {
  return withParser(null, (parser) => {
    for (const verb of verbs) parser.command(verb);
    parser.parse([word], { from: "user" });
    throw new HoldfastError("usage", sentenceOf(`unknown command '${word}'`, null));
  });
}
