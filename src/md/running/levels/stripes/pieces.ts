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

/** One piece after the other; stops at the first error. @param maxSectors of a piece */
export function inPieces(
  members: Members,
  range: StripeRange,
  work: (piece: StripeRange, end: PieceEnd) => void,
  end: BioEnd,
  maxSectors = WINDOW_SECTORS,
): void {
  const step = (at: number, ended: BioEnd): number => {
    const sector = range.sector + at;
    const sectors = evenRun(members, sector, Math.min(range.sectors - at, maxSectors));
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
