/**
 * Replays a log of log-writes, this target's or the kernel's, onto a device: what the logged one held when a certain entry had become durable.
 * The whole log is looked at before the first sector is written.
 */
import { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { flush, readSectors, writeSectors } from "../../../block/promises.ts";
import { LOG_FLAGS, logWritesEntry, readLogWritesSuper } from "../../../formats/log-writes.ts";
import { chooseEntries } from "./log-range.ts";
import type { LogRange } from "./log-range.ts";

/** A part of an entry's data that is copied at a time. */
const COPY_SECTORS = 2048;

export interface LogEntry {
  /** From 0. */
  readonly index: number;
  readonly kind: "write" | "discard" | "flush" | "mark";
  /** On the logged device, of 512 bytes. */
  readonly sector: number;
  readonly sectors: number;
  readonly isFua: boolean;
  /** What it was made of asked for a flush, data or not. */
  readonly isFlush: boolean;
  readonly isMetadata: boolean;
  /** The text; null where it is no mark. */
  readonly mark: string | null;
  /** Of its data, in the log, of 512 bytes. */
  readonly logSector: number;
}

/** @throws HoldfastError `bad-metadata` for a log that is none, or whose entries leave the device */
export async function readWriteLog(log: BlockDevice): Promise<LogEntry[]> {
  const { entries, sectorBytes } = readLogWritesSuper(await readSectors(log, 0, 1), log.name);
  const unit = sectorBytes / SECTOR_BYTES;
  const found: LogEntry[] = [];
  let at = unit;
  for (let index = 0; index < entries; index += 1) {
    if (at + unit > log.sectors) throw leaves(log, index);
    const entry = readEntry(await readSectors(log, at, unit), index, at + unit, unit);
    at += unit + (entry.kind === "write" ? entry.sectors : 0);
    if (at > log.sectors) throw leaves(log, index);
    found.push(entry);
  }
  return found;
}

function leaves(log: BlockDevice, index: number): HoldfastError {
  return new HoldfastError(
    "bad-metadata",
    `${log.name}: entry ${index} of the log does not end inside the device.`,
  );
}

function readEntry(bytes: Uint8Array, index: number, logSector: number, unit: number): LogEntry {
  const { sector, sectors, flags, dataBytes } = logWritesEntry.decode(bytes);
  const has = (flag: number): boolean => Math.floor(flags / flag) % 2 === 1;
  const kind = has(LOG_FLAGS.mark)
    ? "mark"
    : has(LOG_FLAGS.discard)
      ? "discard"
      : sectors === 0
        ? "flush"
        : "write";
  const text = bytes.subarray(logWritesEntry.size, logWritesEntry.size + dataBytes);
  return {
    index,
    kind,
    sector: sector * unit,
    sectors: sectors * unit,
    isFua: has(LOG_FLAGS.fua),
    isFlush: has(LOG_FLAGS.flush),
    isMetadata: has(LOG_FLAGS.metadata),
    mark: kind === "mark" ? new TextDecoder().decode(text) : null,
    logSector,
  };
}

export interface ReplayOptions extends LogRange {
  /** Discards leave what was there. */
  readonly ignoresDiscards?: boolean;
}

/** @returns how many entries were replayed. @throws HoldfastError before anything is written: `not-found` for a range that is not there, `usage` for a target that is too small */
export async function replayWriteLog(
  log: BlockDevice,
  onto: BlockDevice,
  options: ReplayOptions,
): Promise<number> {
  const chosen = chooseEntries(await readWriteLog(log), options, log.name);
  for (const { index, sector, sectors } of chosen)
    if (sector + sectors > onto.sectors)
      throw new HoldfastError(
        "usage",
        `Entry ${index} of the log ends at sector ${sector + sectors}, and ${onto.name} has ${onto.sectors}.`,
      );
  for (const entry of chosen)
    if (entry.kind !== "discard" || options.ignoresDiscards !== true)
      await replayEntry(log, onto, entry);
  await flush(onto);
  return chosen.length;
}

/** What was discarded reads as zeros afterwards, so that every replay gives the same. */
async function replayEntry(log: BlockDevice, onto: BlockDevice, entry: LogEntry): Promise<void> {
  if (entry.kind === "flush" || entry.kind === "mark") return;
  for (let done = 0; done < entry.sectors; done += COPY_SECTORS) {
    const sectors = Math.min(COPY_SECTORS, entry.sectors - done);
    const data =
      entry.kind === "write"
        ? await readSectors(log, entry.logSector + done, sectors)
        : new Uint8Array(sectors * SECTOR_BYTES);
    await writeSectors(onto, entry.sector + done, data);
  }
}
