/** dmtest-python's tests of snapshots of thin devices (thin/snapshot_tests.py), and of copies made by a metadata snapshot (thin_migrate). */
import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { treeOf } from "../../support/ext4.ts";
import { filledExt4 } from "../../support/ext4-image.ts";
import { openExt4 } from "../../../src/filesystems/ext4.ts";
import { peerDescribe } from "../../support/peers.ts";
import { seedOfRun } from "../../support/seed.ts";
import { testFolder } from "../../support/temp.ts";
import { Pattern } from "./pattern.ts";
import { BLOCK, ThinMachine } from "./thin-machine.ts";

const seed = seedOfRun();

describe("dmtest thin/snapshot", () => {
  it("/space-use", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 256);
    await m.fill("t", 1);
    expect((await m.poolStatus()).dataUsed).toBe(256);
    await m.snapshot("s", 1, "t", 0);
    expect((await m.poolStatus()).dataUsed).toBe(256);
    await m.fill("s", 2);
    expect((await m.poolStatus()).dataUsed).toBe(512);
    expect(await m.runs("t")).toBe(`${256 * BLOCK}x1`);
    await m.sound("s", "t");
  });

  it(`/many-snapshots-of-same-volume, seed ${seed}`, async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 64);
    const origin = Pattern.zeros(m, "t", 8, seed);
    await origin.stamp(50);
    await m.suspended("t", async () => {
      for (let id = 1; id < 200; id += 1) await m.message("pool", `create_snap ${id} 0`);
    });
    await m.thin("s", 1, 64);
    const snapshot = origin.fork("s");
    await origin.stamp(50);
    await origin.verify();
    await snapshot.verify();
    await snapshot.stamp(30);
    await snapshot.verify();
    await origin.verify();
    await m.thin("last", 199, 64);
    expect(await m.status("last")).toBe(`${64 * BLOCK} ${64 * BLOCK - 1}`);
    await m.sound("last", "s", "t");
  });

  it(`/parallel-io-to-shared-thins, seed ${seed}`, async () => {
    const m = await ThinMachine.make();
    await m.newThin("t0", 0, 64);
    const first = Pattern.zeros(m, "t0", 16, seed);
    await first.stamp(100);
    for (let id = 1; id < 6; id += 1) await m.snapshot(`t${id}`, id, "t0", 0);
    const all = [first, ...[1, 2, 3, 4, 5].map((id) => first.fork(`t${id}`))];
    await Promise.all(all.map((each) => each.stamp(60)));
    for (const each of all) await each.verify();
    await m.sound("t5", "t4", "t3", "t2", "t1", "t0");
  });

  it("/ref-count-tree", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t0", 0, 64);
    await m.fill("t0", 9);
    // Six users of a block are more than a bitmap can count.
    for (let id = 1; id < 6; id += 1) await m.snapshot(`t${id}`, id, "t0", 0);
    expect((await m.poolStatus()).dataUsed).toBe(64);
    for (let id = 0; id < 6; id += 1) await m.fill(`t${id}`, 10 + id);
    // The last one of each block writes to a copy too: who shares is told by time. What nobody maps is free.
    expect((await m.poolStatus()).dataUsed).toBe(6 * 64);
    for (let id = 0; id < 6; id += 1)
      expect(await m.runs(`t${id}`)).toBe(`${64 * BLOCK}x${10 + id}`);
    await m.sound("t5", "t4", "t3", "t2", "t1", "t0");
  });

  it(`/pattern-stomper/snap, seed ${seed}`, async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 256);
    const origin = Pattern.zeros(m, "t", BLOCK, seed);
    await origin.stamp(20);
    await m.snapshot("s", 1, "t", 0);
    const snapshot = origin.fork("s");
    await snapshot.verify();
    await snapshot.stamp(10);
    await snapshot.verify();
    await origin.verify();
    await m.sound("s", "t");
  });

  it(`/pattern-stomper/origin, seed ${seed}`, async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 256);
    const origin = Pattern.zeros(m, "t", BLOCK, seed);
    await origin.stamp(20);
    await m.snapshot("s", 1, "t", 0);
    const snapshot = origin.fork("s");
    await origin.stamp(10);
    await origin.verify();
    await snapshot.verify();
    await m.sound("s", "t");
  });

  it(`/many-snaps-with-changes, seed ${seed}`, async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 64);
    const origin = Pattern.zeros(m, "t", 16, seed);
    const kept: Pattern[] = [];
    for (let id = 1; id <= 20; id += 1) {
      await origin.stamp(10);
      await m.snapshot(`s${id}`, id, "t", 0);
      kept.push(origin.fork(`s${id}`));
    }
    await origin.verify();
    for (const each of kept) await each.verify();
    // Those in the middle go; the others keep what they have.
    for (let id = 5; id <= 15; id += 1) {
      await m.remove(`s${id}`);
      await m.message("pool", `delete ${id}`);
    }
    await origin.stamp(30);
    for (const [index, each] of kept.entries()) if (index < 4 || index > 14) await each.verify();
    await origin.verify();
    const left = [1, 2, 3, 4, 16, 17, 18, 19, 20].map((id) => `s${id}`);
    await m.sound(...left, "t");
  });

  it("/try-and-create-duplicates", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 64);
    await m.fill("t", 1);
    await m.snapshot("s", 1, "t", 0);
    // The same is written again to both: nothing finds out that it is the same.
    await m.fill("t", 1, 0, 32 * BLOCK);
    await m.fill("s", 1, 0, 32 * BLOCK);
    expect((await m.poolStatus()).dataUsed).toBe(64 + 32);
    // Written once more, neither needs another block.
    await m.fill("t", 2, 0, 32 * BLOCK);
    await m.fill("s", 3, 0, 32 * BLOCK);
    expect((await m.poolStatus()).dataUsed).toBe(64 + 32);
    await m.sound("s", "t");
  });
});

const EXT4_BYTES = 4 << 20;

function image(m: ThinMachine, from: Prng): Uint8Array {
  return filledExt4(from, EXT4_BYTES, testFolder(`thin-ext4-${m.blockSectors}`));
}

/** What a file system on a volume holds. */
function filesOf(m: ThinMachine, name: string): Promise<Map<string, string>> {
  return m.do(openExt4(m.volume(name)).then(treeOf));
}

peerDescribe(["mke2fs"], `dmtest thin/snapshot/ext4, seed ${seed},`, () => {
  it("/overwrite", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 64);
    const prng = new Prng(seed);
    await m.write("t", 0, image(m, prng));
    const first = await filesOf(m, "t");
    await m.write("t", 0, image(m, prng));
    expect(await filesOf(m, "t")).not.toEqual(first);
    expect((await m.poolStatus()).dataUsed).toBe(64);
    await m.sound("t");
  });

  it("/create-snap", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 64);
    const prng = new Prng(seed + 1);
    await m.write("t", 0, image(m, prng));
    const files = await filesOf(m, "t");
    await m.snapshot("s", 1, "t", 0);
    expect(await filesOf(m, "s")).toEqual(files);
    await m.write("s", 0, image(m, prng));
    const others = await filesOf(m, "s");
    expect(others).not.toEqual(files);
    expect(await filesOf(m, "t")).toEqual(files);
    // Both after everything was closed and opened again.
    await m.remove("s", "t", "pool");
    await m.createPool();
    await m.thin("t", 0);
    await m.thin("s", 1);
    expect(await filesOf(m, "t")).toEqual(files);
    expect(await filesOf(m, "s")).toEqual(others);
    await m.sound("s", "t");
  });

  it("/break-sharing", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 64);
    const prng = new Prng(seed + 2);
    await m.write("t", 0, image(m, prng));
    const files = await filesOf(m, "t");
    await m.snapshot("s", 1, "t", 0);
    await m.write("t", 0, image(m, prng));
    expect((await m.poolStatus()).dataUsed).toBe(128);
    expect(await filesOf(m, "s")).toEqual(files);
    await m.sound("s", "t");
  });
});
