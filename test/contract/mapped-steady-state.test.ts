/**
 * Mapped devices in the long run: after the first rounds requests make no objects, no promises and set no timers, nothing is lent or waits when
 * nothing is under way, and a device that is removed has closed its disks.
 */
import { createHook } from "node:async_hooks";
import { describe, expect, it } from "vitest";
import type { HoldfastError } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import { ByteDevice } from "../../src/block/bytes.ts";
import { pooledObjectsLent, pooledObjectsMade } from "../../src/block/pool.ts";
import { flush, writeSectors } from "../../src/block/promises.ts";
import { MappedDevices } from "../../src/dm/mapped-devices.ts";
import { parseTable } from "../../src/dm/table.ts";
import type { Env } from "../../src/env/env.ts";
import { plainEngine } from "../../src/parity/engine.ts";
import { SliceDevice } from "../../src/devices/slice.ts";
import { SyncScheduler } from "../../src/sync/scheduler.ts";
import { seedOfRun } from "../support/seed.ts";
import { VirtualTime } from "../support/virtual-time.ts";
import { WatchedDisk, finishAll } from "../support/watched-disk.ts";

const SEED = seedOfRun();
const DISK_SECTORS = 4096;
const SECTORS = 1024;
const DEPTH = 8;
const ROUNDS = 100;
const PARTS = 4;

/** Of its own, since disks are to see the bios that targets submit and no copies of them. */
class Machine {
  readonly time = new VirtualTime();
  readonly disks: readonly WatchedDisk[];
  readonly all: MappedDevices;
  open = 0;

  constructor(names: readonly string[]) {
    this.disks = names.map((name) => new WatchedDisk(DISK_SECTORS, {}, name));
    this.hold(false);
    const env = {
      clock: this.time,
      timers: this.time,
      random: { bytes: (count: number) => new Uint8Array(count).fill(7) },
      log: { write: (_level: string, text: string) => expect.fail(text) },
    } as unknown as Env;
    this.all = new MappedDevices({
      env,
      parityEngine: () => plainEngine,
      scheduler: new SyncScheduler(),
      paths: {
        keyOf: (path) => Promise.resolve(path),
        open: (path) => Promise.resolve({ device: this.#open(path.slice(2)), id: path }),
      },
    });
  }

  #open(name: string): SliceDevice {
    const disk = this.disks.find((each) => each.name === name)!;
    this.open += 1;
    const use = new SliceDevice(disk, name, 0, disk.sectors);
    use.close = () => {
      this.open -= 1;
      return Promise.resolve();
    };
    return use;
  }

  hold(isHeld: boolean): void {
    for (const disk of this.disks) disk.held = isHeld;
  }

  async make(name: string, table: string, messages: readonly string[] = []): Promise<void> {
    const device = this.all.create({ name, uuid: "", minor: null });
    await this.time.until(this.all.load(device, parseTable(table), false));
    await this.time.until(this.all.resume(device));
    for (const words of messages)
      await this.time.until(this.all.message(device, 0, words.split(" ")));
  }

  /** Different ones that the disks have got. */
  get bios(): number {
    return this.disks.reduce((sum, disk) => sum + disk.bios.size, 0);
  }

  /** Time passes, and what goes on in it. */
  async idle(): Promise<void> {
    for (let second = 0; second < 20; second += 1) {
      this.time.pass(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async remove(): Promise<void> {
    for (const device of this.all.all.toReversed())
      await this.time.until(this.all.remove(device, { deferred: false }));
  }
}

interface Case {
  readonly disks: readonly string[];
  /** Tables by name, and messages; the last one is looked at. */
  readonly stack: readonly (readonly [name: string, table: string, ...messages: string[]])[];
}

const CASES: Readonly<Record<string, Case>> = {
  linear: { disks: ["a"], stack: [["v", `0 ${SECTORS} linear ./a 3`]] },
  striped: { disks: ["a", "b"], stack: [["v", `0 ${SECTORS} striped 2 8 ./a 0 ./b 8`]] },
  mirror: {
    disks: ["a", "b"],
    stack: [["v", `0 ${SECTORS} mirror core 1 64 2 ./a 0 ./b 0 1 handle_errors`]],
  },
  thin: {
    disks: ["meta", "data"],
    stack: [
      ["pool", "0 4096 thin-pool ./meta ./data 128 0", "create_thin 0"],
      ["v", `0 ${SECTORS} thin pool 0`],
    ],
  },
  clone: { disks: ["meta", "a", "b"], stack: [["v", `0 ${SECTORS} clone ./meta ./a ./b 8`]] },
  integrity: {
    disks: ["a"],
    stack: [["v", `0 ${SECTORS} integrity ./a 0 - D 2 journal_sectors:704 internal_hash:crc32c`]],
  },
  "snapshot-origin": {
    disks: ["a", "b"],
    stack: [["v", `0 ${SECTORS} snapshot-origin ./a`]],
  },
};

/** Rounds of requests of 4 KiB; every one succeeds. */
class Load {
  readonly #machine: Machine;
  readonly #device: ByteDevice;
  readonly #prng = new Prng(SEED);
  readonly #data = new Uint8Array(4096);
  underWay = 0;
  readonly #end = (error: HoldfastError | null): void => {
    if (error !== null) throw error;
    this.underWay -= 1;
  };

  constructor(machine: Machine, device: ByteDevice) {
    this.#machine = machine;
    this.#device = device;
  }

  /** All within one turn: what a target would do in a later one, it would do with a promise or a timer. */
  rounds(count: number): void {
    this.#machine.hold(true);
    for (let round = 0; round < count; round += 1) {
      for (let i = 0; i < DEPTH; i += 1) this.#start();
      finishAll(this.#machine.disks, this.#prng);
    }
    this.#machine.hold(false);
  }

  #start(): void {
    const offset = this.#prng.below(SECTORS / 8) * 4096;
    this.underWay += 1;
    if (this.#prng.chance(0.5)) this.#device.read(offset, this.#data, this.#end);
    else this.#device.write(offset, this.#data, 0, this.#end);
  }
}

function promisesIn(work: () => void): number {
  let made = 0;
  const hook = createHook({
    init: (_id, type) => {
      if (type === "PROMISE") made += 1;
    },
  });
  hook.enable();
  work();
  hook.disable();
  return made;
}

describe.each(Object.entries(CASES))("%s in the long run", (_name, { disks, stack }) => {
  it(`makes nothing new, and leaves nothing (seed ${SEED})`, async () => {
    const lent = pooledObjectsLent();
    const machine = new Machine(disks);
    for (const [name, table, ...messages] of stack) await machine.make(name, table, messages);
    const device = machine.all.all.at(-1)!.open({ readOnly: false });
    const fill = (): Promise<void> =>
      machine.time.until(writeSectors(device, 0, new Uint8Array(SECTORS * 512)));
    // Every block is mapped, and what goes on in the background comes to its end.
    await fill();
    await machine.idle();
    await fill();
    const load = new Load(machine, new ByteDevice(device));
    load.rounds(ROUNDS);
    await machine.time.until(flush(device));
    const made = pooledObjectsMade();
    const bios = machine.bios;
    for (let part = 0; part < PARTS; part += 1) {
      // Regions that were clean are marked.
      await fill();
      const { timersSet } = machine.time;
      expect(promisesIn(() => load.rounds(ROUNDS))).toBe(0);
      expect(load.underWay).toBe(0);
      // One that looks later at what was written.
      expect(machine.time.timersSet - timersSet).toBeLessThanOrEqual(1);
      await machine.time.until(flush(device));
      expect(pooledObjectsLent()).toBe(lent);
      await machine.idle();
      expect(machine.time.pending).toBe(0);
    }
    // Chance may put more of one kind side by side than there were before: as many as there are at a time, not as there are requests.
    expect(pooledObjectsMade() - made).toBeLessThanOrEqual(DEPTH);
    expect(machine.bios - bios).toBeLessThanOrEqual(DEPTH);
    await device.close();
    await machine.remove();
    expect(machine.open).toBe(0);
    expect(machine.time.pending).toBe(0);
    expect(pooledObjectsLent()).toBe(lent);
  });
});
