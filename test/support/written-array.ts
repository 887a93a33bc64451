/** Arrays that Holdfast makes and runs on disks in memory, for others to judge. */
import type { Prng } from "../../src/base/prng.ts";
import { BioFlags } from "../../src/block/bio.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { flush, writeSectors } from "../../src/block/promises.ts";
import { planCreate } from "../../src/md/create/plan-create.ts";
import type { CreateRequest, NewDevice } from "../../src/md/create/request.ts";
import { planAssembly } from "../../src/md/plan.ts";
import { probeMdSuperblocks } from "../../src/md/probe.ts";
import type { RunningArray } from "../../src/md/running/array.ts";
import { startManaged } from "../../src/md/running/managed-array.ts";
import type { ManagedArray, ManageOptions } from "../../src/md/running/managed-array.ts";
import { SyncScheduler } from "../../src/sync/scheduler.ts";
import { createParityEngine } from "../../src/parity/engine.ts";
import type { ParityEngine } from "../../src/parity/engine.ts";
import { ArrayDevice } from "./array-device.ts";
import { randomBytes } from "./bytes.ts";
import { createRequest, newDevice } from "./create-request.ts";
import type { VirtualTime } from "./virtual-time.ts";

let engine: ParityEngine | undefined;

/** New disks with a new array on them, and a journal behind them if it has any sectors. Throws what the plan refuses. */
export function createOnDisks(
  prng: Prng,
  disks: number,
  sectors: number,
  more: Partial<CreateRequest>,
  journalSectors = 0,
): ArrayDevice[] {
  const sizes = Array.from({ length: disks }, () => sectors);
  if (journalSectors > 0) sizes.push(journalSectors);
  const devices = sizes.map((size, i) => new ArrayDevice(size, {}, `d${i}`));
  createOn(
    prng,
    devices,
    more,
    devices.map((_, i) => ({ isJournal: i === disks })),
  );
  return devices;
}

/**
 * A new array on these disks; null: a member that is missing. Throws what the plan refuses.
 * @param each what is asked for each of them besides
 */
export function createOn(
  prng: Prng,
  devices: readonly (ArrayDevice | null)[],
  more: Partial<CreateRequest>,
  each: readonly Partial<NewDevice>[] = [],
): void {
  const asked = devices.map((device, i) => {
    if (device === null) return null;
    return newDevice(device.sectors, { deviceUuid: randomBytes(prng, 16), ...each[i] });
  });
  const request = createRequest(asked, { arrayUuid: randomBytes(prng, 16), ...more });
  const decision = planCreate(request);
  if (decision.kind === "refused") throw new Error(decision.reason);
  for (const { index, writes } of decision.plan.devices)
    for (const { sector, bytes } of writes) devices[index]!.bytes.set(bytes, sector * 512);
}

/** Runs what is on the disks, for writing. */
export async function runDisks(
  devices: readonly BlockDevice[],
  time: VirtualTime,
  { mode = "read-write", force = false }: { mode?: ManageOptions["mode"]; force?: boolean } = {},
): Promise<ManagedArray> {
  const set = [];
  for (const device of devices) {
    const { primary } = await probeMdSuperblocks(device);
    if (primary !== null) set.push({ path: device.name, device, superblock: primary });
  }
  const plan = planAssembly(set, { force, backupGiven: false });
  if (plan === null) throw new Error("no superblock can be believed");
  return startManaged(plan, {
    name: "array",
    mode,
    clock: time,
    timers: time,
    parity: () => (engine ??= createParityEngine()),
    scheduler: new SyncScheduler(),
    systemLimits: { minKiBps: 1000, maxKiBps: 200_000 },
    syncUsers: null,
  });
}

/** The same, for tests in which nothing is synced: their time stands still. */
export async function runArray(...given: Parameters<typeof runDisks>): Promise<RunningArray> {
  return (await runDisks(...given)).array;
}

/** Fills the array, then writes over random places, several writes at a time. Returns what it is to hold, all of it flushed. */
export async function writeAllOver(
  prng: Prng,
  array: RunningArray,
  writes: number,
): Promise<Uint8Array> {
  const content = randomBytes(prng, array.sectors * 512);
  await writeSectors(array, 0, content);
  await writeScattered(prng, array, content, writes);
  return content;
}

/** Writes over random places, several writes at a time, and notes them in `content`. All of it is flushed then. */
export async function writeScattered(
  prng: Prng,
  array: RunningArray,
  content: Uint8Array,
  writes: number,
): Promise<void> {
  for (let left = writes; left > 0; left -= 4) {
    const batch = new Map<number, Uint8Array>();
    // Side by side, not one on top of the other: then the order is nobody's promise.
    for (let part = 0; part < 4; part += 1) {
      const from = Math.floor((array.sectors * part) / 4);
      const room = Math.floor((array.sectors * (part + 1)) / 4) - from;
      const sectors = prng.between(1, Math.min(room, prng.chance(0.2) ? 700 : 24));
      const at = from + prng.below(room - sectors + 1);
      batch.set(at, randomBytes(prng, sectors * 512));
    }
    const flags = prng.chance(0.2) ? BioFlags.fua : BioFlags.none;
    await Promise.all([...batch].map(([at, data]) => writeSectors(array, at, data, flags)));
    for (const [at, data] of batch) content.set(data, at * 512);
  }
  await flush(array);
}

/** Writes all of `content` in pieces of random sizes and in random order, several at a time, flushed in between and at the end. */
export async function writeInPieces(
  prng: Prng,
  array: RunningArray,
  content: Uint8Array,
): Promise<void> {
  const starts: number[] = [];
  const end = content.length / 512;
  for (let at = 0; at < end; at += prng.chance(0.2) ? prng.between(1, 1500) : prng.between(1, 96))
    starts.push(at);
  const pieces = starts.map((from, i) => ({ from, to: starts[i + 1] ?? end }));
  const shuffled = prng.shuffle(pieces);
  while (shuffled.length > 0) {
    const batch = shuffled.splice(0, prng.between(1, 8));
    await Promise.all(
      batch.map(({ from, to }) =>
        writeSectors(array, from, content.subarray(from * 512, to * 512)),
      ),
    );
    if (prng.chance(0.1)) await flush(array);
  }
  await flush(array);
}
