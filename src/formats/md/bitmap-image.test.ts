import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { goldenCase } from "../../../test/support/golden.ts";
import { goldenMembers } from "../../../test/support/golden-members.ts";
import { BITMAP_PAGE_BYTES, BitmapImage, bitmapBytes } from "./bitmap-image.ts";
import { bitmapRuns } from "./bitmap-runs.ts";
import { BITMAP_STATE, bitmapSuper, decodeBitmap } from "./bitmap.ts";

const UUID = Uint8Array.from({ length: 16 }, (_unused, i) => i + 1);
const NEW = { uuid: UUID, chunkSectors: 128, daemonSleepSeconds: 5, writeBehind: 0 };

function pages(image: BitmapImage): Uint8Array[] {
  return Array.from({ length: image.pages }, (_unused, page) => image.page(page));
}

async function dirtyChunks(bytes: Uint8Array): Promise<number[]> {
  const decoded = decodeBitmap(bytes);
  if (decoded.kind !== "ok") throw new Error("no bitmap");
  const dirty: number[] = [];
  const read = async (offset: number, length: number): Promise<Uint8Array> =>
    bytes.slice(offset, offset + length);
  for await (const run of bitmapRuns(decoded.bitmap, read)) {
    if (run.state !== "dirty") continue;
    for (let at = 0; at < run.chunks; at += 1) dirty.push(run.chunk + at);
  }
  return dirty;
}

describe("what the kernel wrote", () => {
  it.each(["crash-raid1-2-bitmap", "crash-raid6-4-bitmap", "raid1-2-bitmap", "raid10-4-n2-c64"])(
    "%s: the same chunks give the same page",
    async (name) => {
      for (const { superblock, disk } of await goldenMembers(goldenCase(name))) {
        const start = superblock.bitmapSector! * 512;
        const there = disk.slice(start, start + BITMAP_PAGE_BYTES);
        const raw = bitmapSuper.decode(there);
        const image = BitmapImage.allDirty({
          uuid: raw.uuid,
          syncSectors: Number(raw.syncSize),
          chunkSectors: raw.chunksize / 512,
          daemonSleepSeconds: raw.daemonSleep,
          writeBehind: raw.writeBehind,
        });
        const dirty = new Set(await dirtyChunks(there));
        for (let chunk = 0; chunk < image.chunks; chunk += 1)
          if (!dirty.has(chunk)) image.clear(chunk);
        image.updateSuperblock({
          events: Number(raw.events),
          eventsCleared: Number(raw.eventsCleared),
          state: raw.state,
        });
        expect(image.bytes).toEqual(there);
        expect(pages(BitmapImage.load(there))).toEqual(pages(image));
      }
    },
  );
});

describe("pages", () => {
  it("the first has 30720 chunks, the others 32768; the last ends with the sector of the last bit", () => {
    const image = (chunks: number): BitmapImage =>
      BitmapImage.allDirty({ ...NEW, syncSectors: chunks * 128 - 1 });
    const lengths = (chunks: number): number[] => pages(image(chunks)).map(({ length }) => length);
    expect(lengths(1)).toEqual([512]);
    expect(lengths(2048)).toEqual([512]);
    expect(lengths(2049)).toEqual([1024]);
    expect(lengths(30720)).toEqual([4096]);
    expect(lengths(30721)).toEqual([4096, 512]);
    expect(lengths(30720 + 32768)).toEqual([4096, 4096]);
    const big = image(100_000);
    expect([0, 30719, 30720, 63487, 63488].map((chunk) => big.pageOf(chunk))).toEqual([
      0, 0, 1, 1, 2,
    ]);
  });

  it("property: what is set is read, and nothing else; behind the last chunk there is nothing", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 70_000 }),
        fc.array(fc.nat({ max: 69_999 }), { maxLength: 50 }),
        fc.array(fc.nat({ max: 69_999 }), { maxLength: 20 }),
        async (chunks, wanted, unwanted) => {
          const inside = (chunk: number): boolean => chunk < chunks;
          const set = new Set(wanted.filter(inside));
          const image = BitmapImage.withDirty({ ...NEW, syncSectors: chunks * 128 }, set);
          for (const chunk of unwanted.filter(inside)) {
            image.clear(chunk);
            set.delete(chunk);
          }
          const written = Buffer.concat(pages(image));
          const expected = [...set].toSorted((a, b) => a - b);
          expect(await dirtyChunks(written)).toEqual(expected);
          expect(expected.every((chunk) => image.isSet(chunk))).toBe(true);
          const bits = written.subarray(256).reduce((sum, byte) => sum + ones(byte), 0);
          expect(bits).toBe(set.size);
          expect(written.length).toBe(Math.ceil(bitmapBytes(chunks) / 512) * 512);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("setAll leaves what stands behind the last chunk", async () => {
    const image = BitmapImage.withDirty({ ...NEW, syncSectors: 21 * 128 }, [3]);
    image.setAll();
    expect([...image.bytes.subarray(256, 260)]).toEqual([0xff, 0xff, 0x1f, 0]);
    expect(await dirtyChunks(image.page(0))).toHaveLength(21);
  });

  it("a new one is dirty to the end of its last page", () => {
    const { bytes } = BitmapImage.allDirty({ ...NEW, syncSectors: 1 });
    expect(bytes.length).toBe(4096);
    expect(bytes.subarray(256).every((byte) => byte === 0xff)).toBe(true);
  });
});

function ones(byte: number): number {
  return byte.toString(2).replaceAll("0", "").length;
}

describe("the superblock", () => {
  it("what is changed changes, all else stays, what no field names too", () => {
    const found = BitmapImage.withDirty({ ...NEW, syncSectors: 1000 }, [1]).bytes.slice();
    found[200] = 0x77;
    const image = BitmapImage.load(found);
    image.updateSuperblock({ events: 2 ** 40, eventsCleared: 7, state: BITMAP_STATE.stale });
    const before = bitmapSuper.decode(found);
    expect(image.superblock).toEqual({
      ...before,
      events: 2n ** 40n,
      eventsCleared: 7n,
      state: 2,
    });
    image.updateSuperblock({ syncSectors: 999, daemonSleepSeconds: 6, writeBehind: 256 });
    image.updateSuperblock({ reservedSectors: 8 });
    const later = { syncSize: 999n, daemonSleep: 6, writeBehind: 256, sectorsReserved: 8 };
    expect(image.superblock).toMatchObject({ ...later, events: 2n ** 40n, state: 2 });
    expect(image.bytes[200]).toBe(0x77);
  });

  it("major 5 is kept", () => {
    const found = BitmapImage.withDirty({ ...NEW, syncSectors: 1000 }, []).bytes.slice();
    bitmapSuper.encodeInto(found, 0, { version: 5, nodes: 4, clusterName: "c" });
    const image = BitmapImage.load(found);
    image.updateSuperblock({ events: 9 });
    expect(image.superblock).toMatchObject({ version: 5, nodes: 4, clusterName: "c", events: 9n });
  });

  it.each([3, 6])("major %i is refused", (version) => {
    const found = BitmapImage.withDirty({ ...NEW, syncSectors: 1000 }, []).bytes.slice();
    bitmapSuper.encodeInto(found, 0, { version });
    expect(() => BitmapImage.load(found)).toThrow(`cannot be written: it is of version ${version}`);
  });

  it("what is none, or ends too early, is refused", () => {
    expect(() => BitmapImage.load(new Uint8Array(4096))).toThrow("no bitmap");
    const { bytes } = BitmapImage.allDirty({ ...NEW, syncSectors: 128 * 100_000 });
    expect(() => BitmapImage.load(bytes.slice(0, 4096))).toThrow("ends before them");
  });
});
