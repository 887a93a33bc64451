/**
 * What a device ought to hold, block by block, as whoever writes it knows: blocks with a seed each, changed by chance, and known again when they are
 * read. A copy of it knows what a snapshot ought to hold.
 */
import { expect } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { randomBytes } from "../../support/bytes.ts";
import type { Machine } from "./machine.ts";

const SECTOR_BYTES = 512;

export class Pattern {
  readonly #machine: Machine;
  readonly #name: string;
  readonly #blockSectors: number;
  readonly #prng: Prng;
  /** Of each block; 0: zeros. */
  readonly #seeds: number[];

  private constructor(
    machine: Machine,
    name: string,
    blockSectors: number,
    prng: Prng,
    seeds: number[],
  ) {
    this.#machine = machine;
    this.#name = name;
    this.#blockSectors = blockSectors;
    this.#prng = prng;
    this.#seeds = seeds;
  }

  /** Of a device that holds zeros. */
  static zeros(machine: Machine, name: string, blockSectors: number, seed = 1): Pattern {
    const blocks = Math.ceil(machine.volume(name).sectors / blockSectors);
    const seeds = Array.from({ length: blocks }, () => 0);
    return new Pattern(machine, name, blockSectors, new Prng(seed), seeds);
  }

  /** Of another device that holds the same; where it is larger, zeros. */
  fork(name: string): Pattern {
    const blocks = Math.ceil(this.#machine.volume(name).sectors / this.#blockSectors);
    const seeds = Array.from({ length: blocks }, (_none, at) => this.#seeds[at] ?? 0);
    return new Pattern(
      this.#machine,
      name,
      this.#blockSectors,
      new Prng(this.#prng.below(1 << 30)),
      seeds,
    );
  }

  #content(block: number): Uint8Array {
    const { sectors } = this.#machine.volume(this.#name);
    const length =
      Math.min(this.#blockSectors, sectors - block * this.#blockSectors) * SECTOR_BYTES;
    const seed = this.#seeds[block]!;
    return seed === 0 ? new Uint8Array(length) : randomBytes(new Prng(seed), length);
  }

  /** Writes so many of a hundred blocks anew. */
  async stamp(percent: number): Promise<void> {
    for (let block = 0; block < this.#seeds.length; block += 1) {
      if (!this.#prng.chance(percent / 100)) continue;
      this.#seeds[block] = 1 + this.#prng.below(1 << 30);
      await this.#machine.write(this.#name, block * this.#blockSectors, this.#content(block));
    }
  }

  async discard(block: number, blocks: number): Promise<void> {
    this.#seeds.fill(0, block, block + blocks);
    await this.#machine.discard(
      this.#name,
      block * this.#blockSectors,
      blocks * this.#blockSectors,
    );
  }

  /** It is what it ought to be. */
  async verify(): Promise<void> {
    const wrong: number[] = [];
    for (let block = 0; block < this.#seeds.length; block += 1) {
      const wanted = this.#content(block);
      const { length } = wanted;
      const found = await this.#machine.read(
        this.#name,
        block * this.#blockSectors,
        length / SECTOR_BYTES,
      );
      if (Buffer.compare(found, wanted) !== 0) wrong.push(block);
    }
    expect({ device: this.#name, wrong }).toEqual({ device: this.#name, wrong: [] });
  }
}
