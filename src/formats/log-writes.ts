/**
 * The log of dm-log-writes: every write, in the order in which it became durable.
 *
 *   super (one sector) | entry (one sector) data | entry data | entry | ...
 *
 * Sectors are those of the super's `sectorsize`. Discards, flushes and marks have no data behind them; a mark's text is in the entry's own sector.
 * Facts: drivers/md/dm-log-writes.c.
 */
import { HoldfastError } from "../base/errors.ts";
import { asHex, shownAs, u32, u64, u64n } from "../codec/fields.ts";
import { struct } from "../codec/struct.ts";

export const LOG_WRITES_MAGIC = 0x6a_7366_7773_6872n;
export const LOG_WRITES_VERSION = 1;
const MIN_SECTOR_BYTES = 512;
const MAX_SECTOR_BYTES = 65_536;

export const LOG_FLAGS = { flush: 1, fua: 2, discard: 4, mark: 8, metadata: 16 } as const;

export const logWritesSuper = struct("log-writes super", "little", 28, {
  magic: shownAs(u64(0), asHex),
  version: u64n(8),
  entries: u64n(16),
  /** Bytes. */
  sectorSize: u32(24),
});

export const logWritesEntry = struct("log-writes entry", "little", 32, {
  sector: u64n(0),
  sectors: u64n(8),
  flags: u64n(16),
  /** Of a mark: bytes of its text, which follows. */
  dataBytes: u64n(24),
});

/** @param bytes the first sector. @throws HoldfastError `bad-metadata` */
export function readLogWritesSuper(
  bytes: Uint8Array,
  name: string,
): { readonly entries: number; readonly sectorBytes: number } {
  const { magic, version, entries, sectorSize } = logWritesSuper.decode(bytes);
  if (magic !== LOG_WRITES_MAGIC)
    throw new HoldfastError("bad-metadata", `${name} has no log of log-writes at its start.`);
  if (version !== LOG_WRITES_VERSION)
    throw new HoldfastError(
      "unsupported",
      `${name} has a log of version ${version}, and only version ${LOG_WRITES_VERSION} is known.`,
    );
  const isPower = Number.isInteger(Math.log2(sectorSize));
  if (!isPower || sectorSize < MIN_SECTOR_BYTES || sectorSize > MAX_SECTOR_BYTES)
    throw new HoldfastError("bad-metadata", `${name}: its log has sectors of ${sectorSize} bytes.`);
  return { entries, sectorBytes: sectorSize };
}
