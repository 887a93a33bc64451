/**
 * What each option does to the draft, and what it says when its value is none. Setters are the same in all modes;
 * mode-options.ts says which option of which mode has which.
 */
import type {
  ConsistencyPolicyChoice,
  ManageAction,
  MiscAction,
  SyncActionWord,
} from "./command.ts";
import type { Draft } from "./draft.ts";
import {
  hasLayouts,
  isAutoWord,
  parseBitmap,
  parseCount,
  parseLayoutOf,
  parseLevel,
  parseMetadata,
  parseSize,
  parseUuid,
} from "./values.ts";

/** An option as it was given. */
export interface Given {
  /** "" for an option without value, and for an optional value that is not there. */
  readonly value: string;
  /** "-C" or "--create". */
  readonly spelled: string;
}

/** Null, or what is wrong: lines for standard error. */
export type Setter = (draft: Draft, given: Given) => readonly string[] | null;

const MOST_WRITE_BEHIND = 16_383;
const LONGEST_NAME = 32;
const LEAST_CHUNK_SECTORS = 8;

/** Once only, and only what `parse` understands. */
function once<K extends keyof Draft>(
  field: K,
  what: string,
  parse: (value: string, draft: Draft) => Draft[K] | null,
): Setter {
  return (draft, { value }) => {
    if (draft[field] !== null)
      return [`${what} may be given only once; the second one is ${value}.`];
    const parsed = parse(value, draft);
    if (parsed === null) return [`invalid ${what}: ${value}`];
    draft[field] = parsed;
    return null;
  };
}

export function flag(name: string): Setter {
  return (draft) => {
    draft.flags.add(name);
    return null;
  };
}

/** Accepted for old scripts; changes nothing. */
export const ignored: Setter = () => null;

const text = (value: string): string => value;
const atLeast =
  (least: number) =>
  (value: string): number | null =>
    parseCount(value, least);
const sizeOrMax = (value: string): "max" | number | null =>
  value === "max" ? "max" : parseSize(value);

function chunkSize(value: string): number | null {
  const sectors = parseSize(value);
  return sectors !== null && sectors >= LEAST_CHUNK_SECTORS && sectors % 2 === 0 ? sectors : null;
}

function bitmapChunkBytes(value: string): number | null {
  const bytes = (parseSize(value) ?? 0) * 512;
  return bytes > 0 && bytes < 2 ** 32 && Number.isInteger(Math.log2(bytes)) ? bytes : null;
}

function oneOf<T extends string>(words: readonly T[]): (value: string) => T | null {
  return (value) => words.find((word) => word === value) ?? null;
}

const setLayout: Setter = (draft, { value }) => {
  if (draft.layoutText !== null)
    return [`layout may be given only once; the second one is ${value}.`];
  if (draft.level === null) return ["raid level must be given before layout."];
  if (!hasLayouts(draft.level)) return [`layout not meaningful for ${draft.level} arrays.`];
  const layout = parseLayoutOf(draft.level, value);
  if (layout === null) return [`layout ${value} not understood for ${draft.level}.`];
  draft.layout = layout;
  draft.layoutText = value;
  return null;
};

const setBitmap: Setter = (draft, { value }) => {
  if (draft.bitmap !== null) return [`bitmap may be given only once; the second one is ${value}.`];
  const bitmap = parseBitmap(value);
  if (bitmap === null)
    return ["bitmap must be 'internal', 'clustered', 'lockless' or 'none',", `not '${value}'`];
  draft.bitmap = bitmap;
  return null;
};

const setWriteBehind: Setter = (draft, { value }) => {
  const most = value === "" ? 256 : parseCount(value, 0);
  if (most === null || most > MOST_WRITE_BEHIND)
    return [
      `invalid number of write-behind writes: ${value}`,
      `0 to ${MOST_WRITE_BEHIND} are possible.`,
    ];
  draft.writeBehind = most;
  return null;
};

const setName: Setter = (draft, { value }) => {
  if (draft.name !== null) return [`name may be given only once; the second one is ${value}.`];
  if (value.length > LONGEST_NAME)
    return [`name '${value}' is too long, ${LONGEST_NAME} characters at most.`];
  draft.name = value;
  return null;
};

const setHomehost: Setter = (draft, { value }) => {
  if (value === "<ignore>") draft.flags.add("any-homehost");
  else draft.homehost = value;
  return null;
};

/** Only the first counts; later ones are dropped, as mdadm does with a warning. */
function first(field: "mail" | "program" | "pidFile"): Setter {
  return (draft, { value }) => {
    draft[field] ??= value;
    return null;
  };
}

const setNodes: Setter = (draft, { value }) => {
  const nodes = parseCount(value, 2);
  if (nodes === null) return [`a clustered array needs two nodes at least: ${value}`];
  draft.nodes = nodes;
  return null;
};

const setIncrement: Setter = (draft, { value }) => {
  const percent = parseCount(value, 1);
  if (percent === null || percent > 99) return [`the increment must be from 1 to 99: ${value}`];
  draft.incrementPercent = percent;
  return null;
};

/** Setters with a value, by the option's meaning. */
export const VALUES: Readonly<Record<string, Setter>> = {
  level: once("level", "raid level", parseLevel),
  layout: setLayout,
  /** Kept as it is: grow learns the level from the array. */
  "raid-devices": once("raidDevices", "number of raid devices", atLeast(1)),
  "spare-devices": once("spareDevices", "number of spare devices", atLeast(0)),
  chunk: once("chunkSectors", "chunk/rounding value", chunkSize),
  size: once("size", "size", sizeOrMax),
  "array-size": once("arraySize", "array size", sizeOrMax),
  metadata: (draft, { value }) => {
    if (draft.metadata !== null) return ["metadata information already given"];
    draft.metadata = parseMetadata(value);
    return draft.metadata === null ? [`unrecognised metadata identifier: ${value}`] : null;
  },
  bitmap: setBitmap,
  "bitmap-chunk": once("bitmapChunkBytes", "bitmap chunksize", bitmapChunkBytes),
  delay: once("delaySeconds", "delay", atLeast(1)),
  "write-behind": setWriteBehind,
  "data-offset": once("dataOffset", "data-offset", (value) =>
    value === "variable" ? "variable" : parseSize(value),
  ),
  nodes: setNodes,
  "home-cluster": once("homeCluster", "cluster name", text),
  "write-journal": once("writeJournal", "journal device", text),
  "consistency-policy": once(
    "consistencyPolicy",
    "consistency policy",
    oneOf<ConsistencyPolicyChoice>(["resync", "bitmap", "journal", "ppl"]),
  ),
  "logical-block-size": once("logicalBlockBytes", "logical block size", atLeast(512)),
  uuid: (draft, { value }) => {
    if (draft.uuid !== null) return [`uuid may be given only once; the second one is ${value}.`];
    draft.uuid = parseUuid(value);
    return draft.uuid === null ? [`Bad uuid: ${value}`] : null;
  },
  name: setName,
  "super-minor": once("superMinor", "super-minor number", (value) =>
    value === "dev" ? "dev" : parseCount(value, 0),
  ),
  homehost: setHomehost,
  config: once("config", "configuration file", text),
  prefer: once("prefer", "preferred path", text),
  "backup-file": once("backupFile", "backup file", text),
  mail: first("mail"),
  program: first("program"),
  "pid-file": first("pidFile"),
  increment: setIncrement,
  path: once("path", "path", text),
  dump: once("folder", "dump/restore directory", text),
  restore: once("folder", "dump/restore directory", text),
  action: (draft, { value }) => {
    if (draft.syncAction !== null) return ["Only one --action can be specified"];
    draft.syncAction = oneOf<SyncActionWord>(["idle", "frozen", "check", "repair"])(value);
    return draft.syncAction === null ? ["action must be one of idle, frozen, check, repair"] : null;
  },
  "kill-subarray": once("subarray", "subarray", text),
  "update-subarray": once("subarray", "subarray", text),
  "udev-rules": (draft, { value }) => {
    if (value !== "") draft.rulesFile = value;
    return null;
  },
  auto: (_draft, { value }) => (isAutoWord(value) ? null : [`invalid --auto value: ${value}`]),
};

/** Grow: level and layout are only understood beside the array. */
export const growLayout = once("layoutText", "layout", text);

const UPDATES = [
  "sparc2.2",
  "super-minor",
  "uuid",
  "name",
  "nodes",
  "resync",
  "summaries",
  "homehost",
  "home-cluster",
  "byteorder",
  "devicesize",
  "bitmap",
  "no-bitmap",
  "metadata",
  "revert-reshape",
  "bbl",
  "no-bbl",
  "force-no-bbl",
  "ppl",
  "no-ppl",
  "layout-original",
  "layout-alternate",
  "layout-unspecified",
] as const;
const RE_ADD_UPDATES = ["devicesize", "bbl", "no-bbl", "force-no-bbl"] as const;

/** The words of --update, several a line, for help and for the complaint about another word. */
export function updateWordLines(): string[] {
  const words = UPDATES.map((word) => `'${word}'`);
  const lines: string[] = [];
  while (words.length > 0) lines.push(words.splice(0, 5).join(", "));
  return lines;
}

export const assembleUpdate: Setter = (draft, { value }) => {
  if (draft.update !== null)
    return [`Can only update one aspect of superblock, both ${draft.update} and ${value} given.`];
  if (!UPDATES.some((word) => word === value))
    return [`'--update=${value}' is invalid.  Valid --update options are:`, ...updateWordLines()];
  draft.update = value;
  return null;
};

export const manageUpdate: Setter = (draft, { value }) => {
  if (draft.action !== "re-add")
    return ["--update in manage mode is allowed behind --re-add only."];
  if (!RE_ADD_UPDATES.some((word) => word === value))
    return [`--re-add can update ${RE_ADD_UPDATES.join(", ")} only, not ${value}.`];
  draft.update = value;
  return null;
};

/** update-subarray takes what its metadata format understands. */
export const subarrayUpdate = once("update", "update", text);

/** Manage: the action for the devices that follow. */
export function manageAction(action: ManageAction): Setter {
  return (draft) => {
    if (action === "with" && draft.action !== "replace") return ["--with must follow --replace"];
    draft.action = action;
    return null;
  };
}

/** Misc: the action for the devices that follow; --examine goes with none but --query. */
export function miscAction(action: MiscAction): Setter {
  return (draft, given) => {
    const before = draft.action;
    const clash = before === "examine" || (action === "examine" && before !== "query");
    if (before !== null && before !== action && clash)
      return [
        `--examine/-E cannot be given with ${action === "examine" ? `--${before}` : given.spelled}`,
      ];
    const problem = VALUES[action]?.(draft, given) ?? null;
    if (problem === null) draft.action = action;
    return problem;
  };
}

/** Applies to the devices behind it. */
export function mark(field: "writeMostly" | "failFast", value: boolean): Setter {
  return (draft) => {
    draft[field] = value;
    return null;
  };
}

/** Run and stop, read-only and read-write: one or the other. */
export function eitherFlag(name: string, other: string): Setter {
  return (draft) => {
    if (draft.flags.has(other)) return [`Cannot both ${name} and ${other} an array`];
    draft.flags.add(name);
    return null;
  };
}
