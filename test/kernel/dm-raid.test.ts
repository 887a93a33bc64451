/** Sets of device-mapper's raid target that the kernel made and Holdfast goes on with, and the reverse: clean, cut off, without a device. Half of the types at a time. */
import { beforeAll, expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { writeSectors } from "../../src/block/promises.ts";
import { DmCutWorld } from "../support/dm-cut-world.ts";
import { sha256 } from "../support/golden.ts";
import { peerDescribe } from "../support/peers.ts";
import { seedOfRun } from "../support/seed.ts";
import { stampedSectors } from "../support/stamp.ts";
import {
  DATA_SECTORS,
  RAID_KINDS,
  RaidJobs,
  checkedBy,
  diskSizes,
  halfOf,
  kernelTable,
  ourTable,
  taken,
  worldOf,
} from "./dm-raid-plan.ts";
import type { RaidKind } from "./dm-raid-plan.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";

/** Waiting for a slot counts for vitest, not for the guest. */
const TEST_MS = 300_000;
const SEED = seedOfRun();
const KINDS = halfOf(RAID_KINDS, SEED);
const CUT_KINDS = halfOf(
  RAID_KINDS.filter(({ name }) => /^raid(1$|5_ls|6_zr|10)/.test(name)),
  SEED,
);

function expectedOf({ width }: RaidKind): Uint8Array {
  const expected = stampedSectors("a", 0, DATA_SECTORS * width);
  expected.set(stampedSectors("b", 300, 700), 300 * 512);
  return expected;
}

/** Written, stopped, and then it went on without a device for a while. */
async function leftHere(kind: RaidKind): Promise<DmCutWorld> {
  const world = DmCutWorld.empty(new Prng(2), diskSizes(kind));
  const sectors = DATA_SECTORS * kind.width;
  const device = await world.make("v", ourTable(kind));
  await world.untilStatus(device, /(\d+)\/\1 idle/);
  const use = world.open(device);
  await world.until(writeSectors(use, 0, stampedSectors("a", 0, sectors)));
  await world.until(use.close());
  await world.until(world.mapped.remove(device, { deferred: false }));
  const without = await world.make("v", ourTable(kind, { missing: kind.missing }));
  const writer = world.open(without);
  await world.until(writeSectors(writer, 300, stampedSectors("b", 300, 700)));
  await world.until(writer.close());
  await world.until(world.mapped.remove(without, { deferred: false }));
  return world;
}

async function cutHere(kind: RaidKind): Promise<DmCutWorld> {
  const world = DmCutWorld.empty(new Prng(4), diskSizes(kind));
  const sectors = DATA_SECTORS * kind.width;
  const device = await world.make("v", ourTable(kind));
  await world.untilStatus(device, /(\d+)\/\1 idle/);
  const use = world.open(device);
  await world.until(writeSectors(use, 0, stampedSectors("a", 0, sectors)));
  await world.pass(60_000);
  const prng = new Prng(SEED);
  for (let write = 0; write < 30; write += 1) {
    const sector = prng.below(sectors / 16) * 16;
    writeSectors(use, sector, stampedSectors("b", sector, 16)).catch(() => {});
    await world.steps(prng.below(8));
  }
  return world;
}

// Whom the kernel did without comes back here, and gets what its bitmap says.
peerDescribe(GUEST_PROGRAMS, `raid sets of device-mapper from the kernel, seed ${SEED}`, () => {
  let jobs: RaidJobs;
  beforeAll(async () => {
    jobs = new RaidJobs();
    for (const kind of KINDS)
      jobs.add(
        kind.name,
        kind,
        `mk @v "${kernelTable(kind.name, kind)}"
         raid_wait @v
         stamp /dev/mapper/@v a
         gone @v
         mk @v "${kernelTable(kind.name, kind, { missing: kind.missing })}"
         stamp /dev/mapper/@v b 100 900
         look /dev/mapper/@v @made
         gone @v`,
      );
    await jobs.run();
    return () => jobs.remove();
  }, TEST_MS);

  it.for(KINDS)("$words", { timeout: TEST_MS }, async (kind) => {
    const { images } = jobs.get(kind.name);
    expect(await taken(worldOf(images), kind)).toBe(jobs.sum(kind.name, "made"));
  });
});

peerDescribe(GUEST_PROGRAMS, `raid sets of device-mapper from here, seed ${SEED}`, () => {
  let jobs: RaidJobs;
  beforeAll(async () => {
    jobs = new RaidJobs();
    for (const kind of KINDS) {
      const table = kernelTable(kind.name, kind);
      const without = kernelTable(kind.name, kind, { missing: kind.missing });
      const script = `mk @v "${without}"
        look /dev/mapper/@v @degraded
        gone @v
        mk @v "${table}"
        raid_wait @v
        look /dev/mapper/@v @whole
        check @v
        gone @v`;
      jobs.add(kind.name, kind, script, await leftHere(kind));
    }
    for (const kind of CUT_KINDS) {
      const name = `cut_${kind.name}`;
      const script = `mk @v "${kernelTable(name, kind)}"
        raid_wait @v
        look /dev/mapper/@v @whole
        check @v
        gone @v
        mk @v "${kernelTable(name, kind, { missing: kind.missing })}"
        look /dev/mapper/@v @degraded
        gone @v`;
      jobs.add(name, kind, script, await cutHere(kind));
    }
    await jobs.run();
    return () => jobs.remove();
  }, TEST_MS);

  it.for(KINDS)("$words", { timeout: TEST_MS }, async (kind) => {
    const job = jobs.get(kind.name);
    expect(checkedBy(job)).toMatch(new RegExp(` A{${kind.devices}} (\\d+)/\\1 idle 0 0 -`));
    const expected = sha256(expectedOf(kind));
    expect(jobs.sum(kind.name, "degraded")).toBe(expected);
    expect(jobs.sum(kind.name, "whole")).toBe(expected);
    // And back.
    expect(await taken(worldOf(job.images), kind)).toBe(expected);
  });

  it.for(CUT_KINDS)("$words that was cut off", { timeout: TEST_MS }, ({ name }) => {
    const cut = `cut_${name}`;
    expect(checkedBy(jobs.get(cut))).toContain(" idle 0 0 -");
    expect(jobs.sum(cut, "degraded")).toBe(jobs.sum(cut, "whole"));
  });
});
