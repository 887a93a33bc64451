/**
 * What a failure of a leg or of the log leads to. Survivors first (law 3): 1 the leg is out of use in memory, so nobody reads it any more,
 * 2 the log says durably who is left and who of them is the default mirror, 3 the write that found it out ends. A crash before 2 loses no
 * write that was answered; after it the leg is known to have missed something.
 *
 * How it ends:
 *   recorded         well; with handle_errors, but not keep_log, it is held until the device is suspended, as kernels do: somebody outside
 *                    is to load a table without the leg. block_on_error says the same.
 *   not recorded     held in those cases, otherwise it fails, and so do all writes from then on
 *   nobody left who has everything       as not recorded; it fails when nobody at all is left
 *
 * Held writes go back when the device is suspended with noflush, and fail otherwise.
 */
import { HoldfastError, errorIn } from "../../../base/errors.ts";
import type { Bio, BioEnd } from "../../../block/bio.ts";
import { GIVEN_BACK } from "../../target.ts";
import type { SuspendKind } from "../../target.ts";
import type { DirtyLog } from "./dirty-log.ts";
import type { Leg, LegError, Legs } from "./legs.ts";

export interface FailureOptions {
  readonly name: string;
  readonly legs: Legs;
  readonly log: () => DirtyLog;
  /** handle_errors without keep_log, or block_on_error. */
  readonly holds: boolean;
  /** Some region may differ between legs in use. */
  readonly needsSync: () => boolean;
  /** A leg is out of use: background sync has nobody to sync. */
  readonly lost: () => void;
  readonly event: () => void;
}

export class MirrorFailures {
  readonly #options: FailureOptions;
  readonly #held: Bio[] = [];
  #suspending: SuspendKind | null = null;
  /** Of the record that is being written, and of the next one. */
  #recording = false;
  #isRecordWanted = false;
  #waiting: BioEnd[] = [];
  #underWay: BioEnd[] = [];
  /** The disks do not say what they must: nothing is written any more. */
  #unrecorded: HoldfastError | null = null;

  constructor(options: FailureOptions) {
    this.#options = options;
  }

  /** A write that comes now has to be held, or fails. */
  get isStopped(): boolean {
    const { holds, legs, log } = this.#options;
    if (this.#unrecorded !== null) return true;
    return holds && (!legs.isWhole || log().isFailed || hasLostEverything(legs));
  }

  /** For a write while `isStopped`. */
  stop(bio: Bio): void {
    if (hasLostEverything(this.#options.legs)) bio.end(errorIn(this.#options.name, NOBODY));
    else this.holdOrFail(bio, this.#unrecorded ?? NOBODY);
  }

  /** The log could not be written, or nobody is left: @param error why */
  holdOrFail(bio: Bio, error: HoldfastError): void {
    if (this.#options.holds) this.#hold(bio);
    else bio.end(errorIn(this.#options.name, error));
  }

  #hold(bio: Bio): void {
    if (this.#suspending === null) this.#held.push(bio);
    else this.#giveBack(bio, this.#suspending);
  }

  #giveBack(bio: Bio, kind: SuspendKind): void {
    if (kind === "noflush") bio.end(GIVEN_BACK);
    else
      bio.end(
        new HoldfastError(
          "io",
          `${this.#options.name}: the write was held, for a mirror has failed.`,
        ),
      );
  }

  presuspend(kind: SuspendKind): void {
    this.#suspending = kind;
    for (const bio of this.#held.splice(0)) this.#giveBack(bio, kind);
  }

  resume(): void {
    this.#suspending = null;
  }

  /** The leg could not be read somewhere: it is read last from now on. */
  readFailed(leg: Leg): void {
    this.#note([leg], "read");
  }

  /** The default mirror could not be read by background sync. */
  sourceFailed(leg: Leg): void {
    this.#note([leg], "sync");
  }

  #note(legs: readonly Leg[], error: LegError): void {
    const isNew = legs.some((leg) => !leg.errors.has(error));
    for (const leg of legs) leg.errors.add(error);
    if (isNew) this.#options.event();
  }

  /**
   * A request failed on these legs, which were in use.
   * @param end null: those that are left have it, and the log says durably who they are
   */
  lose(failed: readonly Leg[], kind: LegError, error: HoldfastError, end: BioEnd): void {
    const { legs, needsSync, lost } = this.#options;
    this.#note(failed, kind);
    const left = legs.inUse.filter((leg) => !failed.includes(leg) && !leg.isReturning);
    // Nobody else has everything: what it cannot take is lost, and what it has is still there.
    const isLastWhole = left.length === 0 || (failed.includes(legs.default) && needsSync());
    const going = failed.filter((leg) => leg.isInUse && !(isLastWhole && leg === legs.default));
    if (left.length > 0 && going.length > 0) {
      legs.lose(going, !needsSync());
      lost();
    }
    if (isLastWhole) end(error);
    else this.#record(end);
  }

  /** All legs in use are alike, and stable. */
  allAlike(end: BioEnd): void {
    const { legs } = this.#options;
    const isSaid = legs.record !== null;
    legs.allAlike();
    if (isSaid) this.#record(end);
    else end(null);
  }

  #record(end: BioEnd): void {
    if (this.#unrecorded !== null) {
      end(this.#unrecorded);
      return;
    }
    this.#waiting.push(end);
    this.#isRecordWanted = true;
    if (!this.#recording) void this.#runRecords();
  }

  async #runRecords(): Promise<void> {
    this.#recording = true;
    while (this.#isRecordWanted) {
      this.#isRecordWanted = false;
      this.#underWay = this.#waiting;
      this.#waiting = [];
      const { legs, log } = this.#options;
      await log()
        .record(legs.record)
        .catch((error: HoldfastError) => (this.#unrecorded = error));
      for (const end of this.#underWay.splice(0)) end(this.#unrecorded);
    }
    this.#recording = false;
  }

  /** The log says durably who is left. */
  get isRecorded(): boolean {
    return !this.#recording && this.#unrecorded === null;
  }

  /**
   * Something ended well on all legs that are left while it is not recorded that others are out: nobody may be told before a crash could no longer
   * bring those back.
   */
  whenRecorded(end: BioEnd): void {
    if (!this.#recording) end(this.#unrecorded);
    else if (this.#isRecordWanted) this.#waiting.push(end);
    else this.#underWay.push(end);
  }

  /** After `lose`: how the write ends. @param error what `lose` said */
  settle(bio: Bio, error: HoldfastError | null): void {
    const { holds, legs } = this.#options;
    if (error === null && !holds) bio.end(null);
    else if (hasLostEverything(legs)) bio.end(errorIn(this.#options.name, error ?? NOBODY));
    else this.holdOrFail(bio, error ?? NOBODY);
  }
}

const NOBODY = new HoldfastError("io", "A mirror has failed.");

/** Writes fail on all legs. */
function hasLostEverything(legs: Legs): boolean {
  return legs.inUse.every((leg) => leg.errors.has("write") || leg.errors.has("flush"));
}
