/** Holdfast brings an array into the middle of something, and leaves it there. */
import { Prng } from "../../../src/base/prng.ts";
import { ignore } from "../../../src/base/nothing.ts";
import { writeSectors } from "../../../src/block/promises.ts";
import { parseLayout } from "../../../src/formats/md/layout-names.ts";
import type { CreateRequest } from "../../../src/md/create/request.ts";
import type { Member } from "../../../src/md/running/member.ts";
import { ArrayDevice } from "../../support/array-device.ts";
import { randomBytes } from "../../support/bytes.ts";
import { createOn, writeAllOver, writeScattered } from "../../support/written-array.ts";
import { RunningSubject, checkpointOf, dirtyIn } from "./holdfast-side.ts";
import type { Runs } from "./holdfast-side.ts";
import { DISK_SECTORS, isDirty } from "./plan.ts";
import type { Subject } from "./plan.ts";

const WRITES = 24;

export interface Left {
  /** What was acknowledged. */
  readonly content: Uint8Array;
  /** What was not, by sector of the array. */
  readonly underWay: ReadonlyMap<number, Uint8Array>;
  readonly checkpoint: number | null;
  readonly dirty: Runs | null;
  readonly componentSectors: number;
}

/** The last one, if there is one more than slots, is a spare, or belongs to no array yet. */
function requestFor(subject: Subject): Partial<CreateRequest> {
  const { level, layout, version, chunkSectors, slots, bitmapChunkSectors, state } = subject;
  return {
    level,
    layout: layout === null ? null : parseLayout(level, layout),
    version,
    chunkSectors: chunkSectors === 0 ? null : chunkSectors,
    raidDisks: slots,
    spareDisks: state === "half recovered" || state === "half replaced" ? 1 : 0,
    bitmap:
      bitmapChunkSectors === null
        ? null
        : { chunkSectors: bitmapChunkSectors, delaySeconds: 5, writeBehind: 0 },
    assumeClean: state !== "half resynced",
    force: true,
  };
}

function newDisks(prng: Prng, subject: Subject): ArrayDevice[] {
  const request = requestFor(subject);
  const { slots, state } = subject;
  const all = Array.from({ length: slots + 1 }, (_unused, i) => {
    const disk = new ArrayDevice(DISK_SECTORS, {}, `d${i}`);
    if (i === slots || state === "half resynced") prng.fill(disk.bytes);
    return disk;
  });
  const members = all.slice(0, slots + (request.spareDisks ?? 0));
  createOn(prng, members, request);
  return state === "degraded" ? all : members;
}

/** On the same disks, whose bitmap is settled then. */
async function restarted(running: RunningSubject): Promise<RunningSubject> {
  await running.close();
  return new RunningSubject(running.disks).start();
}

/** Brings it there. Resolves with what it holds. */
async function bring(prng: Prng, subject: Subject, first: RunningSubject): Promise<Reached> {
  const { state, heldAt, lost } = subject;
  let running = first;
  const { sync } = running.managed;
  if (state === "half resynced") {
    sync.settings.setMax(heldAt);
    await running.held(heldAt);
    return { running, content: await running.content() };
  }
  const content = await running.time.until(writeAllOver(prng, running.managed.array, WRITES));
  switch (state) {
    case "degraded":
      await running.fail(lost);
      break;
    case "re-added":
      running = await restarted(running);
      await running.fail(lost);
      break;
    case "half recovered":
      sync.settings.setMax(heldAt);
      await running.fail(lost);
      await running.held(heldAt);
      break;
    case "half replaced":
      sync.settings.setMax(heldAt);
      running.managed.wantReplacement(running.member(lost));
      await running.held(heldAt);
      break;
    case "dirty with bitmap":
    case "dirty without bitmap":
      running = await restarted(running);
      break;
  }
  return { running, content };
}

interface Reached {
  readonly running: RunningSubject;
  readonly content: Uint8Array;
}

/** Writes that one disk has not done when the power fails, though all others have. */
async function writeInVain(
  prng: Prng,
  running: RunningSubject,
  slow: Member,
): Promise<Map<number, Uint8Array>> {
  const { array } = running.managed;
  const disk = running.disks.find((one) => one === slow.device)!;
  const underWay = new Map<number, Uint8Array>();
  disk.held = true;
  for (let part = 0; part < 3; part += 1) {
    const at = Math.floor((array.sectors * part) / 3) + prng.below(500);
    const data = randomBytes(prng, prng.between(1, 80) * 512);
    void writeSectors(array, at, data).catch(ignore);
    for (let i = 0; i < data.length / 512; i += 1)
      underWay.set(at + i, data.subarray(i * 512, (i + 1) * 512));
  }
  for (let turn = 0; turn < 50; turn += 1) {
    letOthersThrough(disk, slow, array.record.componentSectors);
    await running.time.until(Promise.resolve());
  }
  return underWay;
}

/** Superblocks, the bitmap, and what is only read. */
function letOthersThrough(
  disk: ArrayDevice,
  { dataOffset }: Member,
  componentSectors: number,
): void {
  for (;;) {
    const next = disk.pending.findIndex(({ op, sector }) => {
      const isData = sector >= dataOffset && sector < dataOffset + componentSectors;
      return op !== "write" || !isData;
    });
    if (next === -1) return;
    disk.finish(next);
  }
}

export async function leave(
  subject: Subject,
): Promise<Left & { readonly disks: readonly ArrayDevice[] }> {
  const prng = new Prng(subject.seed ^ 2);
  const disks = newDisks(prng, subject);
  const first = await new RunningSubject(disks).start(
    subject.state === "degraded" ? disks.slice(0, subject.slots) : disks,
  );
  const { running, content } = await bring(prng, subject, first);
  const { array } = running.managed;
  await running.time.until(writeScattered(prng, array, content, WRITES));
  const { componentSectors } = array.record;
  const underWay = isDirty(subject)
    ? await writeInVain(prng, running, running.member(subject.lost))
    : new Map<number, Uint8Array>();
  const checkpoint = isDirty(subject) ? null : checkpointOf(running);
  if (!isDirty(subject)) await running.close();
  // Nor is the one that does nothing any more.
  const dirty = await dirtyIn(disks.filter((_disk, slot) => slot !== subject.lost));
  return { disks, content, underWay, checkpoint, dirty, componentSectors };
}
