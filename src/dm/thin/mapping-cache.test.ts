import { expect, test } from "vitest";
import { Prng } from "../../base/prng.ts";
import { seedOfRun } from "../../../test/support/seed.ts";
import { MappingCache } from "./mapping-cache.ts";

test("never tells anything but what was kept last and not forgotten", () => {
  const seed = seedOfRun();
  const prng = new Prng(seed);
  const cache = new MappingCache();
  const kept = new Map<number, string>();
  let found = 0;
  // Blocks that share places, and some that are too large to be kept.
  const anyBlock = (): number => prng.below(40) + 16384 * prng.below(3) + 2 ** 31 * prng.below(2);
  for (let step = 0; step < 20_000; step += 1) {
    const block = anyBlock();
    const place = cache.find(block);
    if (place >= 0) {
      found += 1;
      const told = `${cache.dataBlockAt(place)} ${cache.timeAt(place)}`;
      expect(told, `block ${block} at step ${step}, seed ${seed}`).toBe(kept.get(block));
    }
    if (prng.below(50) === 0) {
      const to = block + prng.below(2) * 40_000 + prng.below(9);
      cache.forget(block, to);
      for (const each of kept.keys()) if (each >= block && each < to) kept.delete(each);
    } else {
      const [dataBlock, time] = [prng.below(1000), prng.below(10)];
      cache.keep(block, dataBlock, time);
      kept.set(block, `${dataBlock} ${time}`);
    }
  }
  expect(found).toBeGreaterThan(1000);
  cache.clear();
  for (const block of kept.keys()) expect(cache.find(block)).toBe(-1);
});

test("keeps all blocks of a device that is not larger", () => {
  const cache = new MappingCache();
  for (let block = 0; block < 16384; block += 1) cache.keep(block, block * 3, 1);
  for (let block = 0; block < 16384; block += 1)
    expect(cache.dataBlockAt(cache.find(block))).toBe(block * 3);
});
