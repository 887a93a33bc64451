/** lvm2's tests of thin devices below, above and beside others: snapshots of snapshots, merges, moves, raid below a pool. */
import { describe, expect, it } from "vitest";
import { writeSectors } from "../../../src/block/promises.ts";
import { seedOfRun } from "../../support/seed.ts";
import { Pattern } from "./pattern.ts";
import { BLOCK, ThinMachine } from "./thin-machine.ts";

const seed = seedOfRun();

describe(`lvm2, seed ${seed},`, () => {
  it("lvcreate-thin-snap: a snapshot of a snapshot of a snapshot, and one that is only read", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t0", 0, 64);
    const patterns = [Pattern.zeros(m, "t0", BLOCK, seed)];
    await patterns[0]!.stamp(60);
    await m.suspended("t0", () => m.message("pool", "create_snap 9 0"));
    await m.ok(`create ro -r --table "0 ${64 * BLOCK} thin pool 9"`);
    const kept = patterns[0]!.fork("ro");
    for (let id = 1; id <= 4; id += 1) {
      await m.snapshot(`t${id}`, id, `t${id - 1}`, id - 1);
      patterns.push(patterns.at(-1)!.fork(`t${id}`));
      await patterns.at(-1)!.stamp(15);
    }
    for (const pattern of [...patterns, kept]) await pattern.verify();
    await expect(m.fill("ro", 1, 0, 1)).rejects.toMatchObject({ code: "read-only" });
    // The middle of the chain goes.
    await m.remove("t2");
    await m.message("pool", "delete 2");
    for (const at of [0, 1, 3, 4]) await patterns[at]!.stamp(15);
    for (const at of [0, 1, 3, 4]) await patterns[at]!.verify();
    await kept.verify();
    await m.sound("t4", "t3", "t1", "ro", "t0");
  });

  it("thin-merge: a device gets its snapshot's content by taking its number, once nobody has it open", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 1, 64);
    const before = Pattern.zeros(m, "t", BLOCK, seed);
    await before.stamp(50);
    await m.snapshot("snap", 2, "t", 1);
    const snapshot = before.fork("snap");
    await before.stamp(50);
    const close = m.hold("snap");
    expect(await m.refused("remove snap")).toContain("busy");
    expect(await m.refused("message pool 0 delete 2")).toContain("busy");
    close();
    await m.remove("snap");
    await m.reload("t", `0 ${64 * BLOCK} thin pool 2`);
    expect(await m.table("t")).toBe("254:0 2");
    await snapshot.fork("t").verify();
    await m.message("pool", "delete 1");
    await m.remove("t", "pool");
    expect((await m.dump()).filter((line) => line.startsWith("<device "))).toHaveLength(1);
    expect((await m.check()).problems).toEqual([]);
  });

  it("snapshot-merge-thin: an old snapshot of a thin device is merged into it", async () => {
    const m = await ThinMachine.make({}, { cow: 64 * BLOCK });
    const sectors = 16 * BLOCK;
    await m.newThin("real", 0, 16);
    await m.fill("real", 1);
    await m.create("cow", `0 ${64 * BLOCK} linear /disks/cow 0`);
    await m.create("t", `0 ${sectors} snapshot-origin real`);
    await m.create("snap", `0 ${sectors} snapshot real cow P 8`);
    await m.fill("snap", 2, 8 * BLOCK, 8 * BLOCK);
    await m.fill("t", 3, 0, BLOCK);
    expect(await m.runs("snap")).toBe("1024x1 1024x2");
    await m.remove("snap");
    await m.reload("t", `0 ${sectors} snapshot-merge real cow P 8`);
    await m.pass(60_000);
    expect(await m.runs("t")).toBe("1024x1 1024x2");
    const [used = "", meta = ""] = (await m.status("t")).split(" ");
    expect(used.split("/")[0]).toBe(meta);
    await m.reload("t", `0 ${sectors} linear real 0`);
    expect(await m.runs("t")).toBe("1024x1 1024x2");
    expect(await m.status("real")).toBe(`${sectors} ${sectors - 1}`);
    await m.sound("t", "real");
  });

  it("pvmove-thin-segtypes: data and metadata are moved to other disks below a pool in use", async () => {
    const m = new ThinMachine(
      { metadata: "tmeta", data: "tdata", dataBlocks: 64 },
      { other: 16_384, more: 64 * BLOCK },
    );
    await m.create("tmeta", "0 16384 linear /disks/meta 0");
    await m.create("tdata", `0 ${64 * BLOCK} linear /disks/data 0`);
    await m.createPool();
    await m.newThin("t", 0, 64);
    const pattern = Pattern.zeros(m, "t", BLOCK, seed);
    await pattern.stamp(50);
    const move = async (name: string, from: string, to: string): Promise<void> => {
      const { sectors } = m.volume(name);
      await m.reload(name, `0 ${sectors} mirror core 1 128 2 ${from} 0 ${to} 0`);
      await pattern.stamp(10);
      await m.pass(60_000);
      expect(await m.status(name)).toMatch(/ (\d+)\/\1 /);
      await m.reload(name, `0 ${sectors} linear ${to} 0`);
      m.disk(from.replace("/disks/", "")).vanish();
    };
    await move("tdata", "/disks/data", "/disks/more");
    await pattern.stamp(10);
    await move("tmeta", "/disks/meta", "/disks/other");
    await pattern.stamp(10);
    await pattern.verify();
    expect(await m.poolStatus()).toMatchObject({ mode: "rw", needsCheck: "-" });
    await m.remove("t", "pool");
    expect((await m.check("other")).problems).toEqual([]);
  });

  it("lvconvert-thin-raid, lvextend-thin-raid: a pool upon raid1 loses a disk of each and notices nothing", async () => {
    const disk = 128 * BLOCK;
    const m = new ThinMachine(
      { metadata: "tmeta", data: "tdata", dataBlocks: 32 },
      { m0: 8192, m1: 8192, d0: disk, d1: disk, r0: 1024, r1: 1024, s0: 1024, s1: 1024 },
    );
    const raid = "raid raid1 2 0 nosync 2";
    await m.create("tmeta", `0 4096 ${raid} /disks/r0 /disks/m0 /disks/r1 /disks/m1`);
    await m.create("tdata", `0 ${64 * BLOCK} ${raid} /disks/s0 /disks/d0 /disks/s1 /disks/d1`);
    await m.createPool();
    await m.newThin("t", 0, 64);
    const pattern = Pattern.zeros(m, "t", BLOCK, seed);
    await pattern.stamp(20);
    for (const name of ["m0", "r0", "d1", "s1"]) m.disk(name).vanish();
    await pattern.stamp(20);
    await m.flush("t");
    await pattern.verify();
    expect(await m.status("tmeta")).toContain(" DA ");
    expect(await m.status("tdata")).toContain(" AD ");
    await m.changePool({ dataBlocks: 64 });
    expect(await m.poolStatus()).toMatchObject({ mode: "rw", dataBlocks: 64, needsCheck: "-" });
    await pattern.stamp(50);
    await pattern.verify();
    await m.remove("t", "pool");
    expect((await m.check("tmeta")).problems).toEqual([]);
  });

  it("thin-volume-list: without its pool no device is there, and a pool in use stays", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0);
    expect(await m.refused("remove pool")).toContain("busy");
    expect(await m.refused('load pool --table "0 1024 linear /disks/data 0"')).toContain(
      "thin-pool",
    );
    m.addDisk("other", 1024 * BLOCK);
    const moved = m.poolTable({ data: "/disks/other" });
    expect(await m.refused(`load pool --table "${moved}"`)).toContain("another device");
    m.addDisk("meta2", 8192);
    const other = m.poolTable({ metadata: "/disks/meta2" });
    expect(await m.refused(`load pool --table "${other}"`)).toContain("another pool");
    expect(await m.refused(`create again --table "${m.poolTable()}"`)).toContain("busy");
    expect(await m.runs("meta2", 0, 8)).toBe("8x0");
    await m.fill("t", 1);
    await m.remove("t", "pool");
    expect(await m.refused('create t --table "0 8192 thin pool 0"')).toContain("pool");
    await m.createPool();
    await m.thin("t", 0);
    expect(await m.runs("t")).toBe("8192x1");
    await m.sound("t");
  });

  it("thin-volume-list: behind a table of errors a pool keeps its devices until it has its own table again", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0);
    await m.fill("t", 1);
    await m.reload("pool", `0 ${1024 * BLOCK} error`);
    const write = writeSectors(m.volume("t"), 0, new Uint8Array(BLOCK * 512).fill(2));
    await m.settle();
    expect(await m.ok("status pool")).toBe(`0 ${1024 * BLOCK} error`);
    await m.reload("pool", m.poolTable());
    await m.do(write);
    expect(await m.runs("t")).toBe("128x2 8064x1");
    expect((await m.poolStatus()).dataUsed).toBe(64);
    await m.sound("t");
  });
});
