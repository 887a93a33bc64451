/**
 * Background sync of a striped array, in steps of up to 512 KiB of each member; each holds its range exclusively, so that a write sees
 * a stripe before or after it. Positions are member sectors.
 *
 *   a run of rows --(nobody is missing anything)--> read and compared at once (scrub-run.ts) --> right: done
 *          |                                              |
 *          +---- or it was not right just before ---------+--> row by row, piece by piece (scrub.ts, recover.ts)
 */
import type { HoldfastError } from "../../../../base/errors.ts";
import type { BioEnd } from "../../../../block/bio.ts";
import { inRuns } from "../../../../block/fan-out.ts";
import type { StepOutcome, SyncWork } from "../../../../sync/work.ts";
import type { SyncAction } from "../../core.ts";
import type { Mismatch, MismatchList } from "../../mismatches.ts";
import { hasEmptySlot } from "./holders.ts";
import { inPieces } from "./pieces.ts";
import type { PieceEnd } from "./pieces.ts";
import { isBeingFilled, recoverPiece } from "./recover.ts";
import { ScrubRuns } from "./scrub-run.ts";
import { scrubPiece } from "./scrub.ts";
import type { ScrubOptions } from "./scrub.ts";
import { rangeAt } from "./stripe.ts";
import type { StripeContext, StripeRange } from "./stripe.ts";

/** Of each member: what a step costs by itself hardly counts, where all is read and compared at once. */
const STEP_SECTORS = 1024;
/** Piece by piece it does not get faster by being longer. */
const RECOVERY_STEP_SECTORS = 256;
/** Steps under way at a time: writes of clients may have to wait for 2 MiB of each member. */
const WINDOW = 4;

/** What one step has come to. */
interface Step {
  mismatches: number;
  hasWork: boolean;
  /** Since the regions were last told: what was synced is alike now. */
  isProven: boolean;
}

export class StripeSync implements SyncWork {
  readonly sectors: number;
  readonly window = WINDOW;
  readonly #context: StripeContext;
  readonly #action: SyncAction;
  readonly #mismatches: MismatchList;
  readonly #scrubs: ScrubRuns;
  #hasStarted = false;
  /** Where parity was wrong it is expected to be so in what follows, which would be read twice. */
  #isRightSoFar = true;

  /** @param mismatches gets each page of 4 KiB where data and parity do not agree; what the last pass found is forgotten at the first step */
  constructor(context: StripeContext, action: SyncAction, mismatches: MismatchList) {
    this.#context = context;
    this.#action = action;
    this.#mismatches = mismatches;
    this.#scrubs = new ScrubRuns(context);
    this.sectors = context.geometry.usedSectors;
  }

  step(sector: number, limit: number, end: (outcome: StepOutcome) => void): number {
    const { locks } = this.#context.core;
    if (!this.#hasStarted && this.#action !== "recover") this.#mismatches.clear();
    this.#hasStarted = true;
    const alike = this.#isForced() ? 0 : this.#alikeRun(sector, limit - sector);
    if (alike > 0) {
      end({ kind: "skipped" });
      return alike;
    }
    const most = this.#action === "recover" ? RECOVERY_STEP_SECTORS : STEP_SECTORS;
    const sectors = Math.min(limit - sector, most);
    locks.lock(sector, sectors, "exclusive", (hold) => {
      const step: Step = { mismatches: 0, hasWork: false, isProven: true };
      this.#run(step, sector, sectors, (error) => {
        locks.release(hold);
        end(outcomeOf(step, error));
      });
    });
    return sectors;
  }

  #alikeRun(sector: number, max: number): number {
    return this.#context.core.regions.alikeRun?.(sector, max) ?? 0;
  }

  /** Region run by region run. */
  #run(step: Step, sector: number, sectors: number, end: BioEnd): void {
    const { members, regions } = this.#context.core;
    const mayClean = !hasEmptySlot(members);
    const isForced = this.#isForced();
    const syncRun = (at: number, ended: BioEnd): number => {
      const start = sector + at;
      const run = regions.beginSync(start, sectors - at, mayClean);
      const length = Math.abs(run);
      if (run < 0 && !isForced) {
        ended(null);
        return length;
      }
      step.hasWork = true;
      step.isProven = true;
      this.#rows(step, start, length, (error) => {
        if (run > 0) regions.endSync(start, length, error === null && step.isProven);
        ended(error);
      });
      return length;
    };
    inRuns(sectors, syncRun, end);
  }

  /** Whoever asks for a check wants all of it; and a member that never held anything needs all of it. */
  #isForced(): boolean {
    if (this.#action !== "recover") return this.#action !== "resync";
    const { attached } = this.#context.core.members;
    return attached.some((member) => isBeingFilled(member) && member.savedSlot !== member.slot);
  }

  #rows(step: Step, sector: number, sectors: number, end: BioEnd): void {
    const general = (): void => {
      const before = step.mismatches;
      this.#rowByRow(step, sector, sectors, (error) => {
        this.#isRightSoFar = error === null && step.mismatches === before;
        end(error);
      });
    };
    const scrubbed = (isRight: boolean): void => {
      if (isRight) end(null);
      else general();
    };
    const isQuick = this.#action !== "recover" && this.#isRightSoFar;
    if (!isQuick || !this.#scrubs.start(sector, sectors, scrubbed)) general();
  }

  #rowByRow(step: Step, sector: number, sectors: number, end: BioEnd): void {
    const { core, geometry } = this.#context;
    const syncRow = (at: number, ended: BioEnd): number => {
      const range = rangeAt(geometry, sector + at, sectors - at);
      inPieces(core.members, range, (piece, done) => this.#piece(step, piece, done), ended);
      return range.sectors;
    };
    inRuns(sectors, syncRow, end);
  }

  #piece(step: Step, piece: StripeRange, end: PieceEnd): void {
    if (this.#action === "recover") {
      recoverPiece(this.#context, piece, end);
      return;
    }
    const found = (mismatch: Mismatch): void => {
      step.mismatches += mismatch.sectors;
      if (this.#action === "check") step.isProven = false;
      this.#mismatches.add(mismatch);
    };
    const unproven = (): void => {
      step.isProven = false;
    };
    const options = { context: this.#context, rewrites: this.#rewrites(), found, unproven };
    scrubPiece(options, piece, end);
  }

  #rewrites(): ScrubOptions["rewrites"] {
    if (this.#action === "check") return "nothing";
    const { repairsBy } = this.#context.core.settings;
    return this.#action === "repair" && repairsBy === "evidence" ? "by evidence" : "parity";
  }
}

function outcomeOf(step: Step, error: HoldfastError | null): StepOutcome {
  if (error !== null) return { kind: "failed", error };
  if (!step.hasWork) return { kind: "skipped" };
  return { kind: "done", mismatches: step.mismatches };
}
