/**
 * integrity with the real kernel: devices that it formatted and wrote are opened here, and the reverse; clean, and cut off with entries in the journal or
 * bits in the bitmap, which whoever comes next has to put right.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { flush, readSectors, writeSectors } from "../../src/block/promises.ts";
import type { MappedDevice } from "../../src/dm/mapped-device.ts";
import { DmCutWorld } from "../support/dm-cut-world.ts";
import { sha256 } from "../support/golden.ts";
import { peerDescribe } from "../support/peers.ts";
import { stampRuns, stampedSectors, writeStampFile } from "../support/stamp.ts";
import { emptyDisk, testFolder } from "../support/temp.ts";
import { bootGuest, looksOf } from "./guest.ts";
import type { GuestRun } from "./guest.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";

const TEST_MS = 300_000;
const DISK_SECTORS = 16_384;
const SECTORS = 12_288;
const META_SECTORS = 4096;
const HASH = "internal_hash:crc32c";

/** What is tried: the mode, and the options. The devices are %0 and %1. */
const TABLES: readonly (readonly [mode: string, ...options: readonly string[]])[] = [
  ["J", HASH, "journal_sectors:1760"],
  ["D", HASH],
  ["B", HASH, "sectors_per_bit:512"],
  ["J", HASH, "block_size:4096", "interleave_sectors:2048", "buffer_sectors:16", "fix_padding"],
  ["B", "internal_hash:sha256", "meta_device:%1", "journal_sectors:200"],
  ["J", "internal_hash:crc32", "journal_watermark:30", "allow_discards", "commit_time:500"],
  ["D", "internal_hash:sha1", "block_size:1024", "recalculate"],
];

function tableOf(index: number, disk: (number: number) => string, sectors = SECTORS): string {
  const [mode, ...options] = TABLES[index]!;
  const words = `${disk(0)} 0 - ${mode} ${options.length} ${options.join(" ")}`;
  return `0 ${sectors} integrity ${words.replace("%1", disk(1))}`;
}

/** Where the data of a sector is on the disk of the first table: behind superblock, journal and tags. */
function placeOf(sector: number): number {
  return 8 + 1760 + 256 + sector;
}

/** What was written to it is in the journal and nowhere else. */
function isOnlyInJournal(image: Uint8Array, seed: string, sector: number): boolean {
  const at = placeOf(sector) * 512;
  return sha256(image.subarray(at, at + 512)) !== sha256(stampedSectors(seed, sector, 1));
}

const ourTable = (index: number, sectors = SECTORS): string =>
  tableOf(index, (disk) => `./${disk}`, sectors);

const SCRIPT_START = `set -e
  mods dm-mod dm-integrity crc32_generic
  mk() { dmsetup create $1 --table "$2"; dmsetup mknodes $1; }
  known() { set -- $(dmsetup status v); [ $6 = - ] || [ $6 = $5 ]; }`;

/** The kernel's disks of a table: data, and perhaps metadata. */
function guestDisks(folder: string, index: number): string[] {
  return [DISK_SECTORS, META_SECTORS].map((sectors, disk) =>
    emptyDisk(join(folder, `t${index}d${disk}.img`), sectors * 512),
  );
}

const guestTable = (index: number): string => tableOf(index, (disk) => `$d${2 * index + disk}`);

function worldOf(images: readonly Uint8Array[]): DmCutWorld {
  return new DmCutWorld(new Prng(1), images);
}

function imagesIn(files: readonly string[]): Uint8Array[] {
  return files.map((file) => new Uint8Array(readFileSync(file)));
}

/** The line of a table or status without what names devices. */
function unnamed(line: string): string {
  return line.trim().replaceAll(/(\.\/|98:)\d+/g, "DISK");
}

/** When tags are recalculated. */
async function known(world: DmCutWorld, device: MappedDevice): Promise<string> {
  return world.untilStatus(device, / (\d+) (\1|-)$/);
}

async function digest(world: DmCutWorld, device: MappedDevice): Promise<string> {
  return sha256(await world.until(readSectors(world.open(device), 0, SECTORS)));
}

async function removed(world: DmCutWorld, device: MappedDevice): Promise<Uint8Array[]> {
  await world.until(device.close());
  return world.disks.cut();
}

/** Formatted here, written, and put to rest. */
async function cleanImages(index: number): Promise<Uint8Array[]> {
  const world = DmCutWorld.empty(new Prng(1), [DISK_SECTORS, META_SECTORS]);
  const device = await world.make("v", ourTable(index));
  await known(world, device);
  await world.until(writeSectors(world.open(device), 0, stampedSectors("a", 0, SECTORS)));
  return removed(world, device);
}

/** The same, and then cut off: what was flushed is certain, what came after it is there or not. */
async function cutImages(index: number): Promise<Uint8Array[]> {
  const world = worldOf(await cleanImages(index));
  const use = world.open(await world.make("v", ourTable(index)));
  await world.until(writeSectors(use, 800, stampedSectors("b", 800, 96)));
  await world.until(writeSectors(use, 840, stampedSectors("c", 840, 16)));
  await world.until(flush(use));
  for (let sector = 4000; sector < 4400; sector += 40)
    writeSectors(use, sector, stampedSectors("d", sector, 40)).catch(() => {});
  await world.steps(40);
  return world.disks.cut();
}

function saved(folder: string, name: string, images: readonly Uint8Array[]): string[] {
  return images.map((image, disk) => {
    const path = join(folder, `${name}d${disk}.img`);
    writeFileSync(path, image);
    return path;
  });
}

function stamps(folder: string): void {
  for (const seed of ["a", "b", "c", "e"])
    writeStampFile(join(folder, `stamp-${seed}`), seed, SECTORS);
}

/** Each of the tables, with what is done while it is live. */
async function inGuest(
  folder: string,
  disks: readonly string[],
  script: (index: number) => string,
): Promise<GuestRun> {
  const parts = TABLES.map(
    (_table, index) => `
    mk v "${guestTable(index)}"
    until_true 60 known
    ${script(index)}
    dmsetup table v >$H/table${index}
    dmsetup status v >$H/status${index}
    dmsetup remove v`,
  );
  return bootGuest({
    disks,
    shareDir: folder,
    script: [SCRIPT_START, ...parts].join("\n"),
    timeoutMs: 240_000,
  });
}

peerDescribe(GUEST_PROGRAMS, "integrity, from the kernel and back", () => {
  it("formats as the kernel does, and reads what it wrote", { timeout: TEST_MS }, async () => {
    const folder = testFolder("integrity");
    stamps(folder);
    const disks = TABLES.flatMap((_table, index) => guestDisks(folder, index));
    const run = await inGuest(
      folder,
      disks,
      (index) => `
      dmsetup suspend v; cp $d${2 * index} $H/format${index}; dmsetup resume v
      stamp /dev/mapper/v a
      look /dev/mapper/v v${index}`,
    );
    for (const index of TABLES.keys()) {
      const name = TABLES[index]!.join(" ");
      const ours = DmCutWorld.empty(new Prng(1), [DISK_SECTORS, META_SECTORS]);
      const formatted = await ours.make("v", ourTable(index));
      await known(ours, formatted);
      const kernelFormat = new Uint8Array(readFileSync(join(folder, `format${index}`)));
      expect(sha256((await removed(ours, formatted))[0]!), name).toBe(sha256(kernelFormat));
      const kernels = worldOf(imagesIn(disks.slice(2 * index, 2 * index + 2)));
      const device = await kernels.make("v", ourTable(index));
      expect(unnamed(device.live!.table()[0]!)).toBe(unnamed(run.text(`table${index}`)));
      expect(await kernels.status(device)).toBe(run.text(`status${index}`).trim());
      expect(await digest(kernels, device), name).toBe(looksOf(run).get(`v${index}`)?.sha256);
      expect(await digest(kernels, device)).toBe(sha256(stampedSectors("a", 0, SECTORS)));
    }
  });

  it.for(["clean", "cut off"])(
    "the kernel takes what was made here, %s",
    { timeout: TEST_MS },
    async (how) => {
      const folder = testFolder("integrity");
      stamps(folder);
      const make = how === "clean" ? cleanImages : cutImages;
      const images: Uint8Array[][] = [];
      // Nothing is promised of direct writes that were cut off.
      for (const [index, [mode]] of TABLES.entries())
        images.push(await (mode === "D" ? cleanImages(index) : make(index)));
      if (how === "cut off") expect(isOnlyInJournal(images[0]![0]!, "c", 840)).toBe(true);
      const disks = images.flatMap((each, index) => saved(folder, `t${index}`, each));
      const run = await inGuest(
        folder,
        disks,
        (index) => `
      look /dev/mapper/v first${index}
      stamp /dev/mapper/v e 5000 3000
      look /dev/mapper/v second${index}`,
      );
      for (const index of TABLES.keys()) {
        const name = TABLES[index]!.join(" ");
        const ours = worldOf(images[index]!);
        const device = await ours.make("v", ourTable(index));
        await known(ours, device);
        expect(looksOf(run).get(`first${index}`)?.sha256, name).toBe(await digest(ours, device));
        expect(unnamed(run.text(`table${index}`))).toBe(unnamed(device.live!.table()[0]!));
        expect(run.text(`status${index}`).trim()).toBe(await ours.status(device));
        const again = worldOf(imagesIn(disks.slice(2 * index, 2 * index + 2)));
        const back = await again.make("v", ourTable(index));
        const second = looksOf(run).get(`second${index}`)?.sha256;
        expect(await digest(again, back), name).toBe(second);
      }
    },
  );

  it.for([
    ["J", "flushed"],
    ["J", "being written"],
    ["B", "being written"],
  ] as const)("the kernel was killed in mode %s, %s", { timeout: TEST_MS }, async ([mode, how]) => {
    const folder = testFolder("integrity");
    stamps(folder);
    const index = TABLES.findIndex(([each]) => each === mode);
    const disks = guestDisks(folder, index);
    const last =
      how === "flushed"
        ? "stamp /dev/mapper/v e 3000 16"
        : "stamp_scattered /dev/mapper/v e 16 0 500 & sleep 1";
    await bootGuest({
      disks,
      shareDir: folder,
      killAfterReadyMs: 700,
      script: `${SCRIPT_START}
        mk v "${tableOf(index, (disk) => `$d${disk}`)}"
        stamp /dev/mapper/v a
        dmsetup suspend v; dmsetup resume v
        stamp /dev/mapper/v b 800 96
        stamp /dev/mapper/v c 840 16
        ${last}
        ready
        sleep 60`,
    });
    if (how === "flushed") expect(isOnlyInJournal(imagesIn(disks)[0]!, "c", 840)).toBe(true);
    const world = worldOf(imagesIn(disks));
    const device = await world.make("v", ourTable(index));
    if (mode === "B") expect(await world.status(device)).not.toMatch(/ -$/);
    await known(world, device);
    const content = await world.until(readSectors(world.open(device), 0, SECTORS));
    expect(await world.status(device)).toContain(" integrity 0 ");
    const seeds = new Set(stampRuns(content).map((run) => run.split(" ").slice(2).join(" ")));
    expect([...seeds].toSorted()).toEqual(["stamp a", "stamp b", "stamp c", "stamp e"]);
  });
});
