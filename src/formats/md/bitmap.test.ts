import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BITMAP_STATE, bitmapSuper, clusterSlotOffset, decodeBitmap } from "./bitmap.ts";
import type { BitmapSuper, MdBitmap } from "./bitmap.ts";
import { bitmapRuns, countDirty, dirtyRanges, needsSync } from "./bitmap-runs.ts";
import type { BitmapReader, BitmapRun } from "./bitmap-runs.ts";

function superOf(changes: Partial<BitmapSuper>): Uint8Array {
  return bitmapSuper.encode({
    magic: 0x6d746962,
    version: 4,
    uuid: new Uint8Array(16).fill(3),
    events: 20n,
    eventsCleared: 18n,
    syncSize: 10_000n,
    state: 0,
    chunksize: 65536,
    daemonSleep: 5,
    writeBehind: 0,
    sectorsReserved: 8,
    nodes: 0,
    clusterName: "",
    pad: new Uint8Array(120),
    ...changes,
  });
}

function ok(changes: Partial<BitmapSuper> = {}): MdBitmap {
  const decoded = decodeBitmap(superOf(changes));
  if (decoded.kind !== "ok") throw new Error(JSON.stringify(decoded));
  return decoded.bitmap;
}

function reason(changes: Partial<BitmapSuper>): string {
  const decoded = decodeBitmap(superOf(changes));
  return decoded.kind === "bad" ? decoded.reason : decoded.kind;
}

/** Reads what lies at the bitmap's data offset. */
function readerOf(bitmap: MdBitmap, data: Uint8Array): BitmapReader {
  return (offset, length) => {
    const at = offset - bitmap.dataOffset;
    return Promise.resolve(data.subarray(at, at + length));
  };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe("the bitmap's superblock", () => {
  it("counts bits behind 256 bytes, the last one for a part of a chunk", () => {
    expect(ok()).toMatchObject({
      major: 4,
      chunkSectors: 128,
      chunks: 79,
      dataOffset: 256,
      dataBytes: 10,
      events: 20,
      eventsCleared: 18,
      untrustworthy: false,
      nodes: 0,
    });
  });

  it("lockless: bytes behind 1 KiB, chunk size in sectors", () => {
    expect(ok({ version: 6, chunksize: 128 })).toMatchObject({
      major: 6,
      chunkSectors: 128,
      chunks: 79,
      dataOffset: 1024,
      dataBytes: 79,
    });
    expect(ok({ version: 6, state: BITMAP_STATE.firstUse }).untrustworthy).toBe(true);
    expect(ok({ version: 4, state: BITMAP_STATE.firstUse }).untrustworthy).toBe(false);
  });

  it("cluster: one bitmap a node, each rounded up to 4 KiB", () => {
    const bitmap = ok({ version: 5, nodes: 4, clusterName: "blue", syncSize: 128n * 32_768n });
    expect(bitmap).toMatchObject({ nodes: 4, clusterName: "blue", dataBytes: 4096 });
    expect(clusterSlotOffset(bitmap, 0)).toBe(0);
    expect(clusterSlotOffset(bitmap, 3)).toBe(3 * 8192);
  });

  it.each<[string, Partial<BitmapSuper>]>([
    ["version 2", { version: 2 }],
    ["version 7", { version: 7 }],
    ["not a power of two", { chunksize: 100_000 }],
    ["not a power of two", { chunksize: 0 }],
    ["not a power of two", { chunksize: 256 }],
    ["covers", { syncSize: 2n ** 63n }],
    ["nodes", { version: 5, nodes: 100_000 }],
  ])("refuses %s", (sentence, changes) => {
    expect(reason(changes)).toContain(sentence);
  });

  it("is not there without magic, and never throws", () => {
    expect(decodeBitmap(superOf({ magic: 1 }))).toEqual({ kind: "none" });
    expect(decodeBitmap(new Uint8Array(10))).toEqual({ kind: "none" });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 252, maxLength: 252 }), (junk) => {
        const data = superOf({});
        data.set(junk, 4);
        new DataView(data.buffer).setUint32(4, 3 + (junk[0]! % 4), true);
        expect(["ok", "bad"]).toContain(decodeBitmap(data).kind);
      }),
      { seed: 9, numRuns: 300 },
    );
  });
});

describe("bits", () => {
  it("are runs that give back every bit, across pages", async () => {
    const pieces = fc.array(
      fc.tuple(fc.boolean(), fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constant(300_000))),
      { minLength: 1, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(pieces, async (list) => {
        const joined: BitmapRun[] = [];
        let chunk = 0;
        for (const [set, chunks] of list) {
          const state = set ? "dirty" : "clean";
          const last = joined.at(-1);
          if (last?.state === state)
            joined[joined.length - 1] = { ...last, chunks: last.chunks + chunks };
          else joined.push({ chunk, chunks, state });
          chunk += chunks;
        }
        const bitmap = ok({ syncSize: BigInt(chunk) * 128n });
        // Bits behind the last chunk are not to be looked at.
        const data = new Uint8Array(bitmap.dataBytes).fill(0xff);
        for (const run of joined)
          if (run.state === "clean")
            for (let bit = run.chunk; bit < run.chunk + run.chunks; bit += 1)
              data[bit >> 3]! &= ~(1 << (bit & 7));
        expect(await all(bitmapRuns(bitmap, readerOf(bitmap, data)))).toEqual(joined);
      }),
      { seed: 10, numRuns: 60 },
    );
  });

  it("are dirty where a file was cut short", async () => {
    const bitmap = ok();
    const read = readerOf(bitmap, new Uint8Array(2));
    expect(await all(bitmapRuns(bitmap, read))).toEqual([
      { chunk: 0, chunks: 16, state: "clean" },
      { chunk: 16, chunks: 63, state: "dirty" },
    ]);
  });

  it("give ranges of sectors that end where the bitmap's range ends", async () => {
    const bitmap = ok();
    const data = new Uint8Array(10);
    data[0] = 0b0000_0110;
    data[9] = 0b0100_0000;
    expect(await countDirty(bitmap, readerOf(bitmap, data))).toBe(3);
    expect(await all(dirtyRanges(bitmap, readerOf(bitmap, data)))).toEqual([
      { sector: 128, sectors: 256 },
      { sector: 78 * 128, sectors: 10_000 - 78 * 128 },
    ]);
  });

  it("do not count when the bitmap is out of date", async () => {
    const stale = ok({ state: BITMAP_STATE.stale });
    expect(await all(dirtyRanges(stale, readerOf(stale, new Uint8Array(10))))).toEqual([
      { sector: 0, sectors: 10_000 },
    ]);
  });

  it("are not held in memory: pages of 64 KiB are read one by one", async () => {
    const bitmap = ok({ syncSize: 128n * 8n * 10n * 65_536n });
    const reads: number[] = [];
    const page = new Uint8Array(65_536);
    const read: BitmapReader = (_offset, length) => {
      reads.push(length);
      return Promise.resolve(page.subarray(0, length));
    };
    expect(await all(bitmapRuns(bitmap, read))).toHaveLength(1);
    expect(reads).toEqual(Array.from({ length: 10 }, () => 65_536));
  });
});

describe("states of the lockless bitmap", () => {
  it("are one byte a chunk, unknown ones to be synced", async () => {
    const bitmap = ok({ version: 6, chunksize: 128, syncSize: 128n * 12n });
    const data = Uint8Array.from([0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 255, 1]);
    const runs = await all(bitmapRuns(bitmap, readerOf(bitmap, data)));
    expect(runs.map(({ state, chunks }) => `${state} ${chunks}`)).toEqual([
      "unwritten 1",
      "clean 2",
      "dirty 1",
      "need-sync 1",
      "syncing 1",
      "need-sync-unwritten 1",
      "syncing-unwritten 1",
      "clean-unwritten 1",
      "need-sync 2",
      "clean 1",
    ]);
    expect(runs.filter(({ state }) => needsSync(state)).map(({ chunk }) => chunk)).toEqual([
      3, 4, 5, 9,
    ]);
    expect(await all(dirtyRanges(bitmap, readerOf(bitmap, data)))).toEqual([
      { sector: 3 * 128, sectors: 3 * 128 },
      { sector: 9 * 128, sectors: 2 * 128 },
    ]);
  });
});
