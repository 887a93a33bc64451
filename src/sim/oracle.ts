/**
 * Oracle: what a volume may hold, sector by sector: its newest durable write, or anything written since (law 8); nothing else, ever.
 *
 *   begun --answered--> acknowledged --flush answered, or FUA--> durable
 *
 * What nobody can promise is noted as lost, each with its reason in whoever says so: sectors of stripes that were being written while parity was
 * short of a member and no log stood in for it.
 */
import { SECTOR_BYTES } from "../base/units.ts";
import { stamp, stamped, versionsIn, wordsOf } from "./stamp.ts";

export interface Writing {
  /** Versions that may be found of it: more than one if its buffer was changed while it was under way. */
  readonly low: number;
  high: number;
  readonly sector: number;
  readonly sectors: number;
  readonly data: Uint8Array;
  readonly isZeros: boolean;
}

/** What a read must not be older than. */
export type Floor = "durable" | "acknowledged";

/** Counts writes, of one volume or of several that may hold each other's. */
export interface Versions {
  newest: number;
}

export class Oracle {
  readonly sectors: number;
  readonly #durable: Int32Array;
  readonly #acknowledged: Int32Array;
  readonly #newest: Int32Array;
  readonly #versions: Versions;
  readonly #busy = new Set<number>();
  readonly #unflushed = new Set<number>();
  readonly #lost = new Set<number>();
  /** By sector: versions that are zeros. */
  readonly #zeros = new Map<number, number[]>();

  constructor(sectors: number, versions: Versions = { newest: 0 }) {
    this.sectors = sectors;
    this.#versions = versions;
    this.#durable = new Int32Array(sectors);
    this.#acknowledged = new Int32Array(sectors);
    this.#newest = new Int32Array(sectors);
  }

  /** Of the newest write that was asked for; 0: none was. */
  get version(): number {
    return this.#versions.newest;
  }

  /** A write that is newer than that version has been answered. */
  isWrittenSince(version: number, sector: number): boolean {
    return this.#acknowledged[sector]! > version;
  }

  /** Sectors of writes that nobody has answered. */
  get busy(): ReadonlySet<number> {
    return this.#busy;
  }

  /** Written since the last flush, or being written. */
  get unflushed(): ReadonlySet<number> {
    return this.#unflushed;
  }

  get lost(): ReadonlySet<number> {
    return this.#lost;
  }

  /** Of a copy of the volume as it is now, made durable with it; nobody writes. */
  fork(): Oracle {
    const fork = new Oracle(this.sectors, this.#versions);
    fork.#newest.set(this.#newest);
    fork.#acknowledged.set(this.#acknowledged);
    fork.#durable.set(this.#acknowledged);
    for (const at of this.#lost) fork.#lost.add(at);
    for (const [at, versions] of this.#zeros) fork.#zeros.set(at, versions);
    return fork;
  }

  /** All that was answered is durable. */
  settle(): void {
    this.flush()();
  }

  /** Null where a write is under way: what two writers at a time leave nobody can say. */
  begin(sector: number, sectors: number, isZeros = false): Writing | null {
    for (let at = sector; at < sector + sectors; at += 1) if (this.#busy.has(at)) return null;
    this.#versions.newest += 1;
    const version = this.#versions.newest;
    for (let at = sector; at < sector + sectors; at += 1) {
      this.#busy.add(at);
      this.#unflushed.add(at);
      this.#newest[at] = version;
    }
    const data = isZeros
      ? this.#zeroed(sector, sectors, version)
      : stamped(sector, sectors, version);
    return { low: version, high: version, sector, sectors, data, isZeros };
  }

  #zeroed(sector: number, sectors: number, version: number): Uint8Array {
    for (let at = sector; at < sector + sectors; at += 1)
      this.#zeros.set(at, [...(this.#zeros.get(at) ?? []), version]);
    return new Uint8Array(sectors * SECTOR_BYTES);
  }

  /** Its writer changes the buffer while it is under way. */
  alter(write: Writing): void {
    this.#versions.newest += 1;
    write.high = this.#versions.newest;
    stamp(write.data, write.sector, write.high);
    for (let at = write.sector; at < write.sector + write.sectors; at += 1)
      this.#newest[at] = write.high;
  }

  acknowledge({ low, sector, sectors }: Writing, isDurable: boolean): void {
    for (let at = sector; at < sector + sectors; at += 1) {
      this.#busy.delete(at);
      this.#acknowledged[at] = low;
      if (isDurable) this.#keep(at, low);
    }
  }

  /** It ended with an error: some of it may be there, now or after a crash. */
  fail({ sector, sectors }: Writing): void {
    for (let at = sector; at < sector + sectors; at += 1) this.#busy.delete(at);
  }

  /** A flush begins. @returns what to call when it is answered well */
  flush(): () => void {
    const before = this.#acknowledged.slice();
    const quiet = [...this.#unflushed].filter((at) => !this.#busy.has(at));
    const versions = quiet.map((at) => [at, this.#newest[at]!] as const);
    return () => {
      for (let at = 0; at < this.sectors; at += 1)
        // Not what was lost meanwhile.
        if (before[at]! > this.#durable[at]! && this.#acknowledged[at]! >= before[at]!)
          this.#keep(at, before[at]!);
      for (const [at, version] of versions)
        if (this.#newest[at] === version) this.#unflushed.delete(at);
    };
  }

  #keep(at: number, version: number): void {
    this.#durable[at] = version;
    this.#lost.delete(at);
  }

  /** What it holds from now on nobody has promised, until it is written and flushed again. */
  lose(at: number): void {
    this.#lost.add(at);
    // A flush tells no more of what was answered before it was lost.
    this.#acknowledged[at] = 0;
    this.#durable[at] = 0;
  }

  /** Writers are no more. @param isPowerCut only what is durable is promised from now on; what was answered, if only processes died */
  crash(isPowerCut: boolean): void {
    this.#busy.clear();
    if (isPowerCut) this.#acknowledged.set(this.#durable);
  }

  /** The oldest that may be found, sector by sector; negative: it is lost, and anything may be. */
  floors(sector: number, sectors: number, floor: Floor): Int32Array {
    const all = floor === "durable" ? this.#durable : this.#acknowledged;
    const floors = all.slice(sector, sector + sectors);
    for (const at of this.#lost)
      if (at >= sector && at < sector + sectors) floors[at - sector] = -1;
    return floors;
  }

  /** The newest that may be found, sector by sector; 0: nobody wrote there. */
  newest(): Int32Array {
    return this.#newest.slice();
  }

  /** What is wrong with what was read, a line each. @param least as of when the read was asked for */
  wrongIn(sector: number, data: Uint8Array, least: Int32Array): string[] {
    const wrong: string[] = [];
    const words = wordsOf(data);
    for (let i = 0; i < least.length; i += 1) {
      // Most of a volume was never written.
      const blank = blankFrom(data, least, i);
      if (blank > 0) {
        i += blank - 1;
        continue;
      }
      const at = sector + i;
      const found = versionsIn(words, i, at);
      if (found?.high === 0 && this.#mayBeZero(at, least[i]!)) continue;
      const isAllowed = found !== null && found.low >= least[i]! && found.high <= this.#newest[at]!;
      if (isAllowed || least[i]! < 0) continue;
      const what = found === null ? "what nobody wrote there" : `write ${found.low}`;
      wrong.push(`sector ${at} holds ${what}, not ${least[i]} to ${this.#newest[at]}`);
    }
    return wrong;
  }

  #mayBeZero(at: number, least: number): boolean {
    return least === 0 || this.#zeros.get(at)?.some((version) => version >= least) === true;
  }
}

const BLANK = Buffer.alloc(16 * SECTOR_BYTES);

function isBlank(data: Uint8Array, index: number, sectors: number): boolean {
  const from = index * SECTOR_BYTES;
  const bytes = sectors * SECTOR_BYTES;
  return BLANK.compare(data, from, from + bytes, 0, bytes) === 0;
}

/** How many sectors from the one with this index on nobody has written, and hold nothing; there may be more behind them. */
function blankFrom(data: Uint8Array, least: Int32Array, index: number): number {
  let sectors = 0;
  const most = Math.min(least.length - index, BLANK.length / SECTOR_BYTES);
  while (sectors < most && least[index + sectors] === 0) sectors += 1;
  if (sectors > 0 && isBlank(data, index, sectors)) return sectors;
  return sectors > 1 && isBlank(data, index, 1) ? 1 : 0;
}
