/**
 * A device with two copies of its data and of its bitmap, as a model: everything that a tracker of regions asks for happens later, in
 * steps of a seeded order, and after each step `check` says what a crash there would lose:
 * a sector that may differ between the copies, in a chunk whose bit is not on both disks.
 */
import { Prng } from "../../src/base/prng.ts";
import type { SectorRange } from "../../src/base/units.ts";
import { BitmapTracker } from "../../src/regions/bitmap-tracker.ts";
import type { BitmapStore, ChunkBits } from "../../src/regions/bitmap-store.ts";
import { settled } from "./crash-disks.ts";
import { VirtualTime } from "./virtual-time.ts";

const CHUNKS = 45;
const CHUNK_SECTORS = 8;
const SECTORS = CHUNKS * CHUNK_SECTORS - 3;
const PAGE_BITS = 16;
const HEAD_BITS = 8;
const PAGES = Math.ceil((HEAD_BITS + CHUNKS) / PAGE_BITS);
const COPIES = 2;

/** Laws broken on purpose. */
export interface Mutations {
  readonly flushLies?: boolean;
  readonly pagesAcknowledgedEarly?: boolean;
  readonly missedWritesHidden?: boolean;
  readonly usersNotAsked?: boolean;
  readonly returnNotTold?: boolean;
}

interface Write extends SectorRange {
  state: "waiting" | "begun" | "ended";
  isMissed: boolean;
  /** Its buffer was changed under it, and the copies got different bytes. */
  isTorn: boolean;
  readonly repairs: Write | null;
}

interface StoreOperation {
  /** False when it is over. */
  step(): boolean;
}

export class RegionWorld {
  readonly timers = new VirtualTime();
  readonly prng: Prng;
  readonly mutations: Mutations;
  readonly #withUsers: boolean;
  tracker: BitmapTracker;
  /** Bits on each disk, by page. */
  disks: Uint8Array[][];
  isWhole = true;
  #operations: StoreOperation[] = [];
  #writes: Write[] = [];
  /** Ended or synced, and not on stable storage everywhere. */
  #unflushed = new Set<Write>();
  #missed = new Set<number>();
  /** Writes that their users are to repeat. */
  #torn = new Set<Write>();
  #pass: { position: number; isCancelled: boolean; readonly steps: Write[] } | null = null;
  #isStarting = false;
  #isCalm = false;
  pageWrites = 0;
  crashes = 0;

  constructor(seed: number, withUsers: boolean, mutations: Mutations = {}) {
    this.prng = new Prng(seed);
    this.mutations = mutations;
    this.#withUsers = withUsers;
    this.disks = Array.from({ length: COPIES }, () =>
      Array.from({ length: PAGES }, () => new Uint8Array(PAGE_BITS / 8)),
    );
    this.tracker = this.#newTracker();
  }

  #newTracker(): BitmapTracker {
    return new BitmapTracker({
      store: this.#store(),
      timers: this.timers,
      periodMs: 5000,
      isWhole: () => this.isWhole,
      syncUsers:
        this.#withUsers && this.mutations.usersNotAsked !== true ? () => this.#syncUsers() : null,
    });
  }

  #store(): BitmapStore {
    return {
      sectors: SECTORS,
      chunkSectors: CHUNK_SECTORS,
      chunks: CHUNKS,
      pageBits: PAGE_BITS,
      headBits: HEAD_BITS,
      clearing: () => {},
      writePages: (pages, bits) => this.#writePages(pages, bits),
      writeAll: (bits) =>
        this.#writePages(
          Array.from({ length: PAGES }, (_, page) => page),
          bits,
        ),
      flushData: () => this.#flush(),
    };
  }

  #operation<T>(steps: (() => void)[], result: T): Promise<T> {
    return new Promise((resolve) => {
      this.#operations.push({
        step: () => {
          steps.shift()?.();
          if (steps.length > 0) return true;
          resolve(result);
          return false;
        },
      });
    });
  }

  #writePages(pages: readonly number[], bits: ChunkBits): Promise<void> {
    const images = new Map<number, Uint8Array>();
    const lands = this.disks.flatMap((disk) =>
      pages.map((page) => () => {
        disk[page] = images.get(page)!.slice();
      }),
    );
    this.pageWrites += pages.length;
    const snapshot = (): void => {
      for (const page of pages) images.set(page, imageOf(page, bits));
    };
    const steps = [snapshot, ...this.prng.shuffle(lands)];
    const done = this.#operation<void>(steps, undefined);
    return this.mutations.pagesAcknowledgedEarly === true ? Promise.resolve() : done;
  }

  #flush(): Promise<boolean> {
    const covered = [...this.#unflushed];
    if (this.mutations.flushLies === true) return this.#operation([], true);
    const isDone = this.#isCalm || this.prng.chance(0.9);
    const flushed = (): void => {
      if (isDone) for (const write of covered) this.#unflushed.delete(write);
    };
    return this.#operation([flushed], isDone);
  }

  async #syncUsers(): Promise<boolean> {
    const repeated = [...this.#torn].map((write) =>
      this.#write(write.sector, write.sectors, write),
    );
    await Promise.all(repeated);
    return true;
  }

  /** Resolves when it has ended. */
  #write(sector: number, sectors: number, repairs: Write | null): Promise<void> {
    return new Promise((resolve) => {
      const write: Write & { ended?: () => void } = {
        sector,
        sectors,
        state: "waiting",
        isMissed: !this.isWhole,
        isTorn: false,
        repairs,
        ended: resolve,
      };
      this.#writes.push(write);
      this.tracker.beginWrite(sector, sectors, (error) => {
        if (error !== null) throw error;
        write.state = "begun";
      });
    });
  }

  /** A random thing happens. */
  async act(): Promise<void> {
    const roll = this.prng.below(100);
    if (roll < 22) this.#startWrite();
    else if (roll < 45) this.#endWrite();
    else if (roll < 75) this.#stepOperation();
    else if (roll < 80) this.#fireTimer();
    else if (roll < 82) this.#changeWhole();
    else if (roll < 98) this.#syncStep();
    else if (roll < 99) this.#repeat();
    else if (this.prng.chance(0.15)) this.#crash();
    await settled();
  }

  #startWrite(): void {
    if (this.#isStarting || this.#writes.length > 12) return;
    // Most go to few places, so that chunks are met in every state.
    const chunk = this.prng.chance(0.7) ? this.prng.below(6) : this.prng.below(CHUNKS);
    const sector = Math.min(chunk * CHUNK_SECTORS + this.prng.below(8), SECTORS - 1);
    const sectors = Math.min(this.prng.between(1, 20), SECTORS - sector);
    if (this.#pass?.steps.some((step) => overlap(step, { sector, sectors })) === true) return;
    void this.#write(sector, sectors, null);
  }

  #endWrite(): void {
    const begun = this.#writes.filter((write) => write.state === "begun");
    if (begun.length === 0) return;
    const write: Write & { ended?: () => void } = this.prng.pick(begun);
    write.isMissed ||= !this.isWhole || (!this.#isCalm && this.prng.chance(0.04));
    write.isTorn = this.#withUsers && !this.#isCalm && this.prng.chance(0.25);
    this.#writes = this.#writes.filter((other) => other !== write);
    write.state = "ended";
    if (write.isMissed) for (const sector of sectorsOf(write)) this.#missed.add(sector);
    else {
      this.#unflushed.add(write);
      if (write.repairs !== null && !write.isTorn) this.#torn.delete(write.repairs);
    }
    if (write.isTorn) this.#torn.add(write);
    const isEverywhere = !write.isMissed || this.mutations.missedWritesHidden === true;
    this.tracker.endWrite(write.sector, write.sectors, isEverywhere);
    write.ended?.();
  }

  #stepOperation(): void {
    if (this.#operations.length === 0) return;
    const operation = this.prng.pick(this.#operations);
    if (!operation.step())
      this.#operations = this.#operations.filter((other) => other !== operation);
  }

  /** Users write again what they changed, without being asked. */
  #repeat(): void {
    const [write] = this.#torn;
    if (write === undefined || this.#isStarting) return;
    void this.#write(write.sector, write.sectors, write);
  }

  #fireTimer(): void {
    this.timers.next();
  }

  /** A copy leaves, or is back, as it was made durable last. */
  #changeWhole(): void {
    if (this.isWhole) {
      this.isWhole = false;
      for (const write of [...this.#writes, ...(this.#pass?.steps ?? [])]) write.isMissed = true;
      // What it had in its cache is lost.
      for (const write of this.#unflushed)
        for (const sector of sectorsOf(write)) this.#missed.add(sector);
    } else if (this.prng.chance(0.5)) {
      if (this.mutations.returnNotTold !== true) this.tracker.copyReturned();
      this.isWhole = true;
    }
  }

  #syncStep(): void {
    if (this.#isStarting) return;
    this.#pass ??= { position: 0, isCancelled: false, steps: [] };
    const pass = this.#pass;
    const isOver = pass.isCancelled || pass.position >= SECTORS;
    if (pass.steps.length > 2 || isOver || this.prng.chance(0.4)) this.#endStep(pass.steps);
    else this.#beginStep(pass);
    if (isOver && pass.steps.length === 0) {
      this.tracker.closeSync();
      this.#pass = null;
    } else if (!this.#isCalm && this.prng.chance(0.01)) pass.isCancelled = true;
  }

  #beginStep(pass: { position: number; readonly steps: Write[] }): void {
    const sector = pass.position;
    const max = Math.min(this.prng.between(1, 14), SECTORS - sector);
    // The range lock: nobody writes there, waiting ones included.
    if (this.#writes.some((write) => overlap(write, { sector, sectors: max }))) return;
    const run = this.tracker.beginSync(sector, max, this.isWhole);
    const sectors = Math.abs(run);
    pass.position += sectors;
    const range = { sector, sectors, isMissed: false, isTorn: false, repairs: null };
    if (run > 0) pass.steps.push({ ...range, state: "begun" });
    else if (this.isWhole && sectorsOf(range).some((each) => this.#missed.has(each)))
      throw new Error(`sync leaves out sectors at ${sector} that differ`);
  }

  #endStep(steps: Write[]): void {
    if (steps.length === 0) return;
    const [step] = steps.splice(this.prng.below(steps.length), 1);
    const isFine = this.#isCalm || this.prng.chance(0.93);
    const isDone = this.isWhole && !step!.isMissed && isFine;
    if (isDone) {
      // What was alike is written as it is: there is nothing to lose.
      if (sectorsOf(step!).some((sector) => this.#missed.delete(sector)))
        this.#unflushed.add(step!);
      for (const sector of sectorsOf(step!)) this.#missed.delete(sector);
    }
    this.tracker.endSync(step!.sector, step!.sectors, isDone);
  }

  /** Power is cut: disks stay as they are, all else is gone. Starts again from the first disk. */
  #crash(): void {
    this.crashes += 1;
    const lost = [...this.#unflushed, ...this.#torn, ...this.#writes];
    for (const write of lost)
      if (write.state !== "waiting")
        for (const sector of sectorsOf(write)) this.#missed.add(sector);
    this.#writes = [];
    this.#unflushed.clear();
    this.#torn.clear();
    this.#operations = [];
    this.#pass = null;
    this.timers.clear();
    this.tracker = this.#newTracker();
    const bits = this.disks[0]!;
    for (let chunk = 0; chunk < CHUNKS; chunk += 1)
      if (bitOf(bits, chunk)) this.tracker.load(chunk, 1, true);
    this.#isStarting = true;
    const { tracker } = this;
    void tracker.writeAll().then(() => {
      if (this.tracker === tracker) this.#isStarting = false;
    });
  }

  /** A sentence for what a crash now would lose; null when it would lose nothing. */
  check(): string | null {
    const begun = this.#writes.filter((write) => write.state === "begun");
    const risky = [...begun, ...this.#unflushed, ...this.#torn].flatMap(sectorsOf);
    for (const sector of [...risky, ...this.#missed]) {
      const chunk = Math.floor(sector / CHUNK_SECTORS);
      for (const [copy, disk] of this.disks.entries())
        if (!bitOf(disk, chunk))
          return `sector ${sector} may differ, and disk ${copy} calls it clean`;
    }
    return null;
  }

  /** Nothing new happens and nothing fails any more, until nothing is left to do. True if that came to an end. */
  async comeToRest(): Promise<boolean> {
    this.#isCalm = true;
    if (!this.isWhole) {
      this.tracker.copyReturned();
      this.isWhole = true;
    }
    for (let turn = 0; turn < 20_000; turn += 1) {
      await settled();
      if (this.check() !== null) return false;
      if (this.#operations.length > 0) this.#stepOperation();
      else if (this.#writes.length > 0) this.#endWrite();
      else if (this.#pass !== null || this.tracker.needsSync) this.#syncStep();
      else if (!this.timers.next()) return true;
    }
    return false;
  }

  /** Bits that are set on any disk. */
  get setBits(): number {
    let count = 0;
    for (let chunk = 0; chunk < CHUNKS; chunk += 1)
      if (this.disks.some((disk) => bitOf(disk, chunk))) count += 1;
    return count;
  }
}

function imageOf(page: number, bits: ChunkBits): Uint8Array {
  const image = new Uint8Array(PAGE_BITS / 8);
  const first = Math.max(0, page * PAGE_BITS - HEAD_BITS);
  const stop = Math.min(CHUNKS, (page + 1) * PAGE_BITS - HEAD_BITS);
  bits.setBits(first, stop - first, image, page === 0 ? HEAD_BITS : 0);
  return image;
}

function bitOf(disk: readonly Uint8Array[], chunk: number): boolean {
  const bit = chunk + HEAD_BITS;
  const inPage = bit % PAGE_BITS;
  return (disk[Math.floor(bit / PAGE_BITS)]![inPage >> 3]! & (1 << (inPage & 7))) !== 0;
}

function overlap(a: SectorRange, b: SectorRange): boolean {
  return a.sector < b.sector + b.sectors && b.sector < a.sector + a.sectors;
}

function sectorsOf({ sector, sectors }: SectorRange): number[] {
  return Array.from({ length: sectors }, (_, index) => sector + index);
}
