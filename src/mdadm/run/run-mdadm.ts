/**
 * Carries out a mdadm command line: parses it, does what it asks for by its mode, and gives the exit code.
 *
 * --json stands in front of mdadm's own words. Then standard output has one document: the exit code, what was said, and
 * what was found or done; in monitor mode a line for each event instead.
 */
import { HoldfastError } from "../../base/errors.ts";
import { VERSION } from "../../base/version.ts";
import type { CommonOptions, MdadmCommand, Parsed } from "../command.ts";
import { parseCommandLine } from "../grammar.ts";
import { updateWordLines } from "../setters.ts";
import { Session } from "./session.ts";
import type { MdadmTools } from "./tools.ts";

/** For what is said before there is a command. */
const NO_OPTIONS: CommonOptions = {
  verbosity: 0,
  brief: false,
  export: false,
  noDevices: false,
  scan: false,
  force: false,
  test: false,
  config: null,
  homehost: null,
  homehostRequired: true,
  prefer: null,
};

async function dispatch(session: Session, command: MdadmCommand): Promise<number> {
  switch (command.mode) {
    case "create":
      return (await import("./create.ts")).runCreate(session, command);
    case "build":
      return (await import("./build.ts")).runBuild(session, command);
    case "assemble":
      return (await import("./assemble.ts")).runAssemble(session, command);
    case "incremental":
      return (await import("./incremental.ts")).runIncremental(session, command);
    case "manage":
      return (await import("./manage.ts")).runManage(session, command);
    case "misc":
      return (await import("./misc.ts")).runMisc(session, command);
    case "grow":
      return (await import("./grow.ts")).runGrow(session, command);
    case "monitor":
      return (await import("./monitor.ts")).runMonitor(session, command);
    case "auto-detect":
      throw new HoldfastError(
        "unsupported",
        "--auto-detect asks the kernel for arrays, and the arrays here are not the kernel's",
      );
  }
}

/** What needs no session: help, the version, words that are wrong. */
async function answer(session: Session, parsed: Exclude<Parsed, { kind: "command" }>) {
  switch (parsed.kind) {
    case "help": {
      const { helpText } = await import("./help.ts");
      session.print(helpText(parsed.topic));
      session.result({ help: helpText(parsed.topic) });
      return 0;
    }
    case "version":
      session.note(`mdadm - v4.6 - holdfast ${VERSION}`);
      session.result({ version: VERSION });
      return 0;
    case "update-words":
      session.print(
        ["Valid --update options are:", ...updateWordLines()].join("\n    ").concat("\n"),
      );
      return 0;
    case "error":
      if (parsed.lines.length > 0) session.warn(...parsed.lines);
      for (const line of parsed.usage ?? []) session.note(line);
      return parsed.exitCode;
  }
}

async function carriedOut(session: Session, command: MdadmCommand): Promise<number> {
  try {
    return await dispatch(session, command);
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    return session.refuse(1, thrown.message);
  }
}

/** @param words the command line without the program's name */
export async function runMdadm(words: readonly string[], tools: MdadmTools): Promise<number> {
  const isJson = words[0] === "--json";
  const parsed = parseCommandLine(isJson ? words.slice(1) : words);
  const common = parsed.kind === "command" ? parsed.command.common : NO_OPTIONS;
  const session = new Session(tools, common, isJson);
  const exitCode =
    parsed.kind === "command"
      ? await carriedOut(session, parsed.command)
      : await answer(session, parsed);
  const isStream = parsed.kind === "command" && parsed.command.mode === "monitor";
  await session.flush();
  if (isJson && !isStream) await session.document(exitCode);
  return exitCode;
}
