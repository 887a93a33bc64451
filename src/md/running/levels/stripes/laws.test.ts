/** What a striped array promises of each single write, read and pass. */
import { describe, expect, it } from "vitest";
import { DATA_OFFSET, StripedArray } from "../../../../../test/support/striped-array.ts";
import type { StripedOptions } from "../../../../../test/support/striped-array.ts";
import type { HoldfastError } from "../../../../base/errors.ts";
import { Prng } from "../../../../base/prng.ts";
import { SECTOR_BYTES } from "../../../../base/units.ts";
import { Bio, BioFlags } from "../../../../block/bio.ts";
import type { BioEnd } from "../../../../block/bio.ts";
import { noStripeLog } from "./stripe-log.ts";
import type { StripeLog, StripeWrite } from "./stripe-log.ts";

const CHUNK = 8;

function striped(
  level: "raid4" | "raid5" | "raid6",
  raidDisks: number,
  more: Partial<StripedOptions> = {},
): StripedArray {
  const shape = { level, layout: level === "raid4" ? 0 : 2, chunkSectors: CHUNK, raidDisks };
  const prng = new Prng(7);
  return new StripedArray({ shape, componentSectors: 4 * CHUNK, prng, ...more });
}

/** Writes new contents and keeps them in mind. The list that it gives gets what the write ends with. */
function write(
  array: StripedArray,
  sector: number,
  sectors: number,
  flags = 0,
  then = (): void => {},
): unknown[] {
  const from = sector * SECTOR_BYTES;
  const now = array.content.subarray(from, from + sectors * SECTOR_BYTES);
  for (let i = 0; i < now.length; i += 1) now[i]! ^= 0x5a + (i % 7);
  const errors: unknown[] = [];
  const end: BioEnd = (error) => {
    errors.push(error);
    then();
  };
  array.write(sector, now.slice(), end, flags);
  return errors;
}

function readAll(array: StripedArray): unknown {
  const data = new Uint8Array(array.content.length);
  let outcome: unknown = "has not ended";
  array.read(0, data, (error) => (outcome = error));
  array.pump();
  if (outcome === null && Buffer.compare(data, array.content) !== 0) return "wrong contents";
  return outcome;
}

/** Every disk that stands in a slot holds what it should. */
function wrongDisks(array: StripedArray): string[] {
  return array.disks
    .filter(({ member }) => member.slot !== null)
    .filter((disk) => {
      const expected = array.expected(disk.member.slot!);
      return Buffer.compare(array.stored(disk), expected) !== 0;
    })
    .map(({ member }) => member.label);
}

/** The slot that holds this volume sector, and those of its row's parity. */
function slotsAt(array: StripedArray, sector: number): { data: number; p: number; other: number } {
  const { geometry } = array;
  const { slot, row } = geometry.locate(sector);
  const { p, data } = geometry.rowLayout(row);
  return { data: slot, p, other: data.find((one) => one !== slot)! };
}

function lose(array: StripedArray, slot: number): void {
  array.fail(array.disks[slot]!.member);
}

describe("what is read for a write", () => {
  const CASES = [
    { level: "raid5", disks: 4, chunks: 3, reads: 0, writes: 4, why: "the whole stripe" },
    { level: "raid5", disks: 4, chunks: 1, reads: 2, writes: 2, why: "a tie" },
    { level: "raid5", disks: 6, chunks: 1, reads: 2, writes: 2, why: "read-modify-write" },
    { level: "raid5", disks: 6, chunks: 3, reads: 2, writes: 4, why: "reconstruct-write" },
    { level: "raid4", disks: 6, chunks: 5, reads: 0, writes: 6, why: "the whole stripe" },
    { level: "raid6", disks: 6, chunks: 1, reads: 3, writes: 3, why: "a tie" },
    { level: "raid6", disks: 8, chunks: 1, reads: 3, writes: 3, why: "read-modify-write" },
    { level: "raid6", disks: 8, chunks: 4, reads: 2, writes: 6, why: "reconstruct-write" },
    { level: "raid6", disks: 8, chunks: 6, reads: 0, writes: 8, why: "the whole stripe" },
  ] as const;
  it.each(CASES)("$level of $disks, $chunks chunks: $why", (one) => {
    const array = striped(one.level, one.disks);
    const errors = write(array, 0, one.chunks * CHUNK);
    array.pump();
    expect(errors).toEqual([null]);
    expect([array.count("read"), array.count("write")]).toEqual([one.reads, one.writes]);
    expect(wrongDisks(array)).toEqual([]);
  });

  it("reads the rest of the stripe where the parity is not known to be right", () => {
    const array = striped("raid5", 6);
    array.core.record.resyncOffsetSectors = 0;
    const { p } = slotsAt(array, 0);
    array.spoil(array.disks[p]!, 0, new Uint8Array(CHUNK * SECTOR_BYTES));
    write(array, 0, CHUNK);
    array.pump();
    expect(array.count("read")).toBe(4);
    expect(wrongDisks(array)).toEqual([]);
  });

  it.each([
    { lost: "data", reads: 4, writes: 1 },
    { lost: "p", reads: 0, writes: 1 },
    { lost: "other", reads: 2, writes: 2 },
  ] as const)("with the member of $lost missing", ({ lost, reads, writes }) => {
    const array = striped("raid5", 6);
    lose(array, slotsAt(array, 0)[lost]);
    const errors = write(array, 0, CHUNK);
    array.pump();
    expect(errors).toEqual([null]);
    expect([array.count("read"), array.count("write")]).toEqual([reads, writes]);
    expect(readAll(array)).toBeNull();
  });

  it("takes writes of a stripe that wait together", () => {
    const array = striped("raid5", 4);
    const first = write(array, 0, CHUNK);
    const later = [write(array, CHUNK, CHUNK), write(array, 0, CHUNK), write(array, 16, CHUNK)];
    array.pump();
    expect([first, ...later]).toEqual([[null], [null], [null], [null]]);
    // The first went alone; the other three make a whole stripe.
    expect(array.events.filter((event) => event.startsWith("begin"))).toHaveLength(2);
    expect([array.count("read"), array.count("write")]).toEqual([2, 2 + 4]);
    expect(wrongDisks(array)).toEqual([]);
  });
});

describe("a write", () => {
  it("is not begun before its region is durably dirty", () => {
    const array = striped("raid5", 4);
    array.holdsRegions = true;
    const errors = write(array, 0, CHUNK);
    array.pump();
    expect(array.count("write")).toBe(0);
    array.beginRegions();
    array.pump();
    expect(errors).toEqual([null]);
    expect(array.events).toEqual(["begin 0+8", "end 0+8 everywhere"]);
  });

  it("makes no use of what a recovering member held before", () => {
    for (const level of ["raid5", "raid6"] as const) {
      const array = striped(level, 5);
      const { other } = slotsAt(array, 0);
      lose(array, other);
      array.addDisk({ kind: "recovering", slot: other, recoveredSectors: 0 }, false);
      const errors = [write(array, 0, CHUNK), write(array, 40, 3), write(array, 3, 70)];
      array.pump();
      expect(errors).toEqual([[null], [null], [null]]);
      expect(readAll(array)).toBeNull();
      expect(array.sync("recover")).toEqual({ mismatches: 0, errors: [] });
      expect(wrongDisks(array)).toEqual([]);
    }
  });

  it("keeps its stripe locked until its last member write has ended", () => {
    const array = striped("raid5", 4);
    const { p, other } = slotsAt(array, 0);
    lose(array, other);
    const { faulty } = array.disks[p]!;
    faulty.hold((bio) => bio.op === "write");
    const errors = write(array, 0, CHUNK);
    array.pump();
    array.resetCounts();
    // The row's lost chunk: to be rebuilt from the new parity with the new data, or from the old ones, and not from a mixture.
    const data = new Uint8Array(3 * CHUNK * SECTOR_BYTES);
    const reads: unknown[] = [];
    array.read(0, data, (error) => reads.push(error));
    const second = write(array, 0, CHUNK);
    array.pump();
    expect([errors, second, array.count("write")]).toEqual([[], [], 0]);
    faulty.release();
    array.pump();
    expect([errors, second, reads]).toEqual([[null], [null], [null]]);
    expect(readAll(array)).toBeNull();
  });

  it.each([
    { what: "a chunk", sectors: CHUNK },
    { what: "a whole stripe", sectors: 3 * CHUNK },
  ])("of $what ends when what a member missed is recorded", ({ sectors }) => {
    for (const hasNoBadBlockLog of [false, true]) {
      const array = striped("raid5", 4, { hasNoBadBlockLog });
      const { data } = slotsAt(array, 0);
      array.holdsRecords = true;
      array.disks[data]!.faulty.failWrites(DATA_OFFSET, CHUNK);
      const errors = write(array, 0, sectors);
      array.pump();
      expect(errors).toEqual([]);
      array.record();
      array.record();
      expect(errors).toEqual([null]);
      expect(array.events).toContain("end 0+8 not everywhere");
      expect(readAll(array)).toBeNull();
    }
  });

  it("waits for the record of a loss that somebody else found", () => {
    const array = striped("raid5", 4, { hasNoBadBlockLog: true });
    array.holdsRecords = true;
    const { data } = slotsAt(array, 0);
    array.disks[data]!.faulty.failWrites(DATA_OFFSET, CHUNK);
    const first = write(array, 0, CHUNK);
    array.pump();
    const second = write(array, 3 * CHUNK, 3 * CHUNK);
    array.pump();
    expect([first, second]).toEqual([[], []]);
    array.record();
    array.record();
    expect([first, second]).toEqual([[null], [null]]);
  });

  it("carries FUA to data and parity", () => {
    const array = striped("raid6", 5);
    const flags: number[] = [];
    for (const { faulty } of array.disks)
      faulty.hold((bio) => {
        if (bio.op === "write") flags.push(bio.flags);
        return false;
      });
    write(array, 0, CHUNK, BioFlags.fua);
    array.pump();
    expect(flags).toEqual([BioFlags.fua, BioFlags.fua, BioFlags.fua]);
  });

  it("is not kept waiting by an endless stream of FUA writes", () => {
    const array = striped("raid5", 4);
    const waits = [write(array, 0, 1), write(array, 24, 1)];
    let streamed = 0;
    const next = (): void => {
      streamed += 1;
      if (streamed < 200) write(array, streamed % 2 === 0 ? 48 : 72, 1, BioFlags.fua, next);
    };
    next();
    next();
    while (waits.some((errors) => errors.length === 0)) expect(array.pumpOne()).toBe(true);
    expect(streamed).toBeLessThan(200);
    array.pump();
  });

  it("waits where so many stripes are under way already", () => {
    const array = striped("raid5", 3, { componentSectors: 300 * CHUNK });
    const all: unknown[][] = [];
    for (let row = 0; row < 300; row += 1) all.push(write(array, row * 2 * CHUNK, 1, BioFlags.fua));
    expect(array.events).toHaveLength(256);
    array.pump();
    expect(all.every((errors) => errors.length === 1 && errors[0] === null)).toBe(true);
    expect(wrongDisks(array)).toEqual([]);
  });

  it("fails, and changes nothing, where more is lost than parity makes up for", () => {
    const array = striped("raid5", 5);
    const { data, other } = slotsAt(array, 0);
    lose(array, data);
    lose(array, other);
    const errors = write(array, 0, CHUNK);
    array.pump();
    expect((errors[0] as HoldfastError).code).toBe("io");
    expect(array.count("write")).toBe(0);
  });

  it("goes to the log before it goes to the members", () => {
    const logged: StripeWrite[] = [];
    let go: BioEnd = () => {};
    const log: StripeLog = {
      ...noStripeLog,
      log: (stripe: StripeWrite, done: BioEnd) => {
        logged.push(stripe);
        go = done;
      },
    };
    const array = striped("raid5", 4, { log });
    const errors = write(array, 0, CHUNK);
    array.pump();
    expect(array.count("write")).toBe(0);
    const { p, data } = slotsAt(array, 0);
    expect(logged[0]?.written).toEqual([data]);
    const parity = array.expected(p).subarray(0, CHUNK * SECTOR_BYTES);
    expect(Buffer.compare(logged[0]!.blocks.get(p)!, parity)).toBe(0);
    go(null);
    array.pump();
    expect(errors).toEqual([null]);
    expect(wrongDisks(array)).toEqual([]);
  });

  it("goes to a log that needs runs in as many writes as there are runs, one after the other", () => {
    const logged: StripeWrite[] = [];
    const ends: BioEnd[] = [];
    const log: StripeLog = {
      ...noStripeLog,
      maxSectors: CHUNK / 2,
      needsRuns: true,
      log: (stripe, done) => {
        logged.push(stripe);
        ends.push(done);
      },
    };
    const array = striped("raid5", 5, { log });
    const first = write(array, CHUNK, CHUNK);
    const later = [write(array, 0, CHUNK), write(array, 16, 2 * CHUNK)];
    for (array.pump(); ends.length > 0; array.pump()) {
      expect(ends).toHaveLength(1);
      ends.shift()!(null);
    }
    expect([first, ...later]).toEqual([[null], [null], [null]]);
    const { data } = array.geometry.rowLayout(0);
    const chunks = logged.map(({ written }) => written.map((slot) => data.indexOf(slot)));
    expect(chunks).toEqual([[1], [1], [0], [0], [2, 3], [2, 3]]);
    expect(wrongDisks(array)).toEqual([]);
  });

  it("is refused as a discard", () => {
    const array = striped("raid5", 4);
    const errors: (HoldfastError | null)[] = [];
    const end: BioEnd = (error) => errors.push(error);
    array.level.run(new Bio("discard", 0, 96, new Uint8Array(0), 0, end), end);
    expect(errors[0]?.code).toBe("unsupported");
  });
});

describe("a sector that cannot be read", () => {
  it("is rebuilt, written anew and counted", () => {
    const array = striped("raid5", 4);
    const disk = array.disks[slotsAt(array, 0).data]!;
    disk.faulty.failReads(DATA_OFFSET + 2, 1);
    expect(readAll(array)).toBeNull();
    expect(disk.member.correctedSectors).toBe(8);
    array.resetCounts();
    expect(readAll(array)).toBeNull();
    expect(array.count("write")).toBe(0);
  });

  it("is only rebuilt where nothing may be written", () => {
    const array = striped("raid5", 4, { isReadOnly: true });
    array.disks[slotsAt(array, 0).data]!.faulty.failReads(DATA_OFFSET + 2, 1);
    expect(readAll(array)).toBeNull();
    expect(array.sync("check")).toEqual({ mismatches: 0, errors: [] });
    expect(array.count("write")).toBe(0);
  });

  // A raid5 of 4 reads what is not written, one of 6 what is, and parity.
  it.each([4, 6])("does not spoil the parity of a write beside it, raid5 of %i", (raidDisks) => {
    const array = striped("raid5", raidDisks);
    const { data, other } = slotsAt(array, 0);
    array.disks[raidDisks === 4 ? other : data]!.faulty.failReads(DATA_OFFSET, 1);
    const errors = write(array, 0, 8);
    array.pump();
    expect([errors, wrongDisks(array)]).toEqual([[null], []]);
  });

  it("is listed as bad where it cannot be written either", () => {
    const array = striped("raid5", 4);
    const disk = array.disks[slotsAt(array, 0).data]!;
    disk.faulty.failReads(DATA_OFFSET, 8);
    disk.faulty.failWrites(DATA_OFFSET, 8);
    expect(readAll(array)).toBeNull();
    expect(disk.member.badBlocks.ranges).toEqual([{ sector: DATA_OFFSET, sectors: 8 }]);
    expect(disk.member.hasWriteErrors).toBe(true);
  });

  it("is written over when it is only listed, and believed again", () => {
    const array = striped("raid5", 4);
    const disk = array.disks[slotsAt(array, 0).data]!;
    disk.member.badBlocks.add(DATA_OFFSET, 4);
    write(array, 0, 4);
    array.pump();
    expect(disk.member.badBlocks.isEmpty).toBe(true);
    expect(wrongDisks(array)).toEqual([]);
  });

  it("is left alone by writes once a write has failed", () => {
    const array = striped("raid5", 4);
    const { data } = slotsAt(array, 0);
    const { member, waiting } = array.disks[data]!;
    member.badBlocks.add(DATA_OFFSET, 4);
    member.hasWriteErrors = true;
    const errors = write(array, 0, 4);
    array.pump();
    expect(errors).toEqual([null]);
    expect(waiting.counts.get("write") ?? 0).toBe(0);
    expect(array.events.at(-1)).toBe("end 0+4 not everywhere");
    expect(readAll(array)).toBeNull();
  });

  it("costs only itself where the rest of the row has others", () => {
    const array = striped("raid5", 4);
    array.disks[0]!.faulty.failReads(DATA_OFFSET, 1);
    array.disks[1]!.faulty.failReads(DATA_OFFSET + 1, 1);
    expect(readAll(array)).toBeNull();
  });
});

describe("a row without one of its members", () => {
  it("is read with one read of each of the others", () => {
    for (const level of ["raid5", "raid6"] as const) {
      const array = striped(level, 5);
      lose(array, slotsAt(array, 0).data);
      const sectors = array.geometry.dataDisks * CHUNK;
      const data = new Uint8Array((sectors + 5) * SECTOR_BYTES);
      const errors: unknown[] = [];
      array.read(0, data, (error) => errors.push(error));
      array.pump();
      expect(errors).toEqual([null]);
      expect(Buffer.compare(data, array.content.subarray(0, data.length))).toBe(0);
      expect(array.count("read")).toBe(array.geometry.dataDisks + 1);
    }
  });
});

it("a read that another member left alone goes on with the one that was filled meanwhile", () => {
  const array = striped("raid5", 4);
  const { data, other } = slotsAt(array, 0);
  lose(array, data);
  const recovering = { kind: "recovering", slot: data, recoveredSectors: 0 } as const;
  const { member } = array.addDisk(recovering, false);
  expect(array.sync("recover").errors).toEqual([]);
  // Nobody has been told of that yet.
  member.standing = recovering;
  const errors: unknown[] = [];
  const found = new Uint8Array(CHUNK * SECTOR_BYTES);
  // It is to be rebuilt: reads of all the others are under way.
  array.read(0, found, (error) => errors.push(error));
  member.standing = { kind: "in-sync", slot: data };
  lose(array, other);
  array.pump();
  expect(errors).toEqual([null]);
  expect(Buffer.compare(found, array.content.subarray(0, found.length))).toBe(0);
});

describe("background sync", () => {
  it("counts wrong parity, tells on raid6 who is wrong, and repairs it", () => {
    const array = striped("raid6", 5);
    const { data } = slotsAt(array, 0);
    const spoiled = array.stored(array.disks[data]!).slice(0, SECTOR_BYTES);
    spoiled[100]! ^= 1;
    array.spoil(array.disks[data]!, 3, spoiled);
    expect(array.sync("check")).toEqual({ mismatches: 8, errors: [] });
    expect(array.count("write")).toBe(0);
    const [mismatch] = array.level.mismatches.listed;
    expect(mismatch).toMatchObject({ sector: 0, sectors: 8, row: 0 });
    expect(mismatch!.parts.map(({ holds }) => holds).toSorted()).toEqual([
      "data",
      "data",
      "data",
      "p",
      "q",
    ]);
    expect(mismatch!.parts.filter(({ isWrong }) => isWrong)).toEqual([
      expect.objectContaining({
        slot: data,
        member: `disk${data}`,
        memberSector: 0,
        holds: "data",
      }),
    ]);
    expect(array.sync("repair").mismatches).toBe(8);
    expect(wrongDisks(array)).toEqual([]);
    expect(array.sync("check").mismatches).toBe(0);
    expect(array.level.mismatches.listed).toEqual([]);
  });

  it("writes nothing where parity is right", () => {
    const array = striped("raid6", 6);
    expect(array.sync("resync")).toEqual({ mismatches: 0, errors: [] });
    expect(array.count("write")).toBe(0);
  });

  it("repairs what it cannot read, also where memory happens to hold the same", () => {
    const array = striped("raid6", 6);
    const zeros = array.content.fill(0);
    const bio = new Bio("write", 0, zeros.length / SECTOR_BYTES, zeros, 0, () => {});
    array.level.run(bio, () => {});
    array.pump();
    const { faulty, member } = array.disks[2]!;
    faulty.failReads(DATA_OFFSET + 3, 1);
    expect(array.sync("check")).toEqual({ mismatches: 0, errors: [] });
    expect(member.correctedSectors).toBe(8);
  });

  it("fills a replacement from the member that it replaces", () => {
    const array = striped("raid5", 5);
    array.addDisk({ kind: "recovering", slot: 2, recoveredSectors: 0 }, true);
    expect(array.sync("recover").errors).toEqual([]);
    // One read and one write a row.
    expect([array.count("read"), array.count("write")]).toEqual([4, 4]);
    expect(wrongDisks(array)).toEqual([]);
  });

  it.each(["resync", "repair"] as const)(
    "makes a member and its replacement the same where a crash has left both good and different (%s)",
    (action) => {
      const array = striped("raid6", 5);
      const { data } = slotsAt(array, 0);
      const recoveredSectors = array.geometry.usedSectors;
      const standing = { kind: "recovering", slot: data, recoveredSectors } as const;
      const replacement = array.addDisk(standing, true);
      const replaced = array.disks[data]!;
      array.spoil(replacement, 0, array.stored(replaced));
      array.spoil(replacement, 3, new Uint8Array(SECTOR_BYTES).fill(7));
      expect(array.sync(action).errors).toEqual([]);
      expect(array.stored(replacement)).toEqual(array.stored(replaced));
      expect(wrongDisks(array)).toEqual([]);
    },
  );

  it("lists as bad what nobody has any more", () => {
    const array = striped("raid5", 4);
    lose(array, 0);
    const { member } = array.addDisk({ kind: "recovering", slot: 0, recoveredSectors: 0 }, false);
    array.disks[1]!.faulty.failReads(DATA_OFFSET + 9, 1);
    array.disks[1]!.faulty.failWrites(DATA_OFFSET + 9, 1);
    expect(array.sync("recover").errors).toEqual([]);
    expect(member.badBlocks.ranges).toEqual([{ sector: DATA_OFFSET + 9, sectors: 1 }]);
    expect(member.isInSync).toBe(true);
  });

  it("keeps writes out of the stripes it works on", () => {
    const array = striped("raid5", 4);
    const work = array.level.syncWork("check")!;
    let outcome: unknown = null;
    work.step(0, work.sectors, (one) => (outcome = one));
    const errors = write(array, 0, CHUNK);
    for (const { waiting } of array.disks) expect(waiting.counts.get("write") ?? 0).toBe(0);
    array.pump();
    expect(outcome).toEqual({ kind: "done", mismatches: 0 });
    expect(errors).toEqual([null]);
  });
});
