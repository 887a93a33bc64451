/** raid1 and raid10 that are written to, case by case. */
import { describe, expect, it } from "vitest";
import { randomBytes, sameBytes } from "../../../../test/support/bytes.ts";
import { DATA_OFFSET, turn } from "../../../../test/support/mirror-core.ts";
import {
  Rig,
  SECTORS,
  SHAPES,
  bytes,
  differencesTo,
  mismatchesOf,
  raid10,
} from "../../../../test/support/mirror-rig.ts";
import { seedOfRun } from "../../../../test/support/seed.ts";
import { HoldfastError } from "../../../base/errors.ts";
import { Prng } from "../../../base/prng.ts";
import { BioFlags } from "../../../block/bio.ts";
import { pooledObjectsMade } from "../../../block/pool.ts";
import { noRegions } from "../../../regions/region-tracker.ts";
import { Raid1Geometry } from "../../geometry/raid1.ts";
import type { Member } from "../member.ts";

const SEED = seedOfRun();
const ASKED_FOR = new HoldfastError("io", "somebody asked for it");

describe.each(SHAPES)("%s", (_name, makeGeometry, mayFail) => {
  it(`writes each copy, splits at chunks, and passes on zeros and discards (seed ${SEED})`, () => {
    const prng = new Prng(SEED);
    const rig = new Rig(makeGeometry());
    const model = randomBytes(prng, rig.geometry.arraySectors * 512);
    rig.fill(0, model);
    expect(differencesTo(rig, model)).toEqual([]);
    expect(rig.submit("write-zeroes", 5, 40).error).toBeNull();
    model.fill(0, 5 * 512, 45 * 512);
    expect(differencesTo(rig, model)).toEqual([]);
    expect(rig.submit("discard", 60, 30).error).toBeNull();
    expect(rig.core.disks[0]!.disk.seen.some(({ op }) => op === "discard")).toBe(true);
    expect(rig.write(3, bytes(1, 2), BioFlags.fua).error).toBeNull();
    expect(rig.core.disks[0]!.disk.seen.at(-1)!.flags).toBe(BioFlags.fua);
  });

  it(`finds differences by check, cures them by repair (seed ${SEED})`, async () => {
    const prng = new Prng(SEED);
    const rig = new Rig(makeGeometry());
    const { core, level, geometry } = rig;
    const model = randomBytes(prng, geometry.arraySectors * 512);
    rig.fill(0, model);
    const planted: string[] = [];
    for (let i = 0; i < 5; i += 1) {
      const sector = i * 20 + prng.below(20);
      const place = geometry.copies(sector, []).at(-1)!;
      const { disk, member } = core.disks[place.slot]!;
      disk.bytes[(DATA_OFFSET + place.memberSector) * 512 + prng.below(512)]! ^= 1;
      planted.push(`${sector} ${member.label}`);
    }
    expect(mismatchesOf(await rig.sync("check"))).toBe(5);
    expect(level.syncWork("check")).not.toBeNull();
    const found = level.mismatches.listed.flatMap(({ sector, sectors, parts }) => {
      const odd = parts.filter(({ variant }) => variant > 0).map(({ member }) => member);
      return Array.from({ length: sectors }, (_unused, at) => `${sector + at} ${odd.join()}`);
    });
    expect(found).toEqual(planted);
    expect(differencesTo(rig, model)).toHaveLength(5);
    expect(mismatchesOf(await rig.sync("repair"))).toBe(5);
    expect(differencesTo(rig, model)).toEqual([]);
    expect(mismatchesOf(await rig.sync("check"))).toBe(0);
    expect(level.mismatches.listed).toEqual([]);
  });

  it(`resyncs from the copy that reads have shown (seed ${SEED})`, async () => {
    const prng = new Prng(SEED);
    const rig = new Rig(makeGeometry());
    const { core, geometry } = rig;
    for (const { disk } of core.disks) prng.fill(disk.bytes);
    core.record.resyncOffsetSectors = 0;
    const before = rig.read(0, geometry.arraySectors) as Uint8Array;
    expect(mismatchesOf(await rig.sync("resync")) > 0).toBe(geometry.level === "raid10");
    expect(differencesTo(rig, before)).toEqual([]);
    core.record.resyncOffsetSectors = Infinity;
    expect(sameBytes(rig.read(0, geometry.arraySectors) as Uint8Array, before)).toBe(true);
  });

  it(`fills a new member, and lists what nobody has (seed ${SEED})`, async () => {
    const prng = new Prng(SEED);
    const rig = new Rig(makeGeometry());
    const { core, geometry } = rig;
    const model = randomBytes(prng, geometry.arraySectors * 512);
    rig.fill(0, model);
    const slot = mayFail[0]!;
    core.memberFailed(rig.member(slot), ASKED_FOR, () => {});
    core.remove(rig.member(slot));
    const young = core.join({ kind: "recovering", slot, recoveredSectors: 0 });
    const lost = [...Array(geometry.arraySectors).keys()].find((sector) =>
      geometry.copies(sector, []).some((place) => place.slot === slot),
    )!;
    for (const { slot: other, memberSector } of geometry.copies(lost, []))
      if (other !== slot) core.disks[other]!.faults.failReads(DATA_OFFSET + memberSector, 1);
    const outcomes = await rig.sync("recover");
    expect(outcomes.some(({ kind }) => kind === "failed")).toBe(false);
    young.member.standing = { kind: "in-sync", slot };
    core.commit("members", () => {});
    const there = geometry.copies(lost, []).find((place) => place.slot === slot)!;
    expect(young.member.badBlocks.ranges).toEqual([
      { sector: DATA_OFFSET + there.memberSector, sectors: 1 },
    ]);
    expect(differencesTo(rig, model)).toEqual([]);
    expect(young.disk.seen.length).toBeGreaterThan(0);
    expect(rig.level.syncWork("recover")).toBeNull();
  });
});

describe("a member that cannot be read in places", () => {
  it("is written from another copy by a check, also where memory happens to hold the same", async () => {
    const rig = new Rig(new Raid1Geometry(2, SECTORS));
    rig.fill(0, new Uint8Array(SECTORS * 512));
    for (const { faults } of rig.core.disks.slice(1)) faults.failReads(DATA_OFFSET + 10, 1);
    expect(mismatchesOf(await rig.sync("check"))).toBe(0);
    await turn();
    expect(rig.member(1).correctedSectors).toBe(8);
  });

  it("is written whole by a resync, since nobody has compared what lies beside its bad sectors", async () => {
    const rig = new Rig(raid10(0x102, 2));
    rig.fill(0, bytes(7, 64));
    const model = rig.read(0, rig.geometry.arraySectors) as Uint8Array;
    // A write of which the power cut left the one copy, and sectors of the other that went bad.
    rig.core.disks[1]!.disk.bytes.fill(8, (DATA_OFFSET + 4) * 512, (DATA_OFFSET + 8) * 512);
    rig.core.disks[1]!.faults.failReads(DATA_OFFSET + 12, 1);
    await rig.sync("resync");
    await turn();
    expect(differencesTo(rig, model)).toEqual([]);
    rig.core.disks[0]!.disk.bytes.fill(9, (DATA_OFFSET + 36) * 512, (DATA_OFFSET + 40) * 512);
    rig.core.disks[0]!.faults.failReads(DATA_OFFSET + 44, 1);
    await rig.sync("resync");
    await turn();
    expect(differencesTo(rig, model)).toEqual([]);
  });

  it("is written from another copy, and that is counted", async () => {
    const rig = new Rig(new Raid1Geometry(2, SECTORS));
    rig.fill(0, bytes(7, 64));
    const { faults, member } = rig.core.disks[0]!;
    faults.failReads(DATA_OFFSET + 10, 1);
    expect(rig.read(8, 8)).toEqual(bytes(7, 8));
    await turn();
    expect(member.correctedSectors).toBe(8);
    const { seen } = rig.core.disks[1]!.disk;
    const reads = seen.length;
    expect(rig.read(8, 8)).toEqual(bytes(7, 8));
    expect(seen.length).toBe(reads);
    expect(rig.core.log).toEqual([]);
  });

  it("has the sectors listed when they cannot be written either", async () => {
    const rig = new Rig(new Raid1Geometry(2, SECTORS));
    rig.fill(0, bytes(7, 64));
    rig.core.disks[0]!.faults.failReads(DATA_OFFSET + 10, 1);
    rig.core.disks[0]!.faults.failWrites(DATA_OFFSET + 10, 1);
    expect(rig.read(8, 8)).toEqual(bytes(7, 8));
    await turn();
    expect(rig.core.log).toEqual(["m0 bad 10+1"]);
    expect(rig.read(8, 8)).toEqual(bytes(7, 8));
  });

  it("fails after 20 errors, of which every hour takes half away", async () => {
    const rig = new Rig(new Raid1Geometry(2, SECTORS));
    rig.fill(0, bytes(7, SECTORS));
    const { faults, member } = rig.core.disks[0]!;
    const readBad = async (sector: number): Promise<void> => {
      faults.failReads(DATA_OFFSET + sector, 1);
      expect(rig.read(sector, 1)).toEqual(bytes(7, 1));
      await turn();
    };
    for (let i = 0; i < 20; i += 1) await readBad(i * 8);
    expect(member.isFaulty).toBe(false);
    rig.core.nowMs += 3_600_000;
    for (let i = 0; i < 10; i += 1) await readBad(i * 8 + 1);
    expect(member.isFaulty).toBe(false);
    await readBad(200);
    expect(member.isFaulty).toBe(true);
  });

  it("is left alone when it is the last one, or when nothing may be written", async () => {
    const rig = new Rig(new Raid1Geometry(2, SECTORS), { hasLog: false });
    rig.fill(0, bytes(7, 64));
    rig.core.isWritable = false;
    rig.core.disks[0]!.faults.failReads(DATA_OFFSET + 10, 1);
    expect(rig.read(8, 8)).toEqual(bytes(7, 8));
    await turn();
    expect(rig.core.disks[0]!.disk.seen.filter(({ op }) => op === "write")).toHaveLength(1);
    rig.core.isWritable = true;
    rig.core.memberFailed(rig.member(1), ASKED_FOR, () => {});
    expect(rig.read(8, 8)).toMatchObject({ code: "data-lost" });
    await turn();
    expect(rig.core.log).toEqual(["m1 failed"]);
    expect(rig.member(0).isInSync).toBe(true);
  });

  it("fails at once where it is to fail fast", () => {
    const rig = new Rig(new Raid1Geometry(2, SECTORS));
    rig.fill(0, bytes(7, 64));
    rig.member(0).failFast = true;
    rig.core.disks[0]!.faults.failReads(DATA_OFFSET + 10, 1);
    expect(rig.read(8, 8)).toEqual(bytes(7, 8));
    expect(rig.core.log).toEqual(["m0 failed"]);
  });
});

describe("a member of raid10 whose other copies have left", () => {
  const isLast = (member: Member): boolean => member.slot === 0;

  it("stays where it was to fail fast, and for however many errors", async () => {
    const rig = new Rig(raid10(0x102, 4), { isLast });
    rig.fill(0, bytes(7, 64));
    rig.core.settings.maxReadErrors = 0;
    rig.core.memberFailed(rig.member(1), ASKED_FOR, () => {});
    const { faults, member } = rig.core.disks[0]!;
    for (const failFast of [true, false]) {
      member.failFast = failFast;
      faults.failReads(DATA_OFFSET + 2, 1);
      expect(rig.read(0, 8)).toMatchObject({ code: "data-lost" });
      await turn();
      faults.failWrites(DATA_OFFSET + 4, 1);
      expect(rig.write(4, bytes(9, 1)).error).not.toBeUndefined();
      await turn();
    }
    expect(member.isInSync).toBe(true);
    expect(rig.core.log).toEqual(["m1 failed", "m0 bad 4+1"]);
  });
});

describe("a write that a member cannot take", () => {
  it("is not acknowledged before that is on stable storage", () => {
    for (const hasLog of [true, false]) {
      const rig = new Rig(new Raid1Geometry(2, SECTORS), { hasLog });
      rig.core.holdsRecords = true;
      rig.core.disks[1]!.faults.failWrites(DATA_OFFSET + 10, 1);
      const first = rig.write(8, bytes(7, 8));
      expect(first.error).toBeUndefined();
      expect(rig.core.log).toEqual([hasLog ? "m1 bad 10+1" : "m1 failed"]);
      // This one leaves out what the first one found.
      const second = rig.write(10, bytes(8, 1));
      expect(second.error).toBeUndefined();
      rig.core.recordAll();
      expect([first.error, second.error]).toEqual([null, null]);
      expect(rig.read(10, 1)).toEqual(bytes(8, 1));
      expect(rig.core.disks[1]!.disk.bytes[(DATA_OFFSET + 10) * 512]).toBe(0);
      expect(rig.core.disks[1]!.disk.bytes[(DATA_OFFSET + 11) * 512]).toBe(hasLog ? 7 : 0);
    }
  });

  it("fails when it was the last one, or when nobody has all of it", () => {
    const rig = new Rig(new Raid1Geometry(2, SECTORS), {
      hasLog: false,
      isLast: (_member, members) => members.degraded === 1,
    });
    for (const { faults } of rig.core.disks) faults.failWrites(DATA_OFFSET + 10, 1);
    expect(rig.write(8, bytes(7, 8)).error).toMatchObject({ code: "io" });
    expect(rig.core.log).toEqual(["m0 failed", "m1 cannot be missed"]);
    const listed = new Rig(new Raid1Geometry(2, SECTORS));
    listed.core.disks[0]!.faults.failWrites(DATA_OFFSET + 10, 1);
    listed.core.disks[1]!.faults.failWrites(DATA_OFFSET + 11, 1);
    expect(listed.write(8, bytes(7, 8)).error).toMatchObject({ code: "io" });
    expect(listed.read(8, 8)).toEqual(bytes(7, 8));
  });

  it("does not count on a member that is still being filled", () => {
    const rig = new Rig(new Raid1Geometry(2, SECTORS));
    rig.core.memberFailed(rig.member(1), ASKED_FOR, () => {});
    rig.core.join({ kind: "recovering", slot: 1, recoveredSectors: 0 });
    rig.core.disks[0]!.faults.failWrites(DATA_OFFSET + 1, 1);
    expect(rig.write(0, bytes(1, 4)).error).toMatchObject({ code: "io" });
    rig.fill(8, bytes(1, 4));
    expect(rig.core.disks[2]!.disk.bytes[(DATA_OFFSET + 8) * 512]).toBe(1);
  });

  it("is resynced with a member that is being filled, where a crash left it different", async () => {
    const rig = new Rig(new Raid1Geometry(2, SECTORS));
    rig.core.memberFailed(rig.member(1), ASKED_FOR, () => {});
    rig.core.join({ kind: "recovering", slot: 1, recoveredSectors: 128 });
    const [first, , filled] = rig.core.disks.map(({ disk }) => disk.bytes);
    const place = (DATA_OFFSET + 3) * 512;
    first!.fill(7, place, place + 512);
    await rig.sync("resync");
    expect(filled!.subarray(place, place + 512)).toEqual(first!.subarray(place, place + 512));
  });

  it("makes a bad block good where the member has had no write errors", () => {
    const rig = new Rig(new Raid1Geometry(2, SECTORS));
    rig.member(0).badBlocks.add(DATA_OFFSET + 4, 2);
    rig.fill(0, bytes(7, 5));
    expect(rig.member(0).badBlocks.ranges).toEqual([{ sector: DATA_OFFSET + 5, sectors: 1 }]);
    rig.member(0).hasWriteErrors = true;
    rig.fill(0, bytes(8, 8));
    expect(rig.member(0).badBlocks.ranges).toEqual([{ sector: DATA_OFFSET + 5, sectors: 1 }]);
    expect(rig.core.disks[0]!.disk.bytes[(DATA_OFFSET + 5) * 512]).toBe(0);
    expect(rig.read(0, 8)).toEqual(bytes(8, 8));
  });

  it("takes out a replacement, and the array goes on as it was", () => {
    const rig = new Rig(new Raid1Geometry(2, SECTORS));
    const { faults, member } = rig.core.join({ kind: "recovering", slot: 1, recoveredSectors: 0 });
    member.isReplacement = true;
    faults.failWrites(DATA_OFFSET, 1);
    rig.fill(0, bytes(7, 4));
    expect(rig.core.log).toEqual(["m2 failed"]);
    expect(rig.core.members.degraded).toBe(0);
  });
});

describe("regions", () => {
  it("are dirty before a write, and told whether all have it, before the range is let go", () => {
    const log: string[] = [];
    const begun: (() => void)[] = [];
    const rig = new Rig(new Raid1Geometry(2, SECTORS), {
      regions: {
        ...noRegions,
        beginWrite: (sector, sectors, end) => {
          log.push(`begin ${sector}+${sectors}`);
          begun.push(() => end(null));
        },
        endWrite: (sector, sectors, isEverywhere) =>
          log.push(`end ${sector}+${sectors} ${isEverywhere} ${rig.core.locks.entries}`),
      },
    });
    rig.write(4, bytes(1, 2));
    expect(rig.core.disks[0]!.disk.seen).toEqual([]);
    begun.shift()!();
    rig.core.memberFailed(rig.member(1), ASKED_FOR, () => {});
    rig.submit("discard", 9, 1);
    begun.shift()!();
    expect(log).toEqual(["begin 4+2", "end 4+2 true 1", "begin 9+1", "end 9+1 false 1"]);
  });

  it("say what is synced: nothing else is touched", async () => {
    const done: string[] = [];
    const rig = new Rig(new Raid1Geometry(2, SECTORS), {
      regions: {
        ...noRegions,
        beginSync: (sector, max) => {
          const isDirty = sector >= 32 && sector < 40;
          const next = isDirty ? 40 : sector < 32 ? 32 : Infinity;
          return Math.min(max, next - sector) * (isDirty ? 1 : -1);
        },
        alikeRun: (sector, max) => Math.min(max, sector < 32 ? 32 - sector : 0),
        endSync: (sector, sectors, isDone) => done.push(`${sector}+${sectors} ${isDone}`),
      },
    });
    rig.core.disks[0]!.disk.bytes.fill(5);
    const outcomes = await rig.sync("resync");
    expect(outcomes.map(({ kind }) => kind)).toEqual(["skipped", "done"]);
    expect(done).toEqual(["32+8 true"]);
    const copied = rig.core.disks[1]!.disk.bytes;
    expect(copied.reduce((sum, byte) => sum + byte, 0)).toBe(8 * 512 * 5);
  });
});

describe("write-behind", () => {
  const behind = (limit: number): Rig => {
    const rig = new Rig(new Raid1Geometry(2, SECTORS));
    rig.member(1).writeMostly = true;
    rig.level.writeBehindLimit = limit;
    rig.core.disks[1]!.disk.held = true;
    return rig;
  };

  it("does not wait for a write-mostly member, copies the data, and is bounded", () => {
    const rig = behind(2);
    const slow = rig.core.disks[1]!.disk;
    const data = bytes(1, 4);
    expect(rig.write(0, data).error).toBeNull();
    data.fill(9);
    expect(rig.write(8, bytes(2, 4)).error).toBeNull();
    const third = rig.write(16, bytes(3, 4));
    expect(third.error).toBeUndefined();
    expect(rig.core.locks.entries).toBe(3);
    while (slow.pending.length > 0) slow.finish();
    expect(third.error).toBeNull();
    expect(slow.bytes[DATA_OFFSET * 512]).toBe(1);
    expect(rig.core.locks.entries).toBe(0);
    expect(rig.write(24, bytes(4, 1), BioFlags.fua).error).toBeUndefined();
  });

  it("keeps overlapping writes in order", () => {
    const rig = behind(10);
    const slow = rig.core.disks[1]!.disk;
    for (const fill of [1, 2, 3]) expect(rig.write(0, bytes(fill, 4)).error).toBeNull();
    expect(slow.pending).toHaveLength(1);
    while (slow.pending.length > 0) slow.finish(slow.pending.length - 1);
    expect(slow.bytes[DATA_OFFSET * 512]).toBe(3);
  });

  it("lets reads that need the slow member wait for it", () => {
    const rig = behind(10);
    const slow = rig.core.disks[1]!.disk;
    expect(rig.write(0, bytes(1, 4)).error).toBeNull();
    rig.core.memberFailed(rig.member(0), ASKED_FOR, () => {});
    const data = new Uint8Array(512);
    const read = rig.submit("read", 0, 1, data);
    expect(slow.pending).toHaveLength(1);
    while (slow.pending.length > 0) slow.finish();
    expect([read.error, data[0]]).toEqual([null, 1]);
  });
});

it("leaves all copies alike after writes that overlap, however the members order what they have at a time", () => {
  const rig = new Rig(new Raid1Geometry(2, SECTORS));
  const disks = [0, 1].map((number) => rig.core.disks[number]!.disk);
  for (const disk of disks) disk.held = true;
  const writes = [rig.write(0, bytes(1, 4)), rig.write(2, bytes(2, 4))];
  while (disks.some((disk) => disk.pending.length > 0)) {
    if (disks[0]!.pending.length > 0) disks[0]!.finish(0);
    if (disks[1]!.pending.length > 0) disks[1]!.finish(disks[1]!.pending.length - 1);
  }
  expect(writes.map(({ error }) => error)).toEqual([null, null]);
  const [first, second] = disks.map(({ bytes: all }) => all.slice(DATA_OFFSET * 512));
  expect(Buffer.compare(first!, second!)).toBe(0);
});

it(`writes make no objects in the long run (seed ${SEED})`, () => {
  const prng = new Prng(SEED);
  for (const geometry of [new Raid1Geometry(2, SECTORS), raid10(0x102, 4)]) {
    const rig = new Rig(geometry);
    const data = bytes(1, 8);
    const round = (): void => {
      rig.fill(prng.below(geometry.arraySectors / 8) * 8, data);
    };
    round();
    const before = pooledObjectsMade();
    for (let i = 0; i < 500; i += 1) round();
    expect(pooledObjectsMade()).toBe(before);
  }
});
