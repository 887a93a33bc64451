/**
 * Changing what superblocks say of an array that is used: it is stopped in order, its superblocks are written anew, and it is started again with
 * them. Requests wait meanwhile (array-volume.ts); a background sync goes on where it was.
 */
import { HoldfastError, toHoldfastError } from "../base/errors.ts";
import { BioFlags } from "../block/bio.ts";
import { flush, writeSectors } from "../block/promises.ts";
import {
  deviceNumbers,
  superblockPart,
  updateSuperblock,
} from "../formats/md/superblock-update.ts";
import type { ArrayImage, DeviceImage } from "../formats/md/superblock-update.ts";
import type { ManagedArray } from "../md/running/managed-array.ts";
import type { Member } from "../md/running/member.ts";
import type { Members } from "../md/running/members.ts";
import { deviceImage } from "../md/running/member-images.ts";
import { planOf } from "./assemble.ts";
import { startPlan } from "./context.ts";
import type { HostContext } from "./context.ts";
import type { HostedArray } from "./hosted-array.ts";

/** What superblocks are to say. */
export interface Change {
  readonly raidDisks?: number;
  readonly componentSectors?: number;
  readonly resyncOffsetSectors?: number;
  readonly hasBitmap?: boolean;
  readonly hasPpl?: boolean;
  /** Written, and durable, before the first superblock. */
  readonly body?: readonly {
    readonly member: Member;
    readonly sector: number;
    readonly bytes: Uint8Array;
  }[];
  /** What is a member's own, put into the superblock that stands on it. */
  readonly own?: (member: Member, image: Uint8Array) => Uint8Array;
  /** Who stands elsewhere than before. */
  readonly device?: (image: DeviceImage) => DeviceImage;
  /** Is not in the array yet: its superblock is the first that tells of the change. */
  readonly joins?: Member;
}

/** @throws HoldfastError `busy`, `read-only` when it cannot be changed now */
export function checkQuiet(hosted: HostedArray): ManagedArray {
  const { managed, names, isBuilt } = hosted;
  const { array, sync } = managed;
  if (isBuilt)
    throw new HoldfastError(
      "unsupported",
      `${names.path} has no superblocks that could tell of a change`,
    );
  if (array.mode === "read-only")
    throw new HoldfastError("read-only", `${names.path} is read-only`);
  if (array.broken !== null)
    throw new HoldfastError("busy", `${names.path}: ${array.broken.message}`);
  const { action, state } = sync;
  const isSyncing = state.kind === "running" || state.kind === "delayed";
  // What was only asked for as yet is in no superblock, and would be forgotten.
  if (isSyncing || action === "check" || action === "repair")
    throw new HoldfastError("busy", `${names.path} is busy with ${action}: wait for its end`);
  return managed;
}

function arrayImage(
  { array, bitmap }: ManagedArray,
  change: Change,
  nowSeconds: number,
): ArrayImage {
  const { record } = array;
  const all = [...concerned(array, change), ...faultyIn(array)];
  const raidDisks = change.raidDisks ?? record.raidDisks;
  const images = all.map(deviceImage).map(change.device ?? same);
  // In 0.90 they follow from the places.
  const numbers = deviceNumbers(all[0]!.superblock, raidDisks, images);
  return {
    // Fresher than what stands there: a crash before all are written finds the new ones speaking for the array.
    events: record.events + 1,
    updatedSeconds: nowSeconds,
    raidDisks,
    componentSectors: change.componentSectors ?? record.componentSectors,
    isClean: true,
    resyncOffsetSectors: change.resyncOffsetSectors ?? record.resyncOffsetSectors,
    hasBitmap: change.hasBitmap ?? bitmap !== null,
    hasPpl: change.hasPpl ?? record.hasPpl,
    devices: images.map((one, at) => ({ ...one, number: numbers[at]! })),
  };
}

export function workingIn({ attached }: Members): readonly Member[] {
  return attached.filter(({ isFaulty }) => !isFaulty);
}

/** In the order in which their superblocks are written. */
function concerned({ members }: ManagedArray["array"], { joins }: Change): readonly Member[] {
  const working = workingIn(members);
  return joins === undefined ? working : [joins, ...working];
}

/** Nothing is written to them, and all others go on telling of them until they are taken out. */
function faultyIn({ members }: ManagedArray["array"]): readonly Member[] {
  return members.attached.filter(({ isFaulty }) => isFaulty);
}

function same(image: DeviceImage): DeviceImage {
  return image;
}

/**
 * 1 what superblocks will point at, flush, 2 where that is, in superblocks that say nothing else new, 3 superblocks, one after the other. A crash
 * before 3 leaves the array as it was. In the middle of 3 event counts differ by one, the fresher superblocks speak for the array, and who is
 * one behind is in it (md/judge.ts) and is told at the next start (finishChange). One at a time: of superblocks of several sectors no
 * more than one can be torn. Who joins is written first: an array that tells of a member must never be without it.
 */
async function write(managed: ManagedArray, change: Change, image: ArrayImage): Promise<void> {
  const all = concerned(managed.array, change);
  for (const { member, sector, bytes } of change.body ?? [])
    await writeSectors(member.device, sector, bytes);
  await Promise.all(all.map(({ device }) => flush(device)));
  const bases = all.map((member) => change.own?.(member, member.image) ?? member.image);
  for (const [at, member] of all.entries())
    if (bases[at] !== member.image) await writeImage(member, bases[at]!);
  for (const [at, member] of all.entries())
    await writeImage(
      member,
      updateSuperblock(member.superblock, bases[at]!, image, image.devices[at]!),
    );
}

async function writeImage({ device, superblock }: Member, image: Uint8Array): Promise<void> {
  const bytes = superblockPart(superblock, image);
  await writeSectors(device, superblock.superSector, bytes, BioFlags.fua);
}

/** What is set for an array and stands in no superblock. */
function keepSettings(from: ManagedArray, to: ManagedArray): void {
  const { settings } = from.sync;
  const { limits } = settings;
  if (settings.isSpeedMinLocal) to.sync.settings.setSpeedMin(limits.minKiBps);
  if (settings.isSpeedMaxLocal) to.sync.settings.setSpeedMax(limits.maxKiBps);
  to.array.safeModeDelayMs = from.array.safeModeDelayMs;
  Object.assign(to.array.settings, from.array.settings);
  for (const member of to.array.members.attached) {
    const before = from.array.members.attached.find(({ label }) => label === member.label);
    member.wantsReplacement = before?.wantsReplacement ?? false;
    member.hasWriteErrors = before?.hasWriteErrors ?? false;
  }
}

async function restart(
  context: HostContext,
  hosted: HostedArray,
  faulty: readonly Member[],
): Promise<ManagedArray> {
  const { names } = hosted;
  const plan = planOf(await hosted.candidates(faulty), false, names.path);
  hosted.state = { kind: "inactive", plan, reason: "it is being changed" };
  const start = { mode: "read-write", faulty } as const;
  const managed = await startPlan(context, names, plan, start, () => hosted.held);
  hosted.state = { kind: "running", plan, managed };
  return managed;
}

/**
 * The array must be quiet (`checkQuiet`); one that is read-auto becomes read-write. When it cannot be started again, it is inactive, and requests end with an error.
 * @throws HoldfastError what writing or starting fails with
 */
export async function exchange(
  context: HostContext,
  hosted: HostedArray,
  change: (managed: ManagedArray) => Change,
): Promise<void> {
  const { managed, openedVolume } = hosted;
  const wanted = change(managed);
  openedVolume?.hold();
  try {
    if (managed.array.mode === "read-auto") await managed.setState("active");
    // Who is one event behind would be two behind in the middle of the change.
    await new Promise<void>((durable) => managed.array.commit("members", durable));
    await managed.close();
    // Behind the last superblocks of the old one.
    const nowSeconds = Math.floor(context.env.clock.wallMs() / 1000);
    const image = arrayImage(managed, wanted, nowSeconds);
    await write(managed, wanted, image);
    const faulty = faultyIn(managed.array);
    for (const [at, member] of faulty.toReversed().entries())
      member.number = image.devices.at(-1 - at)!.number;
    const next = await restart(context, hosted, faulty);
    keepSettings(managed, next);
    openedVolume?.resume(next.array);
  } catch (thrown) {
    const error = toHoldfastError(thrown);
    openedVolume?.end();
    hosted.state = { kind: "inactive", plan: hosted.plan, reason: error.message };
    throw error;
  }
}
