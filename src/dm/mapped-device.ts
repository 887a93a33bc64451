/**
 * Mapped device: a name, a live table that serves it, and perhaps another one that was loaded and waits for its turn.
 *
 *             load                    resume (swap)
 *   nothing ---------> inactive table ------------> live table        bios: held while suspended,
 *                          | clear                     | suspend      refused without a live table
 *                          v                           v
 *                       dropped            held back, drained, targets at rest
 *
 * Taking away waits for what is in flight: a suspend returns when no bio is under way any more, with `noflush` after those that targets
 * hold back came back here, untouched; a table is closed when the one that takes its place is live; a removal comes after both.
 */
import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import { ignore } from "../base/nothing.ts";
import { BioFlags, aim, dropData, flushBio, ownBio } from "../block/bio.ts";
import type { Bio, OwnBio } from "../block/bio.ts";
import type { BlockLimits, Extent } from "../block/device.ts";
import { READ_ONLY_LIMITS } from "../block/device.ts";
import type { InFlight } from "../block/in-flight.ts";
import { Pool } from "../block/pool.ts";
import type { Pooled } from "../block/pool.ts";
import { refusal } from "../block/refuse.ts";
import { EventCounter } from "./event-counter.ts";
import type { LiveTable } from "./live-table.ts";
import { Use } from "./mapped-use.ts";
import type { MappedUse, UseOptions } from "./mapped-use.ts";
import { GIVEN_BACK } from "./target.ts";
import type { SuspendKind } from "./target.ts";

/** A bio that waits until the device is resumed, and whose it is. */
interface Held {
  readonly bio: Bio;
  readonly of: InFlight;
}

class Passage implements Pooled {
  isSpare = false;
  parent: Bio | null = null;
  of: InFlight | null = null;
  /** It went to its target as `bio`. */
  isWhole = false;
  /** The bio as its target gets it, or without its preflush. */
  readonly bio: OwnBio;
  readonly ended: (error: HoldfastError | null) => void;

  constructor(ended: (passage: Passage, error: HoldfastError | null) => void) {
    this.ended = (error) => ended(this, error);
    this.bio = ownBio(this.ended);
  }
}

function neverEnded(): void {
  assert(false, "its table ends it another way");
}

export class MappedDevice {
  name: string;
  uuid: string;
  readonly minor: number;
  #live: LiveTable | null = null;
  #inactive: LiveTable | null = null;
  #isSuspended = false;
  #suspending: SuspendKind | null = null;
  #inFlight = 0;
  readonly #held: Held[] = [];
  #drained: (() => void) | null = null;
  /** Of those who wait for users to sync. */
  readonly #syncing = new Set<() => void>();
  readonly #events = new EventCounter();
  readonly #uses = new Map<MappedUse, UseOptions>();
  readonly #passages = new Pool(() => new Passage((passage, error) => this.#ended(passage, error)));
  /** It goes when nobody has it open any more. */
  isDeferredRemoval = false;
  #isRemoved = false;
  #allClosed: (() => void) | null = null;

  constructor(name: string, uuid: string, minor: number) {
    this.name = name;
    this.uuid = uuid;
    this.minor = minor;
  }

  get live(): LiveTable | null {
    return this.#live;
  }

  get inactive(): LiveTable | null {
    return this.#inactive;
  }

  get isSuspended(): boolean {
    return this.#isSuspended;
  }

  get openCount(): number {
    return this.#uses.size;
  }

  get eventNr(): number {
    return this.#events.count;
  }

  get sectors(): number {
    return this.#live?.sectors ?? 0;
  }

  get limits(): BlockLimits {
    return this.#live?.limits ?? READ_ONLY_LIMITS;
  }

  event(): void {
    this.#events.add();
  }

  /** Resolves when there were more events than that. @param signal gives up */
  waitForEvent(eventNr: number, signal?: AbortSignal): Promise<void> {
    return this.#events.wait(eventNr, signal);
  }

  /** One more user. Closing it ends that. */
  open(options: UseOptions): MappedUse {
    if (this.isDeferredRemoval || this.#isRemoved)
      throw new HoldfastError("busy", `${this.name} is being removed.`);
    const use: Use = new Use(this, options.readOnly, () => this.#closed(use));
    this.#uses.set(use, options);
    return use;
  }

  #closed(use: MappedUse): void {
    this.#uses.delete(use);
    if (this.#uses.size === 0) this.#allClosed?.();
  }

  /** Calls `then` when nobody has it open, perhaps at once. */
  whenClosed(then: () => void): void {
    this.#allClosed = then;
    if (this.#uses.size === 0) then();
  }

  /** Whether it stands on that one, also by a table that is still being made. */
  standsOn(lower: MappedDevice): boolean {
    return [...lower.#uses.values()].some(
      ({ by }) => by !== undefined && (by === this || this.standsOn(by)),
    );
  }

  /** Whether somebody has it open who is no mapped device. */
  get isServed(): boolean {
    return [...this.#uses.values()].some(({ by }) => by === undefined);
  }

  /** @param of counts the bio, and is told when it ends */
  submit(bio: Bio, of: InFlight): void {
    if (this.#isHolding || this.#isRemoved) this.#hold({ bio, of });
    else this.#start(bio, of);
  }

  #hold(one: Held): void {
    if (this.#isRemoved) end(one.bio, one.of, new HoldfastError("io", `${this.name} was removed.`));
    else this.#held.push(one);
  }

  get #isHolding(): boolean {
    return this.#isSuspended || this.#suspending !== null;
  }

  #start(bio: Bio, of: InFlight): void {
    const live = this.#live;
    const refused = refusal(this, bio);
    if (refused !== null || live === null || live.targets.length === 0) {
      end(bio, of, refused ?? (bio.op === "flush" ? null : noTable(this.name)));
      return;
    }
    this.#inFlight += 1;
    const passage = this.#passages.take();
    passage.parent = bio;
    passage.of = of;
    if ((bio.flags & BioFlags.preflush) !== 0) this.#afterFlush(live, bio, passage);
    else {
      // It may end before that returns.
      passage.isWhole = true;
      if (live.sendWhole(bio, passage.bio)) return;
      passage.isWhole = false;
      live.submit(bio, passage.ended);
    }
  }

  #afterFlush(live: LiveTable, bio: Bio, passage: Passage): void {
    live.submit(flushBio(neverEnded), (error) => {
      if (error !== null) {
        passage.ended(error);
        return;
      }
      const flags = bio.flags & ~BioFlags.preflush;
      live.submit(
        aim(passage.bio, bio.op, bio.sector, bio.sectors, bio.data, flags),
        passage.ended,
      );
    });
  }

  #ended(passage: Passage, error: HoldfastError | null): void {
    const bio = passage.parent!;
    const of = passage.of!;
    // The table is the same: it is not taken away before all has ended.
    if (error !== null && passage.isWhole) this.#live!.wholeFailed(bio.sector, error);
    passage.parent = null;
    passage.of = null;
    passage.isWhole = false;
    dropData(passage.bio);
    this.#passages.give(passage);
    this.#inFlight -= 1;
    // Parts of it may have been written; they are written again, with the same data.
    if (error === GIVEN_BACK && this.#isHolding) this.#hold({ bio, of });
    else end(bio, of, error);
    if (this.#inFlight === 0) this.#drained?.();
  }

  /** Takes the place of the inactive table that was there. */
  async load(table: LiveTable): Promise<void> {
    const before = this.#inactive;
    this.#inactive = table;
    await before?.close();
  }

  async clear(): Promise<void> {
    const before = this.#inactive;
    this.#inactive = null;
    await before?.close();
  }

  /**
   * 1 what is above writes down what it keeps (lockfs), 2 targets are told, 3 new bios are held, 4 those under way end, or come back, 5 targets
   * make durable what they know. Being suspended already is no mistake.
   */
  async suspend(kind: SuspendKind, locksFs = true): Promise<void> {
    if (this.#isSuspended) return;
    if (this.#suspending !== null)
      throw new HoldfastError("busy", `${this.name} is being suspended already.`);
    if (kind === "flush" && locksFs) await this.#syncAll();
    this.#suspending = kind;
    for (const giveUp of this.#syncing) giveUp();
    const targets = this.#live?.targets ?? [];
    for (const { target } of targets) target.presuspend?.(kind);
    await this.drain();
    this.#isSuspended = true;
    this.#suspending = null;
    const errors: unknown[] = [];
    for (const { target } of targets)
      await target.postsuspend?.().catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw errors[0];
  }

  /** Resolves when no bio is under way. */
  protected async drain(): Promise<void> {
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => (this.#drained = resolve));
    this.#drained = null;
  }

  async #syncAll(): Promise<void> {
    for (const { sync } of this.#uses.values()) await sync?.();
  }

  /** Asks those above to write down what they keep. False: what they write is held back, because the device is suspended or about to be. */
  async syncUsers(): Promise<boolean> {
    if (![...this.#uses.values()].some(({ sync }) => sync !== undefined)) return true;
    if (this.#isHolding) return false;
    let giveUp = ignore;
    const heldBack = new Promise<boolean>((resolve) => (giveUp = () => resolve(false)));
    this.#syncing.add(giveUp);
    try {
      return await Promise.race([this.#syncAll().then(() => true), heldBack]);
    } finally {
      this.#syncing.delete(giveUp);
    }
  }

  /** The inactive table, if there is one, takes the place of the live one; then held bios go to it. */
  async resume(): Promise<void> {
    const next = this.#inactive;
    if (next === null && !this.#isSuspended) {
      if (this.#live === null)
        throw new HoldfastError("usage", `${this.name} has no table; load one first.`);
      return;
    }
    if (next !== null && !this.#isSuspended) await this.suspend("flush");
    const before = next === null ? null : this.#live;
    if (next !== null) {
      this.#live = next;
      this.#inactive = null;
    }
    try {
      await before?.close();
    } finally {
      await this.#wake();
    }
  }

  /** The device stays suspended when a target says no. */
  async #wake(): Promise<void> {
    const targets = this.#live?.targets ?? [];
    for (const { target } of targets) await target.preresume?.();
    for (const { target } of targets) target.resume?.();
    this.#isSuspended = false;
    for (const { bio, of } of this.#held.splice(0)) this.submit(bio, of);
  }

  /** From now on nobody can open it, and bios that are or would be held fail. */
  beginRemoval(): void {
    this.#isRemoved = true;
    for (const one of this.#held.splice(0)) this.#hold(one);
  }

  get isRemoved(): boolean {
    return this.#isRemoved;
  }

  /** Nobody has it open, and its removal has begun. Whatever fails, everything is closed before it is thrown. */
  async close(): Promise<void> {
    const tables = [this.#live, this.#inactive];
    const errors: unknown[] = [];
    const note = (error: unknown): number => errors.push(error);
    await this.suspend("noflush").catch(note);
    this.#live = null;
    this.#inactive = null;
    for (const table of tables) await table?.close().catch(note);
    this.event();
    if (errors.length > 0) throw errors[0];
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#live?.extents(sector, sectors, maxExtents) ?? [{ sector, sectors, kind: "data" }];
  }
}

function end(bio: Bio, of: InFlight, error: HoldfastError | null): void {
  of.end();
  bio.end(error);
}

function noTable(name: string): HoldfastError {
  return new HoldfastError("io", `${name} has no table.`);
}
