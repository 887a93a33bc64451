import { describe, expect, test } from "vitest";
import { formatStore, commitStore, openStore } from "../../test/pdata/store.ts";
import type { Store } from "../../test/pdata/store.ts";
import { CutDisks } from "../../test/support/cut-disks.ts";
import { seedOfRun } from "../../test/support/seed.ts";
import { Prng } from "../base/prng.ts";
import { MemoryDevice } from "../devices/memory.ts";
import { METADATA_BLOCK_BYTES } from "../formats/persistent-data.ts";
import { DiskBitset } from "./bitset.ts";
import { childAt, entriesOf, getU64, isLeaf, keyAt, putU64, roomOf } from "./btree-node.ts";
import { Btree } from "./btree.ts";
import type { ValueType } from "./btree.ts";

const BLOCKS = 2048;
const DATA_BLOCKS = 40_000;

/** Values are data blocks, which are counted. */
function counted({ data: { map } }: Store): ValueType {
  const all = async (view: DataView, offset: number, count: number, by: number): Promise<void> => {
    for (let index = 0; index < count; index += 1) {
      const block = getU64(view, offset + index * 8);
      await map.prepare(block);
      map.add(block, by);
    }
  };
  return {
    bytes: 8,
    inc: ({ view }, offset, count) => all(view, offset, count, 1),
    dec: ({ view }, offset, count) => all(view, offset, count, -1),
  };
}

function valueOf(number: number): Uint8Array {
  const value = new Uint8Array(8);
  putU64(new DataView(value.buffer), 0, number);
  return value;
}

type Model = Map<number, number>;

async function contentOf(tree: Btree, root: number): Promise<Model> {
  const found: Model = new Map();
  let last = -1;
  await tree.forEach(root, (key, { view }, offset) => {
    expect(key).toBeGreaterThan(last);
    last = key;
    found.set(key, getU64(view, offset));
  });
  return found;
}

/** No node but the root has less than a third of its room used; blocks that trees use are counted once for each user. */
async function expectSound(store: Store, tree: Btree): Promise<void> {
  const users = new Map<number, number>();
  const blocks = new Map<number, number>();
  const walk = async (location: number, isRoot: boolean): Promise<void> => {
    users.set(location, (users.get(location) ?? 0) + 1);
    if (users.get(location)! > 1) return;
    const node = await tree.read(location);
    if (!isRoot) expect(entriesOf(node)).toBeGreaterThanOrEqual(roomOf(node) / 3);
    for (let index = 0; index < entriesOf(node); index += 1) {
      const child = childAt(node, index);
      if (isLeaf(node)) blocks.set(child, (blocks.get(child) ?? 0) + 1);
      else {
        const below = await tree.read(child);
        expect(keyAt(below, 0)).toBeGreaterThanOrEqual(keyAt(node, index));
        await walk(child, false);
      }
    }
  };
  for (const root of store.roots) await walk(root, true);
  for (const [location, count] of users) expect(store.metadata.map.count(location)).toBe(count);
  expect(store.data.map.allocated).toBe(blocks.size);
  for (const [block, count] of blocks) {
    await store.data.map.prepare(block);
    expect(store.data.map.count(block)).toBe(count);
  }
}

/** One random change of one of the trees, here and in its model. */
async function change(store: Store, tree: Btree, models: Model[], prng: Prng): Promise<void> {
  const which = prng.below(models.length);
  const model = models[which]!;
  const kind = prng.below(100);
  if (kind < 60) {
    let key = prng.below(3000);
    for (let run = prng.below(30); run >= 0; run -= 1, key += 1) {
      const block = await store.data.map.reserve();
      if (block === null) return;
      store.data.map.take(block);
      store.roots[which] = await tree.insert(store.roots[which]!, key, valueOf(block));
      model.set(key, block);
    }
  } else if (kind < 75) {
    const key = prng.pick([...model.keys(), 5]);
    const after = await tree.remove(store.roots[which]!, key);
    expect(after !== null).toBe(model.delete(key));
    store.roots[which] = after ?? store.roots[which]!;
  } else if (kind < 85) {
    const from = prng.below(3000);
    const to = from + prng.below(600) + 1;
    for (;;) {
      const { root, removed } = await tree.removeSome(store.roots[which]!, from, to);
      store.roots[which] = root;
      if (removed === 0) break;
    }
    for (const key of model.keys()) if (key >= from && key < to) model.delete(key);
  } else if (kind < 90 && models.length < 6) {
    store.transaction.inc(store.roots[which]!);
    store.roots.push(store.roots[which]!);
    models.push(new Map(model));
  } else if (kind < 93 && models.length > 1) {
    await tree.delete(store.roots[which]!);
    store.roots.splice(which, 1);
    models.splice(which, 1);
  }
}

describe("trees and space maps", () => {
  test("are what a model says, shared and not, whatever is put in and taken out", async () => {
    const prng = new Prng(seedOfRun());
    const disk = new MemoryDevice({ name: "meta", sectors: BLOCKS * 8 });
    let store = formatStore(disk, DATA_BLOCKS);
    let tree = new Btree(store.transaction, counted(store));
    store.roots = [tree.empty()];
    const models: Model[] = [new Map()];
    for (let round = 0; round < 25; round += 1) {
      for (let count = 0; count < 20; count += 1) await change(store, tree, models, prng);
      await commitStore(store);
      if (prng.below(2) === 0) {
        store = await openStore(disk);
        tree = new Btree(store.transaction, counted(store));
      }
      for (const [index, model] of models.entries()) {
        const root = store.roots[index]!;
        expect(await contentOf(tree, root)).toEqual(
          new Map([...model].toSorted(([a], [b]) => a - b)),
        );
        const key = prng.below(4000);
        const keys = [...model.keys()].toSorted((a, b) => a - b);
        expect((await tree.next(root, key))?.key).toBe(keys.find((each) => each >= key));
        expect(await tree.last(root)).toBe(keys.at(-1) ?? null);
      }
      await expectSound(store, tree);
    }
  });

  test("give no room twice, and say when there is none", async () => {
    const disk = new MemoryDevice({ name: "meta", sectors: 16 * 8 });
    const store = formatStore(disk, 3);
    const seen = new Set<number>();
    for (let count = 0; count < 3; count += 1) seen.add((await store.data.map.reserve())!);
    expect(seen.size).toBe(3);
    expect(await store.data.map.reserve()).toBeNull();
    const tree = new Btree(store.transaction, { bytes: 8 });
    expect(() => {
      for (;;) tree.empty();
    }).toThrow("No metadata block is free of 16.");
  });

  test("do not use again what the last commit uses", async () => {
    const disk = new MemoryDevice({ name: "meta", sectors: 64 * 8 });
    const store = formatStore(disk, 2);
    const first = (await store.data.map.reserve())!;
    store.data.map.take(first);
    await commitStore(store);
    store.data.map.add(first, -1);
    expect(await store.data.map.reserve()).not.toBe(first);
    expect(await store.data.map.reserve()).toBeNull();
    await commitStore(store);
    expect(await store.data.map.reserve()).toBe(first);
  });

  test("are the last commit or the one under way after a cut anywhere", async () => {
    const seed = seedOfRun();
    for (let run = 0; run < 40; run += 1) {
      const prng = new Prng(seed + run);
      const size = 600 * METADATA_BLOCK_BYTES;
      const disks = new CutDisks(prng, [new Uint8Array(size)]);
      const store = formatStore(disks.disks[0]!, DATA_BLOCKS);
      const tree = new Btree(store.transaction, counted(store));
      store.roots = [tree.empty()];
      const models: Model[] = [new Map()];
      const committed: Model[][] = [];
      let isOver = false;
      const work = async (): Promise<void> => {
        for (let round = 0; round < 4; round += 1) {
          const copy = models.map((model) => new Map(model));
          committed.push(copy);
          await commitStore(store);
          for (let count = 0; count < 6; count += 1) await change(store, tree, models, prng);
        }
        isOver = true;
      };
      void work();
      const cutAt = 8 + prng.below(150);
      for (let steps = 0; steps < cutAt && !isOver;) {
        await new Promise((resolve) => setImmediate(resolve));
        if (disks.step()) steps += 1;
      }
      const [image] = disks.cut(new Prng(seed + run + 1000));
      const after = new CutDisks(prng, [image!]);
      const pump = setInterval(() => {
        while (after.step()) continue;
      }, 0);
      const opened = await openStore(after.disks[0]!).catch(() => null);
      if (opened !== null) {
        const again = new Btree(opened.transaction, counted(opened));
        await expectSound(opened, again);
        const contents: Model[] = [];
        for (const root of opened.roots) contents.push(await contentOf(again, root));
        const sorted = (all: Model[]): string =>
          JSON.stringify(all.map((model) => [...model].toSorted(([a], [b]) => a - b)));
        const candidates = committed.slice(-2).map(sorted);
        expect(candidates, `seed ${seed + run}`).toContain(sorted(contents));
      } else expect(committed.length, `seed ${seed + run}`).toBe(1);
      clearInterval(pump);
    }
  });

  test("hold bits, and more of them later", async () => {
    const prng = new Prng(seedOfRun());
    const disk = new MemoryDevice({ name: "meta", sectors: BLOCKS * 8 });
    const store = formatStore(disk, 1);
    const bits = new DiskBitset(store.transaction);
    let root = await bits.make(70_000);
    const model = new Uint8Array(Math.ceil(90_000 / 64) * 8);
    const setRandom = async (below: number): Promise<void> => {
      for (let count = 0; count < 50; count += 1) {
        const bit = prng.below(below);
        model[bit >> 3]! |= 1 << (bit & 7);
        root = await bits.setWord(root, Math.floor(bit / 64), model);
      }
    };
    await setRandom(70_000);
    store.roots = [root];
    await commitStore(store);
    root = await bits.grow(root, 70_000, 90_000);
    await setRandom(90_000);
    store.roots = [root];
    await commitStore(store);
    const again = await openStore(disk);
    const found = await new DiskBitset(again.transaction).load(again.roots[0]!, 90_000);
    expect(found).toEqual(model);
    await expect(bits.load(root, 95_000)).rejects.toThrow("were expected");
  });
});
