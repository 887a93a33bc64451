/**
 * How many members an array can do without. Exact, not a rule of thumb: for raid10 every chunk of one period of the layout must
 * have a copy left.
 */
import { unreachable } from "../base/assert.ts";
import type { MdShape } from "../formats/md/superblock.ts";
import { parseRaid10Layout, Raid10Geometry } from "./geometry/raid10.ts";

export interface Survival {
  readonly survives: boolean;
  /** Slots that are not there. */
  readonly missing: readonly number[];
  /** What it takes, for messages: "at least 3", "one of each mirrored pair". */
  readonly needed: string;
}

/**
 * Can every sector of the volume be read?
 * @param present by slot: the member is there and good over its whole length
 */
export function survival(shape: MdShape, present: readonly boolean[]): Survival {
  const missing = present.flatMap((there, slot) => (there ? [] : [slot]));
  const atMost = (lost: number): Survival => ({
    survives: missing.length <= lost,
    missing,
    needed: lost === 0 ? "all of them" : `at least ${shape.raidDisks - lost}`,
  });
  switch (shape.level) {
    case "linear":
    case "raid0":
      return atMost(0);
    case "raid1":
      return atMost(shape.raidDisks - 1);
    case "raid4":
    case "raid5":
      return atMost(1);
    case "raid6":
      return atMost(2);
    case "raid10":
      return {
        survives: everyChunkHasACopy(shape, present),
        missing,
        needed: "one of every group of members that hold the same data",
      };
    default:
      return unreachable(shape.level);
  }
}

function everyChunkHasACopy(shape: MdShape, present: readonly boolean[]): boolean {
  const layout = parseRaid10Layout(shape.layout, shape.raidDisks);
  if (layout === null) return false;
  // After raidDisks chunks, at the latest, the same groups of members come round again.
  const rows = layout.near * layout.far;
  const geometry = new Raid10Geometry(
    layout,
    shape.raidDisks,
    shape.chunkSectors,
    rows * shape.chunkSectors,
  );
  for (let sector = 0; sector < geometry.arraySectors; sector += shape.chunkSectors) {
    if (!geometry.copies(sector).some((copy) => present[copy.slot])) return false;
  }
  return true;
}

/**
 * Does the slot hold nothing but parity, whatever the row? The loss of such a member puts no data in doubt, even where parity
 * cannot be trusted. As only_parity in the kernel's raid5.c, plus raid4, whose parity is always on the last disk.
 */
export function holdsOnlyParity(shape: MdShape, slot: number): boolean {
  const last = shape.raidDisks - 1;
  if (shape.level === "raid4") return slot === last;
  if (shape.level === "raid5") return slot === { 4: 0, 5: last }[shape.layout];
  if (shape.level !== "raid6") return false;
  switch (shape.layout) {
    case 4:
      return slot <= 1;
    case 5:
      return slot >= last - 1;
    case 16:
    case 17:
    case 18:
    case 19:
      return slot === last;
    case 20:
      return slot === 0 || slot === last;
    default:
      return false;
  }
}
