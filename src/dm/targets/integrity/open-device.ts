/** From the words of a table to a device that fits them: its superblock, made if there is none, and where everything is. */
import { HoldfastError } from "../../../base/errors.ts";
import {
  INTEGRITY_SALT_BYTES,
  INTEGRITY_SUPERBLOCK_SECTORS,
  MAX_LOG_INTERLEAVE,
  MIN_LOG_INTERLEAVE,
  INTEGRITY_FLAGS,
} from "../../../formats/dm-integrity.ts";
import type { TargetContext } from "../../target.ts";
import type { IntegrityLine } from "./integrity-words.ts";
import { JournalImage } from "./journal-image.ts";
import { largestLayout, newSections, sectorsPerBit } from "./layout.ts";
import type { Layout, Sizes } from "./layout.ts";
import { Superblock } from "./superblock.ts";

const MOST_JOURNAL_SECTORS = 131_072;
/** Of the data device, the journal gets a 128th. */
const JOURNAL_SHARE = 128;
const DEFAULT_LOG_INTERLEAVE = 15;

export interface OpenDevice {
  readonly superblock: Superblock;
  readonly layout: Layout;
  /** There was no superblock: this one is in memory only. */
  readonly isNew: boolean;
}

interface Home {
  readonly device: IntegrityLine["data"]["device"];
  readonly sector: number;
  readonly hasMetaDevice: boolean;
}

function homeOf({ data, meta, startSector }: IntegrityLine): Home {
  const { device } = meta ?? data;
  return { device, sector: startSector, hasMetaDevice: meta !== null };
}

function sizesOf(line: IntegrityLine, interleaveSectors: number, hasFixedPadding: boolean): Sizes {
  return {
    dataDeviceSectors: line.data.device.sectors,
    metaDeviceSectors: line.meta?.device.sectors ?? null,
    startSector: line.startSector,
    tagBytes: line.tagBytes,
    sectorsPerBlock: line.sectorsPerBlock,
    interleaveSectors,
    hasFixedPadding,
    bufferSectors: line.bufferSectors,
  };
}

/** The log of how long runs of data are. */
function logInterleave({ meta, interleaveSectors }: IntegrityLine): number {
  if (meta !== null) return 0;
  const wished =
    interleaveSectors === 0 ? DEFAULT_LOG_INTERLEAVE : Math.floor(Math.log2(interleaveSectors));
  return Math.min(MAX_LOG_INTERLEAVE, Math.max(MIN_LOG_INTERLEAVE, wished));
}

function tooSmall({ data, meta }: IntegrityLine): HoldfastError {
  const { id } = meta ?? data;
  return new HoldfastError("no-space", `${id} is too small for data, tags and a journal.`);
}

/**
 * Reads what is there, and writes nothing. Where there are nothing but zeros in the superblock's place it is to be formatted; in mode R whatever is
 * there will do, and is read as if it were formatted.
 */
export async function openDevice(context: TargetContext, line: IntegrityLine): Promise<OpenDevice> {
  const isRecovery = line.mode === "recovery";
  const found = await Superblock.read(homeOf(line), isRecovery);
  if (found === null) {
    if (context.isReadOnly && !isRecovery)
      throw new HoldfastError(
        "cannot-start",
        `${line.data.id} is not formatted, and the table is loaded for reading only.`,
      );
    return newDevice(context, line);
  }
  const { tagBytes, logSectorsPerBlock, logInterleaveSectors, journalSections } = found.values;
  const blockSectors = 2 ** logSectorsPerBlock;
  if (tagBytes !== line.tagBytes)
    throw mismatch(line, `tags of ${tagBytes} bytes`, `${line.tagBytes}`);
  if (blockSectors !== line.sectorsPerBlock)
    throw mismatch(line, `blocks of ${blockSectors} sectors`, `${line.sectorsPerBlock}`);
  const interleaveSectors = 2 ** logInterleaveSectors;
  const sizes = sizesOf(line, interleaveSectors, found.has("fixedPadding"));
  const layout = largestLayout(sizes, journalSections);
  if (layout === null) throw tooSmall(line);
  return checked(line, { superblock: found, layout, isNew: false });
}

function mismatch({ data }: IntegrityLine, has: string, wanted: string): HoldfastError {
  return new HoldfastError("usage", `${data.id} has ${has}, and the table says ${wanted}.`);
}

/** Kernels round the place of tags to buffers; where runs of data are shorter, tags would come to lie on data. */
function checked(line: IntegrityLine, opened: OpenDevice): OpenDevice {
  const { interleaveSectors, bufferSectors, metaDeviceSectors } = opened.layout;
  if (metaDeviceSectors === null && bufferSectors > interleaveSectors)
    throw new HoldfastError(
      "usage",
      `${line.data.id}: buffer_sectors ${bufferSectors} is more than interleave_sectors ${interleaveSectors}: tags would come to lie on data.`,
    );
  return opened;
}

function newDevice(context: TargetContext, line: IntegrityLine): OpenDevice {
  const { data, meta, switches } = line;
  const logInterleaveSectors = logInterleave(line);
  const hasFixedPadding = meta === null && switches.has("fix_padding");
  const sizes = sizesOf(line, 2 ** logInterleaveSectors, hasFixedPadding);
  const usualSectors = Math.floor(data.device.sectors / JOURNAL_SHARE);
  const wished = line.journalSectors || Math.min(MOST_JOURNAL_SECTORS, usualSectors);
  const journalSections = newSections(sizes, wished);
  const layout = journalSections === 0 ? null : largestLayout(sizes, journalSections);
  if (layout === null) throw tooSmall(line);
  const hasSalt = switches.has("fix_hmac");
  const bitSectors = sectorsPerBit(layout, line.bitSectors);
  const superblock = Superblock.make(homeOf(line), {
    logInterleaveSectors,
    tagBytes: line.tagBytes,
    journalSections,
    dataSectors: layout.dataSectors,
    flags:
      (hasFixedPadding ? INTEGRITY_FLAGS.fixedPadding : 0) |
      (hasSalt ? INTEGRITY_FLAGS.fixedHmac : 0) |
      (switches.has("recalculate") ? INTEGRITY_FLAGS.recalculating : 0),
    logSectorsPerBlock: Math.log2(line.sectorsPerBlock),
    logBlocksPerBit: Math.log2(bitSectors / line.sectorsPerBlock),
    recalculatedSectors: 0,
    salt: hasSalt
      ? context.env.random.bytes(INTEGRITY_SALT_BYTES)
      : new Uint8Array(INTEGRITY_SALT_BYTES),
  });
  return checked(line, { superblock, layout, isNew: true });
}

/** 1 an empty journal, 2 the superblock: after a crash between there are zeros in its place still, and it is formatted again. */
export async function formatDevice(
  line: IntegrityLine,
  { superblock, layout }: OpenDevice,
): Promise<void> {
  const { device, sector } = homeOf(line);
  const start = sector + INTEGRITY_SUPERBLOCK_SECTORS;
  const image = new JournalImage(device, start, layout.journal);
  await image.writeCleared({ first: 0, count: layout.journal.sections }, 0);
  await superblock.write(line.mode === "bitmap");
}
