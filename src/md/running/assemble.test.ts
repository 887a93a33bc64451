import { describe, expect, it } from "vitest";
import { sameBytes } from "../../../test/support/bytes.ts";
import { settled } from "../../../test/support/crash-disks.ts";
import { VirtualTime } from "../../../test/support/virtual-time.ts";
import {
  COMPONENT,
  DATA_OFFSET,
  MIRROR,
  SUPER_SECTOR,
  memberImage,
  planFor,
  runPlan,
} from "../../../test/support/running-array.ts";
import { RunningWorld } from "../../../test/support/running-world.ts";
import { bytesOf } from "../../../test/support/md-layout.ts";
import { Prng } from "../../base/prng.ts";
import { checked } from "../../block/checked.ts";
import type { BlockDevice } from "../../block/device.ts";
import { discard, flush, readInto, writeSectors, writeZeroes } from "../../block/promises.ts";
import { readOnly } from "../../block/read-only.ts";
import { FaultyDevice } from "../../devices/faulty.ts";
import { MemoryDevice } from "../../devices/memory.ts";
import type { MdShape } from "../../formats/md/superblock.ts";
import type { RunningArray } from "./array.ts";

const RAID0: MdShape = { level: "raid0", layout: 1, chunkSectors: 8, raidDisks: 3 };
const LINEAR: MdShape = { level: "linear", layout: 0, chunkSectors: 0, raidDisks: 3 };
const THREE = { ...MIRROR, raidDisks: 3 };
const SECTORS = 64;

async function plainArray(
  shape: MdShape,
): Promise<{ array: RunningArray; faulty: FaultyDevice[]; images: Uint8Array[] }> {
  const images = [0, 1, 2].map((number) =>
    memberImage({ shape, number, roles: [0, 1, 2], component: SECTORS }),
  );
  const faulty = await Promise.all(
    images.map(async (image, i) => {
      const disk = new MemoryDevice({ name: `disk${i}`, sectors: image.length / 512 });
      await writeSectors(disk, 0, image);
      return new FaultyDevice(disk);
    }),
  );
  const devices: BlockDevice[] = faulty.map((disk) => checked(disk));
  const array = await runPlan(planFor(devices, images), new VirtualTime());
  return { array, faulty, images };
}

describe.each([RAID0, LINEAR])("a running $level", (shape) => {
  it("gives back what was written, zeroed and discarded, and never touches a superblock", async () => {
    const { array, faulty, images } = await plainArray(shape);
    const device = checked(array);
    expect(device.sectors).toBe(3 * SECTORS);
    const model = new Uint8Array(device.sectors * 512);
    const random = new Prng(7);
    for (let i = 0; i < 200; i += 1) {
      const sector = random.below(device.sectors);
      const sectors = 1 + random.below(device.sectors - sector);
      const part = model.subarray(sector * 512, (sector + sectors) * 512);
      if (i % 3 === 0) {
        await (i % 2 === 0
          ? writeZeroes(device, sector, sectors)
          : discard(device, sector, sectors));
        part.fill(0);
      } else {
        part.set(bytesOf(i, sectors));
        await writeSectors(device, sector, part);
      }
    }
    await flush(device);
    const found = new Uint8Array(model.length);
    await readInto(device, 0, found);
    expect(sameBytes(found, model)).toBe(true);
    expect(device.extents(0, device.sectors, 100).at(-1)).toMatchObject({ kind: "data" });
    await device.close();
    for (const [i, disk] of faulty.entries()) {
      const head = new Uint8Array(DATA_OFFSET * 512);
      await readInto(disk, 0, head);
      expect(sameBytes(head, images[i]!.subarray(0, head.length))).toBe(true);
    }
  });

  it("passes errors on, and is broken only when a member has gone", async () => {
    const { array, faulty } = await plainArray(shape);
    const last = array.sectors - 1;
    faulty[2]!.failWrites(DATA_OFFSET + SECTORS - 1, 1);
    await expect(writeSectors(array, last, new Uint8Array(512))).rejects.toThrow("write failed");
    await writeSectors(array, 0, new Uint8Array(512));
    expect(array.broken).toBeNull();
    faulty[2]!.vanish();
    await expect(readInto(array, last, new Uint8Array(512))).rejects.toThrow("is gone");
    await expect(flush(array)).rejects.toThrow("is gone");
    await expect(writeSectors(array, last, new Uint8Array(512))).rejects.toThrow("is gone");
    expect(array.state).toBe("broken");
    await expect(writeSectors(array, 0, new Uint8Array(512))).rejects.toThrow("any more");
    await readInto(array, 0, new Uint8Array(512));
    await array.close();
  });
});

describe("assembling", () => {
  it("writes nothing", async () => {
    const world = await new RunningWorld({ spares: 1, all: { resyncOffset: 0n } }).start();
    await settled();
    expect(world.takeLog()).toEqual([]);
    const { array } = world;
    expect(array.record).toMatchObject({ events: 10, isClean: true, resyncOffsetSectors: 0 });
    expect(array.members.attached.map(({ standing }) => standing.kind)).toEqual([
      "in-sync",
      "in-sync",
      "spare",
    ]);
    expect(array.sectors).toBe(COMPONENT);
  });

  it("leaves stale members out, and the first superblocks say so", async () => {
    const world = await new RunningWorld({ shape: THREE, images: { 1: { events: 5 } } }).start();
    expect(world.array.degraded).toBe(1);
    await world.write(0);
    expect(world.superblock(0).roles[1]?.kind).toBe("spare");
    expect(world.events).toEqual([12, 5, 12]);
  });

  it("takes over how far a member has been filled", async () => {
    const images = { 1: { recoveryOffset: 8n } };
    const world = await new RunningWorld({ images }).start();
    const recovering = world.array.members.attached[1]!;
    expect(recovering.standing).toEqual({ kind: "recovering", slot: 1, recoveredSectors: 8 });
    expect(recovering.goodEnd).toBe(8);
    expect(world.array.degraded).toBe(1);
    await world.write(0);
    expect(world.superblock(1).recoveryOffsetSectors).toBe(8);
  });

  it("takes a dirty array with parity for clean once it was started by force without a member", async () => {
    const shape = { level: "raid5", layout: 2, chunkSectors: 8, raidDisks: 3 } as const;
    const dirty = { shape, all: { resyncOffset: 0n }, away: [1] };
    await expect(new RunningWorld(dirty).start()).rejects.toThrow("cannot be started");
    const world = await new RunningWorld({ ...dirty, plan: { force: true } }).start();
    expect(world.array.record.resyncOffsetSectors).toBe(Infinity);
    expect(world.array.limits).toMatchObject({ discard: false, optimalIoBytes: 2 * 8 * 512 });
  });

  it("keeps an array with a member that cannot be written read-only", async () => {
    const images = [0, 1].map((number) => memberImage({ shape: MIRROR, number, roles: [0, 1] }));
    const devices = await Promise.all(
      images.map(async (image, i) => {
        const disk = new MemoryDevice({ name: `disk${i}`, sectors: image.length / 512 });
        await writeSectors(disk, 0, image);
        return i === 0 ? readOnly(disk) : disk;
      }),
    );
    const array = await runPlan(planFor(devices, images), new VirtualTime());
    expect(array.limits.readOnly).toBe(true);
    await expect(array.startWriting()).rejects.toThrow("disk0");
  });

  it("refuses a member that is cut off", async () => {
    const images = [0, 1].map((number) => memberImage({ shape: MIRROR, number, roles: [0, 1] }));
    const devices = images.map(
      (_image, i) => new MemoryDevice({ name: `disk${i}`, sectors: DATA_OFFSET + 5 }),
    );
    for (const [i, disk] of devices.entries())
      await writeSectors(disk, 0, images[i]!.subarray(0, (SUPER_SECTOR + 8) * 512));
    await expect(runPlan(planFor(devices, images), new VirtualTime())).rejects.toThrow("cut off");
  });
});
