/** What is in the logs, where, and when. */
import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../../../../../test/support/array-device.ts";
import { goldenCase, sha256, unpackImage } from "../../../../../../test/support/golden.ts";
import {
  COMPONENT,
  GEOMETRY,
  PPL_SECTOR,
  SHAPE,
  newImages,
} from "../../../../../../test/support/ppl-world.ts";
import {
  memberImage,
  planFor,
  runPlan,
  superblockIn,
  SUPER_SECTOR,
} from "../../../../../../test/support/running-array.ts";
import { settled } from "../../../../../../test/support/crash-disks.ts";
import { VirtualTime } from "../../../../../../test/support/virtual-time.ts";
import { runArray } from "../../../../../../test/support/written-array.ts";
import { HoldfastError } from "../../../../../base/errors.ts";
import { ignore } from "../../../../../base/nothing.ts";
import { SECTOR_BYTES } from "../../../../../base/units.ts";
import { BioFlags, writeBio } from "../../../../../block/bio.ts";
import type { Bio } from "../../../../../block/bio.ts";
import { readSectors, writeSectors } from "../../../../../block/promises.ts";
import { crc32c } from "../../../../../codec/crc32c.ts";
import { decodePplHeader, findNewestPpl, pplSignature } from "../../../../../formats/md/ppl.ts";
import type { FoundPpl, PplLog } from "../../../../../formats/md/ppl.ts";
import { arrayUuidBytes } from "../../../../../formats/md/superblock.ts";
import type { RunningArray } from "../../../array.ts";
import { BadBlockTable } from "../../../bad-block-table.ts";
import { Member } from "../../../member.ts";
import { makeLevel } from "../../make.ts";

const RING = 528;
const DATA = PPL_SECTOR + RING;

interface World {
  readonly devices: readonly ArrayDevice[];
  readonly array: RunningArray;
  readonly signature: number;
}

function world(
  resyncOffset?: bigint,
  mode: "read-write" | "read-auto" = "read-write",
): Promise<World> {
  return worldOf(newImages(RING, resyncOffset), mode);
}

async function worldOf(
  images: readonly Uint8Array[],
  mode: "read-write" | "read-auto" = "read-write",
): Promise<World> {
  const devices = images.map((image, slot) => {
    const device = new ArrayDevice(image.length / SECTOR_BYTES, {}, `disk${slot}`);
    device.bytes.set(image);
    return device;
  });
  const array = await runPlan(planFor(devices, images), new VirtualTime(), { mode, makeLevel });
  const signature = pplSignature(arrayUuidBytes(superblockIn(images[0]!)!));
  return { devices, array, signature };
}

function isLog({ op, sector }: Bio): boolean {
  return op === "write" && sector >= PPL_SECTOR && sector < DATA;
}

const isData = ({ op, sector }: Bio): boolean => op === "write" && sector >= DATA;

/** Logs that were written to a member, beyond the empty one of the start. */
function logsOn({ devices, signature }: World, slot: number): { log: PplLog; bio: Bio }[] {
  return devices[slot]!.seen.filter(isLog).flatMap((bio) => {
    const decoded = decodePplHeader(bio.data.slice(0, 4096), signature);
    return decoded.kind === "ok" && decoded.log.generation > 0n ? [{ log: decoded.log, bio }] : [];
  });
}

function newest({ devices, signature }: World, slot: number): Promise<FoundPpl | null> {
  const read = (sector: number, sectors: number): Promise<Uint8Array> =>
    readSectors(devices[slot]!, PPL_SECTOR + sector, sectors);
  return findNewestPpl(read, RING, signature);
}

const isSuperblock = ({ op, sector }: Bio): boolean => op === "write" && sector === SUPER_SECTOR;

/** Completes what is held and such, until nothing more comes. */
async function finishAll(
  devices: readonly ArrayDevice[],
  which: (bio: Bio) => boolean,
): Promise<void> {
  for (;;) {
    await settled();
    const busy = devices.find(({ pending }) => pending.some(which));
    if (busy === undefined) return;
    busy.finish(busy.pending.findIndex(which));
  }
}

const filled = (sectors: number, value: number): Uint8Array =>
  new Uint8Array(sectors * SECTOR_BYTES).fill(value);

/** The data of row 0, by its place in the row. */
async function chunksOfRow(array: RunningArray): Promise<Uint8Array[]> {
  const { chunkSectors } = SHAPE;
  return Promise.all(
    [0, 1, 2].map((index) => readSectors(array, index * chunkSectors, chunkSectors)),
  );
}

describe("a log", () => {
  it("tells of a write with the xor of what the write leaves alone", async () => {
    const one = await world();
    const chunks = await chunksOfRow(one.array);
    // Sectors 4 to 11 of the second chunk.
    await writeSectors(one.array, 16 + 4, filled(8, 0xaa));
    const { p } = GEOMETRY.rowLayout(0);
    const [found, ...more] = logsOn(one, p);
    expect(more).toEqual([]);
    const { bio, log } = found!;
    const partial = bio.data.subarray(4096);
    const alone = chunks[0]!.subarray(4 * SECTOR_BYTES, 12 * SECTOR_BYTES).slice();
    chunks[2]!
      .subarray(4 * SECTOR_BYTES, 12 * SECTOR_BYTES)
      .forEach((byte, i) => (alone[i]! ^= byte));
    expect(Buffer.compare(partial, alone)).toBe(0);
    expect(log).toEqual({
      generation: 1n,
      sectors: 16,
      entries: [
        {
          dataSector: 20,
          ppBytes: 4096,
          dataBytes: 4096,
          parityDisk: p,
          checksum: crc32c(alone),
          ppSector: 8,
        },
      ],
    });
    expect(bio.flags & BioFlags.fua).not.toBe(0);
    expect((await newest(one, p))?.log).toEqual(log);
    for (const slot of [0, 1, 2, 3]) if (slot !== p) expect(logsOn(one, slot)).toEqual([]);
  });

  it("has no partial parity for a whole stripe, and two entries where the chunks do not follow each other", async () => {
    const one = await world();
    await writeSectors(one.array, 0, filled(48, 1));
    const { p } = GEOMETRY.rowLayout(0);
    const [first, third] = [
      writeSectors(one.array, 0, filled(16, 2)),
      writeSectors(one.array, 32, filled(16, 3)),
    ];
    await Promise.all([first, third]);
    const entries = logsOn(one, p).flatMap(({ log }) => log.entries);
    expect(
      entries.map(({ dataSector, ppBytes, dataBytes }) => [dataSector, ppBytes, dataBytes]),
    ).toEqual([
      [0, 0, 48 * 512],
      [0, 16 * 512, 16 * 512],
      [32, 16 * 512, 16 * 512],
    ]);
  });

  it("comes before the data, all that waits in one, and the next after a flush of who was written", async () => {
    const one = await world();
    const { devices, array } = one;
    const { p } = GEOMETRY.rowLayout(0);
    const ended: number[] = [];
    // Rows 0 and 4 would have their parity on one member; here the parts of row 0 do.
    await writeSectors(array, 0, filled(1, 1));
    for (const device of devices) {
      device.held = true;
      device.seen.length = 0;
    }
    const submit = (sector: number): void => {
      array.submit(writeBio(sector, filled(4, sector + 1), 0, () => ended.push(sector)));
    };
    const order: string[] = [];
    const pump = async (): Promise<void> => {
      await settled();
      for (;;) {
        const busy = devices.find(({ pending }) => pending.length > 0);
        if (busy === undefined) return;
        const bio = busy.pending[0]!;
        if (isLog(bio)) order.push("log");
        else if (isData(bio)) order.push("data");
        else if (bio.op === "flush") order.push("flush");
        busy.finish();
        await settled();
      }
    };
    // Three segments of one stripe, with nothing between them written.
    for (const sector of [0, 6, 12]) submit(sector);
    await pump();
    expect(ended.toSorted((a, b) => a - b)).toEqual([0, 6, 12]);
    const logs = logsOn(one, p);
    expect(logs.map(({ log }) => log.entries.map(({ dataSector }) => dataSector))).toEqual([
      [0],
      [6, 12],
    ]);
    const first = order.indexOf("log");
    const second = order.indexOf("log", first + 1);
    expect(order.slice(0, first)).not.toContain("data");
    expect(order.slice(first + 1, second).filter((what) => what === "flush")).toHaveLength(2);
    expect(order.slice(first + 1, second).filter((what) => what === "data")).toHaveLength(2);
    expect(order.slice(second).filter((what) => what === "data")).toHaveLength(4);
  });

  it("goes around in the area, an empty one first where it starts over", async () => {
    const one = await world();
    const { p } = GEOMETRY.rowLayout(0);
    for (let i = 0; i < 50; i += 1) await writeSectors(one.array, (i % 3) * 16, filled(16, i));
    const places = logsOn(one, p).map(({ log, bio }) => [bio.sector - PPL_SECTOR, log.sectors]);
    let next = 8;
    for (const [place, sectors] of places) {
      expect(place === next || (place === 0 && sectors === 8)).toBe(true);
      next = place! + sectors!;
      expect(next).toBeLessThanOrEqual(RING);
    }
    expect(places.filter(([place]) => place === 0).length).toBe(2);
    const last = logsOn(one, p).at(-1)!;
    expect((await newest(one, p))?.log.generation).toBe(last.log.generation);
  });

  it("keeps a resync due that is not finished", async () => {
    const one = await world(0n);
    expect(one.array.record.resyncOffsetSectors).toBe(0);
    await writeSectors(one.array, 0, filled(16, 1));
    const { p } = GEOMETRY.rowLayout(0);
    const [found] = logsOn(one, p);
    expect(
      found!.log.entries.map(({ dataBytes, checksum }) => [dataBytes, checksum === 1]),
    ).toEqual([
      [16 * 512, false],
      [0, true],
    ]);
    // As after a crash: what it tells of is replayed, and the resync is due all the same.
    const images = one.devices.map(({ bytes }) => bytes);
    const again = await runPlan(planFor(one.devices, images), new VirtualTime(), { makeLevel });
    expect(again.record.resyncOffsetSectors).toBe(0);
  });
});

describe("an array with a partial parity log", () => {
  it("is not written to before its first write, which then finds empty logs and a ring", async () => {
    const one = await world(undefined, "read-auto");
    await readSectors(one.array, 0, one.array.sectors);
    expect(one.devices.flatMap(({ seen }) => seen).filter(({ op }) => op !== "read")).toEqual([]);
    await writeSectors(one.array, 0, filled(1, 1));
    for (const device of one.devices) {
      const places = device.seen.filter(({ op }) => op === "write").map(({ sector }) => sector);
      expect(places.slice(0, 4)).toEqual([PPL_SECTOR, PPL_SECTOR, PPL_SECTOR, SUPER_SECTOR]);
      expect(superblockIn(device.bytes)?.ppl).toEqual({
        startSector: PPL_SECTOR,
        sectors: RING,
        multiple: true,
      });
    }
  });

  it("empties the log of a device that joins, and takes none that has no room for one", async () => {
    const one = await world();
    const spare = (pplSectors: number | undefined): Member => {
      const image = memberImage({
        shape: SHAPE,
        number: 4,
        roles: [0, 1, 2, 3],
        component: COMPONENT,
        ...(pplSectors === undefined ? {} : { pplSectors }),
      });
      const device = new ArrayDevice(image.length / SECTOR_BYTES, {}, "spare");
      device.bytes.set(image);
      device.bytes.fill(0x55, PPL_SECTOR * SECTOR_BYTES);
      return new Member({
        label: "spare",
        device,
        superblock: superblockIn(image)!,
        image: image.slice(SUPER_SECTOR * SECTOR_BYTES, SUPER_SECTOR * SECTOR_BYTES + 4096),
        standing: { kind: "spare" },
        badBlocks: new BadBlockTable(null, []),
      });
    };
    await expect(one.array.attach(spare(undefined))).rejects.toThrow("has no room for a partial");
    const joins = spare(RING);
    await one.array.setState("readonly");
    await one.array.attach(joins);
    expect(one.array.members.attached).toContain(joins);
    expect((joins.device as ArrayDevice).seen).toEqual([]);
    await one.array.setState("active");
    const area = await readSectors(joins.device, PPL_SECTOR, RING);
    const decoded = decodePplHeader(area.slice(0, 4096), one.signature);
    expect(decoded).toMatchObject({ kind: "ok", log: { generation: 0n, entries: [] } });
    expect(area.subarray(4096).every((byte) => byte === 0)).toBe(true);
  });

  it("goes on without a member whose log cannot be written", async () => {
    const one = await world();
    const { p } = GEOMETRY.rowLayout(0);
    const broken = new HoldfastError("io", "no");
    one.devices[p]!.fault = (bio) => (isLog(bio) ? broken : null);
    await writeSectors(one.array, 0, filled(16, 7));
    expect(one.array.members.at(p).member).toBeNull();
    expect(superblockIn(one.devices[(p + 1) % 4]!.bytes)?.roles[p]).toEqual({ kind: "faulty" });
    expect(Buffer.compare(await readSectors(one.array, 0, 16), filled(16, 7))).toBe(0);
    // Its rows have no parity to log any more; others are logged.
    await writeSectors(one.array, 0, filled(COMPONENT * 3, 9));
    expect(
      Buffer.compare(await readSectors(one.array, 0, COMPONENT * 3), filled(COMPONENT * 3, 9)),
    ).toBe(0);
    await one.array.close();
  });

  it("writes nothing that waited for the log of a member that has failed before that is recorded", async () => {
    const one = await world();
    const { devices, array } = one;
    const { p } = GEOMETRY.rowLayout(0);
    await writeSectors(array, 0, filled(1, 1));
    for (const device of devices) device.held = true;
    const first = writeSectors(array, 0, filled(1, 2));
    await finishAll(devices, ({ op }) => op !== "flush");
    await first;
    // Row 0 again: its log waits for the flush that comes after the log before.
    const second = writeSectors(array, 16, filled(1, 3));
    for (const device of devices) device.seen.length = 0;
    array.memberFailed(array.members.at(p).member!, new HoldfastError("io", "gone"), ignore);
    await finishAll(devices, (bio) => !isSuperblock(bio));
    const others = devices.filter((_device, slot) => slot !== p);
    expect(others.every(({ pending }) => pending.some(isSuperblock))).toBe(true);
    expect(devices.flatMap(({ seen }) => seen).filter(isData)).toEqual([]);
    await finishAll(devices, () => true);
    await second;
    expect(devices.flatMap(({ seen }) => seen).filter(isData)).not.toEqual([]);
    expect(devices[p]!.seen.filter(isData)).toEqual([]);
  });

  it("writes nothing beside parity that a member has which has failed before that is recorded", async () => {
    const one = await world();
    const { devices, array } = one;
    const { p } = GEOMETRY.rowLayout(0);
    await writeSectors(array, 0, filled(1, 1));
    for (const device of devices) {
      device.held = true;
      device.seen.length = 0;
    }
    array.memberFailed(array.members.at(p).member!, new HoldfastError("io", "gone"), ignore);
    const write = writeSectors(array, 16, filled(16, 3));
    await finishAll(devices, (bio) => !isSuperblock(bio));
    expect(devices.flatMap(({ pending }) => pending).filter(isSuperblock)).toHaveLength(3);
    expect(devices.flatMap(({ seen }) => seen).filter(isData)).toEqual([]);
    await finishAll(devices, () => true);
    await write;
    expect(devices.flatMap(({ seen }) => seen).filter(isData)).not.toEqual([]);
  });

  it("logs on a replacement too, as far as that has been filled", async () => {
    const { p } = GEOMETRY.rowLayout(0);
    const roles = [0, 1, 2, 3, p];
    const part = { shape: SHAPE, roles, component: COMPONENT, pplSectors: RING };
    const images = newImages(RING).map((image, number) =>
      memberImage({ ...part, number, data: image.slice(DATA * SECTOR_BYTES) }),
    );
    const data = images[p]!.slice(DATA * SECTOR_BYTES);
    const recoveryOffset = 8n;
    images.push(memberImage({ ...part, number: 4, data, isReplacement: true, recoveryOffset }));
    const one = await worldOf(images);
    const dataSectors = (slot: number): number[] =>
      logsOn(one, slot).flatMap(({ log }) => log.entries.map(({ dataSector }) => dataSector));
    await writeSectors(one.array, 4, filled(4, 1));
    expect(dataSectors(p)).toEqual([4]);
    expect(dataSectors(4)).toEqual([4]);
    await writeSectors(one.array, 8, filled(4, 1));
    expect(dataSectors(p)).toEqual([4, 8]);
    expect(dataSectors(4)).toEqual([4]);
  });

  it("stops once the flush after the last log has ended", async () => {
    const one = await world();
    await writeSectors(one.array, 0, filled(16, 1));
    for (const device of one.devices) device.held = true;
    let isClosed = false;
    const write = writeSectors(one.array, 0, filled(16, 2));
    const finish = async (which: (bio: Bio) => boolean): Promise<boolean> => {
      await settled();
      for (const device of one.devices) {
        const index = device.pending.findIndex(which);
        if (index < 0) continue;
        device.finish(index);
        return true;
      }
      return false;
    };
    while (await finish(({ op }) => op !== "flush")) continue;
    await write;
    const closed = one.array.close().then(() => (isClosed = true));
    while (await finish(({ op }) => op !== "flush")) continue;
    expect(isClosed).toBe(false);
    while (await finish(() => true)) continue;
    await closed;
  });
});

describe("a golden array that crashed", () => {
  const golden = goldenCase("ppl-raid5-3");
  const view = golden.views.find(({ name }) => name === "resynced")!;

  async function run(left: readonly number[]): Promise<string> {
    const devices = left.map((index) => {
      const image = unpackImage(golden, index);
      const device = new ArrayDevice(image.length / SECTOR_BYTES, {}, `d${index}`);
      device.bytes.set(image);
      return device;
    });
    const array = await runArray(devices, new VirtualTime());
    const content = await readSectors(array, 0, array.sectors);
    if (left.length < 3) return sha256(content);
    expect(array.record.resyncOffsetSectors).toBe(Infinity);
    await array.close();
    // The parity that was replayed is on the disks now.
    const degraded = await runArray(devices.slice(1), new VirtualTime());
    expect(sha256(await readSectors(degraded, 0, degraded.sectors))).toBe(
      view.volumes["without-d0"]!.sha256,
    );
    return sha256(content);
  }

  it("is run for writing as the kernel runs it", async () => {
    expect(await run([0, 1, 2])).toBe(view.volumes.volume!.sha256);
  });

  it("and without its first disk", async () => {
    const without = golden.views.find(({ name }) => name === "ro-without-d0")!;
    expect(await run([1, 2])).toBe(without.volumes.volume!.sha256);
  });
});
