/**
 * Volume: a thin device's reads and writes.
 *
 * Where a block is mapped, and the write need not leave a block that a snapshot shares, the bio is passed to the data device at once. All else takes
 * the long way (`NewBlocks`), with the block held exclusively: nobody passes while its mapping changes. Passing bios hold theirs shared.
 *
 *   read of nothing             zeros, or what the external origin has
 *   write to nothing            a new block, zeroed or copied from the external origin, mapped, then written
 *   write to a shared block     a new block, copied, mapped, then written
 *   write of a whole block      the new block is written instead, then mapped
 */
import { assert } from "../../base/assert.ts";
import { HoldfastError, toHoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES, quotient } from "../../base/units.ts";
import { Bio, BioFlags, aim, dropData, ownBio } from "../../block/bio.ts";
import type { OwnBio } from "../../block/bio.ts";
import type { BlockDevice, Extent } from "../../block/device.ts";
import { ExtentList } from "../../block/extents.ts";
import { fanOut } from "../../block/fan-out.ts";
import { Pool as ObjectPool } from "../../block/pool.ts";
import type { Pooled } from "../../block/pool.ts";
import { ended } from "../../block/promises.ts";
import { RangeLock } from "../../block/range-lock.ts";
import type { RangeHold, RangeMode } from "../../block/range-lock.ts";
import { GIVEN_BACK } from "../target.ts";
import { discardRange } from "./discard.ts";
import type { ThinDevice } from "./device-table.ts";
import { fillNewBlock } from "./new-block.ts";
import type { Generation } from "./io-generations.ts";
import type { Pool } from "./pool.ts";
import type { Waiter } from "./waiters.ts";

/** Blocks whose mapping is looked at for one question about extents. */
const MAX_EXTENT_BLOCKS = 4096;

/** A bio on its way to the data device. */
class Passed implements Pooled {
  isSpare = false;
  parent: Bio | null = null;
  hold: RangeHold | null = null;
  generation: Generation | null = null;
  readonly bio: OwnBio;

  constructor(over: (passed: Passed, error: HoldfastError | null) => void) {
    this.bio = ownBio((error) => over(this, error));
  }
}

/** Locks of the blocks of a device, for all who have it open. */
const locks = new WeakMap<ThinDevice, RangeLock>();

function lockOf(device: ThinDevice): RangeLock {
  const known = locks.get(device) ?? new RangeLock();
  locks.set(device, known);
  return known;
}

export class Volume {
  readonly pool: Pool;
  readonly device: ThinDevice;
  readonly origin: BlockDevice | null;
  readonly #lock: RangeLock;
  readonly #blockSectors: number;
  readonly #passed = new ObjectPool(() => new Passed((passed, error) => this.#over(passed, error)));
  #givesBack = false;

  constructor(pool: Pool, device: ThinDevice, origin: BlockDevice | null) {
    this.pool = pool;
    this.device = device;
    this.origin = origin;
    this.#lock = lockOf(device);
    this.#blockSectors = pool.blockSectors;
  }

  submit(bio: Bio): void {
    switch (bio.op) {
      case "flush":
        this.#flush(bio);
        return;
      case "discard":
        this.#discard(bio);
        return;
      case "read":
      case "write":
        this.#split(bio);
        return;
      case "write-zeroes":
        bio.end(new HoldfastError("unsupported", "A thin device has no write-zeroes."));
    }
  }

  #flush(bio: Bio): void {
    const { pool } = this;
    if (pool.isPaused) {
      this.#hold(bio, () => this.#flush(bio));
      return;
    }
    pool.begin();
    if (this.device.hasLost) {
      this.#end(bio, this.#loss());
      return;
    }
    pool.flush((error) => this.#end(bio, error));
  }

  #split(bio: Bio): void {
    const size = this.#blockSectors;
    const first = quotient(bio.sector, size);
    const last = quotient(bio.sector + bio.sectors - 1, size);
    if (first === last) {
      this.#start(bio);
      return;
    }
    const over = fanOut(last - first + 1, bio.end);
    for (let block = first; block <= last; block += 1) {
      const from = Math.max(bio.sector, block * size);
      const sectors = Math.min(bio.sector + bio.sectors, (block + 1) * size) - from;
      const at = (from - bio.sector) * SECTOR_BYTES;
      const data = bio.data.subarray(at, at + sectors * SECTOR_BYTES);
      this.#start(new Bio(bio.op, from, sectors, data, bio.flags, over));
    }
  }

  /** @param bio a read or write inside one block */
  #start(bio: Bio): void {
    const { pool } = this;
    if (pool.isPaused) {
      this.#hold(bio, () => this.#start(bio));
      return;
    }
    pool.begin();
    const block = quotient(bio.sector, this.#blockSectors);
    const hold = this.#lock.tryLock(block, 1, "shared");
    if (hold !== null) {
      if (this.#isMapped(bio, block)) {
        this.#pass(bio, hold, pool.metadata.block);
        return;
      }
      this.#lock.release(hold);
    }
    this.#theLongWay(bio, block).catch((error: unknown) => this.#end(bio, toHoldfastError(error)));
  }

  /** It can be passed: where to is in the metadata's `block`. */
  #isMapped(bio: Bio, block: number): boolean {
    const { metadata, mode } = this.pool;
    if (mode === "fail" || metadata.lookup(this.device, block) !== "mapped") return false;
    if (bio.op === "read") return true;
    // A write that is durable when it ends needs a mapping that is.
    const { hasChanged, hasLost } = this.device;
    const waitsForCommit = (bio.flags & BioFlags.fua) !== 0 && (hasChanged || hasLost);
    return !metadata.isShared && !waitsForCommit;
  }

  #pass(bio: Bio, hold: RangeHold, dataBlock: number): void {
    const size = this.#blockSectors;
    const passed = this.#passed.take();
    passed.parent = bio;
    passed.hold = hold;
    passed.generation = this.pool.io.enter();
    const sector = dataBlock * size + (bio.sector - quotient(bio.sector, size) * size);
    this.pool.data.submit(aim(passed.bio, bio.op, sector, bio.sectors, bio.data, bio.flags));
  }

  #over(passed: Passed, error: HoldfastError | null): void {
    const { parent, hold, generation } = passed;
    assert(parent !== null && hold !== null && generation !== null, "what was passed is over once");
    passed.parent = null;
    passed.hold = null;
    passed.generation = null;
    dropData(passed.bio);
    this.#passed.give(passed);
    this.pool.io.leave(generation);
    this.#lock.release(hold);
    this.#end(parent, error);
  }

  #end(bio: Bio, error: HoldfastError | null): void {
    this.pool.ended();
    bio.end(error);
  }

  #locked(start: number, count: number, mode: RangeMode): Promise<RangeHold> {
    return new Promise((resolve) => this.#lock.lock(start, count, mode, resolve));
  }

  async #theLongWay(bio: Bio, block: number): Promise<void> {
    const { pool } = this;
    if (pool.mode === "fail") throw pool.unserviceable();
    const hold = await this.#locked(block, 1, bio.op === "read" ? "shared" : "exclusive");
    let next: "done" | "wait" | "durable" = "done";
    try {
      next = bio.op === "read" ? await this.#read(bio, block) : await this.#write(bio, block);
    } finally {
      this.#lock.release(hold);
    }
    if (next === "wait") {
      this.#waitForSpace(bio);
      return;
    }
    // FUA: the mapping as well.
    if (next === "durable") await pool.commit();
    this.#end(bio, null);
  }

  async #read(bio: Bio, block: number): Promise<"done"> {
    const found = await this.pool.metadata.locate(this.device, block);
    if (found !== null) await this.#toBlock(bio, found.block);
    else if (this.origin === null) bio.data.fill(0);
    else await readOrigin(this.origin, bio.sector, bio.data);
    return "done";
  }

  async #write(bio: Bio, block: number): Promise<"done" | "wait" | "durable"> {
    const { pool, device } = this;
    const { metadata } = pool;
    const isDurable = (bio.flags & BioFlags.fua) !== 0;
    if (isDurable && device.hasLost) throw this.#loss();
    const found = await metadata.locate(device, block);
    if (found !== null && !found.isShared) {
      if (pool.mode === "fail") throw pool.unserviceable();
      if (isDurable && device.hasChanged) await pool.commit();
      await this.#toBlock(bio, found.block);
      return "done";
    }
    const dataBlock = await pool.reserve();
    if (dataBlock === null) return "wait";
    const isWhole = bio.sectors === this.#blockSectors;
    try {
      if (isWhole) await this.#toBlock(bio, dataBlock);
      else await fillNewBlock(pool, dataBlock, block, found?.block ?? null, this.origin);
    } catch (error) {
      metadata.giveBack(dataBlock);
      throw error;
    }
    // The block has its content, so the mapping may count: the commit flushes the data device first.
    await pool.change(() => metadata.map(device, block, dataBlock));
    if (isWhole) return isDurable ? "durable" : "done";
    if (isDurable) await pool.commit();
    await this.#toBlock(bio, dataBlock);
    return "done";
  }

  async #toBlock(bio: Bio, dataBlock: number): Promise<void> {
    const { io, data } = this.pool;
    const generation = io.enter();
    const sector = dataBlock * this.#blockSectors + (bio.sector % this.#blockSectors);
    try {
      await ended((end) =>
        data.submit(new Bio(bio.op, sector, bio.sectors, bio.data, bio.flags, end)),
      );
    } finally {
      io.leave(generation);
    }
  }

  #waitForSpace(bio: Bio): void {
    this.pool.ended();
    if (this.#givesBack) bio.end(GIVEN_BACK);
    else this.pool.waitForSpace(this.#waiter(bio, () => this.#start(bio)));
  }

  /** The pool is suspended. */
  #hold(bio: Bio, retry: () => void): void {
    if (this.#givesBack) bio.end(GIVEN_BACK);
    else this.pool.hold(this.#waiter(bio, retry));
  }

  #waiter(bio: Bio, retry: () => void): Waiter {
    const giveBack = (): void => bio.end(GIVEN_BACK);
    return { owner: this, retry, fail: (error) => bio.end(error), giveBack };
  }

  #loss(): HoldfastError {
    const text = `of what was written to device ${this.device.id} some is lost, because its metadata could not be written; open it again.`;
    return new HoldfastError("io", `${this.pool.name}: ${text}`);
  }

  #discard(bio: Bio): void {
    const { pool } = this;
    if (pool.isPaused) {
      this.#hold(bio, () => this.#discard(bio));
      return;
    }
    pool.begin();
    const size = this.#blockSectors;
    const from = Math.ceil(bio.sector / size);
    const to = quotient(bio.sector + bio.sectors, size);
    const work = async (): Promise<void> => {
      if (pool.mode === "fail") throw pool.unserviceable();
      // It is a hint: where nothing may change, and for less than a block, nothing is done.
      if (from >= to || pool.mode === "read-only" || pool.mode === "out-of-metadata") return;
      const hold = await this.#locked(from, to - from, "exclusive");
      try {
        await discardRange(pool, this.device, from, to);
      } finally {
        this.#lock.release(hold);
      }
      if (pool.mode === "out-of-data") await pool.commit();
    };
    work().then(
      () => this.#end(bio, null),
      (error: unknown) => this.#end(bio, toHoldfastError(error)),
    );
  }

  /** What waits for space is given back from now on. */
  presuspend(isNoflush: boolean): void {
    this.#givesBack = isNoflush;
    if (isNoflush) this.pool.giveBack(this);
  }

  resume(): void {
    this.#givesBack = false;
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const list = new ExtentList(sector, maxExtents);
    const size = this.#blockSectors;
    for (let looked = 0; list.end < sector + sectors && looked < MAX_EXTENT_BLOCKS; looked += 1) {
      const block = quotient(list.end, size);
      const found = this.pool.metadata.lookup(this.device, block);
      const end = Math.min(sector + sectors, (block + 1) * size);
      const isThere =
        found === "unmapped" ? this.#addUnmapped(list, end) : list.add(end - list.end, "data");
      if (!isThere) break;
    }
    return list.extents;
  }

  /** As far as there is an origin it is that one's, and nothing behind it. @returns false: no more is wanted */
  #addUnmapped(list: ExtentList, end: number): boolean {
    const { origin } = this;
    const until = Math.min(end, origin?.sectors ?? 0);
    while (list.end < until)
      for (const { sectors, kind } of origin!.extents(
        list.end,
        until - list.end,
        MAX_EXTENT_BLOCKS,
      ))
        if (!list.add(sectors, kind)) return false;
    return list.end === end || list.add(end - list.end, "hole");
  }
}

/** What lies behind the origin's end is zeros. */
async function readOrigin(origin: BlockDevice, sector: number, data: Uint8Array): Promise<void> {
  const sectors = Math.max(0, Math.min(data.length / SECTOR_BYTES, origin.sectors - sector));
  data.fill(0, sectors * SECTOR_BYTES);
  if (sectors === 0) return;
  const there = data.subarray(0, sectors * SECTOR_BYTES);
  await ended((end) => origin.submit(new Bio("read", sector, sectors, there, 0, end)));
}
