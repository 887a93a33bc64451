import { describe, expect, onTestFinished, test } from "vitest";
import { DmWorld } from "../../../../test/support/dm-world.ts";
import { sameBytes } from "../../../../test/support/bytes.ts";
import { stampedSectors } from "../../../../test/support/stamp.ts";
import { BioFlags } from "../../../block/bio.ts";
import type { Bio } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { discard, flush, readSectors, writeSectors } from "../../../block/promises.ts";
import { MemoryDevice } from "../../../devices/memory.ts";
import { integritySuperblock } from "../../../formats/dm-integrity.ts";
import { parseTable } from "../../table.ts";
import type { MappedDevice } from "../../mapped-device.ts";

const SECTORS = 1024;
const DISK_SECTORS = 3072;
const SECTIONS = 4;
const SECTION_SECTORS = 176;
const JOURNAL_SECTORS = SECTIONS * SECTION_SECTORS;
const DATA_START = 8 + JOURNAL_SECTORS + 256;
const PROVIDED = DISK_SECTORS - DATA_START;
const FIRST_TAG = 8 + JOURNAL_SECTORS;
const HASH = "internal_hash:crc32c";
const SHAPE = [`journal_sectors:${JOURNAL_SECTORS}`, HASH];

function table(mode: string, ...options: readonly string[]): string {
  return `0 ${SECTORS} integrity ./a 0 - ${mode} ${options.length} ${options.join(" ")}`;
}

function filled(sectors: number, byte: number): Uint8Array {
  return new Uint8Array(sectors * 512).fill(byte);
}

function newWorld(sectors = DISK_SECTORS): DmWorld {
  return new DmWorld({ a: sectors, b: sectors });
}

/** What is sent to disk a from now on. */
function watch(world: DmWorld): string[] {
  const seen: string[] = [];
  world.disk("a").hold(({ op, sector, sectors, flags }: Bio) => {
    seen.push(`${op} ${sector} ${sectors}${flags === BioFlags.fua ? " fua" : ""}`);
    return false;
  });
  return seen;
}

/** A comparison of many bytes that says no more. */
async function expectSectors(
  device: BlockDevice,
  sector: number,
  expected: Uint8Array,
): Promise<void> {
  const found = await readSectors(device, sector, expected.length / 512);
  expect(sameBytes(found, expected)).toBe(true);
}

async function status(device: MappedDevice): Promise<string> {
  return (await device.live!.status(true))[0]!.split(" ").slice(3).join(" ");
}

async function suspended(world: DmWorld, device: MappedDevice): Promise<void> {
  await world.time.until(world.all.suspend(device, "flush", true));
}

async function resumed(world: DmWorld, device: MappedDevice): Promise<void> {
  await world.time.until(world.all.resume(device));
}

/** Another table for the same device. */
async function swap(world: DmWorld, device: MappedDevice, words: string): Promise<void> {
  await world.load(device, words);
  await resumed(world, device);
}

/** The same disks after a crash of whoever used them: what was written is there. */
async function crashed(world: DmWorld): Promise<DmWorld> {
  const disks: Record<string, BlockDevice> = {};
  for (const [name, disk] of world.disks) {
    disks[name] = new MemoryDevice({ name, sectors: disk.sectors });
    await writeSectors(disks[name], 0, await readSectors(disk, 0, disk.sectors));
  }
  return new DmWorld(disks);
}

async function known(world: DmWorld, device: MappedDevice): Promise<string> {
  for (let turn = 0; turn < 10_000; turn += 1) {
    const text = await status(device);
    if (/ (\d+) (\1|-)$/.test(text)) return text;
    await new Promise((resolve) => setImmediate(resolve));
    world.time.next();
  }
  throw new Error("recalculation does not end");
}

async function flagsOf(world: DmWorld): Promise<number> {
  return integritySuperblock.decode(await readSectors(world.disk("a"), 0, 1)).flags;
}

describe("integrity", () => {
  test("a new device is formatted; what was never written has no tag", async () => {
    const world = newWorld();
    const { device, use } = await world.make("v", table("J", ...SHAPE));
    expect(device.live!.table()).toEqual([
      `0 ${SECTORS} integrity ./a 0 4 J 6 journal_sectors:704 interleave_sectors:32768 buffer_sectors:128 journal_watermark:50 commit_time:10000 internal_hash:crc32c`,
    ]);
    expect(await status(device)).toBe(`0 ${PROVIDED} -`);
    await expect(readSectors(use, 8, 2)).rejects.toThrow(
      "v: the data of sector 8 does not match its tag.",
    );
    await writeSectors(use, 8, filled(2, 7));
    expect(await readSectors(use, 8, 2)).toEqual(filled(2, 7));
    expect(await status(device)).toBe(`1 ${PROVIDED} -`);
  });

  test.each(["crc32c", "crc32", "sha1", "sha256"])(
    "%s: a byte that changes on the disk is an error",
    async (hash) => {
      const world = newWorld(8192);
      const { device, use } = await world.make("v", table("D", `internal_hash:${hash}`));
      await writeSectors(use, 0, stampedSectors("a", 0, SECTORS));
      await suspended(world, device);
      const place = (await readSectors(world.disk("a"), 0, 8192)).findIndex(
        (_byte, at, all) =>
          at % 512 === 0 &&
          Buffer.compare(all.subarray(at, at + 512), stampedSectors("a", 5, 1)) === 0,
      );
      await resumed(world, device);
      await expectSectors(use, 0, stampedSectors("a", 0, SECTORS));
      const bad = stampedSectors("a", 5, 1);
      bad[77]! ^= 1;
      await writeSectors(world.disk("a"), place / 512, bad);
      await expect(readSectors(use, 0, 16)).rejects.toThrow("sector 5 does not match its tag");
      await readSectors(use, 6, 10);
      expect(world.log).toContain("error: v: the data of sector 5 does not match its tag.");
      expect((await status(device)).split(" ")[0]).toBe("1");
      await swap(world, device, table("R", `internal_hash:${hash}`));
      expect(await readSectors(use, 5, 1)).toEqual(bad);
      await expect(writeSectors(use, 5, bad)).rejects.toThrow("mode R");
      await flush(use);
    },
  );

  test("data of one place with its tag is not taken for that of another", async () => {
    const world = newWorld();
    const { device, use } = await world.make("v", table("D", ...SHAPE));
    await writeSectors(use, 0, stampedSectors("a", 0, 8));
    await suspended(world, device);
    const disk = world.disk("a");
    await writeSectors(disk, DATA_START + 3, await readSectors(disk, DATA_START + 2, 1));
    const tags = await readSectors(disk, FIRST_TAG, 1);
    tags.copyWithin(12, 8, 12);
    await writeSectors(disk, FIRST_TAG, tags);
    await resumed(world, device);
    await expect(readSectors(use, 3, 1)).rejects.toThrow("sector 3 ");
  });

  test("sectors inside a block are read and written, at the same time too", async () => {
    const world = newWorld();
    const { use } = await world.make("v", table("J", "block_size:4096", "recalculate", HASH));
    await writeSectors(use, 0, filled(64, 1));
    await Promise.all([3, 4, 9, 12].map((at) => writeSectors(use, at, filled(1, 10 + at))));
    await writeSectors(use, 15, filled(2, 5));
    const bytes = await readSectors(use, 1, 17);
    const firsts = Array.from({ length: 17 }, (_unused, at) => bytes[at * 512]);
    expect(firsts).toEqual([1, 1, 13, 14, 1, 1, 1, 1, 19, 1, 1, 22, 1, 1, 5, 5, 1]);
    expect(use.limits.logicalBlockBytes).toBe(4096);
  });
});

describe("the order of writes", () => {
  test("a flush writes the journal with FUA and nothing to its place; a suspend all of it, then an empty journal", async () => {
    const world = newWorld();
    const { device, use } = await world.make("v", table("J", ...SHAPE));
    const seen = watch(world);
    await writeSectors(use, 40, filled(4, 7));
    expect(seen).toEqual([]);
    await flush(use);
    expect(seen).toEqual(["write 8 176 fua"]);
    seen.length = 0;
    await flush(use);
    expect(seen).toEqual([]);
    await suspended(world, device);
    expect(seen).toEqual([
      `read ${FIRST_TAG} 128`,
      `write ${DATA_START + 40} 4`,
      `write ${FIRST_TAG} 8`,
      "flush 0 0",
      "write 184 528 fua",
      "write 8 176 fua",
      "flush 0 0",
    ]);
  });

  test("what is written is committed after a time, and by FUA at once", async () => {
    const world = newWorld();
    const { use } = await world.make("v", table("J", ...SHAPE, "commit_time:300"));
    const seen = watch(world);
    await writeSectors(use, 40, filled(4, 7));
    world.time.pass(299);
    expect(seen).toEqual([]);
    world.time.pass(1);
    expect(seen).toEqual(["write 8 176 fua"]);
    await writeSectors(use, 40, filled(4, 8), BioFlags.fua);
    expect(seen[1]).toBe("write 184 176 fua");
  });

  test("what is durable in the journal comes to its place, though something newer is about to be", async () => {
    const world = newWorld();
    const { use } = await world.make("v", table("J", ...SHAPE));
    await writeSectors(use, 40, filled(1, 1), BioFlags.fua);
    await writeSectors(use, 50, filled(1, 1));
    const seen: string[] = [];
    let isHeld = false;
    world.disk("a").hold(({ op, sector, data }: Bio) => {
      if (op === "write") seen.push(`${sector} ${data[8]}`);
      const holds = !isHeld && sector === 8 + SECTION_SECTORS;
      isHeld ||= holds;
      return holds;
    });
    const flushed = flush(use);
    await writeSectors(use, 40, filled(1, 2));
    world.disk("a").releaseOne(0);
    await flushed;
    // The first byte behind an entry's sector is its data's.
    const inPlace = seen.indexOf(`${DATA_START + 40} 1`);
    expect(inPlace).toBeGreaterThan(0);
    expect(seen.indexOf(`${8 + 2 * SECTION_SECTORS} 2`)).toBeGreaterThan(inPlace);
  });

  test("in mode B the bit is there first; it is cleared later, after a flush, while nobody writes", async () => {
    const world = newWorld();
    const options = [...SHAPE, "sectors_per_bit:64", "bitmap_flush_interval:500"];
    const { use } = await world.make("v", table("B", ...options));
    const seen = watch(world);
    await writeSectors(use, 70, filled(4, 7));
    expect(seen.slice(0, 2)).toEqual(["write 8 8 fua", `write ${DATA_START + 70} 4`]);
    expect((await readSectors(world.disk("a"), 8, 1))[0]).toBe(2);
    seen.length = 0;
    await writeSectors(use, 80, filled(4, 7));
    expect(seen).toEqual([`write ${DATA_START + 80} 4`]);
    world.disk("a").hold(({ sector }) => sector === DATA_START + 90);
    const write = writeSectors(use, 90, filled(1, 7));
    world.time.pass(500);
    await new Promise((resolve) => setImmediate(resolve));
    expect((await readSectors(world.disk("a"), 8, 1))[0]).toBe(2);
    world.disk("a").release();
    await write;
    await new Promise((resolve) => setImmediate(resolve));
    expect((await readSectors(world.disk("a"), 8, 1))[0]).toBe(0);
  });

  test("FUA without a journal is durable, tags too", async () => {
    const world = newWorld();
    const { use } = await world.make("v", table("D", ...SHAPE));
    const seen = watch(world);
    await writeSectors(use, 0, filled(1, 7), BioFlags.fua);
    expect(seen.slice(-2)).toEqual([`write ${FIRST_TAG} 8`, "flush 0 0"]);
  });

  test("discarded sectors can be read; tags say so before they are discarded", async () => {
    const world = newWorld();
    const { use } = await world.make("v", table("J", ...SHAPE, "allow_discards"));
    await writeSectors(use, 0, filled(64, 7));
    const seen = watch(world);
    await discard(use, 8, 16);
    expect(seen.slice(-3)).toEqual([
      `write ${FIRST_TAG} 8`,
      "flush 0 0",
      `discard ${DATA_START + 8} 16`,
    ]);
    expect((await readSectors(use, 0, 64))[0]).toBe(7);
    await writeSectors(use, 10, filled(1, 9));
    expect((await readSectors(use, 10, 1))[0]).toBe(9);
    const plain = await world.make("w", table("D", ...SHAPE).replace("./a", "./b"));
    expect(plain.use.limits.discard).toBe(false);
  });
});

describe("after a crash", () => {
  async function withJournal(): Promise<DmWorld> {
    const world = newWorld();
    const { device, use } = await world.make("v", table("J", ...SHAPE));
    await writeSectors(use, 0, stampedSectors("a", 0, SECTORS));
    await suspended(world, device);
    await resumed(world, device);
    await writeSectors(use, 8, stampedSectors("b", 8, 8));
    await flush(use);
    return crashed(world);
  }

  test.each(["J", "D", "B"])("the journal is written back, in mode %s", async (mode) => {
    const world = await withJournal();
    const { device, use } = await world.make("v", table(mode, ...SHAPE));
    await expectSectors(use, 8, stampedSectors("b", 8, 8));
    await expectSectors(world.disk("a"), DATA_START + 8, stampedSectors("b", 8, 8));
    await writeSectors(use, 8, stampedSectors("c", 8, 1));
    await suspended(world, device);
    // Nothing of the old journal comes back.
    await swap(world, device, table("J", ...SHAPE));
    expect(await readSectors(use, 8, 1)).toEqual(stampedSectors("c", 8, 1));
    expect(await status(device)).toBe(`0 ${PROVIDED} -`);
  });

  test("a table for reading only writes nothing, and reads what is in the journal", async () => {
    const world = await withJournal();
    const before = await readSectors(world.disk("a"), 0, DISK_SECTORS);
    const device = world.create("v");
    await world.all.load(device, parseTable(table("J", ...SHAPE)), true);
    await world.all.resume(device);
    const use = device.open({ readOnly: true });
    onTestFinished(() => use.close());
    const expected = stampedSectors("a", 0, SECTORS);
    expected.set(stampedSectors("b", 8, 8), 8 * 512);
    await expectSectors(use, 0, expected);
    await flush(use);
    await suspended(world, device);
    await expectSectors(world.disk("a"), 0, before);
  });

  test("a journal that no crash leaves is refused, and mode R reads", async () => {
    const world = await withJournal();
    const before = await readSectors(world.disk("a"), 8, JOURNAL_SECTORS);
    await writeSectors(world.disk("a"), 8, filled(1, 3));
    const device = world.create("v");
    await world.load(device, table("J", ...SHAPE));
    await expect(world.all.resume(device)).rejects.toThrow(
      "v: the journal is damaged: sector 0 of section 0 has no commit id; mode R reads",
    );
    // The tags of the first entries.
    for (let section = 0; section < SECTIONS; section += 1)
      before[section * SECTION_SECTORS * 512 + 16]! ^= 1;
    await writeSectors(world.disk("a"), 8, before);
    await expect(world.all.resume(device)).rejects.toThrow(
      "the entry of sector 8 does not match its tag",
    );
    await world.load(device, table("R", HASH));
    await world.all.resume(device);
    const use = device.open({ readOnly: true });
    onTestFinished(() => use.close());
    expect(await readSectors(use, 8, 1)).toEqual(stampedSectors("a", 8, 1));
  });

  test.each(["J", "B"])("tags under set bits are made anew, in mode %s", async (mode) => {
    const before = newWorld();
    const bits = ["sectors_per_bit:64", ...SHAPE];
    const { use: first } = await before.make("v", table("B", ...bits));
    await writeSectors(first, 0, stampedSectors("a", 0, SECTORS));
    const world = await crashed(before);
    expect(await flagsOf(world)).toBe(4);
    // Tags were not flushed: there are none.
    const { device, use } = await world.make("v", table(mode, ...(mode === "B" ? bits : SHAPE)));
    expect(await known(world, device)).toBe(`0 ${PROVIDED} ${PROVIDED}`);
    await expectSectors(use, 0, stampedSectors("a", 0, SECTORS));
    await suspended(world, device);
    expect(await flagsOf(world)).toBe(2);
  });
});

describe("recalculation", () => {
  test("makes tags of what is there, while it is used", async () => {
    const world = newWorld();
    const { device, use } = await world.make("v", table("J", "recalculate", ...SHAPE));
    await writeSectors(use, 5, filled(1, 9));
    expect(await known(world, device)).toBe(`0 ${PROVIDED} ${PROVIDED}`);
    expect((await readSectors(use, 0, SECTORS))[5 * 512]).toBe(9);
    expect(device.live!.table()[0]).toContain(" 0 4 J 7 recalculate journal_sectors:");
    await suspended(world, device);
    const { recalculatedSectors, version } = integritySuperblock.decode(
      await readSectors(world.disk("a"), 0, 1),
    );
    expect([recalculatedSectors, version]).toEqual([PROVIDED, 2]);
  });

  test("is not said to be done before its tags are durable", async () => {
    const before = newWorld();
    const { device: first } = await before.make("v", table("J", "recalculate", ...SHAPE));
    await known(before, first);
    await new Promise((resolve) => setImmediate(resolve));
    const world = await crashed(before);
    const { device, use } = await world.make("v", table("J", ...SHAPE));
    expect(await status(device)).toBe(`0 ${PROVIDED} ${PROVIDED}`);
    await readSectors(use, 0, SECTORS);
  });

  test("is begun again by reset_recalculate, for another hash", async () => {
    const world = newWorld();
    const { device, use } = await world.make("v", table("D", "recalculate", "internal_hash:crc32"));
    await known(world, device);
    await swap(world, device, table("D", "internal_hash:crc32c"));
    await expect(readSectors(use, 0, 1)).rejects.toThrow("sector 0 ");
    await swap(world, device, table("D", "reset_recalculate", "internal_hash:crc32c"));
    await known(world, device);
    await readSectors(use, 0, SECTORS);
    expect(device.live!.table()[0]).toContain(" recalculate reset_recalculate ");
  });
});

test("an error of the journal is the end until there is another table", async () => {
  const world = newWorld();
  const { device, use } = await world.make("v", table("J", ...SHAPE));
  await writeSectors(use, 0, filled(8, 1), BioFlags.fua);
  world.disk("a").failWrites(0, 400);
  await writeSectors(use, 0, filled(8, 2));
  await expect(flush(use)).rejects.toThrow("a: write failed");
  await expect(readSectors(use, 0, 1)).rejects.toThrow("a: write failed");
  world.disk("a").heal();
  await suspended(world, device);
  await resumed(world, device);
  await expect(flush(use)).rejects.toThrow("a: write failed");
  await swap(world, device, table("J", ...SHAPE));
  await expectSectors(use, 0, filled(8, 1));
});

test("metadata on a device of its own, and a salt", async () => {
  const world = newWorld();
  const options = ["meta_device:./b", "fix_hmac", "journal_sectors:400", HASH];
  const { device, use } = await world.make("v", table("J", ...options));
  await writeSectors(use, 0, stampedSectors("a", 0, SECTORS));
  await suspended(world, device);
  await expectSectors(world.disk("a"), 0, stampedSectors("a", 0, SECTORS));
  const superblock = integritySuperblock.decode(await readSectors(world.disk("b"), 0, 1));
  expect(superblock).toMatchObject({ version: 5, flags: 16, logInterleaveSectors: 0 });
  expect(superblock.salt.some((byte) => byte !== 0)).toBe(true);
  await resumed(world, device);
  await expectSectors(use, 0, stampedSectors("a", 0, SECTORS));
  expect(await status(device)).toBe(`0 ${DISK_SECTORS} -`);
  expect(device.live!.table()[0]).toContain(" J 8 meta_device:./b journal_sectors:352 ");
});

describe("what is refused", () => {
  test.each([
    ["./a", "the start is missing"],
    ["./a x - J 1 internal_hash:crc32c", 'word 2 ("x") is wrong: the start is a number'],
    ["./a 0 0 J 1 internal_hash:crc32c", 'word 3 ("0") is wrong: the tag size is a number from 1'],
    ["./a 0 - X 1 internal_hash:crc32c", 'word 4 ("X") is wrong: the mode is one of J, B, D, R'],
    ["./a 0 - I 1 internal_hash:crc32c", "mode I needs a device with integrity data"],
    ["./a 0 - J 2 internal_hash:crc32c", "an option is missing"],
    ["./a 0 - J 1 internal_hash:crc32c x", 'word 7 ("x") is wrong: nothing more was expected'],
    ["./a 0 - J 0", "internal_hash is missing"],
    ["./a 0 - J 1 internal_hash:md5", "internal_hash is one of crc32c, crc32, sha1, sha256"],
    ["./a 0 - J 1 internal_hash:hmac(sha256):00", "hashes with keys are not supported"],
    ["./a 0 - J 1 journal_crypt:ctr(aes):00", "journals with keys are not supported"],
    ["./a 0 - J 1 journal_mac:hmac(sha256):00", "journals with keys are not supported"],
    ["./a 0 - J 1 block_size:1000", "block_size is one of 512, 1024, 2048, 4096"],
    ["./a 0 - J 1 journal_watermark:101", "journal_watermark is a number from 0 to 100"],
    ["./a 0 - J 1 commit_time:soon", "commit_time is a number from 0"],
    ["./a 0 - J 1 journal_sectors", "an option is one of recalculate,"],
    ["./a 0 - J 1 discards", "an option is one of recalculate,"],
    ["./a 0 - J 2 internal_hash:crc32c meta_device:./a", "another device than the data's"],
    ["./a 0 - J 2 internal_hash:crc32c meta_device:./c", "./c"],
    ["./a 0 - J 2 internal_hash:crc32c interleave_sectors:64", "tags would come to lie on data"],
    ["./a 4000 - J 1 internal_hash:crc32c", "too small for a superblock"],
    ["./a 2700 - J 1 internal_hash:crc32c", "too small for data, tags and a journal"],
  ])("%s", async (words, why) => {
    const world = newWorld();
    expect(await world.refusal(`0 ${SECTORS} integrity ${words}`)).toContain(why);
    expect(world.open).toEqual([]);
    await expectSectors(world.disk("a"), 0, filled(DISK_SECTORS, 0));
  });

  test("a table that does not fit the device", async () => {
    const world = newWorld();
    expect(await world.refusal(`0 2200 integrity ./a 0 - J 2 ${SHAPE.join(" ")}`)).toContain(
      `./a has room for ${PROVIDED} sectors of data, and 2200 are needed`,
    );
    await expectSectors(world.disk("a"), 0, filled(DISK_SECTORS, 0));
    expect(await world.refusal(table("J", ...SHAPE))).toBe("taken");
    expect(await world.refusal(table("J", "internal_hash:sha1"))).toContain(
      "has tags of 4 bytes, and the table says 20",
    );
    expect(await world.refusal(table("J", "block_size:1024", HASH))).toContain(
      "has blocks of 1 sectors, and the table says 2",
    );
    await world.make("v", table("J", ...SHAPE));
    const second = world.create("w");
    await world.load(second, table("J", ...SHAPE));
    await expect(world.all.resume(second)).rejects.toThrow("another target, which is in use");
    await writeSectors(world.disk("b"), 0, filled(1, 1));
    expect(await world.refusal(table("J", ...SHAPE).replace("./a", "./b"))).toContain(
      "no superblock of dm-integrity, and no zeros in its place",
    );
  });
});
