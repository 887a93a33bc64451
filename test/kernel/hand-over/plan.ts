/**
 * Arrays that are handed over in the middle of something: states by levels, in both directions. Which of them is fixed; layout,
 * chunk, disk count, metadata version, and the place where they stand are chance.
 */
import { Prng } from "../../../src/base/prng.ts";
import type { MdLevel, MdVersion } from "../../../src/formats/md/superblock.ts";

export const DISK_SECTORS = 8 * 2048;

export type State =
  /** A member has failed, something was written, and whoever takes over fills a new disk. */
  | "degraded"
  /** The same, and the member comes back: it gets what the bitmap says it has missed. */
  | "re-added"
  | "half resynced"
  | "half recovered"
  | "half replaced"
  /** Cut off amid writes, its members out of step. */
  | "dirty with bitmap"
  | "dirty without bitmap";

export interface Subject {
  /** A shell word. */
  readonly name: string;
  readonly state: State;
  /** Nobody has stopped it: the power has failed. */
  readonly isCut: boolean;
  readonly level: MdLevel;
  /** mdadm's word and number; null where the level has none. */
  readonly layout: string | null;
  readonly version: MdVersion;
  /** 0: the level has none. */
  readonly chunkSectors: number;
  readonly slots: number;
  readonly bitmapChunkSectors: number | null;
  /** The slot whose member fails, lags behind or is replaced. */
  readonly lost: number;
  /** Where background sync is held, sectors as it counts them. */
  readonly heldAt: number;
  readonly seed: number;
}

interface Kind {
  readonly level: MdLevel;
  readonly layouts: readonly (string | null)[];
  readonly slots: readonly [number, number];
}

const STRIPES = [
  "left-asymmetric",
  "right-asymmetric",
  "left-symmetric",
  "right-symmetric",
  "parity-first",
  "parity-last",
];
const ROTATING = [...STRIPES, "ddf-zero-restart", "ddf-N-restart", "ddf-N-continue"];

const RAID1: Kind = { level: "raid1", layouts: [null], slots: [2, 3] };
const RAID4: Kind = { level: "raid4", layouts: [null], slots: [3, 4] };
const RAID5: Kind = { level: "raid5", layouts: STRIPES, slots: [3, 5] };
const RAID6: Kind = { level: "raid6", layouts: ROTATING, slots: [4, 5] };
const NEAR: Kind = { level: "raid10", layouts: ["n2"], slots: [3, 5] };
const FAR: Kind = { level: "raid10", layouts: ["f2"], slots: [3, 4] };
const OFFSET: Kind = { level: "raid10", layouts: ["o2"], slots: [3, 4] };

const TABLE: Readonly<Record<State, readonly Kind[]>> = {
  degraded: [RAID1, RAID4, RAID5, RAID6, NEAR],
  "re-added": [RAID1, RAID5, RAID6, NEAR, OFFSET],
  "half resynced": [RAID1, RAID4, RAID5, RAID6, NEAR, FAR, OFFSET],
  "half recovered": [RAID1, RAID4, RAID5, RAID6, NEAR, FAR, OFFSET],
  "half replaced": [RAID1, RAID4, RAID5, RAID6, NEAR, FAR],
  "dirty with bitmap": [RAID1, RAID5, RAID6, NEAR],
  "dirty without bitmap": [RAID1, RAID4, RAID5, RAID6, FAR],
};

/** The same half-way states, cut off while background sync goes on from there. */
const CUT_TABLE: Readonly<
  Record<"half resynced" | "half recovered" | "half replaced", readonly Kind[]>
> = {
  "half resynced": [RAID1, RAID4, RAID5, RAID6, NEAR, FAR],
  "half recovered": [RAID1, RAID4, RAID5, RAID6, OFFSET],
  "half replaced": [RAID1, RAID5, RAID6, NEAR],
};

const NEWER: readonly MdVersion[] = ["1.0", "1.1", "1.2"];
const ANY: readonly MdVersion[] = ["0.90", ...NEWER];

/** Those that can tell of the state. */
function versionsOf(state: State): readonly MdVersion[] {
  // 0.90 has no place for how far a device is filled, nor for replacements.
  return state === "half recovered" || state === "half replaced" ? NEWER : ANY;
}

function hasBitmap(prng: Prng, state: State): boolean {
  switch (state) {
    case "re-added":
    case "dirty with bitmap":
      return true;
    case "dirty without bitmap":
      return false;
    case "degraded":
    case "half resynced":
    case "half recovered":
    case "half replaced":
      return prng.chance(0.4);
  }
}

/** A third to two thirds of the way, whole chunks of every size. */
function placeOf(
  prng: Prng,
  { level, slots, state }: Pick<Subject, "level" | "slots" | "state">,
): number {
  const isOfArray = level === "raid10" && state === "half resynced";
  const sectors = isOfArray ? Math.floor(((DISK_SECTORS - 4096) * slots) / 2) : DISK_SECTORS - 4096;
  const at = prng.between(Math.floor(sectors / 3), Math.floor((sectors * 2) / 3));
  return at - (at % 512);
}

interface Cell {
  readonly state: State;
  readonly kind: Kind;
  readonly isCut: boolean;
}

function subjectOf(name: string, { state, kind, isCut }: Cell, seed: number): Subject {
  const prng = new Prng(seed);
  const { level } = kind;
  const slots = prng.between(...kind.slots);
  return {
    name,
    state,
    isCut,
    level,
    layout: prng.pick(kind.layouts),
    version: prng.pick(versionsOf(state)),
    chunkSectors: level === "raid1" ? 0 : prng.pick([32, 64, 128, 256]),
    slots,
    bitmapChunkSectors: hasBitmap(prng, state) ? prng.pick([32, 128]) : null,
    lost: prng.below(slots),
    heldAt: placeOf(prng, { level, slots, state }),
    seed,
  };
}

function cellsOf(
  table: Readonly<Partial<Record<State, readonly Kind[]>>>,
  isCut: (state: State) => boolean,
): Cell[] {
  const states = Object.entries(table) as [State, readonly Kind[]][];
  return states.flatMap(([state, kinds]) =>
    kinds.map((kind) => ({ state, kind, isCut: isCut(state) })),
  );
}

/** @param prefix of names */
export function planHandOvers(seed: number, prefix: string): Subject[] {
  const cells = [...cellsOf(TABLE, isDirtyState), ...cellsOf(CUT_TABLE, () => true)];
  return cells.map((cell, i) => subjectOf(`${prefix}${i}`, cell, (seed + i * 7919) >>> 0));
}

function isDirtyState(state: State): boolean {
  return state === "dirty with bitmap" || state === "dirty without bitmap";
}

export function isDirty({ state }: Subject): boolean {
  return isDirtyState(state);
}

/**
 * May be cut off amid writes as well, half-way. Who is degraded may not: parity would not be started again, and kernels that recover before they
 * resync (sync-control.ts) need not look at a mirror below the recovery offset; nor, with a bitmap, at other copies where they fill a replacement.
 */
export function mayBeWrittenTo({ state, level, bitmapChunkSectors }: Subject): boolean {
  const isMirror = level === "raid1" || level === "raid10";
  if (state === "half replaced") return !isMirror || bitmapChunkSectors === null;
  return state === "half resynced";
}

/** Where background sync holds again, further on, if it comes so far before the power fails. */
export function heldNextAt({ heldAt }: Subject): number {
  return heldAt + 3072;
}

/** What may be left at the end of each member because copies come in pairs of chunks, sectors. */
export function unusedEnd({ level, chunkSectors }: Subject): number {
  return level === "raid10" ? 2 * chunkSectors : 0;
}

export function describeSubject(subject: Subject): string {
  const { name, state, level, layout, slots, version, chunkSectors, bitmapChunkSectors } = subject;
  const words = [
    subject.isCut && !isDirty(subject) ? `${state}, cut off: ${level}` : `${state}: ${level}`,
    layout,
    `of ${slots}, ${version}`,
    chunkSectors === 0 ? null : `${chunkSectors / 2}K`,
    bitmapChunkSectors === null ? null : `bitmap ${bitmapChunkSectors / 2}K`,
    `(${name})`,
  ];
  return words.filter((word) => word !== null).join(" ");
}
