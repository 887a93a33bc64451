/**
 * What is on a device: md members, LVM2 physical volumes, partition tables, file systems and everything else in
 * the registry of signatures; recursive into partitions.
 *
 * The ranges of all probes are read together in few reads (PreloadedDevice). A range that cannot be read spoils the
 * probes that want it; the reason goes into `problem`. Several findings on one device are all told, in the order in
 * which Linux would take them: members of sets, volume managers, layers and encryption, partition tables, file
 * systems. If one of the former is there, the others say what they really are: content of the array seen through its
 * member (metadata at the end: md 0.90 and 1.0, DDF, IMSM, DRBD), or something left over from an earlier use.
 */
import { SECTOR_BYTES } from "../base/units.ts";
import type { BlockDevice } from "../block/device.ts";
import { PreloadedDevice } from "../devices/preloaded.ts";
import { SliceDevice } from "../devices/slice.ts";
import type { LvmPv } from "../formats/lvm2/read.ts";
import { superblock090Sector } from "../formats/md/superblock-090.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import type { Partition, PartitionTable } from "../formats/partitions/table.ts";
import { SIGNATURE_PROBES } from "../formats/signatures/registry.ts";
import {
  Look,
  lookForDmRaid,
  lookForLvm,
  lookForMd,
  lookForSignature,
  lookForTable,
  wantedRanges,
} from "./look.ts";
import type { Sighting, Use } from "./look.ts";
import type { DeviceReport, Finding } from "./report.ts";

export interface DeviceIdentity {
  /** In the order in which Linux would take them. */
  readonly findings: readonly Finding[];
  readonly partitions: readonly PartitionIdentity[];
  /** Why something could not be read or understood; null if everything could. */
  readonly problem: string | null;
  /** Of the array that this device is a member of. */
  readonly superblock: MdSuperblock | null;
  readonly lvm: LvmPv | null;
}

export interface PartitionIdentity {
  readonly partition: Partition;
  readonly identity: DeviceIdentity;
}

/** Partitions in partitions are followed so deep: the disk of a virtual machine in a partition, no more. */
const MAX_DEPTH = 2;
/** Ranges closer than this are read in one go. */
const GAP_SECTORS = 256;

const ORDER: readonly Use[] = [
  "member",
  "volume-manager",
  "layer",
  "encryption",
  "partition-table",
  "file-system",
  "swap",
];

/** The findings in order, those that do not count saying why. */
function judged(sightings: readonly Sighting[]): Finding[] {
  const ordered = sightings.toSorted(
    (a, b) => Number(a.stale) - Number(b.stale) || ORDER.indexOf(a.use) - ORDER.indexOf(b.use),
  );
  const [owner] = ordered;
  const owns =
    owner !== undefined &&
    !owner.stale &&
    ORDER.indexOf(owner.use) < ORDER.indexOf("partition-table");
  return ordered.map(({ use, finding, stale }, index) => {
    if (!owns || index === 0 || stale) return finding;
    const thing = use === "partition-table" ? "partition table" : "file system";
    const remark = owner.showsContent
      ? `content of the ${owner.finding.type}, not a ${thing} of its own`
      : `left over from an earlier use: the device is used as ${owner.finding.type}`;
    return { ...finding, text: `${finding.text}; ${remark}` };
  });
}

/**
 * Metadata at the end of a device that does not say how large the device is: that of a disk's last partition looks
 * like that of the whole disk. It is the partition's if it lies where the partition would have it and the data fits in.
 */
function isOfPartition(
  table: PartitionTable,
  superblock: MdSuperblock | null,
  owner: Finding | undefined,
): boolean {
  return table.partitions.some(({ startSector, sectors }) => {
    if (superblock?.version === "0.90") {
      const at = superblock090Sector(sectors);
      const fits = startSector + superblock.componentSectors <= superblock.superSector;
      return at !== null && startSector + at === superblock.superSector && fits;
    }
    if (owner?.type !== "drbd") return false;
    const start = startSector * SECTOR_BYTES;
    const isInside =
      start < owner.offsetBytes && owner.offsetBytes < start + sectors * SECTOR_BYTES;
    return isInside && start + (owner.sizeBytes ?? 0) <= owner.offsetBytes;
  });
}

async function identifyPartitions(
  device: BlockDevice,
  table: PartitionTable,
  depth: number,
): Promise<PartitionIdentity[]> {
  const identities: PartitionIdentity[] = [];
  for (const partition of table.partitions) {
    // What is in an extended partition are the logical ones, which are in the list.
    if (partition.extended) continue;
    const { number, startSector, sectors } = partition;
    const slice = new SliceDevice(device, `${device.name}:p${number}`, startSector, sectors);
    identities.push({ partition, identity: await identifyAt(slice, depth + 1) });
    await slice.close();
  }
  return identities;
}

async function identifyAt(device: BlockDevice, depth: number): Promise<DeviceIdentity> {
  const ranges = wantedRanges(device).filter((range) => range.sectors > 0);
  const look = new Look(await PreloadedDevice.load(device, ranges, GAP_SECTORS));
  const superblock = await lookForMd(look);
  await lookForDmRaid(look);
  const lvm = await lookForLvm(look);
  for (const probe of SIGNATURE_PROBES) await lookForSignature(look, probe);
  const table = await lookForTable(look);
  const first = judged(look.sightings);
  const isPartitions = table !== null && isOfPartition(table, superblock, first[0]);
  const findings = isPartitions ? judged(withoutMembers(look)) : first;
  // Partitions of something that is not the device's own are not its partitions.
  const isOwnTable = findings[0]?.type === "partition-table";
  const partitions =
    table !== null && isOwnTable && depth < MAX_DEPTH
      ? await identifyPartitions(device, table, depth)
      : [];
  const problem = look.problems.size === 0 ? null : [...look.problems].join(" ");
  return { findings, partitions, problem, superblock: isPartitions ? null : superblock, lvm };
}

/** The sightings of a disk whose members turned out to be its partitions. */
function withoutMembers(look: Look): Sighting[] {
  return look.sightings.filter(({ use }) => use !== "member");
}

/** Never rejects for what is, or cannot be read, on the device: `problem` tells. */
export function identifyDevice(device: BlockDevice): Promise<DeviceIdentity> {
  return identifyAt(device, 0);
}

/** The report of a device that was given as `path`. */
export function deviceReport(
  path: string,
  sizeBytes: number,
  identity: DeviceIdentity,
): DeviceReport {
  return {
    path,
    sizeBytes,
    findings: identity.findings,
    partitions: identity.partitions.map(({ partition, identity: inner }) => {
      const inside = deviceReport(
        `${path}:p${partition.number}`,
        partition.sectors * SECTOR_BYTES,
        inner,
      );
      return { ...inside, partition };
    }),
    problem: identity.problem,
  };
}
