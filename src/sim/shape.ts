/** The array of a run: small, but with everything that large ones have. */
import type { Prng } from "../base/prng.ts";
import type { MdLevel } from "../formats/md/superblock.ts";
import type { CreateRequest } from "../md/create/request.ts";

export interface Shape {
  readonly level: MdLevel;
  /** As in superblocks; null: the level has none. */
  readonly layout: number | null;
  readonly disks: number;
  readonly spares: number;
  /** 0: the level has none. */
  readonly chunkSectors: number;
  /** Of each member. */
  readonly componentSectors: number;
  readonly consistency: "resync" | "bitmap" | "ppl" | "journal";
  /** Writes that may be behind on write-mostly members; raid1 with a bitmap. */
  readonly writeBehind: number;
  readonly badBlockLog: boolean;
  /** Otherwise its first sync is still to be done. */
  readonly assumeClean: boolean;
  /** Clients may change a buffer while it is written, and write it again when they are asked to (law 2). */
  readonly sharesBuffers: boolean;
  /** Clients come over NBD, on so many connections; otherwise they use the array's bios. */
  readonly connections?: number;
}

export const JOURNAL_SECTORS = 256;
const DATA_OFFSET = 256;
/** A partial parity log lies between superblock and data. */
const DATA_OFFSET_PPL = 2560;

export function dataOffsetOf({ consistency }: Pick<Shape, "consistency">): number {
  return consistency === "ppl" ? DATA_OFFSET_PPL : DATA_OFFSET;
}

export function parityDisks({ level }: Pick<Shape, "level">): number {
  if (level === "raid6") return 2;
  return level === "raid4" || level === "raid5" ? 1 : 0;
}

/** A crash while a member is missing leaves parity that nobody may believe: no log stands in for it, or it was never computed. */
export function mayNeedForce(shape: Pick<Shape, "level" | "consistency" | "assumeClean">): boolean {
  const { consistency, assumeClean } = shape;
  const hasLog = consistency === "ppl" || consistency === "journal";
  return parityDisks(shape) > 0 && !(hasLog && assumeClean);
}

/** Members that may be lost at a time, whichever they are. */
export function bearableLosses({ level, disks }: Pick<Shape, "level" | "disks">): number {
  switch (level) {
    case "raid1":
      return disks - 1;
    case "raid6":
      return 2;
    case "raid4":
    case "raid5":
    case "raid10":
      return 1;
    default:
      return 0;
  }
}

export function requestOf(shape: Shape): Partial<CreateRequest> {
  const { consistency, writeBehind } = shape;
  const hasBitmap = consistency === "bitmap";
  return {
    level: shape.level,
    layout: shape.layout,
    chunkSectors: shape.chunkSectors === 0 ? null : shape.chunkSectors,
    raidDisks: shape.disks,
    spareDisks: shape.spares,
    bitmap: hasBitmap ? { chunkSectors: 128, delaySeconds: 5, writeBehind } : null,
    consistencyPolicy: consistency === "ppl" || consistency === "journal" ? consistency : null,
    assumeClean: shape.assumeClean,
    badBlockLog: shape.badBlockLog,
    dataOffsetSectors: dataOffsetOf(shape),
    force: true,
  };
}

interface Kind {
  readonly level: MdLevel;
  readonly layouts: readonly (number | null)[];
  readonly disks: readonly [number, number];
  readonly consistency: readonly Shape["consistency"][];
}

const ROTATING = [0, 1, 2, 3, 4, 5];
const KINDS: readonly Kind[] = [
  { level: "raid1", layouts: [null], disks: [2, 3], consistency: ["resync", "bitmap"] },
  {
    level: "raid10",
    layouts: [0x102, 0x201, 0x10201],
    disks: [2, 4],
    consistency: ["resync", "bitmap"],
  },
  { level: "raid4", layouts: [null], disks: [3, 4], consistency: ["resync", "bitmap", "journal"] },
  {
    level: "raid5",
    layouts: ROTATING,
    disks: [3, 5],
    consistency: ["resync", "bitmap", "ppl", "journal"],
  },
  {
    level: "raid6",
    layouts: [...ROTATING, 8, 9, 10],
    disks: [4, 6],
    consistency: ["resync", "bitmap", "journal"],
  },
];

/** That an array of this level is tried with. */
export function fewestDisks(level: MdLevel): number {
  return KINDS.find((kind) => kind.level === level)?.disks[0] ?? 1;
}

/** A random one. @param only what is not to be left to chance */
export function randomShape(prng: Prng, only: Partial<Shape> = {}): Shape {
  const kinds = KINDS.filter(
    ({ level, consistency }) =>
      (only.level === undefined || only.level === level) &&
      (only.consistency === undefined || consistency.includes(only.consistency)),
  );
  const kind = prng.pick(kinds);
  const consistency = prng.pick(kind.consistency);
  const isMirror = kind.level === "raid1";
  const hasBitmap = (only.consistency ?? consistency) === "bitmap";
  return {
    level: kind.level,
    layout: prng.pick(kind.layouts),
    disks: prng.between(...kind.disks),
    spares: prng.below(2),
    chunkSectors: isMirror ? 0 : prng.pick([8, 16, 32]),
    componentSectors: 256,
    consistency,
    writeBehind: isMirror && hasBitmap && prng.chance(0.3) ? 8 : 0,
    badBlockLog: prng.chance(0.6),
    assumeClean: prng.chance(0.6),
    sharesBuffers: false,
    ...only,
  };
}
