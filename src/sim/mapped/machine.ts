/** MappedMachine: simulated disks with mapped devices on them, and the process that runs these, which may be killed and started again. */
import { HoldfastError } from "../../base/errors.ts";
import { OneByOne } from "../../base/one-by-one.ts";
import type { Prng } from "../../base/prng.ts";
import { DeadlineDevice } from "../../devices/deadline.ts";
import type { MappedDevice } from "../../dm/mapped-device.ts";
import { MappedDevices } from "../../dm/mapped-devices.ts";
import { parseTable } from "../../dm/table.ts";
import type { OpenedPath } from "../../dm/table-devices.ts";
import type { SuspendKind } from "../../dm/target.ts";
import type { Env } from "../../env/env.ts";
import { SyncScheduler } from "../../sync/scheduler.ts";
import type { SimDisk } from "../disk.ts";
import { DEADLINE, sharedParityEngine } from "../machine.ts";
import type { Mutant } from "../mutant.ts";
import { DiskPort } from "../port.ts";
import { SimProcess } from "../process.ts";
import type { World } from "../world.ts";
import { OpenedDisk } from "./opened-disk.ts";

export class MappedMachine {
  readonly world: World;
  readonly disks: readonly SimDisk[];
  readonly #mutant: Mutant | null;
  readonly #uuids: Prng;
  #process: SimProcess;
  #mapped: MappedDevices | null = null;
  /** By path. */
  #opened = new Map<string, OpenedDisk>();
  /** What administrators do, one thing after the other. */
  #lane = new OneByOne();
  errands = new Set<Promise<unknown>>();
  /** Tables are being changed. */
  changes = 0;
  /** Disks that were gone: nobody opens them before they have lost what was in their caches. */
  #pluggingIn = new Map<SimDisk, Promise<void>>();
  /** Counts starts. */
  life = 0;
  /** Since the start a disk came back that had lost what was in its cache. */
  hasLostCache = false;
  readonly wrong: string[] = [];

  constructor(world: World, disks: readonly SimDisk[], mutant: Mutant | null) {
    this.world = world;
    this.disks = disks;
    this.#mutant = mutant;
    this.#uuids = world.prng("uuids");
    this.#process = new SimProcess(world);
  }

  get process(): SimProcess {
    return this.#process;
  }

  get isRunning(): boolean {
    return this.#mapped !== null;
  }

  /** @throws HoldfastError `shutdown`: the process is dead */
  get mapped(): MappedDevices {
    if (this.#mapped === null) throw new HoldfastError("shutdown", "The process is dead.");
    return this.#mapped;
  }

  /** A new process, without any device yet. */
  boot(): void {
    const { world } = this;
    this.life += 1;
    this.hasLostCache = false;
    const process = new SimProcess(world);
    this.#process = process;
    this.#opened = new Map();
    const parity = process.books.lending(sharedParityEngine());
    const env = {
      clock: process,
      timers: process,
      random: { bytes: (count: number) => this.#bytes(count) },
      log: { write: (_level: string, text: string) => world.say(text) },
    };
    this.#mapped = new MappedDevices({
      // Mapped devices reach for nothing else.
      env: env as unknown as Env,
      parityEngine: () => parity,
      scheduler: new SyncScheduler(),
      paths: {
        keyOf: (path) => Promise.resolve(path),
        open: (path) => this.#open(path),
      },
      parts: this.#mutant?.mapped?.(world) ?? {},
    });
  }

  #bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    this.#uuids.fill(bytes);
    return bytes;
  }

  async #open(path: string): Promise<OpenedPath> {
    const disk = this.disks.find(({ name }) => path === `/${name}`);
    if (disk === undefined) throw new HoldfastError("not-found", `There is no ${path}.`);
    const process = this.#process;
    await this.#pluggingIn.get(disk);
    const port = new DiskPort(disk, process);
    const guard = new DeadlineDevice(port, { clock: process, timers: process, ...DEADLINE });
    const opened = new OpenedDisk(guard, (text) => this.wrong.push(text));
    this.#opened.set(path, opened);
    return { device: opened, id: path };
  }

  /** A disk that was gone is there again; who has it open does not reach it any more. */
  plugIn(disk: SimDisk): Promise<void> {
    const wasGone = disk.health === "gone";
    disk.recover();
    if (!wasGone) return Promise.resolve();
    const opened = this.#opened.get(`/${disk.name}`);
    if (opened !== undefined) opened.isLost = true;
    const plugged = (async () => {
      // What it was asked before it was gone it has answered.
      await opened?.whenQuiet();
      this.#losePower(disk);
    })();
    this.#pluggingIn.set(disk, plugged);
    return plugged;
  }

  #losePower(disk: SimDisk): void {
    this.hasLostCache ||= disk.isVolatile;
    disk.losePower();
  }

  /** Whoever has it open does not reach it: it was unplugged, or did not answer. */
  isCutOff(disk: SimDisk): boolean {
    const opened = this.#opened.get(`/${disk.name}`);
    return opened !== undefined && opened.isOpen && opened.isCutOff;
  }

  device(name: string): MappedDevice {
    return this.mapped.find({ kind: "name", name });
  }

  /** A device with that table, live. */
  async make(name: string, table: string): Promise<void> {
    const device = this.mapped.create({ name, uuid: "", minor: null });
    await this.load(name, table);
    await this.mapped.resume(device);
  }

  /** Its inactive table. */
  load(name: string, table: string): Promise<void> {
    return this.mapped.load(this.device(name), parseTable(table), false);
  }

  /** Words behind the name of the target in the first line. */
  async status(name: string): Promise<string[]> {
    const [line] = await this.device(name).live!.status(true);
    return line!.split(" ").slice(3);
  }

  /**
   * Suspends it, and resumes it when `meanwhile` is over.
   * @param alone nobody else uses its disks: nothing happens on them in between
   */
  async suspended(
    name: string,
    kind: SuspendKind,
    alone: boolean,
    meanwhile: () => Promise<void>,
  ): Promise<void> {
    const device = this.device(name);
    await this.mapped.suspend(device, kind, kind === "flush");
    const disks = alone ? this.#disksOf(device) : [];
    for (const disk of disks) {
      if (disk.underWay > 0)
        this.wrong.push(
          `${name} is suspended, and ${disk.underWay} requests to ${disk.name} are not over`,
        );
      disk.suspended = name;
    }
    await meanwhile();
    for (const disk of disks) disk.suspended = null;
    await this.mapped.resume(device);
  }

  #disksOf(device: MappedDevice): OpenedDisk[] {
    const devices = device.live?.devices ?? [];
    return devices.flatMap(({ id, mapped }) => (mapped === null ? [this.#opened.get(id)!] : []));
  }

  async remove(name: string): Promise<void> {
    await this.mapped.remove(this.device(name), { deferred: false });
  }

  /** Beside everything else, after what was asked before; a refusal is only noted. */
  inBackground(work: () => Promise<unknown>): void {
    const { errands } = this;
    const lane = this.#lane;
    const errand = lane
      .run(async () => {
        await work();
      })
      .catch((error: unknown) => {
        if (!(error instanceof HoldfastError)) throw error;
        this.world.say(`refused: ${error.message}`);
      })
      .finally(() => errands.delete(errand));
    errands.add(errand);
  }

  /** As `inBackground`, of what decides which disks are needed. */
  change(work: () => Promise<unknown>): void {
    // Who dies has a new one: what it was doing ends later, and counts no more.
    const lane = this.#lane;
    this.changes += 1;
    this.inBackground(() =>
      work().finally(() => {
        if (lane === this.#lane) this.changes -= 1;
      }),
    );
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#process.set(ms, resolve));
  }

  /** Those that are open, a line each. */
  get leftOpen(): string[] {
    return [...this.#opened.values()].flatMap((disk) =>
      disk.isOpen ? [`${disk.name} is still open`] : [],
    );
  }

  kill(): void {
    this.#process.kill();
    for (const disk of this.disks) {
      disk.abandon();
      if (disk.health === "gone") this.#losePower(disk);
      disk.recover();
    }
    this.#mapped = null;
    this.changes = 0;
    this.#pluggingIn = new Map();
    this.#lane = new OneByOne();
    this.errands = new Set();
  }

  cut(): void {
    this.kill();
    for (const disk of this.disks) disk.losePower();
  }
}
