/**
 * What --incremental holds of an array already is completed, under the name that it has. An array that runs is left alone: whoever is
 * found of it besides is a copy, or a member that was left behind.
 */
import { isRunning } from "../../md/view/array-view.ts";
import type { ArrayView } from "../../md/view/array-view.ts";
import { probeCandidate } from "./probe.ts";
import type { Candidate } from "./probe.ts";
import type { Session } from "./session.ts";

export type Begun =
  | { readonly kind: "none" }
  | { readonly kind: "running"; readonly array: ArrayView }
  | {
      readonly kind: "inactive";
      readonly array: ArrayView;
      readonly members: readonly Candidate[];
    };

async function heldBy(session: Session, { members }: ArrayView): Promise<Candidate[]> {
  const found = await Promise.all(
    members.flatMap(({ path }) => (path === null ? [] : [probeCandidate(session, path, null)])),
  );
  return found.filter((one) => one !== null);
}

/** @param uuid of the members that are to be assembled */
export async function alreadyBegun(session: Session, uuid: string): Promise<Begun> {
  const arrays = await (await session.host()).arrays();
  const array = arrays.find((view) => view.uuid === uuid);
  if (array === undefined) return { kind: "none" };
  if (isRunning(array)) return { kind: "running", array };
  return { kind: "inactive", array, members: await heldBy(session, array) };
}
