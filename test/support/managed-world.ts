/** A whole array on disks that fail on command, with its background sync, in virtual time. */
import { Prng } from "../../src/base/prng.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { HoldfastError } from "../../src/base/errors.ts";
import { readSectors } from "../../src/block/promises.ts";
import { FaultyDevice } from "../../src/devices/faulty.ts";
import type { CreateRequest } from "../../src/md/create/request.ts";
import type { MdCandidate } from "../../src/md/candidate.ts";
import { probeMdSuperblocks } from "../../src/md/probe.ts";
import { freeDeviceNumber, newMember, prepareMember } from "../../src/md/running/new-member.ts";
import { judgeReturn, rejoin } from "../../src/md/running/rejoin.ts";
import type { Rejoin } from "../../src/md/running/rejoin.ts";
import type { ManagedArray } from "../../src/md/running/managed-array.ts";
import type { SyncWord } from "../../src/md/running/sync-control.ts";
import { ArrayDevice } from "./array-device.ts";
import { goldenCase, unpackImage } from "./golden.ts";
import { VirtualTime } from "./virtual-time.ts";
import { createOnDisks, runDisks, writeAllOver } from "./written-array.ts";

export interface FailingDisk {
  readonly disk: ArrayDevice;
  readonly faults: FaultyDevice;
}

export interface LevelCase {
  readonly name: string;
  readonly disks: number;
  readonly request: Partial<CreateRequest>;
  /** Members that it can do without at most, whichever they are. */
  readonly bears: number;
}

/** Every level with redundancy. */
export const LEVELS: readonly LevelCase[] = [
  { name: "raid1 of 3", disks: 3, request: { level: "raid1" }, bears: 2 },
  { name: "raid10 n2 of 4", disks: 4, request: { level: "raid10", layout: 0x102 }, bears: 1 },
  { name: "raid10 f2 of 3", disks: 3, request: { level: "raid10", layout: 0x201 }, bears: 1 },
  { name: "raid4 of 3", disks: 3, request: { level: "raid4" }, bears: 1 },
  { name: "raid5 of 4", disks: 4, request: { level: "raid5" }, bears: 1 },
  { name: "raid6 of 5", disks: 5, request: { level: "raid6" }, bears: 2 },
];

export class ManagedWorld {
  readonly prng: Prng;
  readonly time = new VirtualTime();
  disks: FailingDisk[] = [];
  managed!: ManagedArray;
  /** What the array gets of a disk. */
  deviceOf: (disk: FailingDisk) => BlockDevice = ({ faults }) => faults;

  constructor(seed: number) {
    this.prng = new Prng(seed);
  }

  async create({ disks, request }: LevelCase, more: Partial<CreateRequest> = {}): Promise<void> {
    const chunkSectors = request.level === "raid1" ? null : 64;
    const all = { chunkSectors, raidDisks: disks, assumeClean: true, ...request, ...more };
    const made = createOnDisks(this.prng, disks + (more.spareDisks ?? 0), 4 * 2048, all);
    this.disks = made.map((disk) => ({ disk, faults: new FaultyDevice(disk) }));
    await this.run();
  }

  /** On copies of a golden case's disks. */
  async open(name: string): Promise<void> {
    const golden = goldenCase(name);
    this.disks = [...golden.members.keys()].map((index) => {
      const bytes = unpackImage(golden, index);
      const disk = this.emptyDisk(bytes.length / 512, `d${index}`).disk;
      disk.bytes.set(bytes);
      return { disk, faults: new FaultyDevice(disk) };
    });
    await this.run();
  }

  emptyDisk(sectors: number, name: string): FailingDisk {
    const disk = new ArrayDevice(sectors, {}, name);
    return { disk, faults: new FaultyDevice(disk) };
  }

  async run(disks: readonly FailingDisk[] = this.disks): Promise<void> {
    const devices = disks.map((disk) => this.deviceOf(disk));
    this.managed = await this.time.until(runDisks(devices, this.time));
  }

  /** Contents all over it. */
  fill(): Promise<Uint8Array> {
    return this.time.until(writeAllOver(this.prng, this.managed.array, 20));
  }

  content(): Promise<Uint8Array> {
    const { array } = this.managed;
    return this.time.until(readSectors(array, 0, array.sectors));
  }

  /** Until there is nothing to be done in the background. */
  async quiet(): Promise<void> {
    await this.time.until(this.managed.sync.whenAtRest());
  }

  /** How many sectors it found. */
  async pass(word: SyncWord): Promise<number> {
    await this.time.until(this.managed.sync.setAction(word));
    await this.quiet();
    return this.managed.sync.mismatches;
  }

  close(): Promise<void> {
    return this.time.until(this.managed.close());
  }

  /** The member is failed, and removed. */
  async leave(slot: number): Promise<FailingDisk> {
    const { managed, time } = this;
    const member = managed.array.members.at(slot).member!;
    await time.until(managed.failMember(member, new HoldfastError("io", "pulled")));
    await time.until(managed.removeMember(member));
    return this.disks.find(({ faults }) => faults === member.device)!;
  }

  async #candidate({ faults }: FailingDisk): Promise<MdCandidate> {
    const { primary } = await this.time.until(probeMdSuperblocks(faults));
    return { path: faults.name, device: faults, superblock: primary! };
  }

  async judged(disk: FailingDisk): Promise<Rejoin> {
    const { array, bitmap } = this.managed;
    const candidate = await this.#candidate(disk);
    return judgeReturn({ array, eventsCleared: bitmap?.store.eventsCleared ?? null, candidate });
  }

  async comeBack(disk: FailingDisk, verdict: Rejoin): Promise<void> {
    if (verdict.kind !== "by-bitmap" && verdict.kind !== "whole") throw new Error(verdict.why);
    const member = await this.time.until(rejoin(await this.#candidate(disk), verdict));
    await this.time.until(this.managed.addMember(member));
    await this.quiet();
  }

  async addNew({ faults }: FailingDisk): Promise<void> {
    const { array, bitmap } = this.managed;
    const made = newMember({
      array,
      bitmap: bitmap?.store.shape ?? null,
      device: faults,
      joining: {
        label: faults.name,
        deviceUuid: Uint8Array.from({ length: 16 }, () => this.prng.below(256)),
        isJournal: false,
        writeMostly: false,
        failFast: false,
        node: null,
        oldSuperblockSectors: [],
      },
      number: freeDeviceNumber(array),
      badBlockLog: true,
      journalSequence: 0n,
    });
    if (made.kind === "refused") throw new Error(made.reason);
    await this.time.until(prepareMember(made));
    await this.time.until(this.managed.addMember(made.member));
    await this.quiet();
  }
}
