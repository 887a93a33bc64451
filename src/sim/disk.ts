/**
 * SimDisk: a disk with a volatile write cache, and all that becomes of disks.
 *
 *   asked --latency--> in the cache, answered --flush, or FUA--> durable
 *     |                     |
 *     +------ power cut ----+--> each sector of it is there or not, whatever the order
 *
 * What it holds outlives the processes that use it: they reach it through ports (port.ts). Its faults are properties that somebody sets:
 * disks do not fail by themselves, the scripts of scenarios say when and how.
 */
import { HoldfastError } from "../base/errors.ts";
import type { Prng } from "../base/prng.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { BioFlags } from "../block/bio.ts";
import type { Bio } from "../block/bio.ts";
import { Medium } from "./medium.ts";
import { copyOf } from "./slab.ts";
import type { World } from "./world.ts";

/** How it answers. Gone: with errors, at once. Hung: not at all, until it is well again. */
export type Health = "well" | "slow" | "hung" | "gone";

const LATENCY_US = { read: [40, 250], write: [20, 300], flush: [300, 3000] } as const;
/** One request of so many takes much longer than the others. */
const HICCUP = { chance: 0.02, factor: 25 };
const SLOW_FACTOR = 200;

interface Write {
  readonly sector: number;
  readonly data: Uint8Array;
  /** When it came into the cache; 0: not yet. */
  order: number;
}

/** What can go wrong with a write that is answered well. */
export type WriteFault =
  /** It never gets there. */
  | { readonly kind: "lost" }
  /** It gets to another place. */
  | { readonly kind: "misdirected"; readonly sectors: number };

export class SimDisk {
  readonly name: string;
  readonly sectors: number;
  health: Health = "well";
  /** A flush is answered, and nothing is flushed. */
  liesAboutFlush = false;
  /** Befall the next writes, one each. */
  readonly writeFaults: WriteFault[] = [];
  /** Cannot be read until they are written. */
  readonly badReads = new Set<number>();
  /** Cannot be written. */
  readonly badWrites = new Set<number>();
  readonly #world: World;
  readonly #prng: Prng;
  readonly #durable: Medium;
  /** What is read: the durable under the cache. Only to be read. */
  readonly content: Medium;
  /** By sector: the order of the newest write that is durable there. */
  readonly #durableOrder: Uint32Array;
  #order = 0;
  #cached: Write[] = [];
  readonly #underWay = new Set<Write>();
  /** Counts power cuts: what was asked before is never answered. */
  #era = 0;
  #unanswered: (() => void)[] = [];

  constructor(world: World, name: string, sectors: number) {
    this.#world = world;
    this.#prng = world.prng(name);
    this.name = name;
    this.sectors = sectors;
    this.#durable = new Medium(sectors);
    this.content = new Medium(sectors);
    this.#durableOrder = new Uint32Array(this.sectors);
  }

  /** Lies there before anything begins. */
  put(sector: number, bytes: Uint8Array): void {
    this.content.write(sector, bytes);
    this.#durable.write(sector, bytes);
  }

  /** What a read of all of it would find now. */
  image(): Uint8Array {
    const image = new Uint8Array(this.sectors * SECTOR_BYTES);
    this.content.read(0, image);
    return image;
  }

  /** Something that it was told may not survive a cut. */
  get isVolatile(): boolean {
    return this.#cached.length > 0 || this.#underWay.size > 0;
  }

  /** @param answer is not called any more after a power cut */
  ask(bio: Bio, answer: (error: HoldfastError | null) => void): void {
    if (this.health === "gone") {
      const gone = new HoldfastError("io", `${this.name} is gone`);
      this.#later(10, () => answer(gone));
      return;
    }
    switch (bio.op) {
      case "read":
        this.#later(this.#latencyUs("read"), () => answer(this.#read(bio)));
        break;
      case "flush":
        this.#flush(answer);
        break;
      case "write":
        this.#write(bio, answer);
        break;
      case "discard":
      case "write-zeroes":
        answer(new HoldfastError("unsupported", `${this.name} cannot ${bio.op}`));
    }
  }

  #later(us: number, happen: () => void): void {
    const era = this.#era;
    const run = (): void => {
      if (era !== this.#era) return;
      if (this.health === "hung") this.#unanswered.push(run);
      else happen();
    };
    this.#world.after(us, run);
  }

  #latencyUs(op: keyof typeof LATENCY_US): number {
    const [least, most] = LATENCY_US[op];
    const us = this.#prng.between(least, most);
    const isSlow = this.health === "slow" || this.#prng.chance(HICCUP.chance);
    if (!isSlow) return us;
    return us * (this.health === "slow" ? SLOW_FACTOR : HICCUP.factor);
  }

  #read({ sector, sectors, data }: Bio): HoldfastError | null {
    const bad = firstIn(this.badReads, sector, sectors);
    if (bad !== null) return this.#badSector("read", bad);
    this.content.read(sector, data);
    return null;
  }

  #badSector(doing: "read" | "written", sector: number): HoldfastError {
    return new HoldfastError("io", `${this.name}: sector ${sector} cannot be ${doing}`);
  }

  #write(bio: Bio, answer: (error: HoldfastError | null) => void): void {
    const bad = firstIn(this.badWrites, bio.sector, bio.sectors);
    const us = this.#latencyUs("write");
    if (bad !== null) {
      this.#later(us, () => answer(this.#badSector("written", bad)));
      return;
    }
    const isFua = (bio.flags & BioFlags.fua) !== 0;
    // Memory is read when the disk gets round to it: somebody may have changed it since.
    const isEarly = this.#prng.chance(0.5);
    const write: Write = { sector: bio.sector, data: copyOf(bio.data), order: 0 };
    this.#underWay.add(write);
    this.#later(isFua ? us + this.#latencyUs("flush") : us, () => {
      if (!isEarly) write.data.set(bio.data);
      this.#underWay.delete(write);
      this.#arrive(write, isFua);
      answer(null);
    });
  }

  #arrive(write: Write, isFua: boolean): void {
    const fault = this.writeFaults.shift();
    if (fault?.kind === "lost") return;
    const to = fault === undefined ? write.sector : this.#misdirected(write, fault.sectors);
    const there = to === write.sector ? write : { ...write, sector: to };
    this.#order += 1;
    there.order = this.#order;
    const count = there.data.length / SECTOR_BYTES;
    for (let i = 0; this.badReads.size > 0 && i < count; i += 1) this.badReads.delete(to + i);
    this.content.write(to, there.data);
    if (isFua && !this.liesAboutFlush) this.#store(there, null);
    else this.#cached.push(there);
  }

  #misdirected({ sector, data }: Write, by: number): number {
    const most = this.sectors - data.length / SECTOR_BYTES;
    return Math.min(most, Math.max(0, sector + by));
  }

  #flush(answer: (error: HoldfastError | null) => void): void {
    const upTo = this.#order;
    this.#later(this.#latencyUs("flush"), () => {
      if (!this.liesAboutFlush) {
        for (const write of this.#cached) if (write.order <= upTo) this.#store(write, null);
        this.#cached = this.#cached.filter(({ order }) => order > upTo);
      }
      answer(null);
    });
  }

  /** Onto the medium, but where something newer is already. @param isThere null: all of its sectors */
  #store({ sector, data, order }: Write, isThere: ((sector: number) => boolean) | null): void {
    const end = sector + data.length / SECTOR_BYTES;
    let from = sector;
    for (let at = sector; at < end; at += 1) {
      const isNew = this.#durableOrder[at]! <= order && (isThere === null || isThere(at));
      if (isNew) {
        this.#durableOrder[at] = order;
        continue;
      }
      this.#storeRun(sector, data, from, at);
      from = at + 1;
    }
    this.#storeRun(sector, data, from, end);
  }

  /** Of a write that begins at `sector` the sectors from `from` to before `end`. */
  #storeRun(sector: number, data: Uint8Array, from: number, end: number): void {
    if (from === end) return;
    const bytes = data.subarray((from - sector) * SECTOR_BYTES, (end - sector) * SECTOR_BYTES);
    this.#durable.write(from, bytes);
  }

  /** Who asked is dead: what was under way is done, or never will be. Nobody else gets at the disk before that: it was had exclusively. */
  abandon(): void {
    this.#era += 1;
    this.#unanswered = [];
    for (const write of this.#underWay) if (this.#prng.chance(0.5)) this.#arrive(write, false);
    this.#underWay.clear();
  }

  /** It loses power: what was asked is never answered, and of what is not durable each sector is there afterwards or not. */
  losePower(): void {
    this.#era += 1;
    this.#unanswered = [];
    const prng = this.#prng;
    const share = prng.pick([0, 0.2, 0.5, 0.8, 1]);
    const isTorn = prng.chance(0.5);
    const keep = (write: Write): void => {
      const isWhole = prng.chance(share);
      this.#store(write, () => (isTorn ? prng.chance(share) : isWhole));
    };
    for (const write of this.#cached) keep(write);
    for (const write of this.#underWay) keep({ ...write, order: this.#order + 1 });
    this.#cached = [];
    this.#underWay.clear();
    this.content.become(this.#durable);
  }

  /** It answers again; what it was asked while it hung is done first. */
  recover(): void {
    this.health = "well";
    for (const run of this.#unanswered.splice(0)) this.#world.after(1, run);
  }

  /** A bit of the sector changes by itself. */
  rot(sector: number): void {
    const at = sector * SECTOR_BYTES + this.#prng.below(SECTOR_BYTES);
    const bit = this.#prng.below(8);
    this.content.flipBit(at, bit);
    this.#durable.flipBit(at, bit);
  }
}

function firstIn(bad: ReadonlySet<number>, sector: number, sectors: number): number | null {
  if (bad.size === 0) return null;
  for (let at = sector; at < sector + sectors; at += 1) if (bad.has(at)) return at;
  return null;
}
