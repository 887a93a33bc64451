/**
 * Oracle: what a volume may hold, sector by sector: its newest durable write, or anything written since (law 8); nothing else, ever.
 *
 *   begun --answered--> acknowledged --flush answered, or FUA--> durable
 *
 * What nobody can promise is noted as lost, each with its reason in whoever says so: sectors of stripes that were being written while parity was
 * short of a member and no log stood in for it.
 */
import { SECTOR_BYTES } from "../base/units.ts";
import { stamp, stamped, versionsIn } from "./stamp.ts";

export interface Writing {
  /** Versions that may be found of it: more than one if its buffer was changed while it was under way. */
  readonly low: number;
  high: number;
  readonly sector: number;
  readonly sectors: number;
  readonly data: Uint8Array;
}

const ZERO_SECTOR = new Uint8Array(SECTOR_BYTES);

/** What a read must not be older than. */
export type Floor = "durable" | "acknowledged";

export class Oracle {
  readonly sectors: number;
  readonly #durable: Int32Array;
  readonly #acknowledged: Int32Array;
  readonly #newest: Int32Array;
  #version = 0;
  readonly #busy = new Set<number>();
  readonly #unflushed = new Set<number>();
  readonly #lost = new Set<number>();

  constructor(sectors: number) {
    this.sectors = sectors;
    this.#durable = new Int32Array(sectors);
    this.#acknowledged = new Int32Array(sectors);
    this.#newest = new Int32Array(sectors);
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

  /** Null where a write is under way: what two writers at a time leave nobody can say. */
  begin(sector: number, sectors: number): Writing | null {
    for (let at = sector; at < sector + sectors; at += 1) if (this.#busy.has(at)) return null;
    this.#version += 1;
    const version = this.#version;
    for (let at = sector; at < sector + sectors; at += 1) {
      this.#busy.add(at);
      this.#unflushed.add(at);
      this.#newest[at] = version;
    }
    const data = stamped(sector, sectors, version);
    return { low: version, high: version, sector, sectors, data };
  }

  /** Its writer changes the buffer while it is under way. */
  alter(write: Writing): void {
    this.#version += 1;
    write.high = this.#version;
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
        if (before[at]! > this.#durable[at]!) this.#keep(at, before[at]!);
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
    for (let i = 0; i < least.length; i += 1) {
      const at = sector + i;
      const bytes = data.subarray(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES);
      // Most of a volume was never written.
      if (least[i] === 0 && isZero(bytes)) continue;
      const found = versionsIn(bytes, at);
      const isAllowed = found !== null && found.low >= least[i]! && found.high <= this.#newest[at]!;
      if (isAllowed || least[i]! < 0) continue;
      const what = found === null ? "what nobody wrote there" : `write ${found.low}`;
      wrong.push(`sector ${at} holds ${what}, not ${least[i]} to ${this.#newest[at]}`);
    }
    return wrong;
  }
}

function isZero(sector: Uint8Array): boolean {
  return Buffer.compare(sector, ZERO_SECTOR) === 0;
}
