/**
 * Copy on write over any device: the base is only ever read; what is written goes to a store of the same size.
 *
 *   state of each 4 KiB block:   base --write--> stored --discard, write-zeroes--> zero --write--> stored
 *                                base --discard, write-zeroes--> zero
 *
 * The states (overlay-states.ts) are in memory only: an overlay lives as long as it is open.
 * A write of whole blocks, and a read inside one, go straight to the store or the base and cost no allocation (overlay-writes.ts).
 * A write that covers part of a block which is not stored yet fills in the rest from the base, or with zeros (copy-up), and writes
 * the whole block; it holds its blocks exclusively meanwhile, other writes hold theirs shared. A state changes
 * only when the store has the data, so a failed write leaves blocks as they were, and readers need no lock.
 * Flush and FUA reach the store. Discard of parts of blocks does nothing (it is a hint); the store may give storage back.
 */
import { SECTOR_BYTES } from "../base/units.ts";
import { Bio, BioFlags, discardBio, flushBio, readBio, writeBio } from "../block/bio.ts";
import type { BioEnd } from "../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import { ExtentList } from "../block/extents.ts";
import { fanOut, inSequence } from "../block/fan-out.ts";
import { InFlight } from "../block/in-flight.ts";
import { RangeLock } from "../block/range-lock.ts";
import type { RangeHold } from "../block/range-lock.ts";
import { afterPreflush, isAdmitted } from "../block/admit.ts";
import { Relay } from "../block/relay.ts";
import { bioPart } from "../block/split.ts";
import { ZEROS } from "../block/zeros.ts";
import type { Env } from "../env/env.ts";
import { BLOCK_SECTORS, BlockStates } from "./overlay-states.ts";
import type { StateRun } from "./overlay-states.ts";
import { BlockWrites } from "./overlay-writes.ts";
import { openOverlayStore } from "./overlay-store.ts";
import type { OverlayStoreChoice } from "./overlay-store.ts";

export class OverlayDevice implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits;
  readonly #base: BlockDevice;
  readonly #store: BlockDevice;
  readonly #states: BlockStates;
  /** In blocks. */
  readonly #lock = new RangeLock();
  readonly #inFlight = new InFlight();
  readonly #blockWrites: BlockWrites;
  readonly #fromBase: Relay;
  readonly #fromStore: Relay;

  /** Borrows `base`; takes over `store`, a writable device of the base's size whose contents do not matter. */
  constructor(base: BlockDevice, store: BlockDevice) {
    this.#base = base;
    this.#store = store;
    this.name = base.name;
    this.sectors = base.sectors;
    this.limits = { ...base.limits, readOnly: false, discard: true, writeZeroes: true };
    this.#states = new BlockStates(Math.ceil(base.sectors / BLOCK_SECTORS));
    const ended = (): void => this.#inFlight.end();
    this.#blockWrites = new BlockWrites(store, this.#states, this.#lock, ended);
    this.#fromBase = new Relay(base, ended);
    this.#fromStore = new Relay(store, ended);
  }

  submit(bio: Bio): void {
    if (!isAdmitted(this, this.#inFlight, bio)) return;
    if (bio.op === "read" && isInOneBlock(bio)) this.#readBlock(bio);
    else if (bio.op === "write" && this.#blockWrites.fits(bio)) this.#blockWrites.write(bio);
    else this.#runInSteps(bio);
  }

  /** A read inside one block, without an allocation. */
  #readBlock(bio: Bio): void {
    switch (this.#states.of(Math.floor(bio.sector / BLOCK_SECTORS))) {
      case "base":
        return this.#fromBase.pass(bio, bio.sector);
      case "stored":
        return this.#fromStore.pass(bio, bio.sector);
      case "zero":
        bio.data.fill(0);
        this.#inFlight.end();
        bio.end(null);
    }
  }

  /** Whatever is made of several requests. */
  #runInSteps(bio: Bio): void {
    const end: BioEnd = (error) => {
      this.#inFlight.end();
      bio.end(error);
    };
    const plain = new Bio(
      bio.op,
      bio.sector,
      bio.sectors,
      bio.data,
      bio.flags & ~BioFlags.preflush,
      end,
    );
    afterPreflush(
      bio,
      end,
      (flushed) => this.#store.submit(flushBio(flushed)),
      () => this.#run(plain),
    );
  }

  #run(bio: Bio): void {
    switch (bio.op) {
      case "read":
        return this.#read(bio);
      case "write":
        return this.#write(bio, "shared");
      case "flush":
        return this.#store.submit(flushBio(bio.end));
      case "discard":
        return this.#zeroBlocks(bio, bio.end);
      case "write-zeroes":
        return this.#writeZeroes(bio);
    }
  }

  #read(bio: Bio): void {
    const endSector = bio.sector + bio.sectors;
    const runs: StateRun[] = [];
    for (let at = bio.sector; at < endSector; at = runs.at(-1)!.end)
      runs.push(this.#states.runAt(at, endSector));
    const end = fanOut(runs.length, bio.end);
    let at = 0;
    for (const run of runs) {
      const part = bioPart(bio, at, run.end - bio.sector - at, end);
      at = run.end - bio.sector;
      if (run.state !== "zero") (run.state === "base" ? this.#base : this.#store).submit(part);
      else {
        part.data.fill(0);
        end(null);
      }
    }
  }

  #write(bio: Bio, mode: "shared" | "exclusive"): void {
    const first = Math.floor(bio.sector / BLOCK_SECTORS);
    const stop = Math.ceil((bio.sector + bio.sectors) / BLOCK_SECTORS);
    this.#lock.lock(first, stop - first, mode, (hold) => {
      const fills = this.#blocksToFill(bio);
      if (fills.length > 0 && mode === "shared") {
        // States may change until the exclusive hold is there, so it is asked again then.
        this.#lock.release(hold);
        this.#write(bio, "exclusive");
        return;
      }
      this.#writeHeld(bio, fills, this.#storedAtEnd(hold, bio.end));
    });
  }

  /** Partly covered blocks that have no contents in the store. */
  #blocksToFill(bio: Bio): number[] {
    const fills: number[] = [];
    const endSector = bio.sector + bio.sectors;
    const add = (block: number): void => {
      if (this.#states.of(block) !== "stored" && !fills.includes(block)) fills.push(block);
    };
    if (bio.sector % BLOCK_SECTORS !== 0) add(Math.floor(bio.sector / BLOCK_SECTORS));
    const isEndPartial = endSector % BLOCK_SECTORS !== 0 && endSector !== this.sectors;
    if (isEndPartial) add(Math.floor(endSector / BLOCK_SECTORS));
    return fills;
  }

  /** Writes everything to the store: filled blocks whole, the sectors between them as they came. */
  #writeHeld(bio: Bio, fills: readonly number[], end: BioEnd): void {
    const endSector = bio.sector + bio.sectors;
    let from = bio.sector;
    let to = endSector;
    for (const block of fills) {
      const start = block * BLOCK_SECTORS;
      if (start <= bio.sector) from = Math.min(endSector, start + BLOCK_SECTORS);
      else to = start;
    }
    const ended = fanOut(fills.length + (to > from ? 1 : 0), end);
    if (to > from) this.#store.submit(bioPart(bio, from - bio.sector, to - from, ended));
    for (const block of fills) this.#copyUp(bio, block, ended);
  }

  #copyUp(bio: Bio, block: number, end: BioEnd): void {
    const start = block * BLOCK_SECTORS;
    const sectors = Math.min(BLOCK_SECTORS, this.sectors - start);
    const whole = new Uint8Array(sectors * SECTOR_BYTES);
    const write: BioEnd = (error) => {
      if (error !== null) {
        end(error);
        return;
      }
      const from = Math.max(start, bio.sector);
      const to = Math.min(start + sectors, bio.sector + bio.sectors);
      const data = bio.data.subarray(
        (from - bio.sector) * SECTOR_BYTES,
        (to - bio.sector) * SECTOR_BYTES,
      );
      whole.set(data, (from - start) * SECTOR_BYTES);
      this.#store.submit(writeBio(start, whole, bio.flags, end));
    };
    if (this.#states.of(block) !== "base") write(null);
    else this.#base.submit(readBio(start, whole, write));
  }

  #storedAtEnd(hold: RangeHold, end: BioEnd): BioEnd {
    return (error) => {
      if (error === null) this.#states.setStored(hold.start, hold.end);
      this.#lock.release(hold);
      end(error);
    };
  }

  /** Whole blocks become zero blocks, what is left at the edges is written. */
  #writeZeroes(bio: Bio): void {
    const endSector = bio.sector + bio.sectors;
    const flags = bio.flags & BioFlags.fua;
    const { start, stop } = this.#wholeBlocks(bio);
    const steps: ((end: BioEnd) => void)[] = [];
    const writeEdge = (from: number, to: number): void => {
      if (from >= to) return;
      const zeros = ZEROS.subarray(0, (to - from) * SECTOR_BYTES);
      steps.push((end) => this.#write(writeBio(from, zeros, flags, end), "shared"));
    };
    if (start >= stop) writeEdge(bio.sector, endSector);
    else {
      writeEdge(bio.sector, start * BLOCK_SECTORS);
      steps.push((end) => this.#zeroBlocks(bio, end));
      writeEdge(Math.min(this.sectors, stop * BLOCK_SECTORS), endSector);
    }
    inSequence(steps.length, (index, end) => steps[index]!(end), bio.end);
  }

  /** The blocks that lie wholly inside the bio; a short last block of the device counts as whole. */
  #wholeBlocks(bio: Bio): { readonly start: number; readonly stop: number } {
    const endSector = bio.sector + bio.sectors;
    const start = Math.ceil(bio.sector / BLOCK_SECTORS);
    const round = endSector === this.sectors ? Math.ceil : Math.floor;
    return { start, stop: round(endSector / BLOCK_SECTORS) };
  }

  #zeroBlocks(bio: Bio, end: BioEnd): void {
    const { start, stop } = this.#wholeBlocks(bio);
    if (start >= stop) {
      end(null);
      return;
    }
    this.#lock.lock(start, stop - start, "exclusive", (hold) => {
      const hasStored = this.#states.hasStored(start, stop);
      this.#states.setZero(start, stop);
      const done = (): void => {
        this.#lock.release(hold);
        end(null);
      };
      if (!hasStored) done();
      else {
        // The blocks read as zeros whether or not the store gives their storage back.
        const from = start * BLOCK_SECTORS;
        const to = Math.min(this.sectors, stop * BLOCK_SECTORS);
        this.#store.submit(discardBio(from, to - from, done));
      }
    });
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const list = new ExtentList(sector, maxExtents);
    const endSector = sector + sectors;
    while (list.end < endSector) {
      const run = this.#states.runAt(list.end, endSector);
      const length = run.end - list.end;
      if (run.state !== "base") {
        if (!list.add(length, run.state === "zero" ? "hole" : "data")) break;
        continue;
      }
      const below = this.#base.extents(list.end, length, maxExtents);
      if (!below.every((extent) => list.add(extent.sectors, extent.kind))) break;
    }
    return list.extents;
  }

  /** Releases the store; the base stays open. */
  async close(): Promise<void> {
    await this.#inFlight.drain();
    await this.#store.close();
  }
}

function isInOneBlock({ sector, sectors, flags }: Bio): boolean {
  return (
    (sector % BLOCK_SECTORS) + sectors <= BLOCK_SECTORS && sectors > 0 && flags === BioFlags.none
  );
}

/** @throws HoldfastError `not-found`, `permission` or `no-space` when files cannot be made in the store's folder */
export async function openOverlay(
  env: Env,
  base: BlockDevice,
  choice: OverlayStoreChoice,
): Promise<OverlayDevice> {
  return new OverlayDevice(base, await openOverlayStore(env, choice, base.sectors));
}
