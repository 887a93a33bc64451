import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRequest, newDevice } from "../../../test/support/create-request.ts";
import { decodeBitmap } from "../../formats/md/bitmap.ts";
import { decodePplHeader, pplSignature } from "../../formats/md/ppl.ts";
import { decodeR5Meta, r5Seed } from "../../formats/md/r5-log.ts";
import { decodeSuperblock090 } from "../../formats/md/superblock-090.ts";
import { decodeSuperblock1 } from "../../formats/md/superblock-1.ts";
import { arrayUuidBytes } from "../../formats/md/superblock.ts";
import type { MdSuperblock, MdVersion } from "../../formats/md/superblock.ts";
import { storedName } from "./images.ts";
import { planCreate } from "./plan-create.ts";
import type { CreatePlan, CreateRequest, PlannedDevice, PlannedWrite } from "./request.ts";

const GIB = 2 * 1024 * 1024;
const BITMAP = { chunkSectors: null, delaySeconds: 5, writeBehind: 0 };

function plan(request: CreateRequest): CreatePlan {
  const decision = planCreate(request);
  if (decision.kind !== "ok") throw new Error(decision.reason);
  return decision.plan;
}

function disks(count: number, sectors = 20_480): ReturnType<typeof newDevice>[] {
  return Array.from({ length: count }, () => newDevice(sectors));
}

function written(device: PlannedDevice, what: PlannedWrite["what"]): PlannedWrite | undefined {
  return device.writes.find((write) => write.what === what);
}

function superblockOf(request: CreateRequest, device: PlannedDevice): MdSuperblock {
  const { sector, bytes } = device.writes.at(-1)!;
  const data = new Uint8Array(4096);
  data.set(bytes);
  const place = { sector, deviceSectors: request.devices[device.index]!.sectors };
  const decoded =
    request.version === "0.90"
      ? decodeSuperblock090(data, place)
      : decodeSuperblock1(data, request.version, place);
  if (decoded.kind !== "ok") throw new Error(JSON.stringify(decoded));
  return decoded.superblock;
}

function roles(made: CreatePlan): string[] {
  return made.devices.map(({ index, number, role }) => {
    const text = role.kind === "active" ? String(role.slot) : role.kind;
    return `${index}:${number}:${text}`;
  });
}

describe("where the data start", () => {
  it.each([
    [2048 * GIB, 1, "raid1", 264_192],
    [10 * GIB, 1, "raid1", 18_432],
    [GIB, 1, "raid1", 4096],
    [204_800, 1, "raid1", 2048],
    [204_800, 3, "raid5", 4096],
  ] as const)("on %i sectors", (sectors, least, level, offset) => {
    const made = plan(createRequest(disks(Math.max(2, least), sectors), { level }));
    expect(made.devices[0]!.dataOffsetSectors).toBe(offset);
  });

  it("the first device decides for all, unless one has its own", () => {
    const own = newDevice(60 * GIB, { dataOffsetSectors: 8192 });
    const made = plan(createRequest([newDevice(GIB), newDevice(60 * GIB), own]));
    expect(made.devices.map((device) => device.dataOffsetSectors)).toEqual([4096, 4096, 8192]);
    expect(made.wastedOn).toBe(1);
  });
});

describe("who becomes what", () => {
  it("raid5: the last starts as a spare and gets the number behind all others", () => {
    const made = plan(createRequest(disks(3), { level: "raid5" }));
    expect(roles(made)).toEqual(["0:0:0", "1:1:1", "2:3:spare"]);
    expect(made.isClean).toBe(true);
    const spare = plan(createRequest(disks(4), { level: "raid5", spareDisks: 1 }));
    expect(roles(spare)).toEqual(["0:0:0", "1:1:1", "3:3:spare", "2:4:spare"]);
  });

  it("raid5: not when that is forced, assumed clean, or one is missing anyway", () => {
    const forced = plan(createRequest(disks(3), { level: "raid5", force: true }));
    expect([roles(forced), forced.isClean]).toEqual([["0:0:0", "1:1:1", "2:2:2"], false]);
    const assumed = plan(createRequest(disks(3), { level: "raid5", assumeClean: true }));
    expect([roles(assumed), assumed.isClean]).toEqual([["0:0:0", "1:1:1", "2:2:2"], true]);
    const missing = plan(createRequest([disks(1)[0]!, null, disks(1)[0]!], { level: "raid5" }));
    expect([roles(missing), missing.isClean]).toEqual([["0:0:0", "2:2:2"], true]);
  });

  it("raid6: resynced when whole, a spare more when one is missing, clean when two are", () => {
    const [one] = disks(1);
    const make = (list: CreateRequest["devices"]): [string[], boolean] => {
      const made = plan(createRequest(list, { level: "raid6" }));
      return [roles(made), made.isClean];
    };
    expect(make(disks(4))).toEqual([["0:0:0", "1:1:1", "2:2:2", "3:3:3"], false]);
    expect(make([one!, null, one!, one!])).toEqual([["0:0:0", "2:2:2", "3:4:spare"], true]);
    expect(make([one!, one!, one!, null])).toEqual([["0:0:0", "1:1:1", "2:4:spare"], true]);
    expect(make([one!, null, null, one!])).toEqual([["0:0:0", "3:3:3"], true]);
  });

  it("mirrors are resynced unless they are assumed clean, degraded ones too; linear and raid0 have nothing to sync", () => {
    const isClean = (more: Partial<CreateRequest>, list: CreateRequest["devices"]): boolean =>
      plan(createRequest(list, more)).isClean;
    expect(isClean({}, disks(2))).toBe(false);
    expect(isClean({}, [...disks(1), null])).toBe(false);
    expect(isClean({ assumeClean: true }, disks(2))).toBe(true);
    expect(isClean({ level: "raid10" }, disks(4))).toBe(false);
    expect(isClean({ level: "linear" }, disks(2))).toBe(true);
    expect(isClean({ level: "raid0" }, disks(2))).toBe(true);
  });
});

describe("logs", () => {
  it("a bitmap: all dirty, chunks of 64 MiB or more, for raid10 counted in array sectors", () => {
    const made = plan(createRequest(disks(2), { bitmap: BITMAP }));
    expect(made.bitmapChunkSectors).toBe(131_072);
    const { sector, bytes } = written(made.devices[0]!, "bitmap")!;
    expect([sector, bytes.length]).toEqual([16, 4096]);
    expect(bytes.subarray(256).every((byte) => byte === 0xff)).toBe(true);
    const raid10 = createRequest(disks(4), { level: "raid10", bitmap: BITMAP });
    expect(decodeBitmap(written(plan(raid10).devices[0]!, "bitmap")!.bytes)).toMatchObject({
      bitmap: { syncSectors: 2 * plan(raid10).componentSectors },
    });
    // 200 GiB and more have 128 KiB for it.
    const huge = plan(createRequest(disks(2, 200 * 1024 * GIB), { bitmap: BITMAP }));
    expect(huge.bitmapChunkSectors).toBe(524_288);
    expect(written(huge.devices[0]!, "bitmap")!.bytes.length).toBeLessThanOrEqual(256 * 512);
  });

  it("a 0.90 bitmap lies behind the superblock and has the UUID as that machine has it", () => {
    const request = createRequest(disks(2), { version: "0.90", bitmap: BITMAP });
    const [device] = plan(request).devices;
    const superblock = superblockOf(request, device!);
    const { sector, bytes } = written(device!, "bitmap")!;
    expect(sector).toBe(superblock.superSector + 8);
    expect(superblock.bitmapSector).toBe(sector);
    expect(decodeBitmap(bytes)).toMatchObject({ bitmap: { uuid: arrayUuidBytes(superblock) } });
  });

  it("a partial parity log starts empty", () => {
    const request = createRequest(disks(3), { level: "raid5", consistencyPolicy: "ppl" });
    const made = plan(request);
    const { sector, bytes } = written(made.devices[1]!, "ppl")!;
    expect(superblockOf(request, made.devices[1]!)).toMatchObject({
      ppl: { startSector: sector, sectors: 2048, multiple: true },
      badBlockLog: { startSector: sector + 2048 },
    });
    expect(decodePplHeader(bytes, pplSignature(request.arrayUuid))).toMatchObject({
      kind: "ok",
      log: { generation: 0n, entries: [] },
    });
  });

  it("a journal starts with an empty block and is no member", () => {
    const journal = newDevice(20_480, { isJournal: true });
    const request = createRequest([journal, ...disks(3)], { level: "raid5" });
    const made = plan(request);
    // As mdadm does it: who is rebuilt is found by the place in the list, the journal included.
    expect(roles(made)).toEqual(["0:0:journal", "1:1:0", "3:3:2", "2:4:spare"]);
    const { sector, bytes } = written(made.devices[0]!, "journal")!;
    const log = { sectors: 1024, seed: r5Seed(request.arrayUuid) };
    expect(decodeR5Meta(bytes, log, 0, 0x1234_5678n)).toMatchObject({
      kind: "ok",
      meta: { payloads: [], sectors: 8 },
    });
    const superblock = superblockOf(request, made.devices[0]!);
    expect(superblock).toMatchObject({ hasJournal: true, journalTailSectors: 0 });
    expect(superblock.dataOffsetSectors).toBe(sector);
    expect(made.devices.slice(1).some((device) => written(device, "journal"))).toBe(false);
  });

  it("what was an array's before is wiped out first", () => {
    const old = newDevice(20_480, { oldSuperblockSectors: [0, 8] });
    const [device] = plan(createRequest([old, newDevice(20_480)])).devices;
    const wiped = device!.writes.slice(0, 2);
    expect(wiped.map(({ what, sector }) => [what, sector])).toEqual([
      ["old-superblock", 0],
      ["old-superblock", 8],
    ]);
    expect(wiped.every(({ bytes }) => bytes.length === 4096 && !bytes.some(Boolean))).toBe(true);
  });
});

describe("sizes", () => {
  it("the smallest decides, in whole chunks; raid1 in 64 KiB; a size that is asked for in whole chunks", () => {
    const uneven = [newDevice(20_480), newDevice(20_479)];
    const size = (more: Partial<CreateRequest>, list = uneven): number =>
      plan(createRequest(list, more)).componentSectors;
    expect(size({})).toBe(18_304);
    expect(size({ level: "raid5", chunkSectors: 1024 })).toBe(15_360);
    expect(size({ level: "raid5", chunkSectors: 8 })).toBe(18_424);
    expect(size({ level: "raid5", chunkSectors: 128, componentSectors: 1000 })).toBe(896);
    expect(size({ level: "raid0" })).toBe(0);
    expect(size({ version: "0.90" })).toBe(20_224);
    expect(size({ version: "1.0" })).toBe(20_352);
  });
});

it("names: with the host where it fits and none is in it", () => {
  expect(storedName("data", "host")).toBe("host:data");
  expect(storedName("data", null)).toBe("data");
  expect(storedName("other:data", "host")).toBe("other:data");
  expect(storedName("n".repeat(26), "host")).toBe(`host:${"n".repeat(26)}`);
  expect(storedName("n".repeat(27), "host")).toBe("n".repeat(27));
});

describe("refusals", () => {
  const journal = newDevice(20_480, { isJournal: true });
  it.each<[string, CreateRequest]>([
    ["takes 3 devices", createRequest(disks(2), { raidDisks: 3 })],
    ["3 devices are listed", createRequest(disks(3), { raidDisks: 2 })],
    ["single disk", createRequest(disks(1))],
    ["needs at least 4", createRequest(disks(3), { level: "raid6" })],
    ["raid1 has no chunks", createRequest(disks(2), { chunkSectors: 128 })],
    ["multiples of 4 KiB", createRequest(disks(2), { level: "raid0", chunkSectors: 7 })],
    ["power of two", createRequest(disks(3), { level: "raid5", chunkSectors: 24 })],
    ["no use for spares", createRequest(disks(3), { level: "raid0", spareDisks: 1 })],
    ["not all members", createRequest([null, null])],
    ["too many members", createRequest([null, null, ...disks(1)], { level: "raid5" })],
    ["too many members", createRequest([null, ...disks(1)], { level: "linear" })],
    ["spare cannot be missing", createRequest([...disks(2), null], { spareDisks: 1 })],
    ["use for a bitmap", createRequest(disks(2), { level: "raid0", bitmap: BITMAP })],
    ["cannot have a journal", createRequest([journal, ...disks(2)])],
    ["one journal at most", createRequest([journal, journal, ...disks(3)], { level: "raid5" })],
    [
      "as large as the members",
      createRequest([newDevice(4096, { isJournal: true }), ...disks(3)], {
        level: "raid5",
        version: "1.0",
      }),
    ],
    ["partial parity log", createRequest(disks(4), { level: "raid6", consistencyPolicy: "ppl" })],
    [
      "exclude each other",
      createRequest(disks(3), { level: "raid5", consistencyPolicy: "ppl", bitmap: BITMAP }),
    ],
    [
      "and there is none",
      createRequest(disks(3), { level: "raid5", consistencyPolicy: "journal" }),
    ],
    ["and there is none", createRequest(disks(3), { level: "raid5", consistencyPolicy: "bitmap" })],
    [
      "no place for a journal",
      createRequest([journal, ...disks(3)], { level: "raid5", version: "0.90" }),
    ],
    ["start at sector 0", createRequest(disks(2), { version: "1.0", dataOffsetSectors: 2048 })],
    ["no room for the metadata", createRequest(disks(2), { dataOffsetSectors: 8 })],
    ["so many devices", createRequest(disks(27), { version: "0.90" })],
    ["disk is too small", createRequest(disks(2, 2050))],
    [
      "too small for a journal",
      createRequest([newDevice(2050, { isJournal: true, label: "j" }), ...disks(3)], {
        level: "raid5",
        chunkSectors: 8,
      }),
    ],
    ["smaller than the size", createRequest(disks(2), { componentSectors: 20_480 })],
    [
      "does not fit",
      createRequest(disks(2, 2048 * GIB), { bitmap: { ...BITMAP, chunkSectors: 8 } }),
    ],
    [
      "unequal members",
      createRequest([newDevice(20_480), newDevice(40_960)], { level: "raid0", version: "0.90" }),
    ],
    ["4 TiB", createRequest(disks(2, 5000 * GIB), { version: "0.90" })],
    [
      "raid1 only",
      createRequest(disks(4), { level: "raid10", bitmap: { ...BITMAP, writeBehind: 256 } }),
    ],
  ])("%s", (reason, request) => {
    const decision = planCreate(request);
    expect(decision.kind === "refused" ? decision.reason : decision).toContain(reason);
  });
});

/** Their devices may differ less than a chunk in length, and their superblocks still tell of sizes in different numbers of chunks. */
it.each(["1.0", "1.1", "1.2"] as const)(
  "a raid0 of %s says how it is laid out if a kernel will find zones, and else not",
  (version) => {
    const seen = new Set<boolean>();
    for (let longer = 0; longer < 64; longer += 1) {
      const request = createRequest([newDevice(20_480), newDevice(20_480 + longer)], {
        level: "raid0",
        version,
        chunkSectors: 16,
      });
      const superblocks = plan(request).devices.map((device) => superblockOf(request, device));
      const chunks = superblocks.map(({ dataSectors }) => Math.floor(dataSectors / 16));
      const isUnequal = chunks[0] !== chunks[1];
      for (const { raid0Layout } of superblocks) expect(raid0Layout !== null).toBe(isUnequal);
      seen.add(isUnequal);
    }
    expect(seen.size).toBe(2);
  },
);

/** Requests of all kinds, most of them possible. */
const anyRequest = fc
  .record({
    version: fc.constantFrom<MdVersion>("0.90", "1.0", "1.1", "1.2"),
    level: fc.constantFrom("linear", "raid0", "raid1", "raid4", "raid5", "raid6", "raid10"),
    sizes: fc.array(fc.integer({ min: 4000, max: 3 * GIB }), { minLength: 2, maxLength: 8 }),
    spareDisks: fc.constantFrom(0, 0, 0, 1, 2),
    missing: fc.option(fc.nat({ max: 7 })),
    journal: fc.option(fc.nat({ max: 7 }), { freq: 2 }),
    chunkSectors: fc.constantFrom(null, 8, 128, 1024),
    bitmap: fc.option(
      fc.record({
        chunkSectors: fc.constantFrom(null, 8, 128),
        delaySeconds: fc.constant(5),
        writeBehind: fc.constant(0),
      }),
    ),
    consistencyPolicy: fc.constantFrom(null, null, "ppl"),
    assumeClean: fc.boolean(),
    force: fc.boolean(),
    badBlockLog: fc.boolean(),
    dataOffsetSectors: fc.constantFrom(null, null, 16, 24, 2048),
  })
  .map(({ sizes, missing, journal, ...more }) => {
    const list: CreateRequest["devices"] = sizes.map((sectors, at) =>
      at === missing ? null : newDevice(sectors, { label: `d${at}`, isJournal: at === journal }),
    );
    return createRequest(list, more);
  });

function checkDevice(request: CreateRequest, made: CreatePlan, device: PlannedDevice): void {
  const { sectors } = request.devices[device.index]!;
  const superblock = superblockOf(request, device);
  expect(superblock).toMatchObject({
    checksumOk: true,
    role: device.role,
    deviceNumber: device.number,
    componentSectors: made.componentSectors,
    resyncOffsetSectors: made.isClean ? Infinity : 0,
    unknownFeatures: 0,
    reservedBytesSet: false,
  });
  expect(superblock.bitmapSector).toBe(written(device, "bitmap")?.sector ?? null);
  expect(superblock.ppl?.startSector).toBe(written(device, "ppl")?.sector);
  expect(superblock.badBlockLog?.startSector).toBe(written(device, "bad-block-log")?.sector);
  // Nothing lies on anything else, and all of it on the device.
  const areas = device.writes
    .filter(({ what }) => what !== "journal")
    .map(({ sector, bytes }) => ({ start: sector, end: sector + bytes.length / 512 }));
  areas.push({
    start: device.dataOffsetSectors,
    end: device.dataOffsetSectors + superblock.dataSectors,
  });
  const sorted = areas.toSorted((a, b) => a.start - b.start);
  sorted.forEach(({ start, end }, at) => {
    expect(end).toBeLessThanOrEqual(sorted[at + 1]?.start ?? sectors);
    expect(start).toBeGreaterThanOrEqual(0);
  });
  expect(device.writes.at(-1)!.what).toBe("superblock");
}

it("property: a plan is sound on every device, or there is a reason", () => {
  let made = 0;
  fc.assert(
    fc.property(anyRequest, (request) => {
      const decision = planCreate(request);
      if (decision.kind === "refused") {
        expect(decision.reason).toMatch(/^\S.*[^.]$/);
        return;
      }
      made += 1;
      for (const device of decision.plan.devices) checkDevice(request, decision.plan, device);
    }),
    { numRuns: 1000 },
  );
  expect(made).toBeGreaterThan(50);
});
