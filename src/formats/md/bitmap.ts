/**
 * The write-intent bitmap: a superblock of 256 bytes, then one bit a chunk (majors 3, 4 and 5) or, 1 KiB from the start,
 * one byte a chunk (major 6, the lockless bitmap of kernel 6.18). It lies on each member at the superblock's bitmap sector, or,
 * all the same, in a file.
 *
 *   0 superblock   256 bits ...                      majors 3 to 5; bit n is bit n % 8 of byte n / 8
 *   0 superblock   1024 states ...                   major 6
 *
 * Major 3 had its bits in machine words of the host; on the little-endian machines that used it, that is the same.
 * Major 5 (cluster) has one whole bitmap a node, one behind the other, each rounded up to 4 KiB.
 * Major 6 gives its chunk size in sectors, the others in bytes.
 *
 * Facts: drivers/md/md-bitmap.{c,h}, drivers/md/md-llbitmap.c, mdadm's bitmap.c. Byte table: docs/formats/md-bitmap.md.
 */
import { alignUp } from "../../base/units.ts";
import { asHex, bytes, shownAs, text, u32, u64 } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import type { DescribedField, ValueOf } from "../../codec/struct.ts";
import { mdUuid } from "../../codec/uuid.ts";
import { isPowerOfTwo } from "./shape-check.ts";
import { sectorNumber } from "./superblock-1-layout.ts";

export const BITMAP_MAGIC = 0x6d746962;
export const BITMAP_SUPER_BYTES = 256;
const LOCKLESS_DATA_OFFSET = 1024;
/** Clusters have far fewer nodes; the lock manager's limit is of this order. */
const MAX_NODES = 4096;

export const BITMAP_STATE = {
  /** Out of date: every chunk counts as dirty. */
  stale: 1 << 1,
  writeError: 1 << 2,
  /** Major 6: not initialised yet; the states mean nothing. */
  firstUse: 1 << 3,
  /** Major 6, with firstUse: start with all clean instead of all unwritten. */
  clean: 1 << 4,
} as const;

export const bitmapSuper = struct("md bitmap superblock", "little", BITMAP_SUPER_BYTES, {
  magic: shownAs(u32(0), asHex),
  version: u32(4),
  uuid: shownAs(bytes(8, 16), mdUuid),
  events: u64(24),
  eventsCleared: u64(32),
  /** Sectors. */
  syncSize: u64(40),
  state: shownAs(u32(48), asHex),
  /** Bytes; sectors in version 6. */
  chunksize: u32(52),
  /** Seconds. */
  daemonSleep: u32(56),
  writeBehind: u32(60),
  sectorsReserved: u32(64),
  nodes: u32(68),
  clusterName: text(72, 64),
  pad: bytes(136, 120),
});
export type BitmapSuper = ValueOf<typeof bitmapSuper>;

export interface MdBitmap {
  readonly major: 3 | 4 | 5 | 6;
  /** As in the array's superblock; arrayUuidBytes() gives what to compare it with. */
  readonly uuid: Uint8Array;
  /** Not less than the array's, or the bitmap is out of date. */
  readonly events: number;
  /** A member that left at this event count or later can come back with the help of the bitmap. */
  readonly eventsCleared: number;
  /** What the bitmap covers: member sectors, for raid10 array sectors. */
  readonly syncSectors: number;
  readonly chunkSectors: number;
  /** Bits, or bytes in major 6. */
  readonly chunks: number;
  /** Where they start, bytes from the bitmap's start, and how many bytes they take. */
  readonly dataOffset: number;
  readonly dataBytes: number;
  /** Every chunk counts as dirty whatever the bits say: out of date, write error, or never initialised. */
  readonly untrustworthy: boolean;
  readonly daemonSleepSeconds: number;
  readonly writeBehind: number;
  /** 0: unknown. */
  readonly reservedSectors: number;
  /** Nodes of the cluster, each with a bitmap of its own; 0 without cluster. */
  readonly nodes: number;
  readonly clusterName: string;
  readonly fields: readonly DescribedField[];
}

export type BitmapDecode =
  | { readonly kind: "ok"; readonly bitmap: MdBitmap }
  | { readonly kind: "none" }
  | {
      readonly kind: "bad";
      readonly reason: string;
      readonly fields: readonly DescribedField[];
    };

function chunkSectorsOf(raw: BitmapSuper): number {
  return raw.version === 6 ? raw.chunksize : raw.chunksize / 512;
}

function problemOf(raw: BitmapSuper): string | null {
  if (raw.version < 3 || raw.version > 6)
    return `its bitmap is of version ${raw.version}, and 3 to 6 are known`;
  const chunk = chunkSectorsOf(raw);
  if (!isPowerOfTwo(chunk))
    return `its bitmap's chunk size is ${chunk} sectors, which is not a power of two`;
  const sectors = sectorNumber(raw.syncSize);
  if (sectors === Infinity) return `its bitmap covers ${raw.syncSize} sectors`;
  if (sectorNumber(raw.events) === Infinity) return `its bitmap's event count is ${raw.events}`;
  if (raw.version === 5 && raw.nodes > MAX_NODES) return `its bitmap is for ${raw.nodes} nodes`;
  return null;
}

/** @param data at least the first 256 bytes of the bitmap */
export function decodeBitmap(data: Uint8Array): BitmapDecode {
  if (data.length < BITMAP_SUPER_BYTES) return { kind: "none" };
  const raw = bitmapSuper.decode(data);
  if (raw.magic !== BITMAP_MAGIC) return { kind: "none" };
  const reason = problemOf(raw);
  if (reason !== null) return { kind: "bad", reason, fields: bitmapSuper.describe(raw) };

  const lockless = raw.version === 6;
  const syncSectors = sectorNumber(raw.syncSize);
  const chunkSectors = chunkSectorsOf(raw);
  const chunks = Math.ceil(syncSectors / chunkSectors);
  const distrust = BITMAP_STATE.stale | BITMAP_STATE.writeError;
  return {
    kind: "ok",
    bitmap: {
      major: raw.version as MdBitmap["major"],
      uuid: raw.uuid,
      events: sectorNumber(raw.events),
      eventsCleared: sectorNumber(raw.eventsCleared),
      syncSectors,
      chunkSectors,
      chunks,
      dataOffset: lockless ? LOCKLESS_DATA_OFFSET : BITMAP_SUPER_BYTES,
      dataBytes: lockless ? chunks : Math.ceil(chunks / 8),
      untrustworthy: (raw.state & (lockless ? distrust | BITMAP_STATE.firstUse : distrust)) !== 0,
      daemonSleepSeconds: raw.daemonSleep,
      writeBehind: raw.writeBehind,
      reservedSectors: raw.sectorsReserved,
      nodes: raw.version === 5 ? raw.nodes : 0,
      clusterName: raw.version === 5 ? raw.clusterName : "",
      // Only examine shows them.
      get fields(): DescribedField[] {
        return bitmapSuper.describe(raw);
      },
    },
  };
}

/** Where node `node`'s bitmap starts behind that of node 0, in bytes. */
export function clusterSlotOffset(bitmap: MdBitmap, node: number): number {
  return node * alignUp(bitmap.dataOffset + bitmap.dataBytes, 4096);
}
