/** raid1 and raid10 that are written to, on disks of which some fail. */
import { describe, expect, it } from "vitest";
import { randomBytes, sameBytes } from "../../../../test/support/bytes.ts";
import { DATA_OFFSET, TestCore, turn } from "../../../../test/support/mirror-core.ts";
import type { TestCoreOptions } from "../../../../test/support/mirror-core.ts";
import { seedOfRun } from "../../../../test/support/seed.ts";
import type { HoldfastError } from "../../../base/errors.ts";
import { Prng } from "../../../base/prng.ts";
import { Bio, BioFlags } from "../../../block/bio.ts";
import type { BioOp } from "../../../block/bio.ts";
import { pooledObjectsMade } from "../../../block/pool.ts";
import type { SyncWork } from "../../../sync/work.ts";
import type { StepOutcome } from "../../../sync/work.ts";
import { Raid1Geometry } from "../../geometry/raid1.ts";
import { Raid10Geometry, parseRaid10Layout } from "../../geometry/raid10.ts";
import type { ArrayCore, SyncAction } from "../core.ts";
import type { Member } from "../member.ts";
import { MirrorLevel } from "./mirror.ts";

const SEED = seedOfRun();
const SECTORS = 256;

type Geometry = Raid1Geometry | Raid10Geometry;

function raid10(layout: number, disks: number): Raid10Geometry {
  return new Raid10Geometry(parseRaid10Layout(layout, disks)!, disks, 16, SECTORS);
}

/** By name: the shape, and slots of which any one may be lost with all the others. */
const SHAPES: readonly (readonly [string, () => Geometry, readonly number[]])[] = [
  ["raid1 of 2", () => new Raid1Geometry(2, SECTORS), [1]],
  ["raid1 of 3", () => new Raid1Geometry(3, SECTORS), [0, 2]],
  ["raid10 n2 of 4", () => raid10(0x102, 4), [1, 2]],
  ["raid10 n2 of 3", () => raid10(0x102, 3), [2]],
  ["raid10 f2 of 4", () => raid10(0x201, 4), [1, 3]],
  ["raid10 o2 of 4", () => raid10(0x10201, 4), [0, 2]],
  ["raid10 n3 of 4", () => raid10(0x103, 4), [0, 3]],
];

class Rig {
  readonly core: TestCore;
  readonly level: MirrorLevel;
  readonly geometry: Geometry;

  constructor(geometry: Geometry, options: Partial<TestCoreOptions> = {}) {
    this.geometry = geometry;
    const memberSectors = geometry.memberSectorsUsed(0);
    this.core = new TestCore({
      slots: geometry.raidDisks,
      memberSectors,
      hasLog: true,
      ...options,
    });
    const core: ArrayCore = this.core;
    this.level = new MirrorLevel(core, geometry);
  }

  /** Starts it; what it came to, once it has ended. */
  submit(
    op: BioOp,
    sector: number,
    sectors: number,
    data: Uint8Array = new Uint8Array(0),
    flags = 0,
  ): { error?: HoldfastError | null } {
    const outcome: { error?: HoldfastError | null } = {};
    this.level.run(new Bio(op, sector, sectors, data, flags, () => {}), (error) => {
      expect(outcome.error).toBeUndefined();
      outcome.error = error;
    });
    return outcome;
  }

  write(sector: number, data: Uint8Array, flags = 0): { error?: HoldfastError | null } {
    return this.submit("write", sector, data.length / 512, data, flags);
  }

  /** Writes and expects success at once. */
  fill(sector: number, data: Uint8Array): void {
    expect(this.write(sector, data).error).toBeNull();
  }

  read(sector: number, sectors: number): Uint8Array | HoldfastError {
    const data = new Uint8Array(sectors * 512);
    const { error } = this.submit("read", sector, sectors, data);
    expect(error).not.toBeUndefined();
    return error ?? data;
  }

  async sync(action: SyncAction, meanwhile = (): void => {}): Promise<StepOutcome[]> {
    const work = this.level.syncWork(action)!;
    return runAll(work, async () => {
      meanwhile();
      await turn();
    });
  }

  member(number: number): Member {
    return this.core.disks[number]!.member;
  }

  hold(): void {
    for (const { disk } of this.core.disks) disk.held = true;
  }
}

async function runAll(work: SyncWork, wait: () => Promise<void>): Promise<StepOutcome[]> {
  const outcomes: StepOutcome[] = [];
  for (let at = 0; at < work.sectors;) {
    let outcome: StepOutcome | undefined;
    at += work.step(at, work.sectors, (came) => (outcome = came));
    while (outcome === undefined) await wait();
    outcomes.push(outcome);
  }
  return outcomes;
}

function mismatchesOf(outcomes: readonly StepOutcome[]): number {
  return outcomes.reduce((sum, one) => sum + (one.kind === "done" ? one.mismatches : 0), 0);
}

const bytes = (fill: number, sectors: number): Uint8Array =>
  new Uint8Array(sectors * 512).fill(fill);

/** Every place of every sector on members that are believed has the model's data. */
function differencesTo(rig: Rig, model: Uint8Array): string[] {
  const found: string[] = [];
  for (let sector = 0; sector < rig.geometry.arraySectors; sector += 1)
    found.push(...differencesAt(rig, sector, model.subarray(sector * 512, (sector + 1) * 512)));
  return found;
}

function differencesAt({ core, geometry }: Rig, sector: number, data: Uint8Array): string[] {
  return geometry.copies(sector, []).flatMap(({ slot, memberSector }) =>
    core
      .believed(slot, memberSector)
      .filter((member) => !sameBytes(core.contentOf(member, memberSector), data))
      .map((member) => `sector ${sector} on ${member.label}`),
  );
}

describe.each(SHAPES)("%s", (_name, makeGeometry, mayFail) => {
  it.each([0, 1, 2, 3, 4, 5])(
    `keeps what was written while members fail and are replaced, round %i (seed ${SEED})`,
    async (round) => {
      const prng = new Prng(SEED + round);
      const rig = new Rig(makeGeometry(), { hasLog: prng.chance(0.6), copiesAreHeld: true });
      await campaign(rig, prng, mayFail);
    },
  );

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
    expect(level.mismatches.map((one) => `${one.sector} ${one.member}`).toSorted()).toEqual(
      planted.toSorted(),
    );
    expect(differencesTo(rig, model)).toHaveLength(5);
    expect(mismatchesOf(await rig.sync("repair"))).toBe(5);
    expect(differencesTo(rig, model)).toEqual([]);
    expect(mismatchesOf(await rig.sync("check"))).toBe(0);
    expect(level.mismatches).toEqual([]);
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
    core.memberFailed(rig.member(slot), { message: "asked for" } as HoldfastError, () => {});
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

/** Random requests, faults and syncs. Nothing may ever fail, since one copy of each sector is on a member without faults. */
async function campaign(rig: Rig, prng: Prng, mayFail: readonly number[]): Promise<void> {
  const { core, geometry, level } = rig;
  core.holdsRecords = true;
  const model = new Uint8Array(geometry.arraySectors * 512);
  const busy: { readonly start: number; readonly end: number; readonly isWrite: boolean }[] = [];
  let ended = 0;
  let syncing = false;
  const sync = async (action: SyncAction): Promise<void> => {
    const work = level.syncWork(action);
    if (work === null || syncing) return;
    syncing = true;
    // Who joins while it runs is not full when it is over.
    const targets = core.members.attached.filter(({ standing }) => standing.kind === "recovering");
    const outcomes = await runAll(work, turn);
    if (action === "recover" && outcomes.every(({ kind }) => kind !== "failed"))
      for (const member of targets)
        if (member.standing.kind === "recovering")
          member.standing = { kind: "in-sync", slot: member.standing.slot };
    syncing = false;
    core.commit("members", () => {});
  };
  const start = (): void => {
    const sectors = prng.pick([1, 2, 8, 8, 20]);
    const sector = prng.below(geometry.arraySectors - sectors);
    const range = { start: sector, end: sector + sectors, isWrite: prng.chance(0.6) };
    const overlaps = busy.some(
      (one) => (one.isWrite || range.isWrite) && one.start < range.end && range.start < one.end,
    );
    if (overlaps) return;
    busy.push(range);
    const isZero = range.isWrite && prng.chance(0.1);
    const data = range.isWrite && !isZero ? randomBytes(prng, sectors * 512) : bytes(0, sectors);
    const op = range.isWrite ? (isZero ? "write-zeroes" : "write") : "read";
    const bio = new Bio(op, sector, sectors, isZero ? new Uint8Array(0) : data, 0, () => {});
    level.run(bio, (error) => {
      expect(error).toBeNull();
      ended += 1;
      busy.splice(busy.indexOf(range), 1);
      if (!range.isWrite) {
        expect(sameBytes(data, model.subarray(sector * 512, (sector + sectors) * 512))).toBe(true);
        return;
      }
      model.set(data, sector * 512);
      // Law 3: whoever would be believed after a crash now has it.
      for (let i = 0; i < sectors; i += 1)
        expect(differencesAt(rig, sector + i, data.subarray(i * 512, (i + 1) * 512))).toEqual([]);
    });
  };
  const trouble = (): void => {
    const slot = prng.pick(mayFail);
    const members = core.members.at(slot);
    const member = members.member;
    if (member === null) {
      const gone = core.members.attached.filter((one) => one.isFaulty);
      for (const one of gone) if (core.waitingRecords === 0) core.remove(one);
      core.join({ kind: "recovering", slot, recoveredSectors: 0 });
      return;
    }
    const { faults } = core.diskOf(member);
    const sector = DATA_OFFSET + prng.below(core.record.componentSectors - 20);
    switch (prng.below(8)) {
      case 0:
        faults.vanish();
        break;
      case 1:
      case 2:
        faults.failWrites(sector, prng.between(1, 9));
        break;
      case 3:
        core.memberFailed(member, { message: "asked for" } as HoldfastError, () => {});
        break;
      default:
        faults.failReads(sector, prng.between(1, 9));
    }
  };
  for (let i = 0; i < 400; i += 1) {
    for (let n = 0; n < 4; n += 1) start();
    if (prng.chance(0.05)) trouble();
    if (prng.chance(0.05))
      void sync(prng.pick(["recover", "recover", "check", "repair", "resync"]));
    for (let n = prng.below(20); n > 0; n -= 1) core.stepOnce(prng);
    if (prng.chance(0.5)) await turn();
  }
  let quiet = 0;
  while (quiet < 3 || syncing || busy.length > 0) {
    while (core.stepOnce(prng)) quiet = 0;
    await turn();
    quiet += 1;
  }
  expect(ended).toBeGreaterThan(300);
  expect(differencesTo(rig, model)).toEqual([]);
  expect(core.locks.entries).toBe(0);
}

describe("a member that cannot be read in places", () => {
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
    rig.core.memberFailed(rig.member(1), { message: "asked for" } as HoldfastError, () => {});
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
    expect(rig.core.log).toHaveLength(1);
    const listed = new Rig(new Raid1Geometry(2, SECTORS));
    listed.core.disks[0]!.faults.failWrites(DATA_OFFSET + 10, 1);
    listed.core.disks[1]!.faults.failWrites(DATA_OFFSET + 11, 1);
    expect(listed.write(8, bytes(7, 8)).error).toMatchObject({ code: "io" });
    expect(listed.read(8, 8)).toEqual(bytes(7, 8));
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
        beginWrite: (sector, sectors, end) => {
          log.push(`begin ${sector}+${sectors}`);
          begun.push(() => end(null));
        },
        endWrite: (sector, sectors, isEverywhere) =>
          log.push(`end ${sector}+${sectors} ${isEverywhere} ${rig.core.locks.entries}`),
        beginSync: (_sector, max) => max,
        endSync: () => {},
      },
    });
    rig.write(4, bytes(1, 2));
    expect(rig.core.disks[0]!.disk.seen).toEqual([]);
    begun.shift()!();
    rig.core.memberFailed(rig.member(1), { message: "asked for" } as HoldfastError, () => {});
    rig.submit("discard", 9, 1);
    begun.shift()!();
    expect(log).toEqual(["begin 4+2", "end 4+2 true 1", "begin 9+1", "end 9+1 false 1"]);
  });

  it("say what is synced: nothing else is touched", async () => {
    const done: string[] = [];
    const rig = new Rig(new Raid1Geometry(2, SECTORS), {
      regions: {
        beginWrite: (_sector, _sectors, end) => end(null),
        endWrite: () => {},
        beginSync: (sector, max) => {
          const isDirty = sector >= 32 && sector < 40;
          const next = isDirty ? 40 : sector < 32 ? 32 : Infinity;
          return Math.min(max, next - sector) * (isDirty ? 1 : -1);
        },
        endSync: (sector, sectors, isDone) => done.push(`${sector}+${sectors} ${isDone}`),
      },
    });
    rig.core.disks[0]!.disk.bytes.fill(5);
    const outcomes = await rig.sync("resync");
    expect(outcomes.map(({ kind }) => kind)).toEqual(["done", "skipped"]);
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
    rig.core.memberFailed(rig.member(0), { message: "asked for" } as HoldfastError, () => {});
    const data = new Uint8Array(512);
    const read = rig.submit("read", 0, 1, data);
    expect(slow.pending).toHaveLength(1);
    while (slow.pending.length > 0) slow.finish();
    expect([read.error, data[0]]).toEqual([null, 1]);
  });
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
