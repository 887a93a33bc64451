/** The commands of dmsetup, and what carries each out. */
import { refusal, runSplitName, runTargetVersion, runTargets, runVersion } from "./run/about.ts";
import {
  runClear,
  runMessage,
  runRename,
  runResume,
  runSuspend,
  runWait,
  runWipeTable,
} from "./run/change.ts";
import { runCreate, runLoad } from "./run/create.ts";
import { firstRef, refsOf } from "./run/device-names.ts";
import { runRemove, runRemoveAll } from "./run/remove.ts";
import { runDeps, runInfo, runLs, runStatus, runTable } from "./run/show.ts";
import type { Session } from "./session.ts";

export interface CommandSpec {
  readonly names: readonly string[];
  /** What it takes, for the help. */
  readonly takes: string;
  /** For the help. */
  readonly text: string;
  /** How many words it takes, itself not counted; a device that --uuid or numbers name is no word. */
  readonly least: number;
  readonly most: number;
  /** --select means devices that are dealt with, or rows that are shown; without it, it is refused. */
  readonly selects?: "devices" | "rows";
  run(session: Session, words: readonly string[]): Promise<void> | void;
}

const ANY = Number.POSITIVE_INFINITY;

/** About device nodes and udev, of which there are none here. */
function nothing(
  names: readonly string[],
  takes: string,
  least: number,
  most: number,
): CommandSpec {
  const text = "does nothing: there are no device nodes here, and no udev";
  return { names, takes, text, least, most, run: () => {} };
}

function refused(
  name: string,
  takes: string,
  least: number,
  most: number,
  why: string,
): CommandSpec {
  const text = `is refused: ${why}`;
  return { names: [name], takes, text, least, most, run: refusal(`${name} ${text}.`) };
}

export const COMMANDS: readonly CommandSpec[] = [
  {
    names: ["create"],
    takes: "NAME [--table TABLE | FILE | --notable] [-u UUID] [-j MAJOR -m MINOR] [-r]",
    text: "a new device with a live table, from standard input unless it is given otherwise; --concise: several from one line",
    least: 0,
    most: 2,
    run: runCreate,
  },
  {
    names: ["load", "reload"],
    takes: "DEVICE [--table TABLE | FILE] [-r]",
    text: "an inactive table, which resume makes the live one",
    least: 0,
    most: 2,
    run: (session, words) => {
      const { ref, rest } = firstRef(session, words);
      return runLoad(session, ref === null ? null : [ref], rest);
    },
  },
  {
    names: ["clear"],
    takes: "DEVICE...",
    text: "drops the inactive table",
    least: 0,
    most: ANY,
    selects: "devices",
    run: runClear,
  },
  {
    names: ["suspend"],
    takes: "DEVICE... [--noflush] [--nolockfs]",
    text: "holds requests back and waits for those under way",
    least: 0,
    most: ANY,
    selects: "devices",
    run: runSuspend,
  },
  {
    names: ["resume"],
    takes: "DEVICE...",
    text: "lets requests through again, to the table that was loaded last",
    least: 0,
    most: ANY,
    selects: "devices",
    run: runResume,
  },
  {
    names: ["remove"],
    takes: "DEVICE... [--force] [--retry] [--deferred]",
    text: "removes devices; --force: users meet errors from now on; --deferred: when nobody has it open any more",
    least: 0,
    most: ANY,
    selects: "devices",
    run: runRemove,
  },
  {
    names: ["remove_all"],
    takes: "--force [--deferred]",
    text: "removes every device that nobody has open; --deferred: the others when nobody has",
    least: 0,
    most: 0,
    run: runRemoveAll,
  },
  {
    names: ["wipe_table"],
    takes: "DEVICE...",
    text: "an error target in place of the live table",
    least: 0,
    most: ANY,
    selects: "devices",
    run: runWipeTable,
  },
  {
    names: ["rename"],
    takes: "DEVICE [--setuuid] NEW",
    text: "another name, or a uuid for a device that has none",
    least: 1,
    most: 2,
    run: runRename,
  },
  {
    names: ["message"],
    takes: "DEVICE SECTOR WORD...",
    text: "says something to the target at that sector",
    least: 2,
    most: ANY,
    run: runMessage,
  },
  {
    names: ["wait"],
    takes: "DEVICE [EVENT]",
    text: "until the event number is another one",
    least: 0,
    most: 2,
    run: runWait,
  },
  {
    names: ["info"],
    takes: "[DEVICE...] [-c] [-o FIELDS] [-O SORT] [-S CRITERIA] [--noheadings] [--separator TEXT]",
    text: "state, tables, open count, events, numbers; -c: in columns, -o help lists them",
    least: 0,
    most: ANY,
    selects: "rows",
    run: (session, words) => runInfo(session, refsOf(session, words)),
  },
  {
    names: ["ls"],
    takes: "[--target TYPE] [-o devno|blkdevname|devname] [--exec PROGRAM] [--tree [-o SWITCHES]]",
    text: "names and numbers, or what stands on what; --exec: runs the program for each, /dev/mapper/NAME is its last word",
    least: 0,
    most: 0,
    run: runLs,
  },
  {
    names: ["table"],
    takes: "[DEVICE...] [--inactive] [--target TYPE] [--concise]",
    text: "tables, as create and load take them",
    least: 0,
    most: ANY,
    selects: "devices",
    run: (session, words) => runTable(session, refsOf(session, words)),
  },
  {
    names: ["status"],
    takes: "[DEVICE...] [--inactive] [--target TYPE] [--noflush]",
    text: "what targets tell of themselves",
    least: 0,
    most: ANY,
    selects: "devices",
    run: (session, words) => runStatus(session, refsOf(session, words)),
  },
  {
    names: ["deps"],
    takes: "[DEVICE...] [-o devno|blkdevname|devname]",
    text: "what a device stands on",
    least: 0,
    most: ANY,
    selects: "devices",
    run: (session, words) => runDeps(session, refsOf(session, words)),
  },
  {
    names: ["splitname"],
    takes: "NAME [SUBSYSTEM]",
    text: "volume group, logical volume and layer that a name is made of",
    least: 1,
    most: 2,
    selects: "rows",
    run: runSplitName,
  },
  {
    names: ["targets"],
    takes: "",
    text: "the target types there are",
    least: 0,
    most: 0,
    run: runTargets,
  },
  {
    names: ["target-version"],
    takes: "TYPE...",
    text: "of target types",
    least: 1,
    most: ANY,
    run: runTargetVersion,
  },
  { names: ["version"], takes: "", text: "of device-mapper", least: 0, most: 0, run: runVersion },
  refused("setgeometry", "DEVICE CYL HEAD SECT START", 5, 5, "nothing here has a geometry"),
  refused("measure", "[DEVICE...]", 0, ANY, "there is no IMA here that measures tables"),
  refused("stats", "COMMAND ...", 0, ANY, "statistics are not kept"),
  nothing(["mknodes", "mangle"], "[DEVICE...]", 0, ANY),
  nothing(["udevcreatecookie", "udevcookies"], "", 0, 0),
  nothing(["udevreleasecookie", "udevcomplete_all"], "[WORD]", 0, 1),
  nothing(["udevcomplete", "udevflags"], "COOKIE", 1, 1),
];
