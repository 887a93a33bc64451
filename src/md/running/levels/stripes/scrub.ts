/**
 * Comparing the parity of a piece with its data, and making them agree again. What cannot be read is rebuilt and written anew first, as
 * far as parity is left to do both. A data block is taken for the wrong one only where both P and Q say so, in a page of 4 KiB as a whole,
 * and only by a repair: after a crash whatever is on the disks counts, and the parity has to fit it.
 */
import { SECTOR_BYTES } from "../../../../base/units.ts";
import type { SectorRange } from "../../../../base/units.ts";
import { WorkBuffers } from "../../../../parity/engine.ts";
import { checkRow } from "../../../../parity/check.ts";
import { recoverData } from "../../../../parity/parity.ts";
import type { Mismatch, MismatchPart } from "../../mismatches.ts";
import { doubledSlots, lostSlots, trustedHolder } from "./holders.ts";
import { StripeLoad } from "./load.ts";
import type { PieceEnd } from "./pieces.ts";
import { repairAll } from "./reads.ts";
import { StripeStore } from "./store.ts";
import { PAGE_SECTORS, parityBlocks } from "./stripe.ts";
import type { StripeContext, StripeRange } from "./stripe.ts";

export interface ScrubOptions {
  readonly context: StripeContext;
  /** Parity: it is made anew. Evidence: a data block is, where P and Q say that it is the one that is wrong. */
  readonly rewrites: "nothing" | "parity" | "by evidence";
  readonly found: (mismatch: Mismatch) => void;
  /** So much is missing that nothing is left to compare. */
  readonly unproven: () => void;
}

/** The stripe is locked. */
export function scrubPiece(options: ScrubOptions, piece: StripeRange, end: PieceEnd): void {
  const { context } = options;
  const { core } = context;
  const { layout } = piece;
  const parity = layout.q === null ? [layout.p] : [layout.p, layout.q];
  const lost = lostSlots(core.members, piece);
  if (lost.size >= parityBlocks(layout)) {
    options.unproven();
    end(null);
    return;
  }
  const stored = parity.filter((slot) => !lost.has(slot));
  const buffers = new WorkBuffers(core.parity());
  const finish: PieceEnd = (outcome) => {
    buffers.giveBack();
    end(outcome);
  };
  const wanted = [...layout.data, ...stored];
  const load = new StripeLoad(context, piece, wanted, buffers, (outcome) => {
    if (outcome === null) {
      repairAll(context, piece, load.failed, load.blocks, () =>
        compare(options, piece, stored, lost.size === 0, load.blocks, buffers, finish),
      );
    } else if (outcome === "split") finish("split");
    else {
      options.unproven();
      finish(null);
    }
  });
  load.start();
}

/** @param stored parity slots @param isWhole nobody is missing */
function compare(
  options: ScrubOptions,
  piece: StripeRange,
  stored: readonly number[],
  isWhole: boolean,
  blocks: Map<number, Uint8Array>,
  buffers: WorkBuffers,
  end: PieceEnd,
): void {
  const { layout } = piece;
  const { kernels } = options.context.core.parity();
  const data = layout.data.map((slot) => blocks.get(slot)!);
  const doubled =
    options.rewrites === "nothing" ? [] : doubledSlots(options.context.core.members, piece);
  if (isWhole && doubled.length === 0) {
    const q = layout.q === null ? null : blocks.get(layout.q)!;
    const found = kernels.check(blocks.get(layout.p)!, q, data, layout.coefficients);
    if (found.p === null && found.q === null) {
      end(null);
      return;
    }
  }
  const right = new Map<number, Uint8Array>();
  for (const slot of stored) {
    const block = buffers.take(piece.sectors * SECTOR_BYTES);
    if (slot === layout.p) kernels.xor(block, data);
    else kernels.pq(null, block, data, layout.coefficients);
    right.set(slot, block);
  }
  /** By slot: the whole block, as it is to be. */
  const mended = new Map<number, Uint8Array>();
  const mend = (slot: number): Uint8Array => {
    const block = mended.get(slot) ?? blocks.get(slot)!.slice();
    mended.set(slot, block);
    return block;
  };
  for (const page of pagesOf(piece)) {
    const wrong = stored.filter(
      (slot) => !agrees(piece, page, blocks.get(slot)!, right.get(slot)!),
    );
    if (wrong.length === 0) continue;
    const suspect = isWhole && layout.q !== null ? suspectIn(piece, page, blocks) : null;
    options.found(mismatchAt(options.context, piece, page, suspect));
    if (suspect !== null && layout.data.includes(suspect) && options.rewrites === "by evidence")
      rebuildPage(options.context, piece, page, blocks, suspect, mend(suspect));
    else
      for (const slot of wrong)
        inPage(piece, page, mend(slot)).set(inPage(piece, page, right.get(slot)!));
  }
  // A crash may have left a member and its replacement different where both are good: parity has to fit whoever is left of the two.
  for (const slot of doubled) mend(slot);
  if (mended.size === 0 || options.rewrites === "nothing") end(null);
  else
    new StripeStore(options.context, piece, mended.keys()).write(mended, 0, (error) => end(error));
}

/** Of one data block, from the others and P. @param out the block */
function rebuildPage(
  { core }: StripeContext,
  piece: StripeRange,
  page: SectorRange,
  blocks: ReadonlyMap<number, Uint8Array>,
  slot: number,
  out: Uint8Array,
): void {
  const { layout } = piece;
  const here = new Map(layout.slots.map((one) => [one, inPage(piece, page, blocks.get(one)!)]));
  here.set(slot, inPage(piece, page, out));
  recoverData(layout, here, new Set([slot]), core.parity().kernels);
}

function mismatchAt(
  { core, geometry }: StripeContext,
  piece: StripeRange,
  page: SectorRange,
  suspect: number | null,
): Mismatch {
  const { layout } = piece;
  const parts = layout.slots.map((slot): MismatchPart => {
    const holder = trustedHolder(core.members, slot, page.sector, page.sectors);
    const parity = slot === layout.p ? "p" : "q";
    return {
      slot,
      member: holder?.label ?? "nobody",
      memberSector: page.sector,
      holds: layout.data.includes(slot) ? "data" : parity,
      variant: 0,
      isWrong: slot === suspect,
    };
  });
  return { ...page, row: geometry.rowOfMemberSector(page.sector), parts };
}

function pagesOf({ sector, sectors }: SectorRange): SectorRange[] {
  const pages: SectorRange[] = [];
  const end = sector + sectors;
  for (let at = sector; at < end;) {
    const stop = Math.min(end, at - (at % PAGE_SECTORS) + PAGE_SECTORS);
    pages.push({ sector: at, sectors: stop - at });
    at = stop;
  }
  return pages;
}

function inPage(piece: SectorRange, page: SectorRange, block: Uint8Array): Uint8Array {
  const from = (page.sector - piece.sector) * SECTOR_BYTES;
  return block.subarray(from, from + page.sectors * SECTOR_BYTES);
}

function agrees(piece: SectorRange, page: SectorRange, a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(inPage(piece, page, a), inPage(piece, page, b)) === 0;
}

/** The slot whose block, if it is wrong, explains all that is off; null: none does. */
function suspectIn(
  piece: StripeRange,
  page: SectorRange,
  blocks: ReadonlyMap<number, Uint8Array>,
): number | null {
  const here = new Map(
    piece.layout.slots.map((slot) => [slot, inPage(piece, page, blocks.get(slot)!)]),
  );
  const { suspect } = checkRow(piece.layout, here);
  return suspect?.kind === "block" ? suspect.slot : null;
}
