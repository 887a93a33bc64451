/**
 * The command line of design: `holdfast VERB ...`. Finds the verb, loads it and nothing else, parses, runs, and turns
 * what is thrown into one sentence on stderr and an exit code. Errors that are no HoldfastError are bugs and go on to the caller.
 */
import { HoldfastError } from "../base/errors.ts";
import type { Env } from "../env/env.ts";
import type { CommandContext, ParsedArguments } from "./command.ts";
import { EXIT_DONE, EXIT_USAGE, exitCodeOf } from "./exit-codes.ts";
import type { ExitCode } from "./exit-codes.ts";
import { Output } from "./output.ts";
import { parseArguments, refuseVerb } from "./parse.ts";
import { COMMANDS, allMetas, findCommand } from "./registry.ts";
import type { Services } from "./services.ts";
import { ClosedPipeError } from "./terminal.ts";
import type { Terminal } from "./terminal.ts";

export interface CliHost {
  readonly env: Env;
  readonly terminal: Terminal;
  readonly services: Services;
}

/** Runs one command line (without the program's name); resolves to the exit code. */
export async function runCli(args: readonly string[], host: CliHost): Promise<number> {
  const context: CommandContext = { ...host, output: new Output(host.terminal) };
  try {
    return await dispatch(args, context);
  } catch (thrown) {
    return tellFailure(thrown, context.output);
  }
}

/** One sentence on stderr, and the exit code. @throws what is no HoldfastError: it is a bug */
async function tellFailure(thrown: unknown, output: Output): Promise<ExitCode> {
  if (thrown instanceof ClosedPipeError) return EXIT_DONE;
  if (!(thrown instanceof HoldfastError)) throw thrown;
  await output.error(thrown.message);
  return exitCodeOf(thrown.code);
}

const LONG_FORMS: Readonly<Record<string, string>> = {
  "--help": "help",
  "-h": "help",
  "--version": "version",
  "-V": "version",
};

async function dispatch(args: readonly string[], context: CommandContext): Promise<number> {
  const [first, ...words] = args;
  if (first === undefined) return showOverview(context);
  const verb = LONG_FORMS[first] ?? first;
  const entry = findCommand(verb);
  if (entry === undefined) return refuseFirst(first);
  const { command } = await entry.load();
  if (command.meta.ownGrammar === true) return command.run(context, unread(words));
  if (asksForHelp(words)) {
    const { commandHelp } = await import("./help.ts");
    await context.output.lines(commandHelp(command.meta, context.output.tableStyle));
    return EXIT_DONE;
  }
  return command.run(context, await parseArguments(command.meta, words));
}

/** Words of another program's language. */
function unread(words: readonly string[]): ParsedArguments {
  return { operands: words, has: () => false, value: () => undefined };
}

function asksForHelp(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  const options = end < 0 ? words : words.slice(0, end);
  return options.includes("--help") || options.includes("-h");
}

async function refuseFirst(word: string): Promise<never> {
  if (word.startsWith("-")) {
    throw new HoldfastError(
      "usage",
      `a verb comes first, and '${word}' is an option; see 'holdfast --help'.`,
    );
  }
  const names = COMMANDS.map(({ name }) => name);
  return refuseVerb(word, names);
}

/** Nothing was asked for: the overview helps on, but it is not what a script wanted. */
async function showOverview(context: CommandContext): Promise<ExitCode> {
  const { overviewHelp } = await import("./help.ts");
  const lines = overviewHelp(await allMetas(), context.output.tableStyle);
  await context.terminal.stderr.write(`${lines.join("\n")}\n`).catch(() => {});
  return EXIT_USAGE;
}
