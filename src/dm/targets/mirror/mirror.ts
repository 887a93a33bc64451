/**
 * mirror: 2 to 9 devices (legs) that hold the same, and a dirty log (dirty-log.ts) of the regions in which they may not.
 *
 *   reads ----> reads.ts     a leg that has everything
 *   writes ---> writes.ts    dirty regions, then all legs
 *   recovery.ts              from the default mirror to the others, where they may differ
 *   failures.ts, legs.ts     who is left
 *
 * Facts: docs/kernel/dm-mirror.md.
 */
import type { Bio } from "../../../block/bio.ts";
import type { Extent } from "../../../block/device.ts";
import { flush } from "../../../block/promises.ts";
import { RangeLock } from "../../../block/range-lock.ts";
import type { BitmapTracker } from "../../../regions/bitmap-tracker.ts";
import { checkRange } from "../../one-device-target.ts";
import type {
  SuspendKind,
  Target,
  TargetContext,
  TargetDevice,
  TargetLimits,
  TargetType,
} from "../../target.ts";
import type { Words } from "../../words.ts";
import { mirrorTable, parseMirror } from "./arguments.ts";
import type { MirrorArguments } from "./arguments.ts";
import type { DirtyLog } from "./dirty-log.ts";
import { MirrorFailures } from "./failures.ts";
import type { Leg, Legs } from "./legs.ts";
import { MIRROR_PARTS } from "./parts.ts";
import type { MirrorParts } from "./parts.ts";
import { MirrorReads } from "./reads.ts";
import { Recovery } from "./recovery.ts";
import { MirrorWrites } from "./writes.ts";

/** Between two looks at regions that nobody writes any more. */
const CLEANING_MS = 5000;

/** What there is once the log was read. */
interface Running {
  readonly tracker: BitmapTracker;
  readonly reads: MirrorReads;
  readonly writes: MirrorWrites;
  readonly recovery: Recovery;
}

interface MirrorDevices {
  readonly legs: readonly TargetDevice[];
  readonly log: TargetDevice | null;
}

class MirrorTarget implements Target {
  readonly splitSectors = 0;
  readonly devices: readonly TargetDevice[];
  readonly limits: TargetLimits;
  readonly #context: TargetContext;
  readonly #parts: MirrorParts;
  readonly #arguments: MirrorArguments;
  readonly #legs: Legs;
  readonly #log: DirtyLog;
  readonly #logId: string;
  readonly #failures: MirrorFailures;
  #running: Running | null = null;

  constructor(
    context: TargetContext,
    parts: MirrorParts,
    words: MirrorArguments,
    on: MirrorDevices,
  ) {
    this.#context = context;
    this.#parts = parts;
    this.#arguments = words;
    this.devices = on.log === null ? on.legs : [on.log, ...on.legs];
    this.#legs = parts.legs(
      words.legs.map(({ offset }, index) => ({ on: on.legs[index]!, offset })),
    );
    this.limits = limitsOf(this.#legs.all);
    this.#logId = on.log?.id ?? "";
    this.#log = this.#makeLog(on.log);
    this.#failures = new MirrorFailures({
      name: context.name,
      legs: this.#legs,
      log: () => this.#log,
      holds: words.log.blocksOnError || (words.handlesErrors && !words.keepsLog),
      needsSync: () => this.#running?.tracker.needsSync ?? true,
      lost: () => this.#running?.recovery.interrupt(),
      event: () => context.event(),
    });
  }

  #makeLog(on: TargetDevice | null): DirtyLog {
    const { sectors, isReadOnly } = this.#context;
    const options = { log: this.#arguments.log, sectors, flushData: () => this.#flushLegs() };
    if (on === null) return this.#parts.coreLog(options);
    const legs = this.#legs.all.length;
    const failed = (): void => this.#context.event();
    return this.#parts.diskLog({ ...options, on, legs, isReadOnly, failed });
  }

  /** All legs hold durably what they were told to hold. */
  async #flushLegs(): Promise<boolean> {
    const legs = this.#legs.inUse;
    const ends = await Promise.allSettled(legs.map((leg) => flush(leg.on.device)));
    const failed = legs.filter((_leg, index) => ends[index]!.status === "rejected");
    const reason = ends.find((end) => end.status === "rejected")?.reason;
    if (failed.length === 0) return true;
    await new Promise<void>((resolve) =>
      this.#failures.lose(failed, "flush", reason, () => resolve()),
    );
    return false;
  }

  submit(bio: Bio): void {
    const { reads, writes } = this.#running!;
    if (bio.op === "read") reads.submit(bio);
    else writes.submit(bio);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const { on, offset } = this.#legs.default;
    return on.device
      .extents(sector + offset, sectors, maxExtents)
      .map((run) => ({ ...run, sector: run.sector - offset }));
  }

  status(): string {
    const legs = this.#legs.all.map(({ on }) => on.id);
    const regions = this.#log.chunks;
    return `${legs.length} ${legs.join(" ")} ${this.#syncedRegions()}/${regions} 1 ${this.#legs.chars} ${this.#log.status}`;
  }

  /**
   * While a leg is missing it lacks all that was written since. One that has come back does not stand in for another before its copies are flushed:
   * who sees all regions in sync may take any leg away.
   */
  #syncedRegions(): number {
    const regions = this.#log.chunks;
    if (this.#running === null) return this.#arguments.log.sync === "nosync" ? regions : 0;
    let synced = regions;
    for (const { sectors, state } of this.#running.tracker.dirtyRuns())
      if (state === "needs-sync" || !this.#legs.isWhole)
        synced -= Math.ceil(sectors / this.#log.chunkSectors);
    return this.#legs.isAnyReturning ? Math.min(synced, regions - 1) : synced;
  }

  table(): string {
    const ids = this.#legs.all.map(({ on }) => on.id);
    return mirrorTable(this.#arguments, this.#logId, ids);
  }

  presuspend(kind: SuspendKind): void {
    this.#failures.presuspend(kind);
    this.#running?.recovery.freeze();
  }

  /** 1 nothing is copied any more, 2 regions that are proven alike are clean in the log. */
  async postsuspend(): Promise<void> {
    if (this.#running === null) return;
    await this.#running.recovery.quiet();
    await this.#running.tracker.settle();
  }

  /** The first time the log is read: by then whoever used it before has let go of it. */
  async preresume(): Promise<void> {
    this.#running ??= await this.#open();
  }

  async #open(): Promise<Running> {
    const { env, scheduler, sectors } = this.#context;
    const { dirty, recorded } = await this.#log.load();
    const legs = this.#legs;
    const failures = this.#failures;
    if (recorded !== null) legs.take(recorded);
    const tracker = this.#parts.tracker({
      store: this.#log,
      timers: env.timers,
      periodMs: CLEANING_MS,
      isWhole: () => legs.isWhole,
      syncUsers: () => this.#context.syncUsers(),
    });
    for (const { region, regions } of dirty) tracker.load(region, regions, true);
    const locks = new RangeLock();
    const isAlike = (sector: number, count: number): boolean =>
      tracker.alikeRun(sector, count) === count;
    const reads = new MirrorReads(this.#context.name, legs, failures, isAlike);
    const wantSync = (): void => recovery.want();
    const writes = new MirrorWrites({ legs, locks, tracker, failures, wantSync });
    const recovery = new Recovery({
      env,
      scheduler,
      sectors,
      legs,
      locks,
      tracker,
      failures,
      foreground: writes.foreground,
      flushData: () => this.#flushLegs(),
      event: () => this.#context.event(),
    });
    return { tracker, reads, writes, recovery };
  }

  resume(): void {
    this.#failures.resume();
    if (!this.#context.isReadOnly) this.#running!.recovery.resume();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function limitsOf(legs: readonly Leg[]): TargetLimits {
  const all = legs.map(({ on }) => on.device.limits);
  return {
    logicalBlockBytes: Math.max(...all.map((each) => each.logicalBlockBytes)),
    optimalIoBytes: Math.max(...all.map((each) => each.optimalIoBytes)),
    discard: all.every((each) => each.discard),
    writeZeroes: all.every((each) => each.writeZeroes),
  };
}

async function construct(
  context: TargetContext,
  words: Words,
  parts: MirrorParts,
): Promise<Target> {
  const parsed = parseMirror(words, context.sectors);
  const log = parsed.log.type === "disk" ? await context.open(parsed.log.deviceWord) : null;
  const legs: TargetDevice[] = [];
  for (const { deviceWord, offset } of parsed.legs) {
    const on = await context.open(deviceWord);
    checkRange(on, offset, context.sectors, (why) => words.wrong(why));
    legs.push(on);
  }
  return new MirrorTarget(context, parts, parsed, { legs, log });
}

export function mirrorType(parts: MirrorParts): TargetType {
  return {
    name: "mirror",
    version: [1, 14, 0],
    isSingleton: false,
    construct: (context, words) => construct(context, words, parts),
  };
}

export const MIRROR = mirrorType(MIRROR_PARTS);
