/** Integrity targets on disks in memory: what tests of them have in common. */
import { expect } from "vitest";
import type { Bio } from "../../src/block/bio.ts";
import { BioFlags } from "../../src/block/bio.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { readSectors, writeSectors } from "../../src/block/promises.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import type { MappedDevice } from "../../src/dm/mapped-device.ts";
import { integritySuperblock } from "../../src/formats/dm-integrity.ts";
import { sameBytes } from "./bytes.ts";
import { DmWorld } from "./dm-world.ts";

export const SECTORS = 1024;
export const DISK_SECTORS = 3072;
export const SECTIONS = 4;
export const SECTION_SECTORS = 176;
export const JOURNAL_SECTORS = SECTIONS * SECTION_SECTORS;
export const DATA_START = 8 + JOURNAL_SECTORS + 256;
export const PROVIDED = DISK_SECTORS - DATA_START;
export const FIRST_TAG = 8 + JOURNAL_SECTORS;
export const HASH = "internal_hash:crc32c";
export const SHAPE = [`journal_sectors:${JOURNAL_SECTORS}`, HASH];

export function table(mode: string, ...options: readonly string[]): string {
  return `0 ${SECTORS} integrity ./a 0 - ${mode} ${options.length} ${options.join(" ")}`;
}

export function filled(sectors: number, byte: number): Uint8Array {
  return new Uint8Array(sectors * 512).fill(byte);
}

export function newWorld(sectors = DISK_SECTORS): DmWorld {
  return new DmWorld({ a: sectors, b: sectors });
}

/** What is sent to disk a from now on. */
export function watch(world: DmWorld): string[] {
  const seen: string[] = [];
  world.disk("a").hold(({ op, sector, sectors, flags }: Bio) => {
    seen.push(`${op} ${sector} ${sectors}${flags === BioFlags.fua ? " fua" : ""}`);
    return false;
  });
  return seen;
}

/** A comparison of many bytes that says no more. */
export async function expectSectors(
  device: BlockDevice,
  sector: number,
  expected: Uint8Array,
): Promise<void> {
  const found = await readSectors(device, sector, expected.length / 512);
  expect(sameBytes(found, expected)).toBe(true);
}

export async function status(device: MappedDevice): Promise<string> {
  return (await device.live!.status(true))[0]!.split(" ").slice(3).join(" ");
}

export async function suspended(world: DmWorld, device: MappedDevice): Promise<void> {
  await world.time.until(world.all.suspend(device, "flush", true));
}

export async function resumed(world: DmWorld, device: MappedDevice): Promise<void> {
  await world.time.until(world.all.resume(device));
}

/** Another table for the same device. */
export async function swap(world: DmWorld, device: MappedDevice, words: string): Promise<void> {
  await world.load(device, words);
  await resumed(world, device);
}

/** The same disks after a crash of whoever used them: what was written is there. */
export async function crashed(world: DmWorld): Promise<DmWorld> {
  const disks: Record<string, BlockDevice> = {};
  for (const [name, disk] of world.disks) {
    disks[name] = new MemoryDevice({ name, sectors: disk.sectors });
    await writeSectors(disks[name], 0, await readSectors(disk, 0, disk.sectors));
  }
  return new DmWorld(disks);
}

export async function known(world: DmWorld, device: MappedDevice): Promise<string> {
  for (let turn = 0; turn < 10_000; turn += 1) {
    const text = await status(device);
    if (/ (\d+) (\1|-)$/.test(text)) return text;
    await new Promise((resolve) => setImmediate(resolve));
    world.time.next();
  }
  throw new Error("recalculation does not end");
}

export async function flagsOf(world: DmWorld): Promise<number> {
  return integritySuperblock.decode(await readSectors(world.disk("a"), 0, 1)).flags;
}
