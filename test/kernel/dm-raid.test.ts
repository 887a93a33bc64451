/** Sets of device-mapper's raid target that the kernel made and Holdfast goes on with, and the reverse: clean, cut off, without a device. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { readSectors, writeSectors } from "../../src/block/promises.ts";
import { DmCutWorld } from "../support/dm-cut-world.ts";
import { sha256 } from "../support/golden.ts";
import { peerDescribe } from "../support/peers.ts";
import { stampedSectors, writeStampFile } from "../support/stamp.ts";
import { emptyDisk, testFolder } from "../support/temp.ts";
import { bootGuest, looksOf } from "./guest.ts";
import type { Look } from "./guest.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";

const META_SECTORS = 2048;
const DATA_SECTORS = 4096;
/** Waiting for a slot counts for vitest, not for the guest. */
const TEST_MS = 300_000;

interface Kind {
  readonly words: string;
  readonly devices: number;
  readonly sectors: number;
  /** May be left out. */
  readonly missing: number;
}

const PARITY: readonly Kind[] = [
  ["raid4", 3, 1],
  ["raid5_n", 3, 1],
  ["raid5_ls", 3, 1],
  ["raid5_rs", 4, 1],
  ["raid5_la", 3, 1],
  ["raid5_ra", 4, 1],
  ["raid6_zr", 5, 2],
  ["raid6_nr", 5, 2],
  ["raid6_nc", 5, 2],
  ["raid6_n_6", 5, 2],
  ["raid6_ls_6", 5, 2],
].map(([type, devices, parity]) => ({
  words: `${type} 3 32 region_size 64`,
  devices: Number(devices),
  sectors: (Number(devices) - Number(parity)) * DATA_SECTORS,
  missing: 1,
}));

const KINDS: readonly Kind[] = [
  { words: "raid1 3 0 region_size 64", devices: 2, sectors: DATA_SECTORS, missing: 0 },
  ...PARITY,
  ...["near", "far", "offset"].map((format) => ({
    words: `raid10 7 32 region_size 64 raid10_copies 2 raid10_format ${format}`,
    devices: 4,
    sectors: 2 * DATA_SECTORS,
    missing: 2,
  })),
];

function tableOf(
  { words, devices, sectors }: Kind,
  disk: (index: number) => string,
  missing = -1,
): string {
  const pairs = Array.from({ length: devices }, (_unused, index) =>
    index === missing ? "- -" : `${disk(index * 2)} ${disk(index * 2 + 1)}`,
  );
  return `0 ${sectors} raid ${words} ${devices} ${pairs.join(" ")}`;
}

/** Slices of one disk are what the guest's many devices are. */
function kernelTable(kind: Kind, missing = -1): string {
  return tableOf(kind, (index) => `$d${index}`, missing);
}

function ourTable(kind: Kind, missing = -1): string {
  return tableOf(kind, (index) => `./${index}`, missing);
}

function sizes({ devices }: Kind): number[] {
  return Array.from({ length: devices * 2 }, (_unused, disk) =>
    disk % 2 === 0 ? META_SECTORS : DATA_SECTORS,
  );
}

const HELP = `
  mods dm-mod dm-raid raid1 raid10 raid456 dm-delay
  raid_idle() { dmsetup status $1 | grep -q ' \\([0-9]*\\)/\\1 idle '; }
  raid_wait() { sleep 1; until_true 60 raid_idle $1; }
  mk() { dmsetup create $1 --table "$2" && dmsetup mknodes; }`;

async function guest(
  folder: string,
  disks: readonly string[],
  script: string,
  kill?: number,
): Promise<ReadonlyMap<string, Look>> {
  const run = await bootGuest({
    disks,
    shareDir: folder,
    script: `set -e\n${HELP}\n${script}`,
    ...(kill === undefined ? {} : { killAfterReadyMs: kill }),
  });
  return looksOf(run);
}

function worldOf(files: readonly string[]): DmCutWorld {
  return new DmCutWorld(
    new Prng(1),
    files.map((file) => new Uint8Array(readFileSync(file))),
  );
}

/** What is read with all devices, in sync, and then without one. */
async function taken(kind: Kind, files: readonly string[]): Promise<string> {
  const world = worldOf(files);
  const device = await world.make("v", ourTable(kind));
  await world.untilStatus(device, /(\d+)\/\1 idle 0/);
  const read = async (): Promise<string> => {
    const use = world.open(device);
    const digest = sha256(await world.until(readSectors(use, 0, kind.sectors)));
    await world.until(use.close());
    return digest;
  };
  const whole = await read();
  await world.until(world.mapped.message(device, 0, ["check"]));
  expect(await world.untilStatus(device, / idle /)).toContain(" idle 0 0 -");
  await world.until(world.mapped.remove(device, { deferred: false }));
  const without = await world.make("v", ourTable(kind, kind.missing));
  const degraded = sha256(await world.until(readSectors(world.open(without), 0, kind.sectors)));
  expect(degraded).toBe(whole);
  return whole;
}

function save(folder: string, images: readonly Uint8Array[]): string[] {
  return images.map((image, index) => {
    const path = join(folder, `k${index}.img`);
    writeFileSync(path, image);
    return path;
  });
}

peerDescribe(GUEST_PROGRAMS, "raid sets of device-mapper, from the kernel and back", () => {
  it.for(KINDS)("$words that the kernel left", { timeout: TEST_MS }, async (kind) => {
    const folder = testFolder("raid");
    const disks = sizes(kind).map((each, index) =>
      emptyDisk(join(folder, `d${index}.img`), each * 512),
    );
    for (const seed of ["a", "b"])
      writeStampFile(join(folder, `stamp-${seed}`), seed, kind.sectors);
    const looks = await guest(
      folder,
      disks,
      `mk v "${kernelTable(kind)}"
       raid_wait v
       stamp /dev/mapper/v a
       stamp /dev/mapper/v b 100 900
       look /dev/mapper/v made
       dmsetup remove v`,
    );
    expect(await taken(kind, disks)).toBe(looks.get("made")?.sha256);
  });

  it.for(KINDS)("$words that Holdfast left", { timeout: TEST_MS }, async (kind) => {
    const folder = testFolder("raid");
    const world = DmCutWorld.empty(new Prng(2), sizes(kind));
    const device = await world.make("v", ourTable(kind));
    await world.untilStatus(device, /(\d+)\/\1 idle/);
    const use = world.open(device);
    await world.until(writeSectors(use, 0, stampedSectors("a", 0, kind.sectors)));
    await world.until(use.close());
    await world.until(world.mapped.remove(device, { deferred: false }));
    // Then it went on without a device for a while.
    const without = await world.make("v", ourTable(kind, kind.missing));
    const writer = world.open(without);
    await world.until(writeSectors(writer, 300, stampedSectors("b", 300, 700)));
    await world.until(writer.close());
    await world.until(world.mapped.remove(without, { deferred: false }));
    const disks = save(folder, world.disks.cut());
    const looks = await guest(
      folder,
      disks,
      `mk v "${kernelTable(kind, kind.missing)}"
       look /dev/mapper/v degraded
       dmsetup remove v
       mk v "${kernelTable(kind)}"
       raid_wait v
       look /dev/mapper/v whole
       dmsetup message v 0 check
       raid_wait v
       dmsetup status v | tee $H/checked
       dmsetup remove v`,
    );
    const expected = stampedSectors("a", 0, kind.sectors);
    expected.set(stampedSectors("b", 300, 700), 300 * 512);
    expect(looks.get("degraded")?.sha256).toBe(sha256(expected));
    expect(looks.get("whole")?.sha256).toBe(sha256(expected));
    expect(readFileSync(join(folder, "checked"), "utf8")).toMatch(
      new RegExp(` A{${kind.devices}} (\\d+)/\\1 idle 0 0 -`),
    );
    // And back.
    expect(await taken(kind, disks)).toBe(sha256(expected));
  });

  it.for(KINDS.filter(({ words }) => /^raid(1|5_ls|6_zr|10)/.test(words)))(
    "$words that was cut off here",
    { timeout: TEST_MS },
    async (kind) => {
      const folder = testFolder("raid");
      const world = DmCutWorld.empty(new Prng(4), sizes(kind));
      const device = await world.make("v", ourTable(kind));
      await world.untilStatus(device, /(\d+)\/\1 idle/);
      const use = world.open(device);
      await world.until(writeSectors(use, 0, stampedSectors("a", 0, kind.sectors)));
      await world.pass(60_000);
      const prng = new Prng(5);
      for (let write = 0; write < 30; write += 1) {
        const sector = prng.below(kind.sectors / 16) * 16;
        writeSectors(use, sector, stampedSectors("b", sector, 16)).catch(() => {});
        await world.steps(prng.below(8));
      }
      const disks = save(folder, world.disks.cut());
      const looks = await guest(
        folder,
        disks,
        `mk v "${kernelTable(kind)}"
         raid_wait v
         look /dev/mapper/v whole
         dmsetup message v 0 check
         raid_wait v
         dmsetup status v | tee $H/checked
         dmsetup remove v
         mk v "${kernelTable(kind, kind.missing)}"
         look /dev/mapper/v degraded
         dmsetup remove v`,
      );
      expect(readFileSync(join(folder, "checked"), "utf8")).toContain(" idle 0 0 -");
      expect(looks.get("degraded")?.sha256).toBe(looks.get("whole")?.sha256);
    },
  );
});
