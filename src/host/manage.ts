/** Members of a running array come and go: what mdadm's manage mode asks for. */
import { HoldfastError } from "../base/errors.ts";
import { ignore } from "../base/nothing.ts";
import type { NewBitmap } from "../formats/md/bitmap-image.ts";
import { arrayUuidBytes } from "../formats/md/superblock.ts";
import type { MdCandidate } from "../md/candidate.ts";
import { survival } from "../md/enough.ts";
import type { ManagedArray } from "../md/running/managed-array.ts";
import type { Member } from "../md/running/member.ts";
import { freeDeviceNumber, newMember, prepareMember } from "../md/running/new-member.ts";
import { judgeReturn, rejoin, revive } from "../md/running/rejoin.ts";
import type { AddCall } from "./array-host.ts";
import type { HostContext } from "./context.ts";
import { oldSuperblockSectors } from "./create.ts";
import type { HeldDevice } from "./device-registry.ts";
import { candidateOn } from "./hosted-array.ts";
import type { HostedArray } from "./hosted-array.ts";
import { updateOne } from "./updates.ts";

export type Joining = Pick<AddCall, "as" | "writeMostly" | "failFast" | "update">;
export type Joined = "added" | "re-added" | "added-journal";

const BY_REQUEST = new HoldfastError("io", "somebody took it out");

/**
 * Members change only while superblocks can tell of it. A read-auto array is as good as read-write for who changes it.
 * @throws HoldfastError `read-only`
 */
export async function openForChanges(hosted: HostedArray): Promise<ManagedArray> {
  const { managed, names } = hosted;
  if (managed.array.mode === "read-only")
    throw new HoldfastError(
      "read-only",
      `${names.path} is read-only: its members stay as they are`,
    );
  if (managed.array.mode === "read-auto") await managed.setState("active");
  return managed;
}

/**
 * Opens a device and has it join. The order: 1 what its superblock will point at, flush, 2 superblocks (RunningArray.attach).
 * @throws HoldfastError `usage` when it cannot be what it is to be; nothing is written then
 */
export async function addDevice(
  context: HostContext,
  hosted: HostedArray,
  path: string,
  how: Joining,
): Promise<Joined> {
  if (hosted.isBuilt) {
    const text = `${hosted.names.path} has no superblocks that could tell of ${path}`;
    throw new HoldfastError("unsupported", text);
  }
  const held = await context.registry.take(path, { holder: hosted.names.path, readOnly: "no" });
  try {
    // A journal joins an array that lost the one it had, and is read-only for that.
    const managed = how.as === "journal" ? hosted.managed : await openForChanges(hosted);
    const back =
      how.as === "spare" || how.as === "journal"
        ? null
        : await returning(context, managed, held, how);
    if (back === null && how.as === "re-add")
      throw new HoldfastError(
        "usage",
        `${path} has no superblock of ${hosted.names.path}, so it cannot come back`,
      );
    const member = back ?? (await newMemberOn(context, managed, held, how));
    hosted.hold(held);
    await managed.addMember(member);
    if (back !== null) return "re-added";
    return how.as === "journal" ? "added-journal" : "added";
  } catch (error) {
    await hosted.letGo(held);
    throw error;
  }
}

/** What it holds counts still. Null: it has no superblock, or can only join as a new device. */
async function returning(
  context: HostContext,
  managed: ManagedArray,
  held: HeldDevice,
  how: Joining,
): Promise<Member | null> {
  const found = await candidateOn(held);
  if (found === null) return null;
  const { array, bitmap } = managed;
  const verdict = judgeReturn({
    array,
    eventsCleared: bitmap?.store.eventsCleared ?? null,
    candidate: found,
  });
  switch (verdict.kind) {
    case "refused":
      throw new HoldfastError("busy", verdict.why);
    case "as-new":
      if (how.as === "re-add") throw new HoldfastError("usage", verdict.why);
      return null;
    case "by-bitmap":
    case "whole": {
      const candidate = await updated(context, found, held, how);
      const member = await rejoin(candidate, verdict);
      member.writeMostly = how.writeMostly ?? member.writeMostly;
      member.failFast = how.failFast ?? member.failFast;
      return member;
    }
  }
}

async function updated(
  context: HostContext,
  candidate: MdCandidate,
  held: HeldDevice,
  { update }: Joining,
): Promise<MdCandidate> {
  if (update === null) return candidate;
  await updateOne(context, { kind: update }, candidate);
  return (await candidateOn(held)) ?? candidate;
}

/** The bitmap as a new member is to get it. */
function newBitmapOf({ array, bitmap }: ManagedArray): NewBitmap | null {
  const sample = array.members.attached.find(({ isFaulty }) => !isFaulty);
  if (bitmap === null || sample === undefined) return null;
  return {
    uuid: arrayUuidBytes(sample.superblock),
    syncSectors: bitmap.store.sectors,
    chunkSectors: bitmap.store.chunkSectors,
    daemonSleepSeconds: bitmap.periodMs / 1000,
    writeBehind: bitmap.writeBehind,
  };
}

/** Everything but its superblock is on it. @throws HoldfastError `usage`: nothing is written then */
export async function newMemberOn(
  { env }: HostContext,
  managed: ManagedArray,
  { device, path, major, minor }: HeldDevice,
  how: Omit<Joining, "update"> & { readonly isAtEnd?: boolean },
): Promise<Member> {
  const decision = newMember({
    array: managed.array,
    bitmap: newBitmapOf(managed),
    device,
    joining: {
      label: path,
      deviceUuid: env.random.bytes(16),
      isJournal: how.as === "journal",
      writeMostly: how.writeMostly ?? false,
      failFast: how.failFast ?? false,
      node: { major, minor },
      oldSuperblockSectors: await oldSuperblockSectors(device),
    },
    number: freeDeviceNumber(managed.array),
    isAtEnd: how.isAtEnd ?? false,
    badBlockLog: managed.array.members.attached.some(
      ({ superblock }) => superblock.badBlockLog !== null,
    ),
    journalSequence: BigInt(new DataView(env.random.bytes(4).slice().buffer).getUint32(0)),
  });
  if (decision.kind === "refused") throw new HoldfastError("usage", decision.reason);
  await prepareMember(decision);
  return decision.member;
}

/** @param device a path, a name, or a number. @throws HoldfastError `not-found` */
export async function findMember(
  { registry }: HostContext,
  hosted: HostedArray,
  device: string,
): Promise<Member> {
  const { attached } = hosted.managed.array.members;
  for (const member of attached) {
    const { name, currentPath: path } = hosted.heldBy(member);
    if (device === path || device === name || device === String(member.number)) return member;
  }
  for (const member of attached)
    if (await registry.isSame(hosted.heldBy(member), device)) return member;
  throw new HoldfastError("not-found", `${device} is not in ${hosted.names.path}`);
}

/** Lets go of a spare or a faulty device. @throws HoldfastError `busy` for one that is used */
export async function removeMember(hosted: HostedArray, member: Member): Promise<void> {
  if (member.slot !== null || member.standing.kind === "journal")
    throw new HoldfastError(
      "busy",
      `${member.label} is in use by ${hosted.names.path}: fail it first`,
    );
  const managed = await openForChanges(hosted);
  await managed.removeMember(member);
  await hosted.letGo(hosted.heldBy(member));
}

/** @throws HoldfastError `busy` when the array would have failed without it */
export async function failMember(hosted: HostedArray, member: Member): Promise<void> {
  if (member.isFaulty) return;
  const { plan, names } = hosted;
  const { members } = hosted.managed.array;
  const left = members.inSyncSlots.map((there, slot) => {
    const holders = members.at(slot);
    const others = [holders.member, holders.replacement].filter((one) => one !== member);
    return there && others.some((one) => one?.isInSync === true);
  });
  const { shape } = plan.superblock;
  if (member.isInSync && shape !== null && !survival(shape, left).survives)
    throw new HoldfastError("busy", `${names.path} cannot do without ${member.label}`);
  const managed = await openForChanges(hosted);
  await managed.failMember(member, BY_REQUEST);
}

/** @param spare takes its place; null: whoever there is, or will be. @throws HoldfastError `busy` */
export async function replaceMember(
  hosted: HostedArray,
  member: Member,
  spare: Member | null,
): Promise<void> {
  const { path } = hosted.names;
  if (member.slot === null || member.isReplacement)
    throw new HoldfastError(
      "busy",
      `${member.label} stands in no slot of ${path}: there is nothing to replace`,
    );
  if (spare !== null && spare.standing.kind !== "spare")
    throw new HoldfastError("busy", `${spare.label} is no spare of ${path}`);
  if (spare !== null && hosted.managed.array.members.at(member.slot).replacement !== null)
    throw new HoldfastError("busy", `${member.label} is being replaced already`);
  const managed = await openForChanges(hosted);
  if (spare !== null) spare.meantForSlot = member.slot;
  managed.wantReplacement(member);
}

/** A faulty member that is still there is tried again. @throws HoldfastError `busy` */
export async function reviveMember(hosted: HostedArray, member: Member): Promise<void> {
  const managed = await openForChanges(hosted);
  revive(member, managed.bitmap !== null);
  managed.array.commit("members", ignore);
  managed.sync.changed();
}
