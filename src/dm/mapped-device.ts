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
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import { READ_ONLY_LIMITS } from "../block/device.ts";
import { Pool } from "../block/pool.ts";
import type { Pooled } from "../block/pool.ts";
import { refusal } from "../block/refuse.ts";
import type { LiveTable } from "./live-table.ts";
import { GIVEN_BACK } from "./target.ts";
import type { SuspendKind } from "./target.ts";

/** Who has a mapped device open. */
export interface MappedUse extends BlockDevice {
  readonly readOnly: boolean;
}

export interface UseOptions {
  readonly readOnly: boolean;
  /** Called before a suspend that flushes: whatever is kept above is to be written down. */
  readonly sync?: () => Promise<void>;
}

class Passage implements Pooled {
  isSpare = false;
  parent: Bio | null = null;
  /** The bio without its preflush. */
  readonly bio: OwnBio = ownBio(neverEnded);
  readonly ended: (error: HoldfastError | null) => void;

  constructor(ended: (passage: Passage, error: HoldfastError | null) => void) {
    this.ended = (error) => ended(this, error);
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
  readonly #held: Bio[] = [];
  #drained: (() => void) | null = null;
  /** Of those who wait for users to sync. */
  readonly #syncing = new Set<() => void>();
  #eventNr = 0;
  readonly #eventWaiters = new Set<() => void>();
  readonly #uses = new Map<MappedUse, UseOptions>();
  readonly #passages = new Pool(() => new Passage((passage, error) => this.#ended(passage, error)));
  /** It goes when nobody has it open any more. */
  isDeferredRemoval = false;
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
    return this.#eventNr;
  }

  get sectors(): number {
    return this.#live?.sectors ?? 0;
  }

  get limits(): BlockLimits {
    return this.#live?.limits ?? READ_ONLY_LIMITS;
  }

  event(): void {
    this.#eventNr += 1;
    const waiters = [...this.#eventWaiters];
    this.#eventWaiters.clear();
    for (const waiter of waiters) waiter();
  }

  /** Resolves when there were more events than that. @param signal gives up */
  async waitForEvent(eventNr: number, signal?: AbortSignal): Promise<void> {
    while (this.#eventNr <= eventNr) {
      await new Promise<void>((resolve, reject) => {
        this.#eventWaiters.add(resolve);
        signal?.addEventListener("abort", () => {
          this.#eventWaiters.delete(resolve);
          reject(new HoldfastError("shutdown", `Nobody waits for ${this.name} any more.`));
        });
      });
    }
  }

  /** One more user. Closing it ends that. */
  open(options: UseOptions): MappedUse {
    if (this.isDeferredRemoval) throw new HoldfastError("busy", `${this.name} is being removed.`);
    const use = new Use(this, options.readOnly, () => this.#closed(use));
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

  submit(bio: Bio): void {
    if (this.#isHolding) this.#held.push(bio);
    else this.#start(bio);
  }

  get #isHolding(): boolean {
    return this.#isSuspended || this.#suspending !== null;
  }

  #start(bio: Bio): void {
    const live = this.#live;
    const refused = refusal(this, bio);
    if (refused !== null || live === null || live.targets.length === 0) {
      bio.end(refused ?? (bio.op === "flush" ? null : noTable(this.name)));
      return;
    }
    this.#inFlight += 1;
    const passage = this.#passages.take();
    passage.parent = bio;
    if ((bio.flags & BioFlags.preflush) === 0) live.submit(bio, passage.ended);
    else this.#afterFlush(live, bio, passage);
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
    passage.parent = null;
    dropData(passage.bio);
    this.#passages.give(passage);
    this.#inFlight -= 1;
    // Parts of it may have been written; they are written again, with the same data.
    if (error === GIVEN_BACK && this.#isHolding) this.#held.push(bio);
    else bio.end(error);
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
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => (this.#drained = resolve));
      this.#drained = null;
    }
    this.#isSuspended = true;
    this.#suspending = null;
    for (const { target } of targets) await target.postsuspend?.();
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
    await before?.close();
    await this.#wake();
  }

  /** The device stays suspended when a target says no. */
  async #wake(): Promise<void> {
    const targets = this.#live?.targets ?? [];
    for (const { target } of targets) await target.preresume?.();
    for (const { target } of targets) target.resume?.();
    this.#isSuspended = false;
    for (const bio of this.#held.splice(0)) this.submit(bio);
  }

  /** Nobody has it open. Bios that are held fail. */
  async close(): Promise<void> {
    await this.suspend("noflush");
    for (const bio of this.#held.splice(0))
      bio.end(new HoldfastError("io", `${this.name} was removed.`));
    const tables = [this.#live, this.#inactive];
    this.#live = null;
    this.#inactive = null;
    for (const table of tables) await table?.close();
    this.event();
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#live?.extents(sector, sectors, maxExtents) ?? [{ sector, sectors, kind: "data" }];
  }
}

function noTable(name: string): HoldfastError {
  return new HoldfastError("io", `${name} has no table.`);
}

class Use implements MappedUse {
  readonly readOnly: boolean;
  readonly #of: MappedDevice;
  readonly #closed: () => void;

  constructor(of: MappedDevice, readOnly: boolean, closed: () => void) {
    this.#of = of;
    this.readOnly = readOnly;
    this.#closed = closed;
  }

  get name(): string {
    return this.#of.name;
  }

  get sectors(): number {
    return this.#of.sectors;
  }

  get limits(): BlockLimits {
    const { limits } = this.#of;
    return this.readOnly && !limits.readOnly ? { ...limits, readOnly: true } : limits;
  }

  submit(bio: Bio): void {
    const refused = this.readOnly ? refusal(this, bio) : null;
    if (refused === null) this.#of.submit(bio);
    else bio.end(refused);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#of.extents(sector, sectors, maxExtents);
  }

  close(): Promise<void> {
    this.#closed();
    return Promise.resolve();
  }
}
