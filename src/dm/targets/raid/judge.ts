/**
 * What the superblocks of a set say of its devices, and what the table line says against it. Nothing is written.
 *
 *   no superblock anywhere                         a new set; devices to be rebuilt are filled from the others
 *   none on some, and they are to be rebuilt       they are filled
 *   failed, or left behind, by the freshest one    came back: filled, with what the bitmap says that they missed if it goes back so far
 *   otherwise                                      good as far as their own superblock says
 *
 * Kernels believe a device that was left behind and not noted as failed; here it is taken for one that failed (law 3).
 *
 * A raid1 may have more or fewer devices than its superblocks say, in other places: copies come and go. Who was written in another
 * numbering than the freshest one is believed if it is not behind at all, and whoever is let go of falls behind with the next superblocks.
 */
import { HoldfastError } from "../../../base/errors.ts";
import { readSectors } from "../../../block/promises.ts";
import { decodeDmRaid } from "../../../formats/dm-raid.ts";
import type { DmRaidSuper } from "../../../formats/dm-raid.ts";
import { survival } from "../../../md/enough.ts";
import type { TargetDevice } from "../../target.ts";
import type { RaidGeometry } from "./geometry.ts";
import { LEVEL_NUMBERS, statusTypeOf, typeByNumbers } from "./types.ts";

/** A place of the set that is not `- -`. */
export interface Pair {
  readonly index: number;
  /** Null in a set that keeps no metadata. */
  readonly metadata: TargetDevice | null;
  readonly data: TargetDevice;
}

export type FoundPair =
  | { readonly kind: "new"; readonly pair: Pair }
  | {
      readonly kind: "known";
      readonly pair: Pair;
      readonly superblock: DmRaidSuper;
      readonly failed: readonly number[];
    }
  | { readonly kind: "unreadable"; readonly pair: Pair };

/** How a device takes part. */
export interface Judged {
  readonly pair: Pair;
  readonly events: number;
  readonly recoveryOffsetSectors: number;
  /** It was part of the set; its events tell whether the bitmap knows what it missed. */
  readonly isBack: boolean;
}

export interface RecordedSize {
  readonly arraySectors: number;
  /** Of each data device. */
  readonly componentSectors: number;
}

export type JudgedSet =
  /** Superblocks and bitmaps are to be made; devices that are not good are filled. */
  | { readonly kind: "new"; readonly rebuild: ReadonlySet<number> }
  | {
      readonly kind: "known";
      readonly judged: readonly Judged[];
      readonly events: number;
      readonly resyncOffsetSectors: number;
      /** As the superblocks have it; null: they are too old to say. */
      readonly recorded: RecordedSize | null;
      /** Copies may have been let go of, with superblocks as good as these. */
      readonly isRenumbered: boolean;
    };

/** The superblock of a set that was made and never written: it may be made again. */
export const FIRST_EVENTS = 1;

export async function findPairs(pairs: readonly Pair[]): Promise<FoundPair[]> {
  return Promise.all(
    pairs.map(async (pair): Promise<FoundPair> => {
      const sector = await readSectors(pair.metadata!.device, 0, 1).catch(() => null);
      if (sector === null) return { kind: "unreadable", pair };
      const found = decodeDmRaid(sector);
      if (found.kind === "none") return { kind: "new", pair };
      if (found.kind === "bad") throw refused(pair, found.reason);
      const { superblock, failed, extended } = found;
      const isReshaped = extended && (superblock.flags !== 0 || superblock.deltaDisks !== 0);
      if (isReshaped) throw refused(pair, "it tells of a reshape, which is not served");
      return { kind: "known", pair, superblock, failed };
    }),
  );
}

function refused(pair: Pair, why: string): HoldfastError {
  return new HoldfastError("unsupported", `The superblock on ${pair.metadata!.id}: ${why}.`);
}

/** @throws HoldfastError `unsupported`, `usage`, `cannot-start` naming the device */
export function judgeSet(
  found: readonly FoundPair[],
  geometry: RaidGeometry,
  rebuild: ReadonlySet<number>,
): JudgedSet {
  const known = found.filter((one) => one.kind === "known");
  for (const { pair, superblock } of known) checkShape(pair, superblock, geometry);
  const [first, ...others] = known;
  if (first === undefined) {
    const gone = found.find(({ kind }) => kind === "unreadable");
    if (gone === undefined && found.length > 0) return newSet(found, geometry, rebuild);
    const name =
      gone === undefined ? "no device is given" : `${gone.pair.metadata!.id} cannot be read`;
    throw new HoldfastError("cannot-start", `No superblock tells of the set: ${name}.`);
  }
  const freshest = others.reduce(
    (best, one) => (one.superblock.events > best.superblock.events ? one : best),
    first,
  );
  const events = Number(freshest.superblock.events);
  if (events <= FIRST_EVENTS) return newSet(found, geometry, rebuild);
  const failed = new Set(freshest.failed);
  const { numDevices } = freshest.superblock;
  const size = geometry.componentSectors;
  const judged = found.flatMap((one) => judge(one, { events, failed, numDevices, rebuild, size }));
  checkSlots(geometry, (slot) =>
    judged.some(
      ({ pair, recoveryOffsetSectors }) =>
        pair.index === slot && recoveryOffsetSectors === Infinity,
    ),
  );
  const recorded = recordedSize(known, events);
  checkResize(geometry, recorded, judged);
  return {
    kind: "known",
    judged,
    events,
    resyncOffsetSectors: below(
      geometry.syncSectors,
      sectorsOf(freshest.superblock.arrayResyncOffset),
    ),
    recorded,
    isRenumbered: known.some(
      ({ pair, superblock }) =>
        superblock.numDevices !== geometry.shape.raidDisks ||
        superblock.arrayPosition !== pair.index,
    ),
  };
}

/** Also of a set whose making a crash cut short: a superblock that says that its device is not good is true. */
function newSet(
  found: readonly FoundPair[],
  geometry: RaidGeometry,
  named: ReadonlySet<number>,
): JudgedSet {
  const rebuild = new Set(named);
  for (const one of found)
    if (one.kind === "known" && one.superblock.diskRecoveryOffset === 0n)
      rebuild.add(one.pair.index);
  checkSlots(geometry, (slot) =>
    found.some(({ pair }) => pair.index === slot && !rebuild.has(slot)),
  );
  return { kind: "new", rebuild };
}

interface Freshest {
  readonly events: number;
  readonly failed: ReadonlySet<number>;
  /** Of the set when it was written. */
  readonly numDevices: number;
  readonly rebuild: ReadonlySet<number>;
  /** Sectors of each device from now on. */
  readonly size: number;
}

function judge(found: FoundPair, freshest: Freshest): Judged[] {
  const { events, failed, numDevices, rebuild, size } = freshest;
  const { pair } = found;
  const isRebuilt = rebuild.has(pair.index);
  if (found.kind === "unreadable") return [];
  if (found.kind === "new") {
    if (!isRebuilt)
      throw new HoldfastError(
        "usage",
        `${pair.metadata!.id} has no superblock, and the set has: it is new there. Say rebuild ${pair.index}.`,
      );
    return [{ pair, events, recoveryOffsetSectors: 0, isBack: false }];
  }
  const own = Number(found.superblock.events);
  const { arrayPosition } = found.superblock;
  // One apart are superblocks between which the power failed.
  const isBack =
    found.superblock.numDevices === numDevices
      ? failed.has(arrayPosition) || own < events - 1
      : own < events;
  const offset = below(size, sectorsOf(found.superblock.diskRecoveryOffset));
  const recoveryOffsetSectors = isBack || isRebuilt ? 0 : offset;
  return [{ pair, events: own, recoveryOffsetSectors, isBack: isBack && !isRebuilt }];
}

function sectorsOf(field: bigint): number {
  return field > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(field);
}

/** Of a set that was made shorter whatever came behind its end is done. */
function below(sectors: number, offset: number): number {
  return offset >= sectors ? Infinity : offset;
}

type Known = Extract<FoundPair, { kind: "known" }>;

/** Superblocks that a change of the length has not reached yet count: it is made again then. */
function recordedSize(known: readonly Known[], events: number): RecordedSize | null {
  const fresh = known.filter(({ superblock }) => Number(superblock.events) >= events - 1);
  const least = (size: (superblock: DmRaidSuper) => bigint): number =>
    Math.min(...fresh.map(({ superblock }) => Number(size(superblock))));
  const componentSectors = least(({ sectors }) => sectors);
  const arraySectors = least((superblock) => superblock.arraySectors);
  return componentSectors === 0 || arraySectors === 0 ? null : { arraySectors, componentSectors };
}

/** @throws HoldfastError for a length that the set cannot be given */
function checkResize(
  { shape, componentSectors }: RaidGeometry,
  recorded: RecordedSize | null,
  judged: readonly Judged[],
): void {
  if (recorded === null || recorded.componentSectors === componentSectors) return;
  const change = `the set uses ${recorded.componentSectors} sectors of each device and not ${componentSectors}`;
  if (statusTypeOf(shape) === "raid10_far")
    throw new HoldfastError(
      "unsupported",
      `raid: ${change}: where the second copies of a raid10_far lie depends on that, and they are not moved.`,
    );
  const isWhole =
    judged.filter((one) => one.recoveryOffsetSectors === Infinity).length === shape.raidDisks;
  // Of what is new P and Q would not fit each other: a missing device is made up for by one of them.
  if (shape.level === "raid6" && componentSectors > recorded.componentSectors && !isWhole)
    throw new HoldfastError(
      "cannot-start",
      `raid: ${change}: a raid6 that lacks a device is not made longer; rebuild it first.`,
    );
}

function checkShape(pair: Pair, superblock: DmRaidSuper, { shape }: RaidGeometry): void {
  const { numDevices, arrayPosition, level, layout, stripeSectors } = superblock;
  if (numDevices !== shape.raidDisks && shape.level !== "raid1")
    throw refused(
      pair,
      `the set has ${numDevices} devices and not ${shape.raidDisks}; a reshape is not served`,
    );
  if (arrayPosition !== pair.index && shape.level !== "raid1")
    throw refused(pair, `it is device ${arrayPosition} of its set and not ${pair.index}`);
  const isOther =
    level !== LEVEL_NUMBERS[shape.level] ||
    stripeSectors !== shape.chunkSectors ||
    (shape.level !== "raid0" && layout !== shape.layout);
  if (!isOther) return;
  const is = described(level, layout, stripeSectors);
  const asked = described(LEVEL_NUMBERS[shape.level], shape.layout, shape.chunkSectors);
  const takeover = level === LEVEL_NUMBERS[shape.level] ? "" : "a takeover like ";
  const why = `${takeover}a reshape is not served`;
  throw refused(pair, `the set is ${is}, and the table asks for ${asked}: ${why}`);
}

function described(level: number, layout: number, chunkSectors: number): string {
  const type = typeByNumbers(level, layout) ?? `of level ${level} and layout ${layout}`;
  const copies = type.startsWith("raid10") ? ` of layout ${layout}` : "";
  return `${type}${copies}${chunkSectors === 0 ? "" : ` in chunks of ${chunkSectors} sectors`}`;
}

/** @throws HoldfastError `cannot-start` when some of the data are gone */
export function checkSlots({ shape }: RaidGeometry, isInSync: (slot: number) => boolean): void {
  const present = Array.from({ length: shape.raidDisks }, (_unused, slot) => isInSync(slot));
  const { survives, missing, needed } = survival(shape, present);
  if (survives) return;
  throw new HoldfastError(
    "cannot-start",
    `Too many devices are missing or not in sync (${missing.join(", ")}): the set needs ${needed}.`,
  );
}
