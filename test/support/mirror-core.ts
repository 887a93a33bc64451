/**
 * The core of a running array, as plain as can be, for tests of a level: members on disks whose bios wait until the test lets them
 * go, records that become durable when the test says so, and what a machine that starts after a crash would then believe.
 */
import type { HoldfastError } from "../../src/base/errors.ts";
import type { Prng } from "../../src/base/prng.ts";
import type { SectorRange } from "../../src/base/units.ts";
import type { BioEnd } from "../../src/block/bio.ts";
import { checked } from "../../src/block/checked.ts";
import { RangeLock } from "../../src/block/range-lock.ts";
import { FaultyDevice } from "../../src/devices/faulty.ts";
import type { Clock, Timers } from "../../src/env/env.ts";
import { BadBlockTable } from "../../src/md/running/bad-block-table.ts";
import type { Era } from "../../src/md/running/eras.ts";
import type { ArrayCore } from "../../src/md/running/core.ts";
import { Member } from "../../src/md/running/member.ts";
import type { Standing } from "../../src/md/running/member.ts";
import { Members } from "../../src/md/running/members.ts";
import type { ArrayRecord, Change } from "../../src/md/running/metadata.ts";
import { usualSettings } from "../../src/md/running/settings.ts";
import { plainEngine } from "../../src/parity/engine.ts";
import { noRegions } from "../../src/regions/region-tracker.ts";
import type { RegionTracker } from "../../src/regions/region-tracker.ts";
import { ArrayDevice } from "./array-device.ts";
import { superblockOf } from "./md-superblock.ts";

export const DATA_OFFSET = 16;

export interface TestDisk {
  readonly disk: ArrayDevice;
  readonly faults: FaultyDevice;
  readonly member: Member;
}

/** What the superblocks and logs on the disks say. */
interface Durable {
  readonly standing: Standing;
  readonly bad: readonly SectorRange[];
}

export interface TestCoreOptions {
  readonly slots: number;
  readonly memberSectors: number;
  readonly hasLog: boolean;
  readonly copiesAreHeld?: boolean;
  /** True: without this member nothing would be left. */
  readonly isLast?: (member: Member, members: Members) => boolean;
  readonly regions?: RegionTracker;
}

export class TestCore implements ArrayCore {
  readonly name = "array";
  readonly members: Members;
  readonly record: ArrayRecord;
  readonly regions: RegionTracker;
  readonly settings = usualSettings();
  readonly locks = new RangeLock();
  nowMs = 0;
  readonly clock: Clock = { wallMs: () => this.nowMs, monotonicMs: () => this.nowMs };
  readonly timers: Timers = {
    set: () => {
      throw new Error("no timers here");
    },
  };
  isWritable = true;
  /** Writes that go on although their clients were told. */
  readonly kept: Era = { underWay: 0 };
  readonly disks: TestDisk[] = [];
  readonly log: string[] = [];
  /** Records wait for `recordAll`; otherwise they are durable at once. */
  holdsRecords = false;
  readonly durable = new Map<Member, Durable>();
  readonly #options: TestCoreOptions;
  #waiting: { readonly change: Change; readonly done: () => void }[] = [];
  #numbers = 0;

  constructor(options: TestCoreOptions) {
    this.#options = options;
    this.regions = options.regions ?? noRegions;
    for (let slot = 0; slot < options.slots; slot += 1) this.#make({ kind: "in-sync", slot });
    this.members = new Members(
      options.slots,
      this.disks.map(({ member }) => member),
    );
    this.record = {
      raidDisks: options.slots,
      componentSectors: options.memberSectors,
      hasPpl: false,
      events: 1,
      isClean: false,
      resyncOffsetSectors: Infinity,
    };
    this.#makeDurable();
  }

  keepUnderWay(): Era {
    this.kept.underWay += 1;
    return this.kept;
  }

  endUnderWay(kept: Era): void {
    kept.underWay -= 1;
  }

  readonly parity = (): typeof plainEngine => plainEngine;

  #make(standing: Standing): TestDisk {
    const { memberSectors, hasLog, copiesAreHeld = false } = this.#options;
    const name = `m${this.#numbers}`;
    const disk = new ArrayDevice(DATA_OFFSET + memberSectors, {}, name);
    disk.held = copiesAreHeld;
    const faults = new FaultyDevice(disk);
    const log = hasLog ? { startSector: 8, sectors: 8, shift: 0, inUse: false } : null;
    const member = new Member({
      label: name,
      device: checked(faults),
      superblock: superblockOf(this.#numbers, {
        dataOffsetSectors: DATA_OFFSET,
        badBlockLog: log,
      }),
      image: new Uint8Array(0),
      standing,
      badBlocks: new BadBlockTable(log, []),
    });
    this.#numbers += 1;
    const made = { disk, faults, member };
    this.disks.push(made);
    return made;
  }

  /** Another member joins. */
  join(standing: Standing): TestDisk {
    const made = this.#make(standing);
    this.members.attach(made.member);
    this.commit("members", () => {});
    return made;
  }

  remove(member: Member): void {
    this.members.detach(member);
    this.durable.delete(member);
  }

  diskOf(member: Member): TestDisk {
    return this.disks.find((one) => one.member === member)!;
  }

  canMiss(member: Member): boolean {
    return !member.isInSync || this.#options.isLast?.(member, this.members) !== true;
  }

  memberFailed(member: Member, why: HoldfastError, recorded: BioEnd): void {
    if (member.isFaulty) {
      this.whenRecorded(recorded);
      return;
    }
    if (this.#options.isLast?.(member, this.members) === true) {
      this.log.push(`${member.label} cannot be missed`);
      recorded(why);
      return;
    }
    this.log.push(`${member.label} failed`);
    member.standing = { kind: "faulty" };
    this.commit("members", () => recorded(null));
  }

  blocksFailed(
    member: Member,
    sector: number,
    sectors: number,
    why: HoldfastError,
    recorded: BioEnd,
  ): void {
    if (!member.badBlocks.add(sector, sectors)) {
      this.memberFailed(member, why, recorded);
      return;
    }
    this.log.push(`${member.label} bad ${sector - DATA_OFFSET}+${sectors}`);
    this.commit("progress", () => recorded(null));
  }

  commit(change: Change, done: () => void): void {
    this.#waiting.push({ change, done });
    if (!this.holdsRecords) this.recordAll();
  }

  whenRecorded(recorded: BioEnd): void {
    const isPending =
      this.#waiting.some(({ change }) => change === "members") ||
      this.members.attached.some(({ badBlocks }) => badBlocks.isChanged);
    if (isPending) this.commit("progress", () => recorded(null));
    else recorded(null);
  }

  get waitingRecords(): number {
    return this.#waiting.length;
  }

  /** What is known now becomes durable. */
  recordAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#makeDurable();
    for (const { done } of waiting) done();
  }

  #makeDurable(): void {
    for (const member of this.members.attached) {
      const { badBlocks, standing } = member;
      badBlocks.acknowledge(badBlocks.version);
      this.durable.set(member, { standing, bad: badBlocks.ranges });
    }
  }

  /** Who would be read at that member sector after a crash now. */
  believed(slot: number, memberSector: number): Member[] {
    const sector = DATA_OFFSET + memberSector;
    const found: Member[] = [];
    for (const [member, { standing, bad }] of this.durable) {
      const isListed = bad.some((one) => sector >= one.sector && sector < one.sector + one.sectors);
      if (standing.kind === "in-sync" && standing.slot === slot && !isListed) found.push(member);
    }
    return found;
  }

  contentOf(member: Member, memberSector: number): Uint8Array {
    const from = (DATA_OFFSET + memberSector) * 512;
    return this.diskOf(member).disk.bytes.subarray(from, from + 512);
  }

  /** Lets one bio, or the records, go on. False: nothing waits. */
  stepOnce(prng: Prng): boolean {
    const busy = this.disks.filter(({ disk }) => disk.pending.length > 0);
    if (this.#waiting.length > 0 && (busy.length === 0 || prng.chance(0.2))) {
      this.recordAll();
      return true;
    }
    if (busy.length === 0) return false;
    const { disk } = prng.pick(busy);
    disk.finish(prng.below(disk.pending.length));
    return true;
  }
}

/** Everything that waits for promises has gone on. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
