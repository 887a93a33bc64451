/** Raid sets of device-mapper that get another length, there and here, and sets with a journal device, stopped and cut off: in both directions with the kernel. */
import { beforeAll, expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { flush, readSectors, writeSectors } from "../../src/block/promises.ts";
import type { DmCutWorld } from "../support/dm-cut-world.ts";
import { sha256 } from "../support/golden.ts";
import { peerDescribe } from "../support/peers.ts";
import { seedOfRun } from "../support/seed.ts";
import { stampedSectors } from "../support/stamp.ts";
import {
  DATA_SECTORS,
  JOURNAL_KINDS,
  RAID_KINDS,
  RaidJobs,
  checkedBy,
  halfOf,
  kernelTable,
  ourTable,
  rubbishWorld,
  taken,
  worldOf,
} from "./dm-raid-plan.ts";
import type { RaidKind } from "./dm-raid-plan.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";
import { diskNode } from "./slices.ts";

/** Waiting for a slot counts for vitest, not for the guest. */
const TEST_MS = 300_000;
const SEED = seedOfRun();
const SHORT = DATA_SECTORS / 2;
const IDLE = /(\d+)\/\1 idle/;
const SIZED = halfOf(
  RAID_KINDS.filter(({ name }) =>
    ["raid1", "raid5_ls", "raid10_near", "raid6_zr", "raid10_offset"].includes(name),
  ),
  SEED,
);

/** What nobody makes alike differs. */
function rubbish(job: string, kind: RaidKind): string {
  return Array.from({ length: kind.devices }, (_unused, index) => {
    const seed = "abc"[index % 3]!;
    return `dd if=$H/stamp-${seed} of=${diskNode(job, index * 2 + 1)} skip=${index} bs=65536 count=32 status=none`;
  }).join("\n");
}

async function write(world: DmCutWorld, kind: RaidKind, sectors: number): Promise<void> {
  const device = await world.make("v", ourTable(kind, { sectors }));
  await world.untilStatus(device, IDLE);
  const use = world.open(device);
  await world.until(writeSectors(use, 0, stampedSectors("a", 0, sectors * kind.width)));
  await world.until(flush(use));
  await world.until(use.close());
  await world.pass(30_000);
}

/** Made short here, and cut while it grows. */
async function growing(kind: RaidKind): Promise<DmCutWorld> {
  const prng = new Prng(SEED);
  const world = rubbishWorld(prng, kind);
  await write(world, kind, SHORT);
  const device = world.mapped.find({ kind: "name", name: "v" });
  await world.swap(device, ourTable(kind));
  await world.steps(prng.below(300));
  return world;
}

/** Made long, and short again. */
async function shrunk(kind: RaidKind): Promise<DmCutWorld> {
  const world = rubbishWorld(new Prng(SEED), kind);
  await write(world, kind, DATA_SECTORS);
  const device = world.mapped.find({ kind: "name", name: "v" });
  await world.swap(device, ourTable(kind, { sectors: SHORT }));
  await world.until(world.mapped.remove(device, { deferred: false }));
  return world;
}

const firstOf = ({ width }: RaidKind, sectors: number): string =>
  sha256(stampedSectors("a", 0, sectors * width));

peerDescribe(GUEST_PROGRAMS, `raid sets of another length, seed ${SEED}`, () => {
  let jobs: RaidJobs;
  beforeAll(async () => {
    jobs = new RaidJobs();
    for (const kind of SIZED) addFromKernel(jobs, kind);
    for (const kind of SIZED) {
      const grown = `grown_${kind.name}`;
      const growth = `mk @v "${kernelTable(grown, kind)}"
        raid_wait @v
        look /dev/mapper/@v @whole
        head -c ${SHORT * kind.width * 512} /dev/mapper/@v | sha256sum
        check @v
        gone @v
        mk @v "${kernelTable(grown, kind, { missing: kind.missing })}"
        look /dev/mapper/@v @degraded
        gone @v`;
      jobs.add(grown, kind, growth, await growing(kind));
      const less = `less_${kind.name}`;
      const shrinking = `mk @v "${kernelTable(less, kind, { sectors: SHORT })}"
        raid_wait @v
        look /dev/mapper/@v @whole
        check @v
        gone @v`;
      jobs.add(less, kind, shrinking, await shrunk(kind));
    }
    await jobs.run();
    return () => jobs.remove();
  }, TEST_MS);

  it.for(SIZED)("$words that the kernel made longer", { timeout: TEST_MS }, async ({ name }) => {
    const kind = SIZED.find((one) => one.name === name)!;
    const job = jobs.get(`k_${name}`);
    expect(await taken(worldOf(job.images), kind)).toBe(jobs.sum(`k_${name}`, "grown"));
  });

  it.for(SIZED)("$words that the kernel made shorter", { timeout: TEST_MS }, async (kind) => {
    const name = `ks_${kind.name}`;
    const sum = await taken(worldOf(jobs.get(name).images), kind, SHORT);
    expect(sum).toBe(jobs.sum(name, "short"));
    expect(sum).toBe(firstOf(kind, SHORT));
  });

  it.for(SIZED)("$words that was cut here while it grew", { timeout: TEST_MS }, (kind) => {
    const name = `grown_${kind.name}`;
    const job = jobs.get(name);
    expect(checkedBy(job)).toContain(" idle 0 0 -");
    expect(job.log).toContain(firstOf(kind, SHORT));
    expect(jobs.sum(name, "degraded")).toBe(jobs.sum(name, "whole"));
  });

  it.for(SIZED)("$words that was made shorter here", { timeout: TEST_MS }, (kind) => {
    const name = `less_${kind.name}`;
    expect(checkedBy(jobs.get(name))).toContain(" idle 0 0 -");
    expect(jobs.sum(name, "whole")).toBe(firstOf(kind, SHORT));
  });
});

function addFromKernel(jobs: RaidJobs, kind: RaidKind): void {
  const name = `k_${kind.name}`;
  const from = SHORT * kind.width - 100;
  // What is new of a raid10 kernels do not make alike.
  const count = kind.name.startsWith("raid10") ? SHORT * kind.width + 100 : 300;
  const script = `${rubbish(name, kind)}
    mk @v "${kernelTable(name, kind, { sectors: SHORT })}"
    raid_wait @v
    stamp /dev/mapper/@v a
    swap @v "${kernelTable(name, kind)}"
    raid_wait @v
    stamp /dev/mapper/@v b ${from} ${count}
    look /dev/mapper/@v @grown
    gone @v`;
  jobs.add(name, kind, script);
  const short = `ks_${kind.name}`;
  const shrinking = `${rubbish(short, kind)}
    mk @v "${kernelTable(short, kind)}"
    raid_wait @v
    stamp /dev/mapper/@v a
    swap @v "${kernelTable(short, kind, { sectors: SHORT })}"
    raid_wait @v
    look /dev/mapper/@v @short
    gone @v`;
  jobs.add(short, kind, shrinking);
}

/** With a log that is not on the members yet, or is in part. */
async function cutWithJournal(kind: RaidKind): Promise<DmCutWorld> {
  const prng = new Prng(SEED);
  const world = rubbishWorld(prng, kind);
  await write(world, kind, DATA_SECTORS);
  const use = world.open(world.mapped.find({ kind: "name", name: "v" }));
  const sectors = DATA_SECTORS * kind.width;
  for (let each = 0; each < 40; each += 1) {
    const sector = prng.below(sectors - 64);
    const count = 1 + prng.below(64);
    writeSectors(use, sector, stampedSectors("b", sector, count)).catch(() => {});
    await world.steps(prng.below(12));
  }
  return world;
}

async function stoppedWithJournal(kind: RaidKind): Promise<DmCutWorld> {
  const world = rubbishWorld(new Prng(SEED), kind);
  await write(world, kind, DATA_SECTORS);
  const device = world.mapped.find({ kind: "name", name: "v" });
  await world.until(world.mapped.remove(device, { deferred: false }));
  return world;
}

peerDescribe(GUEST_PROGRAMS, `raid sets with a journal device, seed ${SEED}`, () => {
  let jobs: RaidJobs;
  let cut: RaidJobs;
  beforeAll(async () => {
    jobs = new RaidJobs();
    cut = new RaidJobs();
    for (const kind of JOURNAL_KINDS) {
      const { name } = kind;
      const clean = `mk @v "${kernelTable(name, kind)}"
        look /dev/mapper/@v @before
        stamp /dev/mapper/@v b 100 900
        look /dev/mapper/@v @after
        check @v
        gone @v`;
      jobs.add(name, kind, clean, await stoppedWithJournal(kind));
      const left = `cut_${name}`;
      const replaying = `mk @v "${kernelTable(left, kind)}"
        raid_wait @v
        look /dev/mapper/@v @whole
        check @v
        gone @v
        mk @v "${kernelTable(left, kind, { missing: kind.missing })}"
        look /dev/mapper/@v @degraded
        gone @v`;
      jobs.add(left, kind, replaying, await cutWithJournal(kind));
      const amid = `${rubbish(name, kind)}
        mk @v "${kernelTable(name, kind)}"
        raid_wait @v
        stamp /dev/mapper/@v a
        stamp_in_turn /dev/mapper/@v 24 "b c" 10 300 600 900 &`;
      cut.add(name, kind, amid);
    }
    await Promise.all([jobs.run(), cut.run("cut")]);
    return () => {
      jobs.remove();
      cut.remove();
    };
  }, TEST_MS);

  it.for(JOURNAL_KINDS)("$name stopped here, written there", { timeout: TEST_MS }, async (kind) => {
    const { name } = kind;
    const job = jobs.get(name);
    expect(jobs.sum(name, "before")).toBe(firstOf(kind, DATA_SECTORS));
    expect(checkedBy(job)).toMatch(/ idle 0 0 A$/);
    // The kernel's log is replayed here from where it was begun.
    expect(await taken(worldOf(job.images), kind)).toBe(jobs.sum(name, "after"));
  });

  it.for(JOURNAL_KINDS)("$name cut off here", { timeout: TEST_MS }, ({ name }) => {
    const left = `cut_${name}`;
    expect(checkedBy(jobs.get(left))).toMatch(/ idle 0 0 A$/);
    expect(jobs.sum(left, "degraded")).toBe(jobs.sum(left, "whole"));
  });

  it.for(JOURNAL_KINDS)("$name cut off there", { timeout: TEST_MS }, async (kind) => {
    const { images } = cut.get(kind.name);
    const world = worldOf(images);
    const sum = await taken(world, kind);
    const device = await world.make("w", ourTable(kind));
    const data = await world.until(readSectors(world.open(device), 0, DATA_SECTORS * kind.width));
    expect(sha256(data)).toBe(sum);
    const isStamped = Array.from({ length: data.length / 512 }, (_unused, sector) =>
      ["a", "b", "c"].includes(String.fromCodePoint(data[sector * 512 + 8]!)),
    );
    expect(isStamped).not.toContain(false);
  });
});
