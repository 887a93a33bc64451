/**
 * The partial parity log of raid5. Each member has an area of its own, which speaks only of stripes whose parity is on
 * that member:
 *
 *   4 KiB header with up to 148 entries | partial parity of entry 0 | of entry 1 | ...   and maybe the next header
 *
 * Partial parity is the xor of those data blocks of a stripe that a write did not change: xored with the changed blocks
 * as they stand on the disks after a crash it gives parity that fits them. Entries of full-stripe writes have none.
 * A large area is a ring of several logs; the newest one is the last in a row of ascending generations.
 * Facts: md_p.h, drivers/md/raid5-ppl.c. docs/formats/md-ppl.md.
 */
import { assert } from "../../base/assert.ts";
import { crc32c } from "../../codec/crc32c.ts";
import { array, asHex, bytes, shownAs, u32, u64 } from "../../codec/fields.ts";
import { nested, struct } from "../../codec/struct.ts";
import type { ValueOf } from "../../codec/struct.ts";
import { sectorNumber } from "./superblock-1-layout.ts";

export const PPL_HEADER_BYTES = 4096;
export const PPL_HEADER_SECTORS = PPL_HEADER_BYTES / 512;
export const PPL_MAX_ENTRIES = 148;
const CHECKSUM_OFFSET = 532;
const ENTRIES_OFFSET = 536;
const PPL_ENTRY_BYTES = 24;
/** Partial parity of one log in an area that has room for several. */
const PPL_RING_BYTES = 128 * 1024;

const pplEntry = struct("ppl entry", "little", PPL_ENTRY_BYTES, {
  /** First array sector of the changed data. */
  dataSector: u64(0),
  /** Bytes. */
  ppSize: u32(8),
  /** Bytes changed, over all data disks. */
  dataSize: u32(12),
  /** Slot. */
  parityDisk: u32(16),
  /** CRC-32C of the partial parity. */
  checksum: shownAs(u32(20), asHex),
});

export const pplHeader = struct("ppl header", "little", PPL_HEADER_BYTES, {
  reserved: bytes(0, 512),
  signature: shownAs(u32(512), asHex),
  padding: u32(516),
  generation: u64(520),
  entriesCount: u32(528),
  checksum: shownAs(u32(CHECKSUM_OFFSET), asHex),
  entries: array(
    nested(pplEntry, (entry) =>
      entry.dataSize === 0 ? "" : `${entry.dataSector}+${entry.dataSize};`,
    ),
    ENTRIES_OFFSET,
    PPL_MAX_ENTRIES,
  ),
});
export type PplHeaderRaw = ValueOf<typeof pplHeader>;

export interface PplEntry {
  readonly dataSector: number;
  readonly ppBytes: number;
  readonly dataBytes: number;
  readonly parityDisk: number;
  readonly checksum: number;
  /** Where its partial parity is, in sectors from the log's header. */
  readonly ppSector: number;
}

export interface PplLog {
  readonly generation: bigint;
  readonly entries: readonly PplEntry[];
  /** Header and partial parity. */
  readonly sectors: number;
}

export type PplDecode =
  | { readonly kind: "ok"; readonly log: PplLog }
  | { readonly kind: "bad"; readonly reason: string };

/** How an area is used: kernels take it for a ring where two full logs fit, and say so with the feature bit multiple-ppls. */
export interface PplUse {
  readonly isRing: boolean;
  /** The most partial parity in one log. */
  readonly ppBytes: number;
}

/** @param areaSectors MdSuperblock.ppl.sectors */
export function pplUse(areaSectors: number): PplUse {
  const areaBytes = areaSectors * 512;
  const isRing = areaBytes >= 2 * (PPL_HEADER_BYTES + PPL_RING_BYTES);
  return { isRing, ppBytes: isRing ? PPL_RING_BYTES : areaBytes - PPL_HEADER_BYTES };
}

/** What every header of an array is signed with. @param arrayUuid 16 bytes, arrayUuidBytes() */
export function pplSignature(arrayUuid: Uint8Array): number {
  return crc32c(arrayUuid);
}

/** CRC-32C of a header block with its checksum field taken as 0. */
export function pplHeaderChecksum(header: Uint8Array): number {
  const copy = header.slice(0, PPL_HEADER_BYTES);
  copy.fill(0, CHECKSUM_OFFSET, CHECKSUM_OFFSET + 4);
  return crc32c(copy);
}

/** An entry that is to be written; see PplEntry. */
export interface PplEntryImage {
  readonly dataSector: number;
  readonly ppBytes: number;
  readonly dataBytes: number;
  readonly parityDisk: number;
  readonly checksum: number;
}

/** The header of a log without entries, as it stands in a new array. @param arrayUuid 16 bytes, arrayUuidBytes() */
export function emptyPplHeader(arrayUuid: Uint8Array): Uint8Array {
  const nothing = { dataSector: 0n, ppSize: 0, dataSize: 0, parityDisk: 0, checksum: 0 };
  const header = pplHeader.encode({
    reserved: new Uint8Array(512).fill(0xff),
    signature: pplSignature(arrayUuid),
    padding: 0,
    generation: 0n,
    entriesCount: 0,
    checksum: 0,
    entries: Array.from({ length: PPL_MAX_ENTRIES }, () => nothing),
  });
  pplHeader.encodeInto(header, 0, { checksum: pplHeaderChecksum(header) });
  return header;
}

/**
 * Makes the header of a log with entries.
 * @param header gets it: 4 KiB @param empty emptyPplHeader() of the array
 */
export function encodePplHeader(
  header: Uint8Array,
  empty: Uint8Array,
  generation: bigint,
  entries: readonly PplEntryImage[],
): void {
  assert(entries.length <= PPL_MAX_ENTRIES, "the entries of a log fit into its header");
  header.set(empty);
  entries.forEach(({ dataSector, ppBytes, dataBytes, parityDisk, checksum }, index) => {
    pplEntry.encodeInto(header, ENTRIES_OFFSET + index * PPL_ENTRY_BYTES, {
      dataSector: BigInt(dataSector),
      ppSize: ppBytes,
      dataSize: dataBytes,
      parityDisk,
      checksum,
    });
  });
  pplHeader.encodeInto(header, 0, { generation, entriesCount: entries.length });
  pplHeader.encodeInto(header, 0, { checksum: pplHeaderChecksum(header) });
}

function entriesOf(raw: PplHeaderRaw): PplEntry[] {
  let ppSector = PPL_HEADER_SECTORS;
  return raw.entries.slice(0, raw.entriesCount).map((entry) => {
    const at = ppSector;
    ppSector += entry.ppSize >>> 9;
    return {
      dataSector: sectorNumber(entry.dataSector),
      ppBytes: entry.ppSize,
      dataBytes: entry.dataSize,
      parityDisk: entry.parityDisk,
      checksum: entry.checksum,
      ppSector: at,
    };
  });
}

function entryProblem(entry: PplEntry): string | null {
  if (entry.dataSector === Infinity || entry.ppBytes % 512 !== 0 || entry.dataBytes % 512 !== 0)
    return `entry for array sector ${entry.dataSector} with ${entry.dataBytes} bytes and ${entry.ppBytes} bytes of partial parity`;
  return null;
}

/** @param data the 4 KiB of a header */
export function decodePplHeader(data: Uint8Array, signature: number): PplDecode {
  const raw = pplHeader.decode(data);
  if (pplHeaderChecksum(data) !== raw.checksum)
    return { kind: "bad", reason: "wrong checksum of the header" };
  if (raw.signature !== signature) return { kind: "bad", reason: "header of another array" };
  if (raw.entriesCount > PPL_MAX_ENTRIES)
    return { kind: "bad", reason: `header with ${raw.entriesCount} entries` };
  const entries = entriesOf(raw);
  const problem = entries.map(entryProblem).find((one) => one !== null);
  if (problem !== undefined) return { kind: "bad", reason: problem };
  const sectors = entries.reduce((sum, { ppBytes }) => sum + (ppBytes >>> 9), PPL_HEADER_SECTORS);
  return { kind: "ok", log: { generation: raw.generation, entries, sectors } };
}

/** Reads sectors of the member's PPL area, counted from its start. */
export type PplReader = (sector: number, sectors: number) => Promise<Uint8Array>;

export interface FoundPpl {
  /** Where the header is in the area. */
  readonly sector: number;
  readonly log: PplLog;
}

/**
 * The newest log of a member's area: the last of a row of valid headers with generations that do not fall. Null when the
 * very first header is not valid (the kernel then takes the array for not recoverable by PPL).
 * @param areaSectors MdSuperblock.ppl.sectors
 */
export async function findNewestPpl(
  read: PplReader,
  areaSectors: number,
  signature: number,
): Promise<FoundPpl | null> {
  let newest: FoundPpl | null = null;
  let sector = 0;
  while (sector < areaSectors - PPL_HEADER_SECTORS) {
    const header = decodePplHeader(await read(sector, PPL_HEADER_SECTORS), signature);
    if (header.kind === "bad") break;
    if (newest !== null && header.log.generation < newest.log.generation) break;
    newest = { sector, log: header.log };
    sector += header.log.sectors;
  }
  return newest;
}

/** What an entry covers, in the array's geometry. */
export interface PplExtent {
  /** Changed are, on each of `dataDisks` data disks k, `stripSectors` from array sector first + k * chunk on, below `end`. */
  readonly firstSector: number;
  readonly endSector: number;
  readonly dataDisks: number;
  readonly stripSectors: number;
  /** Parity is redone in blocks of so many sectors: 8, or 1 where the edges are not on 4 KiB. */
  readonly blockSectors: 1 | 8;
}

/** Null when the entry fits no stripe of such an array. */
export function pplExtent(
  entry: PplEntry,
  array5: { readonly chunkSectors: number; readonly raidDisks: number },
): PplExtent | null {
  const { chunkSectors } = array5;
  const allDisks = array5.raidDisks - 1;
  const first = entry.dataSector;
  const pp = entry.ppBytes >>> 9;
  const data = entry.dataBytes >>> 9;
  let dataDisks = allDisks;
  let strip = chunkSectors;
  let end = first + data;
  if (pp < chunkSectors) {
    if (pp > 0) dataDisks = Math.floor(data / pp);
    strip = pp > 0 ? pp : Math.floor(data / dataDisks);
    end = first + (dataDisks - 1) * chunkSectors + strip;
  }
  if (dataDisks < 1 || dataDisks > allDisks || strip < 1 || strip > chunkSectors) return null;
  const aligned = first % 8 === 0 && end % 8 === 0;
  return {
    firstSector: first,
    endSector: end,
    dataDisks,
    stripSectors: strip,
    blockSectors: aligned ? 8 : 1,
  };
}
