/**
 * A raid4, raid5 or raid6 level over memory disks, with a stand-in for the running array around it. Every bio of a member waits until the test lets
 * it go (`pump`), in an order drawn from the seed, so that everything that can overtake does.
 */
import type { Prng } from "../../src/base/prng.ts";
import { assert } from "../../src/base/assert.ts";
import { HoldfastError } from "../../src/base/errors.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { Bio, writeBio } from "../../src/block/bio.ts";
import type { BioEnd, BioOp } from "../../src/block/bio.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { fanOut } from "../../src/block/fan-out.ts";
import { DeviceOver } from "../../src/block/over.ts";
import { RangeLock } from "../../src/block/range-lock.ts";
import { checked } from "../../src/block/checked.ts";
import { FaultyDevice } from "../../src/devices/faulty.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import type { MdShape, MdSuperblock } from "../../src/formats/md/superblock.ts";
import { makeGeometry } from "../../src/md/geometry/geometry.ts";
import { StripeGeometry } from "../../src/md/geometry/raid456.ts";
import { BadBlockTable } from "../../src/md/running/bad-block-table.ts";
import type { ArrayCore, SyncAction } from "../../src/md/running/core.ts";
import { StripesLevel } from "../../src/md/running/levels/stripes/stripes.ts";
import type { StripeLog } from "../../src/md/running/levels/stripes/stripe-log.ts";
import { Member } from "../../src/md/running/member.ts";
import type { Standing } from "../../src/md/running/member.ts";
import { Members } from "../../src/md/running/members.ts";
import { usualSettings } from "../../src/md/running/settings.ts";
import { plainEngine } from "../../src/parity/engine.ts";
import type { ParityEngine } from "../../src/parity/engine.ts";
import { generate } from "../../src/parity/parity.ts";
import { noRegions } from "../../src/regions/region-tracker.ts";
import type { RegionTracker } from "../../src/regions/region-tracker.ts";
import type { StepOutcome } from "../../src/sync/work.ts";

export const DATA_OFFSET = 16;

/** Passes bios on when it is told to. */
class WaitingDevice extends DeviceOver {
  readonly #queue: (() => void)[];
  readonly counts = new Map<BioOp, number>();

  constructor(inner: BlockDevice, queue: (() => void)[]) {
    super(inner);
    this.#queue = queue;
  }

  submit(bio: Bio): void {
    this.counts.set(bio.op, (this.counts.get(bio.op) ?? 0) + 1);
    this.#queue.push(() => this.inner.submit(bio));
  }

  /** One that fails may have written some of them. */
  submitParts(bio: Bio): void {
    this.counts.set("write", (this.counts.get("write") ?? 0) + 1);
    const { parts } = bio;
    this.#queue.push(() => {
      const written = fanOut(parts.length, bio.end);
      let { sector } = bio;
      for (const part of parts) {
        this.inner.submit(writeBio(sector, part, 0, written));
        sector += part.length / SECTOR_BYTES;
      }
    });
  }
}

export interface Disk {
  readonly member: Member;
  readonly memory: MemoryDevice;
  readonly faulty: FaultyDevice;
  readonly waiting: WaitingDevice;
}

export interface StripedOptions {
  readonly shape: MdShape;
  readonly componentSectors: number;
  readonly prng: Prng;
  readonly engine?: ParityEngine;
  readonly log?: StripeLog;
  readonly isReadOnly?: boolean;
  /** Members have no place for a bad-block log. */
  readonly hasNoBadBlockLog?: boolean;
}

export class StripedArray {
  readonly geometry: StripeGeometry;
  readonly level: StripesLevel;
  readonly disks: Disk[] = [];
  readonly members: Members;
  readonly core: ArrayCore;
  /** What the volume holds. */
  readonly content: Uint8Array;
  /** What happened, in order. */
  readonly events: string[] = [];
  /** Records are written when the test says so: `record`. */
  holdsRecords = false;
  holdsRegions = false;
  nowMs = 0;
  readonly #prng: Prng;
  readonly #options: StripedOptions;
  readonly #queue: (() => void)[] = [];
  readonly #records: BioEnd[] = [];
  readonly #regionsBegun: BioEnd[] = [];
  #unrecorded = 0;

  constructor(options: StripedOptions) {
    const { shape, componentSectors, prng } = options;
    this.#prng = prng;
    this.#options = options;
    const sizes = { componentSectors, memberSectors: [], raid0Layout: null };
    const geometry = makeGeometry(shape, sizes);
    assert(geometry instanceof StripeGeometry, "a level with parity");
    this.geometry = geometry;
    this.content = new Uint8Array(geometry.arraySectors * SECTOR_BYTES);
    prng.fill(this.content);
    this.members = new Members(shape.raidDisks, []);
    for (let slot = 0; slot < shape.raidDisks; slot += 1) {
      const disk = this.addDisk({ kind: "in-sync", slot }, false);
      this.#fill(disk, slot);
    }
    this.core = this.#makeCore();
    this.level = new StripesLevel(this.core, geometry, options.log);
  }

  addDisk(standing: Standing, isReplacement: boolean): Disk {
    const number = this.disks.length;
    const name = `disk${number}`;
    const sectors = DATA_OFFSET + this.#options.componentSectors;
    const memory = new MemoryDevice({ name, sectors });
    const junk = new Uint8Array(sectors * SECTOR_BYTES);
    this.#prng.fill(junk);
    memory.submit(new Bio("write", 0, sectors, junk, 0, () => {}));
    const faulty = new FaultyDevice(memory);
    const waiting = new WaitingDevice(faulty, this.#queue);
    const superblock: Partial<MdSuperblock> = {
      deviceNumber: number,
      dataOffsetSectors: DATA_OFFSET,
      events: 1,
      journalTailSectors: null,
      replacement: isReplacement,
      writeMostly: false,
      failFast: false,
      correctedSectors: 0,
    };
    const log = this.#options.hasNoBadBlockLog === true ? null : BAD_BLOCK_LOG;
    const member = new Member({
      label: name,
      device: checked(waiting),
      superblock: superblock as MdSuperblock,
      image: new Uint8Array(0),
      standing,
      badBlocks: new BadBlockTable(log, []),
    });
    this.members.attach(member);
    const disk = { member, memory, faulty, waiting };
    this.disks.push(disk);
    return disk;
  }

  /** What the slot should hold: data from `content`, parity made of it. */
  expected(slot: number): Uint8Array {
    const { chunkSectors, dataDisks, usedSectors } = this.geometry;
    const chunk = chunkSectors * SECTOR_BYTES;
    const all = new Uint8Array(usedSectors * SECTOR_BYTES);
    for (let row = 0; row * chunkSectors < usedSectors; row += 1) {
      const layout = this.geometry.rowLayout(row);
      const blocks = new Map(layout.slots.map((one) => [one, new Uint8Array(chunk)]));
      for (const [index, one] of layout.data.entries()) {
        const from = (row * dataDisks + index) * chunk;
        blocks.get(one)!.set(this.content.subarray(from, from + chunk));
      }
      generate(layout, blocks);
      all.set(blocks.get(slot)!, row * chunk);
    }
    return all;
  }

  #fill(disk: Disk, slot: number): void {
    const data = this.expected(slot);
    disk.memory.submit(
      new Bio("write", DATA_OFFSET, data.length / SECTOR_BYTES, data, 0, () => {}),
    );
  }

  /** As it is on the disk, faults or not. */
  stored(disk: Disk): Uint8Array {
    const data = new Uint8Array(this.geometry.usedSectors * SECTOR_BYTES);
    disk.memory.submit(new Bio("read", DATA_OFFSET, data.length / SECTOR_BYTES, data, 0, () => {}));
    return data;
  }

  /** Changes what a disk holds behind everybody's back. */
  spoil(disk: Disk, sector: number, data: Uint8Array): void {
    const at = DATA_OFFSET + sector;
    disk.memory.submit(new Bio("write", at, data.length / SECTOR_BYTES, data, 0, () => {}));
  }

  get waiting(): number {
    return this.#queue.length;
  }

  count(op: BioOp): number {
    return this.disks.reduce((sum, { waiting }) => sum + (waiting.counts.get(op) ?? 0), 0);
  }

  resetCounts(): void {
    for (const { waiting } of this.disks) waiting.counts.clear();
  }

  /** Lets one bio of some member go. False: there was none. */
  pumpOne(): boolean {
    if (this.#queue.length === 0) return false;
    const [go] = this.#queue.splice(this.#prng.below(this.#queue.length), 1);
    go!();
    return true;
  }

  pump(): void {
    while (this.pumpOne());
  }

  write(sector: number, data: Uint8Array, end: BioEnd, flags = 0): void {
    this.level.run(new Bio("write", sector, data.length / SECTOR_BYTES, data, flags, end), end);
  }

  read(sector: number, data: Uint8Array, end: BioEnd): void {
    this.level.run(new Bio("read", sector, data.length / SECTOR_BYTES, data, 0, end), end);
  }

  /** A whole pass, pumped step by step; filled members become in-sync. */
  sync(action: SyncAction): { mismatches: number; errors: HoldfastError[] } {
    const work = this.level.syncWork(action);
    const result = { mismatches: 0, errors: [] as HoldfastError[] };
    if (work === null) return result;
    for (let at = 0; at < work.sectors;) {
      const ended: StepOutcome[] = [];
      const sectors = work.step(at, work.sectors, (one) => ended.push(one));
      this.pump();
      const outcome = ended[0];
      assert(outcome !== undefined, "a step ends");
      if (outcome.kind === "done") result.mismatches += outcome.mismatches;
      if (outcome.kind === "failed") {
        result.errors.push(outcome.error);
        return result;
      }
      at += sectors;
      if (action === "recover") this.recovered(at);
    }
    return result;
  }

  /** Those that are being filled are, up to there. */
  recovered(sectors: number): void {
    for (const { member } of this.disks) {
      const { standing } = member;
      if (standing.kind !== "recovering") continue;
      const { slot } = standing;
      member.standing =
        sectors >= this.geometry.usedSectors
          ? { kind: "in-sync", slot }
          : { kind: "recovering", slot, recoveredSectors: sectors };
    }
  }

  fail(member: Member): void {
    member.standing = { kind: "faulty" };
    this.events.push(`failed ${member.label}`);
  }

  /** Everything that waits to be recorded is durable now. */
  record(): void {
    this.events.push("recorded");
    this.#unrecorded = 0;
    for (const done of this.#records.splice(0)) done(null);
  }

  beginRegions(): void {
    for (const begun of this.#regionsBegun.splice(0)) begun(null);
  }

  #makeCore(): ArrayCore {
    const recordSoon = (recorded: BioEnd): void => {
      this.#records.push(recorded);
      if (!this.holdsRecords) this.#queue.push(() => this.record());
    };
    const memberFailed = (member: Member, why: HoldfastError, recorded: BioEnd): void => {
      const slot = member.slot;
      const isLast = slot !== null && !this.#canLose(member);
      if (isLast)
        recorded(
          new HoldfastError("io", `nothing is left without ${member.label}: ${why.message}`),
        );
      else {
        this.fail(member);
        this.#unrecorded += 1;
        recordSoon(recorded);
      }
    };
    const nothing = (): never => {
      throw new Error("not used");
    };
    return {
      name: "md0",
      members: this.members,
      record: {
        raidDisks: this.geometry.raidDisks,
        componentSectors: this.geometry.usedSectors,
        hasPpl: false,
        events: 1,
        isClean: false,
        resyncOffsetSectors: Infinity,
      },
      regions: this.#makeRegions(),
      settings: usualSettings(),
      locks: new RangeLock(),
      clock: { wallMs: nothing, monotonicMs: () => this.nowMs },
      timers: { set: nothing },
      parity: () => this.#options.engine ?? plainEngine,
      canMiss: (member) => member.slot === null || this.#canLose(member),
      memberFailed,
      blocksFailed: (member, sector, sectors, why, recorded) => {
        if (member.slot === null || !member.badBlocks.add(sector, sectors)) {
          memberFailed(member, why, recorded);
          return;
        }
        this.events.push(`bad ${member.label}`);
        this.#unrecorded += 1;
        recordSoon(recorded);
      },
      keepUnderWay: () => ({ underWay: 1 }),
      endUnderWay: () => {},
      isWritable: this.#options.isReadOnly !== true,
      commit: (_change, done) => done(),
      whenRecorded: (recorded) => {
        if (this.#unrecorded === 0) recorded(null);
        else recordSoon(recorded);
      },
    };
  }

  #canLose(member: Member): boolean {
    if (member.isReplacement || !member.isInSync) return true;
    return this.members.degraded < this.geometry.raidDisks - this.geometry.dataDisks;
  }

  /** Checks that regions are begun before members are written, and ended as often. */
  #makeRegions(): RegionTracker {
    return {
      ...noRegions,
      beginWrite: (sector, sectors, begun) => {
        this.events.push(`begin ${sector}+${sectors}`);
        this.#regionsBegun.push(begun);
        if (!this.holdsRegions) this.#queue.push(() => this.beginRegions());
      },
      endWrite: (sector, sectors, isEverywhere) => {
        this.events.push(
          `end ${sector}+${sectors} ${isEverywhere ? "everywhere" : "not everywhere"}`,
        );
      },
      beginSync: (_sector, max) => max,
      endSync: () => {},
    };
  }
}

const BAD_BLOCK_LOG = { startSector: 0, sectors: 8, shift: 0, inUse: true };
