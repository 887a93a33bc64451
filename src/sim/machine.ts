/**
 * Machine: simulated disks with an array on them, and the process that runs it, which may be killed and started again. What runs is the
 * array as everywhere else; only its disks, its time and its luck are simulated.
 */
import { DeadlineDevice } from "../devices/deadline.ts";
import type { BlockDevice } from "../block/device.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import { planAssembly } from "../md/plan.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import { probeMdSuperblocks } from "../md/probe.ts";
import { startManaged } from "../md/running/managed-array.ts";
import type { ManagedArray } from "../md/running/managed-array.ts";
import { ARRAY_PARTS } from "../md/running/parts.ts";
import type { Rejoin, RejoinRequest } from "../md/running/rejoin.ts";
import { createParityEngine } from "../parity/engine.ts";
import type { ParityEngine } from "../parity/engine.ts";
import { SyncScheduler } from "../sync/scheduler.ts";
import { HoldfastError } from "../base/errors.ts";
import type { SimDisk } from "./disk.ts";
import { endingOnce } from "./front.ts";
import { judgeImages } from "./images.ts";
import type { Mutant } from "./mutant.ts";
import { newDisks } from "./new-disks.ts";
import { DiskPort } from "./port.ts";
import { SimProcess } from "./process.ts";
import { Service } from "./service.ts";
import type { ServiceWatcher } from "./service.ts";
import type { Shape } from "./shape.ts";
import { SimNetwork } from "./sockets.ts";
import type { World } from "./world.ts";

export const DEADLINE = { timeoutMs: 3000, slowMs: 1000 };

let engine: ParityEngine | undefined;
/** One for all runs of a thread, which come one after the other. */
export function sharedParityEngine(): ParityEngine {
  engine ??= createParityEngine();
  return engine;
}

export class Machine {
  readonly world: World;
  readonly shape: Shape;
  readonly disks: readonly SimDisk[];
  readonly #mutant: Mutant | null;
  /** Without power, or not there yet. */
  readonly away = new Set<number>();
  /** What administrators have asked of the process, and that has not ended. */
  errands = new Set<Promise<unknown>>();
  /** Disks that are being added again. */
  returning = new Set<number>();
  /** How the process reaches each disk. */
  #guards: DeadlineDevice[] = [];
  /** How it reached those that were plugged in again. */
  #formerGuards: DeadlineDevice[] = [];
  #process: SimProcess;
  #managed: ManagedArray | null = null;
  #front: BlockDevice | null = null;
  readonly network: SimNetwork;
  /** Null: clients use the array's bios, or it does not run. */
  service: Service | null = null;
  watcher: ServiceWatcher | null = null;
  /** Counts starts. */
  life = 0;
  /** The array without its bitmap's bits, or parity that nobody computed, was taken for clean: by force. */
  wasForced = false;
  /** At the next start: before background sync can begin it is told to wait (md's sync_max). */
  holdsSync = false;
  /** Since the start a disk came back that had lost what was in its cache. */
  hasLostCache = false;
  /** No disk lies, loses what it was given, or changes it by itself: copies that differ are then nobody's mistake. */
  isHonest = true;
  /** What was wrong on the disks when it was started. */
  readonly wrong: string[] = [];
  #events = 0;
  /** As in BitmapTrackerOptions, of whoever uses the array; null: they leave their buffers alone. */
  usersSynced: (() => Promise<boolean>) | null = null;

  /** Makes the array. */
  constructor(world: World, shape: Shape, mutant: Mutant | null) {
    this.world = world;
    this.shape = shape;
    this.#mutant = mutant;
    this.#process = new SimProcess(world);
    this.network = new SimNetwork(world);
    this.disks = newDisks(world, shape);
  }

  /** It runs. */
  get managed(): ManagedArray {
    return this.#managed!;
  }

  /** The array as its clients have it: what breaks the contract of a device is noticed. */
  get front(): BlockDevice {
    return this.#front!;
  }

  /** What a disk that comes back counts for. */
  verdictOf(verdict: Rejoin, request: RejoinRequest): Rejoin {
    return this.#mutant?.verdict?.(verdict, request) ?? verdict;
  }

  get isRunning(): boolean {
    return this.#managed !== null;
  }

  get process(): SimProcess {
    return this.#process;
  }

  /** The device of a disk, as the process that runs now reaches it. */
  deviceOf(disk: number): BlockDevice {
    return this.#guards[disk]!;
  }

  /** A disk is plugged in again: the process finds a device that nobody uses yet, once all is answered that it was asked before. */
  async plugIn(disk: number): Promise<BlockDevice> {
    const old = this.#guards[disk]!;
    this.disks[disk]!.recover();
    await old.whenQuiet();
    this.hasLostCache ||= this.disks[disk]!.isVolatile;
    this.disks[disk]!.losePower();
    this.#formerGuards.push(old);
    this.#guards[disk] = this.#guard(disk);
    return this.#guards[disk];
  }

  #guard(disk: number): DeadlineDevice {
    const process = this.#process;
    const port = new DiskPort(this.disks[disk]!, process);
    const device = this.#mutant?.device?.(port, this.world) ?? port;
    return new DeadlineDevice(device, { clock: process, timers: process, ...DEADLINE });
  }

  /** A new process finds the disks that are there and runs the array. @throws HoldfastError as planning and starting do */
  async start(force = false): Promise<void> {
    this.life += 1;
    this.hasLostCache = false;
    this.#process = new SimProcess(this.world);
    this.#formerGuards = [];
    this.#guards = this.disks.map((_disk, index) => this.#guard(index));
    const plan = await this.#planned(force);
    const fates = plan.judged.map(({ candidate, fate }) => `${candidate.path} ${fate}`);
    this.world.say(`found: ${fates.join(", ")}`);
    await this.judge(plan, force);
    const process = this.#process;
    const mutant = this.#mutant;
    const parity = process.books.lending(sharedParityEngine());
    this.#managed = await startManaged(mutant?.plan?.(plan) ?? plan, {
      name: "array",
      mode: "read-write",
      clock: process,
      timers: process,
      parity: () => parity,
      scheduler: new SyncScheduler(),
      systemLimits: { minKiBps: 1000, maxKiBps: 200_000 },
      syncUsers: mutant?.ignoresUsers === true ? null : this.usersSynced,
      parts: { ...ARRAY_PARTS, ...mutant?.parts?.(this.world) },
    });
    const { array } = this.#managed;
    // Who may have changed what was written keeps the array dirty: the bitmap alone does not say what a clean one has to sync.
    if (this.shape.sharesBuffers) array.safeModeDelayMs = 0;
    if (this.holdsSync) this.#managed.sync.settings.setMax(0);
    this.holdsSync = false;
    mutant?.started?.(this.#managed, this.world);
    this.#front = endingOnce(array);
    if (this.shape.connections !== undefined) this.service = await this.#serve(this.#front);
  }

  #serve(array: BlockDevice): Promise<Service> {
    const { world, network } = this;
    const watcher = (): ServiceWatcher | null => this.watcher;
    const mutant = this.#mutant;
    return Service.start({ world, network, process: this.#process, array, mutant, watcher });
  }

  /** Who is there, and what is to become of it. */
  async #planned(force: boolean): Promise<AssemblyPlan> {
    const candidates = [];
    for (const [index, device] of this.#guards.entries()) {
      if (this.away.has(index)) continue;
      const primary = await this.#superblock(device);
      if (primary !== null) candidates.push({ path: device.name, device, superblock: primary });
    }
    const plan = planAssembly(candidates, { force, backupGiven: false });
    if (plan === null) throw new HoldfastError("cannot-start", "no superblock can be believed");
    return plan;
  }

  /** At the disks of an array that was stopped. */
  async look(): Promise<void> {
    await this.judge(await this.#planned(false), false);
  }

  /** What the disks say of themselves: see images.ts. */
  async judge(plan: AssemblyPlan, force: boolean): Promise<void> {
    this.wasForced ||= force;
    const { events } = plan.superblock;
    if (this.away.size === 0 && events < this.#events - 1)
      this.wrong.push(`the event count went from ${this.#events} back to ${events}`);
    this.#events = events;
    if (this.wasForced || !this.isHonest || this.wrong.length > 0) return;
    const byName = new Map(this.disks.map((disk) => [disk.name, disk.content]));
    const wrong = await judgeImages(plan, ({ path }) => byName.get(path)!);
    this.wrong.push(...wrong);
  }

  /** Null: there is none, or the disk does not answer. */
  async #superblock(device: BlockDevice): Promise<MdSuperblock | null> {
    try {
      return (await probeMdSuperblocks(device)).primary;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.world.say(`left out: ${error.message}`);
      return null;
    }
  }

  /** The process dies; the disks keep what they have in their caches. */
  kill(): void {
    this.network.died(this.#process);
    this.#process.kill();
    for (const disk of this.disks) disk.abandon();
    this.#managed = null;
    this.service = null;
    this.errands = new Set();
    this.returning = new Set();
  }

  /** Orderly: nobody is served any more, then it is stopped. */
  async close(): Promise<void> {
    if (this.service !== null) this.wrong.push(...(await this.service.stop()));
    await this.managed.close();
  }

  async stop(): Promise<void> {
    await this.close();
    this.kill();
  }

  /** What the process has answered up to now may still arrive; nothing else does. */
  hangUp(): void {
    this.network.died(this.#process);
  }

  /** The process closes all disks. */
  async letGo(): Promise<void> {
    const guards = [...this.#guards, ...this.#formerGuards];
    await Promise.all(guards.map((guard) => guard.close()));
  }

  /** The power fails for all. */
  cut(): void {
    this.kill();
    for (const disk of this.disks) {
      disk.losePower();
      disk.health = "well";
    }
  }
}
