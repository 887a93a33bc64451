/**
 * Metadata: what a running array's superblocks say, and the one place that writes them.
 *
 * Somebody changes the members or the state, then commits; `done` is called when superblocks that say so are on stable storage on every
 * member that still works. Commits that come while superblocks are being written share the next round.
 *
 * One round, each step when the one before is durable (laws 1 and 3 of docs/ARCHITECTURE.md):
 *   1 every member in a slot is flushed: what the superblocks will vouch for is there;
 *   2 bad-block logs that changed, and the bitmap's superblock: an older superblock does not mind them;
 *   3 the superblocks, all at a time.
 * A crash inside step 3 leaves two event counts that differ by one, which every assembly takes for the same array at the newer state.
 * A member that cannot be written becomes faulty, and another round says so.
 *
 * Counting events, as kernels do: a round that only turns a healthy array clean goes back to the count before it was dirtied, which the
 * spares still have, so that they need not be written (and woken) for it.
 */
import type { HoldfastError } from "../../base/errors.ts";
import { BioFlags } from "../../block/bio.ts";
import { flush, writeSectors } from "../../block/promises.ts";
import type { Clock } from "../../env/env.ts";
import {
  deviceNumbers,
  superblockPart,
  updateSuperblock,
} from "../../formats/md/superblock-update.ts";
import type { ArrayImage, DeviceImage } from "../../formats/md/superblock-update.ts";
import type { MdRole } from "../../formats/md/superblock.ts";
import type { Member, Standing } from "./member.ts";
import type { Members } from "./members.ts";

export type Change =
  /** Clean or dirty, how far a sync got, bad blocks: spares need not hear of it. */
  | "progress"
  /** Who is a member, and as what. */
  | "members";

/** What the superblocks say of the array as a whole. Its owner changes it, then commits. */
export interface ArrayRecord {
  readonly raidDisks: number;
  readonly componentSectors: number;
  events: number;
  isClean: boolean;
  resyncOffsetSectors: number;
}

/** The write-intent bitmap, as far as it takes part in a round. */
export interface BitmapRecord {
  /** Its superblock with this event count, on all members in a slot. Members that cannot be written are reported, not thrown. */
  writeSuperblock(events: number): Promise<readonly Failure[]>;
}

export interface Failure {
  readonly member: Member;
  readonly error: HoldfastError;
}

export interface MetadataOptions {
  readonly members: Members;
  readonly record: ArrayRecord;
  readonly bitmap: BitmapRecord | null;
  readonly clock: Clock;
  /** A member could not be written. Takes it out of the array, or says that it must stay because nothing would be left. */
  readonly failed: (failure: Failure) => void;
}

export class Metadata {
  readonly #options: MetadataOptions;
  #next: Change | null = null;
  #waiting: (() => void)[] = [];
  /** The round under way. */
  #writing: Change | null = null;
  #mayStepBack = false;

  constructor(options: MetadataOptions) {
    this.#options = options;
  }

  /** Something is not on the disks yet. */
  get isPending(): boolean {
    return this.#writing !== null || this.#next !== null;
  }

  /** Calls `done` when no change of members is waiting to become durable, perhaps at once. It asks for nothing to be written. */
  whenMembersAreKnown(done: () => void): void {
    if (this.#writing === "members" || this.#next === "members") this.#waiting.push(done);
    else done();
  }

  /** `done` when everything that has been changed up to now is durable. */
  commit(change: Change, done: () => void = ignore): void {
    this.#next = change === "members" || this.#next === "members" ? "members" : "progress";
    this.#waiting.push(done);
    if (this.#writing === null) void this.#run();
  }

  async #run(): Promise<void> {
    while (this.#next !== null) {
      const waiting = this.#waiting;
      this.#waiting = [];
      this.#writing = this.#next;
      this.#next = null;
      await this.#round(this.#writing);
      // A member that failed meanwhile has asked for another round, which they wait for too.
      if (this.#next === null) for (const done of waiting) done();
      else this.#waiting = [...waiting, ...this.#waiting];
    }
    this.#writing = null;
  }

  async #round(change: Change): Promise<void> {
    const { members, bitmap } = this.#options;
    const isQuiet = change === "progress" && members.degraded === 0;
    this.#countEvents(isQuiet);
    // What is said is what is true now; what changes from here on is said by the next round.
    this.#renumber();
    const array = this.#imageOfArray();
    const targets = members.attached.filter(
      (member) => !member.isFaulty && !(isQuiet && this.#mayLag(member)),
    );
    const images = targets.map((member) => this.#imagesFor(member, array));
    const inSlots = targets.filter((member) => member.slot !== null);
    await this.#each(
      inSlots,
      (member) => member,
      (member) => flush(member.device),
    );
    await this.#each(images, memberOf, writeLog);
    const failures = (await bitmap?.writeSuperblock(array.events)) ?? [];
    for (const failure of failures) this.#failed(failure);
    await this.#each(images, memberOf, ({ member, superblock }) =>
      writeSectors(
        member.device,
        member.superblock.superSector,
        superblockPart(member.superblock, superblock),
        BioFlags.fua,
      ),
    );
    for (const image of images) image.written(array.events);
  }

  #countEvents(isQuiet: boolean): void {
    const { record } = this.#options;
    const isAllClean = record.isClean && record.resyncOffsetSectors === Infinity;
    if (isQuiet && isAllClean && this.#mayStepBack && record.events > 1) {
      record.events -= 1;
      this.#mayStepBack = false;
    } else {
      record.events += 1;
      this.#mayStepBack = isQuiet;
    }
  }

  /** A spare that is at this count already, or one behind, is left alone. */
  #mayLag(member: Member): boolean {
    if (member.standing.kind !== "spare") return false;
    const { events } = this.#options.record;
    return member.writtenEvents === events || member.writtenEvents + 1 === events;
  }

  /** In 0.90 a device that becomes active, or stops being so, gets another number: all of them at a time, before anybody's superblock is made. */
  #renumber(): void {
    const { members, record } = this.#options;
    const { attached } = members;
    const first = attached[0];
    if (first === undefined) return;
    const images = attached.map(deviceImage);
    const numbers = deviceNumbers(first.superblock, record.raidDisks, images);
    attached.forEach((member, index) => {
      member.number = numbers[index]!;
    });
  }

  #imageOfArray(): ArrayImage {
    const { members, record, bitmap, clock } = this.#options;
    return {
      events: record.events,
      updatedSeconds: Math.floor(clock.wallMs() / 1000),
      raidDisks: record.raidDisks,
      componentSectors: record.componentSectors,
      isClean: record.isClean,
      resyncOffsetSectors: record.resyncOffsetSectors,
      hasBitmap: bitmap !== null,
      devices: members.attached.map(deviceImage),
    };
  }

  #imagesFor(member: Member, array: ArrayImage): MemberImages {
    const device = array.devices.find(({ number }) => number === member.number)!;
    const { superblock, image } = member;
    return new MemberImages(member, updateSuperblock(superblock, image, array, device));
  }

  /** All at a time; whose `write` fails is reported, once all are done. */
  async #each<T>(
    all: readonly T[],
    memberFor: (one: T) => Member,
    write: (one: T) => Promise<void>,
  ): Promise<void> {
    const outcomes = await Promise.allSettled(all.map((one) => write(one)));
    outcomes.forEach((outcome, index) => {
      if (outcome.status === "fulfilled") return;
      this.#failed({ member: memberFor(all[index]!), error: outcome.reason as HoldfastError });
    });
  }

  #failed(failure: Failure): void {
    if (!failure.member.isFaulty) this.#options.failed(failure);
  }
}

function memberOf({ member }: MemberImages): Member {
  return member;
}

/** The bytes for one member in one round. */
class MemberImages {
  readonly member: Member;
  readonly superblock: Uint8Array;
  /** The bad-block log; null: unchanged. */
  readonly log: Uint8Array | null;
  readonly #badBlocks: number;

  constructor(member: Member, superblock: Uint8Array) {
    const { badBlocks } = member;
    this.member = member;
    this.superblock = superblock;
    this.log = badBlocks.isChanged ? badBlocks.encode() : null;
    this.#badBlocks = badBlocks.version;
  }

  written(events: number): void {
    const { member } = this;
    if (member.isFaulty) return;
    member.image = this.superblock;
    member.writtenEvents = events;
    member.badBlocks.acknowledge(this.#badBlocks);
  }
}

async function writeLog({ member, log }: MemberImages): Promise<void> {
  const place = member.superblock.badBlockLog;
  if (log !== null && place !== null)
    await writeSectors(member.device, place.startSector, log, BioFlags.fua);
}

function deviceImage(member: Member): DeviceImage {
  const { standing } = member;
  return {
    number: member.number,
    node: member.node,
    role: roleOf(standing),
    recoveryOffsetSectors: standing.kind === "recovering" ? standing.recoveredSectors : null,
    recoveryByBitmap: member.savedSlot !== null,
    isReplacement: member.isReplacement,
    writeMostly: member.writeMostly,
    failFast: member.failFast,
    hasBadBlocks: !member.badBlocks.isEmpty,
    correctedSectors: member.correctedSectors,
    journalTailSectors: member.journalTailSectors,
  };
}

function roleOf(standing: Standing): MdRole {
  switch (standing.kind) {
    case "in-sync":
    case "recovering":
      return { kind: "active", slot: standing.slot };
    default:
      return standing;
  }
}

function ignore(): void {}
