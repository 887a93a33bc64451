/** Tables of another length over the same superblocks: what is there stays, what is new is synced, and a cut finds one length or the other. */
import { describe, expect, test } from "vitest";
import { DmCutWorld } from "../../../../test/support/dm-cut-world.ts";
import { seedOfRun } from "../../../../test/support/seed.ts";
import { Prng } from "../../../base/prng.ts";
import { readSectors } from "../../../block/promises.ts";
import { bitmapSuper } from "../../../formats/md/bitmap.ts";
import { decodeDmRaid } from "../../../formats/dm-raid.ts";
import type { MappedDevice } from "../../mapped-device.ts";

const META = 64;
const DATA = 4096;
const SEED = seedOfRun();
const IDLE = /(\d+)\/\1 idle/;

interface Kind {
  readonly words: string;
  readonly devices: number;
  /** Array sectors for each sector of a device. */
  readonly width: number;
  readonly missing: number;
}

const KINDS: readonly Kind[] = [
  { words: "raid1 3 0 region_size 64", devices: 2, width: 1, missing: 0 },
  { words: "raid1 1 0", devices: 3, width: 1, missing: 2 },
  { words: "raid4 3 16 region_size 64", devices: 3, width: 2, missing: 1 },
  { words: "raid5_ls 3 16 region_size 64", devices: 3, width: 2, missing: 2 },
  { words: "raid6_zr 3 16 region_size 64", devices: 5, width: 3, missing: 0 },
  { words: "raid10 3 16 region_size 64", devices: 4, width: 2, missing: 3 },
  { words: "raid10 5 16 raid10_format offset region_size 64", devices: 4, width: 2, missing: 0 },
];

function tableOf({ words, devices, width }: Kind, component: number, missing = -1): string {
  const pairs = Array.from({ length: devices }, (_unused, index) =>
    index === missing ? "- -" : `./${index * 2} ./${index * 2 + 1}`,
  );
  return `0 ${component * width} raid ${words} ${devices} ${pairs.join(" ")}`;
}

/** Data devices with rubbish on them: what is not synced differs. */
function world({ devices }: Kind, seed = SEED): DmCutWorld {
  const prng = new Prng(seed);
  return new DmCutWorld(
    prng,
    Array.from({ length: devices * 2 }, (_unused, disk) => {
      const bytes = new Uint8Array((disk % 2 === 0 ? META : DATA) * 512);
      if (disk % 2 === 1) prng.fill(bytes);
      return bytes;
    }),
  );
}

function pattern(sectors: number, value: number): Uint8Array {
  return new Uint8Array(sectors * 512).fill(value);
}

async function sizeOnDisk(at: DmCutWorld, index: number): Promise<[bigint, bigint, bigint]> {
  const found = decodeDmRaid(await at.until(readSectors(at.disk(index * 2), 0, 1)));
  if (found.kind !== "ok") throw new Error("no superblock");
  const bitmap = bitmapSuper.decode(await at.until(readSectors(at.disk(index * 2), 8, 1)));
  return [found.superblock.sectors, found.superblock.arraySectors, bitmap.syncSize];
}

async function remove(at: DmCutWorld, device: MappedDevice): Promise<void> {
  await at.until(at.mapped.remove(device, { deferred: false }));
}

describe(`a raid set of another length, seed ${SEED}`, () => {
  test.for(KINDS)("$words grows: the old part stays, the new part is made alike", async (kind) => {
    const at = world(kind);
    const device = await at.make("v", tableOf(kind, 1024));
    await at.untilStatus(device, IDLE);
    const old = pattern(1024 * kind.width, 5);
    await at.write(device, 0, old);
    await at.pass(30_000);
    await at.swap(device, tableOf(kind, 3072));
    const size = kind.words.startsWith("raid10") ? 3072 * kind.width : 3072;
    const from = (size / 3072) * 1024;
    const begun = await at.status(device);
    expect(begun).toContain(` ${"A".repeat(kind.devices)} ${from}/${size} repair 0 0 -`);
    await at.untilStatus(device, IDLE);
    expect(await sizeOnDisk(at, 1)).toEqual([3072n, BigInt(3072 * kind.width), BigInt(size)]);
    await at.until(at.mapped.message(device, 0, ["check"]));
    expect(await at.untilStatus(device, IDLE)).toContain(" idle 0 0 -");
    const whole = await at.content(device, 3072 * kind.width);
    expect(Buffer.compare(whole.subarray(0, old.length), old)).toBe(0);
    await remove(at, device);
    const without = await at.make("w", tableOf(kind, 3072, kind.missing));
    expect(Buffer.compare(await at.content(without, 3072 * kind.width), whole)).toBe(0);
  });

  test.for(KINDS)("$words shrinks, and what is behind its end is let go of", async (kind) => {
    const at = world(kind);
    const device = await at.make("v", tableOf(kind, 2048));
    await at.untilStatus(device, IDLE);
    const data = pattern(2048 * kind.width, 6);
    await at.write(device, 0, data);
    await at.swap(device, tableOf(kind, 512));
    expect(await at.status(device)).toMatch(/(\d+)\/\1 idle 0 0 -$/);
    expect((await sizeOnDisk(at, 0)).slice(0, 2)).toEqual([512n, BigInt(512 * kind.width)]);
    expect(
      Buffer.compare(
        await at.content(device, 512 * kind.width),
        data.subarray(0, 512 * 512 * kind.width),
      ),
    ).toBe(0);
    await at.write(device, 8, pattern(8, 9));
    await remove(at, device);
    const again = await at.make("v", tableOf(kind, 512, kind.missing));
    const read = await at.content(again, 24);
    expect([read[0], read[8 * 512], read[16 * 512]]).toEqual([6, 9, 6]);
  });

  test.for(KINDS)("$words is cut while it grows, and finds both parts", async (kind) => {
    for (let steps = 2; steps < 60; steps += 7) {
      const at = world(kind, SEED + steps);
      const device = await at.make("v", tableOf(kind, 512));
      await at.untilStatus(device, IDLE);
      const old = pattern(512 * kind.width, 7);
      await at.write(device, 0, old);
      await at.pass(30_000);
      at.swap(device, tableOf(kind, 1024)).catch(() => {});
      await at.steps(steps);
      const later = at.cut();
      // Either length may come next.
      if (steps % 2 === 1) {
        const short = await later.make("v", tableOf(kind, 512));
        await later.untilStatus(short, IDLE);
        expect(Buffer.compare(await later.content(short, old.length / 512), old)).toBe(0);
        await remove(later, short);
      }
      const again = await later.make("v", tableOf(kind, 1024));
      await later.untilStatus(again, IDLE);
      const whole = await later.content(again, 1024 * kind.width);
      expect(Buffer.compare(whole.subarray(0, old.length), old)).toBe(0);
      await remove(later, again);
      const without = await later.make("w", tableOf(kind, 1024, kind.missing));
      expect(Buffer.compare(await later.content(without, 1024 * kind.width), whole)).toBe(0);
    }
  });

  test("with nosync nothing new is synced", async () => {
    const kind = { words: "raid1 4 0 nosync region_size 64", devices: 2, width: 1, missing: 0 };
    const at = world(kind);
    const device = await at.make("v", tableOf(kind, 1024));
    await at.swap(device, tableOf(kind, 2048));
    expect(await at.status(device)).toBe("0 2048 raid raid1 2 AA 2048/2048 idle 0 0 -");
    expect(await sizeOnDisk(at, 0)).toEqual([2048n, 2048n, 2048n]);
  });

  test("other regions keep what is dirty", async () => {
    const kind = (region: number): Kind => ({
      words: `raid1 3 0 region_size ${region}`,
      devices: 2,
      width: 1,
      missing: 0,
    });
    const at = world(kind(64));
    const device = await at.make("v", tableOf(kind(64), 2048));
    await at.untilStatus(device, IDLE);
    await at.pass(30_000);
    await remove(at, device);
    // One copy misses a write.
    const alone = await at.make("v", tableOf(kind(64), 2048, 1));
    await at.write(alone, 1000, pattern(8, 8));
    await remove(at, alone);
    const back = await at.make("v", tableOf(kind(16), 2048));
    expect(back.live!.table()[0]).toContain(" region_size 16 ");
    await at.untilStatus(back, IDLE);
    expect(Buffer.compare(await at.until(readSectors(at.disk(3), 1000, 8)), pattern(8, 8))).toBe(0);
  });

  test("a length that would need more than that is refused by name", async () => {
    const far = { words: "raid10 5 16 raid10_format far region_size 64", devices: 4, width: 2 };
    const kind = { ...far, missing: 0 };
    const at = world(kind);
    const device = await at.make("v", tableOf(kind, 1024));
    await at.untilStatus(device, IDLE);
    await expect(at.swap(device, tableOf(kind, 2048))).rejects.toThrow(
      "raid: the set uses 1024 sectors of each device and not 2048: where the second copies of a raid10_far lie depends on that, and they are not moved.",
    );
    const six: Kind = KINDS[4]!;
    const other = world(six);
    const whole = await other.make("v", tableOf(six, 1024));
    await other.untilStatus(whole, IDLE);
    await remove(other, whole);
    await expect(other.make("w", tableOf(six, 2048, 0))).rejects.toThrow(
      "a raid6 that lacks a device is not made longer",
    );
  });
});
