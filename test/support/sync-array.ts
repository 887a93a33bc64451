/** An array as background sync sees it: members in memory, and a record of what was committed and when it became durable. */
import type { BlockDevice } from "../../src/block/device.ts";
import { noRegions } from "../../src/regions/region-tracker.ts";
import { RangeLock } from "../../src/block/range-lock.ts";
import type { ArrayCore, SyncAction } from "../../src/md/running/core.ts";
import { BadBlockTable } from "../../src/md/running/bad-block-table.ts";
import { Member } from "../../src/md/running/member.ts";
import type { Standing } from "../../src/md/running/member.ts";
import { Members } from "../../src/md/running/members.ts";
import type { Change } from "../../src/md/running/metadata.ts";
import { usualSettings } from "../../src/md/running/settings.ts";
import { SyncControl } from "../../src/md/running/sync-control.ts";
import type { SyncControlOptions } from "../../src/md/running/sync-control.ts";
import { SyncScheduler } from "../../src/sync/scheduler.ts";
import type { StepOutcome, SyncWork } from "../../src/sync/work.ts";
import { candidateOf, superblockOf } from "./md-superblock.ts";
import { VirtualTime } from "./virtual-time.ts";

export const STEP = 128;

export function inSync(slot: number): Standing {
  return { kind: "in-sync", slot };
}

export function recoveringAt(slot: number, recoveredSectors: number): Standing {
  return { kind: "recovering", slot, recoveredSectors };
}

export const SPARE: Standing = { kind: "spare" };

/** Steps of 128 sectors, which end when the test says so. */
export class ManualWork implements SyncWork {
  readonly sectors: number;
  readonly window = 4;
  underWay: { readonly sector: number; readonly end: (outcome: StepOutcome) => void }[] = [];
  firstSector: number | null = null;

  constructor(sectors: number) {
    this.sectors = sectors;
  }

  step(sector: number, limit: number, end: (outcome: StepOutcome) => void): number {
    this.firstSector ??= sector;
    this.underWay.push({ sector, end });
    return Math.min(STEP, limit - sector);
  }
}

interface Commit {
  readonly change: Change;
  /** What a crash would find, once this is durable. */
  readonly said: string;
  readonly done: () => void;
}

export interface ArrayOptions {
  readonly time?: VirtualTime;
  readonly scheduler?: SyncScheduler;
  readonly resyncOffsetSectors?: number;
  readonly bitmapMs?: number | null;
  readonly chunkSectors?: number;
  readonly slots?: number;
  readonly sectors?: number;
  readonly canSync?: boolean;
  readonly deviceOf?: (number: number) => BlockDevice;
  /** Instead of keeping commits until `commitAll`. */
  readonly commit?: ArrayCore["commit"];
}

export class SyncArray {
  readonly time: VirtualTime;
  /** Of a member. */
  readonly sectors: number;
  readonly members: Members;
  readonly core: ArrayCore;
  readonly control: SyncControl;
  readonly foreground = { started: 0, ended: 0 };
  readonly systemLimits = { minKiBps: 1000, maxKiBps: 1e9 };
  /** Not durable yet. */
  commits: Commit[] = [];
  /** What superblocks said, in order. */
  readonly durable: string[] = [];
  readonly works: { readonly action: SyncAction; readonly work: ManualWork }[] = [];
  bitmapWrites = 0;
  /** Told of every step that was done. */
  stepEnds: (sector: number, action: SyncAction) => void = () => {};
  isBroken = false;
  #latest: ManualWork | null = null;

  constructor(standings: readonly Standing[], options: ArrayOptions = {}) {
    const { sectors = STEP * 32, slots = 3, bitmapMs = null, canSync = true } = options;
    this.sectors = sectors;
    this.time = options.time ?? new VirtualTime();
    this.members = new Members(
      slots,
      standings.map((one, number) => memberOf(one, number, options.deviceOf?.(number))),
    );
    this.core = {
      name: "md0",
      members: this.members,
      record: {
        raidDisks: slots,
        componentSectors: sectors,
        hasPpl: false,
        events: 1,
        isClean: true,
        resyncOffsetSectors: options.resyncOffsetSectors ?? Infinity,
      },
      regions: noRegions,
      settings: usualSettings(),
      locks: new RangeLock(),
      clock: this.time,
      timers: this.time,
      parity: () => {
        throw new Error("no parity here");
      },
      canMiss: () => true,
      memberFailed: () => {},
      blocksFailed: () => {},
      commit:
        options.commit ??
        ((change, done) => this.commits.push({ change, said: this.said(), done })),
      whenRecorded: (recorded) => recorded(null),
      keepUnderWay: () => ({ underWay: 1 }),
      endUnderWay: () => {},
      isWritable: true,
    };
    const control: SyncControlOptions = {
      core: this.core,
      level: {
        run: () => {},
        syncWork: (action) => {
          if (!canSync) return null;
          this.#latest = new ManualWork(sectors);
          this.works.push({ action, work: this.#latest });
          return this.#latest;
        },
      },
      scheduler: options.scheduler ?? new SyncScheduler(),
      systemLimits: this.systemLimits,
      foreground: this.foreground,
      bitmapMs,
      chunkSectors: options.chunkSectors ?? 0,
      diskOf: (member) => member.label,
      isBroken: () => this.isBroken,
      writeBitmap: (done) => {
        this.bitmapWrites += 1;
        done();
      },
    };
    this.control = new SyncControl(control);
  }

  /** What superblocks written now would say. */
  said(): string {
    const { resyncOffsetSectors } = this.core.record;
    const members = this.members.attached.map(({ standing, isReplacement }) => {
      const mark = isReplacement ? "R" : "";
      if (standing.kind === "in-sync") return `${standing.slot}${mark}`;
      if (standing.kind !== "recovering") return standing.kind;
      return `${standing.slot}${mark}<${standing.recoveredSectors}`;
    });
    return `${members.join(" ")} resync ${resyncOffsetSectors}`;
  }

  get work(): ManualWork {
    return this.#latest!;
  }

  /** Lets the owner take its turn. */
  turn(): void {
    this.time.pass(0);
  }

  /** What was committed is durable. */
  commitAll(): void {
    for (const one of this.commits.splice(0)) {
      this.durable.push(one.said);
      one.done();
    }
  }

  endSteps(count: number, outcome: StepOutcome = { kind: "done", mismatches: 0 }): void {
    for (let i = 0; i < count; i += 1) this.endStep(0, outcome);
  }

  /** One of those under way, if there is one there. */
  endStep(index: number, outcome: StepOutcome = { kind: "done", mismatches: 0 }): void {
    const latest = this.works.at(-1);
    const [step] = latest?.work.underWay.splice(index, 1) ?? [];
    if (latest === undefined || step === undefined) return;
    if (outcome.kind !== "failed") this.stepEnds(step.sector, latest.action);
    step.end(outcome);
  }

  /** Everything goes on until nothing more happens. */
  settle(): void {
    for (let round = 0; round < 10_000; round += 1) {
      this.turn();
      this.commitAll();
      if ((this.#latest?.underWay.length ?? 0) > 0) this.endSteps(1);
      else if (this.commits.length === 0 && !this.time.next(this.time.monotonicMs())) return;
    }
    throw new Error("it goes on and on");
  }

  fail(number: number): void {
    this.members.withNumber(number)!.standing = { kind: "faulty" };
    this.control.memberFailed();
  }
}

export function memberOf(standing: Standing, number: number, given?: BlockDevice): Member {
  const { device, superblock } = candidateOf(
    `disk${number}`,
    superblockOf(number % 4, { deviceNumber: number }),
  );
  return new Member({
    label: `disk${number}`,
    device: given ?? device,
    superblock,
    image: new Uint8Array(4096),
    standing,
    badBlocks: new BadBlockTable(null, []),
  });
}
