/**
 * The single looks that identify a device: md, dm-raid, LVM2, the registry of signatures, partition tables. Each
 * adds what it sees to a `Look`; identify.ts decides what counts.
 */
import { toHoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES, alignDown, alignUp } from "../base/units.ts";
import type { SectorRange } from "../base/units.ts";
import { readSectors } from "../block/promises.ts";
import type { BlockDevice } from "../block/device.ts";
import { TolerantDevice } from "../devices/tolerant.ts";
import { decodeDmRaid } from "../formats/dm-raid.ts";
import { readLvmPv } from "../formats/lvm2/read.ts";
import type { LvmPv } from "../formats/lvm2/read.ts";
import { readPartitionTable } from "../formats/partitions/read.ts";
import type { PartitionTable } from "../formats/partitions/table.ts";
import type { ProbeRange, SignatureProbe, SignatureUse } from "../formats/signatures/probe.ts";
import { SIGNATURE_PROBES } from "../formats/signatures/registry.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import { probeMdSuperblocks } from "../md/probe.ts";
import { memberText } from "./member-text.ts";
import type { Finding } from "./report.ts";

/** md's superblocks and LVM2's labels at the start, a GPT of the usual size; md's at the end. */
const HEAD_SECTORS = 136;
const TAIL_SECTORS = 272;

export type Use = SignatureUse | "volume-manager" | "partition-table";

/** A finding on its way into the report. */
export interface Sighting {
  readonly use: Use;
  readonly finding: Finding;
  /** What lies at the start of the device is the content of what this is a member of. */
  readonly showsContent: boolean;
  /** It says itself that it does not count. */
  readonly stale: boolean;
}

/** What one look at one device gathers. */
export class Look {
  readonly device: BlockDevice;
  readonly sightings: Sighting[] = [];
  readonly problems = new Set<string>();

  constructor(device: BlockDevice) {
    this.device = device;
  }

  add(use: Use, finding: Finding, flags: { showsContent?: boolean; stale?: boolean } = {}): void {
    const { showsContent = false, stale = false } = flags;
    this.sightings.push({ use, finding, showsContent, stale });
  }

  /** What `read` gives, or null and a sentence among the problems. */
  async attempt<T>(read: () => Promise<T>): Promise<T | null> {
    try {
      return await read();
    } catch (thrown) {
      this.problems.add(toHoldfastError(thrown, this.device.name).message);
      return null;
    }
  }
}

function sectorRange({ offsetBytes, lengthBytes }: ProbeRange): SectorRange {
  const from = alignDown(offsetBytes, SECTOR_BYTES);
  const to = alignUp(offsetBytes + lengthBytes, SECTOR_BYTES);
  return { sector: from / SECTOR_BYTES, sectors: (to - from) / SECTOR_BYTES };
}

function sizeOf(device: BlockDevice): number {
  return device.sectors * SECTOR_BYTES;
}

/** Every range that somebody will ask for. */
export function wantedRanges(device: BlockDevice): SectorRange[] {
  const head = Math.min(HEAD_SECTORS, device.sectors);
  const tail = Math.min(TAIL_SECTORS, device.sectors);
  const probes = SIGNATURE_PROBES.flatMap((probe) => probe.ranges(sizeOf(device)));
  return [
    { sector: 0, sectors: head },
    { sector: device.sectors - tail, sectors: tail },
    ...probes.map(sectorRange),
  ];
}

async function readRange(device: BlockDevice, range: ProbeRange): Promise<Uint8Array> {
  const { sector, sectors } = sectorRange(range);
  const data = await readSectors(device, sector, sectors);
  const from = range.offsetBytes - sector * SECTOR_BYTES;
  return data.subarray(from, from + range.lengthBytes);
}

/** Types whose metadata is at the end, the content at the very start. */
const CONTENT_AT_START = new Set(["ddf_raid_member", "isw_raid_member", "drbd"]);

export async function lookForSignature(look: Look, probe: SignatureProbe): Promise<void> {
  const ranges = probe.ranges(sizeOf(look.device));
  if (ranges.length === 0) return;
  await look.attempt(async () => {
    const data: Uint8Array[] = [];
    for (const range of ranges) data.push(await readRange(look.device, range));
    const found = probe.recognise(data, sizeOf(look.device));
    if (found === null) return;
    const showsContent = CONTENT_AT_START.has(found.type);
    const offsetBytes = showsContent ? ranges[0]!.offsetBytes : 0;
    look.add(probe.use, { ...found, offsetBytes }, { showsContent });
  });
}

function superblockFinding(superblock: MdSuperblock): Finding {
  const { name, superSector } = superblock;
  return {
    type: "md-member",
    offsetBytes: superSector * SECTOR_BYTES,
    sizeBytes: null,
    label: name,
    uuid: superblock.arrayUuid,
    text: memberText(superblock),
  };
}

export async function lookForMd(look: Look): Promise<MdSuperblock | null> {
  // One place that cannot be read must not hide a superblock at another.
  const tolerant = new TolerantDevice(look.device);
  const { primary, secondary, bad } = await probeMdSuperblocks(tolerant);
  for (const error of tolerant.errors) look.problems.add(error.message);
  if (primary !== null) {
    const showsContent = primary.dataOffsetSectors === 0;
    look.add("member", superblockFinding(primary), { showsContent });
  }
  for (const superblock of secondary) {
    const finding = superblockFinding(superblock);
    const text = `${finding.text}; left over from an earlier use`;
    look.add("member", { ...finding, text }, { stale: true });
  }
  for (const { version, sector, reason } of bad) {
    const text = `damaged md superblock, metadata ${version}: ${reason}`;
    const place = { offsetBytes: sector * SECTOR_BYTES, sizeBytes: null };
    look.add(
      "member",
      { type: "md-damaged", ...place, label: null, uuid: null, text },
      { stale: true },
    );
  }
  return primary;
}

export async function lookForDmRaid(look: Look): Promise<void> {
  if (look.device.sectors === 0) return;
  const data = await look.attempt(() => readSectors(look.device, 0, 1));
  const found = data === null ? null : decodeDmRaid(data);
  if (found === null || found.kind === "none") return;
  const base = { type: "dm-raid", offsetBytes: 0, sizeBytes: null, label: null, uuid: null };
  if (found.kind === "bad") {
    look.add("layer", { ...base, text: `damaged dm-raid metadata: ${found.reason}` });
    return;
  }
  const { arrayPosition, numDevices, level, events } = found.superblock;
  const failed = found.failed.length === 0 ? "" : `, failed: ${found.failed.join(", ")}`;
  const text = `metadata of device ${arrayPosition} of a dm-raid raid${level} of ${numDevices}, ${events} events${failed}`;
  look.add("layer", { ...base, text });
}

function lvmText(pv: LvmPv): string {
  const group = pv.copies[0]?.volumeGroup;
  if (group === undefined) {
    const why =
      pv.label.metadataAreas.length === 0 ? "without a metadata area" : "in no volume group";
    return `LVM2 physical volume ${pv.problems.length > 0 ? "with damaged metadata" : why}`;
  }
  const visible = group.logicalVolumes.filter((lv) => lv.visible).map((lv) => lv.name);
  const names = visible.length > 8 ? [...visible.slice(0, 8), "..."] : visible;
  const volumes = names.length === 0 ? "no logical volumes" : `logical volumes ${names.join(" ")}`;
  return `LVM2 physical volume of volume group ${group.name} (seqno ${group.seqno}): ${volumes}`;
}

export async function lookForLvm(look: Look): Promise<LvmPv | null> {
  if (look.device.sectors === 0) return null;
  const pv = await look.attempt(() => readLvmPv(look.device));
  if (pv === null) return null;
  look.add("volume-manager", {
    type: "lvm2-pv",
    offsetBytes: pv.label.sector * SECTOR_BYTES,
    sizeBytes: Number.isSafeInteger(pv.label.deviceBytes) ? pv.label.deviceBytes : null,
    label: pv.copies[0]?.volumeGroup.name ?? null,
    uuid: pv.label.uuid,
    text: lvmText(pv),
  });
  for (const problem of pv.problems) look.problems.add(`${look.device.name}: ${problem}`);
  return pv;
}

/** A FAT or NTFS boot sector ends with an MBR's signature; what it has where a table would be is code. */
function hasBootSector(look: Look): boolean {
  return look.sightings.some(({ finding }) =>
    ["vfat", "ntfs", "exfat", "BitLocker"].includes(finding.type),
  );
}

export async function lookForTable(look: Look): Promise<PartitionTable | null> {
  const table = await look.attempt(() => readPartitionTable(look.device));
  if (table === null || (table.kind === "mbr" && hasBootSector(look))) return null;
  const { kind, partitions, notes, uuid } = table;
  const count = `${partitions.length} ${partitions.length === 1 ? "partition" : "partitions"}`;
  look.add("partition-table", {
    type: "partition-table",
    offsetBytes: 0,
    sizeBytes: null,
    label: null,
    uuid,
    text: [`${kind.toUpperCase()} with ${count}`, ...notes].join("; "),
  });
  return table;
}
