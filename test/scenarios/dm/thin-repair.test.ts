/** lvm2's tests of damaged thin metadata: thin_check finds it, thin_repair writes what is left to another device, which takes the first one's place. */
import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { openExt4 } from "../../../src/filesystems/ext4.ts";
import { spaceMapRoot } from "../../../src/formats/persistent-data.ts";
import { thinSuperblock } from "../../../src/formats/thin.ts";
import { treeOf } from "../../support/ext4.ts";
import { filledExt4 } from "../../support/ext4-image.ts";
import { peerDescribe } from "../../support/peers.ts";
import { seedOfRun } from "../../support/seed.ts";
import { testFolder } from "../../support/temp.ts";
import { Pattern } from "./pattern.ts";
import { BLOCK, ThinMachine } from "./thin-machine.ts";

const seed = seedOfRun();
const METADATA_BYTES = 4096;

/** Two devices and a snapshot of the first, all stamped; the pool is down. */
async function stamped(): Promise<{ readonly m: ThinMachine; readonly patterns: Pattern[] }> {
  const m = await ThinMachine.make(
    { blockSectors: 2 * BLOCK, dataBlocks: 256, features: "ignore_discard" },
    { fixed: 2048 * 8 },
  );
  await m.newThin("t1", 1);
  await m.newThin("t2", 2);
  const first = Pattern.zeros(m, "t1", 2 * BLOCK, seed);
  const second = Pattern.zeros(m, "t2", 2 * BLOCK, seed + 1);
  await first.stamp(80);
  await second.stamp(50);
  await m.snapshot("t3", 3, "t1", 1);
  const third = first.fork("t3");
  await first.stamp(20);
  await m.message("pool", "set_transaction_id 0 3");
  await m.remove("t3", "t2", "t1", "pool");
  return { m, patterns: [first, second, third] };
}

async function superblock(m: ThinMachine): Promise<ReturnType<typeof thinSuperblock.decode>> {
  return thinSuperblock.decode(await m.read("meta", 0, 8));
}

/** One byte of a metadata block is another. */
async function damage(m: ThinMachine, block: number): Promise<void> {
  const data = Buffer.from(await m.read("meta", block * 8, 8));
  expect(data).toHaveLength(METADATA_BYTES);
  data[100]! ^= 0xff;
  await m.write("meta", block * 8, data);
}

async function goesOn(m: ThinMachine, patterns: readonly Pattern[]): Promise<void> {
  await m.createPool({ metadata: "/disks/fixed" });
  for (const id of [1, 2, 3]) await m.thin(`t${id}`, id);
  for (const pattern of patterns) await pattern.verify();
  for (const pattern of patterns) await pattern.stamp(30);
  for (const pattern of patterns) await pattern.verify();
  await m.remove("t3", "t2", "t1", "pool");
  expect(await m.check("fixed")).toEqual({ problems: [], needsCheck: false });
}

describe(`lvm2 lvconvert-repair-thin, seed ${seed},`, () => {
  it("sound metadata is the same on another device", async () => {
    const { m, patterns } = await stamped();
    const before = await m.dump();
    expect(await m.repair("meta", "fixed")).toEqual([]);
    expect(await m.dump("fixed")).toEqual(before);
    expect((await m.check("fixed")).problems).toEqual([]);
    await goesOn(m, patterns);
  });

  it("space maps that are damaged are made anew, and nothing is lost", async () => {
    const { m, patterns } = await stamped();
    const before = await m.dump();
    await damage(m, spaceMapRoot.decode((await superblock(m)).dataSpaceMap).index);
    expect((await m.check()).problems[0]).toContain("missing bitmaps");
    await m.createPool();
    await m.thin("t2", 2, 80);
    await patterns[1]!.verify();
    await expect(m.fill("t2", 1, 150 * BLOCK, 1)).rejects.toMatchObject({ code: "bad-metadata" });
    expect(await m.poolStatus()).toMatchObject({ mode: "ro", needsCheck: "needs_check" });
    await m.remove("t2", "pool");
    expect(await m.repair("meta", "fixed")).toEqual([]);
    expect(await m.dump("fixed")).toEqual(before);
    await goesOn(m, patterns);
  });

  it("a tree that is damaged is told by name, and the rest is saved", async () => {
    const { m } = await stamped();
    await damage(m, (await superblock(m)).dataMappingRoot);
    expect((await m.check()).problems[0]).toContain("missing all mappings for devices");
    await expect(m.dump()).rejects.toMatchObject({ code: "bad-metadata" });
    expect(await m.repair("meta", "fixed")).toEqual([
      expect.stringContaining("mappings of devices"),
    ]);
    expect(await m.check("fixed")).toEqual({ problems: [], needsCheck: false });
    // What cannot be read was not written to.
    expect((await m.check()).problems[0]).toContain("missing all mappings for devices");
    await m.createPool({ metadata: "/disks/fixed" });
    expect(await m.poolStatus()).toMatchObject({ transactionId: 3, dataUsed: 0, mode: "rw" });
  });

  it("without a superblock nothing is repaired, and nothing is written", async () => {
    const { m } = await stamped();
    await m.fill("fixed", 7);
    await damage(m, 0);
    expect((await m.check()).problems[0]).toBe("superblock is corrupt");
    await expect(m.repair("meta", "fixed")).rejects.toMatchObject({ code: "bad-metadata" });
    expect(await m.runs("fixed")).toBe(`${2048 * 8}x7`);
    expect(await m.refused(`create pool --table "${m.poolTable()}"`)).toContain("checksum");
    // A pool whose metadata is gone can be made again on zeros.
    await m.fill("meta", 0, 0, 8);
    await m.createPool();
    expect((await m.poolStatus()).dataUsed).toBe(0);
  });
});

peerDescribe(["mke2fs"], `lvm2 thin-foreign-repair, seed ${seed},`, () => {
  it("a pool that others number is repaired with their transaction id and their file system", async () => {
    const m = await ThinMachine.make({}, { fixed: 2048 * 8 });
    await m.message("pool", "create_thin 0");
    await m.message("pool", "set_transaction_id 0 2");
    expect(await m.refused("message pool 0 set_transaction_id 0 1")).toContain("is 2, not 0");
    await m.thin("t", 0, 64);
    await m.write("t", 0, filledExt4(new Prng(seed), 4 << 20, testFolder("thin-repair")));
    const files = await m.do(openExt4(m.volume("t")).then(treeOf));
    await m.remove("t", "pool");
    expect(await m.repair("meta", "fixed")).toEqual([]);
    await m.createPool({ metadata: "/disks/fixed" });
    expect((await m.poolStatus()).transactionId).toBe(2);
    await m.thin("t", 0, 64);
    expect(await m.do(openExt4(m.volume("t")).then(treeOf))).toEqual(files);
  });
});
