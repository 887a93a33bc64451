/**
 * mdadm's command line: options in order, each judged by the mode that those before it set.
 *
 * Three questions are asked of every option: does it mean the same in all modes? does it set the mode? is it one of the
 * mode's (mode-options.ts)? Words are devices; the options before a device that describe devices apply to it.
 * Facts: mdadm(8), and what mdadm 4.2 does with the lines of grammar.test.ts.
 */
import type { HelpTopic, Parsed } from "./command.ts";
import { Draft } from "./draft.ts";
import { finish } from "./finish.ts";
import { Getopt } from "../base/getopt.ts";
import type { GetoptStep } from "../base/getopt.ts";
import { setterOf } from "./mode-options.ts";
import { shortOptions } from "./modes.ts";
import type { Mode } from "./modes.ts";
import { IMPLIED_MODE_OF, LONG_OPTIONS, MODE_OF, meaningOf } from "./options.ts";
import { VALUES, flag } from "./setters.ts";
import type { Given, Setter } from "./setters.ts";
import { parseSize } from "./values.ts";

const USAGE = ["Usage: mdadm --help", "  for help"];

function fail(...lines: readonly string[]): Parsed {
  return { kind: "error", lines, exitCode: 2 };
}

/** Options that mean the same whatever the mode, and never set one. */
const EVERYWHERE: ReadonlyMap<string, Setter> = new Map<string, Setter>([
  ["verbose", verbosity(1)],
  ["quiet", verbosity(-1)],
  ["brief", flag("brief")],
  ["no-devices", flag("no-devices")],
  ["export", flag("export")],
  ["offroot", (): null => null],
  ["homehost", VALUES["homehost"]!],
  ["prefer", VALUES["prefer"]!],
]);

function verbosity(step: number): Setter {
  return (draft) => {
    draft.verbosity += step;
    return null;
  };
}

const TOPICS: ReadonlyMap<Mode, HelpTopic> = new Map<Mode, HelpTopic>([
  ["assemble", "assemble"],
  ["build", "build"],
  ["create", "create"],
  ["manage", "manage"],
  ["misc", "misc"],
  ["monitor", "monitor"],
  ["grow", "grow"],
  ["incremental", "incremental"],
  ["auto-detect", "auto-detect"],
]);

/** An option with its place in the language found. */
interface Option extends Given {
  readonly meaning: string;
  readonly isLong: boolean;
}

function optionOf(step: GetoptStep & { kind: "short" | "long" }, mode: Mode | null): Option {
  const value = step.value ?? "";
  if (step.kind === "long")
    return {
      meaning: step.option.meaning,
      spelled: `--${step.option.name}`,
      value,
      isLong: true,
    };
  return {
    meaning: meaningOf(step.letter, mode),
    spelled: `-${step.letter}`,
    value,
    isLong: false,
  };
}

class Parser {
  readonly #draft = new Draft();
  #mode: Mode | null = null;

  parse(words: readonly string[]): Parsed {
    const getopt = new Getopt(words, LONG_OPTIONS);
    for (;;) {
      const step = getopt.next(shortOptions(this.#mode));
      if (step.kind === "end") return this.#end();
      const outcome = this.#step(step);
      if (outcome !== null) return outcome;
    }
  }

  #step(step: Exclude<GetoptStep, { kind: "end" }>): Parsed | null {
    switch (step.kind) {
      case "error":
        return { kind: "error", lines: [step.message], usage: USAGE, exitCode: 2 };
      case "word":
        return this.#word(step.word);
      case "short":
      case "long":
        return this.#option(optionOf(step, this.#mode));
    }
  }

  #end(): Parsed {
    if (this.#mode !== null) return finish(this.#mode, this.#draft);
    const device = this.#draft.devices[0];
    if (device === undefined) return { kind: "error", lines: [], usage: USAGE, exitCode: 2 };
    // A device and nothing that says what to do with it: what is it?
    this.#draft.action = "query";
    this.#draft.devices[0] = { ...device, action: "query" };
    return finish("misc", this.#draft);
  }

  #option(option: Option): Parsed | null {
    const help = this.#help(option);
    if (help !== null) return help;
    const everywhere = EVERYWHERE.get(option.meaning);
    if (everywhere !== undefined) return asError(everywhere(this.#draft, option));
    const wrong = this.#setMode(option);
    if (wrong !== null) return wrong;
    const mode = this.#mode!;
    const setter = setterOf(mode, option.meaning);
    if (setter !== undefined) return this.#apply(setter, option);
    if (MODE_OF.get(option.meaning) === mode) return null;
    const what = option.isLong ? `:option ${option.spelled}` : `option ${option.spelled}`;
    return fail(`${what} not valid in ${mode} mode`);
  }

  #apply(setter: Setter, option: Option): Parsed | null {
    if (
      option.meaning === "update" &&
      this.#mode === "assemble" &&
      /^(?:help|\?)$/.test(option.value)
    )
      return { kind: "update-words" };
    return asError(setter(this.#draft, option));
  }

  #help({ meaning, value }: Option): Parsed | null {
    if (meaning === "version") return { kind: "version" };
    if (meaning === "help-options") return { kind: "help", topic: "options" };
    if (meaning === "help")
      return {
        kind: "help",
        topic: this.#mode === null ? null : (TOPICS.get(this.#mode) ?? null),
      };
    const aboutConfig = meaning === "config" && this.#mode === null && /^--?h/.test(value);
    return aboutConfig ? { kind: "help", topic: "config" } : null;
  }

  /** Sets the mode where the option does that; an error when it cannot, null when all is well. */
  #setMode({ meaning, spelled }: Option): Parsed | null {
    const forced = MODE_OF.get(meaning);
    if (this.#mode !== null) {
      if (forced === undefined || forced === this.#mode) return null;
      return fail(
        `${spelled} would set mdadm mode to "${forced}", but it is already set to "${this.#mode}".`,
      );
    }
    const mode = forced ?? IMPLIED_MODE_OF.get(meaning);
    if (mode === undefined)
      return fail(`${spelled} does not set the mode, and so cannot be the first option.`);
    const device = this.#draft.devices[0];
    if (mode === "misc" && device !== undefined)
      return fail(
        `No action given for ${device.path} in --misc mode`,
        "Action options must come before device names",
      );
    this.#mode = mode;
    return null;
  }

  #word(word: string): Parsed | null {
    const draft = this.#draft;
    if (draft.devices.length > 0) {
      const wrong = this.#secondDevice(word);
      if (wrong !== null) return wrong;
    }
    // Only an array's members come with a data offset behind a colon.
    const [, path = word, offset] =
      (draft.dataOffset === "variable" ? /^(.*):([^:]*)$/ : /^$/).exec(word) ?? [];
    draft.devices.push({
      path,
      missing: word.toLowerCase() === "missing",
      writeMostly: draft.writeMostly,
      failFast: draft.failFast,
      dataOffsetSectors: offset === undefined ? null : parseSize(offset),
      action: draft.action,
    });
    return null;
  }

  #secondDevice(word: string): Parsed | null {
    const mode = this.#mode;
    if (mode === null)
      return fail(
        "An option must be given to set the mode before a second device",
        `(${word}) is listed`,
      );
    if (mode === "manage" && this.#draft.action === null)
      return fail(`Must give one of -a/-r/-f for subsequent devices at ${word}`);
    if (mode === "grow" && this.#draft.action === null)
      return fail(`Must give -a/--add for devices to add: ${word}`);
    if (mode === "misc" && this.#draft.action === "detail-platform")
      return fail(`only one controller can be looked at: ${word} is one too many`);
    return null;
  }
}

function asError(lines: readonly string[] | null): Parsed | null {
  return lines === null ? null : fail(...lines);
}

/** @param words the command line without the program's name */
export function parseCommandLine(words: readonly string[]): Parsed {
  return new Parser().parse(words);
}
