/** Which options a mode takes, by meaning (options.ts). What is not listed here is not valid in the mode. */
import type { ManageAction, MiscAction } from "./command.ts";
import type { Mode } from "./modes.ts";
import {
  VALUES,
  assembleUpdate,
  eitherFlag,
  flag,
  growLayout,
  ignored,
  manageAction,
  manageUpdate,
  mark,
  miscAction,
  subarrayUpdate,
} from "./setters.ts";
import type { Setter } from "./setters.ts";

type Table = ReadonlyMap<string, Setter>;

function table(...parts: readonly Iterable<readonly [string, Setter]>[]): Table {
  return new Map(parts.flatMap((part) => [...part]));
}

/** Options with their ordinary value. */
function values(...names: readonly string[]): [string, Setter][] {
  return names.map((name) => [name, VALUES[name]!]);
}

function flags(...names: readonly string[]): [string, Setter][] {
  return names.map((name) => [name, flag(name)]);
}

function unheeded(...names: readonly string[]): [string, Setter][] {
  return names.map((name) => [name, ignored]);
}

const MISC_ACTIONS: readonly MiscAction[] = [
  "query",
  "detail",
  "examine",
  "examine-bitmap",
  "examine-badblocks",
  "zero-superblock",
  "run",
  "stop",
  "readonly",
  "readwrite",
  "wait",
  "wait-clean",
  "detail-platform",
  "kill-subarray",
  "update-subarray",
  "udev-rules",
  "dump",
  "restore",
  "action",
];

const MANAGE_ACTIONS: readonly ManageAction[] = [
  "add",
  "add-spare",
  "add-journal",
  "re-add",
  "remove",
  "fail",
  "replace",
  "with",
];

const marks: [string, Setter][] = [
  ["write-mostly", mark("writeMostly", true)],
  ["failfast", mark("failFast", true)],
  ["nofailfast", mark("failFast", false)],
];

const shape = ["level", "layout", "raid-devices", "chunk", "size"];
const bitmapOptions = ["bitmap", "bitmap-chunk", "delay", "write-behind"];

const TABLES: Readonly<Record<Mode, Table>> = {
  create: table(
    values(...shape, ...bitmapOptions, "spare-devices", "metadata", "uuid", "name", "config"),
    values("data-offset", "nodes", "home-cluster", "write-journal", "consistency-policy"),
    values("logical-block-size", "auto"),
    flags("assume-clean", "write-zeroes", "force", "run", "readonly"),
    unheeded("symlinks"),
    marks,
  ),
  build: table(
    values(...shape, ...bitmapOptions, "auto"),
    flags("assume-clean", "force", "run"),
    unheeded("symlinks"),
    marks,
  ),
  assemble: table(
    values("uuid", "name", "super-minor", "metadata", "config", "bitmap", "backup-file"),
    values("nodes", "home-cluster", "auto"),
    [["update", assembleUpdate]],
    flags("scan", "run", "force", "readonly", "no-degraded", "invalid-backup", "freeze-reshape"),
    unheeded("symlinks"),
  ),
  manage: table(
    MANAGE_ACTIONS.map((action): [string, Setter] => [action, manageAction(action)]),
    marks,
    [
      ["update", manageUpdate],
      ["run", eitherFlag("run", "stop")],
      ["stop", eitherFlag("stop", "run")],
      ["readonly", flag("readonly")],
      ["cluster-confirm", ignored],
      // It also clears write-mostly for the devices that follow.
      [
        "readwrite",
        (draft) => {
          draft.writeMostly = false;
          draft.flags.add("readwrite");
          return null;
        },
      ],
    ],
    flags("test", "force"),
  ),
  misc: table(
    MISC_ACTIONS.map((action): [string, Setter] => [action, miscAction(action)]),
    values("metadata", "config", "name"),
    [["update", subarrayUpdate]],
    flags("test", "force", "scan"),
    unheeded("sparc2.2"),
  ),
  monitor: table(
    values("mail", "program", "increment", "delay", "pid-file", "config"),
    flags("daemonise", "oneshot", "test", "syslog", "scan", "no-sharing"),
  ),
  grow: table(
    values(...bitmapOptions, "raid-devices", "chunk", "size", "array-size", "backup-file"),
    values("data-offset", "consistency-policy", "nodes", "level"),
    [
      ["add", manageAction("add")],
      ["layout", growLayout],
    ],
    flags("force", "continue", "assume-clean"),
  ),
  incremental: table(
    values("path", "metadata", "config", "auto"),
    flags("run", "rebuild-map", "scan", "no-degraded"),
    // -f, --fail and --remove all take the device out; --force is not for this mode.
    [
      ["fail", flag("remove")],
      ["remove", flag("remove")],
    ],
  ),
  "auto-detect": table(),
};

/** The setter of an option in a mode; undefined when the mode does not take it. */
export function setterOf(mode: Mode, meaning: string): Setter | undefined {
  return TABLES[mode].get(meaning);
}
