/**
 * Names of volumes, as users type them after --volume and clients after the slash of an NBD URI: the array's own name
 * without its home host, "mdN" for version 0.90, made unique within one set of disks.
 */
import type { MdSuperblock } from "../formats/md/superblock.ts";

/** The name an array would like to have. */
export function arrayName(superblock: MdSuperblock): string {
  if (superblock.preferredMinor !== null) return `md${superblock.preferredMinor}`;
  const full = superblock.name ?? "";
  const own = full.slice(full.indexOf(":") + 1);
  // Names go into URIs, file names and tables; control characters and slashes have no place there.
  // oxlint-disable-next-line no-control-regex -- that is what is looked for
  const printable = own.replace(/[\u0000-\u001f\u007f/\s]/g, "_");
  return printable === "" ? `md-${superblock.arrayUuid.slice(0, 8)}` : printable;
}

/** The names with "-2", "-3", ... behind those that were there before, in the order given. */
export function uniqueNames(wanted: readonly string[]): string[] {
  const taken = new Set<string>();
  return wanted.map((name) => {
    let unique = name;
    for (let n = 2; taken.has(unique); n += 1) unique = `${name}-${n}`;
    taken.add(unique);
    return unique;
  });
}
