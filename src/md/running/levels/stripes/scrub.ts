/**
 * Comparing the parity of a piece with its data, and making it right again. What cannot be read is rebuilt and written anew first, as
 * far as parity is left to do both; a data block is never taken for the wrong one, since nothing proves it.
 */
import { SECTOR_BYTES } from "../../../../base/units.ts";
import type { SectorRange } from "../../../../base/units.ts";
import { WorkBuffers } from "../../../../parity/engine.ts";
import { checkRow } from "../../../../parity/check.ts";
import type { RowSuspect } from "../../../../parity/check.ts";
import { lostSlots } from "./holders.ts";
import { StripeLoad } from "./load.ts";
import type { PieceEnd } from "./pieces.ts";
import { repairAll } from "./reads.ts";
import { StripeStore } from "./store.ts";
import { PAGE_SECTORS, parityBlocks } from "./stripe.ts";
import type { StripeContext, StripeRange } from "./stripe.ts";

/** A stripe whose parity was wrong: member sectors, and who explains it; null: the row has no Q to tell, or not all of it is there. */
export interface Mismatch extends SectorRange {
  readonly suspect: RowSuspect | null;
}

export interface ScrubOptions {
  readonly context: StripeContext;
  readonly isRewriting: boolean;
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
  if (isWhole) {
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
  for (const page of pagesOf(piece)) {
    if (!stored.some((slot) => differs(piece, page, blocks.get(slot)!, right.get(slot)!))) continue;
    options.found({ ...page, suspect: isWhole ? suspectIn(piece, page, blocks) : null });
  }
  const wrong = stored.filter((slot) => Buffer.compare(blocks.get(slot)!, right.get(slot)!) !== 0);
  if (wrong.length === 0 || !options.isRewriting) end(null);
  else new StripeStore(options.context, piece, wrong).write(right, 0, (error) => end(error));
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

function differs(piece: SectorRange, page: SectorRange, a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(inPage(piece, page, a), inPage(piece, page, b)) !== 0;
}

function suspectIn(
  piece: StripeRange,
  page: SectorRange,
  blocks: ReadonlyMap<number, Uint8Array>,
): RowSuspect | null {
  const here = new Map(
    piece.layout.slots.map((slot) => [slot, inPage(piece, page, blocks.get(slot)!)]),
  );
  const { suspect } = checkRow(piece.layout, here);
  return piece.layout.q === null ? null : suspect;
}
