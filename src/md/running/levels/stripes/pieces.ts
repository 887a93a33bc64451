/**
 * Working through a range in pieces over which every member is either believed or not. A piece in which a read failed is done again
 * in halves, down to a page of 4 KiB and, where too much of that is lost, to single sectors: bad sectors in different places of
 * different members do no harm, and what is rebuilt is no more than what cannot be read.
 */
import type { HoldfastError } from "../../../../base/errors.ts";
import { alignDown } from "../../../../base/units.ts";
import type { BioEnd } from "../../../../block/bio.ts";
import { inRuns } from "../../../../block/fan-out.ts";
import type { Members } from "../../members.ts";
import { evenRun } from "./holders.ts";
import { PAGE_SECTORS, WINDOW_SECTORS } from "./stripe.ts";
import type { StripeRange } from "./stripe.ts";

/** "split": nothing was done; try it in smaller pieces. */
export type PieceOutcome = HoldfastError | "split" | null;
export type PieceEnd = (outcome: PieceOutcome) => void;

export interface PieceSizes {
  /** Pieces are made of whole blocks of so many sectors: 1 or a page. Whole blocks are not cut: their work never asks for it. */
  readonly blockSectors: number;
  readonly maxSectors: number;
}

const ANY_SIZES: PieceSizes = { blockSectors: 1, maxSectors: Infinity };

/** One piece after the other; stops at the first error. */
export function inPieces(
  members: Members,
  range: StripeRange,
  work: (piece: StripeRange, end: PieceEnd) => void,
  end: BioEnd,
  { blockSectors, maxSectors }: PieceSizes = ANY_SIZES,
): void {
  const step = (at: number, ended: BioEnd): number => {
    const sector = range.sector + at;
    const even = evenRun(members, sector, Math.min(range.sectors - at, WINDOW_SECTORS, maxSectors));
    // A block of which a part only is believed is not believed.
    const sectors = Math.max(blockSectors, alignDown(even, blockSectors));
    inHalves({ ...range, sector, sectors }, work, ended);
    return sectors;
  };
  inRuns(range.sectors, step, end);
}

/** @param whole one piece */
function inHalves(
  whole: StripeRange,
  work: (piece: StripeRange, end: PieceEnd) => void,
  end: BioEnd,
): void {
  work(whole, (outcome) => {
    if (outcome !== "split") {
      end(outcome);
      return;
    }
    const [first, second] = halves(whole);
    inHalves(first, work, (error) => {
      if (error !== null) end(error);
      else inHalves(second, work, end);
    });
  });
}

function halves(whole: StripeRange): [StripeRange, StripeRange] {
  const { sector, sectors } = whole;
  const middle = sector + Math.ceil(sectors / 2);
  const aligned = alignDown(middle, PAGE_SECTORS);
  const cut = aligned > sector ? aligned : middle;
  const first = { whole, ...whole };
  return [
    { ...first, sectors: cut - sector },
    { ...first, sector: cut, sectors: sector + sectors - cut },
  ];
}
