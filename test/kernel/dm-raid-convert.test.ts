/** Copies of device-mapper's raid1 that come and go, as lvm2 makes them do, begun here and gone on with by the kernel, and the reverse. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { flush, readSectors, writeSectors } from "../../src/block/promises.ts";
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
const TEST_MS = 300_000;
const SIZES = [0, 1, 2].flatMap(() => [META_SECTORS, DATA_SECTORS]);

/** @param disk of its number: metadata device n is 2n, data device n is 2n + 1 */
function tableOf(disk: (index: number) => string, copies: readonly number[], rebuild = -1): string {
  const words = rebuild < 0 ? "3 0" : `5 0 rebuild ${rebuild}`;
  const pairs = copies.map((copy) => `${disk(copy * 2)} ${disk(copy * 2 + 1)}`);
  return `0 ${DATA_SECTORS} raid raid1 ${words} region_size 64 ${copies.length} ${pairs.join(" ")}`;
}

const kernelTable = (copies: readonly number[], rebuild = -1): string =>
  tableOf((index) => `$d${index}`, copies, rebuild);
const ourTable = (copies: readonly number[], rebuild = -1): string =>
  tableOf((index) => `./${index}`, copies, rebuild);

async function guest(
  folder: string,
  disks: readonly string[],
  script: string,
): Promise<ReadonlyMap<string, Look>> {
  const help = `
    mods dm-mod dm-raid raid1
    raid_idle() { dmsetup status $1 | grep -q ' \\([0-9]*\\)/\\1 idle '; }
    raid_wait() { sleep 1; until_true 60 raid_idle $1; }
    mk() { dmsetup create $1 --table "$2" && dmsetup mknodes; }
    swap() { dmsetup load $1 --table "$2" && dmsetup suspend $1 && dmsetup resume $1; }`;
  return looksOf(
    await bootGuest({ disks, shareDir: folder, script: `set -e\n${help}\n${script}` }),
  );
}

function save(folder: string, images: readonly Uint8Array[]): string[] {
  return images.map((image, index) => {
    const path = join(folder, `k${index}.img`);
    writeFileSync(path, image);
    return path;
  });
}

async function content(world: DmCutWorld, disk: number): Promise<string> {
  return sha256(await world.until(readSectors(world.disk(disk), 0, DATA_SECTORS)));
}

const IDLE = /(\d+)\/\1 idle/;

peerDescribe(GUEST_PROGRAMS, "copies of a raid1, from the kernel and back", () => {
  it.for([0, 40, 200])(
    "a linear disk becomes a raid1 here, cut off after %d steps",
    { timeout: TEST_MS },
    async (steps) => {
      const folder = testFolder("raid");
      const world = DmCutWorld.empty(new Prng(3), SIZES);
      await world.until(writeSectors(world.disk(1), 0, stampedSectors("a", 0, DATA_SECTORS)));
      await world.until(flush(world.disk(1)));
      const device = await world.make("v", ourTable([0, 1], 1));
      expect(await world.status(device)).toContain(" Aa ");
      await world.steps(steps);
      const use = world.open(device);
      await world.until(writeSectors(use, 300, stampedSectors("b", 300, 700)));
      await world.until(flush(use));
      const expected = stampedSectors("a", 0, DATA_SECTORS);
      expected.set(stampedSectors("b", 300, 700), 300 * 512);
      const disks = save(folder, world.disks.cut());
      const looks = await guest(
        folder,
        disks,
        `mk v "${kernelTable([0, 1])}"
       dmsetup status v | tee $H/status
       raid_wait v
       look /dev/mapper/v whole
       dmsetup remove v
       look $d1 first
       look $d3 second`,
      );
      expect(readFileSync(join(folder, "status"), "utf8")).toMatch(/ (?:Aa|AA|aa) /);
      for (const name of ["whole", "first", "second"])
        expect(looks.get(name)?.sha256).toBe(sha256(expected));
    },
  );

  it(
    "a third copy comes and the first one goes there, and here the same once more",
    { timeout: TEST_MS },
    async () => {
      const folder = testFolder("raid");
      const disks = SIZES.map((each, index) =>
        emptyDisk(join(folder, `d${index}.img`), each * 512),
      );
      for (const seed of ["a", "b"])
        writeStampFile(join(folder, `stamp-${seed}`), seed, DATA_SECTORS);
      const looks = await guest(
        folder,
        disks,
        `stamp $d1 a
       mk v "${kernelTable([0, 1], 1)}"
       raid_wait v
       swap v "${kernelTable([0, 1, 2], 2)}"
       raid_wait v
       swap v "${kernelTable([1, 2])}"
       stamp /dev/mapper/v b 100 900
       look /dev/mapper/v made
       dmsetup remove v`,
      );
      const world = new DmCutWorld(
        new Prng(1),
        disks.map((file) => new Uint8Array(readFileSync(file))),
      );
      const device = await world.make("v", ourTable([1, 2]));
      expect(await world.status(device)).toContain(" AA ");
      await world.untilStatus(device, IDLE);
      for (const disk of [3, 5]) expect(await content(world, disk)).toBe(looks.get("made")?.sha256);
      // What the kernel let go of comes back as somebody new.
      await world.until(writeSectors(world.disk(0), 0, new Uint8Array(META_SECTORS * 512)));
      await world.swap(device, ourTable([1, 2, 0], 2));
      await world.untilStatus(device, IDLE);
      expect(await content(world, 1)).toBe(looks.get("made")?.sha256);
      await world.until(world.mapped.remove(device, { deferred: false }));
      const back = save(folder, world.disks.cut());
      const again = await guest(
        folder,
        back,
        `mk v "${kernelTable([1, 2, 0])}"
       dmsetup status v | tee $H/status
       raid_wait v
       look /dev/mapper/v whole
       dmsetup message v 0 check
       raid_wait v
       dmsetup status v | tee $H/checked
       dmsetup remove v`,
      );
      expect(readFileSync(join(folder, "status"), "utf8")).toContain(" raid1 3 AAA ");
      expect(readFileSync(join(folder, "checked"), "utf8")).toContain(" idle 0 0 -");
      expect(again.get("whole")?.sha256).toBe(looks.get("made")?.sha256);
    },
  );
});
