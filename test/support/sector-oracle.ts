/**
 * What may be read of an array that clients write to: of each sector its newest durable version, or anything written since.
 * Every sector that is written tells which one it is and which write it belongs to.
 */
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { stamped, versionsIn, wordsOf } from "../../src/sim/stamp.ts";

export interface StampedWrite {
  readonly version: number;
  readonly sector: number;
  readonly sectors: number;
  readonly data: Uint8Array;
}

/** What a sector must not be older than. A killed process takes nothing with it that was answered; a power cut what was not flushed. */
export type Floor = "durable" | "acknowledged";

export class SectorOracle {
  readonly sectors: number;
  readonly #durable: Int32Array;
  readonly #acknowledged: Int32Array;
  readonly #newest: Int32Array;
  #version = 0;
  #busy = new Set<number>();
  /** Written since the last flush: in a degraded stripe their neighbours may be lost with them. */
  readonly #unflushed = new Set<number>();

  constructor(sectors: number) {
    this.sectors = sectors;
    this.#durable = new Int32Array(sectors);
    this.#acknowledged = new Int32Array(sectors);
    this.#newest = new Int32Array(sectors);
  }

  copy(): SectorOracle {
    const copy = new SectorOracle(this.sectors);
    copy.#durable.set(this.#durable);
    copy.#acknowledged.set(this.#acknowledged);
    copy.#newest.set(this.#newest);
    copy.#version = this.#version;
    for (const sector of this.#busy) copy.#busy.add(sector);
    for (const sector of this.#unflushed) copy.#unflushed.add(sector);
    return copy;
  }

  /** Sectors of writes that nobody has answered. */
  get busy(): ReadonlySet<number> {
    return this.#busy;
  }

  get unflushed(): ReadonlySet<number> {
    return this.#unflushed;
  }

  /** Null where a write is under way. */
  begin(sector: number, sectors: number): StampedWrite | null {
    for (let at = sector; at < sector + sectors; at += 1) if (this.#busy.has(at)) return null;
    this.#version += 1;
    const version = this.#version;
    for (let at = sector; at < sector + sectors; at += 1) {
      this.#busy.add(at);
      this.#unflushed.add(at);
      this.#newest[at] = version;
    }
    return { version, sector, sectors, data: stamped(sector, sectors, version) };
  }

  acknowledge({ version, sector, sectors }: StampedWrite, isFua: boolean): void {
    for (let at = sector; at < sector + sectors; at += 1) {
      this.#busy.delete(at);
      this.#acknowledged[at] = version;
      if (isFua) this.#durable[at] = version;
    }
  }

  /** A flush is sent. @returns what to call when it is answered */
  flush(): () => void {
    const before = this.#acknowledged.slice();
    const settled = [...this.#unflushed].filter((at) => !this.#busy.has(at));
    const versions = settled.map((at) => [at, this.#newest[at]!] as const);
    return () => {
      for (let at = 0; at < this.sectors; at += 1)
        this.#durable[at] = Math.max(this.#durable[at]!, before[at]!);
      for (const [at, version] of versions)
        if (this.#newest[at] === version) this.#unflushed.delete(at);
    };
  }

  /** Who was writing is no more. */
  forgetWriters(): void {
    this.#busy = new Set();
  }

  /** The power failed: what was answered since the last flush may be gone, and who was writing is. */
  cut(): void {
    this.#acknowledged.set(this.#durable);
    this.forgetWriters();
  }

  /** One line for each sector that has what it must not have. */
  wrongIn(
    content: Uint8Array,
    { floor, isExempt = () => false }: { floor: Floor; isExempt?: (sector: number) => boolean },
  ): string[] {
    const floors = floor === "durable" ? this.#durable : this.#acknowledged;
    const wrong: string[] = [];
    for (let at = 0; at < this.sectors; at += 1) {
      const [least, most] = [floors[at]!, this.#newest[at]!];
      const found = versionIn(content.subarray(at * SECTOR_BYTES), at);
      const isAllowed = found !== null && found >= least && found <= most;
      if (!isAllowed && !isExempt(at))
        wrong.push(`sector ${at} has ${found}, not ${least} to ${most}`);
    }
    return wrong;
  }

  /** From now on that is what is there. @returns sectors that hold nothing that was ever written there */
  settle(content: Uint8Array): number[] {
    const foreign: number[] = [];
    for (let at = 0; at < this.sectors; at += 1) {
      const found = versionIn(content.subarray(at * SECTOR_BYTES), at);
      if (found === null) foreign.push(at);
      else this.#durable[at] = this.#acknowledged[at] = this.#newest[at] = found;
    }
    this.#unflushed.clear();
    return foreign;
  }
}

/** 0: nothing was ever written there; null: it is nothing that was, or of more than one write. */
export function versionIn(bytes: Uint8Array, sector: number): number | null {
  const found = versionsIn(wordsOf(bytes), 0, sector);
  return found !== null && found.low === found.high ? found.low : null;
}
