import { describe, expect, test } from "vitest";
import {
  SECTORS,
  DISK_SECTORS,
  SECTION_SECTORS,
  DATA_START,
  PROVIDED,
  FIRST_TAG,
  HASH,
  SHAPE,
  table,
  filled,
  newWorld,
  watch,
  expectSectors,
  status,
  suspended,
  resumed,
  swap,
} from "../../../../test/support/integrity-rig.ts";
import { stampedSectors } from "../../../../test/support/stamp.ts";
import { BioFlags } from "../../../block/bio.ts";
import type { Bio } from "../../../block/bio.ts";
import { discard, flush, readSectors, writeSectors } from "../../../block/promises.ts";
import { integritySuperblock } from "../../../formats/dm-integrity.ts";

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

test.each(["D", "B"])("discards in mode %s", async (mode) => {
  const world = newWorld();
  const { device, use } = await world.make("v", table(mode, ...SHAPE, "allow_discards"));
  await writeSectors(use, 0, filled(64, 7));
  await discard(use, 8, 16);
  await readSectors(use, 0, 64);
  await suspended(world, device);
  await resumed(world, device);
  expect((await readSectors(use, 7, 1))[0]).toBe(7);
  await readSectors(use, 8, 16);
  // Without the word such tags go with nothing.
  await swap(world, device, table(mode, ...SHAPE));
  await expect(readSectors(use, 8, 16)).rejects.toThrow("sector 8 does not match");
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
