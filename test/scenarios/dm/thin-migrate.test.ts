/** dmtest-python's tests of thin_migrate: a device is copied block by block while its origin is used, by what a metadata snapshot says of it. */
import { describe, expect, it } from "vitest";
import { readThinSuperblock } from "../../../src/dm/thin/metadata-store.ts";
import { BlockCache } from "../../../src/pdata/block-cache.ts";
import { entriesOf, getU64, keyAt, valueOffset } from "../../../src/pdata/btree-node.ts";
import { walkTree } from "../../../src/pdata/walk.ts";
import { seedOfRun } from "../../support/seed.ts";
import { Pattern } from "./pattern.ts";
import { BLOCK, ThinMachine } from "./thin-machine.ts";

const seed = seedOfRun();

/** Keys of a tree, and their values. */
async function entries(m: ThinMachine, root: number): Promise<Map<number, number>> {
  const found = new Map<number, number>();
  const walk = walkTree(
    {
      cache: new BlockCache(m.volume("meta")),
      valueBytes: 8,
      enter: () => true,
      leaf: (node) => {
        for (let index = 0; index < entriesOf(node); index += 1)
          found.set(keyAt(node, index), getU64(node.view, valueOffset(node, index)));
      },
      lost: ({ why }) => {
        throw new Error(why);
      },
    },
    root,
  );
  await m.do(walk);
  return found;
}

/** Copies what is mapped of a device, by the trees of the pool's metadata snapshot. */
async function migrate(m: ThinMachine, id: number, from: string, to: string): Promise<void> {
  const { held } = await m.poolStatus();
  const { dataMappingRoot } = await m.do(readThinSuperblock(m.volume("meta"), Number(held)));
  const root = (await entries(m, dataMappingRoot)).get(id)!;
  const size = m.blockSectors;
  for (const block of (await entries(m, root)).keys())
    await m.write(to, block * size, await m.read(from, block * size, size));
}

describe(`dmtest thin_migrate/migrate, seed ${seed},`, () => {
  it.each([
    ["/thin_to_thin", BLOCK, 64],
    ["/large_block_size", 16 * BLOCK, 16],
  ])("%s", async (_name, blockSectors, blocks) => {
    const m = await ThinMachine.make({ blockSectors, dataBlocks: 256 });
    await m.newThin("t", 0, blocks);
    const source = Pattern.zeros(m, "t", blockSectors, seed);
    await source.stamp(40);
    await m.suspended("t", () => m.message("pool", "create_snap 1 0"));
    await m.ok(`create snap -r --table "0 ${blocks * blockSectors} thin pool 1"`);
    await m.newThin("copy", 2, blocks);
    const snapshot = source.fork("snap");
    await m.message("pool", "reserve_metadata_snap");
    expect(await m.refused("message pool 0 reserve_metadata_snap")).toContain("busy");
    const mapped = await m.status("snap");
    // Meanwhile the origin is written.
    await source.stamp(40);
    await migrate(m, 1, "snap", "copy");
    await m.message("pool", "release_metadata_snap");
    expect(await m.refused("message pool 0 release_metadata_snap")).toContain(
      "no metadata snapshot",
    );
    await snapshot.fork("copy").verify();
    await source.verify();
    expect(await m.status("copy")).toBe(mapped);
    await m.sound("copy", "snap", "t");
  });
});
