import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ByteOrder } from "../../codec/fields.ts";
import {
  DISK_STATE,
  MAX_DISKS_090,
  STATE_090,
  decodeSuperblock090,
  superblock090,
  superblock090Checksum,
  superblock090Sector,
} from "./superblock-090.ts";
import type { Superblock090 } from "./superblock-090.ts";
import { MD_MAGIC } from "./superblock-1-layout.ts";
import { arrayUuidBytes } from "./superblock.ts";
import type { MdSuperblock, SuperblockDecode } from "./superblock.ts";

const DEVICE_SECTORS = 65536 + 100;
const PLACE = { sector: 65536 - 128, deviceSectors: DEVICE_SECTORS };

function disk(number: number, raidDisk: number, state: number): Superblock090["thisDisk"] {
  return { number, major: 8, minor: number * 16, raidDisk, state, reserved: new Uint8Array(108) };
}

const IN_SYNC = DISK_STATE.active | DISK_STATE.sync;
const NO_DISK = disk(0, 0, 0);

/** A clean 3-disk raid5 with a spare, seen from member 1. */
function bytesOf(changes: Partial<Superblock090> = {}, order: ByteOrder = "little"): Uint8Array {
  const table = [disk(0, 0, IN_SYNC), disk(1, 1, IN_SYNC), disk(2, 2, IN_SYNC), disk(3, 3, 0)];
  const values: Superblock090 = {
    magic: MD_MAGIC,
    majorVersion: 0,
    minorVersion: 90,
    patchVersion: 0,
    gvalidWords: 0,
    setUuid0: 0x11223344,
    ctime: 1_700_000_000,
    level: 5,
    size: 20000,
    nrDisks: 4,
    raidDisks: 3,
    mdMinor: 7,
    notPersistent: 0,
    setUuid1: 0x55667788,
    setUuid2: 0x99aabbcc,
    setUuid3: 0xddeeff00,
    gstateCreserved: new Uint8Array(64),
    utime: 1_700_000_100,
    state: STATE_090.clean,
    activeDisks: 3,
    workingDisks: 4,
    failedDisks: 0,
    spareDisks: 1,
    sbCsum: 0,
    events: 0x0000_0001_0000_0002n,
    cpEvents: 0n,
    recoveryCp: 0,
    reshapePosition: 0n,
    newLevel: 0,
    deltaDisks: 0,
    newLayout: 0,
    newChunk: 0,
    gstateSreserved: new Uint8Array(56),
    layout: 2,
    chunkSize: 65536,
    rootPv: 0,
    rootBlock: 0,
    pstateReserved: new Uint8Array(240),
    disks: Array.from({ length: MAX_DISKS_090 }, (_unused, i) => table[i] ?? NO_DISK),
    thisDisk: table[1]!,
    ...changes,
  };
  const data = superblock090.encode(values, order);
  if (values.sbCsum === 0)
    superblock090.encodeInto(data, 0, { sbCsum: superblock090Checksum(data, order) }, order);
  return data;
}

function sound(decoded: SuperblockDecode): MdSuperblock {
  if (decoded.kind !== "ok") throw new Error(`${decoded.kind}: ${JSON.stringify(decoded)}`);
  return decoded.superblock;
}

function ok(changes: Partial<Superblock090> = {}, order: ByteOrder = "little"): MdSuperblock {
  return sound(decodeSuperblock090(bytesOf(changes, order), PLACE));
}

function reason(changes: Partial<Superblock090>): string {
  const decoded = decodeSuperblock090(bytesOf(changes), PLACE);
  return decoded.kind === "bad" ? decoded.reason : decoded.kind;
}

function withDisk(index: number, state: number): Superblock090["disks"] {
  const { disks } = superblock090.decode(bytesOf());
  return disks.map((one, i) => (i === index ? { ...one, state } : one));
}

describe("superblock090Sector", () => {
  it("is the last multiple of 64 KiB that leaves 64 KiB", () => {
    fc.assert(
      fc.property(fc.integer({ min: 128, max: 2 ** 40 }), (sectors) => {
        const sector = superblock090Sector(sectors)!;
        expect(sector % 128).toBe(0);
        expect(sectors - sector).toBeGreaterThanOrEqual(128);
        expect(sectors - sector).toBeLessThan(256);
      }),
      { seed: 5 },
    );
    expect(superblock090Sector(127)).toBeNull();
  });
});

describe.each<ByteOrder>(["little", "big"])("a %s-endian superblock", (order) => {
  it("says what was put in", () => {
    expect(ok({}, order)).toMatchObject({
      version: "0.90",
      byteOrder: order,
      checksumOk: true,
      arrayUuid: "11223344:55667788:99aabbcc:ddeeff00",
      preferredMinor: 7,
      events: 0x1_0000_0002,
      shape: { level: "raid5", layout: 2, chunkSectors: 128, raidDisks: 3 },
      componentSectors: 40000,
      dataOffsetSectors: 0,
      dataSectors: PLACE.sector,
      role: { kind: "active", slot: 1 },
      resyncOffsetSectors: Infinity,
      bitmapSector: null,
    });
    expect(
      ok({}, order)
        .roles.slice(0, 5)
        .map(({ kind }) => kind),
    ).toEqual(["active", "active", "active", "spare", "spare"]);
  });

  it("has its event count high word first in its own order", () => {
    const data = bytesOf({}, order);
    const view = new DataView(data.buffer);
    const words = [
      view.getUint32(156, order === "little"),
      view.getUint32(160, order === "little"),
    ];
    expect(words).toEqual(order === "little" ? [2, 1] : [1, 2]);
  });

  it("gives the uuid's bytes as they lie on disk", () => {
    const data = bytesOf({}, order);
    const raw = [20, 52, 56, 60].flatMap((at) => [...data.subarray(at, at + 4)]);
    expect([...arrayUuidBytes(ok({}, order))]).toEqual(raw);
  });

  it("survives encoding of what was decoded, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4096, maxLength: 4096 }), (data) => {
        const again = superblock090.encode(superblock090.decode(data, 0, order), order);
        expect(Buffer.compare(again, data)).toBe(0);
      }),
      { seed: 6, numRuns: 100 },
    );
  });
});

describe("state", () => {
  it("resync: clean, from a checkpoint of this event count, or from the start", () => {
    const events = 9n;
    expect(ok({ state: 0, events, cpEvents: 9n, recoveryCp: 512 }).resyncOffsetSectors).toBe(512);
    expect(ok({ state: 0, events, cpEvents: 8n, recoveryCp: 512 }).resyncOffsetSectors).toBe(0);
  });

  it("bitmap: 4 KiB behind the superblock", () => {
    expect(ok({ state: STATE_090.clean | STATE_090.bitmap }).bitmapSector).toBe(PLACE.sector + 8);
  });

  it("roles come from the table, not from the copy in thisDisk", () => {
    expect(ok({ disks: withDisk(1, DISK_STATE.faulty) }).role).toEqual({ kind: "faulty" });
    expect(ok({ disks: withDisk(1, DISK_STATE.active) }).role).toEqual({ kind: "spare" });
    const flags = IN_SYNC | DISK_STATE.writeMostly | DISK_STATE.failFast;
    expect(ok({ disks: withDisk(1, flags) })).toMatchObject({ writeMostly: true, failFast: true });
  });

  it("accepts checksums that agree when folded to 16 bits, as kernels do", () => {
    const sum = superblock090Checksum(bytesOf(), "little");
    const folded = (sum & 0xffff) + (sum >>> 16);
    expect(ok({ sbCsum: (folded & 0xffff) + (folded >>> 16) }).checksumOk).toBe(true);
    expect(ok({ sbCsum: sum ^ 0x10 }).checksumOk).toBe(false);
  });
});

describe("0.91, a reshape", () => {
  const reshape: Partial<Superblock090> = {
    minorVersion: 91,
    reshapePosition: 4352n,
    newLevel: 5,
    newLayout: 2,
    newChunk: 32768,
    deltaDisks: 1,
  };

  it("has shapes before and after", () => {
    expect(ok(reshape).reshape).toEqual({
      positionSectors: 4352,
      deltaDisks: 1,
      backwards: false,
      before: { level: "raid5", layout: 2, chunkSectors: 128, raidDisks: 2 },
      after: { level: "raid5", layout: 2, chunkSectors: 64, raidDisks: 3 },
      newOffsetDeltaSectors: 0,
    });
    expect(ok({ ...reshape, minorVersion: 90 }).reshape).toBeNull();
  });

  it("counts a disk that is being filled as good up to the stripe at the position", () => {
    const filling = ok({ ...reshape, disks: withDisk(1, DISK_STATE.active) });
    expect(filling.role).toEqual({ kind: "active", slot: 1 });
    // 4352 / (128 * 2) = 17 stripes of 128 sectors
    expect(filling.recoveryOffsetSectors).toBe(17 * 128);
    expect(ok(reshape).recoveryOffsetSectors).toBe(Infinity);
  });
});

describe("what cannot be", () => {
  it.each<[string, Partial<Superblock090>]>([
    ["of version 0.92", { minorVersion: 92 }],
    ["of version 1.90", { majorVersion: 1 }],
    ["array has 28 disks", { raidDisks: 28 }],
    ["array has 0 disks", { raidDisks: 0 }],
    ["device number 27", { thisDisk: disk(27, 0, IN_SYNC) }],
    ["chunk size is 1000 bytes", { chunkSize: 1000 }],
    ["power of two", { chunkSize: 512 * 24 }],
    ["this one has 65408", { size: 40000 }],
    ["event count", { events: 2n ** 60n }],
  ])("%s", (sentence, changes) => {
    expect(reason(changes)).toContain(sentence);
  });

  it("random bytes with a right magic never throw", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 4096, maxLength: 4096 }),
        fc.boolean(),
        (data, big) => {
          new DataView(data.buffer).setUint32(0, MD_MAGIC, !big);
          expect(["ok", "bad"]).toContain(decodeSuperblock090(data, PLACE).kind);
          // Past the version check too.
          superblock090.encodeInto(
            data,
            0,
            { majorVersion: 0, minorVersion: 91, raidDisks: 3 },
            big ? "big" : "little",
          );
          expect(["ok", "bad"]).toContain(decodeSuperblock090(data, PLACE).kind);
        },
      ),
      { seed: 7, numRuns: 300 },
    );
  });
});
