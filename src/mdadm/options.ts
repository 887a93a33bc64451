/**
 * The options by name, and what a letter means in each mode. `meaning` is the name under which mode-options.ts looks an
 * option up; aliases share it. The order is that in which mdadm lists the candidates of an ambiguous prefix.
 */
import type { ArgumentKind, LongOption } from "../base/getopt.ts";
import type { Mode } from "./modes.ts";

type Row = readonly [name: string, argument?: ArgumentKind, meaning?: string];

const ROWS: readonly Row[] = [
  // Modes and the actions of misc mode.
  ["manage"],
  ["misc"],
  ["assemble"],
  ["build"],
  ["create"],
  ["detail"],
  ["examine"],
  ["follow", "none", "monitor"],
  ["grow"],
  ["incremental"],
  ["zero-superblock"],
  ["query"],
  ["examine-bitmap"],
  ["auto-detect"],
  ["detail-platform"],
  ["kill-subarray", "required"],
  ["update-subarray", "required"],
  ["udev-rules", "optional"],
  ["offroot"],
  ["examine-badblocks"],
  ["dump", "required"],
  ["restore", "required"],
  ["monitor"],
  // Everywhere.
  ["help"],
  ["help-options"],
  ["version"],
  ["verbose"],
  ["quiet"],
  // Create, build, grow.
  ["chunk", "required"],
  ["rounding", "required", "chunk"],
  ["level", "required"],
  ["parity", "required", "layout"],
  ["layout", "required"],
  ["raid-disks", "required", "raid-devices"],
  ["raid-devices", "required"],
  ["spare-disks", "required", "spare-devices"],
  ["spare-devices", "required"],
  ["size", "required"],
  ["auto", "required"],
  ["assume-clean"],
  ["write-zeroes"],
  ["metadata", "required"],
  ["bitmap", "required"],
  ["bitmap-chunk", "required"],
  ["write-behind", "optional"],
  ["write-mostly"],
  ["failfast"],
  ["nofailfast"],
  ["re-add"],
  ["homehost", "required"],
  ["symlinks", "required"],
  ["data-offset", "required"],
  ["nodes", "required"],
  ["home-cluster", "required"],
  ["write-journal", "required"],
  ["consistency-policy", "required"],
  ["logical-block-size", "required"],
  // Assemble.
  ["uuid", "required"],
  ["super-minor", "required"],
  ["name", "required"],
  ["config", "required"],
  ["scan"],
  ["force"],
  ["update", "required"],
  ["freeze-reshape"],
  // Manage.
  ["add"],
  ["add-spare"],
  ["add-journal"],
  ["remove"],
  ["fail"],
  ["set-faulty", "none", "fail"],
  ["replace"],
  ["with"],
  ["run"],
  ["stop"],
  ["readonly"],
  ["readwrite"],
  ["no-degraded"],
  ["wait"],
  ["wait-clean"],
  ["action", "required"],
  ["cluster-confirm"],
  // Detail and examine.
  ["brief"],
  ["no-devices"],
  ["export"],
  ["sparc2.2"],
  ["test"],
  ["prefer", "required"],
  // Monitor.
  ["mail", "required"],
  ["program", "required"],
  ["alert", "required", "program"],
  ["increment", "required"],
  ["delay", "required"],
  ["daemonise"],
  ["daemonize", "none", "daemonise"],
  ["oneshot"],
  ["pid-file", "required"],
  ["syslog"],
  ["no-sharing"],
  // Grow.
  ["backup-file", "required"],
  ["invalid-backup"],
  ["array-size", "required"],
  ["continue"],
  // Incremental.
  ["rebuild-map"],
  ["path", "required"],
];

export const LONG_OPTIONS: readonly LongOption[] = ROWS.map(
  ([name, argument = "none", meaning = name]) => ({ name, argument, meaning }),
);

/** Letters with one meaning everywhere. */
const LETTERS: Readonly<Record<string, string>> = {
  A: "assemble",
  B: "build",
  C: "create",
  D: "detail",
  E: "examine",
  F: "monitor",
  G: "grow",
  I: "incremental",
  Q: "query",
  X: "examine-bitmap",
  Y: "export",
  Z: "array-size",
  h: "help",
  V: "version",
  v: "verbose",
  q: "quiet",
  n: "raid-devices",
  x: "spare-devices",
  l: "level",
  z: "size",
  e: "metadata",
  u: "uuid",
  N: "name",
  U: "update",
  s: "scan",
  R: "run",
  S: "stop",
  o: "readonly",
  w: "readwrite",
  t: "test",
  y: "syslog",
  k: "consistency-policy",
  d: "delay",
  i: "pid-file",
  "1": "oneshot",
};

interface Varying {
  readonly otherwise: string;
  /** Groups of modes in which the letter means something else. */
  readonly in: readonly (readonly [meaning: string, ...modes: Mode[]])[];
}

/** Letters whose meaning hangs on the mode. */
const VARYING: Readonly<Record<string, Varying>> = {
  a: { otherwise: "add", in: [["auto", "assemble", "build", "create", "incremental"]] },
  b: {
    otherwise: "brief",
    in: [["bitmap", "assemble", "build", "create", "grow", "incremental", "manage"]],
  },
  c: { otherwise: "config", in: [["chunk", "build", "create", "grow"]] },
  f: {
    otherwise: "fail",
    in: [
      ["force", "assemble", "build", "create", "grow", "misc"],
      ["daemonise", "monitor"],
    ],
  },
  m: { otherwise: "super-minor", in: [["mail", "monitor"]] },
  p: { otherwise: "layout", in: [["program", "monitor"]] },
  r: {
    otherwise: "remove",
    in: [
      ["increment", "monitor"],
      ["rebuild-map", "incremental"],
    ],
  },
  W: { otherwise: "wait", in: [["write-mostly", "build", "create", "manage"]] },
};

/** What a letter that shortOptions() lists means in a mode. */
export function meaningOf(letter: string, mode: Mode | null): string {
  const varying = VARYING[letter];
  if (varying === undefined) return LETTERS[letter] ?? letter;
  const row = varying.in.find(([, ...modes]) => mode !== null && modes.includes(mode));
  return row?.[0] ?? varying.otherwise;
}

/** Options that set the mode wherever they stand; another one set before is an error. */
export const MODE_OF: ReadonlyMap<string, Mode> = new Map<string, Mode>([
  ["manage", "manage"],
  ["misc", "misc"],
  ["assemble", "assemble"],
  ["build", "build"],
  ["create", "create"],
  ["monitor", "monitor"],
  ["no-sharing", "monitor"],
  ["grow", "grow"],
  ["incremental", "incremental"],
  ["auto-detect", "auto-detect"],
  ["detail", "misc"],
  ["examine", "misc"],
  ["query", "misc"],
  ["examine-bitmap", "misc"],
  ["examine-badblocks", "misc"],
  ["dump", "misc"],
  ["restore", "misc"],
  ["action", "misc"],
]);

/** Options that set the mode when there is none yet. */
export const IMPLIED_MODE_OF: ReadonlyMap<string, Mode> = new Map<string, Mode>([
  ["add", "manage"],
  ["add-spare", "manage"],
  ["add-journal", "manage"],
  ["remove", "manage"],
  ["replace", "manage"],
  ["with", "manage"],
  ["fail", "manage"],
  ["re-add", "manage"],
  ["cluster-confirm", "manage"],
  ["run", "misc"],
  ["stop", "misc"],
  ["readonly", "misc"],
  ["readwrite", "misc"],
  ["wait", "misc"],
  ["wait-clean", "misc"],
  ["detail-platform", "misc"],
  ["kill-subarray", "misc"],
  ["update-subarray", "misc"],
  ["udev-rules", "misc"],
  ["zero-superblock", "misc"],
]);
