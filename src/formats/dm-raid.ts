/**
 * The superblock of device-mapper's raid target, 512 bytes at the start of each metadata device ("rmeta" in LVM), followed
 * by a write-intent bitmap at 4 KiB. Up to byte 60 it is as old as the target; what follows is there when compatFeatures
 * has bit 0 (target version 1.9.0).
 * Facts: struct dm_raid_superblock, super_sync and super_init_validation in drivers/md/dm-raid.c.
 */
import { array, asHex, i32, shownAs, u32, u64 } from "../codec/fields.ts";
import { struct } from "../codec/struct.ts";
import type { DescribedField, ValueOf } from "../codec/struct.ts";

export const DM_RAID_BYTES = 512;
/** "DmRd" */
const MAGIC = 0x64526d44;
const SUPPORTS_V190 = 1;
/** md's limit for the target. */
const MAX_DEVICES = 253;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const orNone = (value: bigint): string => (value === ALL_ONES ? "none" : String(value));

export const dmRaidSuper = struct("dm-raid superblock", "little", DM_RAID_BYTES, {
  magic: shownAs(u32(0), asHex),
  compatFeatures: shownAs(u32(4), asHex),
  numDevices: u32(8),
  arrayPosition: u32(12),
  events: u64(16),
  /** Bit n: device n failed; devices from 64 on are in extendedFailedDevices. */
  failedDevices: shownAs(u64(24), asHex),
  /** Sectors of this device that are rebuilt. */
  diskRecoveryOffset: shownAs(u64(32), orNone),
  /** Sectors of the set that are in sync. */
  arrayResyncOffset: shownAs(u64(40), orNone),
  level: i32(48),
  layout: i32(52),
  stripeSectors: u32(56),

  /** Bit 0: a reshape runs, bit 1: backwards. */
  flags: shownAs(u32(60), asHex),
  reshapePosition: shownAs(u64(64), orNone),
  newLevel: i32(72),
  newLayout: i32(76),
  newStripeSectors: u32(80),
  deltaDisks: i32(84),
  arraySectors: u64(88),
  dataOffset: u64(96),
  newDataOffset: u64(104),
  /** Used sectors of each data device. */
  sectors: u64(112),
  extendedFailedDevices: array((offset) => shownAs(u64(offset), asHex), 120, 3),
  incompatFeatures: shownAs(u32(144), asHex),
});
export type DmRaidSuper = ValueOf<typeof dmRaidSuper>;

export type DmRaidDecode =
  | {
      readonly kind: "ok";
      readonly superblock: DmRaidSuper;
      /** The fields from byte 60 on mean something. */
      readonly extended: boolean;
      /** Positions of failed devices. */
      readonly failed: readonly number[];
      readonly fields: readonly DescribedField[];
    }
  | { readonly kind: "none" }
  | {
      readonly kind: "bad";
      readonly reason: string;
      readonly fields: readonly DescribedField[];
    };

function failedPositions(raw: DmRaidSuper, extended: boolean): number[] {
  const words = extended ? [raw.failedDevices, ...raw.extendedFailedDevices] : [raw.failedDevices];
  return words.flatMap((word, index) =>
    Array.from({ length: 64 }, (_unused, bit) => bit)
      .filter((bit) => (word >> BigInt(bit)) & 1n)
      .map((bit) => index * 64 + bit),
  );
}

function problemOf(raw: DmRaidSuper): string | null {
  if (raw.numDevices === 0 || raw.numDevices > MAX_DEVICES)
    return `it says the set has ${raw.numDevices} devices`;
  if (raw.arrayPosition >= raw.numDevices)
    return `it says it is device ${raw.arrayPosition} of a set of ${raw.numDevices}`;
  const unknown = raw.compatFeatures & ~SUPPORTS_V190;
  if (unknown !== 0 || (raw.compatFeatures !== 0 && raw.incompatFeatures !== 0))
    return `it uses features that are not known (${asHex(raw.compatFeatures)}, ${asHex(raw.incompatFeatures)})`;
  return null;
}

/** @param data the first 512 bytes of a metadata device. There is no checksum. */
export function decodeDmRaid(data: Uint8Array): DmRaidDecode {
  const raw = dmRaidSuper.decode(data);
  if (raw.magic !== MAGIC) return { kind: "none" };
  const fields = dmRaidSuper.describe(raw);
  const reason = problemOf(raw);
  if (reason !== null) return { kind: "bad", reason, fields };
  const extended = (raw.compatFeatures & SUPPORTS_V190) !== 0;
  const failed = failedPositions(raw, extended);
  return { kind: "ok", superblock: raw, extended, failed, fields };
}

/** What changes; a reshape is never under way. */
export interface NewDmRaid extends Pick<
  DmRaidSuper,
  | "numDevices"
  | "arrayPosition"
  | "events"
  | "diskRecoveryOffset"
  | "arrayResyncOffset"
  | "level"
  | "layout"
  | "stripeSectors"
  | "arraySectors"
  | "sectors"
> {
  /** Positions of failed devices. */
  readonly failed: ReadonlySet<number>;
}

/** All fields of a superblock, as kernels from 4.9 on write them. */
export function encodeDmRaid({ failed, ...given }: NewDmRaid): DmRaidSuper {
  const words = Array.from({ length: 4 }, (_unused, word) =>
    [...failed]
      .filter((position) => position >> 6 === word)
      .reduce((bits, position) => bits | (1n << BigInt(position & 63)), 0n),
  );
  return {
    ...given,
    magic: MAGIC,
    compatFeatures: SUPPORTS_V190,
    failedDevices: words[0]!,
    flags: 0,
    reshapePosition: ALL_ONES,
    newLevel: given.level,
    newLayout: given.layout,
    newStripeSectors: given.stripeSectors,
    deltaDisks: 0,
    dataOffset: 0n,
    newDataOffset: 0n,
    extendedFailedDevices: words.slice(1),
    incompatFeatures: 0,
  };
}
