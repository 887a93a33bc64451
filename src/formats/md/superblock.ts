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
  /** The layout number as on disk; its meaning depends on the level. */
  readonly layout: number;
  /** 0 where the level has no chunks (raid1). */
  readonly chunkSectors: number;
  readonly raidDisks: number;
}

/** A reshape under way. `before` is the shape being left, `after` the one aimed at. */
export interface MdReshape {
  /** How far it durably got, in array sectors. */
  readonly positionSectors: number;
  readonly deltaDisks: number;
  /** From the end to the start (shrinking, or moving data towards higher offsets). */
  readonly backwards: boolean;
  readonly before: MdShape;
  readonly after: MdShape;
  /** This member's data starts at dataOffsetSectors + this in the new shape. */
  readonly newOffsetDeltaSectors: number;
}

export interface MdBadBlockLog {
  /** First sector of the log on the member. */
  readonly startSector: number;
  readonly sectors: number;
  /** Units of the entries: 1 << shift sectors. */
  readonly shift: number;
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

  /** Array sectors below this are in sync; Infinity: all. Less than that: the array was not stopped cleanly. */
  readonly resyncOffsetSectors: number;
  /** This member's sectors (of its data) below this hold good data; Infinity: all. */
  readonly recoveryOffsetSectors: number;
  /** recoveryOffset is to be guided by the bitmap: every sector not covered by a set bit is good. */
  readonly recoveryByBitmap: boolean;

  /** Index into `roles`. */
  readonly deviceNumber: number;
  readonly role: MdRole;
  /** A replacement for the still working member in the same slot (hot replace). */
  readonly replacement: boolean;
  readonly writeMostly: boolean;
  readonly failFast: boolean;
  /** By device number. */
  readonly roles: readonly MdRole[];

  /** Internal write-intent bitmap: first sector of its superblock on this member. */
  readonly bitmapSector: number | null;
  /** The array is used with a bitmap kept in a file (0.90 and 1.x state bits cannot say where). */
  readonly badBlockLog: MdBadBlockLog | null;
  readonly ppl: {
    readonly startSector: number;
    readonly sectors: number;
    readonly multiple: boolean;
  } | null;
  /** The array has a write journal on a separate device. */
  readonly hasJournal: boolean;
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
  /** Every field with its offset and raw value, for `examine`. */
  readonly fields: readonly DescribedField[];
}
