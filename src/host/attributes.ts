/**
 * What writing to a file of md/ in sysfs does to a running array, for those files that stand for something here. Facts: the store functions of md.c,
 * md-bitmap.c and raid*.c of kernel 6.1.
 */
import { HoldfastError } from "../base/errors.ts";
import type { ManagedArray } from "../md/running/managed-array.ts";
import type { Member } from "../md/running/member.ts";
import type { MemberAction, MemberWord, SysfsAction } from "../md/view/sysfs-write.ts";
import type { GrowCall } from "./array-host.ts";
import type { HostedArray } from "./hosted-array.ts";
import { failMember, openForChanges, removeMember, reviveMember } from "./manage.ts";

export type PlainAction = Exclude<SysfsAction, { readonly kind: "array-state" | "member" }>;

function notDone(what: string): never {
  throw new HoldfastError("unsupported", `${what} cannot be changed while an array runs`);
}

/** The files that stand for a change of shape or of the bitmap; null: it is another one. */
export function growthIn(action: PlainAction, array: string): GrowCall | null {
  switch (action.kind) {
    case "bitmap-location":
      if (action.offsetSectors !== null) notDone("the place of a bitmap");
      return { kind: "bitmap", array, bitmap: null };
    case "consistency-policy":
      return { kind: "consistency-policy", array, policy: action.policy };
    case "number":
      if (action.attribute === "raid_disks")
        return { kind: "raid-disks", array, raidDisks: action.value };
      if (action.attribute === "component_size")
        return { kind: "size", array, componentSectors: 2 * action.value };
      return null;
    default:
      return null;
  }
}

/** @throws HoldfastError `unsupported` for what is not done, `usage` and `busy` as kernels do */
export async function setAttribute(hosted: HostedArray, action: PlainAction): Promise<void> {
  const { managed } = hosted;
  const { settings } = managed.sync;
  switch (action.kind) {
    case "sync-action":
      return setSyncAction(managed, action.action);
    case "sync-speed":
      return action.end === "min"
        ? settings.setSpeedMin(action.kib)
        : settings.setSpeedMax(action.kib);
    case "sync-window":
      return setWindow(managed, action);
    case "suspend":
      return suspend(hosted, managed, action.end, action.sectors);
    case "safe-mode-delay":
      managed.array.safeModeDelayMs = action.ms;
      return;
    case "array-size":
      if (action.kib !== "default") notDone("array_size");
      return;
    case "fail-last-device":
      managed.array.settings.failsLast = action.on;
      return;
    case "journal-mode":
      if (managed.array.level.setJournalMode === undefined) notDone("journal_mode");
      managed.array.level.setJournalMode(action.mode);
      return;
    case "repair-rule":
      managed.array.settings.repairsBy = action.rule;
      return;
    case "bitmap-reset-backlog-used":
      return;
    case "number":
      if (action.attribute !== "max_read_errors") notDone(action.attribute);
      managed.array.settings.maxReadErrors = action.value;
      return;
    case "level":
    case "metadata-version":
    case "new-device":
    case "resync-start":
    case "consistency-policy":
    case "bitmap-location":
    case "bitmap-time-base":
    case "bitmap-can-clear":
      return notDone(action.kind);
  }
}

type SyncActionWord = Extract<SysfsAction, { kind: "sync-action" }>["action"];

/** Asking for a sync makes a read-auto array read-write, as kernels do it. */
async function setSyncAction(managed: ManagedArray, word: SyncActionWord): Promise<void> {
  const { array, sync } = managed;
  if (array.level.syncWork("check") === null)
    throw new HoldfastError("unsupported", `${array.name} has neither copies nor parity to sync`);
  const isAsking = word !== "idle" && word !== "frozen";
  if (isAsking && array.mode === "read-only")
    throw new HoldfastError("read-only", `${array.name} is read-only: nothing is synced`);
  await sync.setAction(word);
  if (isAsking && array.mode === "read-auto") await managed.setState("active");
}

function setWindow(
  { sync }: ManagedArray,
  action: Extract<PlainAction, { kind: "sync-window" }>,
): void {
  const sector = action.sectors === "max" ? Infinity : action.sectors;
  if (action.end === "max") sync.settings.setMax(sector);
  else sync.settings.setMin(sector);
}

/** Resolves when no write that came before is under way in the range. */
async function suspend(
  { suspended }: HostedArray,
  { array }: ManagedArray,
  end: "lo" | "hi",
  sectors: number,
): Promise<void> {
  if (end === "lo") suspended.lowSectors = sectors;
  else suspended.highSectors = sectors;
  const { lowSectors, highSectors } = suspended;
  const length = Math.max(0, highSectors - lowSectors);
  await array.suspendWrites({ sector: lowSectors, sectors: length });
}

/** @throws HoldfastError as setAttribute */
export async function setMemberAttribute(
  hosted: HostedArray,
  member: Member,
  action: MemberAction,
): Promise<void> {
  switch (action.kind) {
    case "state":
      return setWord(hosted, member, action.word, action.on);
    case "bad-block":
      return listBadBlock(hosted, member, action);
    case "number":
      if (action.attribute !== "errors") notDone(action.attribute);
      member.correctedSectors = action.value;
      return;
    case "slot":
      return notDone("the slot of a member");
    case "recovery-start":
      return notDone("recovery_start");
  }
}

async function setWord(
  hosted: HostedArray,
  member: Member,
  word: MemberWord,
  on: boolean,
): Promise<void> {
  switch (word) {
    case "faulty":
      return failMember(hosted, member);
    case "remove":
      return removeMember(hosted, member);
    case "re-add":
      return reviveMember(hosted, member);
    case "writemostly":
    case "failfast":
      return setFlag(hosted, member, word, on);
    case "want_replacement":
      return wantReplacement(hosted, member, on);
    case "write_error":
      member.hasWriteErrors = on;
      return;
    case "blocked":
      // Nobody is ever blocked here, so nobody need be let go on.
      if (on) notDone("blocked");
      return;
    case "insync":
    case "replacement":
    case "external_bbl":
      return notDone(word);
  }
}

async function setFlag(
  hosted: HostedArray,
  member: Member,
  word: "writemostly" | "failfast",
  on: boolean,
): Promise<void> {
  const { array } = await openForChanges(hosted);
  if (word === "writemostly") member.writeMostly = on;
  else member.failFast = on;
  await new Promise<void>((durable) => array.commit("members", durable));
}

async function wantReplacement(hosted: HostedArray, member: Member, on: boolean): Promise<void> {
  if (!on) {
    member.wantsReplacement = false;
    return;
  }
  if (member.slot === null || member.isReplacement)
    throw new HoldfastError(
      "busy",
      `${member.label} stands in no slot: there is nothing to replace`,
    );
  const managed = await openForChanges(hosted);
  managed.wantReplacement(member);
}

/** Resolves when the log that lists them is durable. */
async function listBadBlock(
  hosted: HostedArray,
  member: Member,
  { sector, sectors }: Extract<MemberAction, { kind: "bad-block" }>,
): Promise<void> {
  const { array } = await openForChanges(hosted);
  if (!member.badBlocks.add(sector, sectors))
    throw new HoldfastError("no-space", `${member.label} has no room to list more bad sectors`);
  await new Promise<void>((durable) => array.commit("bad-blocks", durable));
}
