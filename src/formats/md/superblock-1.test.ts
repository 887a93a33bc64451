import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeSuperblock1 } from "./superblock-1.ts";
import {
  FEATURE,
  MAX_ROLES,
  MD_MAGIC,
  ROLE,
  superblock1,
  superblock1Checksum,
  superblock1Sector,
} from "./superblock-1-layout.ts";
import type { Superblock1 } from "./superblock-1-layout.ts";
import { arrayUuidBytes } from "./superblock.ts";
import type { MdSuperblock, SuperblockDecode } from "./superblock.ts";

const DEVICE_SECTORS = 65536;
const PLACE = { sector: 8, deviceSectors: DEVICE_SECTORS };
const NONE = 0xffff_ffff_ffff_ffffn;

/** A clean 4-disk raid5's member 1, with changes to raw fields, roles and bytes; checksum put right. */
function bytesOf(
  changes: Partial<Superblock1> = {},
  roles: readonly number[] = [0, 1, 2, 3],
  more: (data: Uint8Array) => void = () => {},
): Uint8Array {
  const name = new Uint8Array(32);
  name.set(new TextEncoder().encode("host:data"));
  const data = superblock1.encode({
    magic: MD_MAGIC,
    majorVersion: 1,
    featureMap: 0,
    pad0: 0,
    setUuid: Uint8Array.from({ length: 16 }, (_unused, i) => i),
    setName: name,
    ctime: (5n << 40n) | 1_700_000_000n,
    level: 5,
    layout: 2,
    size: 40960n,
    chunksize: 128,
    raidDisks: 4,
    bitmapOffset: 0,
    newLevel: 0,
    reshapePosition: 0n,
    deltaDisks: 0,
    newLayout: 0,
    newChunk: 0,
    newOffset: 0,
    dataOffset: 2048n,
    dataSize: 40960n,
    superOffset: 8n,
    recoveryOffset: 0n,
    devNumber: 1,
    cntCorrectedRead: 0,
    deviceUuid: new Uint8Array(16).fill(7),
    devflags: 0,
    bblogShift: 0,
    bblogSize: 8,
    bblogOffset: 16,
    utime: 1_700_000_100n,
    events: 42n,
    resyncOffset: NONE,
    sbCsum: 0,
    maxDev: roles.length,
    logicalBlockSize: 0,
    pad3: new Uint8Array(28),
    ...changes,
  });
  const view = new DataView(data.buffer);
  roles.forEach((role, i) => view.setUint16(256 + 2 * i, role, true));
  more(data);
  const { maxDev, sbCsum } = superblock1.decode(data);
  if (sbCsum === 0)
    superblock1.encodeInto(data, 0, {
      sbCsum: superblock1Checksum(data, Math.min(maxDev, MAX_ROLES)),
    });
  return data;
}

function sound(decoded: SuperblockDecode): MdSuperblock {
  if (decoded.kind !== "ok") throw new Error(`${decoded.kind}: ${JSON.stringify(decoded)}`);
  return decoded.superblock;
}

function ok(changes: Partial<Superblock1> = {}, roles?: readonly number[]): MdSuperblock {
  return sound(decodeSuperblock1(bytesOf(changes, roles), "1.2", PLACE));
}

function reason(changes: Partial<Superblock1>, roles?: readonly number[]): string {
  const decoded = decodeSuperblock1(bytesOf(changes, roles), "1.2", PLACE);
  return decoded.kind === "bad" ? decoded.reason : decoded.kind;
}

describe("places", () => {
  it("puts 1.0 between 8 and 12 KiB before the end, 1.1 and 1.2 at the start", () => {
    fc.assert(
      fc.property(fc.integer({ min: 24, max: 2 ** 40 }), (sectors) => {
        const sector = superblock1Sector("1.0", sectors)!;
        expect(sector % 8).toBe(0);
        expect(sectors - sector).toBeGreaterThanOrEqual(16);
        expect(sectors - sector).toBeLessThan(24);
      }),
      { seed: 2 },
    );
    expect(superblock1Sector("1.1", 24)).toBe(0);
    expect(superblock1Sector("1.2", 24)).toBe(8);
    expect(superblock1Sector("1.2", 23)).toBeNull();
  });
});

describe("a sound superblock", () => {
  it("says what was put in", () => {
    expect(ok()).toMatchObject({
      version: "1.2",
      arrayUuid: "00010203:04050607:08090a0b:0c0d0e0f",
      name: "host:data",
      createdSeconds: 1_700_000_000,
      events: 42,
      checksumOk: true,
      shape: { level: "raid5", layout: 2, chunkSectors: 128, raidDisks: 4 },
      reshape: null,
      role: { kind: "active", slot: 1 },
      resyncOffsetSectors: Infinity,
      recoveryOffsetSectors: Infinity,
      badBlockLog: { startSector: 24, sectors: 8, shift: 0, inUse: false },
      bitmapSector: null,
      journalTailSectors: null,
      logicalBlockBytes: null,
      features: [],
      unknownFeatures: 0,
      reservedBytesSet: false,
    });
    expect(arrayUuidBytes(ok())).toEqual(Uint8Array.from({ length: 16 }, (_unused, i) => i));
  });

  it("lists every field with its place, without gaps up to the role table", () => {
    let end = 0;
    for (const { offset, size } of ok().fields) {
      expect(offset).toBe(end);
      end += size;
    }
    expect(end).toBe(256 + 8);
    expect(ok({}, [0, 1, ROLE.faulty, ROLE.spare]).fields.at(-1)!.value).toBe("0 1 faulty spare");
  });

  it("bears a wrong checksum and unknown features, and reports them", () => {
    expect(ok({ sbCsum: 12345 }).checksumOk).toBe(false);
    expect(ok({ featureMap: 0x4000 | 0x8000_0000 | FEATURE.clustered })).toMatchObject({
      unknownFeatures: 0x8000_4000,
      features: ["clustered"],
      clustered: true,
    });
    expect(ok({ pad0: 1 }).reservedBytesSet).toBe(true);
    expect(ok({ pad3: new Uint8Array(28).fill(1) }).reservedBytesSet).toBe(true);
  });

  it("takes the role from the table, spare where it is not in it", () => {
    const roles = [0, 1, 2, ROLE.faulty, ROLE.spare];
    expect(ok({ devNumber: 3 }, roles).role).toEqual({ kind: "faulty" });
    expect(ok({ devNumber: 4 }, roles).role).toEqual({ kind: "spare" });
    expect(ok({ devNumber: 77 }, roles).role).toEqual({ kind: "spare" });
  });

  it("checks an odd number of roles too", () => {
    expect(ok({}, [0, 1, 2]).checksumOk).toBe(true);
    const data = bytesOf({}, [0, 1, 2]);
    data[260] = 9;
    expect(sound(decodeSuperblock1(data, "1.2", PLACE)).checksumOk).toBe(false);
  });
});

describe("features", () => {
  it("bitmap: signed distance from the superblock", () => {
    expect(ok({ featureMap: FEATURE.bitmap, bitmapOffset: 8 }).bitmapSector).toBe(16);
    expect(ok({ featureMap: FEATURE.bitmap, bitmapOffset: -8 }).bitmapSector).toBe(0);
  });

  it("recovery offset, by bitmap, of a replacement", () => {
    const featureMap = FEATURE.recoveryOffset | FEATURE.recoveryBitmap | FEATURE.replacement;
    expect(ok({ featureMap, recoveryOffset: 5000n })).toMatchObject({
      recoveryOffsetSectors: 5000,
      recoveryByBitmap: true,
      replacement: true,
    });
    expect(ok({ recoveryOffset: 5000n }).recoveryOffsetSectors).toBe(Infinity);
  });

  it("journal: the tail lies where members have their recovery offset", () => {
    const roles = [0, 1, 2, 3, ROLE.journal];
    const journal = ok({ featureMap: FEATURE.journal, devNumber: 4, recoveryOffset: 80n }, roles);
    expect(journal).toMatchObject({
      hasJournal: true,
      role: { kind: "journal" },
      journalTailSectors: 80,
      recoveryOffsetSectors: Infinity,
    });
    expect(journal.fields.find(({ offset }) => offset === 152)!.name).toBe("journalTail");
    expect(reason({ devNumber: 4 }, roles)).toContain("journal of an array that has none");
  });

  it("ppl: a signed offset and a size where the bitmap's offset is, whole blocks", () => {
    const bitmapOffset = (2051 << 16) | 8;
    expect(ok({ featureMap: FEATURE.ppl, bitmapOffset }).ppl).toEqual({
      startSector: 16,
      sectors: 2048,
      multiple: false,
    });
    const before = ((24 << 16) | 0xfff8) >> 0;
    expect(ok({ featureMap: FEATURE.multiplePpls, bitmapOffset: before }).ppl).toEqual({
      startSector: 0,
      sectors: 24,
      multiple: true,
    });
    expect(reason({ featureMap: FEATURE.ppl | FEATURE.bitmap, bitmapOffset })).toContain("exclude");
  });

  it("bad blocks, flags, raid0 layout, logical block size", () => {
    expect(ok({ featureMap: FEATURE.badBlocks }).badBlockLog!.inUse).toBe(true);
    expect(ok({ devflags: 3 })).toMatchObject({ writeMostly: true, failFast: true });
    const raid0 = { level: 0, featureMap: FEATURE.raid0Layout, size: 0n };
    expect(ok({ ...raid0, layout: 1 }).raid0Layout).toBe("original");
    expect(ok({ ...raid0, layout: 2 }).raid0Layout).toBe("alternate");
    expect(ok({ ...raid0, layout: 0 }).raid0Layout).toBeNull();
    expect(ok({ ...raid0, featureMap: 0, layout: -1 }).raid0Layout).toBeNull();
    expect(ok({ logicalBlockSize: 4096 })).toMatchObject({
      logicalBlockBytes: 4096,
      reservedBytesSet: false,
    });
    expect(reason({ logicalBlockSize: 1000 })).toContain("logical block size is 1000");
  });

  it("leaves levels it cannot serve without a shape", () => {
    expect(ok({ level: -5, chunksize: 3 })).toMatchObject({ levelNumber: -5, shape: null });
  });
});

describe("reshape", () => {
  const reshape: Partial<Superblock1> = {
    featureMap: FEATURE.reshape,
    reshapePosition: 7680n,
    newLevel: 5,
    newLayout: 2,
    newChunk: 128,
  };

  it("growing: the disk count on disk is the new one, everything else on disk the old", () => {
    const grow = { ...reshape, featureMap: FEATURE.reshape | FEATURE.newOffset, newOffset: -1024 };
    const superblock = ok({ ...grow, deltaDisks: 1, newChunk: 64, newLayout: 0 });
    expect(superblock.reshape).toEqual({
      positionSectors: 7680,
      deltaDisks: 1,
      backwards: false,
      before: { level: "raid5", layout: 2, chunkSectors: 128, raidDisks: 3 },
      after: { level: "raid5", layout: 0, chunkSectors: 64, raidDisks: 4 },
      newOffsetDeltaSectors: -1024,
    });
    expect(superblock.shape).toEqual(superblock.reshape!.after);
  });

  it("shrinking goes backwards, and so does a bit without change of disks", () => {
    const shrink = ok({ ...reshape, deltaDisks: -1 }).reshape!;
    expect(shrink.backwards).toBe(true);
    expect([shrink.before.raidDisks, shrink.after.raidDisks]).toEqual([5, 4]);
    const bit = { featureMap: FEATURE.reshape | FEATURE.reshapeBackwards };
    expect(ok({ ...reshape, ...bit }).reshape!.backwards).toBe(true);
    expect(ok({ ...reshape, ...bit, deltaDisks: 1 }).reshape!.backwards).toBe(false);
  });

  it("ignores the new offset without its bit", () => {
    expect(ok({ ...reshape, newOffset: 99 }).reshape!.newOffsetDeltaSectors).toBe(0);
  });

  it("refuses impossible ones", () => {
    expect(reason({ ...reshape, deltaDisks: 4 })).toContain("comes from 0 disks");
    expect(reason({ ...reshape, newChunk: 100 })).toContain("after the reshape");
    expect(reason({ ...reshape, chunksize: 4 })).toContain("before the reshape");
    expect(reason({ ...reshape, reshapePosition: 2n ** 40n })).toContain("of an array that has");
    const moved = { featureMap: FEATURE.reshape | FEATURE.newOffset, newOffset: 2 ** 30 };
    expect(reason({ ...reshape, ...moved })).toContain("only has room");
    expect(reason({ ...reshape, ...moved, newOffset: -2040 })).toContain(
      "on top of the superblock",
    );
  });
});

describe("what cannot be", () => {
  it.each<[string, Partial<Superblock1>]>([
    ["of version 2", { majorVersion: 2 }],
    ["belongs at sector 0", { superOffset: 0n }],
    ["counts 2000 devices", { maxDev: 2000 }],
    ["array has 0 disks", { raidDisks: 0 }],
    ["array has 1921 disks", { raidDisks: 1921 }],
    ["raid6 needs at least 4", { level: 6, raidDisks: 3 }],
    ["power of two", { chunksize: 96 }],
    ["power of two", { chunksize: 4 }],
    ["more than any kernel", { chunksize: 0x800000 }],
    ["raid0 needs one", { level: 0, chunksize: 0 }],
    ["none of raid5's", { layout: 6 }],
    ["none of raid6's", { level: 6, layout: 7 }],
    ["none of raid10's", { level: 10, layout: 0 }],
    ["8 copies", { level: 10, layout: 0x204 }],
    ["raid0 layout for a raid5", { featureMap: FEATURE.raid0Layout }],
    ["raid0 layout number is 3", { level: 0, layout: 3, featureMap: FEATURE.raid0Layout }],
    ["event count", { events: 2n ** 60n }],
    ["beyond what a device can have", { dataSize: 2n ** 60n }],
    ["too few for any array", { dataSize: 9n }],
    ["uses 50000 sectors", { size: 50000n }],
    ["device only has room", { dataOffset: 70000n }],
    ["on top of the superblock", { dataOffset: 8n }],
    ["bitmap is at sector -92", { featureMap: FEATURE.bitmap, bitmapOffset: -100 }],
    ["no place where they are listed", { featureMap: FEATURE.badBlocks, bblogOffset: 0 }],
    ["log has 65535 sectors", { featureMap: FEATURE.badBlocks, bblogSize: 65535 }],
    ["units of 2^60", { featureMap: FEATURE.badBlocks, bblogShift: 60 }],
    ["bad block log is at sector 1000008", { featureMap: FEATURE.badBlocks, bblogOffset: 1e6 }],
    ["both feature bits", { featureMap: FEATURE.ppl | FEATURE.multiplePpls }],
    ["too few for one entry", { featureMap: FEATURE.ppl, bitmapOffset: (8 << 16) | 8 }],
  ])("%s", (sentence, changes) => {
    expect(reason(changes)).toContain(sentence);
  });

  it("but data that end behind the device can: an image that was cut short", () => {
    expect(ok({ dataSize: 50_000n, size: 40_000n }).dataSectors).toBe(50_000);
  });

  it("a member outside the array", () => {
    expect(reason({}, [0, 4, 2, 3])).toContain("member 4 of an array of 4");
  });

  it("no magic is nothing at all", () => {
    expect(decodeSuperblock1(new Uint8Array(4096), "1.0", PLACE)).toEqual({ kind: "none" });
  });

  it("random bytes with a right magic never throw, and what is accepted has its data on the device", () => {
    const changes = fc.record(
      {
        featureMap: fc.integer({ min: 0, max: 0x1fff }),
        level: fc.constantFrom(-1, 0, 1, 4, 5, 6, 10, -4),
        layout: fc.integer({ min: -1, max: 0x7ffff }),
        size: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        raidDisks: fc.nat(2000),
        deltaDisks: fc.integer({ min: -9, max: 9 }),
        chunksize: fc.nat(1024),
        newChunk: fc.nat(1024),
        newLevel: fc.constantFrom(0, 1, 5, 6, 10),
        bitmapOffset: fc.integer(),
        dataOffset: fc.bigInt({ min: 0n, max: 2n ** 20n }),
        newOffset: fc.integer(),
        maxDev: fc.nat(2100),
        devNumber: fc.nat(8),
        bblogOffset: fc.integer(),
        bblogShift: fc.nat(255),
      },
      { requiredKeys: [] },
    );
    const noise = fc.uint8Array({ minLength: 0, maxLength: 4092 });
    let accepted = 0;
    fc.assert(
      fc.property(changes, fc.option(noise, { freq: 3 }), (fields, junk) => {
        const data = bytesOf(fields, [0, 1, 2, 3], (raw) => {
          if (junk !== null) raw.set(junk, 4);
        });
        const decoded = decodeSuperblock1(data, "1.2", PLACE);
        expect(decoded.kind).not.toBe("none");
        if (decoded.kind !== "ok") return;
        accepted += 1;
        const { dataOffsetSectors, dataSectors } = decoded.superblock;
        expect(dataOffsetSectors).toBeLessThan(DEVICE_SECTORS);
        expect(dataOffsetSectors + dataSectors).toBeLessThan(Number.MAX_SAFE_INTEGER);
      }),
      { seed: 3, numRuns: 1500 },
    );
    expect(accepted).toBeGreaterThan(0);
  });

  it("encoding what was decoded gives back every byte of any superblock", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4096, maxLength: 4096 }), (data) => {
        const copy = new Uint8Array(data);
        superblock1.encodeInto(copy, 0, superblock1.decode(data));
        expect(Buffer.compare(copy, data)).toBe(0);
      }),
      { seed: 4, numRuns: 100 },
    );
  });
});
