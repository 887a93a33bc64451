/** Mirrors of device-mapper that the kernel made and Holdfast goes on with, and the reverse: clean, killed with dirty regions, without a leg. */
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
import { GUEST_PROGRAMS } from "./rootfs.ts";

const SECTORS = 8192;
const LOG_SECTORS = 64;
const REGION = 128;
const REGIONS = SECTORS / REGION;
/** Waiting for a slot counts for vitest, not for the guest. */
const TEST_MS = 300_000;
const MODULES = "mods dm-mod dm-mirror dm-delay";
/** Until a mirror has nothing to copy any more. */
const SYNCED = `
  synced() { dmsetup status $1 | grep -q ' ${REGIONS}/${REGIONS} '; }
  look_legs() { look /dev/mapper/$1 $1; dmsetup remove $1; }`;

function tableOf(legs: number, disk: (index: number) => string, more = ""): string {
  const words = Array.from({ length: legs }, (_unused, leg) => `${disk(leg)} 0`).join(" ");
  return `0 ${SECTORS} mirror disk 2 ${disk(legs)} ${REGION} ${legs} ${words}${more}`;
}

function kernelTable(legs: number, more = ""): string {
  return tableOf(legs, (index) => `$d${index}`, more);
}

function ourTable(legs: number, more = ""): string {
  return tableOf(legs, (index) => `./${index}`, more);
}

function diskFiles(folder: string, legs: number): string[] {
  return Array.from({ length: legs + 1 }, (_unused, index) =>
    emptyDisk(join(folder, `d${index}.img`), (index < legs ? SECTORS : LOG_SECTORS) * 512),
  );
}

function worldOf(files: readonly string[], seed = 1): DmCutWorld {
  return new DmCutWorld(
    new Prng(seed),
    files.map((file) => new Uint8Array(readFileSync(file))),
  );
}

async function content(world: DmCutWorld, disk: number): Promise<string> {
  return sha256(await world.until(readSectors(world.disk(disk), 0, SECTORS)));
}

/** Opened here, in sync: the legs are alike, and that is what is read. @returns its digest */
async function taken(files: readonly string[], legs: number): Promise<string> {
  const world = worldOf(files);
  const device = await world.make("v", ourTable(legs));
  await world.untilStatus(device, ` ${REGIONS}/${REGIONS} 1 ${"A".repeat(legs)} 3 disk`);
  const read = sha256(await world.until(readSectors(world.open(device), 0, SECTORS)));
  for (let leg = 0; leg < legs; leg += 1) expect(await content(world, leg)).toBe(read);
  return read;
}

/** The kernel's reading of images that were written here, and of each leg once it is in sync. */
async function kernelTakes(
  folder: string,
  images: readonly Uint8Array[],
  legs: number,
): Promise<{ readonly first: string; readonly looks: ReadonlyMap<string, { sha256: string }> }> {
  const disks = images.map((image, index) => {
    const path = join(folder, `k${index}.img`);
    writeFileSync(path, image);
    return path;
  });
  const run = await bootGuest({
    disks,
    shareDir: folder,
    script: `set -e
      ${MODULES}
      ${SYNCED}
      dmsetup create v --notable
      dmsetup load v --table "${kernelTable(legs)}"
      dmsetup resume v && dmsetup mknodes
      dmsetup status v >$H/first
      until_true 30 synced v
      look_legs v
      ${Array.from({ length: legs }, (_unused, leg) => `look $d${leg} leg${leg}`).join("\n")}`,
  });
  return { first: run.text("first").trim(), looks: looksOf(run) };
}

peerDescribe(GUEST_PROGRAMS, "mirrors, from the kernel and back", () => {
  it.for([2, 3])("%i legs that the kernel left clean", { timeout: TEST_MS }, async (legs) => {
    const folder = testFolder("mirror");
    const disks = diskFiles(folder, legs);
    writeStampFile(join(folder, "stamp-a"), "a", SECTORS);
    const run = await bootGuest({
      disks,
      shareDir: folder,
      script: `set -e
        ${MODULES}
        ${SYNCED}
        dmsetup create v --table "${kernelTable(legs)}" && dmsetup mknodes
        until_true 30 synced v
        stamp /dev/mapper/v a 1000 5000
        look_legs v`,
    });
    const world = worldOf(disks);
    const device = await world.make("v", ourTable(legs));
    expect(await world.status(device)).toContain(` ${REGIONS}/${REGIONS} `);
    expect(await taken(disks, legs)).toBe(looksOf(run).get("v")?.sha256);
  });

  it.for([2, 3])("%i legs that the kernel was killed with", { timeout: TEST_MS }, async (legs) => {
    const folder = testFolder("mirror");
    const disks = diskFiles(folder, legs);
    for (const seed of ["a", "b"]) writeStampFile(join(folder, `stamp-${seed}`), seed, SECTORS);
    const last = legs - 1;
    const words = kernelTable(legs).replace(`$d${last} 0`, "/dev/mapper/slow 0");
    await bootGuest({
      disks,
      shareDir: folder,
      killAfterReadyMs: 600,
      script: `set -e
        ${MODULES}
        ${SYNCED}
        dmsetup create slow --table "0 ${SECTORS} delay $d${last} 0 0 $d${last} 0 100" && dmsetup mknodes
        dmsetup create v --table "${words}" && dmsetup mknodes
        until_true 60 synced v
        stamp /dev/mapper/v a 0 400
        stamp_scattered /dev/mapper/v b 16 0 500 &
        stamp_scattered /dev/mapper/v b 16 0 900 &
        sleep 1
        ready
        sleep 60`,
    });
    // Leg 0 is what the others are made from.
    expect(await taken(disks, legs)).toBe(sha256(readFileSync(disks[0]!)));
  });

  it("a mirror that the kernel went on with without a leg", { timeout: TEST_MS }, async () => {
    const folder = testFolder("mirror");
    const disks = diskFiles(folder, 2);
    for (const seed of ["a", "b"]) writeStampFile(join(folder, `stamp-${seed}`), seed, SECTORS);
    const words = kernelTable(2, " 2 handle_errors keep_log").replace("$d1 0", "/dev/mapper/leg 0");
    const run = await bootGuest({
      disks,
      shareDir: folder,
      script: `set -e
        ${MODULES}
        ${SYNCED}
        dmsetup create leg --table "0 ${SECTORS} linear $d1 0" && dmsetup mknodes
        dmsetup create v --table "${words}" && dmsetup mknodes
        until_true 30 synced v
        stamp /dev/mapper/v a
        dmsetup suspend leg
        dmsetup load leg --table "0 ${SECTORS} error"
        dmsetup resume leg
        stamp /dev/mapper/v b 2000 3000
        dmsetup status v >$H/failed
        look_legs v`,
    });
    expect(run.text("failed")).toMatch(/ 1 AD 3 disk /);
    const read = looksOf(run).get("v")?.sha256;
    const expected = stampedSectors("a", 0, SECTORS);
    expected.set(stampedSectors("b", 2000, 3000), 2000 * 512);
    expect(read).toBe(sha256(expected));
    // The leg is back.
    expect(await taken(disks, 2)).toBe(read);
  });

  it.for([2, 3])("%i legs that Holdfast left clean", { timeout: TEST_MS }, async (legs) => {
    const folder = testFolder("mirror");
    const world = worldOf(diskFiles(folder, legs));
    const device = await world.make("v", ourTable(legs));
    await world.untilStatus(device, `${REGIONS}/${REGIONS}`);
    const use = world.open(device);
    await world.until(writeSectors(use, 1000, stampedSectors("a", 1000, 5000)));
    await world.until(use.close());
    await world.until(world.mapped.remove(device, { deferred: false }));
    const { first, looks } = await kernelTakes(folder, world.disks.cut(), legs);
    expect(first).toContain(` ${REGIONS}/${REGIONS} 1 ${"A".repeat(legs)} 3 disk `);
    const expected = new Uint8Array(SECTORS * 512);
    expected.set(stampedSectors("a", 1000, 5000), 1000 * 512);
    expect(new Set([...looks.values()].map((each) => each.sha256))).toEqual(
      new Set([sha256(expected)]),
    );
  });

  it.for([2, 3])("%i legs that were cut off here", { timeout: TEST_MS }, async (legs) => {
    const folder = testFolder("mirror");
    const world = worldOf(diskFiles(folder, legs), legs);
    const device = await world.make("v", ourTable(legs));
    await world.untilStatus(device, `${REGIONS}/${REGIONS}`);
    await world.pass(20_000);
    const use = world.open(device);
    const prng = new Prng(3);
    for (let write = 0; write < 40; write += 1) {
      const sector = prng.below(SECTORS / 16) * 16;
      writeSectors(use, sector, stampedSectors("b", sector, 16)).catch(() => {});
      await world.steps(prng.below(6));
    }
    await world.until(flush(use));
    for (let write = 0; write < 20; write += 1) {
      const sector = prng.below(SECTORS / 16) * 16;
      writeSectors(use, sector, stampedSectors("c", sector, 16)).catch(() => {});
      await world.steps(2);
    }
    const images = world.disks.cut();
    expect(sha256(images[1]!)).not.toBe(sha256(images[0]!));
    const { looks } = await kernelTakes(folder, images, legs);
    expect(new Set([...looks.values()].map((each) => each.sha256))).toEqual(
      new Set([sha256(images[0]!)]),
    );
  });

  it("a mirror that went on here without a leg", { timeout: TEST_MS }, async () => {
    const folder = testFolder("mirror");
    const world = worldOf(diskFiles(folder, 2));
    const device = await world.make("v", ourTable(2));
    await world.untilStatus(device, `${REGIONS}/${REGIONS}`);
    const use = world.open(device);
    await world.until(writeSectors(use, 0, stampedSectors("a", 0, SECTORS)));
    world.disk(1).isGone = true;
    await world.until(writeSectors(use, 2000, stampedSectors("b", 2000, 3000)));
    await world.until(flush(use));
    await world.until(use.close());
    await world.until(world.mapped.remove(device, { deferred: false }));
    const { looks } = await kernelTakes(folder, world.disks.cut(), 2);
    const expected = stampedSectors("a", 0, SECTORS);
    expected.set(stampedSectors("b", 2000, 3000), 2000 * 512);
    expect([...looks.values()].map((each) => each.sha256)).toEqual(
      Array.from({ length: 3 }, () => sha256(expected)),
    );
  });
});
