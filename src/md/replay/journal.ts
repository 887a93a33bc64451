/**
 * Replay of the write journal of raid4/5/6. Reads the log once and sorts it by stripe (a 4 KiB row over all members):
 *
 *   data ...            data-only: the members hold an old consistent stripe. Data go over the volume.
 *   data ... parity     complete: everything the members should hold is in the log. Goes over the members.
 *   flush               the stripe is on the members: forget it
 *
 * New data for a complete stripe begin a new round: what was complete is laid over the members first.
 * Facts: drivers/md/raid5-cache.c; docs/formats/md-journal.md.
 */
import { HoldfastError } from "../../base/errors.ts";
import { alignDown, formatBytes } from "../../base/units.ts";
import { readSectors } from "../../block/promises.ts";
import type { Patch } from "../../devices/patched.ts";
import {
  R5_BLOCK_BYTES,
  R5_BLOCK_SECTORS,
  lastR5Start,
  r5Advance,
  r5Seed,
  r5Start,
  readR5Log,
} from "../../formats/md/r5-log.ts";
import type { R5Block, R5Log, R5Payload } from "../../formats/md/r5-log.ts";
import { arrayUuidBytes } from "../../formats/md/superblock.ts";
import type { MdSuperblock } from "../../formats/md/superblock.ts";
import type { MdCandidate } from "../candidate.ts";
import type { StripeGeometry } from "../geometry/raid456.ts";
import type { AssemblyPlan } from "../plan.ts";
import { stripesOf } from "../planned-geometry.ts";
import { NOTHING_TO_REPLAY } from "./patches.ts";
import type { Replay } from "./patches.ts";

interface Stripe {
  /** By volume sector. */
  readonly data: Map<number, Uint8Array>;
  parity: { readonly p: Uint8Array; readonly q: Uint8Array | null } | null;
}

type BlockReader = (block: R5Block) => Promise<Uint8Array>;

/** A journal as it was found. */
export interface FoundJournal {
  readonly log: R5Log;
  readonly stripes: JournalStripes;
  /** Sectors from the tail to the end of the last meta block and its blocks; 0: there is no meta block at the tail. */
  readonly usedSectors: number;
  /** Where the next meta block would be, a sector of the log. */
  readonly end: number;
  /** And its number. */
  readonly nextSeq: bigint;
}

export async function replayJournal(plan: AssemblyPlan, limitBytes: number): Promise<Replay> {
  const found = await readJournal(plan, limitBytes);
  return found?.stripes.finish() ?? NOTHING_TO_REPLAY;
}

/** Null: the array has none, or it is not there. @throws HoldfastError when it is cut off, or holds more than `limitBytes` */
export async function readJournal(
  plan: AssemblyPlan,
  limitBytes: number,
): Promise<FoundJournal | null> {
  const { journal, superblock } = plan;
  if (journal === null) return null;
  const geometry = stripesOf(plan);
  if (geometry === null) return null;

  const { device, superblock: own } = journal;
  const log = journalLog(own, superblock);
  if (own.dataOffsetSectors + log.sectors > device.sectors) {
    throw new HoldfastError(
      "bad-metadata",
      `the write journal ${journal.path} is cut off: copy it to its end, or leave it out and use --force`,
    );
  }
  const read = (sector: number, sectors: number): Promise<Uint8Array> =>
    readSectors(device, own.dataOffsetSectors + sector, sectors);
  const stripes = new JournalStripes(plan, geometry, limitBytes);
  const tailSectors = own.journalTailSectors ?? (await lastR5Start(read, log));
  let usedSectors = 0;
  let nextSeq = 0n;
  for await (const meta of readR5Log(read, log, tailSectors)) {
    for (const payload of meta.payloads) {
      await stripes.take(payload, (block) => read(block.logSector, R5_BLOCK_SECTORS));
    }
    usedSectors += meta.sectors;
    nextSeq = meta.seq + 1n;
  }
  const end = r5Advance(log, r5Start(log, tailSectors), usedSectors);
  return { log, stripes, usedSectors, end, nextSeq };
}

/** @param own superblock of the journal device @param array any of the array's */
export function journalLog(own: MdSuperblock, array: MdSuperblock): R5Log {
  return {
    sectors: alignDown(own.dataSectors, R5_BLOCK_SECTORS),
    seed: r5Seed(arrayUuidBytes(array)),
  };
}

/** What a journal holds, by stripe. */
export class JournalStripes {
  readonly #plan: AssemblyPlan;
  readonly #geometry: StripeGeometry;
  readonly #limitBytes: number;
  readonly #stripes = new Map<number, Stripe>();
  readonly #members = new Map<MdCandidate, Patch[]>();
  #bytes = 0;
  #complete = 0;

  constructor(plan: AssemblyPlan, geometry: StripeGeometry, limitBytes: number) {
    this.#plan = plan;
    this.#geometry = geometry;
    this.#limitBytes = limitBytes;
  }

  async take(payload: R5Payload, read: BlockReader): Promise<void> {
    switch (payload.kind) {
      case "data":
        // A log that points outside the array was not written by its kernel.
        if (payload.arraySector >= this.#geometry.arraySectors) return;
        this.#takeData(payload.arraySector, await this.#counted(read, payload.block));
        return;
      case "parity":
        if (payload.memberSector >= this.#geometry.usedSectors) return;
        this.#stripeAt(payload.memberSector).parity = {
          p: await this.#counted(read, payload.p),
          q: payload.q === null ? null : await this.#counted(read, payload.q),
        };
        return;
      case "flush":
        for (const sector of payload.memberSectors) this.#forget(sector);
    }
  }

  async #counted(read: BlockReader, block: R5Block): Promise<Uint8Array> {
    this.#bytes += R5_BLOCK_BYTES;
    if (this.#bytes > this.#limitBytes) {
      throw new HoldfastError(
        "no-space",
        `the write journal holds more than ${formatBytes(this.#limitBytes)}, the limit for replaying it in memory; raise the limit`,
      );
    }
    return read(block);
  }

  #stripeAt(memberSector: number): Stripe {
    const known = this.#stripes.get(memberSector);
    if (known !== undefined) return known;
    const stripe: Stripe = { data: new Map(), parity: null };
    this.#stripes.set(memberSector, stripe);
    return stripe;
  }

  #takeData(arraySector: number, block: Uint8Array): void {
    const { memberSector } = this.#geometry.locate(arraySector);
    const stripe = this.#stripeAt(memberSector);
    if (stripe.parity !== null) {
      this.#complete += this.#layOverMembers(memberSector, stripe);
      this.#stripes.delete(memberSector);
    }
    this.#stripeAt(memberSector).data.set(arraySector, block);
  }

  #forget(memberSector: number): void {
    const stripe = this.#stripes.get(memberSector);
    if (stripe === undefined) return;
    const parityBlocks = stripe.parity === null ? 0 : stripe.parity.q === null ? 1 : 2;
    this.#bytes -= (stripe.data.size + parityBlocks) * R5_BLOCK_BYTES;
    this.#stripes.delete(memberSector);
  }

  /** @returns 1 if there was anything; parity without data speaks of a stripe that is on the members already. */
  #layOverMembers(memberSector: number, stripe: Stripe): number {
    if (stripe.parity === null || stripe.data.size === 0) return 0;
    for (const [arraySector, block] of stripe.data) {
      this.#layOverSlot(this.#geometry.locate(arraySector).slot, memberSector, block);
    }
    const layout = this.#geometry.rowLayout(this.#geometry.rowOfMemberSector(memberSector));
    this.#layOverSlot(layout.p, memberSector, stripe.parity.p);
    if (layout.q !== null && stripe.parity.q !== null) {
      this.#layOverSlot(layout.q, memberSector, stripe.parity.q);
    }
    return 1;
  }

  #layOverSlot(slot: number, memberSector: number, data: Uint8Array): void {
    const { member, replacement } = this.#plan.slots[slot]!;
    for (const judged of [member, replacement]) {
      if (judged === null) continue;
      const { candidate } = judged;
      const patch = { sector: candidate.superblock.dataOffsetSectors + memberSector, data };
      const patches = this.#members.get(candidate);
      if (patches === undefined) this.#members.set(candidate, [patch]);
      else patches.push(patch);
    }
  }

  /** Stripes whose parity is still to be made: first member sector, and new data by volume sector. */
  dataOnly(): { memberSector: number; data: ReadonlyMap<number, Uint8Array> }[] {
    return [...this.#stripes]
      .filter(([, stripe]) => stripe.parity === null)
      .map(([memberSector, { data }]) => ({ memberSector, data }));
  }

  /** The parity of such a stripe has been made. */
  complete(memberSector: number, p: Uint8Array, q: Uint8Array | null): void {
    this.#stripeAt(memberSector).parity = { p, q };
  }

  finish(): Replay {
    const volume: Patch[] = [];
    let dataOnly = 0;
    for (const [memberSector, stripe] of this.#stripes) {
      if (stripe.parity !== null) {
        this.#complete += this.#layOverMembers(memberSector, stripe);
        continue;
      }
      dataOnly += 1;
      for (const [sector, data] of stripe.data) volume.push({ sector, data });
    }
    const notes =
      this.#complete + dataOnly === 0
        ? []
        : [
            `write journal replayed in memory: ${this.#complete} complete stripes, ${dataOnly} with data whose parity is still to be made`,
          ];
    return { members: this.#members, volume, notes };
  }
}
