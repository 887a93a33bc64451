/** Which copy of a mirror is read: every member is filled with its own number, so the data tell where they come from. */
import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../../test/support/array-device.ts";
import { HoldfastError } from "../../base/errors.ts";
import { checked } from "../../block/checked.ts";
import { Raid1Geometry } from "../geometry/raid1.ts";
import { Slot, fixedView } from "../slot.ts";
import { MirrorPersonality } from "./mirror.ts";

const SECTORS = 1000;

interface Member {
  readonly writeMostly?: boolean;
  readonly recoveredSectors?: number;
}

interface Mirror {
  readonly disks: readonly ArrayDevice[];
  /** Of the last read of `sectors` at `sector`: which members it came from; null if it failed. */
  read(sector: number, sectors: number): () => readonly number[] | null;
}

function mirrorOf(members: readonly Member[], alikeSectors: number): Mirror {
  const disks = members.map((_member, i) => {
    const disk = new ArrayDevice(SECTORS, {}, `m${i}`);
    disk.bytes.fill(i);
    return disk;
  });
  const slots = members.map(({ writeMostly = false, recoveredSectors = Infinity }, i) => {
    const view = fixedView(`m${i}`, checked(disks[i]!), 0, recoveredSectors, []);
    return new Slot(i, [view], writeMostly);
  });
  const geometry = new Raid1Geometry(members.length, SECTORS);
  const personality = new MirrorPersonality(geometry, slots, () => alikeSectors);
  const read: Mirror["read"] = (sector, sectors) => {
    const data = new Uint8Array(sectors * 512).fill(255);
    let outcome: HoldfastError | null | undefined;
    personality.readPiece(sector, data, (error) => (outcome = error));
    return () => {
      expect(outcome).not.toBeUndefined();
      return outcome === null ? [...new Set(data)] : null;
    };
  };
  return { disks, read };
}

function hold(disks: readonly ArrayDevice[]): void {
  for (const disk of disks) disk.held = true;
}

function finishAll(disks: readonly ArrayDevice[]): void {
  for (const disk of disks) while (disk.pending.length > 0) disk.finish();
}

const pending = ({ disks }: Mirror): number[] => disks.map((disk) => disk.pending.length);

describe("a mirror whose copies are alike", () => {
  it("spreads reads that are under way at a time over all members", () => {
    const mirror = mirrorOf([{}, {}, {}], Infinity);
    hold(mirror.disks);
    for (let i = 0; i < 9; i += 1) mirror.read(900 - 100 * i, 1);
    expect(pending(mirror)).toEqual([3, 3, 3]);
    mirror.disks[1]!.finish();
    mirror.read(50, 1);
    expect(pending(mirror)).toEqual([3, 3, 3]);
  });

  it("lets reads that follow each other stay where the first one was", () => {
    const mirror = mirrorOf([{}, {}], Infinity);
    hold(mirror.disks);
    mirror.read(500, 8);
    mirror.read(100, 8);
    expect(pending(mirror)).toEqual([1, 1]);
    for (let i = 1; i < 10; i += 1) mirror.read(100 + 8 * i, 8);
    expect(pending(mirror)).toEqual([1, 10]);
    mirror.read(508, 8);
    expect(pending(mirror)).toEqual([2, 10]);
  });

  it("reads one copy for a client that waits for each answer", () => {
    const mirror = mirrorOf([{}, {}], Infinity);
    for (const sector of [10, 700, 30, 31, 900]) expect(mirror.read(sector, 1)()).toEqual([0]);
  });

  it("takes write-mostly members only when there is no other", () => {
    const mirror = mirrorOf([{ writeMostly: true }, {}, { writeMostly: true }], Infinity);
    hold(mirror.disks);
    for (let i = 0; i < 6; i += 1) mirror.read(100 * i, 1);
    expect(pending(mirror)).toEqual([0, 6, 0]);
    finishAll(mirror.disks);
    const lone = mirrorOf([{ writeMostly: true }, { recoveredSectors: 0 }], Infinity);
    expect(lone.read(5, 1)()).toEqual([0]);
  });

  it("uses every copy that is left before it gives up, and counts nothing as under way after", () => {
    const mirror = mirrorOf([{}, {}, {}], Infinity);
    const broken = new HoldfastError("io", "broken");
    mirror.disks[0]!.fault = () => broken;
    mirror.disks[2]!.fault = (bio) => (bio.sector + bio.sectors > 101 ? broken : null);
    mirror.disks[1]!.fault = (bio) => (bio.sector < 101 ? broken : null);
    expect(mirror.read(100, 2)()).toEqual([2, 1]);
    mirror.disks[1]!.fault = () => broken;
    expect(mirror.read(100, 2)()).toBeNull();
    for (const disk of mirror.disks) disk.fault = () => null;
    hold(mirror.disks);
    for (let i = 0; i < 6; i += 1) mirror.read(900 - 100 * i, 1);
    expect(pending(mirror)).toEqual([2, 2, 2]);
  });

  it("prefers a copy that has the whole range to putting it together", () => {
    expect(mirrorOf([{ recoveredSectors: 50 }, {}], Infinity).read(48, 4)()).toEqual([1]);
  });
});

describe("a mirror whose copies may differ", () => {
  it("reads the same copy always, however much is under way", () => {
    const mirror = mirrorOf([{ writeMostly: true }, {}, {}], 100);
    hold(mirror.disks);
    const reads = Array.from({ length: 8 }, (_unused, i) => mirror.read(99 + 50 * i, 2));
    finishAll(mirror.disks);
    expect(reads.map((came) => came())).toEqual(Array.from({ length: 8 }, () => [1]));
  });

  it("spreads reads below the resync position all the same", () => {
    const mirror = mirrorOf([{}, {}], 100);
    hold(mirror.disks);
    for (const sector of [90, 30, 99, 10]) mirror.read(sector, 1);
    expect(pending(mirror)).toEqual([2, 2]);
  });

  it("takes each sector from the first copy that has it, however long the read", () => {
    const mirror = mirrorOf([{ recoveredSectors: 50 }, {}], 0);
    expect(mirror.read(49, 1)()).toEqual([0]);
    expect(mirror.read(48, 4)()).toEqual([0, 1]);
    expect(mirror.read(50, 1)()).toEqual([1]);
  });
});
