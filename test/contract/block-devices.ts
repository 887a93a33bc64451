/**
 * The registry of block devices that the contract suite (block-device.test.ts) runs over: one entry, and a new
 * device is tested.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { checked } from "../../src/block/checked.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { writeSectors } from "../../src/block/promises.ts";
import { readOnly } from "../../src/block/read-only.ts";
import { counted } from "../../src/block/stats.ts";
import { DeadlineDevice } from "../../src/devices/deadline.ts";
import { FaultyDevice } from "../../src/devices/faulty.ts";
import { openFileDevice } from "../../src/devices/file.ts";
import { openNbdDevice } from "../../src/devices/nbd.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import { openOverlayStore } from "../../src/devices/overlay-store.ts";
import { ReplayedDevice } from "../../src/devices/replayed.ts";
import { OverlayDevice } from "../../src/devices/overlay.ts";
import { SliceDevice } from "../../src/devices/slice.ts";
import type { Env } from "../../src/env/env.ts";
import type { MdShape } from "../../src/formats/md/superblock.ts";
import { startNbdServer } from "../../src/nbd/server.ts";
import { ArrayDevice } from "../support/array-device.ts";
import { DmWorld } from "../support/dm-world.ts";
import { VirtualTime } from "../support/virtual-time.ts";
import { memberImage, planFor, runPlan } from "../support/running-array.ts";
import { writeSparse } from "../../scripts/sparse.mjs";
import { testFolder } from "../support/temp.ts";

export interface MadeDevice {
  readonly device: BlockDevice;
  /** What it holds at first. */
  readonly contents: Uint8Array;
}

export interface DeviceMaker {
  readonly name: string;
  /** Called within a test: may register clean-up with onTestFinished. */
  make(): Promise<MadeDevice> | MadeDevice;
}

/** Prime, so that no block, page or file size divides it. */
const SECTORS = 1009;

/** Data with long runs of zeros in it. */
function someContents(sectors = SECTORS): Uint8Array {
  const prng = new Prng(20);
  const bytes = new Uint8Array(sectors * 512);
  for (let sector = 0; sector < sectors;) {
    const run = Math.min(sectors - sector, prng.between(1, 200));
    if (prng.chance(0.5)) prng.fill(bytes.subarray(sector * 512, (sector + run) * 512));
    sector += run;
  }
  return bytes;
}

function arrayWith(contents: Uint8Array, limits = {}): ArrayDevice {
  const device = new ArrayDevice(contents.length / 512, limits);
  device.bytes.set(contents);
  return device;
}

function imageFile(contents: Uint8Array): string {
  const path = join(testFolder("contract"), "disk.img");
  writeSparse(path, contents);
  return path;
}

async function overlay(
  env: Env,
  choice: Parameters<typeof openOverlayStore>[1],
  fileSectors?: number,
): Promise<MadeDevice> {
  const contents = someContents();
  const base = checked(arrayWith(contents, { readOnly: true, discard: false }));
  const store = checked(await openOverlayStore(env, choice, base.sectors, fileSectors));
  return { device: new OverlayDevice(base, store), contents };
}

/** On two members, with a border where no block has one. */
async function runningLinear(): Promise<MadeDevice> {
  const shape: MdShape = { level: "linear", layout: 0, chunkSectors: 0, raidDisks: 2 };
  const images = [503, SECTORS - 503].map((component, number) =>
    memberImage({ shape, number, roles: [0, 1], component }),
  );
  const members = images.map((image) => checked(arrayWith(image)));
  const device = await runPlan(planFor(members, images), new VirtualTime());
  const contents = someContents();
  await writeSectors(device, 0, contents);
  return { device, contents };
}

/** Of several targets, with borders where no block has one. */
function mappedDevice(): Promise<MadeDevice> {
  return mapped(
    { a: 700, b: 260, c: 260 },
    `0 501 linear ./a 3\n501 500 striped 2 5 ./b 0 ./c 7\n1001 ${SECTORS - 1001} linear ./a 611`,
  );
}

function mappedMirror(): Promise<MadeDevice> {
  const words = `mirror disk 3 ./log 64 nosync 2 ./a 3 ./b 0`;
  return mapped({ a: SECTORS + 3, b: SECTORS, log: 8 }, `0 ${SECTORS} ${words}`);
}

function mappedRaid(): Promise<MadeDevice> {
  const disks = { m: 64, a: SECTORS, n: 64, b: SECTORS };
  return mapped(disks, `0 ${SECTORS} raid raid1 4 0 nosync region_size 64 2 ./m ./a ./n ./b`);
}

async function mapped(disks: Record<string, number>, table: string): Promise<MadeDevice> {
  const world = new DmWorld(disks);
  const device = world.create("mapped");
  await world.load(device, table);
  await world.all.resume(device);
  const use = device.open({ readOnly: false });
  const contents = someContents();
  await writeSectors(use, 0, contents);
  return { device: use, contents };
}

async function nbd(env: Env, limits: object, uriReadOnly: boolean): Promise<MadeDevice> {
  const contents = someContents();
  const served = checked(arrayWith(contents, limits));
  const server = await startNbdServer(env, {
    listen: { kind: "unix", path: join(testFolder("nbd"), "s") },
    exports: [{ name: "disk", device: served }],
  });
  onTestFinished(() => server.stop());
  const device = await openNbdDevice(env, server.uri("disk"), { readOnly: uriReadOnly });
  return { device, contents };
}

/** What a device needs of the system comes from `env`. */
export function deviceMakers(env: Env): readonly DeviceMaker[] {
  return [
    {
      name: "memory",
      make: () => ({
        device: new MemoryDevice({ name: "memory", sectors: SECTORS }),
        contents: new Uint8Array(SECTORS * 512),
      }),
    },
    {
      name: "file",
      async make() {
        const contents = someContents();
        const device = await openFileDevice(env, imageFile(contents), { readOnly: false });
        return { device, contents };
      },
    },
    {
      name: "file, read-only, with a part of a sector at its end",
      async make() {
        const contents = someContents();
        const path = imageFile(contents);
        writeFileSync(path, new Uint8Array(100), { flag: "a" });
        return { device: await openFileDevice(env, path, { readOnly: true }), contents };
      },
    },
    {
      name: "slice",
      make() {
        const contents = someContents();
        const whole = checked(arrayWith(someContents(SECTORS + 100)));
        const device = new SliceDevice(whole, "slice", 13, SECTORS);
        return {
          device,
          contents: someContents(SECTORS + 100).subarray(13 * 512, 13 * 512 + contents.length),
        };
      },
    },
    {
      name: "slice of a file",
      async make() {
        const contents = someContents();
        const file = await openFileDevice(env, imageFile(contents), { readOnly: false });
        const device = new SliceDevice(checked(file), "slice", 511, 300);
        return { device, contents: contents.slice(511 * 512, 811 * 512) };
      },
    },
    { name: "running array", make: runningLinear },
    { name: "mapped device", make: mappedDevice },
    { name: "mapped mirror", make: mappedMirror },
    { name: "mapped raid set", make: mappedRaid },
    {
      name: "overlay in memory",
      make: () => overlay(env, { kind: "memory", limitBytes: 2 ** 30 }),
    },
    {
      name: "overlay in a file",
      make: () => overlay(env, { kind: "folder", folder: testFolder("overlay") }),
    },
    {
      name: "overlay in several files",
      make: () => overlay(env, { kind: "folder", folder: testFolder("overlay") }, 304),
    },
    {
      name: "overlay on an overlay on a sparse file",
      async make() {
        const contents = someContents();
        const base = await openFileDevice(env, imageFile(contents), { readOnly: true });
        const memory = { kind: "memory", limitBytes: 2 ** 30 } as const;
        const middle = new OverlayDevice(
          checked(base),
          await openOverlayStore(env, memory, base.sectors),
        );
        const device = new OverlayDevice(
          checked(middle),
          await openOverlayStore(env, memory, base.sectors),
        );
        return { device, contents };
      },
    },
    {
      name: "faulty, without faults",
      make() {
        const contents = someContents();
        return { device: new FaultyDevice(arrayWith(contents)), contents };
      },
    },
    {
      name: "with a deadline",
      make() {
        const contents = someContents();
        const time = new VirtualTime();
        const options = { clock: time, timers: time, timeoutMs: 1000, slowMs: 100 };
        return { device: new DeadlineDevice(arrayWith(contents), options), contents };
      },
    },
    { name: "NBD client", make: () => nbd(env, {}, false) },
    {
      name: "NBD client, read-only",
      make: () => nbd(env, { readOnly: true, discard: false }, true),
    },
    {
      name: "NBD client of a server that cannot discard or write zeroes",
      make: () => nbd(env, { discard: false, writeZeroes: false }, false),
    },
    {
      name: "replayed, written out",
      async make() {
        const contents = someContents();
        const before = contents.slice();
        before.fill(0, 5 * 512, 14 * 512);
        const patch = { sector: 5, data: contents.slice(5 * 512, 14 * 512) };
        const device = await ReplayedDevice.over(arrayWith(before), [patch]);
        await new Promise<void>((resolve) => device.writeOut(() => resolve()));
        return { device, contents };
      },
    },
    {
      name: "counted",
      make() {
        const contents = someContents();
        return { device: counted(arrayWith(contents)), contents };
      },
    },
    {
      name: "read-only over a writable one",
      make() {
        const contents = someContents();
        return { device: readOnly(arrayWith(contents)), contents };
      },
    },
  ];
}
