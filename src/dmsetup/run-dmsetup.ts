/**
 * Carries out a dmsetup command line and gives its exit code: 0, or 1 for whatever went wrong.
 *
 * --json stands in front of dmsetup's own words. Then standard output has one document: the exit code, what was said, what was found or done.
 */
import { HoldfastError } from "../base/errors.ts";
import { COMMANDS } from "./commands.ts";
import type { CommandSpec } from "./commands.ts";
import { INFO_FIELDS, SPLIT_FIELDS } from "./fields.ts";
import { helpText } from "./help.ts";
import { NO_OPTIONS, parseOptions } from "./options.ts";
import { UnknownField } from "./report.ts";
import { refsOf } from "./run/device-names.ts";
import { selectedRefs } from "./run/show.ts";
import { WrongSelection } from "./selection.ts";
import { Session } from "./session.ts";
import type { DmsetupTools } from "./tools.ts";
import { WrongOption } from "./wrong-option.ts";

const SELECTION_HELP = `  FIELD=TEXT FIELD!=TEXT FIELD=~REGEX FIELD!~REGEX, for numbers = != > >= < <=; && or , for both, || or # for one of them, ! for not, and brackets.`;

/** @param words the command line without the program's name */
export async function runDmsetup(words: readonly string[], tools: DmsetupTools): Promise<number> {
  const isJson = words[0] === "--json";
  const parsed = parseOptions(isJson ? words.slice(1) : words);
  const options = parsed.kind === "options" ? parsed.options : NO_OPTIONS;
  const session = new Session(tools, options, isJson);
  let isDone: boolean;
  if (parsed.kind === "options") isDone = await carriedOut(session, parsed.words);
  else isDone = refuse(session, parsed.message, "Couldn't process command line.");
  await session.flush();
  const exitCode = isDone ? 0 : 1;
  if (isJson) await session.document(exitCode);
  return exitCode;
}

function refuse(session: Session, ...lines: readonly string[]): false {
  for (const line of lines) session.warn(line);
  return false;
}

async function carriedOut(session: Session, words: readonly string[]): Promise<boolean> {
  const { options } = session;
  const [name = options.version ? "version" : "help", ...rest] = words;
  if (options.refused !== null)
    return refuse(
      session,
      `${options.refused} is not done here.`,
      "Couldn't process command line.",
    );
  if (options.fields === "help" && (name === "info" || name === "splitname")) {
    tellFields(session, name);
    return true;
  }
  if (options.select?.trim() === "help") {
    tellFields(session, name);
    session.note(SELECTION_HELP);
    return true;
  }
  if (options.help || name === "help") return help(session, rest, words.length > 0 || options.help);
  const command = COMMANDS.find(({ names }) => names.includes(name));
  if (command === undefined) return usage(session, "Unknown command.");
  if (
    rest.length < command.least - (isNamedByOption(session) ? 1 : 0) ||
    rest.length > command.most
  )
    return usage(session, "Incorrect number of arguments.");
  try {
    await run(session, command, rest);
    return true;
  } catch (thrown) {
    return told(session, name, thrown);
  }
}

/** With --select it is done for the devices that are meant, or not at all. */
async function run(
  session: Session,
  command: CommandSpec,
  words: readonly string[],
): Promise<void> {
  const { selects, names } = command;
  const { select, columns, fields, sort } = session.options;
  if (select === null) return command.run(session, words);
  if (selects === undefined)
    throw new WrongOption(`--select is not done here for ${names[0]}: it would do it for all.`);
  const isReport =
    selects === "rows" && (names[0] !== "info" || columns || fields !== null || sort !== null);
  if (isReport) return command.run(session, words);
  const refs = await selectedRefs(session, refsOf(session, words), select);
  const named = refs.map(({ name }) => name);
  return named.length === 0 ? undefined : command.run(session, named);
}

function isNamedByOption({ options }: Session): boolean {
  return options.uuid !== null || options.minor !== null;
}

function help(session: Session, rest: readonly string[], isAsked: boolean): boolean {
  if (rest.length > 0) return usage(session, "Incorrect number of arguments.");
  session.note(helpText().trimEnd());
  session.result({ help: helpText() });
  return isAsked;
}

function usage(session: Session, text: string): false {
  session.warn(text);
  session.note(helpText().trimEnd());
  return false;
}

function tellFields(session: Session, command: string): void {
  const fields = command === "splitname" ? SPLIT_FIELDS : INFO_FIELDS;
  for (const { id, heading, group } of fields)
    session.note(`  ${id.padEnd(18)} ${heading} (${group}_all)`);
}

function told(session: Session, command: string, thrown: unknown): false {
  if (thrown instanceof UnknownField) {
    tellFields(session, command);
    return refuse(session, thrown.message);
  }
  if (thrown instanceof WrongSelection) return refuse(session, thrown.message);
  if (thrown instanceof WrongOption)
    return refuse(session, thrown.message, "Couldn't process command line.");
  if (!(thrown instanceof HoldfastError)) throw thrown;
  return refuse(session, thrown.message, "Command failed.");
}
