/**
 * A running array: what all levels have in common. It takes bios in, holds writes back until the superblocks say "dirty", flushes,
 * gives the rest to its level, and lets nobody know of a success before every failure that it rests on is durable. Here its parts are put
 * together, each of which knows those below it only:
 *
 *   data-path.ts    a bio from `submit` to its end       membership.ts   devices come and go
 *   modes.ts        read-only, read-auto, read-write, stopped: who may write, and the order of becoming so
 *   held-writes.ts  writes that wait at the door         failures.ts     who leaves, and when the array is broken
 *   write-gate.ts   dirty before the first write         metadata.ts     the superblocks
 *
 * Broken, beside all modes: more members have failed than the level can lose. From then on every write ends with an error, also those
 * under way, and the array is never marked clean.
 */
import { HoldfastError } from "../../base/errors.ts";
import { ignore } from "../../base/nothing.ts";
import type { SectorRange } from "../../base/units.ts";
import type { Bio, BioEnd } from "../../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../../block/device.ts";
import type { RangeLock } from "../../block/range-lock.ts";
import type { Clock, Timers } from "../../env/env.ts";
import type { ParityEngine } from "../../parity/engine.ts";
import type { RegionTracker } from "../../regions/region-tracker.ts";
import { ArrayEvents } from "./array-events.ts";
import type { TellEvent } from "./array-events.ts";
import { stateWord, wantedState } from "./array-state.ts";
import type { ArrayMode, ArrayStateWord } from "./array-state.ts";
import type { ArrayCore, RunningLevel } from "./core.ts";
import { DataPath } from "./data-path.ts";
import { CORE_PARTS } from "./core-parts.ts";
import type { CoreParts } from "./core-parts.ts";
import { Eras } from "./eras.ts";
import type { Era } from "./eras.ts";
import type { FailureRule } from "./failure-rule.ts";
import { Failures } from "./failures.ts";
import { HeldWrites } from "./held-writes.ts";
import type { MemberFlush } from "./member-flush.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";
import { Membership } from "./membership.ts";
import type { ArrayRecord, BitmapRecord, Change, Metadata } from "./metadata.ts";
import { Modes } from "./modes.ts";
import { usualSettings } from "./settings.ts";
import type { WriteGate } from "./write-gate.ts";

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
  /** Who makes what it is made of; the usual ones unless given. */
  readonly parts?: CoreParts;
}

export class RunningArray implements BlockDevice, ArrayCore {
  readonly name: string;
  readonly sectors: number;
  readonly members: Members;
  readonly record: ArrayRecord;
  readonly regions: RegionTracker;
  readonly settings = usualSettings();
  readonly locks: RangeLock;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly parity: () => ParityEngine;
  readonly level: RunningLevel;
  readonly #events = new ArrayEvents();
  readonly #eras = new Eras();
  readonly #held = new HeldWrites(this.#eras);
  readonly #keepsSuperblocks: boolean;
  readonly #metadata: Metadata;
  readonly #gate: WriteGate;
  readonly #failures: Failures;
  readonly #modes: Modes;
  readonly #path: DataPath;
  readonly #membership: Membership;

  constructor(options: RunningArrayOptions) {
    this.name = options.name;
    this.sectors = options.sectors;
    this.members = options.members;
    this.record = options.record;
    this.regions = options.regions;
    this.clock = options.clock;
    this.timers = options.timers;
    this.parity = options.parity;
    const make = options.parts ?? CORE_PARTS;
    this.locks = make.locks();
    this.#metadata = make.metadata({
      ...options,
      failed: ({ member, error }) => this.memberFailed(member, error, ignore),
    });
    this.#gate = make.gate(options.record, this.#metadata, options);
    this.#failures = this.#makeFailures(options.rule);
    this.level = options.makeLevel(this);
    this.#keepsSuperblocks = options.keepsSuperblocks;
    const parts = {
      name: this.name,
      members: this.members,
      level: this.level,
      metadata: this.#metadata,
      failures: this.#failures,
      flush: this.#makeFlush(make),
      held: this.#held,
      eras: this.#eras,
    };
    this.#modes = new Modes({
      ...options,
      ...parts,
      gate: this.#gate,
      begun: (error) => this.#path.resume(error),
      changed: (mode) => this.#events.tell({ kind: "mode", mode }),
    });
    const modes = this.#modes;
    const gate = this.#keepsSuperblocks ? this.#gate : null;
    this.#path = new DataPath({ ...parts, device: this, modes, gate });
    this.#membership = new Membership({ ...parts, modes });
  }

  #makeFlush(make: CoreParts): MemberFlush {
    return make.flush(
      this.members,
      (member, why, recorded) => {
        if (this.#keepsSuperblocks) this.memberFailed(member, why, recorded);
        else recorded(why);
      },
      (through) => {
        if (this.level.whenThrough === undefined) through();
        else this.level.whenThrough(through);
      },
    );
  }

  #makeFailures(rule: FailureRule): Failures {
    const { tell } = this.#events;
    return new Failures({
      members: this.members,
      rule,
      metadata: this.#metadata,
      settings: this.settings,
      commit: (change) => this.commit(change, ignore),
      onFailed: (member, why) => {
        this.#modes.refreshLimits();
        tell({ kind: "failed", member, why });
      },
      onBad: (member, why) => tell({ kind: "bad-blocks", member, why }),
      onBroken: (why) => {
        this.#gate.stayDirty();
        tell({ kind: "broken", why });
      },
    });
  }

  // --- the data path

  get limits(): BlockLimits {
    return this.#modes.limits;
  }

  /** What its users asked for. */
  get foreground(): { readonly started: number; readonly ended: number } {
    return this.#path.foreground;
  }

  submit(bio: Bio): void {
    this.#path.submit(bio);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.level.extents?.(sector, sectors, maxExtents) ?? [{ sector, sectors, kind: "data" }];
  }

  /**
   * Writes that touch the range wait until another range is set (md's suspend_lo and suspend_hi); an empty one lets all go on. Resolves
   * when no write that came before is under way any more.
   */
  suspendWrites(range: SectorRange): Promise<void> {
    this.#held.suspend(range);
    this.#path.resume();
    return this.#eras.drain();
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
    return this.#modes.isWriting && this.broken === null;
  }

  commit(change: Change, done: () => void): void {
    this.#modes.commit(change, done);
  }

  keepUnderWay(): Era {
    // It is dirty, and only stays so: what is kept has entered before.
    if (this.#keepsSuperblocks) this.#gate.enter(ignore);
    return this.#eras.beginOldest();
  }

  endUnderWay(kept: Era): void {
    if (this.#keepsSuperblocks) this.#gate.leave();
    this.#eras.end(kept);
  }

  // --- modes

  get mode(): ArrayMode {
    return this.#modes.mode;
  }

  get state(): ArrayStateWord {
    return stateWord({
      mode: this.mode,
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
    return this.#modes.become(wanted);
  }

  /**
   * Makes it read-write, whatever it was.
   * @throws HoldfastError `read-only` when a member cannot be written, or its journal is missing; what preparing fails with
   */
  startWriting(): Promise<void> {
    return this.#modes.startWriting();
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
    if (this.mode === "stopped") return;
    const drained = this.#path.drain();
    await this.suspendWrites({ sector: 0, sectors: 0 });
    await drained;
    await this.#modes.stop();
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
  attach(member: Member): Promise<void> {
    return this.#membership.attach(member);
  }

  /** Lets go of a device that is in no slot; resolves when nothing is under way to it and all superblocks say so. */
  detach(member: Member): Promise<void> {
    return this.#membership.detach(member);
  }

  /** Returns what ends it. */
  listen(listener: TellEvent): () => void {
    return this.#events.listen(listener);
  }
}
