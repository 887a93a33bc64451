/**
 * Replay of the journal of ext3 and ext4 in memory: what a mount would write first is laid over the device.
 *
 *   journal inode -> runs of blocks -> jbd2-log.ts: which block is where in the journal -> patches, read in the journal's order
 *
 * Nothing in the journal is trusted: runs may not overlap, so the journal is no longer than the device; blocks that belong
 * outside of the device or whose checksum is wrong are left out and counted. What is replayed is held in memory, up to a limit.
 * A journal that cannot be replayed is a HoldfastError whose message says why, "the journal ...".
 */
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { rfcUuid } from "../codec/uuid.ts";
import type { BlockDevice } from "../block/device.ts";
import { layOver } from "../devices/patched.ts";
import type { Patch } from "../devices/patched.ts";
import { FastCommitCounter } from "../formats/ext4-fast-commit.ts";
import { ExtCompat } from "../formats/ext4.ts";
import {
  JBD2_SUPERBLOCK_BYTES,
  isJbd2DataIntact,
  readJbd2Superblock,
  unescapeJbd2,
} from "../formats/jbd2.ts";
import type { Jbd2Journal } from "../formats/jbd2.ts";
import type { Ext4Volume } from "./ext4-volume.ts";
import { Jbd2Replay } from "./jbd2-log.ts";
import type { LoggedBlock } from "./jbd2-log.ts";

/** More pieces than any journal is in: one of 1 GiB, mapped by ext3's tables, has 4096. */
const MAX_RUNS = 65536;
const MAX_REVOKED = 4 * 1024 * 1024;
const MAX_READ_BYTES = 1024 * 1024;
/** What lies over a device is held in pages of that size. */
const PAGE_BYTES = 4096;

export interface ReplayedJournal {
  /** The device as the kernel would have it after a mount; read-only, borrows the one given. */
  readonly device: BlockDevice;
  readonly notes: readonly string[];
}

interface Run {
  readonly logical: number;
  readonly physical: number;
  readonly blocks: number;
}

function bad(what: string): HoldfastError {
  return new HoldfastError("bad-metadata", `the journal is damaged: ${what}.`);
}

/** The blocks of the journal file. */
class JournalFile {
  readonly blocks: number;
  readonly #volume: Ext4Volume;
  readonly #runs: readonly Run[];

  private constructor(volume: Ext4Volume, runs: readonly Run[]) {
    this.#volume = volume;
    this.#runs = runs;
    this.blocks = runs.reduce((sum, run) => sum + run.blocks, 0);
  }

  static async open(volume: Ext4Volume): Promise<JournalFile> {
    const { featureCompat, journalInode, journalUuid } = volume.superblock;
    if ((featureCompat & ExtCompat.journal) === 0) throw bad("there is none");
    if (journalInode === 0) {
      const text = `the journal is on another device, the one with the UUID ${rfcUuid(journalUuid)}.`;
      throw new HoldfastError("unsupported", text);
    }
    const inode = await volume.inode(journalInode);
    if (inode.mode >>> 12 !== 8 || inode.links === 0) throw bad("its inode is not that of a file");
    const runs: Run[] = [];
    for await (const { logical, physical, blocks } of volume.runs(inode)) {
      if (physical === null) throw bad("its file has a hole");
      if (runs.length === MAX_RUNS) throw bad("its file is in too many pieces");
      runs.push({ logical, physical, blocks });
    }
    const sorted = runs.toSorted((a, b) => a.physical - b.physical);
    if (sorted.some((run, i) => i > 0 && run.physical < endOf(sorted[i - 1]!)))
      throw bad("its file has the same block twice");
    return new JournalFile(volume, runs);
  }

  /** @returns block of the file system, and how many follow it in both */
  locate(at: number): { readonly physical: number; readonly blocks: number } {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#runs[middle]!.logical <= at) low = middle + 1;
      else high = middle;
    }
    const run = this.#runs[low - 1];
    if (run === undefined || at >= run.logical + run.blocks) throw bad("it ends too early");
    const within = at - run.logical;
    return { physical: run.physical + within, blocks: run.blocks - within };
  }

  block(at: number): Promise<Uint8Array> {
    return this.#volume.block(this.locate(at).physical);
  }

  async superblock(): Promise<Jbd2Journal> {
    const journal = readJbd2Superblock(await this.#firstBytes());
    if (journal.blockBytes !== this.#volume.blockBytes)
      throw bad("its blocks have another size than those of the file system");
    if (journal.maxLength > this.blocks) throw bad("its file is too short");
    return journal;
  }

  async #firstBytes(): Promise<Uint8Array> {
    if (this.blocks === 0) throw bad("its file is empty");
    return (await this.block(0)).subarray(0, JBD2_SUPERBLOCK_BYTES);
  }
}

function endOf(run: Run): number {
  return run.physical + run.blocks;
}

/** Turns what is to be replayed into patches, and counts what cannot be. */
class PatchReader {
  damaged = 0;
  outside = 0;
  readonly #volume: Ext4Volume;
  readonly #file: JournalFile;
  readonly #journal: Jbd2Journal;

  constructor(volume: Ext4Volume, file: JournalFile, journal: Jbd2Journal) {
    this.#volume = volume;
    this.#file = file;
    this.#journal = journal;
  }

  async *patches(logged: Iterable<LoggedBlock>): AsyncGenerator<Patch, void, undefined> {
    // Not the superblock's count: the journal may hold the one of a file system that was growing.
    const blocks = Math.floor(this.#volume.deviceBytes / this.#volume.blockBytes);
    const all = [...logged];
    const inside = all.filter((one) => one.tag.block < blocks).toSorted((a, b) => a.at - b.at);
    this.outside += all.length - inside.length;
    for (let i = 0; i < inside.length;) {
      const count = this.#neighbours(inside, i);
      yield* this.#read(inside.slice(i, i + count));
      i += count;
    }
  }

  /** How many from `from` on lie one after the other on the device. */
  #neighbours(sorted: readonly LoggedBlock[], from: number): number {
    const first = sorted[from]!.at;
    const most = Math.min(
      this.#file.locate(first).blocks,
      MAX_READ_BYTES / this.#volume.blockBytes,
    );
    let count = 1;
    while (count < most && sorted[from + count]?.at === first + count) count += 1;
    return count;
  }

  async *#read(logged: readonly LoggedBlock[]): AsyncGenerator<Patch, void, undefined> {
    const { blockBytes } = this.#volume;
    const data = new Uint8Array(logged.length * blockBytes);
    await this.#volume.contents(this.#file.locate(logged[0]!.at).physical, data);
    for (const [i, { tag, sequence }] of logged.entries()) {
      const block = data.subarray(i * blockBytes, (i + 1) * blockBytes);
      if (!isJbd2DataIntact(this.#journal, tag, sequence, block)) {
        this.damaged += 1;
        continue;
      }
      if (tag.escaped) unescapeJbd2(block);
      yield { sector: (tag.block * blockBytes) / SECTOR_BYTES, data: block };
    }
  }
}

async function countFastCommits(
  file: JournalFile,
  journal: Jbd2Journal,
  sequence: number,
): Promise<number> {
  const counter = new FastCommitCounter(sequence);
  const from = journal.fastCommitsFrom ?? journal.maxLength;
  for (let at = from; at < journal.maxLength; at += 1)
    if (!counter.take(await file.block(at))) break;
  return counter.count;
}

function counted(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? "" : "s"}`;
}

function notesOf(replay: Jbd2Replay, reader: PatchReader, fastCommits: number): string[] {
  const held =
    replay.transactions === 0
      ? "its journal held no complete transaction"
      : `the journal held ${counted(replay.transactions, "transaction")}, replayed in memory`;
  const notes = [`The file system was not unmounted cleanly: ${held}.`];
  if (replay.damaged !== null)
    notes.push(
      `Transaction ${replay.damaged} in the journal is damaged: neither it nor what came after it is shown, and files changed last may be old or damaged.`,
    );
  const leftOut = reader.damaged + reader.outside;
  if (leftOut > 0)
    notes.push(
      `${counted(leftOut, "block")} in the journal (${reader.damaged} with a wrong checksum, ${reader.outside} from outside of the device) could not be replayed: files changed last may be old or damaged.`,
    );
  if (fastCommits > 0)
    notes.push(
      `The journal also holds ${counted(fastCommits, "fast commit")}, the very last changes, which are not shown here; a mount or e2fsck of what 'holdfast open --overlay' serves takes them over.`,
    );
  return notes;
}

/**
 * @param limitBytes of memory for what is replayed
 * @throws HoldfastError `bad-metadata`, `unsupported`, `no-space` (the limit) or `io`
 */
export async function replayExt4Journal(
  device: BlockDevice,
  volume: Ext4Volume,
  limitBytes: number,
): Promise<ReplayedJournal> {
  const file = await JournalFile.open(volume);
  const journal = await file.superblock();
  const blocks = Math.floor(limitBytes / Math.max(PAGE_BYTES, volume.blockBytes));
  const limits = { blocks, revoked: MAX_REVOKED };
  const replay = new Jbd2Replay(journal, (at) => file.block(at), limits);
  await replay.run();
  const reader = new PatchReader(volume, file, journal);
  const patched = await layOver(device, reader.patches(replay.blocks.values()));
  // Fast commits continue what was committed in full last, so they count only if all of that is known.
  const fastCommits =
    journal.start === 0 || replay.damaged !== null
      ? 0
      : await countFastCommits(file, journal, replay.nextSequence);
  return { device: patched, notes: notesOf(replay, reader, fastCommits) };
}
