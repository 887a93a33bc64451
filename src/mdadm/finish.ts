/** From a finished draft to a typed command: what a mode must have, and what does not go together. */
import type {
  AssembleCommand,
  CommonOptions,
  GrowCommand,
  IncrementalCommand,
  ManageAction,
  MdadmCommand,
  MiscAction,
  NamedDevice,
  Parsed,
} from "./command.ts";
import type { Draft } from "./draft.ts";
import type { Mode } from "./modes.ts";

type Refusal = Extract<Parsed, { kind: "error" }>;
type Outcome = MdadmCommand | Refusal;

function refuse(exitCode: 1 | 2, ...lines: readonly string[]): Refusal {
  return { kind: "error", lines, exitCode };
}

/** What scans is brief unless -v was given twice. */
function commonOf(draft: Draft): CommonOptions {
  const scan = draft.flags.has("scan");
  return {
    verbosity: draft.verbosity,
    brief: draft.flags.has("brief") || (scan && draft.verbosity < 2),
    export: draft.flags.has("export"),
    noDevices: draft.flags.has("no-devices"),
    scan,
    force: draft.flags.has("force"),
    test: draft.flags.has("test"),
    config: draft.config,
    homehost: draft.homehost,
    homehostRequired: !draft.flags.has("any-homehost"),
    prefer: draft.prefer,
  };
}

function membersOf(draft: Draft): NamedDevice[] {
  return draft.devices.slice(1).map(({ action: _action, ...device }) => device);
}

function needsArray(mode: Mode, draft: Draft): boolean {
  if (mode === "assemble") return !draft.flags.has("scan");
  return mode === "manage" || mode === "build" || mode === "create" || mode === "grow";
}

/** Shapes that no array has, whatever the devices. */
function shapeProblem(draft: Draft): Refusal | null {
  const { raidDevices, level } = draft;
  if (raidDevices === 1 && !draft.flags.has("force") && level !== "faulty")
    return refuse(
      2,
      "'1' is an unusual number of drives for an array, so it is probably",
      "a mistake.  --force says that it is not.",
    );
  if (level === null || raidDevices === null) return null;
  if (["raid4", "raid5", "raid6", "raid10"].includes(level) && raidDevices < 2)
    return refuse(1, `at least 2 raid-devices needed for level ${level.slice("raid".length)}`);
  const noSpares = ["linear", "raid0", "faulty", "multipath", "container"].includes(level);
  if (noSpares && (draft.spareDevices ?? 0) > 0)
    return refuse(2, `spare-devices setting is incompatible with ${level}`);
  return null;
}

function policyProblem(draft: Draft): Refusal | null {
  switch (draft.consistencyPolicy) {
    case null:
    case "resync":
      return null;
    case "ppl":
      return draft.level === "raid5"
        ? null
        : refuse(2, "PPL consistency policy is only supported for RAID level 5.");
    case "bitmap":
      return draft.bitmap !== null && draft.bitmap.kind !== "none"
        ? null
        : refuse(2, "--bitmap is required for consistency policy: bitmap");
    case "journal":
      return draft.writeJournal !== null
        ? null
        : refuse(2, "--write-journal is required for consistency policy: journal");
  }
}

function countProblem(draft: Draft, total: number): Refusal | null {
  const listed = draft.devices.length - 1;
  if (listed < total)
    return refuse(1, "You haven't given enough devices (real or missing) to create this array");
  if (listed > total)
    return refuse(1, `You have listed more devices (${listed}) than are in the array(${total})!`);
  return null;
}

function newShape(draft: Draft, raidDevices: number, level: string) {
  return {
    array: draft.devices[0]!.path,
    devices: membersOf(draft),
    raidDevices,
    level,
    layout: draft.layout,
    chunkSectors: draft.chunkSectors,
    size: draft.size,
    bitmap: draft.bitmap,
    bitmapChunkBytes: draft.bitmapChunkBytes,
    delaySeconds: draft.delaySeconds,
    writeBehind: draft.writeBehind,
    run: draft.flags.has("run"),
  };
}

function create(draft: Draft, common: CommonOptions): Outcome {
  const problem = policyProblem(draft);
  if (problem !== null) return problem;
  const { raidDevices, level, dataOffset } = draft;
  if (raidDevices === null) return refuse(1, "no raid-devices specified.");
  if (level === null) return refuse(1, "a RAID level is needed to create an array.");
  const spareDevices = draft.spareDevices ?? 0;
  const wrongCount = countProblem(draft, raidDevices + spareDevices);
  if (wrongCount !== null) return wrongCount;
  if (draft.devices.slice(1).every((device) => device.missing))
    return refuse(1, "Subdevs can't be all missing");
  const writeZeroes = draft.flags.has("write-zeroes");
  return {
    mode: "create",
    common,
    ...newShape(draft, raidDevices, level),
    assumeClean: writeZeroes || draft.flags.has("assume-clean"),
    spareDevices,
    metadata: draft.metadata,
    uuid: draft.uuid,
    name: draft.name,
    readOnly: draft.flags.has("readonly"),
    dataOffset,
    writeZeroes,
    writeJournal: draft.writeJournal,
    consistencyPolicy: draft.consistencyPolicy,
    nodes: draft.nodes,
    homeCluster: draft.homeCluster,
    logicalBlockBytes: draft.logicalBlockBytes,
  };
}

const BUILD_LEVELS = ["linear", "raid0", "raid1", "raid10", "multipath", "faulty"];

function build(draft: Draft, common: CommonOptions): Outcome {
  const { raidDevices, level, bitmap } = draft;
  if (bitmap !== null && bitmap.kind !== "none" && bitmap.kind !== "file")
    return refuse(1, `${bitmap.kind} bitmaps need metadata, which --build has none of`);
  if (level === null) return refuse(1, "a RAID level is needed to Build an array.");
  if (!BUILD_LEVELS.includes(level)) return refuse(2, `${level} is not possible with --build.`);
  if (raidDevices === null) return refuse(1, "no raid-devices specified.");
  const listed = draft.devices.length - 1;
  if (listed !== raidDevices)
    return refuse(1, `requested ${raidDevices} devices in array but listed ${listed}`);
  return {
    mode: "build",
    common,
    ...newShape(draft, raidDevices, level),
    assumeClean: draft.flags.has("assume-clean"),
  };
}

function assembleWhat(draft: Draft): AssembleCommand["what"] {
  const paths = draft.devices.map((device) => device.path);
  const [array, ...devices] = paths;
  if (array === undefined) return { kind: "all" };
  if (draft.flags.has("scan")) return { kind: "arrays", arrays: paths };
  // Alone it is what the configuration says, unless it is told here what to look for.
  const isIdentified = draft.uuid !== null || draft.name !== null || draft.superMinor !== null;
  return devices.length === 0 && !isIdentified
    ? { kind: "arrays", arrays: [array] }
    : { kind: "devices", array, devices };
}

function assemble(draft: Draft, common: CommonOptions): Outcome {
  const what = assembleWhat(draft);
  if (what.kind === "arrays" && what.arrays.length > 1) {
    if (draft.update !== null) return refuse(1, "can only update a single array at a time");
    if (draft.backupFile !== null)
      return refuse(1, "can only assemble a single array when providing a backup file.");
  }
  return {
    mode: "assemble",
    common,
    what,
    identity: { uuid: draft.uuid, name: draft.name, superMinor: draft.superMinor },
    metadata: draft.metadata,
    update: draft.update,
    run: draft.flags.has("run"),
    readOnly: draft.flags.has("readonly"),
    noDegraded: draft.flags.has("no-degraded"),
    backupFile: draft.backupFile,
    invalidBackup: draft.flags.has("invalid-backup"),
    freezeReshape: draft.flags.has("freeze-reshape"),
    nodes: draft.nodes,
    homeCluster: draft.homeCluster,
  };
}

function manage(draft: Draft, common: CommonOptions): Outcome {
  return {
    mode: "manage",
    common,
    array: draft.devices[0]!.path,
    readOnly: draft.flags.has("readonly"),
    readWrite: draft.flags.has("readwrite"),
    run: draft.flags.has("run"),
    stop: draft.flags.has("stop"),
    devices: draft.devices
      .slice(1)
      .map((device) => ({ ...device, action: device.action as ManageAction })),
    update: draft.update,
  };
}

/** Actions for which --scan, or nothing at all, is enough. */
const NEEDS_NO_DEVICE: readonly MiscAction[] = ["detail-platform", "udev-rules"];
const SCANS: readonly MiscAction[] = ["detail", "examine", "stop", "wait", "wait-clean"];

function misc(draft: Draft, common: CommonOptions): Outcome {
  const action = (draft.action ?? null) as MiscAction | null;
  if (draft.devices.length === 0) {
    const enough =
      action !== null &&
      (NEEDS_NO_DEVICE.includes(action) || (common.scan && SCANS.includes(action)));
    if (!enough)
      return refuse(2, action === "examine" ? "No devices to examine" : "No devices given.");
  }
  const unnamed = draft.devices.find((device) => device.action === null);
  if (unnamed !== undefined || action === null)
    return refuse(
      2,
      `No action given for ${unnamed?.path ?? ""} in --misc mode`,
      "Action options must come before device names",
    );
  return {
    mode: "misc",
    common,
    devices: draft.devices.map((device) => ({
      path: device.path,
      action: device.action as MiscAction,
    })),
    action,
    metadata: draft.metadata,
    syncAction: draft.syncAction,
    folder: draft.folder,
    subarray: draft.subarray,
    rulesFile: draft.rulesFile,
    update: draft.update,
    name: draft.name,
  };
}

const DEFAULT_INCREMENT_PERCENT = 20;

function monitor(draft: Draft, common: CommonOptions): Outcome {
  const oneShot = draft.flags.has("oneshot");
  const daemonise = draft.flags.has("daemonise");
  if (draft.devices.length === 0 && !common.scan)
    return refuse(1, "Cannot monitor: need --scan or at least one device");
  if (draft.pidFile !== null && !daemonise)
    return refuse(1, "Cannot write a pid file when not in daemon mode");
  return {
    mode: "monitor",
    common,
    devices: draft.devices.map((device) => device.path),
    mail: draft.mail,
    program: draft.program,
    incrementPercent: draft.incrementPercent ?? DEFAULT_INCREMENT_PERCENT,
    delaySeconds: draft.delaySeconds,
    daemonise,
    pidFile: draft.pidFile,
    oneShot,
    syslog: draft.flags.has("syslog"),
    sharing: !oneShot && !draft.flags.has("no-sharing"),
  };
}

/** A new number of devices or a new size may need no reshape, so the array decides; these always do. */
function reshapeOptions(draft: Draft): string[] {
  const given: readonly (readonly [string, boolean])[] = [
    ["--level", draft.level !== null],
    ["--layout", draft.layoutText !== null],
    ["--chunk", draft.chunkSectors !== null],
    ["--data-offset", draft.dataOffset !== null],
    ["--backup-file", draft.backupFile !== null],
    ["--continue", draft.flags.has("continue")],
  ];
  return given.filter(([, isGiven]) => isGiven).map(([name]) => name);
}

function grow(draft: Draft, common: CommonOptions): GrowCommand {
  return {
    mode: "grow",
    common,
    array: draft.devices[0]!.path,
    add: membersOf(draft),
    raidDevices: draft.raidDevices,
    size: draft.size,
    arraySize: draft.arraySize,
    bitmap: draft.bitmap,
    bitmapChunkBytes: draft.bitmapChunkBytes,
    delaySeconds: draft.delaySeconds,
    writeBehind: draft.writeBehind,
    consistencyPolicy: draft.consistencyPolicy,
    assumeClean: draft.flags.has("assume-clean"),
    reshapeOptions: reshapeOptions(draft),
    level: draft.level,
    layout: draft.layoutText,
    chunkSectors: draft.chunkSectors,
    backupFile: draft.backupFile,
    continue: draft.flags.has("continue"),
  };
}

function incrementalWhat(draft: Draft): IncrementalCommand["what"] | Refusal {
  const [device, ...links] = draft.devices.map((each) => each.path);
  const remove = draft.flags.has("remove");
  if (draft.flags.has("scan")) {
    if (device !== undefined)
      return refuse(1, "In --incremental mode, a device cannot be given with --scan.");
    return remove
      ? refuse(1, "In --incremental mode, --fail and --scan do not go together.")
      : { kind: "scan" };
  }
  if (device !== undefined)
    return remove ? { kind: "remove", device, path: draft.path } : { kind: "add", device, links };
  if (draft.flags.has("rebuild-map") && !remove) return { kind: "rebuild-map" };
  return refuse(1, "--incremental requires a device.");
}

function incremental(draft: Draft, common: CommonOptions): Outcome {
  const what = incrementalWhat(draft);
  if (what.kind === "error") return what;
  return {
    mode: "incremental",
    common,
    what,
    rebuildMap: draft.flags.has("rebuild-map"),
    run: draft.flags.has("run"),
    noDegraded: draft.flags.has("no-degraded"),
    metadata: draft.metadata,
  };
}

function commandOf(mode: Mode, draft: Draft): Outcome {
  const common = commonOf(draft);
  if (needsArray(mode, draft) && draft.devices.length === 0)
    return refuse(2, "an md device must be given in this mode");
  const problem = mode === "grow" ? null : shapeProblem(draft);
  if (problem !== null) return problem;
  switch (mode) {
    case "create":
      return create(draft, common);
    case "build":
      return build(draft, common);
    case "assemble":
      return assemble(draft, common);
    case "manage":
      return manage(draft, common);
    case "misc":
      return misc(draft, common);
    case "monitor":
      return monitor(draft, common);
    case "grow":
      return grow(draft, common);
    case "incremental":
      return incremental(draft, common);
    case "auto-detect":
      return { mode: "auto-detect", common };
  }
}

export function finish(mode: Mode, draft: Draft): Parsed {
  const outcome = commandOf(mode, draft);
  return "mode" in outcome ? { kind: "command", command: outcome } : outcome;
}
