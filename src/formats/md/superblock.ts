/**
 * What an md superblock says, whatever its version. The version files (superblock-090.ts, superblock-1.ts)
 * decode into this; everything above works with this only. Sectors are 512 bytes; offsets are from the start of
 * the member device. The fields are the kernel's `struct mdp_superblock_1` and `mdp_super_t`
 * (include/uapi/linux/raid/md_p.h), named by their meaning.
 */
import type { ByteOrder } from "../../codec/fields.ts";
import type { DescribedField } from "../../codec/struct.ts";

export type MdVersion = "0.90" | "1.0" | "1.1" | "1.2";

export type MdLevel = "linear" | "raid0" | "raid1" | "raid4" | "raid5" | "raid6" | "raid10";

/** Levels by the number on disk. Other numbers (multipath -4, faulty -5, container -100) are known by name only. */
export const MD_LEVEL_BY_NUMBER: ReadonlyMap<number, MdLevel> = new Map([
  [-1, "linear"],
  [0, "raid0"],
  [1, "raid1"],
  [4, "raid4"],
  [5, "raid5"],
  [6, "raid6"],
  [10, "raid10"],
]);

export const MD_OTHER_LEVEL_NAMES: ReadonlyMap<number, string> = new Map([
  [-4, "multipath"],
  [-5, "faulty"],
  [-100, "container"],
]);

/** A device's role in the array. */
export type MdRole =
  /** `slot` is the place in the geometry, 0..raidDisks-1. */
  | { readonly kind: "active"; readonly slot: number }
  | { readonly kind: "spare" }
  | { readonly kind: "faulty" }
  | { readonly kind: "journal" };

/** Shape of the array: everything geometry needs. */
export interface MdShape {
  readonly level: MdLevel;
  /** The layout number as on disk; its meaning depends on the level (layout-names.ts). */
  readonly layout: number;
  /** 0 for raid1. For linear: members are rounded down to this, 0 is no rounding. */
  readonly chunkSectors: number;
  readonly raidDisks: number;
}

/**
 * A reshape under way. `before` is the shape being left, `after` the one aimed at.
 *
 * On disk, in 0.91 and in 1.x alike, level, layout and chunk size hold the old values and new_level, new_layout and
 * new_chunk the new ones, but raid_disks already holds the new count, whether it grows or shrinks:
 *   before = { level,     layout,     chunk,     raid_disks - delta_disks }
 *   after  = { new_level, new_layout, new_chunk, raid_disks }
 * (kernel: setup_conf and raid5_start_reshape in raid5.c, setup_geo in raid10.c; the remark in md_p.h that raid_disks is
 * the larger of the two is wrong.) The kernel goes on only with new_level == level: a change of level is a takeover
 * that happened before, raid5 to raid6 for instance is a raid6 whose layout goes from left-symmetric-6 to left-symmetric.
 *
 * Which side an array sector is on, for raid4/5/6 and raid10 alike:
 *   forwards:  sector < position: after, else before;   backwards: sector >= position: after, else before.
 * In the before shape data start at the member's data offset, in the after shape at data offset + newOffsetDelta.
 */
export interface MdReshape {
  /** How far it durably got, in array sectors. */
  readonly positionSectors: number;
  readonly deltaDisks: number;
  /** From the end to the start (shrinking, or moving data towards higher offsets). */
  readonly backwards: boolean;
  readonly before: MdShape;
  readonly after: MdShape;
  /** This member's data starts at dataOffsetSectors + this in the new shape. May differ between members. */
  readonly newOffsetDeltaSectors: number;
}

export interface MdBadBlockLog {
  /** First sector of the log on the member. */
  readonly startSector: number;
  readonly sectors: number;
  /** Units of the entries: 1 << shift sectors. */
  readonly shift: number;
  /** The log holds entries. Otherwise the space is only set aside, and what stands in it means nothing. */
  readonly inUse: boolean;
}

export interface MdSuperblock {
  readonly version: MdVersion;
  readonly byteOrder: ByteOrder;
  /** Where the superblock lies on the member. */
  readonly superSector: number;
  readonly checksumOk: boolean;
  /** md's form aaaaaaaa:bbbbbbbb:cccccccc:dddddddd. */
  readonly arrayUuid: string;
  /** Of this member; 0.90 has none. */
  readonly deviceUuid: string | null;
  /** "homehost:name" as stored; 0.90 has none. */
  readonly name: string | null;
  /** The N of mdN; 0.90 only. */
  readonly preferredMinor: number | null;
  /** Seconds since 1970; microseconds dropped. */
  readonly createdSeconds: number;
  readonly updatedSeconds: number;
  readonly events: number;

  /** The level number on disk; `shape` is null when it is not one that can be served. */
  readonly levelNumber: number;
  /** The present shape; while a reshape runs the one aimed at (the kernel's own reading). */
  readonly shape: MdShape | null;
  readonly reshape: MdReshape | null;
  /** Sectors of each member that the array uses (md's `size`); 0 for linear and raid0 of unequal members. */
  readonly componentSectors: number;
  /** Where this member's data starts, and how many sectors it could use. */
  readonly dataOffsetSectors: number;
  readonly dataSectors: number;

  /**
   * Below this the copies or parity are in sync; Infinity: everywhere. Less than that: the array was not stopped cleanly.
   * Member sectors (without the data offset) for raid1 and raid4/5/6, array sectors for raid10.
   */
  readonly resyncOffsetSectors: number;
  /** This member's sectors (of its data) below this hold good data; Infinity: all. */
  readonly recoveryOffsetSectors: number;
  /** The rebuild is guided by the bitmap: above recoveryOffset too, sectors not covered by a set bit are good. */
  readonly recoveryByBitmap: boolean;

  /** Index into `roles`. */
  readonly deviceNumber: number;
  readonly role: MdRole;
  /** A replacement for the still working member in the same slot (hot replace). */
  readonly replacement: boolean;
  readonly writeMostly: boolean;
  readonly failFast: boolean;
  /** Of this member, that could not be read and were written anew, ever; 0.90 does not count them. */
  readonly correctedSectors: number;
  /** By device number. */
  readonly roles: readonly MdRole[];

  /** Internal write-intent bitmap: first sector of its superblock on this member. */
  readonly bitmapSector: number | null;
  readonly badBlockLog: MdBadBlockLog | null;
  readonly ppl: {
    readonly startSector: number;
    readonly sectors: number;
    readonly multiple: boolean;
  } | null;
  /** The array has a write journal on a separate device. */
  readonly hasJournal: boolean;
  /** On the journal device: where the log starts, in sectors from its data offset. Null on all others. */
  readonly journalTailSectors: number | null;
  /** Shared by a cluster (clustered bitmap). */
  readonly clustered: boolean;
  /** How raid0 zones of unequal members are laid out, when recorded. */
  readonly raid0Layout: "original" | "alternate" | null;
  /** Since kernel 6.19; null when not recorded. */
  readonly logicalBlockBytes: number | null;

  /** Names of the feature bits that are set. */
  readonly features: readonly string[];
  /** Feature bits that this version of Holdfast does not know; not 0 means: do not touch. */
  readonly unknownFeatures: number;
  /** Reserved bytes that kernels write as zeros are not: something newer than this version. Kernels refuse such arrays. */
  readonly reservedBytesSet: boolean;
  /** Every field with its offset and raw value, for `examine`. */
  readonly fields: readonly DescribedField[];
}

/** What bytes at a superblock's place turned out to be. */
export type SuperblockDecode =
  | { readonly kind: "ok"; readonly superblock: MdSuperblock }
  /** No magic there. */
  | { readonly kind: "none" }
  /** There is one, but it cannot be right: `reason` is one sentence without the device's name. */
  | {
      readonly kind: "bad";
      readonly reason: string;
      readonly fields: readonly DescribedField[];
    };

/**
 * The 16 bytes of the array's UUID in the order in which bitmaps, PPL and journals have them.
 * 0.90 keeps it as four words in host order, and the text form shows the words.
 */
export function arrayUuidBytes(superblock: MdSuperblock): Uint8Array {
  const swapped = superblock.version === "0.90" && superblock.byteOrder === "little";
  const words = superblock.arrayUuid.split(":").map((word) => Number.parseInt(word, 16));
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  words.forEach((word, index) => view.setUint32(index * 4, word, swapped));
  return bytes;
}
