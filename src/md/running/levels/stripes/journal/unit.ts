/**
 * Units of the journal: a meta block and behind it the blocks that it tells of. What waits is taken row by row (a row is a stripe of one
 * 4 KiB block of each member); data and parity of a row are never in two units, since data without parity is another thing to who replays.
 */
import { SECTOR_BYTES } from "../../../../../base/units.ts";
import type { BioEnd } from "../../../../../block/bio.ts";
import {
  R5_BLOCK_BYTES,
  R5_BLOCK_SECTORS,
  r5BlockChecksum,
} from "../../../../../formats/md/r5-log.ts";
import {
  R5_PAYLOAD_BYTES,
  encodeR5Meta,
  r5RecordBytes,
} from "../../../../../formats/md/r5-log-write.ts";
import type { R5StripeRecord } from "../../../../../formats/md/r5-log-write.ts";
import type { StripeGeometry } from "../../../../geometry/raid456.ts";
import { parityBlocks } from "../stripe.ts";
import type { StripeWrite } from "../stripe-log.ts";
import type { JournalUnit } from "./ring.ts";

/** A stripe write on its way through the journal. */
export class JournalEntry {
  readonly write: StripeWrite;
  readonly logged: BioEnd;
  /** That tell of it. */
  readonly units: JournalUnit[] = [];
  /** First member sector that is in no unit yet. */
  next: number;

  constructor(write: StripeWrite, logged: BioEnd) {
    this.write = write;
    this.logged = logged;
    this.next = write.range.sector;
  }

  get isWhole(): boolean {
    return this.next === this.write.range.sector + this.write.range.sectors;
  }

  get rowBlocks(): number {
    return this.write.written.length + parityBlocks(this.write.range.layout);
  }

  get rowRecordBytes(): number {
    return r5RecordBytes(this.write.written.length, parityBlocks(this.write.range.layout));
  }
}

/** What a ring must have for the longest row to go round in it (StripeJournal.maxSectors). */
export function leastRingSectors({ raidDisks }: StripeGeometry): number {
  return 4 * (1 + raidDisks) * R5_BLOCK_SECTORS;
}

interface DraftRow {
  readonly entry: JournalEntry;
  readonly memberSector: number;
}

export interface UnitDraft {
  readonly rows: readonly DraftRow[];
  readonly entries: ReadonlySet<JournalEntry>;
  readonly sectors: number;
}

/**
 * As many rows as a unit takes, in the order of the queue, at least one. Nothing is taken from the queue, nor an entry changed.
 * @param queue not empty
 */
export function draftUnit(queue: readonly JournalEntry[], maxSectors: number): UnitDraft {
  const rows: DraftRow[] = [];
  let sectors = R5_BLOCK_SECTORS;
  let roomBytes = R5_PAYLOAD_BYTES;
  for (const entry of queue) {
    const { rowBlocks, rowRecordBytes } = entry;
    const end = entry.write.range.sector + entry.write.range.sectors;
    for (let at = entry.next; at < end; at += R5_BLOCK_SECTORS) {
      const more = rowBlocks * R5_BLOCK_SECTORS;
      const isFull = roomBytes < rowRecordBytes || sectors + more > maxSectors;
      if (isFull && rows.length > 0)
        return { rows, entries: new Set(rows.map((row) => row.entry)), sectors };
      rows.push({ entry, memberSector: at });
      sectors += more;
      roomBytes -= rowRecordBytes;
    }
  }
  return { rows, entries: new Set(rows.map((row) => row.entry)), sectors };
}

/** The bytes of a unit, in `into`, which has room for all of its sectors. */
export function encodeUnit(
  geometry: StripeGeometry,
  seed: number,
  seq: bigint,
  position: number,
  { rows }: UnitDraft,
  into: Uint8Array,
): void {
  let at = R5_BLOCK_BYTES;
  const put = (bytes: Uint8Array): number => {
    const copy = into.subarray(at, at + R5_BLOCK_BYTES);
    copy.set(bytes);
    at += R5_BLOCK_BYTES;
    return r5BlockChecksum(seed, copy);
  };
  const records = rows.map(({ entry: { write }, memberSector }): R5StripeRecord => {
    const { layout, sector } = write.range;
    const fromBytes = (memberSector - sector) * SECTOR_BYTES;
    const blockOf = (slot: number): Uint8Array =>
      write.blocks.get(slot)!.subarray(fromBytes, fromBytes + R5_BLOCK_BYTES);
    const data = write.written.map((slot) => ({
      arraySector: Number(geometry.toVolume(slot, memberSector)),
      checksum: put(blockOf(slot)),
    }));
    const paritySlots = layout.q === null ? [layout.p] : [layout.p, layout.q];
    return { memberSector, data, parity: paritySlots.map((slot) => put(blockOf(slot))) };
  });
  encodeR5Meta(into.subarray(0, R5_BLOCK_BYTES), seed, position, seq, records);
}
