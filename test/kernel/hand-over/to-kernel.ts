/** Holdfast brings an array into the middle of something, and leaves it there. */
import { Prng } from "../../../src/base/prng.ts";
import { parseLayout } from "../../../src/formats/md/layout-names.ts";
import type { CreateRequest } from "../../../src/md/create/request.ts";
import { probeMdSuperblocks } from "../../../src/md/probe.ts";
import type { Member } from "../../../src/md/running/member.ts";
import { ArrayDevice } from "../../support/array-device.ts";
import { createOn, writeAllOver, writeScattered } from "../../support/written-array.ts";
import { goOnUntilCut, inMemory, writeUnawaited } from "./cut-life.ts";
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
  /** Where the checkpoint is at least; 0 where something was being written. */
  readonly completed: number;
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
  disk.held = true;
  const underWay = writeUnawaited(prng, array);
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

type LeftOnDisks = Left & { readonly disks: readonly ArrayDevice[] };

/** Nor is the one that does nothing any more. */
function dirtyAmong(disks: readonly ArrayDevice[], { lost }: Subject): Promise<Runs | null> {
  return dirtyIn(disks.filter((_disk, slot) => slot !== lost));
}

/**
 * Of a member that is being filled. mdadm takes one for a stray whose superblock is newer than those of all who are in sync, as a cut in
 * the middle of an update may leave it, and does not start the array without being told to.
 */
async function isAhead(disks: readonly ArrayDevice[], filling: number): Promise<boolean> {
  const found = await Promise.all(disks.map((disk) => probeMdSuperblocks(disk)));
  const events = found.map(({ primary }) => primary?.events ?? 0n);
  return events.every((one, disk) => disk === filling || one < events[filling]!);
}

/** It goes on from where it was stopped, until the power fails. */
async function cutOff(
  prng: Prng,
  subject: Subject,
  running: RunningSubject,
  before: Uint8Array,
): Promise<LeftOnDisks> {
  const content = before.slice();
  const after = await goOnUntilCut(prng, subject, running.disks, content, WRITES);
  const isFilling = subject.state !== "half resynced";
  if (isFilling && (await isAhead(after.disks, subject.slots)))
    return cutOff(prng, subject, running, before);
  const { disks, underWay } = after;
  const found = await new RunningSubject(
    disks.map(({ bytes, name }) => inMemory(bytes, name)),
  ).start();
  const { componentSectors } = found.managed.array.record;
  return {
    disks,
    content,
    underWay,
    checkpoint: checkpointOf(found),
    completed: underWay.size > 0 ? 0 : after.completed,
    dirty: await dirtyAmong(disks, subject),
    componentSectors,
  };
}

export async function leave(subject: Subject): Promise<LeftOnDisks> {
  const prng = new Prng(subject.seed ^ 2);
  const disks = newDisks(prng, subject);
  const first = await new RunningSubject(disks).start(
    subject.state === "degraded" ? disks.slice(0, subject.slots) : disks,
  );
  const { running, content } = await bring(prng, subject, first);
  const { array } = running.managed;
  await running.time.until(writeScattered(prng, array, content, WRITES));
  if (subject.isCut && !isDirty(subject)) {
    await running.close();
    return cutOff(prng, subject, running, content);
  }
  const { componentSectors } = array.record;
  const underWay = isDirty(subject)
    ? await writeInVain(prng, running, running.member(subject.lost))
    : new Map<number, Uint8Array>();
  const checkpoint = isDirty(subject) ? null : checkpointOf(running);
  if (!isDirty(subject)) await running.close();
  const dirty = await dirtyAmong(disks, subject);
  const completed = checkpoint ?? 0;
  return { disks, content, underWay, checkpoint, completed, dirty, componentSectors };
}
