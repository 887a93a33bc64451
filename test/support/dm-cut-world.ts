/** Mapped devices over disks whose power can be cut (cut-disks.ts), in virtual time. */
import { Prng } from "../../src/base/prng.ts";
import { HoldfastError } from "../../src/base/errors.ts";
import { flush, readSectors, writeSectors } from "../../src/block/promises.ts";
import type { MappedDevice } from "../../src/dm/mapped-device.ts";
import { MappedDevices } from "../../src/dm/mapped-devices.ts";
import type { MappedUse, UseOptions } from "../../src/dm/mapped-use.ts";
import { parseTable } from "../../src/dm/table.ts";
import type { Env } from "../../src/env/env.ts";
import { createParityEngine } from "../../src/parity/engine.ts";
import type { ParityEngine } from "../../src/parity/engine.ts";
import { SyncScheduler } from "../../src/sync/scheduler.ts";
import { randomBytes } from "./bytes.ts";
import { CutDisks } from "./cut-disks.ts";
import type { CutDisk } from "./cut-disks.ts";
import { VirtualTime } from "./virtual-time.ts";

let parity: ParityEngine | undefined;

/** Steps of I/O or time that something may take. */
const MAX_STEPS = 400_000;

export class DmCutWorld {
  readonly time = new VirtualTime();
  readonly disks: CutDisks;
  readonly mapped: MappedDevices;
  readonly #prng: Prng;

  /** In tables the disks are ./0, ./1 and so on. */
  constructor(prng: Prng, images: readonly Uint8Array[]) {
    this.#prng = prng;
    this.disks = new CutDisks(prng, images);
    const env = {
      clock: this.time,
      timers: this.time,
      random: { bytes: (count: number) => randomBytes(new Prng(1), count) },
      log: { write: () => {} },
    } as unknown as Env;
    this.mapped = new MappedDevices({
      env,
      parityEngine: () => (parity ??= createParityEngine()),
      scheduler: new SyncScheduler(),
      paths: {
        keyOf: (path) => Promise.resolve(path),
        open: (path) => {
          const device = this.disks.disks[Number(path.slice(2))];
          if (device === undefined)
            return Promise.reject(new HoldfastError("not-found", `${path}: no such disk.`));
          return Promise.resolve({ device, id: path });
        },
      },
    });
  }

  static empty(prng: Prng, sectors: readonly number[]): DmCutWorld {
    return new DmCutWorld(
      prng,
      sectors.map((each) => new Uint8Array(each * 512)),
    );
  }

  disk(index: number): CutDisk {
    return this.disks.disks[index]!;
  }

  /** Lets requests end, and time pass where there is none, until the promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    for (let step = 0; step < MAX_STEPS; step += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (isSettled) return promise;
      if (!this.disks.step()) this.time.next();
    }
    throw new Error("it does not come to an end");
  }

  /** Lets `count` requests end, no time passes. */
  async steps(count: number): Promise<void> {
    for (let left = count; left > 0; left -= 1) {
      await new Promise((resolve) => setImmediate(resolve));
      this.disks.step();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets everything end, and so much time pass. */
  async pass(ms: number): Promise<void> {
    const until = this.time.monotonicMs() + ms;
    for (let step = 0; step < MAX_STEPS; step += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.disks.step()) continue;
      if (!this.time.next(until)) break;
    }
    this.time.pass(Math.max(0, until - this.time.monotonicMs()));
  }

  /** A device with that table, live. */
  async make(name: string, table: string): Promise<MappedDevice> {
    const device = this.mapped.create({ name, uuid: "", minor: null });
    await this.swap(device, table);
    return device;
  }

  async swap(device: MappedDevice, table: string): Promise<void> {
    await this.until(this.mapped.load(device, parseTable(table), false));
    await this.until(this.mapped.resume(device));
  }

  open(device: MappedDevice, options: UseOptions = { readOnly: false }): MappedUse {
    return device.open(options);
  }

  /** Durable when it resolves. */
  async write(device: MappedDevice, sector: number, data: Uint8Array): Promise<void> {
    const use = this.open(device);
    await this.until(writeSectors(use, sector, data));
    await this.until(flush(use));
    await this.until(use.close());
  }

  /** The first so many sectors. */
  async content(device: MappedDevice, sectors: number): Promise<Uint8Array> {
    const use = this.open(device);
    const data = await this.until(readSectors(use, 0, sectors));
    await this.until(use.close());
    return data;
  }

  async status(device: MappedDevice): Promise<string> {
    return (await this.until(device.live!.status(true)))[0]!;
  }

  /** Until the status line has that in it. */
  async untilStatus(device: MappedDevice, text: string | RegExp): Promise<string> {
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const status = await this.status(device);
      if (typeof text === "string" ? status.includes(text) : text.test(status)) return status;
      await new Promise((resolve) => setImmediate(resolve));
      if (!this.disks.step()) this.time.next();
    }
    throw new Error(`the status stays ${await this.status(device)}`);
  }

  /** The power fails, and comes back. */
  cut(): DmCutWorld {
    this.time.clear();
    return new DmCutWorld(this.#prng, this.disks.cut());
  }
}
