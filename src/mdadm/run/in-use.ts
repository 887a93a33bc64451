/** What already lies on a device that an array is to be made of: things that somebody may miss. */
import { ctimeText } from "../../base/dates.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { readSectors } from "../../block/promises.ts";
import type { BlockDevice } from "../../block/device.ts";
import { extSuperblock } from "../../formats/ext4.ts";
import { levelText } from "../../formats/md/layout-names.ts";
import { identifyDevice } from "../../volume/identify.ts";
import type { DeviceIdentity } from "../../volume/identify.ts";
import type { Finding } from "../../volume/report.ts";

/** A message of one line or two. */
export type Remark = readonly string[];

const EXT = new Set(["ext2", "ext3", "ext4"]);
const EXT_SECTOR = 1024 / SECTOR_BYTES;

async function extRemark(device: BlockDevice, path: string, finding: Finding): Promise<Remark> {
  const data = await readSectors(device, EXT_SECTOR, extSuperblock.size / SECTOR_BYTES);
  const { mountedSeconds } = extSuperblock.decode(data);
  return [
    // Scripts know all of the family by this name.
    `${path} appears to contain an ext2fs file system`,
    `size=${Math.floor((finding.sizeBytes ?? 0) / 1024)}K  mtime=${ctimeText(mountedSeconds)}`,
  ];
}

function raidRemark(path: string, { superblock }: DeviceIdentity): Remark {
  const level = levelText(superblock?.levelNumber ?? 0);
  const disks = superblock?.shape?.raidDisks ?? 0;
  return [
    `${path} appears to be part of a raid array:`,
    `level=${level} devices=${disks} ctime=${ctimeText(superblock?.createdSeconds ?? 0)}`,
  ];
}

function remarkOn(
  device: BlockDevice,
  path: string,
  identity: DeviceIdentity,
  finding: Finding,
): Promise<Remark> | Remark {
  if (EXT.has(finding.type)) return extRemark(device, path, finding);
  if (finding.type === "md-member" && identity.superblock !== null)
    return raidRemark(path, identity);
  if (finding.type === "partition-table") return [`partition table exists on ${path}`];
  return [`${path} appears to contain something: ${finding.text}`];
}

/** File systems first, then what it is a member of, then its partitions. */
function order({ type }: Finding): number {
  if (type === "partition-table") return 2;
  return type === "md-member" ? 1 : 0;
}

export async function remarksOn(device: BlockDevice, path: string): Promise<Remark[]> {
  const identity = await identifyDevice(device);
  const findings = identity.findings.toSorted((a, b) => order(a) - order(b));
  const remarks: Remark[] = [];
  for (const finding of findings) remarks.push(await remarkOn(device, path, identity, finding));
  return remarks;
}
