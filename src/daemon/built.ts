/**
 * Arrays without superblocks (--build), as the state file remembers them: nothing on their members tells that they are any.
 *
 * Nor does anything there tell which copy of a mirror is fresh. While one runs the state file says `isSettled: false`, since a member may fail
 * at any moment and miss what is written from then on; it is true from the end in order, with those that were in sync then, to the next start.
 */
import type { ArrayHost, BuildCall } from "../host/array-host.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import type { ListedArray, ListedBuild } from "./state-file.ts";

export function isBuilt({ metadata }: ArrayView): boolean {
  return metadata === "none";
}

function hasCopies({ level }: Pick<BuildCall, "level">): boolean {
  return level !== "linear" && level !== "raid0";
}

/** Of an array that runs. */
export function listedBuild(call: BuildCall, view: ArrayView): ListedBuild {
  const { level, layout, chunkSectors, componentSectors, assumeClean, devices } = call;
  return {
    level,
    layout,
    chunkSectors,
    // As it is: devices that have become longer would bring something that was never synced.
    componentSectors: componentSectors ?? (view.componentKib > 0 ? 2 * view.componentKib : null),
    devices: devices.map((device, slot) => pathNow(device, slot, view)),
    assumeClean,
    isSettled: !hasCopies(call),
  };
}

/** A mapped device may have got another name. */
function pathNow(
  device: BuildCall["devices"][number],
  slot: number,
  { members }: ArrayView,
): BuildCall["devices"][number] {
  const path = members.find((one) => one.slot === slot)?.path ?? null;
  const isMapped = device?.path.startsWith("/dev/mapper/") === true;
  return isMapped && path !== null ? { ...device, path } : device;
}

/** @param last as it was when nothing was written to it any more */
export function settledBuild(build: ListedBuild, last: ArrayView): ListedBuild {
  if (!hasCopies(build)) return build;
  const isFresh = (slot: number): boolean =>
    last.members.some((one) => one.slot === slot && one.inSync && !one.faulty);
  const devices = build.devices.map((device, slot) => (isFresh(slot) ? device : null));
  return { ...build, devices, assumeClean: last.resyncStartSectors === null, isSettled: true };
}

/** Before it is built: from then on it may be written to. */
export function unsettled(listed: ListedArray): ListedArray {
  const { build } = listed;
  if (build === undefined || !hasCopies(build)) return listed;
  return { ...listed, build: { ...build, isSettled: false } };
}

/** A sentence. */
export function whyNotBuilt({ path, build }: ListedArray): string | null {
  if (build === undefined || build.isSettled) return null;
  return `${path} was not started: it is a ${build.level} without superblocks that did not end in order, so nothing tells which of its copies are whole; build it again, with the copy to believe as the first device.`;
}

export async function buildAgain(
  host: ArrayHost,
  { kernelName, path, mode }: ListedArray,
  { level, layout, chunkSectors, componentSectors, devices, assumeClean }: ListedBuild,
): Promise<BuildCall> {
  const call: BuildCall = {
    names: { kernelName, path },
    devices,
    level,
    layout,
    chunkSectors,
    componentSectors,
    assumeClean,
  };
  await host.build(call);
  if (mode === "read-write") return call;
  const state = mode === "read-only" ? "readonly" : "read-auto";
  await host.set({ array: kernelName, action: { kind: "array-state", state } });
  return call;
}
