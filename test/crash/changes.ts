/** What somebody who looks after an array does to it, at random: whoever is asked may well say no. */
import { existsSync } from "node:fs";
import type { ApiClient } from "../../src/api/client.ts";
import type { Prng } from "../../src/base/prng.ts";
import type { ArrayView, MemberView } from "../../src/md/view/array-view.ts";
import type { CrashShape } from "./shapes.ts";

export interface Change {
  /** Begins with "fail" where a member is taken out. */
  readonly text: string;
  readonly work: (api: ApiClient) => Promise<unknown>;
}

const NOTHING: Change = { text: "nothing", work: () => Promise.resolve() };

/** @param images that are, or could be, members */
export function chooseChange(
  shape: CrashShape,
  images: readonly string[],
  view: ArrayView,
  prng: Prng,
): Change {
  const array = view.path;
  const faulty = view.members.find((member) => member.faulty);
  const there = new Set(view.members.map(({ path }) => path));
  const outside = images.find((path) => !there.has(path) && existsSync(path));
  const inSync = view.members.filter(({ inSync: is, replacement }) => is && !replacement);
  const choice = prng.below(100);
  if (faulty !== undefined && choice < 60) {
    const device = faulty.path!;
    return { text: `remove ${device}`, work: (api) => api.remove({ array, device }) };
  }
  if (outside !== undefined && choice < 60) {
    const as = prng.chance(0.7) ? "member" : "spare";
    const call = { array, device: outside, as, writeMostly: null, failFast: null, update: null };
    return { text: `add ${outside}`, work: (api) => api.add({ ...call, as }) };
  }
  if (choice < 75) return failure(shape, view, inSync, prng);
  if (choice < 85 && inSync.length > 0) {
    const device = prng.pick(inSync).path!;
    const work: Change["work"] = (api) => api.replace({ array, device, with: null });
    return { text: `replace ${device}`, work };
  }
  if (choice >= 95) return NOTHING;
  const action = prng.pick(["check", "repair", "idle"] as const);
  return {
    text: action,
    work: (api) => api.set({ array, action: { kind: "sync-action", action } }),
  };
}

/** Not while a parity array is dirty from a crash: what was being written then would be lost with the member. */
function failure(
  shape: CrashShape,
  view: ArrayView,
  inSync: readonly MemberView[],
  prng: Prng,
): Change {
  if (view.degraded >= shape.bearable || inSync.length === 0) return NOTHING;
  if (shape.rowSectors > 0 && view.resyncStartSectors !== null) return NOTHING;
  const device = prng.pick(inSync).path!;
  return { text: `fail ${device}`, work: (api) => api.fail({ array: view.path, device }) };
}

/** Until nobody is missing: what has failed is removed, and comes back or is replaced. */
export async function fillUp(
  api: ApiClient,
  array: string,
  images: readonly string[],
): Promise<void> {
  for (let turn = 0; turn < 2 * images.length; turn += 1) {
    const { members, degraded } = await api.array(array);
    const faulty = members.find((member) => member.faulty);
    const outside = images.find((path) => members.every((one) => one.path !== path));
    const how = { as: "member", writeMostly: null, failFast: null, update: null } as const;
    if (faulty !== undefined) await api.remove({ array, device: faulty.path! });
    else if (degraded > 0 && outside !== undefined)
      await api.add({ array, device: outside, ...how });
    else return;
    await api.wait(array);
  }
}
