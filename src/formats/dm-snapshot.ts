/**
 * The exception store of dm-snapshot: which chunks of the origin a COW device holds, and where.
 *
 *   chunk 0: header | 1: area 0 | its data chunks | area 1 | its data chunks | ...
 *
 * An area is one chunk full of exceptions; an area has as many data chunks behind it as it has room for exceptions. The first exception whose new
 * chunk is 0 ends the list; an area that is full is followed by another one, be it empty.
 * Facts: drivers/md/dm-snap-persistent.c.
 */
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { asHex, shownAs, u32, u64n } from "../codec/fields.ts";
import { struct } from "../codec/struct.ts";

/** "SnAp". */
export const SNAPSHOT_MAGIC = 0x70_41_6e_53;
export const SNAPSHOT_VERSION = 1;
const MAX_CHUNK_SECTORS = 2 ** 22 - 1;
const HEADER_CHUNKS = 1;

export const snapshotHeader = struct("snapshot header", "little", 16, {
  magic: shownAs(u32(0), asHex),
  /** 0: the snapshot is lost. */
  valid: u32(4),
  version: u32(8),
  chunkSectors: u32(12),
});

export const snapshotException = struct("snapshot exception", "little", 16, {
  /** Of the origin. */
  oldChunk: u64n(0),
  /** Of the COW device. */
  newChunk: u64n(8),
});

export function isChunkSize(sectors: number): boolean {
  return sectors > 0 && sectors <= MAX_CHUNK_SECTORS && Number.isInteger(Math.log2(sectors));
}

export function exceptionsPerArea(chunkSectors: number): number {
  return (chunkSectors * SECTOR_BYTES) / snapshotException.size;
}

/** The chunk that holds an area's exceptions. */
export function areaChunk(area: number, chunkSectors: number): number {
  return HEADER_CHUNKS + area * (exceptionsPerArea(chunkSectors) + 1);
}

export function isAreaChunk(chunk: number, chunkSectors: number): boolean {
  return chunk % (exceptionsPerArea(chunkSectors) + 1) === HEADER_CHUNKS;
}

/** What header and areas so far take. */
export function metadataChunks(area: number): number {
  return HEADER_CHUNKS + area + 1;
}

/** @returns null: there is none, the device is fresh. @throws HoldfastError `bad-metadata`, `unsupported` */
export function readSnapshotHeader(
  bytes: Uint8Array,
  name: string,
): { readonly isValid: boolean; readonly chunkSectors: number } | null {
  const { magic, valid, version, chunkSectors } = snapshotHeader.decode(bytes);
  if (magic === 0) return null;
  if (magic !== SNAPSHOT_MAGIC)
    throw new HoldfastError(
      "bad-metadata",
      `${name} has no snapshot's header at its start; overwrite its first sector with zeros to begin a new one.`,
    );
  if (version !== SNAPSHOT_VERSION)
    throw new HoldfastError(
      "unsupported",
      `${name} has an exception store of version ${version}, and only version ${SNAPSHOT_VERSION} is known.`,
    );
  if (!isChunkSize(chunkSectors))
    throw new HoldfastError(
      "bad-metadata",
      `${name}: its snapshot's chunks have ${chunkSectors} sectors, which is no power of 2.`,
    );
  return { isValid: valid !== 0, chunkSectors };
}
