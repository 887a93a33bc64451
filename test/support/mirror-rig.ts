/** A mirror over test disks, for tests of its level (src/md/running/levels). */
import type { HoldfastError } from "../../src/base/errors.ts";
import { Bio } from "../../src/block/bio.ts";
import type { BioOp } from "../../src/block/bio.ts";
import { Raid1Geometry } from "../../src/md/geometry/raid1.ts";
import { Raid10Geometry, parseRaid10Layout } from "../../src/md/geometry/raid10.ts";
import type { ArrayCore, SyncAction } from "../../src/md/running/core.ts";
import { MirrorLevel } from "../../src/md/running/levels/mirror.ts";
import type { Member } from "../../src/md/running/member.ts";
import type { StepOutcome, SyncWork } from "../../src/sync/work.ts";
import { sameBytes } from "./bytes.ts";
import { TestCore, turn } from "./mirror-core.ts";
import type { TestCoreOptions } from "./mirror-core.ts";

export const SECTORS = 256;

export type Geometry = Raid1Geometry | Raid10Geometry;

export function raid10(layout: number, disks: number): Raid10Geometry {
  return new Raid10Geometry(parseRaid10Layout(layout, disks)!, disks, 16, SECTORS);
}

/** By name: the shape, and slots of which any one may be lost with all the others. */
export const SHAPES: readonly (readonly [string, () => Geometry, readonly number[]])[] = [
  ["raid1 of 2", () => new Raid1Geometry(2, SECTORS), [1]],
  ["raid1 of 3", () => new Raid1Geometry(3, SECTORS), [0, 2]],
  ["raid10 n2 of 4", () => raid10(0x102, 4), [1, 2]],
  ["raid10 n2 of 3", () => raid10(0x102, 3), [2]],
  ["raid10 f2 of 4", () => raid10(0x201, 4), [1, 3]],
  ["raid10 o2 of 4", () => raid10(0x10201, 4), [0, 2]],
  ["raid10 n3 of 4", () => raid10(0x103, 4), [0, 3]],
];

export class Rig {
  readonly core: TestCore;
  readonly level: MirrorLevel;
  readonly geometry: Geometry;

  constructor(geometry: Geometry, options: Partial<TestCoreOptions> = {}) {
    this.geometry = geometry;
    const memberSectors = geometry.memberSectorsUsed(0);
    this.core = new TestCore({
      slots: geometry.raidDisks,
      memberSectors,
      hasLog: true,
      ...options,
    });
    const core: ArrayCore = this.core;
    this.level = new MirrorLevel(core, geometry);
  }

  /** Starts it; what it came to, once it has ended. */
  submit(
    op: BioOp,
    sector: number,
    sectors: number,
    data: Uint8Array = new Uint8Array(0),
    flags = 0,
  ): { error?: HoldfastError | null } {
    const outcome: { error?: HoldfastError | null } = {};
    this.level.run(new Bio(op, sector, sectors, data, flags, () => {}), (error) => {
      if (outcome.error !== undefined) throw new Error(`a ${op} ended twice`);
      outcome.error = error;
    });
    return outcome;
  }

  write(sector: number, data: Uint8Array, flags = 0): { error?: HoldfastError | null } {
    return this.submit("write", sector, data.length / 512, data, flags);
  }

  /** Writes; it must succeed at once. */
  fill(sector: number, data: Uint8Array): void {
    const { error } = this.write(sector, data);
    if (error !== null) throw error ?? new Error("the write has not ended");
  }

  read(sector: number, sectors: number): Uint8Array | HoldfastError {
    const data = new Uint8Array(sectors * 512);
    const { error } = this.submit("read", sector, sectors, data);
    if (error === undefined) throw new Error("the read has not ended");
    return error ?? data;
  }

  async sync(action: SyncAction, meanwhile = (): void => {}): Promise<StepOutcome[]> {
    const work = this.level.syncWork(action)!;
    return runAll(work, async () => {
      meanwhile();
      await turn();
    });
  }

  member(number: number): Member {
    return this.core.disks[number]!.member;
  }
}

export async function runAll(work: SyncWork, wait: () => Promise<void>): Promise<StepOutcome[]> {
  const outcomes: StepOutcome[] = [];
  for (let at = 0; at < work.sectors;) {
    let outcome: StepOutcome | undefined;
    at += work.step(at, work.sectors, (came) => (outcome = came));
    while (outcome === undefined) await wait();
    outcomes.push(outcome);
  }
  return outcomes;
}

export function mismatchesOf(outcomes: readonly StepOutcome[]): number {
  return outcomes.reduce((sum, one) => sum + (one.kind === "done" ? one.mismatches : 0), 0);
}

export const bytes = (fill: number, sectors: number): Uint8Array =>
  new Uint8Array(sectors * 512).fill(fill);

/** Every place of every sector on members that are believed has the model's data. */
export function differencesTo(rig: Rig, model: Uint8Array): string[] {
  const found: string[] = [];
  for (let sector = 0; sector < rig.geometry.arraySectors; sector += 1)
    found.push(...differencesAt(rig, sector, model.subarray(sector * 512, (sector + 1) * 512)));
  return found;
}

/** @param counts which members are to be looked at */
export function differencesAt(
  { core, geometry }: Rig,
  sector: number,
  data: Uint8Array,
  counts: (member: Member) => boolean = () => true,
): string[] {
  return geometry.copies(sector, []).flatMap(({ slot, memberSector }) =>
    core
      .believed(slot, memberSector)
      .filter((one) => counts(one) && !sameBytes(core.contentOf(one, memberSector), data))
      .map((member) => `sector ${sector} on ${member.label}`),
  );
}
