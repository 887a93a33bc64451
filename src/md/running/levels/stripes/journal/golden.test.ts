/** Journals that a kernel left behind, replayed for writing: the members end as they do when the kernel replays them. */
import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../../../../../test/support/array-device.ts";
import { CrashDisks } from "../../../../../../test/support/crash-disks.ts";
import { goldenCase, sha256, unpackImage } from "../../../../../../test/support/golden.ts";
import { seedOfRun } from "../../../../../../test/support/seed.ts";
import { VirtualTime } from "../../../../../../test/support/virtual-time.ts";
import { runArray } from "../../../../../../test/support/written-array.ts";
import { Prng } from "../../../../../base/prng.ts";
import { readSectors } from "../../../../../block/promises.ts";

const SEED = seedOfRun();
const NAMES = ["clean", "writethrough", "writeback"].map((name) => `journal-raid5-3-${name}`);

function disksOf(name: string): ArrayDevice[] {
  const golden = goldenCase(name);
  return golden.members.map((_member, index) => diskOf(index, unpackImage(golden, index)));
}

function diskOf(index: number, image: Uint8Array): ArrayDevice {
  const device = new ArrayDevice(image.length / 512, {}, `d${index}`);
  device.bytes.set(image);
  return device;
}

/** All that is written to get an array with this journal ready for writing, and stopped. */
async function replayed(
  images: readonly Uint8Array[],
): Promise<{ disks: CrashDisks; log: CrashDisks["log"] }> {
  const disks = new CrashDisks(images);
  let isOver = false;
  const work = runArray(disks.disks, new VirtualTime())
    .then((array) => array.close())
    .finally(() => (isOver = true));
  while (!isOver) await disks.pump();
  await work;
  return { disks, log: disks.log };
}

function expectedOf(name: string): string {
  return goldenCase(name).views.at(-1)!.volumes["volume"]!.sha256;
}

async function volumeOf(
  disks: readonly ArrayDevice[],
  mode: "read-only" | "read-write",
): Promise<string> {
  const array = await runArray(disks, new VirtualTime(), { mode });
  const data = await readSectors(array, 0, array.sectors);
  await array.close();
  return sha256(data);
}

const writes = (disk: ArrayDevice): number => disk.seen.filter(({ op }) => op === "write").length;

describe.each(NAMES)("%s", (name) => {
  it("is shown over the members of an array that is not written, and stays", async () => {
    const disks = disksOf(name);
    expect(await volumeOf(disks, "read-only")).toBe(expectedOf(name));
    expect(disks.map(writes)).toEqual([0, 0, 0, 0]);
  });

  it("is on the members before the array is written, and then the log is empty", async () => {
    const disks = disksOf(name);
    expect(await volumeOf(disks, "read-write")).toBe(expectedOf(name));
    for (const disk of disks) disk.seen.length = 0;
    expect(await volumeOf(disks, "read-write")).toBe(expectedOf(name));
    const isData = ({ op, sector }: { op: string; sector: number }): boolean =>
      op === "write" && sector >= 2048;
    expect(disks.slice(0, 3).map((disk) => disk.seen.filter(isData).length)).toEqual([0, 0, 0]);
  });

  it.each([0, 1, 2])("makes up for the loss of member %s afterwards", async (lost) => {
    const disks = disksOf(name);
    await volumeOf(disks, "read-write");
    const left = disks.filter((_disk, index) => index !== lost);
    expect(await volumeOf(left, "read-write")).toBe(expectedOf(name));
  });

  it.each([0, 1, 2])("is replayed without member %s", async (lost) => {
    const left = disksOf(name).filter((_disk, index) => index !== lost);
    expect(await volumeOf(left, "read-write")).toBe(expectedOf(name));
    expect(await volumeOf(left, "read-write")).toBe(expectedOf(name));
  });

  it(`is replayed rightly after power cuts in the middle of that, without a member, seed ${SEED}`, async () => {
    const prng = new Prng(SEED);
    const { disks, log } = await replayed(disksOf(name).map(({ bytes }) => bytes));
    for (let cuts = 0; cuts < 8; cuts += 1) {
      const cut = prng.below(log.length + 1);
      const lost = prng.below(3);
      const { certain } = disks.at(cut);
      const images = disks.imagesWith(cut, (write) => certain.has(write) || prng.chance(0.5));
      const left = images.flatMap((image, index) => (index === lost ? [] : [diskOf(index, image)]));
      const found = await volumeOf(left, "read-write");
      expect(found, `cut ${cut} of ${log.length}, without ${lost}`).toBe(expectedOf(name));
    }
  });
});
