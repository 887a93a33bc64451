/**
 * `holdfast examine`: every field of everything RAID keeps on a device. One examiner a structure, all of them asked in turn;
 * what is not there gives no report, what is damaged gives one that says so.
 */
import { toHoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { readSectors } from "../block/promises.ts";
import type { DescribedField } from "../codec/struct.ts";
import { openDevice } from "../devices/open.ts";
import type { Env } from "../env/env.ts";
import { decodeDmRaid, DM_RAID_BYTES } from "../formats/dm-raid.ts";
import { labelHeader, lvmUuid, pvHeader } from "../formats/lvm2/label.ts";
import { readLvmPv } from "../formats/lvm2/read.ts";
import { decodePplHeader, PPL_HEADER_SECTORS, pplHeader, pplSignature } from "../formats/md/ppl.ts";
import {
  decodeR5Meta,
  R5_BLOCK_SECTORS,
  r5MetaBlock,
  r5Seed,
  r5Start,
} from "../formats/md/r5-log.ts";
import { arrayUuidBytes } from "../formats/md/superblock.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import { probeMdSuperblocks, readBadBlocks, readMemberBitmap } from "../md/probe.ts";
import { collectDevices } from "./devices.ts";
import type { ExamineReport } from "./report.ts";
import type { CollectedDevice } from "./devices.ts";

type Examiner = (named: CollectedDevice) => Promise<ExamineReport[]>;

const EXAMINERS: readonly Examiner[] = [examineMd, examineDmRaid, examineLvm];

/**
 * @throws HoldfastError when a path cannot be opened; what cannot be read on a device is among the problems
 */
export async function examinePaths(env: Env, paths: readonly string[]): Promise<ExamineReport[]> {
  const collected = await collectDevices(env, paths, { open: openDevice });
  try {
    const [error] = collected.errors;
    if (error !== undefined) throw error;
    const reports: ExamineReport[] = [];
    for (const named of collected.devices) {
      for (const examine of EXAMINERS) reports.push(...(await tolerated(named, examine)));
    }
    return reports;
  } finally {
    await collected.close();
  }
}

async function tolerated(named: CollectedDevice, examine: Examiner): Promise<ExamineReport[]> {
  try {
    return await examine(named);
  } catch (thrown) {
    const { message } = toHoldfastError(thrown);
    return [reportOf(named, "metadata that cannot be read", 0, [], [message])];
  }
}

function reportOf(
  named: CollectedDevice,
  format: string,
  sector: number,
  fields: readonly DescribedField[],
  problems: readonly string[],
): ExamineReport {
  return { path: named.path, format, offsetBytes: sector * SECTOR_BYTES, fields, problems };
}

async function examineMd(named: CollectedDevice): Promise<ExamineReport[]> {
  const { primary, secondary, bad } = await probeMdSuperblocks(named.device);
  const reports: ExamineReport[] = [];
  if (primary !== null) {
    reports.push(superblockReport(named, primary, []));
    reports.push(...(await examineMemberAreas(named, primary)));
  }
  for (const superblock of secondary) {
    const left = "left over from an earlier use: the one above is newer";
    reports.push(superblockReport(named, superblock, [left]));
  }
  for (const { version, sector, reason, fields } of bad) {
    reports.push(reportOf(named, `md superblock ${version}, damaged`, sector, fields, [reason]));
  }
  return reports;
}

function superblockReport(
  named: CollectedDevice,
  superblock: MdSuperblock,
  remarks: readonly string[],
): ExamineReport {
  const { version, byteOrder, superSector, fields, unknownFeatures } = superblock;
  const order = byteOrder === "big" ? ", big-endian" : "";
  const problems = [
    ...remarks,
    ...(superblock.checksumOk ? [] : ["its checksum is wrong: do not trust it"]),
    ...(unknownFeatures === 0
      ? []
      : [`it uses unknown feature bits 0x${unknownFeatures.toString(16)}`]),
  ];
  return reportOf(named, `md superblock ${version}${order}`, superSector, fields, problems);
}

/** What else md keeps on a member. */
async function examineMemberAreas(
  named: CollectedDevice,
  superblock: MdSuperblock,
): Promise<ExamineReport[]> {
  return [
    ...(await examineBitmap(named, superblock)),
    ...(await examineBadBlocks(named, superblock)),
    ...(await examinePpl(named, superblock)),
    ...(await examineJournal(named, superblock)),
  ];
}

async function examineBitmap(
  named: CollectedDevice,
  superblock: MdSuperblock,
): Promise<ExamineReport[]> {
  const bitmap = await readMemberBitmap(named.device, superblock);
  if (bitmap === null || superblock.bitmapSector === null) return [];
  const { decoded } = bitmap;
  const report = (
    fields: readonly DescribedField[],
    problems: readonly string[],
  ): ExamineReport[] => [reportOf(named, "md bitmap", superblock.bitmapSector!, fields, problems)];
  switch (decoded.kind) {
    case "none":
      return report([], ["the superblock says that a bitmap is here, and there is none"]);
    case "bad":
      return report(decoded.fields, [decoded.reason]);
    case "ok": {
      const behind = decoded.bitmap.events < superblock.events;
      return report(decoded.bitmap.fields, behind ? ["it is older than the superblock"] : []);
    }
  }
}

async function examineBadBlocks(
  named: CollectedDevice,
  superblock: MdSuperblock,
): Promise<ExamineReport[]> {
  const log = superblock.badBlockLog;
  if (log === null || !log.inUse) return [];
  const decoded = await readBadBlocks(named.device, superblock);
  const fields =
    decoded.kind === "bad"
      ? []
      : decoded.ranges.map((range, i) => ({
          name: `range ${i}`,
          offset: i * 8,
          size: 8,
          type: "u64",
          value: `sectors ${range.sector} to ${range.sector + range.sectors - 1}`,
        }));
  const problems = decoded.kind === "bad" ? [decoded.reason] : [];
  return [reportOf(named, "md bad-block log", log.startSector, fields, problems)];
}

async function examinePpl(
  named: CollectedDevice,
  superblock: MdSuperblock,
): Promise<ExamineReport[]> {
  const { ppl } = superblock;
  if (ppl === null) return [];
  const header = await readSectors(named.device, ppl.startSector, PPL_HEADER_SECTORS);
  const decoded = decodePplHeader(header, pplSignature(arrayUuidBytes(superblock)));
  const fields = pplHeader.describe(pplHeader.decode(header));
  const problems = decoded.kind === "bad" ? [decoded.reason] : [];
  return [reportOf(named, "md partial parity log", ppl.startSector, fields, problems)];
}

async function examineJournal(
  named: CollectedDevice,
  superblock: MdSuperblock,
): Promise<ExamineReport[]> {
  if (superblock.role.kind !== "journal") return [];
  const log = {
    sectors: superblock.dataSectors - (superblock.dataSectors % R5_BLOCK_SECTORS),
    seed: r5Seed(arrayUuidBytes(superblock)),
  };
  const position = r5Start(log, superblock.journalTailSectors ?? 0);
  const sector = superblock.dataOffsetSectors + position;
  const block = await readSectors(named.device, sector, R5_BLOCK_SECTORS);
  const decoded = decodeR5Meta(block, log, position, null);
  const fields = r5MetaBlock.describe(r5MetaBlock.decode(block));
  const problems = decoded.kind === "bad" ? [`the journal is empty here: ${decoded.reason}`] : [];
  return [reportOf(named, "md write journal, first block", sector, fields, problems)];
}

async function examineDmRaid(named: CollectedDevice): Promise<ExamineReport[]> {
  const head = await readSectors(named.device, 0, DM_RAID_BYTES / SECTOR_BYTES);
  const decoded = decodeDmRaid(head);
  switch (decoded.kind) {
    case "none":
      return [];
    case "bad":
      return [reportOf(named, "dm-raid superblock, damaged", 0, decoded.fields, [decoded.reason])];
    case "ok":
      return [reportOf(named, "dm-raid superblock", 0, decoded.fields, [])];
  }
}

async function examineLvm(named: CollectedDevice): Promise<ExamineReport[]> {
  const pv = await readLvmPv(named.device);
  if (pv === null) return [];
  const { sector } = pv.label;
  const data = await readSectors(named.device, sector, 1);
  const label = labelHeader.decode(data);
  const header = pvHeader.decode(data, label.headerOffset);
  const headerFields = pvHeader.describe({ ...header, uuid: lvmUuid(header.uuid) });
  const fields = [
    ...labelHeader.describe(label),
    ...headerFields.map((field) => ({ ...field, offset: field.offset + label.headerOffset })),
  ];
  return [reportOf(named, "LVM2 label", sector, fields, pv.problems)];
}
