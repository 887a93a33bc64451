import { describe, expect, onTestFinished, test } from "vitest";
import {
  SECTORS,
  DISK_SECTORS,
  SECTIONS,
  SECTION_SECTORS,
  JOURNAL_SECTORS,
  DATA_START,
  PROVIDED,
  HASH,
  SHAPE,
  table,
  filled,
  newWorld,
  expectSectors,
  status,
  suspended,
  resumed,
  swap,
  crashed,
  known,
  flagsOf,
} from "../../../../test/support/integrity-rig.ts";
import { stampedSectors } from "../../../../test/support/stamp.ts";
import { flush, readSectors, writeSectors } from "../../../block/promises.ts";
import { integritySuperblock } from "../../../formats/dm-integrity.ts";
import { parseTable } from "../../table.ts";
import type { DmWorld } from "../../../../test/support/dm-world.ts";

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

  test.each(["B", "D"])(
    "a table for reading only leaves set bits alone, in mode %s",
    async (mode) => {
      const first = newWorld();
      const bits = ["sectors_per_bit:64", ...SHAPE];
      const { device: live, use: writer } = await first.make("v", table("B", ...bits));
      await writeSectors(writer, 0, stampedSectors("a", 0, SECTORS));
      await suspended(first, live);
      await resumed(first, live);
      await writeSectors(writer, 0, stampedSectors("b", 0, 8));
      const world = await crashed(first);
      const before = await readSectors(world.disk("a"), 0, DISK_SECTORS);
      const device = world.create("v");
      await world.all.load(device, parseTable(table(mode, ...bits)), true);
      await world.all.resume(device);
      const use = device.open({ readOnly: true });
      onTestFinished(() => use.close());
      await expectSectors(use, 0, stampedSectors("b", 0, 8));
      await suspended(world, device);
      await expectSectors(world.disk("a"), 0, before);
    },
  );

  test("a device that has grown has more room, and no tags there", async () => {
    const small = newWorld();
    const { device: first, use: writer } = await small.make("v", table("B", ...SHAPE));
    await writeSectors(writer, 0, stampedSectors("a", 0, SECTORS));
    await suspended(small, first);
    const world = newWorld(DISK_SECTORS + 800);
    await writeSectors(world.disk("a"), 0, await readSectors(small.disk("a"), 0, DISK_SECTORS));
    const { device, use } = await world.make("v", table("B", ...SHAPE));
    expect(await status(device)).toBe(`0 ${PROVIDED + 800} -`);
    await expectSectors(use, 0, stampedSectors("a", 0, SECTORS));
    const { dataSectors } = integritySuperblock.decode(await readSectors(world.disk("a"), 0, 1));
    expect(dataSectors).toBe(PROVIDED + 800);
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
