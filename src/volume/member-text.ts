/** One line about an md superblock: "member 2 of raid5 data (4 disks), clean". */
import { unreachable } from "../base/assert.ts";
import { MD_OTHER_LEVEL_NAMES } from "../formats/md/superblock.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import { arrayName } from "./names.ts";

function roleText(superblock: MdSuperblock): string {
  const { role } = superblock;
  switch (role.kind) {
    case "active":
      return superblock.replacement ? `replacement for member ${role.slot}` : `member ${role.slot}`;
    case "spare":
      return "spare";
    case "faulty":
      return "failed member";
    case "journal":
      return "journal";
    default:
      return unreachable(role);
  }
}

function levelText(superblock: MdSuperblock): string {
  const { shape, levelNumber } = superblock;
  return shape?.level ?? MD_OTHER_LEVEL_NAMES.get(levelNumber) ?? `level ${levelNumber}`;
}

export function memberText(superblock: MdSuperblock): string {
  const { shape } = superblock;
  const disks = shape === null ? "" : ` (${shape.raidDisks} disks)`;
  const what = `${roleText(superblock)} of ${levelText(superblock)} ${arrayName(superblock)}${disks}`;
  const states = [superblock.resyncOffsetSectors === Infinity ? "clean" : "dirty"];
  if (superblock.reshape !== null) states.push("being reshaped");
  if (superblock.recoveryOffsetSectors !== Infinity) states.push("not fully rebuilt");
  if (!superblock.checksumOk) states.push("its checksum is wrong");
  return `${what}, metadata ${superblock.version}, ${states.join(", ")}`;
}
