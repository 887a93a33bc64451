import { describe, expect, it } from "vitest";
import { crc32BigUpdate } from "../codec/crc32.ts";
import { crc32cUpdate } from "../codec/crc32c.ts";
import {
  JBD2_MAGIC,
  Jbd2BlockType,
  Jbd2TagFlag,
  jbd2Commit,
  jbd2Header,
  jbd2Revoke,
  jbd2Tag,
  jbd2Tag3,
} from "../formats/jbd2.ts";
import type { Jbd2Journal } from "../formats/jbd2.ts";
import { Jbd2Replay } from "./jbd2-log.ts";

const BYTES = 1024;
const PLAIN: Jbd2Journal = {
  blockBytes: BYTES,
  first: 1,
  end: 40,
  maxLength: 40,
  start: 1,
  sequence: 1,
  is64bit: false,
  checksums: "none",
  asyncCommit: false,
  fastCommitsFrom: null,
  seed: 0x1234_5678,
};
const LIMITS = { blocks: 100, revoked: 100 };

/** Writes a log as a kernel does, one block after the other around the ring. */
class LogWriter {
  readonly blocks = new Map<number, Uint8Array>();
  readonly journal: Jbd2Journal;
  sequence: number;
  #at: number;
  #crc = 0xffff_ffff;

  constructor(changes: Partial<Jbd2Journal> = {}) {
    this.journal = { ...PLAIN, ...changes };
    this.sequence = this.journal.sequence;
    this.#at = this.journal.start;
  }

  #put(block: Uint8Array): Uint8Array {
    this.blocks.set(this.#at, block);
    this.#at = this.#at + 1 === this.journal.end ? this.journal.first : this.#at + 1;
    return block;
  }

  #header(blockType: number): Uint8Array {
    const block = new Uint8Array(BYTES);
    jbd2Header.encodeInto(block, 0, { magic: JBD2_MAGIC, blockType, sequence: this.sequence });
    return block;
  }

  #withTail(block: Uint8Array): Uint8Array {
    if (this.journal.checksums === "v3")
      new DataView(block.buffer).setUint32(BYTES - 4, crc32cUpdate(this.journal.seed, block));
    return block;
  }

  /** One descriptor; the data of block n is filled with n. */
  data(...numbers: number[]): this {
    const descriptor = this.#header(Jbd2BlockType.descriptor);
    const contents = numbers.map((number) => new Uint8Array(BYTES).fill(number));
    for (const [i, block] of numbers.entries()) {
      const flags =
        (i > 0 ? Jbd2TagFlag.sameUuid : 0) | (i + 1 === numbers.length ? Jbd2TagFlag.last : 0);
      const sequence = new Uint8Array(4);
      new DataView(sequence.buffer).setUint32(0, this.sequence);
      const checksum = crc32cUpdate(crc32cUpdate(this.journal.seed, sequence), contents[i]!);
      const after = i === 0 ? 0 : 16;
      if (this.journal.checksums === "v3")
        jbd2Tag3.encodeInto(descriptor, 12 + i * 16 + after, { block, flags, checksum });
      else jbd2Tag.encodeInto(descriptor, 12 + i * 8 + after, { block, flags });
    }
    for (const block of [this.#withTail(descriptor), ...contents]) {
      this.#crc = crc32BigUpdate(this.#crc, block);
      this.#put(block);
    }
    return this;
  }

  revoke(...numbers: number[]): this {
    const block = this.#header(Jbd2BlockType.revoke);
    jbd2Revoke.encodeInto(block, 0, { usedBytes: 16 + 4 * numbers.length });
    numbers.forEach((number, i) => new DataView(block.buffer).setUint32(16 + 4 * i, number));
    this.#put(this.#withTail(block));
    return this;
  }

  commit(seconds = this.sequence): this {
    const block = this.#header(Jbd2BlockType.commit);
    jbd2Commit.encodeInto(block, 0, { seconds });
    if (this.journal.checksums === "v1")
      jbd2Commit.encodeInto(block, 0, { checksumType: 1, checksumBytes: 4, checksum: this.#crc });
    if (this.journal.checksums === "v3") {
      const checksum = crc32cUpdate(this.journal.seed, block);
      jbd2Commit.encodeInto(block, 0, { checksum });
    }
    this.#put(block);
    this.#crc = 0xffff_ffff;
    this.sequence = (this.sequence + 1) >>> 0;
    return this;
  }

  /** Changes a byte behind what any block's fields take. */
  spoil(at: number): this {
    this.blocks.get(at)![700]! ^= 1;
    return this;
  }

  async replay(limits = LIMITS): Promise<Jbd2Replay> {
    const read = (at: number): Promise<Uint8Array> =>
      Promise.resolve(this.blocks.get(at) ?? new Uint8Array(BYTES));
    const replay = new Jbd2Replay(this.journal, read, limits);
    await replay.run();
    return replay;
  }
}

/** Block of the file system -> block of the journal. */
function placesOf(replay: Jbd2Replay): Record<number, number> {
  return Object.fromEntries([...replay.blocks].map(([block, { at }]) => [block, at]));
}

describe("Jbd2Replay", () => {
  it("keeps the newest of each block, of what was committed", async () => {
    const log = new LogWriter().data(5, 6, 7).data(8).commit().data(6).commit().data(5, 9);
    const replay = await log.replay();
    expect(placesOf(replay)).toEqual({ 5: 2, 6: 9, 7: 4, 8: 6 });
    expect(replay.transactions).toBe(2);
    expect(replay.nextSequence).toBe(3);
    expect(replay.damaged).toBeNull();
    expect((await new LogWriter({ start: 0 }).replay()).transactions).toBe(0);
  });

  it("revokes what is older and in the same transaction, not what is newer", async () => {
    const log = new LogWriter().data(5, 6, 7).commit().revoke(5, 6).data(6, 8).commit();
    expect(placesOf(await log.replay())).toEqual({ 7: 4, 8: 9 });
    log.data(5).commit();
    expect(placesOf(await log.replay())).toEqual({ 5: 12, 7: 4, 8: 9 });
    // Not committed: not revoked.
    log.revoke(7, 8);
    expect(placesOf(await log.replay())).toEqual({ 5: 12, 7: 4, 8: 9 });
  });

  it("goes round the ring, and its sequence numbers round theirs", async () => {
    const log = new LogWriter({ start: 37, sequence: 0xffff_ffff });
    log.data(5, 6).commit().revoke(5).data(7).commit().data(8).commit();
    const replay = await log.replay();
    expect(placesOf(replay)).toEqual({ 6: 39, 7: 4, 8: 7 });
    expect(replay.transactions).toBe(3);
    expect(replay.nextSequence).toBe(2);
  });

  it("ends after one round of a log that never ends", async () => {
    const log = new LogWriter();
    for (let i = 0; i < 39; i += 1) log.revoke(i);
    expect((await log.replay()).transactions).toBe(0);
    const huge = new LogWriter().data(...Array.from({ length: 60 }, (_unused, i) => 50 + i));
    expect((await huge.replay()).transactions).toBe(0);
  });

  it("remembers no more than its limits", async () => {
    const log = new LogWriter().data(5, 6).commit().data(7, 8).revoke(1, 2, 3).commit();
    await expect(log.replay({ blocks: 3, revoked: 100 })).rejects.toMatchObject({
      code: "no-space",
      message:
        "the journal holds more than 3 KiB of changes, the limit for replaying it in memory.",
    });
    await expect(log.replay({ blocks: 1, revoked: 100 })).rejects.toMatchObject({
      code: "no-space",
    });
    await expect(log.replay({ blocks: 4, revoked: 2 })).rejects.toThrow("revokes more than 2");
    expect((await log.replay({ blocks: 4, revoked: 3 })).blocks.size).toBe(4);
  });

  describe.each(["v1", "v3"] as const)("with checksums of version %s", (checksums) => {
    const written = (): LogWriter =>
      new LogWriter({ checksums }).data(5, 6).commit().data(7).revoke(5).commit().data(8).commit();

    it("takes what is intact", async () => {
      const replay = await written().replay();
      expect(placesOf(replay)).toEqual({ 6: 3, 7: 6, 8: 10 });
      expect(replay.damaged).toBeNull();
    });

    it.each([
      ["descriptor", 5],
      ["revoke", 7],
      ["commit", 8],
      ["data", 6],
    ] as const)(
      "ends before a transaction with a damaged %s block, and says so",
      async (kind, at) => {
        // Version 1 covers descriptors and data; the data of version 3 are looked at when they are read.
        const isCovered = checksums === "v1" ? at === 5 || at === 6 : kind !== "data";
        const replay = await written().spoil(at).replay();
        expect(replay.damaged).toBe(isCovered ? 2 : null);
        expect(replay.transactions).toBe(isCovered ? 1 : 3);
      },
    );
  });

  it("takes a damaged transaction for a leftover when its commit is older", async () => {
    const log = new LogWriter({ checksums: "v3" }).data(5).commit(1000).data(6).commit(999);
    const replay = await log.spoil(4).replay();
    expect(replay.damaged).toBeNull();
    expect(placesOf(replay)).toEqual({ 5: 2 });
  });

  it("takes an incomplete transaction for an interrupted one when commits may come first", async () => {
    for (const checksums of ["v1", "v3"] as const) {
      const log = new LogWriter({ checksums, asyncCommit: true }).data(5).commit().data(6).commit();
      const replay = await log.spoil(5).replay();
      expect(replay.damaged).toBeNull();
      expect(placesOf(replay)).toEqual({ 5: 2 });
    }
  });
});
