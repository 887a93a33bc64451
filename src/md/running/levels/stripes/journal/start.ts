/**
 * Starting the journal of an array that is about to be written: what a crash left goes to the members, and a new log begins behind it.
 *
 *   1 stripes of which the journal has data only get their parity there    2 all stripes to the members, flushed
 *   3 an empty block behind the log, its number far ahead of all others     4 the superblock names it as the tail: StripeJournal does it
 *
 * A crash before 4 finds the old log and does it all again. Without 1, a crash in 2 that also costs a member would leave stripes whose
 * parity fits neither the old data nor the new. Without the jump of the numbers, blocks of the last time round, or of a write that came
 * half-way when the power failed, would count as the log's next.
 *
 * Where no superblock names the tail (journalTailSectors is null), the log begins at 0 always, and 3 and 4 are one write there, after 2.
 */
import { HoldfastError } from "../../../../../base/errors.ts";
import { ignore } from "../../../../../base/nothing.ts";
import { SECTOR_BYTES } from "../../../../../base/units.ts";
import { ended, flush, writeSectors } from "../../../../../block/promises.ts";
import { R5_BLOCK_SECTORS, R5_SEQ_JUMP, r5Advance } from "../../../../../formats/md/r5-log.ts";
import type { R5Log } from "../../../../../formats/md/r5-log.ts";
import { emptyR5Meta } from "../../../../../formats/md/r5-log-write.ts";
import type { MdSuperblock } from "../../../../../formats/md/superblock.ts";
import type { StripeGeometry } from "../../../../geometry/raid456.ts";
import { journalLog } from "../../../../replay/journal.ts";
import type { FoundJournal } from "../../../../replay/journal.ts";
import type { ArrayCore } from "../../../core.ts";
import type { Member } from "../../../member.ts";
import type { ReplayedMembers } from "../replayed-members.ts";
import type { StripeWrite } from "../stripe-log.ts";
import { ringWrites } from "./ring.ts";
import { JournalEntry, draftUnit, encodeUnit, leastRingSectors } from "./unit.ts";

/** A log that starts with an empty meta block. */
export interface BegunLog {
  readonly member: Member;
  readonly log: R5Log;
  /** Sector of the log where the empty block is. */
  readonly position: number;
  /** Of the block that comes next. */
  readonly nextSeq: bigint;
}

/** What a crash left in the journal. */
export interface LeftBehind {
  /** Of its device. */
  readonly journal: MdSuperblock;
  readonly found: FoundJournal;
  /** Stripes that it had the data of only, as they are to be. */
  readonly completed: readonly StripeWrite[];
  readonly replayed: ReplayedMembers;
}

/** @throws HoldfastError when the journal cannot be written, or a member that is needed: the log is as it was, or longer */
export async function replayOnto(
  core: ArrayCore,
  geometry: StripeGeometry,
  member: Member,
  left: LeftBehind,
): Promise<BegunLog> {
  const { found, completed } = left;
  const { log } = found;
  assertFits(core, geometry, member, log);
  const isRoomy = sectorsOf(completed) + R5_BLOCK_SECTORS <= roomSectors(member, found);
  if (!isRoomy && core.members.degraded > 0) {
    const text = `the write journal ${member.label} of ${core.name} is too full for its stripes to be completed there, and a member is missing; add that member, or open the array for reading only`;
    throw new HoldfastError("no-space", text);
  }
  // Where all members are there the parity can be made again of what the log has and the other data.
  const lengthened = isRoomy ? completed : [];
  const { position, seq } = await lengthen(geometry, member, found, lengthened);
  await writeOut(core, left);
  if (!keepsTail(member)) return beginAtStart(core, member, log, seq);
  return { member, log, position, nextSeq: seq + 1n };
}

/** What may follow the log. Without a tail it is found from 0 on: what is there must stay. */
function roomSectors(member: Member, { log, usedSectors, end }: FoundJournal): number {
  if (keepsTail(member)) return log.sectors - usedSectors;
  return end < usedSectors ? 0 : log.sectors - end;
}

/** Somebody records where the log begins. */
export function keepsTail({ superblock }: Member): boolean {
  return superblock.journalTailSectors !== null;
}

/** What the log had is on the members. Its number is ahead of all that are there, also of logs that were forgotten. */
async function beginAtStart(
  { clock }: ArrayCore,
  member: Member,
  log: R5Log,
  seq: bigint,
): Promise<BegunLog> {
  const first = maxOf(seq + R5_SEQ_JUMP, BigInt(clock.wallMs()) * 1024n);
  await writeRing(member, log, 0, emptyR5Meta(log.seed, 0, first));
  await flush(member.device);
  return { member, log, position: 0, nextSeq: first + 1n };
}

function maxOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/** Everything to the members, flushed. */
export function writeOut(core: ArrayCore, { replayed }: LeftBehind): Promise<void> {
  return ended((end) => replayed.writeOut(core, end));
}

/** A log on a device that has none. The clock is ahead of all numbers that an older log there may have. */
export async function freshLog(
  core: ArrayCore,
  geometry: StripeGeometry,
  member: Member,
): Promise<BegunLog> {
  const log = journalLog(member.superblock, member.superblock);
  assertFits(core, geometry, member, log);
  const seq = BigInt(core.clock.wallMs()) * 1024n;
  await writeRing(member, log, 0, emptyR5Meta(log.seed, 0, seq));
  await flush(member.device);
  return { member, log, position: 0, nextSeq: seq + 1n };
}

function assertFits(
  { name }: ArrayCore,
  geometry: StripeGeometry,
  { label }: Member,
  { sectors }: R5Log,
): void {
  const least = leastRingSectors(geometry);
  if (sectors >= least) return;
  const text = `the write journal ${label} of ${name} is too small: it has ${sectors} sectors for its log and needs ${least}`;
  throw new HoldfastError("no-space", text);
}

/**
 * Adds the completed stripes to the log, and the empty block that the new log begins with: what follows the log's first new unit, then
 * that unit. So the log has all of them or none. Returns place and number of the empty block.
 */
async function lengthen(
  geometry: StripeGeometry,
  member: Member,
  { log, end, nextSeq }: FoundJournal,
  completed: readonly StripeWrite[],
): Promise<{ position: number; seq: bigint }> {
  const queue = completed.map((write) => new JournalEntry(write, ignore));
  const units: { position: number; bytes: Uint8Array }[] = [];
  let position = end;
  let seq = nextSeq;
  while (queue.length > 0) {
    const draft = draftUnit(queue, log.sectors / 4);
    const bytes = new Uint8Array(draft.sectors * SECTOR_BYTES);
    encodeUnit(geometry, log.seed, seq, position, draft, bytes);
    units.push({ position, bytes });
    queue.splice(0, draft.rows.length);
    position = r5Advance(log, position, draft.sectors);
    seq += 1n;
  }
  seq += R5_SEQ_JUMP;
  const [first, ...others] = units;
  for (const unit of others) await writeRing(member, log, unit.position, unit.bytes);
  // Without a tail an empty block behind the log says that what is before it is on the members.
  if (keepsTail(member))
    await writeRing(member, log, position, emptyR5Meta(log.seed, position, seq));
  await flush(member.device);
  if (first !== undefined) {
    await writeRing(member, log, first.position, first.bytes);
    await flush(member.device);
  }
  return { position, seq };
}

/** Sectors that the completed stripes take, which one unit each would. */
function sectorsOf(completed: readonly StripeWrite[]): number {
  const blocks = completed.reduce(
    (sum, write) => sum + 1 + new JournalEntry(write, ignore).rowBlocks,
    0,
  );
  return blocks * R5_BLOCK_SECTORS;
}

/** Not flushed. */
async function writeRing(
  { device, dataOffset }: Member,
  log: R5Log,
  position: number,
  bytes: Uint8Array,
): Promise<void> {
  for (const { sector, data } of ringWrites(log, position, bytes))
    await writeSectors(device, dataOffset + sector, data);
}
