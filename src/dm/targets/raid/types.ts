/** The raid types of the target, and md's numbers for them. Facts: raid_types, raid10_format_to_md_layout in drivers/md/dm-raid.c. */
import type { MdLevel, MdShape } from "../../../formats/md/superblock.ts";

export interface RaidType {
  readonly name: string;
  readonly level: MdLevel;
  /** Of raid10 the format says it. */
  readonly layout: number;
  /** Devices that hold no data. */
  readonly parityDevices: number;
}

function type(name: string, level: MdLevel, layout: number, parityDevices: number): RaidType {
  return { name, level, layout, parityDevices };
}

/** raid4 is md's raid5 with all parity on the first device. */
const RAID_TYPES: readonly RaidType[] = [
  type("raid0", "raid0", 0, 0),
  type("raid1", "raid1", 0, 0),
  type("raid10_far", "raid10", 0, 0),
  type("raid10_offset", "raid10", 0, 0),
  type("raid10_near", "raid10", 0, 0),
  type("raid10", "raid10", 0, 0),
  type("raid4", "raid5", 4, 1),
  type("raid5_n", "raid5", 5, 1),
  type("raid5_ls", "raid5", 2, 1),
  type("raid5_rs", "raid5", 3, 1),
  type("raid5_la", "raid5", 0, 1),
  type("raid5_ra", "raid5", 1, 1),
  type("raid6_zr", "raid6", 8, 2),
  type("raid6_nr", "raid6", 9, 2),
  type("raid6_nc", "raid6", 10, 2),
  type("raid6_n_6", "raid6", 5, 2),
  type("raid6_ls_6", "raid6", 18, 2),
  type("raid6_rs_6", "raid6", 19, 2),
  type("raid6_la_6", "raid6", 16, 2),
  type("raid6_ra_6", "raid6", 17, 2),
];

export const RAID_TYPE_NAMES: readonly string[] = RAID_TYPES.map(({ name }) => name);

export function raidType(name: string): RaidType {
  return RAID_TYPES.find((each) => each.name === name)!;
}

export const RAID10_FORMATS = ["near", "far", "offset"] as const;
export type Raid10Format = (typeof RAID10_FORMATS)[number];

const OFFSET = 1 << 16;
const FAR_SETS = 1 << 18;

export function raid10Layout(format: Raid10Format, copies: number, nearSets: boolean): number {
  if (format === "near") return (1 << 8) | copies;
  const sets = nearSets ? 0 : FAR_SETS;
  return (format === "offset" ? OFFSET : 0) | sets | (copies << 8) | 1;
}

/** As status names it: kernels find the type by level and layout. */
export function statusName({ name }: RaidType, shape: MdShape): string {
  return statusTypeOf(shape) ?? name;
}

/** Of a raid10; null: of another level. */
export function statusTypeOf({ level, layout }: MdShape): string | null {
  if (level !== "raid10") return null;
  if ((layout & OFFSET) !== 0) return "raid10_offset";
  return (layout & 0xff) > 1 ? "raid10" : "raid10_far";
}

/** By what superblocks say; null: no type has that. */
export function typeByNumbers(levelNumber: number, layout: number): string | null {
  const found = RAID_TYPES.find(
    (each) =>
      LEVEL_NUMBERS[each.level] === levelNumber &&
      (each.level === "raid0" || each.level === "raid10" || each.layout === layout),
  );
  if (found?.level !== "raid10") return found?.name ?? null;
  return statusTypeOf({ level: "raid10", layout, chunkSectors: 0, raidDisks: 0 });
}

/** On disk. */
export const LEVEL_NUMBERS: Readonly<Record<MdLevel, number>> = {
  linear: -1,
  raid0: 0,
  raid1: 1,
  raid4: 4,
  raid5: 5,
  raid6: 6,
  raid10: 10,
};
