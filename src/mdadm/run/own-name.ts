/**
 * What an array that nobody named is called: by its own name where it is of this host, else by that with _0 behind it, so that an array that
 * was brought along never takes the place of one that belongs here.
 */
import { isLocal090 } from "../../formats/md/homehost.ts";
import type { MdSuperblock } from "../../formats/md/superblock.ts";
import type { ArrayNames } from "../../host/array-host.ts";
import type { ArrayView } from "../../md/view/array-view.ts";
import { bareName } from "../text.ts";
import type { Homehost } from "./session.ts";

export interface OwnName {
  readonly names: ArrayNames;
  readonly isForeign: boolean;
}

function isForeign({ version, name, arrayUuid }: MdSuperblock, homehost: Homehost): boolean {
  if (!homehost.required) return false;
  if (version === "0.90") return !isLocal090(arrayUuid, homehost.name);
  const colon = (name ?? "").indexOf(":");
  // Without a host in it, it is of any.
  return colon > 0 && name!.slice(0, colon) !== homehost.name;
}

export function ownNameOf(
  superblock: MdSuperblock,
  homehost: Homehost,
  arrays: readonly ArrayView[],
): OwnName {
  const foreign = isForeign(superblock, homehost);
  const bare =
    superblock.preferredMinor === null
      ? bareName(superblock.name ?? "").replaceAll(/[/\s]/g, "_")
      : String(superblock.preferredMinor);
  if (bare === "") return { names: { kernelName: null, path: null }, isForeign: foreign };
  const isTaken = (path: string): boolean => arrays.some((view) => view.path === path);
  const base = `/dev/md/${bare}`;
  let path = foreign ? `${base}_0` : base;
  for (let n = foreign ? 1 : 0; isTaken(path); n += 1) path = `${base}_${n}`;
  return { names: { kernelName: null, path }, isForeign: foreign };
}
