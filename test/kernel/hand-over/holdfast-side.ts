/** An array in the hands of Holdfast: on disks in memory, in virtual time. */
import { assert } from "../../../src/base/assert.ts";
import { HoldfastError } from "../../../src/base/errors.ts";
import type { Prng } from "../../../src/base/prng.ts";
import { alignDown } from "../../../src/base/units.ts";
import { readSectors } from "../../../src/block/promises.ts";
import { bitmapRuns } from "../../../src/formats/md/bitmap-runs.ts";
import { probeMdSuperblocks, readMemberBitmap } from "../../../src/md/probe.ts";
import type { ManagedArray } from "../../../src/md/running/managed-array.ts";
import type { Member } from "../../../src/md/running/member.ts";
import { freeDeviceNumber, newMember, prepareMember } from "../../../src/md/running/new-member.ts";
import { judgeReturn, rejoin } from "../../../src/md/running/rejoin.ts";
import type { ArrayDevice } from "../../support/array-device.ts";
import { randomBytes } from "../../support/bytes.ts";
import { newDevice } from "../../support/create-request.ts";
import { VirtualTime } from "../../support/virtual-time.ts";
import { runDisks } from "../../support/written-array.ts";

/** What was read or written in the data area of the members, member sectors. */
export interface Touched {
  readonly slot: number;
  readonly op: string;
  readonly from: number;
  readonly to: number;
}

/** Sectors of members; of raid10 those of the array. */
export type Runs = readonly { readonly from: number; readonly to: number }[];

export class RunningSubject {
  readonly time = new VirtualTime();
  readonly disks: readonly ArrayDevice[];
  #managed: ManagedArray | null = null;

  constructor(disks: readonly ArrayDevice[]) {
    this.disks = disks;
  }

  get managed(): ManagedArray {
    assert(this.#managed !== null, "it was started");
    return this.#managed;
  }

  /** Nothing is synced before time goes on. @param disks those of them that are there */
  async start(disks = this.disks): Promise<this> {
    this.#managed = await runDisks(disks, this.time);
    for (const { seen } of this.disks) seen.length = 0;
    return this;
  }

  /** Until nothing is synced, nor about to be. */
  async rest(): Promise<void> {
    await this.time.until(this.managed.sync.whenAtRest());
  }

  /** Until it has recorded that it holds there. */
  async held(sector: number): Promise<void> {
    for (let turn = 0; turn < 100_000; turn += 1) {
      const { state } = this.managed.sync;
      if (state.kind === "running" && state.completed >= sector) return;
      await this.turn();
    }
    throw new Error(`it did not come to ${sector}: ${JSON.stringify(this.managed.sync.state)}`);
  }

  async turn(): Promise<void> {
    await this.time.until(Promise.resolve());
    this.time.next();
  }

  async content(): Promise<Uint8Array> {
    const { array } = this.managed;
    return this.time.until(readSectors(array, 0, array.sectors));
  }

  member(slot: number): Member {
    const { member } = this.managed.array.members.at(slot);
    assert(member !== null, "somebody stands there");
    return member;
  }

  /** A member fails, because somebody says so. */
  async fail(slot: number): Promise<void> {
    const why = new HoldfastError("io", "pulled out");
    await this.time.until(this.managed.failMember(this.member(slot), why));
  }

  /** A device that was in the array comes back by its bitmap. */
  async takeBack(device: ArrayDevice): Promise<void> {
    const { array, bitmap } = this.managed;
    const { primary } = await probeMdSuperblocks(device);
    assert(primary !== null, "it was in the array");
    // Superblocks of other versions would lie in the data.
    device.seen.length = 0;
    const candidate = { path: device.name, device, superblock: primary };
    const eventsCleared = bitmap?.store.eventsCleared ?? null;
    const judged = judgeReturn({ array, eventsCleared, candidate });
    if (judged.kind !== "by-bitmap") throw new Error(JSON.stringify(judged));
    await this.time.until(this.managed.addMember(await rejoin(candidate, judged)));
  }

  /** A device that was never in the array. */
  async add(device: ArrayDevice, prng: Prng): Promise<void> {
    const { array, bitmap } = this.managed;
    const { superblock } = array.members.attached[0]!;
    const made = newMember({
      array,
      bitmap: bitmap?.store.shape ?? null,
      device,
      joining: newDevice(device.sectors, { deviceUuid: randomBytes(prng, 16) }),
      number: freeDeviceNumber(array),
      badBlockLog: superblock.badBlockLog !== null,
      journalSequence: 0n,
    });
    if (made.kind === "refused") throw new Error(made.reason);
    await this.time.until(prepareMember(made));
    await this.time.until(this.managed.addMember(made.member));
  }

  async close(): Promise<void> {
    await this.time.until(this.managed.close());
  }

  /** Since the start. */
  touched(): Touched[] {
    const { members, record } = this.managed.array;
    return members.attached.flatMap(({ device, dataOffset, slot }) => {
      const disk = this.disks.find((one) => one === device);
      const ios = disk?.seen ?? [];
      return ios.flatMap(({ op, sector, sectors }) => {
        const from = sector - dataOffset;
        const isData = from >= 0 && from < record.componentSectors && sectors > 0;
        return isData ? [{ slot: slot ?? -1, op, from, to: from + sectors }] : [];
      });
    });
  }
}

/** What the bitmap calls dirty, of the first member that has one; null: there is none. */
export async function dirtyIn(disks: readonly ArrayDevice[]): Promise<Runs | null> {
  for (const disk of disks) {
    const { primary } = await probeMdSuperblocks(disk);
    const found = primary === null ? null : await readMemberBitmap(disk, primary);
    if (found?.decoded.kind !== "ok") continue;
    const { bitmap } = found.decoded;
    const dirty = [];
    for await (const { chunk, chunks, state } of bitmapRuns(bitmap, found.read)) {
      const from = chunk * bitmap.chunkSectors;
      if (state === "dirty") dirty.push({ from, to: from + chunks * bitmap.chunkSectors });
    }
    return dirty;
  }
  return null;
}

/** The recorded place from which a member is filled, or else a resync goes on; null: none. */
export function checkpointOf({ managed }: RunningSubject): number | null {
  const { members, record } = managed.array;
  const filling = members.attached.find(({ standing }) => standing.kind === "recovering");
  if (filling !== undefined) return filling.goodEnd;
  return record.resyncOffsetSectors === Infinity ? null : record.resyncOffsetSectors;
}

/**
 * What a resync has left to do: all from its checkpoint on; with a bitmap what is dirty there, by whole chunks.
 * @param end of what is resynced
 */
export function leftToResync(
  { checkpoint, dirty }: { readonly checkpoint: number | null; readonly dirty: Runs | null },
  bitmapChunkSectors: number | null,
  end: number,
): number {
  if (dirty === null) return end - checkpoint!;
  // Below it they are only not clean yet.
  const start = alignDown(checkpoint!, bitmapChunkSectors!);
  return dirty.reduce(
    (sum, { from, to }) => sum + Math.max(0, Math.min(to, end) - Math.max(from, start)),
    0,
  );
}
