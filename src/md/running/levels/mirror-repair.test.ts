/** What is mended after a read: nobody may take the disks away before it is over (law 7). */
import { expect, it } from "vitest";
import { CutDisks } from "../../../../test/support/cut-disks.ts";
import { settled } from "../../../../test/support/crash-disks.ts";
import { seedOfRun } from "../../../../test/support/seed.ts";
import { VirtualTime } from "../../../../test/support/virtual-time.ts";
import { createOnDisks, runArray } from "../../../../test/support/written-array.ts";
import { Prng } from "../../../base/prng.ts";
import { readSectors } from "../../../block/promises.ts";

const SEED = seedOfRun();
const DATA_OFFSET = 256;
const SECTORS = 256;

it.each([
  ["stopped", "clear"],
  ["made read-only", "readonly"],
] as const)(`a mirror is not %s while it mends a sector (seed ${SEED})`, async (_how, word) => {
  for (let turn = 0; turn < 40; turn += 1) {
    const prng = new Prng(SEED + turn);
    const request = { level: "raid1", assumeClean: true, dataOffsetSectors: DATA_OFFSET } as const;
    const made = createOnDisks(prng, 2, DATA_OFFSET + SECTORS, request);
    const images = made.map(({ bytes }) => bytes);
    const disks = new CutDisks(prng, images);
    const until = async <T>(promise: Promise<T>): Promise<T> => {
      let isOver = false;
      const over = (): void => void (isOver = true);
      promise.then(over, over);
      for (await settled(); !isOver; await settled()) disks.step();
      return promise;
    };
    const array = await until(runArray(disks.disks, new VirtualTime()));
    for (const disk of disks.disks) disk.badReads.add(DATA_OFFSET + 8);
    disks.disks[turn % 2]!.badReads.clear();
    await until(readSectors(array, 8, 8));
    await until(array.setState(word));
    expect(array.locks.entries).toBe(0);
    expect(disks.step()).toBe(false);
  }
});
