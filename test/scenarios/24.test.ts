/** mdadm's tests 24*: nothing waits for ever, whatever is done to an array that is written to. */
import { describe, expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { readSectors, writeSectors } from "../../src/block/promises.ts";
import { randomBytes } from "../support/bytes.ts";
import { Machine } from "./machine.ts";

/** Starts writes of a few sectors all over the volume; what each ends with. */
function writeAround(m: Machine, chance: Prng, count: number): Promise<string>[] {
  const volume = m.volume();
  return Array.from({ length: count }, () => {
    const sector = chance.below(Math.floor(volume.sectors / 8) - 1) * 8;
    return writeSectors(volume, sector, randomBytes(chance, 4096)).then(
      () => "written",
      () => "refused",
    );
  });
}

describe("24raid10deadlock", () => {
  it("writes end while members fail, leave and come back, and syncs are stopped and started", async () => {
    const m = new Machine();
    const chance = new Prng(24);
    await m.ok("-CR $md0 -l10 -n4 --assume-clean --size 4096 $*3");
    let ended = 0;
    for (let round = 0; round < 12; round += 1) {
      const victim = round % 2;
      const writes = writeAround(m, chance, 16);
      await m.ok(`$md0 --fail $${victim}`);
      await m.setSysfs("sync_action", "frozen");
      writes.push(...writeAround(m, chance, 16));
      await m.setSysfs("sync_action", "idle");
      await m.ok(`$md0 --remove $${victim}`);
      await m.ok(`--zero-superblock $${victim}`);
      await m.ok(`$md0 --add $${victim}`);
      writes.push(...writeAround(m, chance, 16));
      const results = await m.do(Promise.all(writes));
      ended += results.filter((result) => result === "written").length;
      await m.wait();
    }
    expect(ended).toBe(12 * 48);
    await m.state("UUUU");
    await m.ok("--action=check $md0");
    await m.wait();
    expect(await m.sysfs("mismatch_cnt")).toBe("0");
    await m.ok("-S $md0");
  });
});

/** Fails a member, takes it out, and adds it as a new one: what cannot be done just now is left. */
async function swap(m: Machine, disk: number): Promise<void> {
  await m.mdadm(`-f $md0 $${disk}`);
  await m.mdadm(`-r $md0 $${disk}`);
  await m.mdadm(`--zero-superblock $${disk}`);
  await m.mdadm(`-a $md0 $${disk}`);
}

/** One write to each of some places, all at a time, each with its own sectors. @returns how many were refused */
async function writeApart(
  m: Machine,
  chance: Prng,
  written: Map<number, Uint8Array>,
): Promise<number> {
  const volume = m.volume();
  const places = new Set<number>();
  while (places.size < 16) places.add(chance.below(volume.sectors / 8 - 1) * 8);
  let refused = 0;
  const writes = [...places].map(async (sector) => {
    const bytes = randomBytes(chance, 4096);
    try {
      await writeSectors(volume, sector, bytes);
      written.set(sector, bytes);
    } catch {
      refused += 1;
    }
  });
  await m.do(Promise.all(writes));
  return refused;
}

describe("24raid10deadlock: a disk whose requests fail", () => {
  it.each([
    [1, 100],
    [2, 12],
  ])("by chance, seed %i, one in %i", async (seed, oneIn) => {
    const m = new Machine();
    const chance = new Prng(seed);
    await m.ok("-Cv -R -n 4 -l10 $md0 --size 4096 --assume-clean $*3");
    let failed = 0;
    m.files.fault = (path) => {
      if (path !== m.disk(0) || chance.below(oneIn) > 0) return null;
      failed += 1;
      return Object.assign(new Error("injected"), { code: "EIO" });
    };
    const written = new Map<number, Uint8Array>();
    let refused = 0;
    for (let tenths = 1; tenths <= 200; tenths += 1) {
      await m.setSysfs("sync_action", "frozen");
      refused += await writeApart(m, chance, written);
      await m.setSysfs("sync_action", "idle");
      if (tenths % 20 === 0) await swap(m, 0);
      if (tenths % 100 === 0) await swap(m, 3);
      await m.pass(100);
    }
    expect(failed).toBeGreaterThan(10);
    // The other halves of the mirrors are whole all the time.
    expect(refused).toBe(0);
    m.files.fault = () => null;
    await swap(m, 0);
    await m.wait();
    await m.state("UUUU");
    await m.ok("--action=check $md0");
    await m.wait();
    expect(await m.sysfs("mismatch_cnt")).toBe("0");
    for (const [sector, bytes] of written)
      expect(Buffer.from(await m.do(readSectors(m.volume(), sector, 8))).equals(bytes)).toBe(true);
    await m.ok("-S $md0");
  });
});

describe("24raid456deadlock", () => {
  it("writes end while a check is started and stopped again and again", async () => {
    const m = new Machine();
    const chance = new Prng(456);
    await m.ok("-CR $md0 -l6 -n6 -c 64 --size 4096 --force $*5");
    await m.wait();
    for (let round = 0; round < 20; round += 1) {
      const writes = writeAround(m, chance, 32);
      await m.setSysfs("sync_action", "check");
      writes.push(...writeAround(m, chance, 32));
      await m.pass(chance.below(200));
      await m.setSysfs("sync_action", "idle");
      expect(new Set(await m.do(Promise.all(writes)))).toEqual(new Set(["written"]));
    }
    await m.ok("--action=check $md0");
    await m.wait();
    expect(await m.sysfs("mismatch_cnt")).toBe("0");
  });
});
