/**
 * Failures of a running array's members: who leaves, what is listed as bad, when the array is broken, and when whoever found it out
 * may go on. Nobody hears of a failure as recorded before the superblocks of the others (or the bad-block log) say so durably: law 3.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { BioEnd } from "../../block/bio.ts";
import { isOfWholeDevice } from "./failure-rule.ts";
import type { FailureRule } from "./failure-rule.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";
import type { Change, Metadata } from "./metadata.ts";
import type { ArraySettings } from "./settings.ts";

export interface FailureOptions {
  readonly members: Members;
  readonly rule: FailureRule;
  readonly metadata: Metadata;
  readonly settings: ArraySettings;
  /** Sees to it that it is written, as soon as anything may be. */
  readonly commit: (change: Change) => void;
  readonly onFailed: (member: Member, why: HoldfastError) => void;
  /** Sectors of the member were listed as bad. */
  readonly onBad: (member: Member, why: HoldfastError) => void;
  /** Nothing may be written any more, nor be taken for clean. */
  readonly onBroken: (why: HoldfastError) => void;
}

export class Failures {
  readonly #options: FailureOptions;
  #broken: HoldfastError | null = null;

  constructor(options: FailureOptions) {
    this.#options = options;
  }

  /** Null, or why nothing is written any more. */
  get broken(): HoldfastError | null {
    return this.#broken;
  }

  /** As ArrayCore.canMiss. */
  canMiss(member: Member): boolean {
    return !member.isInSync || this.#options.rule.survives(this.#inSyncWithout(member));
  }

  /** As ArrayCore.memberFailed. */
  member(member: Member, why: HoldfastError, recorded: BioEnd): void {
    if (member.isFaulty || this.#loses(member, why)) this.whenRecorded(recorded);
    else recorded(this.#broken);
  }

  /** As ArrayCore.blocksFailed. */
  blocks(
    member: Member,
    sector: number,
    sectors: number,
    why: HoldfastError,
    recorded: BioEnd,
  ): void {
    // To list where a device fails that fails everywhere would fill the list with sectors that are good when it is back.
    const isLost = member.isFaulty || isOfWholeDevice(why);
    if (isLost || !member.badBlocks.add(sector, sectors)) {
      this.member(member, why, recorded);
      return;
    }
    this.#options.commit("bad-blocks");
    this.#options.onBad(member, why);
    this.whenRecorded(recorded);
  }

  /** As ArrayCore.whenRecorded: who comes late waits for the round that tells of it, if it is not on the disks already. */
  whenRecorded(recorded: BioEnd): void {
    this.#options.metadata.whenRecorded(() => recorded(this.#broken));
  }

  /** Takes the member out of the array. False: it stays, and the array is broken. */
  #loses(member: Member, why: HoldfastError): boolean {
    const { rule, metadata, settings, commit, onFailed } = this.#options;
    const isLast = !this.canMiss(member);
    if (isLast) this.#break(member, why);
    if (isLast && rule.keepsLast && !settings.failsLast) return false;
    member.savedSlot = member.isInSync ? member.slot : null;
    member.standing = { kind: "faulty" };
    metadata.outvote(member);
    commit("members");
    onFailed(member, why);
    return true;
  }

  #inSyncWithout(member: Member): boolean[] {
    const { members } = this.#options;
    return Array.from({ length: members.slots }, (_unused, slot) =>
      members.attached.some((one) => one !== member && one.isInSync && one.slot === slot),
    );
  }

  #break(member: Member, why: HoldfastError): void {
    if (this.#broken !== null) return;
    const text = `nothing is written any more, because ${member.label} failed and cannot be missed: ${why.message}`;
    this.#broken = new HoldfastError("io", text, { cause: why });
    this.#options.onBroken(this.#broken);
  }
}
