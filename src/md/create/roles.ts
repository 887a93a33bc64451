/**
 * Who becomes what in a new array, and with which number.
 *
 * A raid4 or raid5 is not resynced: one member starts as a spare and is rebuilt, which reads all others in order and writes one, where
 * a resync reads all and goes back for each stripe that does not agree. With a raid6 that one member is missing from the same is done with a
 * second one, or there would be a resync of an array without it. The one is the member listed at the last slot's place; it
 * gets the number behind all others.
 */
import type { MdRole } from "../../formats/md/superblock.ts";
import type { CreateRequest } from "./request.ts";

export interface PlannedRole {
  /** Index into CreateRequest.devices. */
  readonly index: number;
  readonly number: number;
  readonly role: MdRole;
}

export interface PlannedRoles {
  readonly roles: readonly PlannedRole[];
  readonly isClean: boolean;
}

/** Where in the list the member stands that starts as a spare; null: none does. */
function rebuiltIndex(request: CreateRequest, missing: readonly number[]): number | null {
  const { level, raidDisks, assumeClean, force, devices } = request;
  if (assumeClean || force) return null;
  const isWanted =
    level === "raid4" || level === "raid5"
      ? missing.length === 0
      : level === "raid6" && missing.length === 1;
  if (!isWanted) return null;
  const isMember = (index: number): boolean => devices[index]?.isJournal === false;
  let index = raidDisks - 1;
  while (index > 0 && !isMember(index)) index -= 1;
  return isMember(index) ? index : null;
}

function startsClean(request: CreateRequest, missing: number, isRebuilt: boolean): boolean {
  switch (request.level) {
    case "linear":
    case "raid0":
      return true;
    case "raid4":
    case "raid5":
      return request.assumeClean || isRebuilt || missing > 0;
    case "raid6":
      return request.assumeClean || isRebuilt || missing > 1;
    case "raid1":
    case "raid10":
      return request.assumeClean;
  }
}

/** @param request checked: as many devices as it takes */
export function planRoles(request: CreateRequest): PlannedRoles {
  const { devices, raidDisks } = request;
  const missing = devices.flatMap((device, index) => (device === null ? [index] : []));
  const rebuilt = rebuiltIndex(request, missing);
  const roles: PlannedRole[] = [];
  let slot = 0;
  devices.forEach((device, index) => {
    if (device?.isJournal === true) {
      roles.push({ index, number: index, role: { kind: "journal" } });
      return;
    }
    const here = slot;
    slot += 1;
    if (device === null || index === rebuilt) return;
    const role: MdRole = here < raidDisks ? { kind: "active", slot: here } : { kind: "spare" };
    roles.push({ index, number: index, role });
  });
  if (rebuilt !== null)
    roles.push({ index: rebuilt, number: devices.length, role: { kind: "spare" } });
  return { roles, isClean: startsClean(request, missing.length, rebuilt !== null) };
}
