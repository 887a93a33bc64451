/**
 * How a running array stands to writing, and the ways from one mode to another.
 *
 *   read-only  <--->  read-auto  ---first write--->  read-write  --->  stopped
 *
 * Nothing is written to a member before read-write, but for what `prepare` mends on the way, and for a journal that somebody adds; what changes
 * earlier is remembered and written then.
 */
import { HoldfastError, toHoldfastError } from "../../base/errors.ts";
import { ignore } from "../../base/nothing.ts";
import type { BioEnd } from "../../block/bio.ts";
import type { BlockLimits } from "../../block/device.ts";
import { ended } from "../../block/promises.ts";
import { readOnlyError } from "../../block/refuse.ts";
import type { ArrayMode, WantedState } from "./array-state.ts";
import type { RunningLevel } from "./core.ts";
import type { Eras } from "./eras.ts";
import type { MemberFlush } from "./member-flush.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";
import { stronger } from "./metadata.ts";
import type { BitmapRecord, Change, Metadata } from "./metadata.ts";
import type { WriteGate } from "./write-gate.ts";

export interface ModesOptions {
  readonly name: string;
  /** At first; never "read-write" where `prepare` has to come before. */
  readonly mode: ArrayMode;
  /** When it can be written to. */
  readonly limits: BlockLimits;
  readonly members: Members;
  readonly level: RunningLevel;
  readonly gate: WriteGate;
  readonly metadata: Metadata;
  readonly bitmap: BitmapRecord | null;
  /** False: what is committed is written nowhere. */
  readonly keepsSuperblocks: boolean;
  readonly flush: MemberFlush;
  readonly eras: Eras;
  /** As in RunningArrayOptions. */
  readonly prepare: (() => Promise<void>) | null;
  /** What waited for the array to be ready for writing may go on, or ends with the error. */
  readonly begun: (error: HoldfastError | null) => void;
  readonly changed: (mode: ArrayMode) => void;
}

export class Modes {
  readonly #options: ModesOptions;
  #mode: ArrayMode;
  #limits: BlockLimits;
  /** The level has begun to get ready for writing. */
  #isStarting = false;
  #whenStarted: BioEnd[] = [];
  /** No more writes are taken while it becomes read-only. */
  #isClosingWrites = false;
  /** Changed while nothing may be written. */
  #unwritten: Change | null = null;
  /** Null: done, or not needed. */
  #prepare: (() => Promise<void>) | null;

  constructor(options: ModesOptions) {
    this.#options = options;
    this.#mode = options.mode;
    this.#prepare = options.prepare;
    this.#limits = this.#limitsNow();
  }

  get mode(): ArrayMode {
    return this.#mode;
  }

  /** Something may be written to members: not when it is about to be read-only, though writes that began before still end. */
  get isWriting(): boolean {
    return this.#mode === "read-write" && !this.#isClosingWrites;
  }

  // --- limits

  get limits(): BlockLimits {
    return this.#limits;
  }

  /** Somebody came, or is used no more: they follow from who is there. */
  refreshLimits(): void {
    this.#limits = this.#limitsNow();
  }

  #limitsNow(): BlockLimits {
    const isReadOnly =
      this.#mode === "read-only" || this.#isClosingWrites || this.#readOnlyMember() !== undefined;
    const { limits } = this.#options;
    if (!isReadOnly) return { ...limits, readOnly: false };
    return { ...limits, readOnly: true, discard: false, writeZeroes: false };
  }

  #readOnlyMember(): Member | undefined {
    return this.#options.members.attached.find(
      (one) => !one.isFaulty && one.device.limits.readOnly,
    );
  }

  // --- what is to be written

  /** As ArrayCore.commit. */
  commit(change: Change, done: () => void): void {
    const { keepsSuperblocks, metadata } = this.#options;
    if (!keepsSuperblocks) {
      done();
      return;
    }
    if (this.#mode === "read-write") {
      metadata.commit(change, done);
      return;
    }
    this.#unwritten = stronger(change, this.#unwritten);
    done();
  }

  /** As `commit`, of what somebody has asked for while nothing else is written, and is told that it is so. No member may be one that can only be read. */
  commitAsked(change: Change, done: () => void): void {
    const { keepsSuperblocks, metadata } = this.#options;
    if (!keepsSuperblocks) {
      done();
      return;
    }
    metadata.commit(stronger(change, this.#unwritten), done);
    this.#unwritten = null;
  }

  /** @throws HoldfastError `read-only` when superblocks cannot be written, whatever the mode */
  assertMembersWritable(): void {
    const member = this.#readOnlyMember();
    if (member !== undefined) throw readOnlyError(member.label);
  }

  // --- from one mode to another

  /** @throws HoldfastError `busy` for "clean" while something is being written */
  async become(wanted: Exclude<WantedState, "stop">): Promise<void> {
    const { gate, name } = this.#options;
    this.assertRunning();
    if (wanted === "read-only" || wanted === "read-auto") return this.#stopWriting(wanted);
    await this.startWriting();
    if (wanted === "read-write") return;
    if (!gate.isIdle) throw new HoldfastError("busy", `${name} is being written to`);
    await this.#markClean();
  }

  assertRunning(): void {
    if (this.#mode !== "stopped") return;
    throw new HoldfastError("shutdown", `${this.#options.name} is stopped`);
  }

  /** As RunningArray.startWriting. */
  async startWriting(): Promise<void> {
    this.assertRunning();
    this.assertMembersWritable();
    const why = this.#options.level.whyReadOnly?.() ?? null;
    if (why !== null) throw why;
    if (this.#mode === "read-write") return;
    await ended((end) => this.#begin(end));
  }

  /** A write has come. True: it waits until the array is ready for writing, which the first one brings about. */
  holdsWrite(): boolean {
    if (this.#mode === "read-auto") this.#begin(ignore);
    return this.#isStarting;
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
    const { level } = this.#options;
    if (level.startWriting === undefined) this.#begun(null);
    else level.startWriting(() => this.#begun(null));
  }

  #begun(error: HoldfastError | null): void {
    this.#isStarting = false;
    if (error === null) this.#startWriting();
    this.#options.begun(error);
    for (const started of this.#whenStarted.splice(0)) started(error);
  }

  #startWriting(): void {
    this.#setMode("read-write");
    const change = this.#unwritten;
    this.#unwritten = null;
    if (change !== null) this.#options.metadata.commit(change);
  }

  /** Law 7: what is under way ends, then the array is marked clean, and only then it is read-only. */
  async #stopWriting(mode: "read-only" | "read-auto"): Promise<void> {
    if (this.#isStarting) await this.#started();
    if (this.#mode === "read-write") {
      this.#isClosingWrites = true;
      this.refreshLimits();
      await this.#options.eras.drain();
      await this.#settle();
      this.#isClosingWrites = false;
    }
    this.#setMode(mode);
  }

  /** No request is under way, nor will be: marks it clean and ends it. */
  async stop(): Promise<void> {
    await this.#settle();
    this.#setMode("stopped");
  }

  /** Nothing is being written any more, nor will be. */
  async #settle(): Promise<void> {
    const { bitmap, flush, keepsSuperblocks, level } = this.#options;
    if (this.#isStarting) await this.#started();
    await new Promise<void>((resolve) => {
      if (level.settle === undefined) resolve();
      else level.settle(resolve);
    });
    await this.#idle();
    if (this.#mode !== "read-write") return;
    if (!keepsSuperblocks) {
      // No round of superblocks flushes them, and who stops an array in order may switch off the disks next.
      await new Promise<void>((flushed) => flush.flush(() => flushed()));
      return;
    }
    await bitmap?.settle?.();
    await this.#markClean();
  }

  async #markClean(): Promise<void> {
    await new Promise<void>((resolve) => this.#options.gate.markClean(resolve));
    await this.#idle();
  }

  #started(): Promise<void> {
    return new Promise((resolve) => this.#whenStarted.push(() => resolve()));
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => this.#options.metadata.whenIdle(resolve));
  }

  #setMode(mode: ArrayMode): void {
    if (this.#mode === mode) return;
    this.#mode = mode;
    this.refreshLimits();
    this.#options.changed(mode);
  }
}
