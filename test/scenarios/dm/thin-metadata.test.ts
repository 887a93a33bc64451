/** lvm2's tests of thin pools whose metadata fails, fills up, grows, or is not what was expected. */
import { describe, expect, it } from "vitest";
import { markNeedsCheck } from "../../../src/dm/thin/needs-check.ts";
import { BLOCK, ThinMachine } from "./thin-machine.ts";

/** Metadata as lvm2's tests fake it: so many devices, whose 30 blocks are the same. */
function faked(devices: number, transaction: number): string {
  const lines = Array.from(
    { length: devices },
    (_none, index) =>
      `<device dev_id="${10 + index}" mapped_blocks="30" transaction="0" creation_time="0" snap_time="0">
         <range_mapping origin_begin="0" data_begin="0" length="30" time="0"/>
       </device>`,
  );
  return `<superblock uuid="" time="0" transaction="${transaction}" data_block_size="${BLOCK}" nr_data_blocks="256">
    <device dev_id="1" mapped_blocks="0" transaction="0" creation_time="0" snap_time="0">
    </device>
    ${lines.join("\n")}
    </superblock>`;
}

/** The pool over a part of the metadata disk, as metadata volumes are. */
async function small(blocks: number, xml: string | null = null): Promise<ThinMachine> {
  const m = new ThinMachine({ metadata: "tmeta", dataBlocks: 256, metadataBlocks: 4096 });
  await m.create("tmeta", `0 ${blocks * 8} linear /disks/meta 0`);
  if (xml !== null) await m.restore(xml, "tmeta");
  await m.createPool();
  return m;
}

describe("lvm2 thin-flags", () => {
  it("a metadata device that fails takes the pool with it, until both are set up again", async () => {
    const m = await small(128);
    await m.newThin("t", 0);
    await m.fill("t", 1, 0, 4 * BLOCK);
    await m.status("pool");
    await m.fill("t", 2, 4 * BLOCK, BLOCK);
    await m.reload("tmeta", "0 1024 error");
    // Looking without a commit changes nothing.
    expect(await m.poolStatus("pool", "--noflush")).toMatchObject({ mode: "rw" });
    const events = await m.events("pool");
    expect(await m.status("pool")).toBe("Error");
    expect(await m.status("pool")).toBe("Fail");
    expect(await m.status("t")).toBe("Fail");
    expect(await m.events("pool")).toBe(events + 1);
    await expect(m.read("t", 0, 8)).rejects.toMatchObject({ code: "io" });
    await expect(m.fill("t", 1, 0, 8)).rejects.toMatchObject({ code: "io" });
    await m.reload("tmeta", "0 1024 linear /disks/meta 0");
    await m.suspended("pool", () => Promise.resolve());
    expect(await m.status("pool")).toBe("Fail");
    await m.refused("message pool 0 create_thin 7");
    expect(await m.refused('create u --table "0 128 thin pool 0"')).toContain("has failed");
    await m.remove("t", "pool");
    await m.createPool();
    // Not even a mark could be written. What was committed is there.
    expect(await m.poolStatus()).toMatchObject({ mode: "rw", needsCheck: "-", dataUsed: 4 });
    await m.thin("t", 0);
    expect(await m.runs("t", 0, 5 * BLOCK)).toBe("512x1 128x0");
    await m.sound("t");
  });

  it("a commit that fails leaves a pool that is read, and wants to be checked", async () => {
    const m = await ThinMachine.make({ dataBlocks: 64 });
    await m.newThin("t", 0);
    await m.fill("t", 1, 0, 4 * BLOCK);
    await m.status("pool");
    await m.fill("t", 2, 4 * BLOCK, BLOCK);
    // All but the superblock.
    m.disk("meta").failWrites(8, 100_000);
    await m.pass(1000);
    const wants = { mode: "ro", needsCheck: "needs_check", dataUsed: 4, dataBlocks: 64 };
    expect(await m.poolStatus()).toMatchObject(wants);
    m.disk("meta").heal();
    expect(await m.runs("t", 0, 5 * BLOCK)).toBe("512x1 128x0");
    await m.fill("t", 3, 0, BLOCK);
    await expect(m.fill("t", 3, 8 * BLOCK, 1)).rejects.toMatchObject({ code: "io" });
    await m.refused("message pool 0 create_snap 1 0");
    await m.discard("t", 0, 4 * BLOCK);
    expect(await m.status("t")).toBe(`${4 * BLOCK} ${4 * BLOCK - 1}`);
    // Neither a resume nor a larger table nor a new start is a check.
    await m.suspended("pool", () => Promise.resolve());
    await m.remove("t", "pool");
    m.addDisk("larger", 128 * BLOCK);
    await m.createPool({ data: "/disks/larger", dataBlocks: 128 });
    expect(await m.poolStatus()).toMatchObject(wants);
    await m.remove("pool");
    expect(await m.check()).toEqual({ problems: [], needsCheck: true });
    await m.do(markNeedsCheck(m.disk("meta"), false));
    await m.createPool();
    expect(await m.poolStatus()).toMatchObject({ mode: "rw", needsCheck: "-" });
    await m.thin("t", 0);
    await m.fill("t", 4, 8 * BLOCK, 1);
    expect(await m.runs("t", 0, 9 * BLOCK)).toBe("128x3 384x1 512x0 1x4 127x0");
    await m.sound("t");
  });

  it("full metadata: nothing new, until it grows; no check is needed", async () => {
    const m = await small(96);
    await m.newThin("t", 0, 1024);
    let made = 1;
    while ((await m.dmsetup(`message pool 0 create_thin ${made}`)).code === 0) made += 1;
    expect(made).toBeGreaterThan(40);
    expect(await m.poolStatus()).toMatchObject({ mode: "ro", needsCheck: "-", metadataBlocks: 96 });
    for (const words of ["create_snap 500 0", `delete ${made - 1}`, "create_thin 501"])
      await m.refused(`message pool 0 ${words}`);
    await expect(m.fill("t", 1, 0, 1)).rejects.toMatchObject({ code: "io" });
    expect(await m.runs("t", 0, 8)).toBe("8x0");
    // Resumed as it is, it is full again.
    await m.suspended("pool", () => Promise.resolve());
    expect(await m.poolStatus()).toMatchObject({ mode: "ro", needsCheck: "-" });
    await m.reload("tmeta", `0 ${512 * 8} linear /disks/meta 0`);
    await m.suspended("pool", () => Promise.resolve());
    expect(await m.poolStatus()).toMatchObject({ mode: "rw", metadataBlocks: 512 });
    await m.message("pool", "create_snap 500 0");
    await m.fill("t", 1, 0, 1);
    await m.sound("t");
  });
});

describe("lvm2", () => {
  it("lvextend-thin-metadata-dmeventd: metadata below its threshold is an event", async () => {
    const m = await ThinMachine.make({ metadataBlocks: 128 });
    const { threshold, metadataUsed } = await m.poolStatus();
    expect(threshold).toBe(32);
    const before = 128 - metadataUsed - threshold;
    for (let id = 0; id < before - 8; id += 1) await m.message("pool", `create_thin ${id}`);
    expect(await m.events("pool")).toBe(0);
    const waiting = m.start("wait pool 0");
    for (let id = 1000; id < 1008 + 8; id += 1) await m.message("pool", `create_thin ${id}`);
    expect((await m.do(waiting)).code).toBe(0);
    expect(await m.poolStatus()).toMatchObject({ mode: "rw" });
    await m.sound();
  });

  it("lvextend-thin-metadata-dmeventd, thin-errors: another transaction id than expected is told, and kept", async () => {
    const m = new ThinMachine({ dataBlocks: 256 });
    for (const transaction of [0, 3]) {
      await m.restore(faked(10, transaction));
      await m.createPool();
      expect((await m.poolStatus()).transactionId).toBe(transaction);
      const why = await m.refused("message pool 0 set_transaction_id 2 3");
      expect(why).toContain(`is ${transaction}, not 2`);
      expect((await m.poolStatus()).transactionId).toBe(transaction);
      // A device that is there already is not made again, however often it is tried.
      for (let turn = 0; turn < 2; turn += 1)
        expect(await m.refused("message pool 0 create_snap 12 1")).toContain("a device 12 already");
      await m.message("pool", "create_snap 5 12");
      await m.message("pool", `set_transaction_id ${transaction} 7`);
      await m.remove("pool");
      const [superblock = ""] = await m.dump();
      expect(superblock).toContain('transaction="7"');
    }
  });

  it("lvextend-thin-full: metadata that many devices fill grows, and has all of them", async () => {
    const m = await small(512, faked(400, 2));
    const full = await m.poolStatus();
    expect(full).toMatchObject({ transactionId: 2, metadataBlocks: 512, dataUsed: 30 });
    expect(full.metadataUsed / full.metadataBlocks).toBeGreaterThan(0.7);
    await m.reload("tmeta", `0 ${768 * 8} linear /disks/meta 0`);
    await m.suspended("pool", () => Promise.resolve());
    const grown = await m.poolStatus();
    expect(grown).toMatchObject({ metadataBlocks: 768, mode: "rw" });
    expect(grown.metadataUsed / grown.metadataBlocks).toBeLessThan(0.7);
    await m.thin("t", 409);
    await m.fill("t", 1, 40 * BLOCK, BLOCK);
    expect((await m.poolStatus()).dataUsed).toBe(31);
    await m.remove("t", "pool");
    expect((await m.dump("tmeta")).filter((line) => line.startsWith("<device "))).toHaveLength(401);
    expect((await m.check("tmeta")).problems).toEqual([]);
  });

  it("lvresize-thin-metadata: from 2 MiB to 3.25 GiB in three steps, in use or not", async () => {
    const m = new ThinMachine({ metadata: "tmeta", dataBlocks: 64, metadataBlocks: 832 * 1024 });
    for (const inUse of [false, true]) {
      await m.create("tmeta", `0 ${2 * 2048} linear /disks/meta 0`);
      await m.fill("tmeta", 0, 0, 8);
      await m.createPool();
      await m.newThin("t", 0);
      await m.fill("t", 1, 0, BLOCK);
      for (const mib of [4, 260, 3328]) {
        if (!inUse) await m.remove("t", "pool");
        await m.reload("tmeta", `0 ${mib * 2048} linear /disks/meta 0`);
        if (!inUse) {
          await m.createPool();
          await m.thin("t", 0);
        } else await m.suspended("pool", () => Promise.resolve());
        expect((await m.poolStatus()).metadataBlocks).toBe(mib * 256);
        await m.message("pool", `create_snap ${mib} 0`);
      }
      expect(await m.runs("t", 0, BLOCK)).toBe("128x1");
      await m.remove("t", "pool");
      expect((await m.check("tmeta")).problems).toEqual([]);
      await m.remove("tmeta");
    }
  });

  it("thin-16g, lvcreate-thin-limits: of more than 15.88 GiB of metadata no more is used", async () => {
    const m = await ThinMachine.make({ metadataBlocks: 17 * 256 * 1024 });
    const status = await m.poolStatus();
    expect(status).toMatchObject({ metadataBlocks: 255 * 16_320, threshold: 1024, mode: "rw" });
    await m.newThin("t", 0);
    await m.fill("t", 1, 0, 8);
    await m.remove("t", "pool");
    await m.createPool();
    expect((await m.poolStatus()).dataUsed).toBe(1);
  });

  it("lvextend-thin-adddel: a message that failed with its metadata is done when it is said again", async () => {
    const m = await ThinMachine.make({ dataBlocks: 64 });
    for (const id of [1, 2]) await m.message("pool", `create_thin ${id}`);
    m.disk("meta").vanish();
    await m.refused("message pool 0 delete 1");
    expect(await m.status("pool")).toBe("Fail");
    await m.remove("pool");
    m.disk("meta").comeBack();
    await m.createPool();
    await m.message("pool", "delete 1");
    await m.sound();
    const devices = (await m.dump()).filter((line) => line.startsWith("<device "));
    expect(devices).toEqual([expect.stringContaining('dev_id="2"')]);
  });

  it("thin-zero-meta: what is behind a zeroed superblock does not matter, what is no superblock is not touched", async () => {
    const m = new ThinMachine({ dataBlocks: 64 });
    await m.fill("meta", 0xa5);
    expect(await m.refused(`create pool --table "${m.poolTable()}"`)).toContain("no superblock");
    expect(await m.runs("meta")).toBe(`${2048 * 8}x165`);
    await m.fill("meta", 0, 0, 8);
    await m.createPool();
    await m.newThin("t", 0);
    await m.fill("t", 1);
    expect((await m.poolStatus()).dataUsed).toBe(64);
    await m.sound("t");
    expect(await m.runs("meta", 2047 * 8, 8)).toBe("8x165");
  });
});
