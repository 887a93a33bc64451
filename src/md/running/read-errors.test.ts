/** How many read errors a member may have, at levels with parity; mirrors: levels/mirror.test.ts. */
import { describe, expect, it } from "vitest";
import { DATA_OFFSET, StripedArray } from "../../../test/support/striped-array.ts";
import type { Disk } from "../../../test/support/striped-array.ts";
import { Prng } from "../../base/prng.ts";
import { SECTOR_BYTES } from "../../base/units.ts";

const CHUNK = 128;
const HOUR_MS = 3_600_000;

function striped(level: "raid4" | "raid5" | "raid6", raidDisks: number): StripedArray {
  const shape = { level, layout: level === "raid4" ? 0 : 2, chunkSectors: CHUNK, raidDisks };
  return new StripedArray({ shape, componentSectors: 8 * CHUNK, prng: new Prng(7) });
}

function read(array: StripedArray, sector: number, sectors: number): unknown {
  const data = new Uint8Array(sectors * SECTOR_BYTES);
  let outcome: unknown = "has not ended";
  array.read(sector, data, (error) => (outcome = error));
  array.pump();
  const from = sector * SECTOR_BYTES;
  const wanted = array.content.subarray(from, from + data.length);
  if (outcome === null && Buffer.compare(data, wanted) !== 0) return "wrong contents";
  return outcome;
}

/** The disk that holds the volume's first sectors. */
function firstDisk(array: StripedArray): Disk {
  return array.disks[array.geometry.locate(0).slot]!;
}

/** One sector of the first chunk after the other cannot be read, once. */
function readBad(array: StripedArray, from: number, count: number): void {
  for (let i = from; i < from + count; i += 1) {
    firstDisk(array).faulty.failReads(DATA_OFFSET + 8 * (i % 16), 1);
    expect(read(array, 8 * (i % 16), 1)).toBeNull();
  }
}

describe.each([
  ["raid4", 3],
  ["raid5", 3],
  ["raid6", 5],
] as const)("%s of %i: a member", (level, disks) => {
  it("fails after 20 read errors, of which every hour takes half away", () => {
    const array = striped(level, disks);
    const { member } = firstDisk(array);
    readBad(array, 0, 20);
    expect(member.isInSync).toBe(true);
    expect(member.correctedSectors).toBe(20);
    array.nowMs += HOUR_MS;
    readBad(array, 0, 10);
    expect(member.isInSync).toBe(true);
    readBad(array, 10, 1);
    expect(member.isFaulty).toBe(true);
    expect(array.events).toContain(`failed ${member.label}`);
    expect(read(array, 0, array.geometry.arraySectors)).toBeNull();
  });

  it("may have as many as the array is told", () => {
    const array = striped(level, disks);
    array.core.settings.maxReadErrors = 2;
    readBad(array, 0, 2);
    expect(firstDisk(array).member.isInSync).toBe(true);
    readBad(array, 2, 1);
    expect(firstDisk(array).member.isFaulty).toBe(true);
  });

  it("has had one error where a long read fails in many places", () => {
    const array = striped(level, disks);
    array.core.settings.maxReadErrors = 1;
    const disk = firstDisk(array);
    for (let at = 0; at < CHUNK; at += 8) disk.faulty.failReads(DATA_OFFSET + at, 1);
    expect(read(array, 0, CHUNK)).toBeNull();
    expect(disk.member.correctedSectors).toBe(CHUNK);
    expect(disk.member.isInSync).toBe(true);
  });

  it("stays where it cannot be missed", () => {
    const array = striped(level, disks);
    array.core.settings.maxReadErrors = 0;
    const { member } = firstDisk(array);
    const others = array.disks.filter((disk) => disk.member !== member);
    const spare = disks - array.geometry.dataDisks;
    // They are being filled, and so far only that the errors below can be made good.
    for (const disk of others.slice(0, spare)) {
      const slot = disk.member.slot!;
      disk.member.standing = { kind: "recovering", slot, recoveredSectors: CHUNK };
    }
    readBad(array, 0, 3);
    expect(member.isInSync).toBe(true);
    expect(member.correctedSectors).toBe(3);
  });
});
