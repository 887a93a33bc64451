import { expect, test } from "vitest";
import { sameBytes } from "../../../../test/support/bytes.ts";
import { ended, readSectors } from "../../../block/promises.ts";
import { FaultyDevice } from "../../../devices/faulty.ts";
import { MemoryDevice } from "../../../devices/memory.ts";
import { TagBuffers } from "./tag-buffers.ts";

/** 4 MiB: there is room for the fewest buffers there are. */
const BUFFER_SECTORS = 8192;
const BUFFER_BYTES = BUFFER_SECTORS * 512;
const START = 16;

function made(buffers: number): { readonly disk: FaultyDevice; readonly tags: TagBuffers } {
  const sectors = START + buffers * BUFFER_SECTORS;
  const disk = new FaultyDevice(new MemoryDevice({ name: "a", sectors }));
  const options = { device: disk, startSector: START, bufferSectors: BUFFER_SECTORS };
  return { disk, tags: new TagBuffers({ ...options, dataDevice: null }) };
}

function store(tags: TagBuffers, from: number, byte: number, length: number): Promise<void> {
  return ended((end) => tags.store(from, new Uint8Array(length).fill(byte), end));
}

test("more tags than there is room for are written and read again, over the edges of buffers too", async () => {
  const { tags } = made(30);
  for (let at = 1; at < 30; at += 1) await store(tags, at * BUFFER_BYTES - 10, at, 20);
  for (let at = 1; at < 30; at += 1) {
    const found = new Uint8Array(22);
    await ended((end) => tags.load(at * BUFFER_BYTES - 11, found, end));
    expect([...found.subarray(0, 3), ...found.subarray(19)]).toEqual([0, at, at, at, at, 0]);
  }
});

test("a flush writes what was changed, and what changes meanwhile with the next", async () => {
  const { disk, tags } = made(1);
  await store(tags, 5000, 1, 4);
  disk.hold(({ op }) => op === "write");
  const first = ended((end) => tags.flush(end));
  await store(tags, 5002, 2, 4);
  expect(disk.held.map(({ sector, sectors }) => [sector, sectors])).toEqual([[START + 8, 8]]);
  disk.release();
  await first;
  await ended((end) => tags.flush(end));
  const bytes = await readSectors(disk, START + 8, 8);
  expect(sameBytes(bytes.subarray(904, 910), Uint8Array.of(1, 1, 2, 2, 2, 2))).toBe(true);
});

test("what could not be written is written by the next flush", async () => {
  const { disk, tags } = made(1);
  await store(tags, 0, 1, 4);
  disk.failWrites(START, 8);
  await expect(ended((end) => tags.flush(end))).rejects.toThrow("write failed");
  disk.heal();
  await ended((end) => tags.flush(end));
  expect((await readSectors(disk, START, 1))[3]).toBe(1);
});

test("tags that cannot be read are an error, and are asked for again", async () => {
  const { disk, tags } = made(1);
  disk.failReads(START + 100, 1);
  await expect(store(tags, 0, 1, 4)).rejects.toThrow("read failed");
  disk.heal();
  await store(tags, 0, 1, 4);
});
