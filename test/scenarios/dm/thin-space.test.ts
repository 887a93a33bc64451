/** lvm2's tests of thin pools that fill up and grow: what the kernel does there. */
import { describe, expect, it } from "vitest";
import { writeSectors } from "../../../src/block/promises.ts";
import { sameBytes, randomBytes } from "../../support/bytes.ts";
import { Prng } from "../../../src/base/prng.ts";
import { BLOCK, ThinMachine } from "./thin-machine.ts";

/** A write that may have to wait. */
function begun(m: ThinMachine, name: string, sector: number, data: Uint8Array): Promise<void> {
  const write = writeSectors(m.volume(name), sector, data);
  // Whoever waits for it hears of it.
  write.catch(() => {});
  return write;
}

function bytes(blocks: number, seed = 1): Uint8Array {
  return randomBytes(new Prng(seed), blocks * BLOCK * 512);
}

describe("lvm2", () => {
  it("thin-flags: an overfilled pool says so, and is well again when its device is deleted", async () => {
    const m = await ThinMachine.make({ dataBlocks: 16, features: "error_if_no_space" });
    await m.newThin("t", 0, 32);
    await expect(m.fill("t", 1)).rejects.toMatchObject({ code: "no-space" });
    expect(await m.status("pool")).toMatch(
      /^0 \d+\/2048 16\/16 - out_of_data_space discard_passdown error_if_no_space - 512$/,
    );
    // What has a block is written and read.
    await m.fill("t", 2, 0, BLOCK);
    expect(await m.runs("t", 0, 2 * BLOCK)).toBe("128x2 128x1");
    await m.remove("t");
    await m.message("pool", "delete 0");
    expect(await m.poolStatus()).toMatchObject({ mode: "rw", dataUsed: 0 });
    await m.sound();
  });

  it("thin-flags: it is still full after it was taken down", async () => {
    const m = await ThinMachine.make({ dataBlocks: 16, features: "error_if_no_space" });
    await m.newThin("t", 0, 32);
    await expect(m.fill("t", 1)).rejects.toMatchObject({ code: "no-space" });
    await m.remove("t", "pool");
    await m.createPool();
    await m.thin("t", 0, 32);
    // Nobody has asked for a block yet.
    expect(await m.poolStatus()).toMatchObject({ mode: "rw", dataUsed: 16 });
    await expect(m.fill("t", 1, 20 * BLOCK, 1)).rejects.toMatchObject({ code: "no-space" });
    expect(await m.poolStatus()).toMatchObject({ mode: "out_of_data_space" });
    await m.sound("t");
  });

  it("lvextend-thin-data-dmeventd: exactly at the low water mark nothing is said, one block more is told once", async () => {
    // 16 blocks, three quarters are the mark.
    const m = await ThinMachine.make({ dataBlocks: 16, lowWater: 4 });
    await m.newThin("t", 0, 16);
    await m.fill("t", 1, 0, 12 * BLOCK);
    expect(await m.events("pool")).toBe(0);
    const waiting = m.start("wait pool 0");
    await m.fill("t", 1, 12 * BLOCK, 1);
    expect((await m.do(waiting)).code).toBe(0);
    expect(await m.events("pool")).toBe(1);
    await m.fill("t", 1, 13 * BLOCK, 1);
    expect(await m.events("pool")).toBe(1);
    await m.sound("t");
  });

  it("thin-dmeventd-warns: it is told again after blocks were freed and the pool was resumed", async () => {
    const m = await ThinMachine.make({ dataBlocks: 32, lowWater: 6 });
    await m.newThin("t", 0, 32);
    await m.fill("t", 1, 0, 30 * BLOCK);
    expect(await m.events("pool")).toBe(1);
    await m.discard("t", 0, 32 * BLOCK);
    expect((await m.poolStatus()).dataUsed).toBe(0);
    await m.fill("t", 1, 0, 30 * BLOCK);
    expect(await m.events("pool")).toBe(1);
    await m.suspended("pool", () => Promise.resolve());
    await m.fill("t", 1, 30 * BLOCK, 1);
    expect(await m.events("pool")).toBe(2);
    await m.sound("t");
  });

  it("thin-resize-match: what waits for space is written when the pool was extended twice", async () => {
    const m = new ThinMachine({ dataBlocks: 32 });
    await m.createPool({ dataBlocks: 16 });
    await m.newThin("t", 0, 32);
    const data = bytes(32);
    const write = begun(m, "t", 0, data);
    await m.settle();
    expect(await m.poolStatus()).toMatchObject({ mode: "out_of_data_space", dataUsed: 16 });
    for (const dataBlocks of [24, 32]) {
      await m.ok(`load pool --table "${m.poolTable({ dataBlocks })}"`);
      await m.ok("suspend --noflush pool");
      await m.ok("resume pool");
      await m.settle();
      expect(await m.poolStatus()).toMatchObject({ dataUsed: dataBlocks, dataBlocks });
    }
    await write;
    expect(sameBytes(await m.read("t", 0, 32 * BLOCK), data)).toBe(true);
    expect(await m.poolStatus()).toMatchObject({ mode: "rw", noSpace: "queue_if_no_space" });
    expect(await m.ok("info -c --noheadings -o attr pool")).toBe("L--w");
    await m.sound("t");
  });

  it("thin-resize-match: a device that waits is suspended with --noflush, and nothing is lost", async () => {
    const m = new ThinMachine({ dataBlocks: 32 });
    await m.createPool({ dataBlocks: 16 });
    await m.newThin("t", 0, 32);
    const data = bytes(32, 2);
    const write = begun(m, "t", 0, data);
    await m.settle();
    await m.ok("suspend --noflush t");
    await m.suspended("pool", () => m.ok(`load pool --table "${m.poolTable()}"`), "--noflush");
    await m.ok("resume t");
    await m.do(write);
    expect(sameBytes(await m.read("t", 0, 32 * BLOCK), data)).toBe(true);
    await m.sound("t");
  });

  it("thin-resize-match: requests meet a pool that is suspended, and are given back by their device", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 32);
    await m.fill("t", 1, 0, BLOCK);
    await m.ok("suspend pool");
    const data = bytes(2, 3);
    const write = begun(m, "t", 0, data);
    await m.settle();
    await m.ok("suspend --noflush t");
    await m.ok("resume t");
    await m.ok("resume pool");
    await m.do(write);
    expect(sameBytes(await m.read("t", 0, 2 * BLOCK), data)).toBe(true);
    await m.sound("t");
  });

  it("thin-resize-match: after a minute writes fail, and space brings the pool back", async () => {
    const m = new ThinMachine({ dataBlocks: 32 });
    await m.createPool({ dataBlocks: 16 });
    await m.newThin("t", 0, 32);
    const write = begun(m, "t", 0, bytes(32));
    await m.pass(59_000);
    expect(await m.poolStatus()).toMatchObject({ noSpace: "queue_if_no_space" });
    await m.pass(1001);
    await expect(write).rejects.toMatchObject({ code: "no-space" });
    expect(await m.poolStatus()).toMatchObject({
      mode: "out_of_data_space",
      noSpace: "error_if_no_space",
    });
    await m.changePool({ dataBlocks: 32 });
    expect(await m.poolStatus()).toMatchObject({ mode: "rw", noSpace: "queue_if_no_space" });
    await m.fill("t", 5);
    expect(await m.runs("t")).toBe(`${32 * BLOCK}x5`);
    await m.sound("t");
  });

  it("lvextend-thin: data and metadata grow together, and neither shrinks", async () => {
    const m = new ThinMachine({ dataBlocks: 64, metadataBlocks: 512 });
    await m.create("meta", `0 ${128 * 8} linear /disks/meta 0`);
    const small = { metadata: "meta", dataBlocks: 16 };
    await m.createPool(small);
    await m.newThin("t", 0, 64);
    await m.fill("t", 1, 0, 16 * BLOCK);
    await m.reload("meta", `0 ${512 * 8} linear /disks/meta 0`);
    await m.changePool({ ...small, dataBlocks: 64 });
    const grown = { metadataBlocks: 512, dataBlocks: 64, dataUsed: 16, threshold: 128 };
    expect(await m.poolStatus()).toMatchObject(grown);
    await m.fill("t", 2, 16 * BLOCK);
    expect(await m.runs("t")).toBe(`${16 * BLOCK}x1 ${48 * BLOCK}x2`);
    await m.ok(`load pool --table "${m.poolTable({ ...small, dataBlocks: 32 })}"`);
    expect(await m.refused("resume pool")).toContain("a pool cannot shrink");
    // It is suspended, and goes on with a table that fits.
    expect(await m.ok("info -c --noheadings -o suspended pool")).toBe("Suspended");
    await m.changePool({ ...small, dataBlocks: 64 });
    expect(await m.runs("t", 0, 8)).toBe("8x1");
    await m.remove("t", "pool");
    await m.reload("meta", `0 ${256 * 8} linear /disks/meta 0`);
    const table = m.poolTable({ ...small, dataBlocks: 64 });
    expect(await m.refused(`create pool --table "${table}"`)).toContain("512 blocks of metadata");
    await m.reload("meta", `0 ${512 * 8} linear /disks/meta 0`);
    await m.create("pool", table);
    await m.sound();
  });

  it("thin-overprovisioning: devices are larger together than the pool, until they are written", async () => {
    const m = await ThinMachine.make({ dataBlocks: 32, features: "error_if_no_space" });
    for (const id of [0, 1, 2]) await m.newThin(`t${id}`, id, 32_768);
    for (const id of [0, 1, 2]) await m.fill(`t${id}`, 1 + id, (32_768 - 10) * BLOCK, 10 * BLOCK);
    expect(await m.poolStatus()).toMatchObject({ mode: "rw", dataUsed: 30 });
    await m.fill("t0", 9, 0, 2 * BLOCK);
    await expect(m.fill("t1", 9, 0, 1)).rejects.toMatchObject({ code: "no-space" });
    for (const id of [0, 1, 2])
      expect(await m.runs(`t${id}`, (32_768 - 10) * BLOCK)).toBe(`1280x${1 + id}`);
    await m.discard("t0", 0, BLOCK);
    await m.fill("t1", 9, 0, 1);
    await m.sound("t2", "t1", "t0");
  });
});
