/**
 * Walks the log of a journal, transaction by transaction, as far as it was committed.
 *
 *   at `start`: block with the magic and the expected sequence number?   no: the log ends here, as it does when power fails
 *     descriptor    its data blocks are skipped, and noted with where they belong
 *     revoke        its blocks are noted
 *     commit        the transaction is whole; the next sequence number is expected from here on
 *
 * The kernel goes over the log three times: to find its end, to collect revokes, to write. Here a transaction counts when its
 * commit has been seen, so once is enough: `Jbd2Replay` takes out what a transaction revokes and keeps for each block the
 * newest place in the journal. A revoke reaches its own transaction and older ones, never newer ones.
 *
 * A block with a wrong checksum may be a leftover of an older journal: then the commit time runs backwards and the log
 * just ends. Otherwise the transaction is damaged, which ends the log as well, but is told. Facts: fs/jbd2/recovery.c.
 */
import { HoldfastError } from "../base/errors.ts";
import { formatBytes } from "../base/units.ts";
import { crc32BigUpdate } from "../codec/crc32.ts";
import {
  JBD2_MAGIC,
  Jbd2BlockType,
  isJbd2BlockIntact,
  isJbd2CommitIntact,
  isJbd2DataIntact,
  isJbd2TransactionIntact,
  jbd2Commit,
  jbd2Header,
  jbd2Revoked,
  jbd2Tags,
} from "../formats/jbd2.ts";
import type { Jbd2BlockTag, Jbd2Journal } from "../formats/jbd2.ts";

/** A data block in the journal. */
export interface LoggedBlock {
  readonly tag: Jbd2BlockTag;
  /** Block of the journal. */
  readonly at: number;
  readonly sequence: number;
}

/** The bytes of one block of the journal. */
export type JournalReader = (at: number) => Promise<Uint8Array>;

/** Bounds what a journal can make the reader remember. */
export interface ReplayLimits {
  /** Blocks of the file system that can be replayed. */
  readonly blocks: number;
  /** Block numbers that one transaction can revoke. */
  readonly revoked: number;
}

/** What stands in the log of one transaction so far. */
interface Pending {
  readonly blocks: LoggedBlock[];
  readonly revoked: number[];
  /** Wrong checksum of a descriptor or revoke block. */
  isBroken: boolean;
  /** A data block has a wrong checksum; looked at only where a commit may overtake its data. */
  isTorn: boolean;
  /** CRC-32 of descriptors and data, with checksums of version 1. */
  crc: number;
}

function noTransaction(): Pending {
  return { blocks: [], revoked: [], isBroken: false, isTorn: false, crc: 0xffff_ffff };
}

function tooMuch(what: string): HoldfastError {
  const text = `the journal holds ${what}, the limit for replaying it in memory.`;
  return new HoldfastError("no-space", text);
}

export class Jbd2Replay {
  /** Block of the file system -> the newest of it that is to be replayed. */
  readonly blocks = new Map<number, LoggedBlock>();
  transactions = 0;
  /** Sequence number of a transaction that is complete and damaged; the log ends before it. */
  damaged: number | null = null;
  readonly #journal: Jbd2Journal;
  readonly #read: JournalReader;
  readonly #limits: ReplayLimits;
  #sequence: number;
  #at: number;
  /** Blocks passed: a log that is longer than the journal goes round in a circle. */
  #passed = 0;
  #lastCommitSeconds = 0;

  constructor(journal: Jbd2Journal, read: JournalReader, limits: ReplayLimits) {
    this.#journal = journal;
    this.#read = read;
    this.#limits = limits;
    this.#sequence = journal.sequence;
    this.#at = journal.start;
  }

  /** The sequence number after the last transaction that counts. */
  get nextSequence(): number {
    return this.#sequence;
  }

  /** @throws HoldfastError `no-space` (limits), `bad-metadata`, and what reading throws */
  async run(): Promise<void> {
    if (this.#journal.start === 0) return;
    let pending = noTransaction();
    while (this.#passed < this.#journal.end - this.#journal.first) {
      const block = await this.#read(this.#at);
      const { magic, blockType, sequence } = jbd2Header.decode(block);
      if (magic !== JBD2_MAGIC || sequence !== this.#sequence) return;
      this.#advance(1);
      switch (blockType) {
        case Jbd2BlockType.descriptor:
          await this.#takeDescriptor(block, pending);
          break;
        case Jbd2BlockType.revoke:
          this.#takeRevoke(block, pending);
          break;
        case Jbd2BlockType.commit:
          if (!this.#isCommitted(block, pending)) return;
          this.#merge(pending);
          pending = noTransaction();
          break;
        default:
          return;
      }
    }
  }

  #advance(blocks: number): void {
    const { first, end } = this.#journal;
    this.#passed += blocks;
    this.#at = first + ((this.#at - first + blocks) % (end - first));
  }

  async #takeDescriptor(block: Uint8Array, pending: Pending): Promise<void> {
    const { checksums, asyncCommit } = this.#journal;
    if (!isJbd2BlockIntact(this.#journal, block)) pending.isBroken = true;
    const tags = jbd2Tags(this.#journal, block);
    if (pending.blocks.length + tags.length > this.#limits.blocks) throw this.#tooManyBlocks();
    if (checksums === "v1") pending.crc = crc32BigUpdate(pending.crc, block);
    for (const tag of tags) {
      const at = this.#at;
      if (checksums === "v1") pending.crc = crc32BigUpdate(pending.crc, await this.#read(at));
      else if (asyncCommit && tag.checksum !== null) {
        const data = await this.#read(at);
        if (!isJbd2DataIntact(this.#journal, tag, this.#sequence, data)) pending.isTorn = true;
      }
      pending.blocks.push({ tag, at, sequence: this.#sequence });
      this.#advance(1);
    }
  }

  #takeRevoke(block: Uint8Array, pending: Pending): void {
    const revoked = jbd2Revoked(this.#journal, block);
    if (revoked === null || !isJbd2BlockIntact(this.#journal, block)) pending.isBroken = true;
    if (pending.revoked.length + (revoked?.length ?? 0) > this.#limits.revoked)
      throw tooMuch(`a transaction that revokes more than ${this.#limits.revoked} blocks`);
    for (const number of revoked ?? []) pending.revoked.push(number);
  }

  /** Whether the transaction counts; if not, the log ends before it. */
  #isCommitted(block: Uint8Array, pending: Pending): boolean {
    const { checksums, asyncCommit } = this.#journal;
    const { seconds } = jbd2Commit.decode(block);
    const isWhole =
      isJbd2CommitIntact(this.#journal, block) &&
      (checksums !== "v1" || isJbd2TransactionIntact(block, pending.crc)) &&
      !pending.isTorn;
    // With asynchronous commits an incomplete transaction is one that power failed in.
    const isInterrupted = !isWhole && asyncCommit;
    const isLeftover = seconds < this.#lastCommitSeconds;
    if (isWhole && !pending.isBroken) {
      this.#lastCommitSeconds = seconds;
      return true;
    }
    if (!isLeftover && (pending.isBroken || !isInterrupted)) this.damaged = this.#sequence;
    return false;
  }

  #merge(pending: Pending): void {
    for (const block of pending.blocks) this.blocks.set(block.tag.block, block);
    for (const number of pending.revoked) this.blocks.delete(number);
    if (this.blocks.size > this.#limits.blocks) throw this.#tooManyBlocks();
    this.transactions += 1;
    this.#sequence = (this.#sequence + 1) >>> 0;
  }

  #tooManyBlocks(): HoldfastError {
    const bytes = formatBytes(this.#limits.blocks * this.#journal.blockBytes);
    return tooMuch(`more than ${bytes} of changes`);
  }
}
