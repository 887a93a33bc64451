/** A running array on disks that remember, for tests: made, written to, looked at. */
import type { HoldfastError } from "../../src/base/errors.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { BioFlags, flushBio, readBio, writeBio } from "../../src/block/bio.ts";
import type { Bio, BioEnd } from "../../src/block/bio.ts";
import type { MdShape, MdSuperblock } from "../../src/formats/md/superblock.ts";
import type { AssembleOptions } from "../../src/md/running/assemble.ts";
import type { RunningArray } from "../../src/md/running/array.ts";
import type { PlanOptions } from "../../src/md/plan.ts";
import { CrashDisks } from "./crash-disks.ts";
import { VirtualTime } from "./virtual-time.ts";
import {
  DATA_OFFSET,
  LOG_SECTOR,
  MIRROR,
  SUPER_SECTOR,
  memberImage,
  planFor,
  runPlan,
  superblockIn,
} from "./running-array.ts";
import type { ImageOptions } from "./running-array.ts";

export interface WorldOptions {
  readonly shape?: MdShape;
  /** Devices beyond the members. */
  readonly spares?: number;
  /** Changes for the image of a device, by number. */
  readonly images?: Readonly<Record<number, Partial<ImageOptions>>>;
  /** Of all images. */
  readonly all?: Partial<ImageOptions>;
  /** Devices that are not given. */
  readonly away?: readonly number[];
  readonly assemble?: Partial<AssembleOptions>;
  readonly plan?: Partial<PlanOptions>;
}

/** What became of a request. */
export interface Outcome {
  ended: "not yet" | "ok" | HoldfastError;
}

export class RunningWorld {
  readonly disks: CrashDisks;
  readonly time = new VirtualTime();
  readonly #options: WorldOptions;
  #array: RunningArray | null = null;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    const { shape = MIRROR, spares = 0, images = {}, all = {} } = options;
    const roles = Array.from({ length: shape.raidDisks }, (_unused, slot) => slot);
    this.disks = new CrashDisks(
      Array.from({ length: shape.raidDisks + spares }, (_unused, number) =>
        memberImage({ shape, number, roles, ...all, ...images[number] }),
      ),
    );
  }

  get array(): RunningArray {
    return this.#array!;
  }

  async start(): Promise<this> {
    const { away = [], assemble, plan } = this.#options;
    const here = this.disks.disks.filter((_one, i) => !away.includes(i));
    const made = planFor(
      here,
      here.map(({ atFirst }) => atFirst),
      plan,
    );
    const running = runPlan(made, this.time, assemble);
    await this.disks.pump();
    this.#array = await running;
    return this;
  }

  #submitted(make: (end: BioEnd) => Bio): Outcome {
    const outcome: Outcome = { ended: "not yet" };
    this.array.submit(make((error) => (outcome.ended = error ?? "ok")));
    return outcome;
  }

  /** Only submits it. */
  submitWrite(sector: number, flags: number = BioFlags.none, sectors = 1): Outcome {
    const data = new Uint8Array(sectors * SECTOR_BYTES).fill(1);
    return this.#submitted((end) => writeBio(sector, data, flags, end));
  }

  submitFlush(): Outcome {
    return this.#submitted((end) => flushBio(end));
  }

  async write(sector: number, flags: number = BioFlags.none): Promise<Outcome["ended"]> {
    const outcome = this.submitWrite(sector, flags);
    await this.disks.pump();
    return outcome.ended;
  }

  async read(sector: number): Promise<Outcome["ended"]> {
    const outcome = this.#submitted((end) => readBio(sector, new Uint8Array(SECTOR_BYTES), end));
    await this.disks.pump();
    return outcome.ended;
  }

  /** Until the array has been marked clean, if it is to be. */
  async becomeIdle(): Promise<void> {
    this.time.pass(this.array.safeModeDelayMs);
    await this.disks.pump();
  }

  /** Ends the disks' requests until `wanted` has an answer. */
  async finish<T>(wanted: Promise<T>): Promise<T> {
    await this.disks.pump();
    return wanted;
  }

  /** What a disk's superblock says now. */
  superblock(disk: number): MdSuperblock {
    const images = this.disks.imagesWith(this.disks.log.length, () => true);
    return superblockIn(images[disk]!)!;
  }

  /** Event counts in the superblocks. */
  get events(): number[] {
    return this.disks.disks.map((_one, disk) => this.superblock(disk).events);
  }

  /** What has been asked of the disks since the last time: "0 flush", "1 super", "1 data 3", "1 log", and marks. */
  takeLog(): string[] {
    const entries = this.disks.log.flatMap((entry) => {
      if (entry.kind === "mark") return [entry.what];
      if (entry.kind === "flush") return [`${entry.disk} flush`];
      if (entry.kind !== "write") return [];
      if (entry.sector === SUPER_SECTOR) return [`${entry.disk} super`];
      if (entry.sector >= DATA_OFFSET) return [`${entry.disk} data ${entry.sector - DATA_OFFSET}`];
      return [`${entry.disk} ${entry.sector === LOG_SECTOR ? "log" : "?"}`];
    });
    const fresh = entries.slice(this.#seen);
    this.#seen = entries.length;
    return fresh;
  }

  #seen = 0;
}

export function failsData(bio: Bio): boolean {
  return bio.op === "write" && bio.sector >= DATA_OFFSET;
}

export function failsSuperblock(bio: Bio): boolean {
  return bio.op === "write" && bio.sector === SUPER_SECTOR;
}

export function failsFlush(bio: Bio): boolean {
  return bio.op === "flush";
}
