/**
 * A running array: what all levels have in common. It takes bios in, holds writes back until the superblocks say "dirty", flushes,
 * gives the rest to its level, and lets nobody know of a success before every failure that it rests on is durable.
 *
 *   read-only  <--->  read-auto  ---first write--->  read-write  --->  stopped
 *
 * Nothing is written to a member before read-write, but for what `prepare` mends on the way; what changes earlier is remembered and written then. Broken, beside all of that: more
 * members have failed than the level can lose. From then on every write ends with an error, also those under way, and the array
 * is never marked clean.
 */
import { assert } from "../../base/assert.ts";
import { HoldfastError, toHoldfastError } from "../../base/errors.ts";
import type { SectorRange } from "../../base/units.ts";
import { ignore } from "../../base/nothing.ts";
import { isAdmitted } from "../../block/admit.ts";
import { BioFlags } from "../../block/bio.ts";
import type { Bio, BioEnd } from "../../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../../block/device.ts";
import { InFlight } from "../../block/in-flight.ts";
import { Pool } from "../../block/pool.ts";
import { RangeLock } from "../../block/range-lock.ts";
import { readOnlyError } from "../../block/refuse.ts";
import type { Clock, Timers } from "../../env/env.ts";
import type { ParityEngine } from "../../parity/engine.ts";
import type { RegionTracker } from "../../regions/region-tracker.ts";
import { stateWord, wantedState } from "./array-state.ts";
import type { ArrayMode, ArrayStateWord } from "./array-state.ts";
import type { ArrayCore, RunningLevel } from "./core.ts";
import { Eras } from "./eras.ts";
import type { Era } from "./eras.ts";
import type { FailureRule } from "./failure-rule.ts";
import { Failures } from "./failures.ts";
import { MemberFlush } from "./member-flush.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";
import { Metadata, stronger } from "./metadata.ts";
import type { ArrayRecord, BitmapRecord, Change } from "./metadata.ts";
import { Request } from "./request.ts";
import { usualSettings } from "./settings.ts";
import { WriteGate } from "./write-gate.ts";

export type ArrayEvent =
  | { readonly kind: "failed"; readonly member: Member; readonly why: HoldfastError }
  /** Sectors of it were listed as bad. */
  | { readonly kind: "bad-blocks"; readonly member: Member; readonly why: HoldfastError }
  | { readonly kind: "broken"; readonly why: HoldfastError }
  | { readonly kind: "attached" | "detached" | "recovering" | "in-sync"; readonly member: Member }
  | { readonly kind: "mode"; readonly mode: ArrayMode };

export interface RunningArrayOptions {
  readonly name: string;
  readonly sectors: number;
  /** `readOnly` is the array's own business. */
  readonly limits: BlockLimits;
  readonly members: Members;
  readonly record: ArrayRecord;
  readonly regions: RegionTracker;
  readonly bitmap: BitmapRecord | null;
  /** As in MetadataOptions. */
  readonly goneEvents: number;
  readonly rule: FailureRule;
  /** The level has redundancy: the superblocks tell of writing and of failures. Those of linear and raid0 are never written. */
  readonly keepsSuperblocks: boolean;
  readonly mode: Exclude<ArrayMode, "stopped">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly parity: () => ParityEngine;
  readonly makeLevel: (core: ArrayCore) => RunningLevel;
  /** Once, before anything is written: puts right what a crash left. Null: not needed, as where the mode is read-write at first. */
  readonly prepare: (() => Promise<void>) | null;
}

export class RunningArray implements BlockDevice, ArrayCore {
  readonly name: string;
  readonly sectors: number;
  readonly members: Members;
  readonly record: ArrayRecord;
  readonly regions: RegionTracker;
  readonly settings = usualSettings();
  readonly locks = new RangeLock();
  readonly clock: Clock;
  readonly timers: Timers;
  readonly parity: () => ParityEngine;
  readonly level: RunningLevel;
  readonly #options: RunningArrayOptions;
  readonly #metadata: Metadata;
  readonly #gate: WriteGate;
  readonly #failures: Failures;
  readonly #flush: MemberFlush;
  readonly #inFlight = new InFlight();
  readonly #eras = new Eras();
  readonly #requests: Pool<Request>;
  readonly #listeners = new Set<(event: ArrayEvent) => void>();
  #mode: ArrayMode;
  /** The level has begun to get ready for writing. */
  #isStarting = false;
  #whenStarted: BioEnd[] = [];
  /** No more writes are taken while it becomes read-only. */
  #isClosingWrites = false;
  #limits: BlockLimits;
  /** Changed while nothing may be written. */
  #unwritten: Change | null = null;
  #suspended: SectorRange = { sector: 0, sectors: 0 };
  #held: Request[] = [];
  /** Null: done, or not needed. */
  #prepare: (() => Promise<void>) | null;
  /** What its users asked for. */
  readonly foreground = { started: 0, ended: 0 };

  constructor(options: RunningArrayOptions) {
    this.#options = options;
    this.name = options.name;
    this.sectors = options.sectors;
    this.members = options.members;
    this.record = options.record;
    this.regions = options.regions;
    this.clock = options.clock;
    this.timers = options.timers;
    this.parity = options.parity;
    this.#mode = options.mode;
    this.#prepare = options.prepare;
    this.#limits = this.#limitsNow();
    const { members, record, bitmap, clock, goneEvents } = options;
    this.#metadata = new Metadata({
      members,
      record,
      bitmap,
      clock,
      goneEvents,
      failed: ({ member, error }) => this.memberFailed(member, error, ignore),
    });
    this.#gate = new WriteGate(record, this.#metadata, options);
    this.#failures = this.#makeFailures();
    this.#flush = new MemberFlush(
      members,
      (member, why, recorded) => this.#flushFailed(member, why, recorded),
      (through) => {
        if (this.level.whenThrough === undefined) through();
        else this.level.whenThrough(through);
      },
    );
    this.#requests = new Pool(
      () =>
        new Request({
          preflushed: (request, error) => this.#preflushed(request, error),
          letIn: (request) => this.#letIn(request),
          done: (request, error) => this.#done(request, error),
          recorded: (request) => this.#recorded(request),
        }),
    );
    this.level = options.makeLevel(this);
  }

  #makeFailures(): Failures {
    const { members, rule } = this.#options;
    return new Failures({
      members,
      rule,
      metadata: this.#metadata,
      settings: this.settings,
      commit: (change) => this.commit(change, ignore),
      onFailed: (member, why) => {
        this.#limits = this.#limitsNow();
        this.#tell({ kind: "failed", member, why });
      },
      onBad: (member, why) => this.#tell({ kind: "bad-blocks", member, why }),
      onBroken: (why) => {
        this.#gate.stayDirty();
        this.#tell({ kind: "broken", why });
      },
    });
  }

  // --- the data path

  get limits(): BlockLimits {
    return this.#limits;
  }

  submit(bio: Bio): void {
    if (!isAdmitted(this, this.#inFlight, bio)) return;
    this.foreground.started += 1;
    const request = this.#requests.take();
    request.start(bio, this.#eras.begin());
    if (bio.op === "read") this.level.run(bio, request.done);
    else this.#change(request);
  }

  #change(request: Request): void {
    const { op, sector, sectors, flags } = request.bio!;
    if (this.broken !== null) {
      this.#finish(request, this.broken);
      return;
    }
    if (op === "flush") {
      this.#flush.flush(request.done);
      return;
    }
    if (overlaps(this.#suspended, sector, sectors)) {
      this.#hold(request);
      return;
    }
    if (this.#mode === "read-auto") this.#begin(ignore);
    if (this.#isStarting) {
      this.#hold(request);
      return;
    }
    if ((flags & BioFlags.preflush) === 0) this.#enter(request);
    else this.#flush.flush(request.preflushed);
  }

  #preflushed(request: Request, error: HoldfastError | null): void {
    if (error === null) this.#enter(request);
    else this.#finish(request, error);
  }

  #enter(request: Request): void {
    if (!this.#options.keepsSuperblocks) {
      this.#letIn(request);
      return;
    }
    request.isInside = true;
    this.#gate.enter(request.letIn);
  }

  #letIn(request: Request): void {
    // What should have said "dirty" may have failed to be written.
    if (this.broken === null) this.level.run(request.flushedBio, request.done);
    else this.#done(request, this.broken);
  }

  /** The level, or a flush, is done. */
  #done(request: Request, error: HoldfastError | null): void {
    if (request.isInside) {
      request.isInside = false;
      this.#gate.leave();
    }
    if (request.bio!.op === "read") {
      this.#finish(request, error);
      return;
    }
    // It may have left out a member of whose failure no superblock tells yet. Told of success before that, the client would find
    // that member in use again after a crash, without what it wrote (law 3).
    request.error = error;
    if (this.#metadata.isRecording) this.#metadata.whenRecorded(request.recorded);
    else this.#recorded(request);
  }

  #recorded(request: Request): void {
    this.#finish(request, request.error ?? this.broken);
  }

  #finish(request: Request, error: HoldfastError | null): void {
    const era = request.era!;
    const bio = request.finish();
    this.foreground.ended += 1;
    this.#requests.give(request);
    this.#inFlight.end();
    this.#eras.end(era);
    bio.end(error === null ? null : inArray(this.name, error));
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.level.extents?.(sector, sectors, maxExtents) ?? [{ sector, sectors, kind: "data" }];
  }

  #flushFailed(member: Member, why: HoldfastError, recorded: BioEnd): void {
    if (this.#options.keepsSuperblocks) this.memberFailed(member, why, recorded);
    else recorded(why);
  }

  // --- failures

  /** Null, or why nothing is written any more. */
  get broken(): HoldfastError | null {
    return this.#failures.broken;
  }

  canMiss(member: Member): boolean {
    return this.#failures.canMiss(member);
  }

  memberFailed(member: Member, why: HoldfastError, recorded: BioEnd): void {
    this.#failures.member(member, why, recorded);
  }

  blocksFailed(
    member: Member,
    sector: number,
    sectors: number,
    why: HoldfastError,
    recorded: BioEnd,
  ): void {
    this.#failures.blocks(member, sector, sectors, why, recorded);
  }

  whenRecorded(recorded: BioEnd): void {
    this.#failures.whenRecorded(recorded);
  }

  get isWritable(): boolean {
    return this.#mode === "read-write" && this.broken === null;
  }

  commit(change: Change, done: () => void): void {
    if (!this.#options.keepsSuperblocks) {
      done();
      return;
    }
    if (this.#mode === "read-write") {
      this.#metadata.commit(change, done);
      return;
    }
    this.#unwritten = stronger(change, this.#unwritten);
    done();
  }

  keepUnderWay(): Era {
    // It is dirty, and only stays so: what is kept has entered before.
    if (this.#options.keepsSuperblocks) this.#gate.enter(ignore);
    return this.#eras.beginOldest();
  }

  endUnderWay(kept: Era): void {
    if (this.#options.keepsSuperblocks) this.#gate.leave();
    this.#eras.end(kept);
  }

  // --- suspended ranges

  /**
   * Writes that touch the range wait until another range is set (md's suspend_lo and suspend_hi); an empty one lets all go on. Resolves
   * when no write that came before is under way any more.
   */
  suspendWrites(range: SectorRange): Promise<void> {
    this.#suspended = range;
    this.#goOn();
    return this.#eras.drain();
  }

  #goOn(): void {
    const held = this.#held;
    this.#held = [];
    this.#resume(held);
  }

  #hold(request: Request): void {
    this.#leaveEra(request);
    this.#held.push(request);
  }

  /** Nobody who waits for what is under way waits for it. */
  #leaveEra(request: Request): void {
    this.#eras.end(request.era!);
    request.era = null;
  }

  #resume(requests: readonly Request[], error: HoldfastError | null = null): void {
    for (const request of requests) {
      request.era = this.#eras.begin();
      const why = error ?? (this.#limits.readOnly ? readOnlyError(this.name) : null);
      if (why === null) this.#change(request);
      else this.#finish(request, why);
    }
  }

  // --- modes

  get mode(): ArrayMode {
    return this.#mode;
  }

  get state(): ArrayStateWord {
    return stateWord({
      mode: this.#mode,
      isBroken: this.broken !== null,
      isClean: this.record.isClean,
      isWritePending: this.#gate.isDirtying || this.#metadata.isRecording,
      isIdle: this.#gate.isWaitingToClean,
    });
  }

  /**
   * What writing the word to md's array_state does.
   * @throws HoldfastError `usage` for a word that only tells, `busy` for "clean" while something is being written
   */
  async setState(word: string): Promise<void> {
    const wanted = wantedState(word);
    if (wanted === null) {
      throw new HoldfastError("usage", `an array cannot be told to be "${word}"`);
    }
    if (wanted === "stop") return this.close();
    this.#assertRunning();
    if (wanted === "read-only" || wanted === "read-auto") return this.#stopWriting(wanted);
    await this.startWriting();
    if (wanted === "read-write") return;
    if (!this.#gate.isIdle) throw new HoldfastError("busy", `${this.name} is being written to`);
    await this.#markClean();
  }

  #assertRunning(): void {
    if (this.#mode !== "stopped") return;
    throw new HoldfastError("shutdown", `${this.name} is stopped`);
  }

  /**
   * Makes it read-write, whatever it was.
   * @throws HoldfastError `read-only` when a member cannot be written, or its journal is missing; what preparing fails with
   */
  async startWriting(): Promise<void> {
    this.#assertRunning();
    const readOnlyMember = this.#readOnlyMember();
    if (readOnlyMember !== undefined) throw readOnlyError(readOnlyMember.label);
    const why = this.level.whyReadOnly?.() ?? null;
    if (why !== null) throw why;
    if (this.#mode === "read-write") return;
    await new Promise<void>((resolve, reject) => {
      this.#begin((error) => (error === null ? resolve() : reject(error)));
    });
  }

  /**
   * 1 what a crash left of the bitmap is put right, 2 the level is ready: what a log kept is on the members, 3 superblocks, 4 whatever waits: it
   * must not be overwritten by 2. At once where nothing of this takes time; after a failure all of it is tried anew.
   */
  #begin(started: BioEnd): void {
    this.#whenStarted.push(started);
    if (this.#isStarting) return;
    this.#isStarting = true;
    const prepare = this.#prepare;
    if (prepare === null) {
      this.#beginLevel();
      return;
    }
    void prepare().then(
      () => {
        this.#prepare = null;
        this.#beginLevel();
      },
      (error: unknown) => this.#begun(toHoldfastError(error)),
    );
  }

  #beginLevel(): void {
    if (this.level.startWriting === undefined) this.#begun(null);
    else this.level.startWriting(() => this.#begun(null));
  }

  #begun(error: HoldfastError | null): void {
    this.#isStarting = false;
    if (error === null) this.#startWriting();
    const held = this.#held;
    this.#held = [];
    this.#resume(held, error);
    for (const started of this.#whenStarted.splice(0)) started(error);
  }

  #startWriting(): void {
    this.#setMode("read-write");
    const change = this.#unwritten;
    this.#unwritten = null;
    if (change !== null) this.#metadata.commit(change);
  }

  /** Law 7: what is under way ends, then the array is marked clean, and only then it is read-only. */
  async #stopWriting(mode: "read-only" | "read-auto"): Promise<void> {
    if (this.#isStarting) await this.#started();
    if (this.#mode === "read-write") {
      this.#isClosingWrites = true;
      this.#limits = this.#limitsNow();
      await this.#eras.drain();
      await this.#settle();
      this.#isClosingWrites = false;
    }
    this.#setMode(mode);
  }

  /** Nothing is being written any more, nor will be. */
  async #settle(): Promise<void> {
    if (this.#isStarting) await this.#started();
    await new Promise<void>((resolve) => {
      if (this.level.settle === undefined) resolve();
      else this.level.settle(resolve);
    });
    await this.#idle();
    if (this.#mode !== "read-write") return;
    if (!this.#options.keepsSuperblocks) {
      // No round of superblocks flushes them, and who stops an array in order may switch off the disks next.
      await new Promise<void>((flushed) => this.#flush.flush(() => flushed()));
      return;
    }
    await this.#options.bitmap?.settle?.();
    await this.#markClean();
  }

  async #markClean(): Promise<void> {
    await new Promise<void>((resolve) => this.#gate.markClean(resolve));
    await this.#idle();
  }

  #started(): Promise<void> {
    return new Promise((resolve) => this.#whenStarted.push(() => resolve()));
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => this.#metadata.whenIdle(resolve));
  }

  #setMode(mode: ArrayMode): void {
    if (this.#mode === mode) return;
    this.#mode = mode;
    this.#limits = this.#limitsNow();
    this.#tell({ kind: "mode", mode });
  }

  #limitsNow(): BlockLimits {
    const isReadOnly =
      this.#mode === "read-only" || this.#isClosingWrites || this.#readOnlyMember() !== undefined;
    const { limits } = this.#options;
    if (!isReadOnly) return { ...limits, readOnly: false };
    return { ...limits, readOnly: true, discard: false, writeZeroes: false };
  }

  #readOnlyMember(): Member | undefined {
    return this.members.attached.find((one) => !one.isFaulty && one.device.limits.readOnly);
  }

  /** How long nothing must be written before the array is marked clean, ms; 0: never (md's safe_mode_delay). */
  get safeModeDelayMs(): number {
    return this.#gate.delayMs;
  }

  set safeModeDelayMs(delayMs: number) {
    this.#gate.delayMs = delayMs;
  }

  /** Stops it: waits for what is under way, marks it clean. The members belong to whoever opened them. Again: does nothing. */
  async close(): Promise<void> {
    if (this.#mode === "stopped") return;
    const drained = this.#inFlight.drain();
    await this.suspendWrites({ sector: 0, sectors: 0 });
    await drained;
    await this.#settle();
    this.#setMode("stopped");
  }

  // --- members

  /** Slots without a member that is in sync. */
  get degraded(): number {
    return this.members.degraded;
  }

  /**
   * A new device, as a spare or journal or recovering; resolves when all superblocks tell of it.
   * @throws HoldfastError `busy` when its number is taken, `no-space` when the superblocks have no room for it; nothing was changed then.
   *   Whatever the level has against it, or fails at
   */
  async attach(member: Member): Promise<void> {
    this.#assertRunning();
    if (member.standing.kind === "journal") this.#assertTakesJournal();
    if (this.level.join !== undefined) {
      const error = await new Promise<HoldfastError | null>((resolve) =>
        this.level.join!(member, resolve),
      );
      if (error !== null) throw inArray(this.name, error);
      this.#assertRunning();
    }
    if (this.members.withNumber(member.number) !== null) {
      throw new HoldfastError("busy", `${this.name} has a device ${member.number} already`);
    }
    this.members.attach(member);
    const problem = this.#metadata.problem();
    if (problem !== null) {
      this.members.detach(member);
      throw new HoldfastError("no-space", `${member.label} cannot join ${this.name}: ${problem}`);
    }
    this.#limits = this.#limitsNow();
    await this.#memberChanged(member, "attached");
  }

  /** As kernels: a journal joins an array that has lost the one that it had, while nothing is written. Its log begins with the next write. */
  #assertTakesJournal(): void {
    const misses = (this.level.whyReadOnly?.() ?? null) !== null;
    if (misses && this.#mode === "read-only") return;
    const text = misses
      ? `${this.name} must be read-only for a journal to be added`
      : `${this.name} has no place for a journal: it has one, or was made without`;
    throw new HoldfastError("busy", text);
  }

  /** Lets go of a device that is in no slot; resolves when nothing is under way to it and all superblocks say so. */
  async detach(member: Member): Promise<void> {
    const isJournal = member.standing.kind === "journal" && this.#mode !== "read-only";
    if (member.slot !== null || isJournal) {
      throw new HoldfastError("busy", `${member.label} is in use by ${this.name}`);
    }
    this.members.detach(member);
    this.#limits = this.#limitsNow();
    await this.#memberChanged(member, "detached");
    await this.#eras.drain();
  }

  /** The spare takes its place in a slot and is written from now on; what it should have from before is to be filled in. */
  startRecovery(member: Member, slot: number): Promise<void> {
    assert(member.standing.kind === "spare", "a spare is taken");
    member.standing = { kind: "recovering", slot, recoveredSectors: 0 };
    return this.#memberChanged(member, "recovering");
  }

  /** All that it should have is on it. Who it was the replacement for leaves, in the same round. */
  recovered(member: Member): Promise<void> {
    const { slot } = member;
    assert(slot !== null && !member.isInSync, "a member that was being filled");
    member.standing = { kind: "in-sync", slot };
    const replaced = member.isReplacement ? this.members.at(slot).member : null;
    member.isReplacement = false;
    if (replaced !== null) {
      replaced.standing = { kind: "faulty" };
      this.#metadata.outvote(replaced);
    }
    return this.#memberChanged(member, "in-sync");
  }

  #memberChanged(
    member: Member,
    kind: "attached" | "detached" | "recovering" | "in-sync",
  ): Promise<void> {
    const durable = new Promise<void>((resolve) => this.commit("members", resolve));
    this.#tell({ kind, member });
    return durable;
  }

  // --- listeners

  /** Returns what ends it. */
  listen(listener: (event: ArrayEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(event: ArrayEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function inArray(name: string, error: HoldfastError): HoldfastError {
  return new HoldfastError(error.code, `${name}: ${error.message}`, { cause: error });
}

function overlaps(range: SectorRange, sector: number, sectors: number): boolean {
  const end = Math.min(range.sector + range.sectors, sector + sectors);
  return Math.max(range.sector, sector) < end;
}
