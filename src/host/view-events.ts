/**
 * From two views of an array, one later than the other, to what happened in between, in mdadm --monitor's words.
 * Facts: docs/kernel/mdadm.md, section 2.8.
 */
import { isRunning } from "../md/view/array-view.ts";
import type { ArrayView, MemberView, SyncView } from "../md/view/array-view.ts";
import type { HostEventKind } from "./array-host.ts";
import type { NewEvent } from "./event-log.ts";

type Told = Pick<NewEvent, "kind" | "device" | "detail">;

function told(
  kind: HostEventKind,
  device: string | null = null,
  detail: string | null = null,
): Told {
  return { kind, device, detail };
}

function pathOf(member: MemberView): string {
  return member.path ?? member.device;
}

function findMember(view: ArrayView, of: MemberView): MemberView | null {
  return view.members.find((one) => pathOf(one) === pathOf(of)) ?? null;
}

/** What happened to one that was there before. */
function memberEvent(before: MemberView, after: MemberView | null): Told | null {
  if (after === null || after.faulty) {
    if (before.faulty) return null;
    // Taken away without a failure, a spare is not worth a mail.
    if (after === null && !before.inSync) return null;
    return told(before.inSync ? "Fail" : "FailSpare", pathOf(before));
  }
  return after.inSync && !before.inSync ? told("SpareActive", pathOf(after)) : null;
}

function membersEvents(before: ArrayView, after: ArrayView): Told[] {
  return before.members.flatMap((member) => {
    const event = memberEvent(member, findMember(after, member));
    return event === null ? [] : [event];
  });
}

function isUnderWay(sync: SyncView | null): boolean {
  return sync !== null && sync.phase !== "pending";
}

function mismatchText({ mismatchSectors, level }: ArrayView): string | null {
  return mismatchSectors === 0
    ? null
    : ` mismatches found: ${mismatchSectors} (on raid level ${level})`;
}

function syncEvents(before: ArrayView, after: ArrayView): Told[] {
  const was = isUnderWay(before.sync);
  const is = isUnderWay(after.sync);
  const hasTurned = was && is && before.sync!.kind !== after.sync!.kind;
  return [
    ...(was && (!is || hasTurned) ? [told("RebuildFinished", null, mismatchText(after))] : []),
    ...(is && (!was || hasTurned) ? [told("RebuildStarted")] : []),
  ];
}

/** What stays alike while an array is only used, and while a sync goes on. */
function steadyPart(view: ArrayView): string {
  const { sync, state } = view;
  const isWriting = state === "active" || state === "active-idle" || state === "write-pending";
  return JSON.stringify({
    ...view,
    state: isWriting ? "clean" : state,
    events: 0,
    updatedSeconds: 0,
    resyncStartSectors: view.resyncStartSectors === null,
    syncSpeedKib: 0,
    mismatchSectors: 0,
    sync: sync === null ? null : [sync.kind, sync.phase],
    bitmap: view.bitmap === null ? null : { ...view.bitmap, usedPages: 0, maxBacklogUsed: 0 },
    members: view.members.map((member) => ({
      ...member,
      recoveryStartSectors: member.recoveryStartSectors === null,
      correctedErrors: 0,
    })),
  });
}

function changes(before: ArrayView | null, after: ArrayView | null): Told[] {
  if (after === null) return before === null ? [] : [told("DeviceDisappeared")];
  if (before === null) return [told("NewArray"), ...firstSeen(after)];
  const events = [
    ...(isRunning(after) && !isRunning(before) ? firstSeen(after) : []),
    ...membersEvents(before, after),
    ...syncEvents(before, after),
    ...(after.state === "broken" && before.state !== "broken" ? [told("Broken")] : []),
  ];
  if (events.length > 0 || steadyPart(before) === steadyPart(after)) return events;
  return [told("Changed")];
}

function firstSeen(view: ArrayView): Told[] {
  if (!isRunning(view)) return [];
  return [
    ...(view.degraded > 0 ? [told("DegradedArray")] : []),
    ...(isUnderWay(view.sync) ? [told("RebuildStarted")] : []),
  ];
}

/** @param before null: it was not there; `after` null: it is gone */
export function eventsBetween(before: ArrayView | null, after: ArrayView | null): NewEvent[] {
  const array = (after ?? before)?.path ?? "";
  return changes(before, after).map((event) => ({ ...event, array }));
}
