import { expect, test } from "vitest";
import type { Bio } from "../../../block/bio.ts";
import { FaultyDevice } from "../../../devices/faulty.ts";
import { MemoryDevice } from "../../../devices/memory.ts";
import { Copier } from "./copier.ts";

const MIB_SECTORS = 2048;

function disk(name: string): FaultyDevice {
  return new FaultyDevice(new MemoryDevice({ name, sectors: 64 * MIB_SECTORS }));
}

/** Copies whose reads wait. */
function rig(): { copier: Copier; reads: Bio[]; ended: number[]; go: () => void } {
  const source = disk("source");
  const reads: Bio[] = [];
  source.hold((bio) => {
    reads.push(bio);
    return true;
  });
  const go = (): void => reads.shift()?.end(null);
  return { copier: new Copier(source, disk("dest")), reads, ended: [], go };
}

test("many small copies are under way at a time, and few large ones; all of them end", () => {
  for (const [sectors, most] of [
    [8, 32],
    [MIB_SECTORS, 8],
    [3 * MIB_SECTORS, 8],
  ] as const) {
    const { copier, reads, ended, go } = rig();
    for (let copy = 0; copy < 40; copy += 1)
      copier.copy(copy * 8, sectors, (error) => {
        expect(error).toBeNull();
        ended.push(copy);
      });
    expect(reads).toHaveLength(most);
    expect(copier.hasRoom).toBe(false);
    while (reads.length > 0) {
      expect(reads.length).toBeLessThanOrEqual(most);
      go();
    }
    expect(ended.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, copy) => copy));
    expect(copier.hasRoom).toBe(true);
  }
});

test("the room of a large copy is enough for several small ones", () => {
  const { copier, reads, go } = rig();
  for (let copy = 0; copy < 8; copy += 1) copier.copy(0, MIB_SECTORS, () => {});
  for (let copy = 0; copy < 40; copy += 1) copier.copy(0, 8, () => {});
  go();
  expect(reads).toHaveLength(7 + 25);
});
