/**
 * From a planned assembly to a running array. Devices are only read here; what the plan decided (who is stale and left out, who was
 * taken back by force) is written with the first superblocks, when something is written for the first time.
 */
import { HoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { READ_ONLY_LIMITS } from "../../block/device.ts";
import type { BlockLimits } from "../../block/device.ts";
import { readSectors } from "../../block/promises.ts";
import type { Clock, Timers } from "../../env/env.ts";
import type { MdShape, MdSuperblock } from "../../formats/md/superblock.ts";
import type { ParityEngine } from "../../parity/engine.ts";
import { noRegions } from "../../regions/region-tracker.ts";
import type { RegionTracker } from "../../regions/region-tracker.ts";
import type { JudgedCandidate, MdCandidate } from "../candidate.ts";
import type { Geometry } from "../geometry/geometry.ts";
import type { AssemblyPlan } from "../plan.ts";
import { geometryOf } from "../planned-geometry.ts";
import { readBadBlocks } from "../probe.ts";
import { stripeBytes } from "../start.ts";
import { RunningArray } from "./array.ts";
import type { RunningArrayOptions } from "./array.ts";
import { BadBlockTable } from "./bad-block-table.ts";
import type { CoreParts } from "./core-parts.ts";
import type { ArrayCore, RunningLevel } from "./core.ts";
import { failureRule } from "./failure-rule.ts";
import type { FoundLog } from "./levels/stripes/stripe-log.ts";
import { Member } from "./member.ts";
import type { Standing } from "./member.ts";
import { Members } from "./members.ts";
import type { ArrayRecord, BitmapRecord } from "./metadata.ts";

/** The level of an array, from its shape: the one place to add a level is whoever gives this. */
export type LevelFactory = (
  core: ArrayCore,
  geometry: Geometry,
  shape: MdShape,
  log: FoundLog | null,
) => RunningLevel;

/** What keeps track of writes in an array with a bitmap. */
export interface Tracking {
  readonly regions: RegionTracker;
  readonly bitmap: BitmapRecord | null;
  /** Before anything is written to the array; null: nothing. */
  readonly begin: (() => Promise<void>) | null;
}

export interface AssembleOptions {
  readonly name: string;
  readonly mode: RunningArrayOptions["mode"];
  /** False: the plan is all that is known of the array, and members have data only. */
  readonly hasSuperblocks?: boolean;
  /** Not in the plan, and still to be told of until they are taken out. */
  readonly faulty?: readonly Member[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly parity: () => ParityEngine;
  readonly makeLevel: LevelFactory;
  /** Asked for when the superblocks tell of a bitmap. */
  readonly openBitmap: (members: Members, record: ArrayRecord) => Promise<Tracking>;
  /** Reads the array's log, and writes nothing; null: it has none. */
  readonly openLog: (plan: AssemblyPlan) => Promise<FoundLog | null>;
  /** As in RunningArrayOptions. */
  readonly parts?: CoreParts;
}

/** Of an md superblock, whatever its version. */
const SUPERBLOCK_SECTORS = 8;

/**
 * Runs what was planned. Its devices stay the caller's.
 * @throws HoldfastError `cannot-start` when the plan says so or a member is cut off; `unsupported` for what can only be opened for
 *   reading; what reading the members fails with
 */
export async function assemble(
  plan: AssemblyPlan,
  options: AssembleOptions,
): Promise<RunningArray> {
  const { superblock } = plan;
  const { shape } = superblock;
  if (shape === null || plan.verdict.kind !== "can-start") {
    const why = plan.verdict.kind === "can-start" ? "" : `: ${plan.verdict.reason}`;
    throw new HoldfastError("cannot-start", `${options.name} cannot be started${why}`);
  }
  const why = whyOnlyReadable(superblock);
  if (why !== null) {
    const text = `${options.name} ${why}; it can be opened for reading only`;
    throw new HoldfastError("unsupported", text);
  }
  const log = await options.openLog(plan);
  const attached: Member[] = [];
  for (const judged of plan.judged) {
    const standing = standingOf(judged);
    if (standing !== null) attached.push(await openMember(judged.candidate, standing, log));
  }
  const geometry = geometryOf(plan, shape, superblock.componentSectors);
  const members = new Members(shape.raidDisks, [...attached, ...(options.faulty ?? [])]);
  const record = recordOf(plan, shape);
  if (log?.isMended === true) record.resyncOffsetSectors = Infinity;
  const hasBitmap = superblock.bitmapSector !== null;
  const tracking = hasBitmap ? await options.openBitmap(members, record) : NO_TRACKING;
  const mode = modeOf(plan, shape, options.mode);
  const array = new RunningArray({
    name: options.name,
    sectors: geometry.arraySectors,
    limits: limitsOf(superblock, shape, members),
    members,
    record,
    regions: tracking.regions,
    bitmap: tracking.bitmap,
    goneEvents: goneEvents(plan, members),
    rule: failureRule(shape),
    keepsSuperblocks: isRedundant(shape) && options.hasSuperblocks !== false,
    // What a crash left is put in order before read-write.
    mode: mode === "read-write" && isRedundant(shape) ? "read-only" : mode,
    clock: options.clock,
    timers: options.timers,
    parity: options.parity,
    makeLevel: (core) => options.makeLevel(core, geometry, shape, log),
    prepare: tracking.begin,
    ...(options.parts === undefined ? {} : { parts: options.parts }),
  });
  if (mode === "read-write") await array.startWriting();
  return array;
}

function modeOf(plan: AssemblyPlan, shape: MdShape, asked: AssembleOptions["mode"]): typeof asked {
  // There is nothing that a first write would have to be told of.
  if (!isRedundant(shape) && asked !== "read-only") return "read-write";
  return isJournalMissing(plan) ? "read-only" : asked;
}

/** It was started by force then, and is not written before it has another one. */
export function isJournalMissing({ superblock, journal }: AssemblyPlan): boolean {
  return superblock.hasJournal && journal === null;
}

const NO_TRACKING: Tracking = { regions: noRegions, bitmap: null, begin: null };

/** A half sentence; null: it can be written as well. */
export function whyOnlyReadable(superblock: MdSuperblock): string | null {
  if (superblock.reshape !== null) return "is in the middle of a reshape";
  if (superblock.clustered) return "is shared by a cluster";
  return null;
}

function isRedundant({ level }: MdShape): boolean {
  return level !== "linear" && level !== "raid0";
}

/** Null for those that are left out: their device numbers become free, and who was a member is so no longer. */
export function standingOf({ fate, slot, candidate }: JudgedCandidate): Standing | null {
  switch (fate) {
    case "in-sync":
      return { kind: "in-sync", slot: slot! };
    case "recovering": {
      const recoveredSectors = candidate.superblock.recoveryOffsetSectors;
      return { kind: "recovering", slot: slot!, recoveredSectors };
    }
    case "spare":
    case "journal":
      return { kind: fate };
    case "stale":
    case "faulty":
    case "foreign":
    case "duplicate":
      return null;
  }
}

/** @throws HoldfastError `cannot-start` when the device is cut off, `bad-metadata` when its bad-block log cannot be right */
export async function openMember(
  candidate: MdCandidate,
  standing: Standing,
  log: FoundLog | null = null,
): Promise<Member> {
  const { superblock, path } = candidate;
  const device = log?.deviceOf(candidate) ?? candidate.device;
  const { dataOffsetSectors, componentSectors, dataSectors, superSector } = superblock;
  const usedSectors = standing.kind === "journal" ? dataSectors : componentSectors || dataSectors;
  const end = dataOffsetSectors + usedSectors;
  if (device.sectors < end && standing.kind !== "spare") {
    const text = `${path} is cut off: it has ${device.sectors} sectors and its data should reach sector ${end}; leave it out`;
    throw new HoldfastError("cannot-start", text);
  }
  const image = await readSectors(device, superSector, SUPERBLOCK_SECTORS);
  const decoded = await readBadBlocks(device, superblock);
  if (decoded.kind === "bad") {
    const text = `the bad-block log of ${path} cannot be right: ${decoded.reason}; leave it out`;
    throw new HoldfastError("bad-metadata", text);
  }
  const badBlocks = new BadBlockTable(superblock.badBlockLog, decoded.ranges);
  return new Member({ label: path, device, superblock, image, standing, badBlocks });
}

/** As kernels do: it is clean until the first write, with what is not in sync known by the offset. */
function recordOf(plan: AssemblyPlan, shape: MdShape): ArrayRecord {
  const { superblock } = plan;
  const { componentSectors, events } = superblock;
  return {
    raidDisks: shape.raidDisks,
    componentSectors,
    hasPpl: superblock.ppl !== null,
    events,
    isClean: true,
    resyncOffsetSectors: resyncOffset(plan, shape),
  };
}

function resyncOffset(plan: AssemblyPlan, shape: MdShape): number {
  if (isTakenForClean(plan, shape)) return Infinity;
  // Which stripes were being written the superblocks left to the journal.
  return isJournalMissing(plan) ? 0 : plan.superblock.resyncOffsetSectors;
}

/**
 * A dirty array with parity that lacks a member cannot be synced; started by force it is taken for clean, as mdadm does it, or every
 * start would have to be forced. A mirror of which one copy is left has nothing to sync (raid1_run); but where another is being filled,
 * in its own slot or as a replacement, a crash may have left the two different in what is filled already, and the rest of its
 * recovery does not look at that.
 */
function isTakenForClean({ forced, verdict, slots }: AssemblyPlan, shape: MdShape): boolean {
  const { level, raidDisks } = shape;
  const hasParity = level === "raid4" || level === "raid5" || level === "raid6";
  const degradedBy = verdict.kind === "can-start" ? verdict.degradedBy : 0;
  const isFilling = slots.some(
    ({ member, replacement }) => replacement !== null || member?.fate === "recovering",
  );
  const isAlone = level === "raid1" && degradedBy === raidDisks - 1 && !isFilling;
  return isAlone || (hasParity && forced.length > 0 && degradedBy > 0);
}

/**
 * What a device that belongs to the array, and has no part in it now, may have for an event count. One that is not there may be one
 * ahead, where superblocks were being written when it all stopped.
 */
function goneEvents(plan: AssemblyPlan, members: Members): number {
  const { judged, superblock } = plan;
  const isMissing = Array.from({ length: members.slots }, (_unused, slot) => members.at(slot)).some(
    ({ member }) => member === null,
  );
  const leftOut = judged.filter(({ fate }) => fate === "stale" || fate === "duplicate");
  return Math.max(
    plan.goneEvents ?? 0,
    isMissing ? superblock.events + 1 : 0,
    ...leftOut.map(({ candidate }) => candidate.superblock.events),
    ...members.attached.flatMap((one) => (one.isFaulty ? [one.mayHoldEvents] : [])),
  );
}

function limitsOf(superblock: MdSuperblock, shape: MdShape, members: Members): BlockLimits {
  const inSlots = members.attached.filter(({ slot }) => slot !== null);
  const all = (can: (limits: BlockLimits) => boolean): boolean =>
    inSlots.every(({ device }) => can(device.limits));
  const hasParity = shape.level === "raid4" || shape.level === "raid5" || shape.level === "raid6";
  return {
    ...READ_ONLY_LIMITS,
    logicalBlockBytes: superblock.logicalBlockBytes ?? SECTOR_BYTES,
    optimalIoBytes: stripeBytes(shape),
    // What a discarded sector reads as is not known, and parity must be.
    discard: !hasParity && all(({ discard }) => discard),
    writeZeroes: !hasParity && all(({ writeZeroes }) => writeZeroes),
  };
}
