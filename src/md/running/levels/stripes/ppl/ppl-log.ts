/**
 * The partial parity log of a raid5: each stripe write is logged on the member that holds the stripe's parity. Where parity is not
 * written, or not to be believed, there is nothing that a log could save.
 *
 * Facts: drivers/md/raid5-ppl.c; docs/kernel/raid456.md, section 2.
 */
import { HoldfastError } from "../../../../../base/errors.ts";
import { ignore } from "../../../../../base/nothing.ts";
import { SECTOR_BYTES } from "../../../../../base/units.ts";
import type { BioEnd } from "../../../../../block/bio.ts";
import { fanOut } from "../../../../../block/fan-out.ts";
import { pplUse } from "../../../../../formats/md/ppl.ts";
import type { Member } from "../../../member.ts";
import { isTrusted } from "../holders.ts";
import type { ReplayedMembers } from "../replayed-members.ts";
import type { StripeLog, StripeWrite } from "../stripe-log.ts";
import { pplAreaProblem } from "./area-problem.ts";
import { MemberPpl } from "./member-ppl.ts";
import type { PplArray } from "./ppl-array.ts";

export class PplLog implements StripeLog {
  /** One entry tells of one run of chunks. */
  readonly needsRuns = true;
  readonly #array: PplArray;
  readonly #replayed: ReplayedMembers;
  readonly #logs = new Map<Member, MemberPpl>();
  /** Where stripes that are being written are logged. */
  readonly #places = new Map<StripeWrite, MemberPpl>();
  #isStarted = false;

  constructor(array: PplArray, replayed: ReplayedMembers) {
    this.#array = array;
    this.#replayed = replayed;
  }

  get maxSectors(): number {
    let sectors = Infinity;
    for (const { superblock, slot } of this.#array.core.members.attached) {
      if (slot === null || superblock.ppl === null) continue;
      sectors = Math.min(sectors, pplUse(superblock.ppl.sectors).ppBytes / SECTOR_BYTES);
    }
    return sectors;
  }

  /** 1 parity as the logs have it, 2 flush, 3 empty logs, 4 superblocks that say how far parity is right now. */
  start(started: () => void): void {
    if (this.#isStarted) {
      started();
      return;
    }
    const { core } = this.#array;
    this.#replayed.writeOut(core, (error) => {
      // Nothing is written to an array that is broken, and its logs stay.
      if (error !== null) {
        started();
        return;
      }
      this.#isStarted = true;
      this.#empty(() => {
        core.commit("progress", ignore);
        started();
      });
    });
  }

  /** Spares, too: what a former member has in its log would be believed once it is in a slot. */
  #empty(end: () => void): void {
    const { core } = this.#array;
    const members = core.members.attached.filter(({ isFaulty }) => !isFaulty);
    const part = fanOut(members.length + 1, end);
    for (const member of members) {
      const log = this.#logOf(member);
      if (log === null) part(null);
      else
        log.empty((error) => {
          if (error === null) part(null);
          else core.memberFailed(member, error, part);
        });
    }
    part(null);
  }

  join(member: Member, joined: BioEnd): void {
    const problem = pplAreaProblem(member.superblock);
    if (problem !== null) joined(new HoldfastError("unsupported", `${member.label} ${problem}`));
    else if (this.#isStarted && this.#array.core.isWritable) this.#logOf(member)!.empty(joined);
    else {
      // Nothing is written now, nor logged: its turn comes when the array is written to.
      this.#isStarted = false;
      joined(null);
    }
  }

  log(write: StripeWrite, logged: BioEnd): void {
    const { layout, sector, sectors } = write.range;
    const member = this.#array.core.members.attached.find(
      (one) => one.slot === layout.p && !one.isReplacement,
    );
    const isBelieved = member !== undefined && isTrusted(member, sector, sectors);
    const place = isBelieved && write.blocks.has(layout.p) ? this.#logOf(member) : null;
    if (place === null) {
      // It must be known first that parity is not: after a crash a member that failed a moment ago would be believed, with parity as of before.
      this.#array.core.whenRecorded(logged);
      return;
    }
    this.#places.set(write, place);
    place.add(write, (error) => {
      if (error !== null) this.#places.delete(write);
      logged(error);
    });
  }

  /** Null: it has no room for one. */
  #logOf(member: Member): MemberPpl | null {
    if (member.superblock.ppl === null) return null;
    let log = this.#logs.get(member);
    if (log === undefined) {
      log = new MemberPpl(this.#array, member);
      this.#logs.set(member, log);
    }
    return log;
  }

  written(write: StripeWrite): void {
    const place = this.#places.get(write);
    this.#places.delete(write);
    if (place === undefined) return;
    // A member that it had to do without may be in use again after a crash, as long as no superblock tells of it: the log stays until then.
    this.#array.core.whenRecorded(() => place.written());
  }

  settle(settled: () => void): void {
    const part = fanOut(this.#logs.size + 1, () => settled());
    for (const log of this.#logs.values()) log.whenIdle(() => part(null));
    part(null);
  }
}
