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
  readonly #places = new Map<StripeWrite, readonly MemberPpl[]>();
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
    const logs = this.#logsFor(write);
    if (logs.length === 0) {
      // It must be known first that parity is not: after a crash a member that failed a moment ago would be believed, with parity as of before.
      this.#array.core.whenRecorded(logged);
      return;
    }
    this.#places.set(write, logs);
    const part = fanOut(logs.length, (error) => {
      logged(error);
      // No member is written, so nobody will say that all of them are.
      if (error !== null) this.#over(write);
    });
    for (const log of logs) log.add(write, part);
  }

  /**
   * Of whoever holds the parity. A member and its replacement both have a log: once one of them has left, and the superblocks say so,
   * a crash would leave the other with parity that no log tells of.
   */
  #logsFor({ range, blocks }: StripeWrite): MemberPpl[] {
    const { layout, sector, sectors } = range;
    if (!blocks.has(layout.p)) return [];
    return this.#array.core.members.attached.flatMap((member) => {
      if (member.slot !== layout.p || !isTrusted(member, sector, sectors)) return [];
      const log = this.#logOf(member);
      return log === null ? [] : [log];
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
    // A member that it had to do without may be in use again after a crash, as long as no superblock tells of it: the log stays until then.
    if (this.#places.has(write)) this.#array.core.whenRecorded(() => this.#over(write));
  }

  #over(write: StripeWrite): void {
    const logs = this.#places.get(write)!;
    this.#places.delete(write);
    for (const log of logs) log.over(write);
  }

  settle(settled: () => void): void {
    const part = fanOut(this.#logs.size + 1, () => settled());
    for (const log of this.#logs.values()) log.whenIdle(() => part(null));
    part(null);
  }
}
