/**
 * The registry of block devices that the contract suite (block-device.test.ts) runs over: one entry, and a new
 * device is tested.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { checked } from "../../src/block/checked.ts";
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
import { VirtualTime } from "../support/virtual-time.ts";
import { memberImage, planFor, runPlan } from "../support/running-array.ts";
import { writeSparse } from "../../scripts/sparse.mjs";
import { testFolder } from "../support/temp.ts";
import { SECTORS, someContents } from "./made-device.ts";
import type { MadeDevice } from "./made-device.ts";
import { MAPPED_MAKERS } from "./mapped-makers.ts";

export interface DeviceMaker {
  readonly name: string;
  /** Called within a test: may register clean-up with onTestFinished. */
  make(): Promise<MadeDevice> | MadeDevice;
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
    ...MAPPED_MAKERS,
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
