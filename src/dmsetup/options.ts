/** The options of dmsetup's command line, and what they come to. */
import { Getopt } from "../base/getopt.ts";
import type { ArgumentKind, LongOption } from "../base/getopt.ts";

export interface DmsetupOptions {
  /** -v counts up. */
  verbosity: number;
  force: boolean;
  readOnly: boolean;
  noFlush: boolean;
  noLockFs: boolean;
  inactive: boolean;
  retry: boolean;
  deferred: boolean;
  columns: boolean;
  concise: boolean;
  noTable: boolean;
  setUuid: boolean;
  tree: boolean;
  noHeadings: boolean;
  namePrefixes: boolean;
  unquoted: boolean;
  rows: boolean;
  help: boolean;
  version: boolean;
  table: string | null;
  uuid: string | null;
  major: number | null;
  minor: number | null;
  /** -o. */
  fields: string | null;
  sort: string | null;
  separator: string | null;
  target: string | null;
  /** Criteria: only what fits them is dealt with. */
  select: string | null;
  /** Of ls: a program, and words for it. */
  exec: string | null;
  addNodeOnCreate: boolean;
  addNodeOnResume: boolean;
  /** What is wrong with an option's value, as dmsetup says it. */
  problem: string | null;
  /** Those that are understood and not done, as they were written. */
  refused: string | null;
}

export const NO_OPTIONS: Readonly<DmsetupOptions> = {
  verbosity: 0,
  force: false,
  readOnly: false,
  noFlush: false,
  noLockFs: false,
  inactive: false,
  retry: false,
  deferred: false,
  columns: false,
  concise: false,
  noTable: false,
  setUuid: false,
  tree: false,
  noHeadings: false,
  namePrefixes: false,
  unquoted: false,
  rows: false,
  help: false,
  version: false,
  table: null,
  uuid: null,
  major: null,
  minor: null,
  fields: null,
  sort: null,
  separator: null,
  target: null,
  select: null,
  exec: null,
  addNodeOnCreate: false,
  addNodeOnResume: false,
  problem: null,
  refused: null,
};

type Flag = {
  [K in keyof DmsetupOptions]: DmsetupOptions[K] extends boolean ? K : never;
}[keyof DmsetupOptions];
type Text = "table" | "uuid" | "fields" | "sort" | "separator" | "target" | "select" | "exec";

/** What an option does to the options; `ignored`: it is about device nodes, udev or the tool itself, of which there is nothing here. */
type Effect =
  | { readonly kind: "flag"; readonly of: Flag }
  | { readonly kind: "text"; readonly of: Text }
  | { readonly kind: "number"; readonly of: "major" | "minor" }
  | { readonly kind: "verbose" }
  | { readonly kind: "ignored"; readonly argument: ArgumentKind }
  | { readonly kind: "refused"; readonly argument: ArgumentKind };

const flag = (of: Flag): Effect => ({ kind: "flag", of });
const text = (of: Text): Effect => ({ kind: "text", of });
const ignored = (argument: ArgumentKind): Effect => ({ kind: "ignored", argument });

const EFFECTS: Readonly<Record<string, Effect>> = {
  readonly: flag("readOnly"),
  checks: ignored("none"),
  columns: flag("columns"),
  concise: flag("concise"),
  count: { kind: "refused", argument: "required" },
  deferred: flag("deferred"),
  select: text("select"),
  exec: text("exec"),
  force: flag("force"),
  gid: ignored("required"),
  help: flag("help"),
  inactive: flag("inactive"),
  interval: { kind: "refused", argument: "required" },
  manglename: ignored("required"),
  major: { kind: "number", of: "major" },
  minor: { kind: "number", of: "minor" },
  mode: ignored("required"),
  nameprefixes: flag("namePrefixes"),
  noflush: flag("noFlush"),
  noheadings: flag("noHeadings"),
  nolockfs: flag("noLockFs"),
  noopencount: ignored("none"),
  notable: flag("noTable"),
  noudevrules: ignored("none"),
  noudevsync: ignored("none"),
  options: text("fields"),
  readahead: ignored("required"),
  retry: flag("retry"),
  rows: flag("rows"),
  separator: text("separator"),
  setuuid: flag("setUuid"),
  showkeys: ignored("none"),
  sort: text("sort"),
  table: text("table"),
  target: text("target"),
  tree: flag("tree"),
  udevcookie: ignored("required"),
  uid: ignored("required"),
  unbuffered: ignored("none"),
  unquoted: flag("unquoted"),
  uuid: text("uuid"),
  verbose: { kind: "verbose" },
  verifyudev: ignored("none"),
  version: flag("version"),
  yes: ignored("none"),
  addnodeoncreate: flag("addNodeOnCreate"),
  addnodeonresume: flag("addNodeOnResume"),
};

const LETTERS: Readonly<Record<string, string>> = {
  c: "columns",
  C: "columns",
  f: "force",
  G: "gid",
  h: "help",
  j: "major",
  m: "minor",
  M: "mode",
  n: "notable",
  o: "options",
  O: "sort",
  r: "readonly",
  S: "select",
  u: "uuid",
  U: "uid",
  v: "verbose",
  y: "yes",
};

function argumentOf(effect: Effect): ArgumentKind {
  switch (effect.kind) {
    case "flag":
    case "verbose":
      return "none";
    case "text":
    case "number":
      return "required";
    case "ignored":
    case "refused":
      return effect.argument;
  }
}

const LONG: readonly LongOption[] = Object.entries(EFFECTS).map(([name, effect]) => ({
  name,
  argument: argumentOf(effect),
  meaning: name,
}));

const SHORT = Object.entries(LETTERS)
  .map(([letter, name]) => (argumentOf(EFFECTS[name]!) === "required" ? `${letter}:` : letter))
  .join("");

export type ParsedOptions =
  | {
      readonly kind: "options";
      readonly options: Readonly<DmsetupOptions>;
      /** The command and what it takes. */
      readonly words: readonly string[];
    }
  /** `message` as the C library puts it, with the program's name. */
  | { readonly kind: "error"; readonly message: string };

export function parseOptions(words: readonly string[]): ParsedOptions {
  const options: DmsetupOptions = { ...NO_OPTIONS };
  const operands: string[] = [];
  const getopt = new Getopt(words, LONG);
  for (;;) {
    const step = getopt.next(SHORT);
    switch (step.kind) {
      case "end":
        return checked(options, [...operands, ...getopt.rest]);
      case "error":
        return { kind: "error", message: `dmsetup: ${step.message}` };
      case "word":
        operands.push(step.word);
        break;
      case "short":
        apply(options, LETTERS[step.letter]!, step.value);
        break;
      case "long":
        apply(options, step.option.name, step.value);
        break;
    }
  }
}

function apply(options: DmsetupOptions, name: string, value: string | null): void {
  const effect = EFFECTS[name]!;
  switch (effect.kind) {
    case "flag":
      options[effect.of] = true;
      return;
    case "text":
      options[effect.of] = value;
      return;
    case "number":
      // What is no number is refused by `checked`.
      options[effect.of] = /^\d+$/.test(value ?? "") ? Number(value) : Number.NaN;
      return;
    case "verbose":
      options.verbosity += 1;
      return;
    case "refused":
      options.refused = `--${name}`;
      return;
    case "ignored":
      options.problem ??= ignoredProblem(name, value ?? "");
      return;
  }
}

/** What is not done is refused all the same when it cannot be meant. */
function ignoredProblem(name: string, value: string): string | null {
  if (name === "manglename" && !["none", "hex", "auto"].includes(value))
    return "Unknown name mangling mode.";
  if (name === "readahead" && /^\s*-\d/.test(value) && Number(value) < -1)
    return `Negative read ahead value (${value.trim()}) is not understood.`;
  return null;
}

function checked(options: DmsetupOptions, words: readonly string[]): ParsedOptions {
  const message = optionsProblem(options);
  return message === null ? { kind: "options", options, words } : { kind: "error", message };
}

function optionsProblem(options: DmsetupOptions): string | null {
  const { major, minor } = options;
  if (options.problem !== null) return options.problem;
  if ((major === null) !== (minor === null))
    return "Please specify both major number and minor number.";
  if (Number.isNaN(major) || Number.isNaN(minor)) return "Major and minor are numbers.";
  if (options.table !== null && options.noTable) return "--table and --notable are incompatible.";
  if (options.addNodeOnCreate && options.addNodeOnResume)
    return "--addnodeonresume and --addnodeoncreate are incompatible.";
  return null;
}
