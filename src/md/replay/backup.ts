/**
 * The backup of a reshape's critical section. A reshape that writes over its own source keeps the stripes right at its position in
 * mdadm's backup file, or on disks that it adds. Those sectors come from the backup, and everything else is where the
 * position behind the backed-up section says. docs/formats/mdadm-backup-file.md.
 */
import { HoldfastError } from "../../base/errors.ts";
import { formatBytes, formatSectors, SECTOR_BYTES } from "../../base/units.ts";
import type { BlockDevice } from "../../block/device.ts";
import { readSectors } from "../../block/promises.ts";
import type { Patch } from "../../devices/patched.ts";
import {
  BACKUP_MEMBER_SECTORS,
  decodeBackupHeader,
  judgeBackup,
} from "../../formats/md/backup-file.ts";
import type { BackupSection, MdBackup } from "../../formats/md/backup-file.ts";
import { arrayUuidBytes } from "../../formats/md/superblock.ts";
import type { MdReshape, MdSuperblock } from "../../formats/md/superblock.ts";
import type { AssemblyPlan } from "../plan.ts";
import { NOTHING_TO_REPLAY } from "./patches.ts";
import type { Replay } from "./patches.ts";

export interface BackupReplay {
  readonly replay: Replay;
  /** With the position moved behind what the backup holds; null when no reshape is under way. */
  readonly reshape: MdReshape | null;
}

/** A header where one may be. */
interface Place {
  readonly device: BlockDevice;
  readonly headerSector: number;
  /** Of what is backed up, held in memory. */
  readonly limitBytes: number;
}

export async function replayBackup(
  plan: AssemblyPlan,
  file: BlockDevice | null,
  limitBytes: number,
): Promise<BackupReplay> {
  const { superblock } = plan;
  const { reshape } = superblock;
  if (reshape === null) {
    if (file === null) return { replay: NOTHING_TO_REPLAY, reshape };
    throw new HoldfastError("usage", `no reshape is under way, so ${file.name} is not needed`);
  }
  if (file !== null) {
    const place = { device: file, headerSector: 0, limitBytes };
    const used = await tryPlace(place, superblock, reshape);
    if ("refused" in used)
      throw new HoldfastError(
        "bad-metadata",
        `${file.name} is not the backup of this reshape: ${used.refused}`,
      );
    return used;
  }
  for (const place of addedMembers(plan, reshape)) {
    const used = await tryPlaceOnMember({ ...place, limitBytes }, superblock, reshape);
    if (used !== null) return used;
  }
  return { replay: NOTHING_TO_REPLAY, reshape };
}

/** Without a file mdadm keeps the backup on the disks that a growing reshape adds. */
function addedMembers(plan: AssemblyPlan, reshape: MdReshape): Omit<Place, "limitBytes">[] {
  return plan.slots.slice(reshape.before.raidDisks).flatMap(({ member }) => {
    if (member === null) return [];
    const { device, superblock } = member.candidate;
    const end = superblock.dataOffsetSectors + superblock.componentSectors;
    return [{ device, headerSector: end - BACKUP_MEMBER_SECTORS }];
  });
}

/** Null where there is none. A member that cannot be read there has none that helps, and may do without. */
async function tryPlaceOnMember(
  place: Place,
  superblock: MdSuperblock,
  reshape: MdReshape,
): Promise<BackupReplay | null> {
  try {
    const used = await tryPlace(place, superblock, reshape);
    return "refused" in used ? null : used;
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "io") return null;
    throw error;
  }
}

async function tryPlace(
  place: Place,
  superblock: MdSuperblock,
  reshape: MdReshape,
): Promise<BackupReplay | { readonly refused: string }> {
  const { device, headerSector, limitBytes } = place;
  if (headerSector < 0 || headerSector >= device.sectors) return { refused: "it is too short" };
  const header = await readSectors(device, headerSector, 1);
  const decoded = decodeBackupHeader(header);
  if (decoded.kind !== "ok") {
    return { refused: decoded.kind === "bad" ? decoded.reason : "it has no backup header" };
  }
  const { backup } = decoded;
  const missing = await whyIncomplete(device, header, backup);
  if (missing !== null) return { refused: missing };
  const uuid = arrayUuidBytes(superblock);
  const { updatedSeconds } = superblock;
  const verdict = judgeBackup(backup, { uuid, updatedSeconds, reshape });
  switch (verdict.kind) {
    case "refuse":
      return { refused: verdict.reason };
    case "not-needed":
      return { replay: NOTHING_TO_REPLAY, reshape };
    case "use":
      return {
        replay: await sectionsOver(device, verdict.sections, limitBytes),
        reshape: { ...reshape, positionSectors: verdict.positionSectors },
      };
  }
}

/** The copy of the header, written before the data, must agree with it, and the data must be there. */
async function whyIncomplete(
  device: BlockDevice,
  header: Uint8Array,
  backup: MdBackup,
): Promise<string | null> {
  const end = Math.max(0, ...backup.sections.map((one) => one.backupSector + one.sectors));
  if (end > device.sectors || backup.copySector >= device.sectors) return "it is cut off";
  const copy = await readSectors(device, backup.copySector, 1);
  const same = header.subarray(0, backup.comparedBytes).every((byte, i) => byte === copy[i]);
  return same ? null : "its header and the copy of it differ: writing it was interrupted";
}

async function sectionsOver(
  device: BlockDevice,
  sections: readonly BackupSection[],
  limitBytes: number,
): Promise<Replay> {
  const sectors = sections.reduce((sum, section) => sum + section.sectors, 0);
  if (sectors * SECTOR_BYTES > limitBytes) {
    throw new HoldfastError(
      "no-space",
      `the reshape backup ${device.name} holds ${formatSectors(sectors)}, and ${formatBytes(limitBytes)} is the limit for keeping it in memory; raise the limit`,
    );
  }
  const volume: Patch[] = [];
  for (const section of sections) {
    const data = await readSectors(device, section.backupSector, section.sectors);
    volume.push({ sector: section.arraySector, data });
  }
  const notes = [
    `${sectors} sectors at the reshape position are taken from the backup ${device.name}`,
  ];
  return { members: new Map(), volume, notes };
}
