/** Clients: they write, read and flush the array through its bios, and hold it to what it has promised. */
import { HoldfastError } from "../base/errors.ts";
import { BioFlags } from "../block/bio.ts";
import { flush, readSectors, writeSectors } from "../block/promises.ts";
import type { Machine } from "./machine.ts";
import type { Oracle, Writing } from "./oracle.ts";

/** More sectors than that are not written at a time. */
const MOST_BUSY = 128;

export class Clients {
  readonly #machine: Machine;
  readonly #oracle: Oracle;
  /** What they were told that was wrong. */
  readonly wrong: string[] = [];
  readonly #underWay = new Set<Writing>();
  /** Sectors of which the writer has something newer than what was written. */
  readonly #altered = new Set<number>();

  constructor(machine: Machine, oracle: Oracle) {
    this.#machine = machine;
    this.#oracle = oracle;
  }

  /** Requests that have not been answered. */
  get writes(): number {
    return this.#underWay.size;
  }

  write(sector: number, sectors: number, isFua: boolean, isPreflush: boolean): void {
    const { world } = this.#machine;
    if (this.#oracle.busy.size + sectors > MOST_BUSY) return;
    const write = this.#oracle.begin(sector, sectors);
    if (write === null) return;
    this.#underWay.add(write);
    const flags = (isFua ? BioFlags.fua : 0) | (isPreflush ? BioFlags.preflush : 0);
    world.say(
      `write ${write.low}: ${sector}+${sectors}${isFua ? " fua" : ""}${isPreflush ? " preflush" : ""}`,
    );
    const flushed = isPreflush ? this.#oracle.flush() : null;
    this.#answered(
      writeSectors(this.#machine.front, sector, write.data, flags),
      () => {
        this.#underWay.delete(write);
        world.say(`write ${write.low} done`);
        flushed?.();
        this.#oracle.acknowledge(write, isFua);
        this.#noteAltered(write);
      },
      (error) => {
        this.#underWay.delete(write);
        world.say(`write ${write.low} failed: ${error.message}`);
        this.#oracle.fail(write);
      },
    );
  }

  /** Changes the buffers of all writes under way. */
  alter(): void {
    for (const write of this.#underWay) {
      this.#oracle.alter(write);
      this.#machine.world.say(`write ${write.low} becomes ${write.high} under way`);
    }
  }

  /** Its buffer is not what was written: it is to be written again. */
  #noteAltered({ low, high, sector, sectors }: Writing): void {
    for (let at = sector; at < sector + sectors; at += 1)
      if (high > low) this.#altered.add(at);
      else this.#altered.delete(at);
  }

  /** Writes what was changed under way again, and flushes; true: nobody has changed anything since. */
  async writeAltered(): Promise<boolean> {
    const { front } = this.#machine;
    for (const first of this.#altered) {
      let end = first;
      while (this.#altered.has(end) && end - first < 8) end += 1;
      const write = this.#oracle.begin(first, end - first);
      // Somebody writes there: that it was altered is known as long as it is so.
      if (write === null) return false;
      this.#machine.world.say(`write ${write.low}: ${first}+${end - first} again`);
      await writeSectors(front, first, write.data);
      this.#oracle.acknowledge(write, false);
      this.#noteAltered(write);
    }
    await flush(front);
    return this.#altered.size === 0;
  }

  flush(): void {
    const flushed = this.#oracle.flush();
    const { world, front } = this.#machine;
    world.say("flush");
    this.#answered(
      flush(front),
      () => {
        world.say("flushed");
        flushed();
      },
      (error) => world.say(`flush failed: ${error.message}`),
    );
  }

  read(sector: number, sectors: number): void {
    const { front } = this.#machine;
    const least = this.#oracle.floors(sector, sectors, "acknowledged");
    this.#answered(
      readSectors(front, sector, sectors),
      (data) => {
        const wrong = this.#oracle.wrongIn(sector, data, least);
        this.wrong.push(...wrong.map((text) => `a client reads: ${text}`));
      },
      (error) => this.wrong.push(`a client cannot read ${sector}+${sectors}: ${error.message}`),
    );
  }

  /** They die with the process, or are cut off from it. */
  crash(): void {
    this.#underWay.clear();
    this.#altered.clear();
  }

  /** Only what is answered by the process that was asked counts. */
  #answered<T>(
    answer: Promise<T>,
    well: (value: T) => void,
    badly: (error: HoldfastError) => void,
  ): void {
    const { life } = this.#machine;
    const isCurrent = (): boolean => life === this.#machine.life && this.#machine.isRunning;
    answer.then(
      (value) => {
        if (isCurrent()) well(value);
      },
      (error: unknown) => {
        if (!(error instanceof HoldfastError)) throw error;
        if (isCurrent()) badly(error);
      },
    );
  }
}
