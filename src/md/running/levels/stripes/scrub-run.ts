/**
 * Finding out whether the parity of a run of rows is right, where nobody is missing anything: one read of each member for all of its rows, and
 * one comparison a row. What is not so is scrubPiece's to look at.
 */
import { SECTOR_BYTES } from "../../../../base/units.ts";
import type { Member } from "../../member.ts";
import { RunReads } from "../run-reads.ts";
import type { RunEnd, RunRead } from "../run-reads.ts";
import { findHolders } from "./holders.ts";
import { rangeAt } from "./stripe.ts";
import type { StripeContext } from "./stripe.ts";

export class ScrubRuns {
  readonly #context: StripeContext;
  readonly #reads: RunReads;
  /** By slot. */
  readonly #holders: Member[] = [];
  /** Data of one row. */
  readonly #data: Uint8Array[] = [];

  constructor(context: StripeContext) {
    this.#context = context;
    this.#reads = new RunReads(context.core, (run) => this.#isRight(run));
  }

  /** The run is locked. False: somebody is missing something, and nothing was begun. */
  start(sector: number, sectors: number, end: RunEnd): boolean {
    const { members } = this.#context.core;
    if (!findHolders(members, this.#holders)) return false;
    const run = this.#reads.take();
    run.sectors = sectors;
    for (let slot = 0; slot < members.slots; slot += 1) run.add(this.#holders[slot]!, sector);
    this.#reads.start(run, end);
    return true;
  }

  #isRight({ starts, sectors, blocks }: RunRead): boolean {
    const { core, geometry } = this.#context;
    const { kernels } = core.parity();
    const data = this.#data;
    for (let at = 0; at < sectors;) {
      const { layout, sectors: length } = rangeAt(geometry, starts[0]! + at, sectors - at);
      const from = at * SECTOR_BYTES;
      const to = from + length * SECTOR_BYTES;
      data.length = 0;
      for (const slot of layout.data) data.push(blocks[slot]!.subarray(from, to));
      const p = blocks[layout.p]!.subarray(from, to);
      const q = layout.q === null ? null : blocks[layout.q]!.subarray(from, to);
      const found = kernels.check(p, q, data, layout.coefficients);
      if (found.p !== null || found.q !== null) return false;
      at += length;
    }
    return true;
  }
}
