/**
 * Reading blocks of a stripe, and rebuilding those that cannot be read. The stripe is locked: nothing changes meanwhile.
 *
 *   read what is wanted, or what is needed to rebuild it  -->  all there: rebuild
 *        ^                                                 -->  a read failed: its slot counts as lost here
 *        +------------------------------------------------------------+
 */
import { HoldfastError } from "../../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../../base/units.ts";
import type { WorkBuffers } from "../../../../parity/engine.ts";
import { recoverData } from "../../../../parity/parity.ts";
import { sourcesFor } from "../../../personalities/row-reads.ts";
import type { Member } from "../../member.ts";
import { lostSlots, trustedHolder } from "./holders.ts";
import type { PieceEnd } from "./pieces.ts";
import { PAGE_SECTORS } from "./stripe.ts";
import type { StripeContext, StripeRange } from "./stripe.ts";

/** A member that should have been readable. */
export interface FailedRead {
  readonly slot: number;
  readonly member: Member;
  readonly why: HoldfastError;
}

export class StripeLoad {
  readonly #context: StripeContext;
  readonly #range: StripeRange;
  readonly #buffers: WorkBuffers;
  readonly #end: PieceEnd;
  readonly #leastSectors: number;
  readonly #wanted: Set<number>;
  /** Slots that cannot be read, those that failed included. */
  #lost: ReadonlySet<number> = new Set();
  readonly #failedMembers = new Set<Member>();
  #failedNow = false;
  #pending = 0;
  /** By slot: at the end all that is wanted, also of slots whose member failed; and whatever else was read. */
  readonly blocks = new Map<number, Uint8Array>();
  /** Whose blocks are in `blocks` nevertheless. */
  readonly failed: FailedRead[] = [];

  /**
   * @param wanted slots
   * @param end "split": a smaller piece may go better
   * @param leastSectors of the smallest piece that the caller takes
   */
  constructor(
    context: StripeContext,
    range: StripeRange,
    wanted: Iterable<number>,
    buffers: WorkBuffers,
    end: PieceEnd,
    leastSectors = 1,
  ) {
    this.#leastSectors = leastSectors;
    this.#context = context;
    this.#range = range;
    this.#wanted = new Set(wanted);
    this.#buffers = buffers;
    this.#end = end;
  }

  start(): void {
    // Anew each time: who was being filled when we began may be all that is left now that another one has gone.
    this.#lost = this.#lostNow();
    const missing = this.#missing();
    if (missing === null) {
      this.#end(this.#tooMuchLost());
      return;
    }
    this.#failedNow = false;
    // The last of the reads may end before it returns: one more keeps the end for after the loop.
    this.#pending = missing.length + 1;
    for (const slot of missing) this.#read(slot);
    this.#arrived();
  }

  #lostNow(): Set<number> {
    const lost = lostSlots(this.#context.core.members, this.#range, this.#failedMembers);
    for (const slot of this.blocks.keys()) lost.delete(slot);
    return lost;
  }

  /** Slots to read yet; null: what is wanted cannot be had. */
  #missing(): number[] | null {
    const readable = [...this.#wanted].filter((slot) => !this.#lost.has(slot));
    const needed = new Set(readable);
    if (readable.length < this.#wanted.size) {
      const sources = sourcesFor(this.#range.layout, this.#lost);
      if (sources === null) return null;
      for (const slot of sources) needed.add(slot);
    }
    return [...needed].filter((slot) => !this.blocks.has(slot));
  }

  #read(slot: number): void {
    const { core, io } = this.#context;
    const { sector, sectors } = this.#range;
    const member = trustedHolder(core.members, slot, sector, sectors, this.#failedMembers);
    if (member === null) {
      this.#failedNow = true;
      this.#arrived();
      return;
    }
    const block = this.#buffers.take(sectors * SECTOR_BYTES);
    io.read(member, sector, block, (error) => {
      // Who left meanwhile may have answered after it lost its cache: nothing may be made of that (law 3).
      if (error === null && member.goodEnd < sector + sectors) this.#failedNow = true;
      else if (error === null) this.blocks.set(slot, block);
      else this.#readFailed(slot, member, error);
      this.#arrived();
    });
  }

  #readFailed(slot: number, member: Member, why: HoldfastError): void {
    this.#failedNow = true;
    this.#failedMembers.add(member);
    this.failed.push({ slot, member, why });
    this.#wanted.add(slot);
  }

  #arrived(): void {
    this.#pending -= 1;
    if (this.#pending > 0) return;
    if (!this.#failedNow) {
      this.#rebuild();
      this.#end(null);
    } else if (this.#range.sectors > PAGE_SECTORS) this.#end("split");
    else this.start();
  }

  #tooMuchLost(): HoldfastError | "split" {
    const { sector, sectors } = this.#range;
    if (this.failed.length > 0 && sectors > this.#leastSectors) return "split";
    const text = `${this.#context.core.name} has lost more members or sectors than its parity makes up for at member sectors ${sector} to ${sector + sectors}.`;
    return new HoldfastError("data-lost", text);
  }

  #rebuild(): void {
    const { layout, sectors } = this.#range;
    const { blocks } = this;
    const absent = [...this.#wanted].filter((slot) => !blocks.has(slot));
    if (absent.length === 0) return;
    const { kernels } = this.#context.core.parity();
    const unread = new Set(layout.slots.filter((slot) => !blocks.has(slot)));
    const make = (slot: number): void => {
      if (!blocks.has(slot)) blocks.set(slot, this.#buffers.take(sectors * SECTOR_BYTES));
    };
    for (const slot of layout.data) make(slot);
    for (const slot of absent) make(slot);
    recoverData(layout, blocks, unread, kernels);
    const data = layout.data.map((slot) => blocks.get(slot)!);
    if (absent.includes(layout.p)) kernels.xor(blocks.get(layout.p)!, data);
    if (layout.q !== null && absent.includes(layout.q))
      kernels.pq(null, blocks.get(layout.q)!, data, layout.coefficients);
  }
}
