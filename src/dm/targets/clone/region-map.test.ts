import { expect, test } from "vitest";
import { Prng } from "../../../base/prng.ts";
import { RegionMap } from "./region-map.ts";

const REGIONS = 203;
const BYTES = 32;

test("regions are hydrated, counted and found as in a plain list", () => {
  const prng = new Prng(3);
  const plain = Array.from({ length: REGIONS }, () => false);
  const stored = new Uint8Array(BYTES);
  let map = new RegionMap(REGIONS, stored.slice());
  for (let round = 0; round < 60; round += 1) {
    const from = prng.below(REGIONS);
    const to = Math.min(REGIONS, from + 1 + prng.below(20));
    const words = new Set<number>();
    for (let region = from; region < to; region += 1)
      if (plain[region] !== true) words.add(region >> 6);
    map.set(from, to);
    plain.fill(true, from, to);
    expect(map.hasChanged).toBe(words.size > 0);
    expect(map.takeChanged(stored)).toEqual([...words]);
    expect(map.hydrated).toBe(plain.filter(Boolean).length);
    const at = prng.below(REGIONS);
    const clear = plain.indexOf(false, at);
    const unlike = plain.indexOf(plain[at] !== true, at);
    expect(map.nextUnhydrated(at, REGIONS)).toBe(clear === -1 ? REGIONS : clear);
    expect(map.runEnd(at, REGIONS)).toBe(unlike === -1 ? REGIONS : unlike);
    // What was stored is all that there was.
    map = new RegionMap(REGIONS, stored.slice());
    expect(plain.map((_, region) => map.has(region))).toEqual(plain);
  }
  map.set(0, REGIONS);
  expect([map.isComplete, map.nextUnhydrated(0, REGIONS)]).toEqual([true, REGIONS]);
});
