/**
 * Background sync of raid1 and raid10.
 *
 *   resync   copies that may differ are made alike: the first good one counts. raid1 writes the others without looking; raid10 compares first.
 *   check    all copies that are in sync are compared; what differs is counted and remembered, what cannot be read is repaired.
 *   repair   the same, and what most copies have, or else the first good one, is written over those that differ.
 *   recover  members and replacements that are not in sync yet are written from those that are. Positions are member sectors; all the
 *            others are array sectors.
 *
 * A step holds its range exclusively from before the first read to after the last write, so a write of a client is either on all copies
 * before it, or on all after it. Sectors that no copy has are listed as bad where they were to be written, and the pass goes on.
 */
import { assert } from "../../../base/assert.ts";
import { HoldfastError } from "../../../base/errors.ts";
import { ignore } from "../../../base/nothing.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import { WorkBuffers } from "../../../parity/engine.ts";
import type { StepOutcome, SyncWork } from "../../../sync/work.ts";
import type { Raid10Geometry } from "../../geometry/raid10.ts";
import type { Raid1Geometry } from "../../geometry/raid1.ts";
import type { ArrayCore, SyncAction } from "../core.ts";
import type { Member } from "../member.ts";
import { MismatchList } from "../mismatches.ts";
import type { ArraySettings } from "../settings.ts";
import { AlikeRuns } from "./mirror-alike.ts";
import { compareCopies } from "./mirror-compare.ts";
import type { HeldCopy } from "./mirror-compare.ts";
import { advanced, isGood, whileHeld } from "./mirror-copies.ts";
import type { Copy, MirrorCopies } from "./mirror-copies.ts";
import type { MirrorSlots } from "./mirror-slots.ts";

/** 256 KiB of two copies stay in a processor's second-level cache, and what a step costs by itself hardly counts. */
const STEP_SECTORS = 512;
/** As many as keep 2 MiB of the array locked, which is how far writes of clients may have to wait. */
const WINDOW = 8;
const ALIKE: StepOutcome = { kind: "done", mismatches: 0 };

export interface MirrorSyncOptions {
  readonly core: ArrayCore;
  readonly geometry: Raid1Geometry | Raid10Geometry;
  readonly slots: MirrorSlots;
  readonly copies: MirrorCopies;
  /** Of a member that should be readable there. */
  readonly readFailed: (copy: Copy, sectors: number, why: HoldfastError) => void;
}

/** What a run of a step came to. */
interface RunResult {
  readonly mismatches: number;
  /** Something could not be read or written. */
  readonly error: HoldfastError | null;
  /** That is why the pass is pointless. */
  readonly isFatal: boolean;
}

/** @param buffers for its data, given back when it has ended */
type RunWork = (sector: number, sectors: number, buffers: WorkBuffers) => Promise<RunResult>;

export class MirrorSync {
  readonly mismatches = new MismatchList();
  readonly #options: MirrorSyncOptions;
  readonly #alike: AlikeRuns;

  constructor(options: MirrorSyncOptions) {
    this.#options = options;
    this.#alike = new AlikeRuns(options.core, options.geometry, options.slots);
  }

  work(action: SyncAction): SyncWork | null {
    switch (action) {
      case "recover":
        return this.#recovery();
      case "resync":
        return this.#passOver(
          this.#options.geometry.level === "raid1"
            ? (...run) => this.#overwrite(...run)
            : (...run) => this.#compare(...run, true),
          "as needed",
        );
      case "check":
        return this.#passOver((...run) => this.#compare(...run, false), "only looking");
      case "repair":
        return this.#passOver(
          (...run) => this.#compare(...run, true, this.#options.core.settings.repairsBy),
          "all",
        );
    }
  }

  #passOver(work: RunWork, which: "as needed" | "all" | "only looking"): SyncWork {
    const { geometry, core } = this.#options;
    const run = async (sector: number, sectors: number): Promise<StepOutcome> => {
      const results = await whileHeld(core.locks, sector, sectors, () =>
        this.#runs(sector, sectors, which === "all", work),
      );
      return outcomeOf(results);
    };
    let isStarted = which === "as needed";
    return {
      sectors: geometry.arraySectors,
      window: WINDOW,
      step: (sector, limit, end) => {
        // Asking for the work changes nothing: what the last one found is forgotten when this one starts.
        if (!isStarted) this.mismatches.clear();
        isStarted = true;
        const skipped = which === "as needed" ? this.#nothingToDo(sector, limit) : 0;
        if (skipped > 0) {
          end({ kind: "skipped" });
          return skipped;
        }
        const left = Math.min(limit - sector, geometry.pieceSectors(sector));
        const sectors = Math.min(left, STEP_SECTORS);
        if (which === "only looking") this.#look(sector, sectors, work, end);
        else void run(sector, sectors).then(end);
        return sectors;
      },
    };
  }

  /** Where all copies are alike nothing more is to be done. */
  #look(sector: number, sectors: number, work: RunWork, end: (outcome: StepOutcome) => void): void {
    const { locks } = this.#options.core;
    locks.lock(sector, sectors, "exclusive", (hold) => {
      const ended = (outcome: StepOutcome): void => {
        locks.release(hold);
        end(outcome);
      };
      const general = async (): Promise<void> =>
        ended(outcomeOf([await this.#withBuffers(sector, sectors, work)]));
      const looked = (areAlike: boolean): void => {
        if (areAlike) ended(ALIKE);
        else void general();
      };
      if (!this.#alike.start(sector, sectors, looked)) void general();
    });
  }

  /** Sectors from here on. */
  #nothingToDo(sector: number, limit: number): number {
    if (this.#isAlone()) return limit - sector;
    return this.#options.core.regions.alikeRun?.(sector, limit - sector) ?? 0;
  }

  /**
   * There is nobody to differ from: such a pass is over at once (raid1_sync_request). Who is being filled gets all writes below where it
   * is good already, so a crash leaves differences there too, which the rest of its recovery does not look at.
   */
  #isAlone(): boolean {
    const { geometry, slots } = this.#options;
    slots.refresh();
    return geometry.level === "raid1" && slots.inSync === 1 && this.#recovering().length === 0;
  }

  /** The runs of a range, which is held, that are to be synced. @param all those too that are known to be alike */
  async #runs(
    sector: number,
    sectors: number,
    all: boolean,
    work: RunWork,
  ): Promise<readonly RunResult[]> {
    const { regions } = this.#options.core;
    const results: RunResult[] = [];
    for (let at = 0; at < sectors;) {
      const mayClean = this.#options.slots.isFull;
      const run = regions.beginSync(sector + at, sectors - at, mayClean);
      assert(run !== 0, "a run is not empty");
      const count = Math.abs(run);
      if (run > 0 || all) {
        const result = await this.#withBuffers(sector + at, count, work);
        results.push(result);
        if (run > 0) regions.endSync(sector + at, count, result.error === null);
      }
      at += count;
    }
    return results;
  }

  async #withBuffers(sector: number, sectors: number, work: RunWork): Promise<RunResult> {
    const buffers = new WorkBuffers(this.#options.core.parity());
    try {
      return await work(sector, sectors, buffers);
    } finally {
      buffers.giveBack();
    }
  }

  // ---- resync of raid1 ----

  async #overwrite(sector: number, sectors: number, buffers: WorkBuffers): Promise<RunResult> {
    const copies = this.#options.copies.at(sector);
    // Whatever the first has must come from it: what is written behind it may be on no other, though it was acknowledged.
    const whole = await this.#readWhole(copies.slice(0, 1), sectors, buffers, ignore);
    const read = whole ?? (await this.#readParts(copies, sectors, buffers));
    const targets = copies.filter((copy) => copy !== read.source);
    return this.#writeTo(targets, read);
  }

  // ---- check, repair, resync of raid10 ----

  async #compare(
    sector: number,
    sectors: number,
    buffers: WorkBuffers,
    mends: boolean,
    believes: ArraySettings["repairsBy"] = "kernel",
  ): Promise<RunResult> {
    const { copies, readFailed } = this.#options;
    const all = copies.at(sector);
    const unreadable = new Set<Copy>();
    const failed = (copy: Copy, why: HoldfastError): void => {
      unreadable.add(copy);
      readFailed(copy, sectors, why);
    };
    const read = await this.#readBest(all, sectors, buffers, failed);
    if (read.source === null) {
      // Put together from several, each of which lacks something: they are repaired one by one.
      if (!mends) return { mismatches: 0, error: read.error, isFatal: false };
      return this.#writeTo(all, read);
    }
    const held: HeldCopy[] = [{ copy: read.source, data: read.data }];
    const targets: Copy[] = [];
    for (const copy of all) {
      if (copy === read.source) continue;
      if (copy.member.isInSync && isGood(copy, sectors) && !unreadable.has(copy)) {
        const data = buffers.take(sectors * SECTOR_BYTES);
        const error = await copies.read(copy, data);
        if (error === null) {
          held.push({ copy, data });
          continue;
        }
        failed(copy, error);
      }
      // Whole: only some of its sectors are bad, and nobody has seen whether the others are right.
      targets.push(copy);
    }
    const found = compareCopies(sector, held, believes);
    for (const one of found.mismatches) this.mismatches.add(one);
    const mismatches = found.mismatches.reduce((sum, one) => sum + one.sectors, 0);
    if (!mends) return { mismatches, error: null, isFatal: false };
    targets.push(...found.differing);
    return { ...(await this.#writeTo(targets, { ...read, data: found.data })), mismatches };
  }

  // ---- recovery ----

  #recovery(): SyncWork | null {
    const { geometry } = this.#options;
    if (this.#recovering().length === 0) return null;
    const chunk = geometry.level === "raid1" ? Infinity : geometry.chunkSectors;
    return {
      sectors: geometry.memberSectorsUsed(0),
      window: WINDOW,
      step: (memberSector, limit, end) => {
        const toChunk = chunk === Infinity ? Infinity : chunk - (memberSector % chunk);
        const sectors = Math.min(limit - memberSector, toChunk, STEP_SECTORS);
        void this.#recoverStep(memberSector, sectors).then(end);
        return sectors;
      },
    };
  }

  #recovering(): readonly Member[] {
    return this.#options.core.members.attached.filter(
      ({ standing }) => standing.kind === "recovering",
    );
  }

  async #recoverStep(memberSector: number, sectors: number): Promise<StepOutcome> {
    const { core, geometry } = this.#options;
    const targets = this.#recovering();
    if (targets.length === 0) return { kind: "failed", error: nobodyLeft(core.name) };
    const places = new Set(targets.map(({ slot }) => geometry.toVolume(slot!, memberSector)));
    const isByBitmap = targets.every((one) => !one.isReplacement && one.savedSlot === one.slot);
    const results: RunResult[] = [];
    for (const sector of places) {
      if (sector === null) continue;
      const some = await whileHeld(core.locks, sector, sectors, () =>
        this.#runs(sector, sectors, !isByBitmap, (...run) => this.#recover(...run)),
      );
      results.push(...some);
    }
    return outcomeOf(results);
  }

  async #recover(sector: number, sectors: number, buffers: WorkBuffers): Promise<RunResult> {
    const { copies, core, readFailed } = this.#options;
    const all = copies.at(sector);
    const sources = all.filter(({ member }) => member.isInSync);
    const read = await this.#readBest(sources, sectors, buffers, (copy, why) =>
      readFailed(copy, sectors, why),
    );
    const targets = all.filter(({ member }) => member.standing.kind === "recovering");
    const result = await this.#writeTo(targets, read);
    if (targets.length === 0 || targets.some(({ member }) => !member.isFaulty)) return result;
    return { ...result, error: result.error ?? nobodyLeft(core.name), isFatal: true };
  }

  // ---- what they have in common ----

  /** The range from the first copy that has it, or put together sector by sector. */
  async #readBest(
    all: readonly Copy[],
    sectors: number,
    buffers: WorkBuffers,
    failed: (copy: Copy, why: HoldfastError) => void = ignore,
  ): Promise<BestRead> {
    return (
      (await this.#readWhole(all, sectors, buffers, failed)) ??
      this.#readParts(all, sectors, buffers)
    );
  }

  /** From the first copy that has all of it; null: none has. */
  async #readWhole(
    all: readonly Copy[],
    sectors: number,
    buffers: WorkBuffers,
    failed: (copy: Copy, why: HoldfastError) => void,
  ): Promise<BestRead | null> {
    const data = buffers.take(sectors * SECTOR_BYTES);
    for (const copy of all) {
      if (!isGood(copy, sectors)) continue;
      const error = await this.#options.copies.read(copy, data);
      if (error === null) return { source: copy, data, lost: [], error: null };
      failed(copy, error);
    }
    return null;
  }

  /** Each sector from the first copy that has it. */
  async #readParts(all: readonly Copy[], sectors: number, buffers: WorkBuffers): Promise<BestRead> {
    const data = buffers.take(sectors * SECTOR_BYTES);
    const lost: number[] = [];
    for (let at = 0; at < sectors; at += 1) {
      const part = data.subarray(at * SECTOR_BYTES, (at + 1) * SECTOR_BYTES);
      if (!(await this.#readAny(all, at, part))) lost.push(at);
    }
    const error = lost.length === 0 ? null : new HoldfastError("data-lost", "no copy can be read");
    return { source: null, data, lost, error };
  }

  async #readAny(all: readonly Copy[], at: number, sector: Uint8Array): Promise<boolean> {
    for (const copy of all)
      if ((await this.#options.copies.read(advanced(copy, at), sector)) === null) return true;
    return false;
  }

  /** What was read to all targets, and what was lost onto their lists. */
  async #writeTo(targets: readonly Copy[], read: BestRead): Promise<RunResult> {
    const results = await Promise.all(targets.map((target) => this.#writeOne(target, read)));
    const failed = results.find((result) => result.error !== null);
    const error = read.error ?? failed?.error ?? null;
    return { mismatches: 0, error, isFatal: results.some(({ isFatal }) => isFatal) };
  }

  async #writeOne(target: Copy, { data, lost, error }: BestRead): Promise<RunResult> {
    const { copies } = this.#options;
    const fatal = { mismatches: 0, error, isFatal: true };
    // Without a list to put it on the target would have to fail for what others have lost.
    if (error !== null && target.member.superblock.badBlockLog === null) return fatal;
    let failed: HoldfastError | null = null;
    const sectors = data.length / SECTOR_BYTES;
    for (let at = 0; at < sectors;) {
      const isLost = lost.includes(at);
      let stop = at + 1;
      while (stop < sectors && lost.includes(stop) === isLost) stop += 1;
      const place = advanced(target, at);
      if (target.member.isFaulty) break;
      if (isLost) await copies.lose(place, stop - at, error!);
      else {
        const part = data.subarray(at * SECTOR_BYTES, stop * SECTOR_BYTES);
        failed ??= await copies.write(place, part);
      }
      at = stop;
    }
    return { mismatches: 0, error: failed, isFatal: false };
  }
}

interface BestRead {
  /** Which has all of it. */
  readonly source: Copy | null;
  readonly data: Uint8Array;
  /** Sectors of the range that no copy has. */
  readonly lost: readonly number[];
  /** Why there are some. */
  readonly error: HoldfastError | null;
}

function outcomeOf(results: readonly RunResult[]): StepOutcome {
  if (results.length === 0) return { kind: "skipped" };
  const fatal = results.find(({ isFatal }) => isFatal);
  if (fatal !== undefined && fatal.error !== null) return { kind: "failed", error: fatal.error };
  return {
    kind: "done",
    mismatches: results.reduce((sum, { mismatches }) => sum + mismatches, 0),
  };
}

function nobodyLeft(name: string): HoldfastError {
  return new HoldfastError("io", `${name}: there is nobody left to recover`);
}
