/** Mapped devices over disks in memory that can fail, and that tell who opened and closed them. In virtual time. */
import { onTestFinished } from "vitest";
import { HoldfastError } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import { checked } from "../../src/block/checked.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { FaultyDevice } from "../../src/devices/faulty.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import { SliceDevice } from "../../src/devices/slice.ts";
import type { MappedDevice } from "../../src/dm/mapped-device.ts";
import { MappedDevices } from "../../src/dm/mapped-devices.ts";
import { parseTable } from "../../src/dm/table.ts";
import type { Env } from "../../src/env/env.ts";
import { plainEngine } from "../../src/parity/engine.ts";
import { SyncScheduler } from "../../src/sync/scheduler.ts";
import { randomBytes } from "./bytes.ts";
import { VirtualTime } from "./virtual-time.ts";

export class DmWorld {
  readonly time = new VirtualTime();
  readonly disks = new Map<string, FaultyDevice>();
  /** "open a", "close a". */
  readonly openings: string[] = [];
  /** Log lines: "info: ...". */
  readonly log: string[] = [];
  readonly all: MappedDevices;

  /** @param disks by name, or the sectors of a new one in memory; tables name them "./NAME" */
  constructor(disks: Readonly<Record<string, number | BlockDevice>>) {
    for (const [name, disk] of Object.entries(disks)) {
      const device = typeof disk === "number" ? new MemoryDevice({ name, sectors: disk }) : disk;
      this.disks.set(name, new FaultyDevice(device));
    }
    const prng = new Prng(1);
    const env = {
      clock: this.time,
      timers: this.time,
      random: { bytes: (count: number) => randomBytes(prng, count) },
      log: { write: (level: string, text: string) => this.log.push(`${level}: ${text}`) },
    } as unknown as Env;
    this.all = new MappedDevices({
      env,
      parityEngine: () => plainEngine,
      scheduler: new SyncScheduler(),
      paths: {
        keyOf: (path) => Promise.resolve(path.replace(/^\.\//, "")),
        open: (path) => Promise.resolve({ device: this.#open(path.slice(2)), id: path }),
      },
    });
  }

  #open(name: string): BlockDevice {
    const disk = this.disk(name);
    this.openings.push(`open ${name}`);
    const use = checked(new SliceDevice(disk, name, 0, disk.sectors));
    const close = use.close.bind(use);
    use.close = async () => {
      await close();
      this.openings.push(`close ${name}`);
    };
    return use;
  }

  disk(name: string): FaultyDevice {
    const disk = this.disks.get(name);
    if (disk === undefined) throw new HoldfastError("not-found", `./${name}: no such disk.`);
    return disk;
  }

  /** Names of the disks that are open now. */
  get open(): string[] {
    const open = new Set<string>();
    for (const each of this.openings) {
      const [what, name] = each.split(" ");
      if (what === "open") open.add(name!);
      else open.delete(name!);
    }
    return [...open];
  }

  create(name: string): MappedDevice {
    return this.all.create({ name, uuid: "", minor: null });
  }

  load(device: MappedDevice, table: string): Promise<void> {
    return this.all.load(device, parseTable(table), false);
  }

  /** A device with a live table, and open until the test ends: a `use` that both sides of the contract are checked for. */
  async make(name: string, table: string): Promise<{ device: MappedDevice; use: BlockDevice }> {
    const device = this.create(name);
    await this.load(device, table);
    await this.all.resume(device);
    const use = checked(device.open({ readOnly: false }));
    onTestFinished(() => use.close());
    return { device, use };
  }

  /** What a bad table is refused with. */
  async refusal(table: string): Promise<string> {
    const device = this.all.all.find(({ name }) => name === "bad") ?? this.create("bad");
    try {
      await this.load(device, table);
    } catch (error) {
      if (error instanceof HoldfastError) return `${error.code}: ${error.message}`;
      throw error;
    }
    return "taken";
  }
}
