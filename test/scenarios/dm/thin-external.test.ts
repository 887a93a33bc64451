/** External origins: dmtest-python's tests (thin/external_origin_tests.py) and lvm2's. */
import { describe, expect, it } from "vitest";
import { seedOfRun } from "../../support/seed.ts";
import { Pattern } from "./pattern.ts";
import { BLOCK, ThinMachine } from "./thin-machine.ts";

const seed = seedOfRun();
const SECTORS = 128 * BLOCK;

/** An origin is stamped, a device over it is too; neither changes the other. */
async function stamped(originSectors: number, thinSectors: number): Promise<ThinMachine> {
  const m = await ThinMachine.make({}, { origin: originSectors });
  await m.create("origin", `0 ${originSectors} linear /disks/origin 0`);
  const origin = Pattern.zeros(m, "origin", BLOCK, seed);
  await origin.stamp(20);
  await m.message("pool", "create_thin 0");
  await m.create("t", `0 ${thinSectors} thin pool 0 /dev/mapper/origin`);
  const thin = origin.fork("t");
  await thin.verify();
  expect((await m.poolStatus()).dataUsed).toBe(0);
  await thin.stamp(10);
  await thin.verify();
  await origin.verify();
  return m;
}

describe(`dmtest thin/external-origin, seed ${seed},`, () => {
  it("/snap-equal-size", async () => {
    const m = await stamped(SECTORS, SECTORS);
    await m.sound("t");
  });

  it("/snap-smaller-than-origin", async () => {
    const m = await stamped(SECTORS, SECTORS / 2);
    await m.sound("t");
  });

  it("/snap-bigger-than-origin", async () => {
    const m = await stamped(SECTORS, 2 * SECTORS);
    await m.sound("t");
  });

  it("/snap-fractional-tail-block", async () => {
    const m = await stamped(SECTORS + 16, SECTORS + 16);
    await m.fill("t", 1, SECTORS, 1);
    await m.sound("t");
  });
});

describe("lvm2", () => {
  it("lvcreate-thin-external-size: an origin that ends in a block, and devices that end elsewhere", async () => {
    // 47 extents of 8 KiB, blocks of 192 KiB.
    const extent = 16;
    const m = await ThinMachine.make({ blockSectors: 384, dataBlocks: 3 }, { origin: 47 * extent });
    await m.fill("origin", 1, 0, 45 * extent);
    await m.fill("origin", 2, 45 * extent, 2 * extent);
    await m.message("pool", "create_thin 1");
    const table = (extents: number): string =>
      `0 ${extents * extent} thin /dev/mapper/pool 1 /disks/origin`;
    await m.create("t", table(47));
    expect(await m.runs("t", 44 * extent)).toBe("16x1 32x2");
    await m.reload("t", table(49));
    expect(await m.runs("t", 44 * extent)).toBe("16x1 32x2 32x0");
    await m.fill("t", 3, 46 * extent, 3 * extent);
    expect(await m.runs("t", 44 * extent)).toBe("16x1 16x2 48x3");
    // It lies in two blocks of the three there are.
    expect(await m.poolStatus()).toMatchObject({ dataUsed: 2, dataBlocks: 3 });
    await m.reload("t", table(25));
    await m.fill("t", 4, 24 * extent, extent);
    expect(await m.runs("t", 23 * extent)).toBe("16x1 16x4");
    await m.reload("t", table(49));
    expect(await m.runs("t", 23 * extent)).toBe("16x1 16x4 320x1 16x2 48x3");
    expect(await m.runs("origin")).toBe(`${45 * extent}x1 ${2 * extent}x2`);
    await m.sound("t");
  });

  it("lvcreate-thin-external-size: a block that is larger than the origin", async () => {
    const size = 64 * 2048;
    const m = await ThinMachine.make({ blockSectors: size, dataBlocks: 4 }, { origin: 752 });
    await m.fill("origin", 1);
    await m.newThin("t", 0, 2, "/disks/origin");
    await m.fill("t", 2, 720, 64);
    expect(await m.runs("t", 712, 80)).toBe("8x1 64x2 8x0");
    expect(await m.poolStatus()).toMatchObject({ dataUsed: 1 });
    expect(await m.status("t")).toBe(`${size} ${size - 1}`);
    await m.sound("t");
  });

  it("lvcreate-thin-external: an origin is only read, and snapshots of its device need it too", async () => {
    const m = await ThinMachine.make({}, { origin: 16 * BLOCK });
    await m.fill("origin", 1);
    await m.ok(`create origin -r --table "0 ${16 * BLOCK} linear /disks/origin 0"`);
    await m.newThin("t", 0, 16, "/dev/mapper/origin");
    expect(await m.table("t")).toBe("254:0 0 254:1");
    await m.fill("t", 2, 0, 4 * BLOCK);
    await m.suspended("t", () => m.message("pool", "create_snap 1 0"));
    await m.thin("with", 1, 16, "/dev/mapper/origin");
    expect(await m.runs("with")).toBe(`${4 * BLOCK}x2 ${12 * BLOCK}x1`);
    // Writing to one of them shows in no other.
    await m.fill("with", 3, 3 * BLOCK, 2 * BLOCK);
    expect(await m.runs("t")).toBe(`${4 * BLOCK}x2 ${12 * BLOCK}x1`);
    expect(await m.runs("origin")).toBe(`${16 * BLOCK}x1`);
    expect(await m.refused("remove origin")).toContain("busy");
    await m.remove("with");
    // Without it what was never written is zeros.
    await m.thin("without", 1, 16);
    expect(await m.runs("without")).toBe(`${3 * BLOCK}x2 ${2 * BLOCK}x3 ${11 * BLOCK}x0`);
    await m.sound("without", "t");
  });

  it("lvcreate-thin-external-stack: pool upon pool upon pool", async () => {
    const m = await ThinMachine.make(
      {},
      { meta2: 8192, data2: 64 * BLOCK, meta3: 8192, data3: 64 * BLOCK },
    );
    await m.newThin("t1", 0, 16);
    await m.fill("t1", 1, 0, 8 * BLOCK);
    for (const layer of [2, 3]) {
      const pool = `pool${layer}`;
      const place = {
        metadata: `/disks/meta${layer}`,
        data: `/disks/data${layer}`,
        dataBlocks: 64,
      };
      await m.create(pool, m.poolTable(place));
      await m.message(pool, "create_thin 0");
      await m.create(`t${layer}`, `0 ${16 * BLOCK} thin ${pool} 0 t${layer - 1}`);
      await m.fill(`t${layer}`, layer, layer * BLOCK, BLOCK);
    }
    expect(await m.runs("t3")).toBe("256x1 128x2 128x3 512x1 1024x0");
    expect(await m.runs("t2")).toBe("256x1 128x2 640x1 1024x0");
    expect(await m.runs("t1")).toBe("1024x1 1024x0");
    expect((await m.poolStatus("pool3")).dataUsed).toBe(1);
    await m.remove("t3", "pool3", "t2", "pool2");
    for (const disk of ["meta2", "meta3"]) expect((await m.check(disk)).problems).toEqual([]);
    await m.sound("t1");
  });

  it("lvconvert-thin-external: a chain of origins in one pool", async () => {
    const m = await ThinMachine.make({}, { linear: 16 * BLOCK });
    await m.fill("linear", 1);
    await m.create("origin0", `0 ${16 * BLOCK} linear /disks/linear 0`);
    for (const id of [1, 2, 3]) {
      await m.newThin(`origin${id}`, id, 16, `origin${id - 1}`);
      await m.fill(`origin${id}`, 1 + id, id * BLOCK, 1);
    }
    expect(await m.runs("origin3")).toBe("128x1 1x2 127x1 1x3 127x1 1x4 1663x1");
    // Each copied a block of what was below it then.
    expect((await m.poolStatus()).dataUsed).toBe(3);
    await m.sound("origin3", "origin2", "origin1");
  });

  it("lvconvert-thin-from-thick: metadata for data that is there, with nothing copied", async () => {
    const m = new ThinMachine({ dataBlocks: 64 });
    const origin = Pattern.zeros(m, "data", BLOCK, seed);
    await origin.stamp(60);
    await m.restore(
      `<superblock uuid="" time="0" transaction="0" data_block_size="${BLOCK}" nr_data_blocks="64">
         <device dev_id="1" mapped_blocks="64" transaction="0" creation_time="0" snap_time="0">
           <range_mapping origin_begin="0" data_begin="0" length="64" time="0"/>
         </device>
       </superblock>`,
    );
    await m.createPool();
    await m.thin("t", 1);
    const thin = origin.fork("t");
    await thin.verify();
    expect(await m.poolStatus()).toMatchObject({ dataUsed: 64, dataBlocks: 64, mode: "rw" });
    await thin.stamp(30);
    await thin.verify();
    await m.sound("t");
  });

  it("lvconvert-thin-from-thick: what cannot be read cannot be read after it either", async () => {
    const m = await ThinMachine.make();
    await m.create("bad", `0 ${8 * BLOCK} error`);
    await m.create("nothing", `0 ${8 * BLOCK} zero`);
    await m.newThin("t", 0, 8, "bad");
    await m.newThin("z", 1, 8, "nothing");
    await expect(m.read("t", 0, 1)).rejects.toMatchObject({ code: "io" });
    await expect(m.fill("t", 1, 0, 8)).rejects.toMatchObject({ code: "io" });
    // A whole block needs nothing of it.
    await m.fill("t", 1, 0, BLOCK);
    expect(await m.runs("t", 0, BLOCK)).toBe("128x1");
    await m.fill("z", 2, 5, 3);
    expect(await m.runs("z", 0, BLOCK)).toBe("5x0 3x2 120x0");
    // The pool is none the worse for it.
    expect(await m.poolStatus()).toMatchObject({ mode: "rw", dataUsed: 2, needsCheck: "-" });
    await m.sound("z", "t");
  });
});
