/**
 * Metadata: what a running array's superblocks say, and the one place that writes them.
 *
 * Somebody changes the members or the state, then commits; `done` is called when superblocks that say so are on stable storage on every
 * member that still works. Commits that come while superblocks are being written share the next round.
 *
 * One round, each step when the one before is durable (laws 1 and 3 of docs/ARCHITECTURE.md):
 *   1 every member in a slot is flushed, and the journal: what the superblocks will vouch for is there. Who cannot be flushed is out of the array
 *     before anything was said, and the round starts again;
 *   2 bad-block logs that changed, and the bitmap's superblock: an older superblock does not mind them;
 *   3 the superblock of who is to be filled from now on, with the count that all have; then with the next
 *     the superblocks of members in sync, all at a time, then those of all others; the other way round if the count goes back.
 * A crash inside step 3 leaves two event counts that differ by one, which every assembly takes for the same array at the newer state. Nobody
 * is ahead of those in sync: mdadm's assembly takes a journal that is so for a stranger, and does not start the array without it, nor
 * when only a member that is being filled has the newest count.
 * A member that cannot be written becomes faulty, and another round says so.
 *
 * Counting events, as kernels do: a round that only turns a healthy array clean goes back to the count before it was dirtied, which the
 * spares still have, so that they need not be written (and woken) for it. Unlike kernels, who has left for good is always outvoted: a
 * member that failed while the others went back may have kept the higher count, dirty and with itself in sync. Then the others
 * are first brought to its count with what they say already (a crash there finds them one apart, and alike), then beyond it.
 */
import { HoldfastError } from "../../base/errors.ts";
import { ignore } from "../../base/nothing.ts";
import type { Clock } from "../../env/env.ts";
import { deviceNumbers } from "../../formats/md/superblock-update.ts";
import { ROUND_WRITER, deviceImage, logImage, superblockImage } from "./member-images.ts";
import type { LogImage, RoundWriter, Saying } from "./member-images.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";

export type Change =
  /** Clean or dirty, how far a sync got: spares need not hear of it. */
  | "progress"
  /** The same, and it is a failure that some write waits for. */
  | "bad-blocks"
  /** Who is a member, and as what. */
  | "members";

/** What the superblocks say of the array as a whole. Its owner changes it, then commits. */
export interface ArrayRecord {
  readonly raidDisks: number;
  readonly componentSectors: number;
  readonly hasPpl: boolean;
  events: number;
  isClean: boolean;
  resyncOffsetSectors: number;
}

/** The write-intent bitmap, as far as it takes part in a round. */
export interface BitmapRecord {
  /** Its superblock with this event count, on all members in a slot. Members that cannot be written are reported, not thrown. */
  writeSuperblock(events: number): Promise<readonly Failure[]>;
  /** The array is about to be marked clean for good, nothing is being written: cleans what can be cleaned. */
  settle?(): Promise<void>;
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
  /** A device that belonged to the array and is not here may have a superblock with this count. */
  readonly goneEvents: number;
  /** A member could not be written. Takes it out of the array, or says that it must stay because nothing would be left. */
  readonly failed: (failure: Failure) => void;
  /** The usual one unless given. */
  readonly writer?: RoundWriter;
}

type Done = () => void;

/** What a round is about to say: taken at one moment. */
interface Snapshot {
  readonly saying: Saying;
  readonly isQuiet: boolean;
  readonly targets: readonly Member[];
  readonly logs: ReadonlyMap<Member, LogImage>;
}

export class Metadata {
  readonly #options: MetadataOptions;
  readonly #writer: RoundWriter;
  #next: Change | null = null;
  /** For the next round. */
  #waiting: Done[] = [];
  /** The round under way. */
  #writing: Change | null = null;
  #awaiting: Done[] = [];
  #idle: Done[] = [];
  #mayStepBack = false;
  /** As the superblocks have it. */
  #said: Saying;
  /** Devices that have left have at most this count, and are not to be believed. */
  #goneEvents: number;

  constructor(options: MetadataOptions) {
    this.#options = options;
    this.#writer = options.writer ?? ROUND_WRITER;
    this.#said = this.#saying();
    this.#goneEvents = options.goneEvents;
  }

  /** Something is not on the disks yet. */
  get isPending(): boolean {
    return this.#writing !== null || this.#next !== null;
  }

  /** The member has become faulty: what its superblock says must be outvoted by the others from now on. */
  outvote(member: Member): void {
    this.#goneEvents = Math.max(this.#goneEvents, member.mayHoldEvents);
  }

  /** Half a sentence: why superblocks cannot say what is to be said now; null: they can. */
  problem(): string | null {
    // Whoever comes back in 0.90 has the number of its old slot yet.
    this.#renumber();
    const saying = this.#saying();
    try {
      for (const member of this.#options.members.attached) superblockImage(member, saying);
      return null;
    } catch (error) {
      if (error instanceof RangeError) return error.message;
      throw error;
    }
  }

  /** True while a failure that was committed is not durable. */
  get isRecording(): boolean {
    return isFailure(this.#writing) || isFailure(this.#next);
  }

  /** Calls `done` when all failures known by now are durable, perhaps at once. It asks for nothing to be written. */
  whenRecorded(done: Done): void {
    if (isFailure(this.#next)) this.#waiting.push(done);
    else if (isFailure(this.#writing)) this.#awaiting.push(done);
    else done();
  }

  /** Calls `done` when nothing is pending any more, perhaps at once. */
  whenIdle(done: Done): void {
    if (this.isPending) this.#idle.push(done);
    else done();
  }

  /** `done` when everything that has been changed up to now is durable on every member that works, or there is none. */
  commit(change: Change, done: Done = ignore): void {
    this.#next = stronger(change, this.#next);
    this.#waiting.push(done);
    if (this.#writing === null) void this.#run();
  }

  async #run(): Promise<void> {
    while (this.#takeNext()) {
      await this.#round();
      // A member that failed meanwhile has asked for another round, which all of them wait for too.
      if (this.#next === "members") continue;
      const done = this.#awaiting;
      this.#awaiting = [];
      // What is durable now nobody waits for any more; what is called may commit again.
      this.#writing = "progress";
      for (const each of done) each();
    }
    for (const each of this.#idle.splice(0)) each();
  }

  /** The next round becomes the one under way; whoever waits for that one waits on. */
  #takeNext(): boolean {
    this.#writing = this.#next;
    this.#next = null;
    this.#awaiting.push(...this.#waiting);
    this.#waiting = [];
    return this.#writing !== null;
  }

  async #round(): Promise<void> {
    const snapshot = await this.#flushed();
    await this.#catchUp(snapshot.targets);
    await this.#each([...snapshot.logs.keys()], (member) =>
      this.#writer.log(member, snapshot.logs.get(member)!),
    );
    await this.#tellNewcomers(snapshot);
    const events = this.#countEvents(snapshot);
    const targets = snapshot.targets.filter(
      (member) => !(snapshot.isQuiet && mayLag(member, events)),
    );
    await this.#write(snapshot.saying, events, targets);
  }

  /**
   * First all say what the superblocks say already, with the highest count that anybody has: those of which the last round did not reach
   * the disk would be two behind otherwise, and left out, if this one stopped half-way.
   */
  async #catchUp(targets: readonly Member[]): Promise<void> {
    const { events } = this.#options.record;
    const known = targets.filter((member) => this.#said.devices.has(member));
    const lagging = known.filter(
      ({ standing, writtenEvents }) => standing.kind !== "spare" && writtenEvents < events,
    );
    if (lagging.length > 0) await this.#write(this.#said, events, lagging);
    // Only then beyond who has left: a crash here finds all of them one apart.
    if (this.#goneEvents > events) await this.#write(this.#said, this.#goneEvents, known);
  }

  /**
   * Who is to be filled from now on says so itself before anybody else tells of its place, with the count that the others have. Kernels take the
   * place from the freshest superblock, and from the member's own whether it is in sync there: one that says nothing of being filled yet they
   * would read, and copy over the others.
   */
  async #tellNewcomers({ saying, targets }: Snapshot): Promise<void> {
    const { events } = this.#options.record;
    const newcomers = targets.filter((member) => {
      const isFilled = (devices: Saying["devices"]): boolean =>
        (devices.get(member)?.recoveryOffsetSectors ?? null) !== null;
      // In 0.90 nobody has a place before it is filled.
      const tells = member.superblock.version !== "0.90";
      return tells && isFilled(saying.devices) && !isFilled(this.#said.devices);
    });
    const own = { ...saying, array: { ...saying.array, events } };
    await this.#each(newcomers, (member) => this.#writer.superblock(member, own));
  }

  /** Step 1. What is said is what was true before the flush; what changes from then on is said by the next round. */
  async #flushed(): Promise<Snapshot> {
    for (;;) {
      const snapshot = this.#snapshot();
      const { targets } = snapshot;
      // The journal too: its superblock says where the log begins, and that block may be in a cache.
      const vouchedFor = targets.filter(({ standing }) => standing.kind !== "spare");
      await this.#each(vouchedFor, (member) => this.#writer.flush(member));
      if (!targets.some((member) => member.isFaulty)) return snapshot;
      if (this.#next !== null) this.#takeNext();
      this.#writing = "members";
    }
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

  #snapshot(): Snapshot {
    const { members } = this.#options;
    this.#renumber();
    const targets = members.attached.filter((member) => !member.isFaulty);
    return {
      saying: this.#saying(),
      isQuiet: this.#writing !== "members" && members.degraded === 0,
      targets,
      logs: new Map(
        targets.flatMap((member) => {
          const log = logImage(member);
          return log === null ? [] : [[member, log]];
        }),
      ),
    };
  }

  /** The count of this round. */
  #countEvents({ saying, isQuiet }: Snapshot): number {
    const { events } = this.#options.record;
    const { isClean, resyncOffsetSectors } = saying.array;
    const isAllClean = isClean && resyncOffsetSectors === Infinity;
    // Never to 0, and never to where one that has left may be.
    const least = Math.max(0, this.#goneEvents);
    if (isQuiet && isAllClean && this.#mayStepBack && events - 1 > least) {
      this.#mayStepBack = false;
      return events - 1;
    }
    this.#mayStepBack = isQuiet;
    return events + 1;
  }

  /** Steps 2 and 3: the superblocks say what `saying` has, with this count. */
  async #write(saying: Saying, events: number, targets: readonly Member[]): Promise<void> {
    const { record } = this.#options;
    // An array whose bitmap has fewer events than itself does not believe the bitmap.
    const isBack = events < record.events;
    record.events = events;
    this.#said = { ...saying, array: { ...saying.array, events } };
    if (!isBack) await this.#writeBitmap(events);
    const inSync = targets.filter((member) => member.isInSync);
    const others = targets.filter((member) => !member.isInSync);
    for (const group of isBack ? [others, inSync] : [inSync, others])
      await this.#each(group, (member) => this.#writer.superblock(member, this.#said));
    if (isBack) await this.#writeBitmap(events);
  }

  async #writeBitmap(events: number): Promise<void> {
    const failures = (await this.#options.bitmap?.writeSuperblock(events)) ?? [];
    for (const failure of failures) this.#failed(failure);
  }

  #saying(): Saying {
    const { members, record, bitmap, clock } = this.#options;
    const devices = new Map(members.attached.map((member) => [member, deviceImage(member)]));
    const array = {
      events: record.events,
      updatedSeconds: Math.floor(clock.wallMs() / 1000),
      raidDisks: record.raidDisks,
      componentSectors: record.componentSectors,
      isClean: record.isClean,
      resyncOffsetSectors: record.resyncOffsetSectors,
      hasBitmap: bitmap !== null,
      hasPpl: record.hasPpl,
      devices: [...devices.values()],
    };
    return { array, devices };
  }

  /** All that still work at a time; whose `write` fails is reported, once all are done. */
  async #each(members: readonly Member[], write: (member: Member) => Promise<void>): Promise<void> {
    const working = members.filter((member) => !member.isFaulty);
    const outcomes = await Promise.allSettled(working.map((member) => write(member)));
    outcomes.forEach((outcome, index) => {
      if (outcome.status === "fulfilled") return;
      const error: unknown = outcome.reason;
      // Not a disk's fault, and no disk is to suffer for it.
      if (!(error instanceof HoldfastError)) throw error;
      this.#failed({ member: working[index]!, error });
    });
  }

  #failed(failure: Failure): void {
    if (!failure.member.isFaulty) this.#options.failed(failure);
  }
}

function isFailure(change: Change | null): boolean {
  return change === "members" || change === "bad-blocks";
}

/** The one that asks for more. */
export function stronger(a: Change, b: Change | null): Change {
  if (a === "members" || b === "members") return "members";
  return a === "bad-blocks" || b === "bad-blocks" ? "bad-blocks" : "progress";
}

/** A spare that is at this count already, or one behind, is left alone. */
function mayLag(member: Member, events: number): boolean {
  if (member.standing.kind !== "spare") return false;
  return member.writtenEvents === events || member.writtenEvents + 1 === events;
}
