/**
 * Starts a set: md's engine on pairs of devices, with the target's superblocks in place of md's.
 *
 * What a crash left: regions whose bits are set are synced before anything else. Kernels only clear those bits in a set of theirs that was in
 * sync, so copies that differ stay so (docs/kernel/dm-raid.md). Parity that lacks a device cannot be put right; such a set starts as it is.
 */
import { HoldfastError } from "../../../base/errors.ts";
import type { MdCandidate, JudgedCandidate } from "../../../md/candidate.ts";
import type { AssemblyPlan } from "../../../md/plan.ts";
import { startManaged } from "../../../md/running/managed-array.ts";
import type { ManagedArray } from "../../../md/running/managed-array.ts";
import { Metadata } from "../../../md/running/metadata.ts";
import { ARRAY_PARTS } from "../../../md/running/parts.ts";
import type { TargetContext, TargetDevice } from "../../target.ts";
import type { RaidArguments } from "./arguments.ts";
import { NO_BITS, hasBitmap, readBits } from "./bitmap.ts";
import type { Bits } from "./bitmap.ts";
import type { RaidGeometry } from "./geometry.ts";
import { makeNew, tellRebuilt } from "./first-writes.ts";
import { FIRST_EVENTS, checkSlots, findPairs, judgeSet } from "./judge.ts";
import type { Judged, JudgedSet, Pair } from "./judge.ts";
import { hasLog, journalOf } from "./journal.ts";
import { PairDevice } from "./pair-device.ts";
import { asMdSuperblock, raidWriter } from "./superblock.ts";
import type { DeviceState, SetState } from "./superblock.ts";

export interface RaidStart {
  readonly context: TargetContext;
  readonly raid: RaidArguments;
  readonly geometry: RaidGeometry;
  readonly pairs: readonly Pair[];
  readonly journal: TargetDevice | null;
  /** What the table says of sync and rebuild counts when its devices are started first. */
  readonly isFirst: boolean;
  /** A pass has begun or ended. */
  readonly onPass: () => void;
}

/** Of background sync, as md's: KiB a second. */
const SYSTEM_LIMITS = { minKiBps: 1000, maxKiBps: 200_000 };

export interface StartedRaid {
  readonly managed: ManagedArray;
  /** What is behind that in the units of `syncSectors` is new, and synced first of all; null: nothing. */
  readonly grownFromSectors: number | null;
}

/** @throws HoldfastError what judging, reading and starting fail with */
export async function startRaid(start: RaidStart): Promise<StartedRaid> {
  const { context, raid, geometry, pairs } = start;
  const keepsMetadata = pairs.every(({ metadata }) => metadata !== null);
  const set = keepsMetadata ? await openSet(start) : withoutMetadata(start);
  const labels = new Map(pairs.map((pair) => [pair.data.id, pair]));
  const managed = await startManaged(await planOf(start, set, keepsMetadata), {
    name: context.name,
    mode: context.isReadOnly ? "read-only" : "read-write",
    hasSuperblocks: keepsMetadata,
    clock: context.env.clock,
    timers: context.env.timers,
    parity: context.parityEngine,
    scheduler: context.scheduler,
    systemLimits: SYSTEM_LIMITS,
    diskOf: ({ label }) => labels.get(label)?.data.key ?? label,
    syncUsers: () => context.syncUsers(),
    onPass: start.onPass,
    parts: {
      ...ARRAY_PARTS,
      metadata: (options) => new Metadata({ ...options, writer: raidWriter(geometry) }),
    },
  });
  applySettings(managed, raid);
  const { recorded } = set;
  const isResized = recorded !== null && recorded.componentSectors !== geometry.componentSectors;
  // The bitmaps fit, and superblocks tell of the length before anything is written behind the old one.
  if (isResized && managed.array.mode === "read-write")
    await new Promise<void>((said) => managed.array.commit("members", said));
  return { managed, grownFromSectors: grownFrom(set, geometry) };
}

/** Null: the set is not longer than its superblocks say. */
function grownFrom({ recorded }: KnownSet, { shape, ...now }: RaidGeometry): number | null {
  if (recorded === null || recorded.componentSectors >= now.componentSectors) return null;
  return shape.level === "raid10" ? recorded.arraySectors : recorded.componentSectors;
}

function applySettings({ sync, array }: ManagedArray, { numbers }: RaidArguments): void {
  const [least, most] = [numbers.get("min_recovery_rate"), numbers.get("max_recovery_rate")];
  if (least) sync.settings.setSpeedMin(least);
  if (most) sync.settings.setSpeedMax(most);
  const behindSectors = numbers.get("max_write_behind");
  if (behindSectors !== undefined && array.level.writeBehindLimit !== undefined)
    array.level.writeBehindLimit = Math.floor(behindSectors / 2);
}

type KnownSet = Extract<JudgedSet, { kind: "known" }>;

function withoutMetadata({ pairs, raid, geometry, isFirst }: RaidStart): KnownSet {
  const judged = pairs.map((pair) => ({
    pair,
    events: 0,
    recoveryOffsetSectors: isFirst && raid.rebuild.has(pair.index) ? 0 : Infinity,
    isBack: false,
  }));
  checkSlots(geometry, (slot) =>
    judged.some((one) => one.pair.index === slot && one.recoveryOffsetSectors === Infinity),
  );
  const resyncOffsetSectors = isFirst ? 0 : Infinity;
  return {
    kind: "known",
    judged,
    events: 0,
    resyncOffsetSectors,
    recorded: null,
    isRenumbered: false,
  };
}

async function openSet(start: RaidStart): Promise<KnownSet> {
  const { context, raid, geometry, pairs, isFirst } = start;
  const rebuild = isFirst ? raid.rebuild : new Set<number>();
  const set = judgeSet(await findPairs(pairs), geometry, rebuild);
  if (set.kind === "known") {
    if (!context.isReadOnly) await tellRebuilt(geometry, set, rebuild);
    return set;
  }
  if (context.isReadOnly)
    throw new HoldfastError("cannot-start", "The set has no superblocks, and may not be written.");
  const isAlike = raid.sync === "nosync" || !hasBitmap(raid, geometry) || set.rebuild.size > 0;
  const resyncOffsetSectors = isAlike ? Infinity : 0;
  await makeNew(start, set.rebuild, resyncOffsetSectors);
  const judged = pairs.map((pair) => ({
    pair,
    events: FIRST_EVENTS,
    recoveryOffsetSectors: set.rebuild.has(pair.index) ? 0 : Infinity,
    isBack: false,
  }));
  return {
    kind: "known",
    judged,
    events: FIRST_EVENTS,
    resyncOffsetSectors,
    recorded: null,
    isRenumbered: false,
  };
}

/** md's plan: who stands where is decided already. */
async function planOf(
  start: RaidStart,
  set: KnownSet,
  keepsMetadata: boolean,
): Promise<AssemblyPlan> {
  const { raid, geometry } = start;
  const keepsBits = keepsMetadata && hasBitmap(raid, geometry);
  const bits = keepsBits ? await bitsOf(start, set) : NO_BITS;
  const state: SetState = {
    geometry,
    events: set.events,
    hasBitmap: keepsBits,
    hasJournal: start.journal !== null,
    resyncOffsetSectors: await resyncOffset(start, set, bits),
  };
  const judged = set.judged.map((one): JudgedCandidate => {
    const candidate = candidateOf(state, one, raid, bits.eventsCleared);
    const fate = isInSync(one) ? "in-sync" : "recovering";
    return { candidate, fate, slot: one.pair.index, replacement: false, note: null };
  });
  const slots = Array.from({ length: geometry.shape.raidDisks }, (_unused, slot) => ({
    member: judged.find((one) => one.slot === slot) ?? null,
    replacement: null,
  }));
  const freshest = judged.find(({ fate }) => fate === "in-sync")!.candidate;
  const superblock = { ...freshest.superblock, events: set.events };
  const verdict = { kind: "can-start", degradedBy: degradedBy(start, set) } as const;
  const goneEvents = set.isRenumbered ? set.events + 1 : 0;
  const journal = start.journal === null ? null : journalOf(state, start.journal);
  if (journal !== null)
    judged.push({
      candidate: journal,
      fate: "journal",
      slot: null,
      replacement: false,
      note: null,
    });
  return { freshest, superblock, judged, slots, journal, verdict, forced: [], goneEvents };
}

function degradedBy({ geometry }: RaidStart, { judged }: KnownSet): number {
  return geometry.shape.raidDisks - judged.filter(isInSync).length;
}

/** Of a device in sync. */
async function bitsOf(start: RaidStart, set: KnownSet): Promise<Bits> {
  const { raid, geometry, pairs, isFirst, context } = start;
  const state: SetState = {
    geometry,
    events: set.events,
    hasBitmap: true,
    hasJournal: false,
    resyncOffsetSectors: 0,
  };
  const best = set.judged.filter(isInSync).toSorted((a, b) => b.events - a.events)[0]!;
  const inUse = new Set(set.judged.map(({ pair }) => pair));
  return readBits({
    raid,
    geometry,
    events: set.events,
    from: candidateOf(state, best, raid, Infinity),
    metadata: pairs.filter((pair) => inUse.has(pair)).map(({ metadata }) => metadata!),
    isNewAlike: isFirst && raid.sync === "nosync",
    isReadOnly: context.isReadOnly,
  });
}

function isInSync({ recoveryOffsetSectors }: Judged): boolean {
  return recoveryOffsetSectors === Infinity;
}

async function resyncOffset(start: RaidStart, set: KnownSet, bits: Bits): Promise<number> {
  const { raid, geometry, isFirst, journal } = start;
  const { level } = geometry.shape;
  if (level === "raid0") return Infinity;
  if (isFirst && raid.sync === "nosync") return Infinity;
  const isDegraded = degradedBy(start, set) > 0;
  const hasParity = level === "raid5" || level === "raid6";
  if (hasParity && isDegraded) return Infinity;
  if (isFirst && raid.sync === "sync") return 0;
  // What was being written when the power failed another journal may have known.
  const isForgotten = journal !== null && set.events > FIRST_EVENTS && !(await hasLog(journal));
  if (isForgotten || bits.isGrown) return 0;
  const grown = grownFrom(set, geometry);
  if (grown !== null) return bits === NO_BITS ? Math.min(grown, set.resyncOffsetSectors) : 0;
  // Bits that are kept for somebody who is missing, or is filled, say nothing of the others.
  return bits.isAnySet && !isDegraded ? 0 : set.resyncOffsetSectors;
}

function candidateOf(
  state: SetState,
  { pair, events, recoveryOffsetSectors, isBack }: Judged,
  { writeMostly }: RaidArguments,
  eventsCleared: number,
): MdCandidate {
  const { index, metadata, data } = pair;
  const device: DeviceState = {
    index,
    events,
    recoveryOffsetSectors,
    recoveryByBitmap: isBack && events >= eventsCleared,
    writeMostly: writeMostly.has(index),
    dataOffsetSectors: metadata?.device.sectors ?? 0,
  };
  return {
    path: data.id,
    device: metadata === null ? data.device : new PairDevice(metadata.device, data.device),
    superblock: asMdSuperblock(state, device),
  };
}
