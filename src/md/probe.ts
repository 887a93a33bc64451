/**
 * Looks for md superblocks at all the places a device can have one, and reads what else md keeps on a member.
 *
 * A device that was used before may have several. Which one counts is mdadm's rule (guess_super): the latest creation
 * time, among equals the first in the order 0.90, 1.0, 1.1, 1.2. One difference: a superblock with a wrong checksum only
 * counts when there is no sound one.
 */
import { readSectors } from "../block/promises.ts";
import type { BlockDevice } from "../block/device.ts";
import type { DescribedField } from "../codec/struct.ts";
import { decodeBadBlocks } from "../formats/md/bad-blocks.ts";
import type { BadBlockDecode } from "../formats/md/bad-blocks.ts";
import { clusterSlotOffset, decodeBitmap } from "../formats/md/bitmap.ts";
import type { BitmapDecode, MdBitmap } from "../formats/md/bitmap.ts";
import type { BitmapReader } from "../formats/md/bitmap-runs.ts";
import { decodeSuperblock090, superblock090Sector } from "../formats/md/superblock-090.ts";
import { superblock1Sector } from "../formats/md/superblock-1-layout.ts";
import { decodeSuperblock1 } from "../formats/md/superblock-1.ts";
import type { MdSuperblock, MdVersion } from "../formats/md/superblock.ts";

const SUPERBLOCK_SECTORS = 8;

/** Something with md's magic that cannot be a superblock to act on. */
export interface BadSuperblock {
  readonly version: MdVersion;
  readonly sector: number;
  /** One sentence without the device's name. */
  readonly reason: string;
  readonly fields: readonly DescribedField[];
}

export interface ProbeResult {
  /** The one that counts; null when the device is no member. */
  readonly primary: MdSuperblock | null;
  /** Others that are sound, left from earlier uses, in order of preference. */
  readonly secondary: readonly MdSuperblock[];
  readonly bad: readonly BadSuperblock[];
}

const VERSIONS: readonly MdVersion[] = ["0.90", "1.0", "1.1", "1.2"];

function placeOf(version: MdVersion, deviceSectors: number): number | null {
  return version === "0.90"
    ? superblock090Sector(deviceSectors)
    : superblock1Sector(version, deviceSectors);
}

/** Order of preference; negative: `a` before `b`. */
function compare(a: MdSuperblock, b: MdSuperblock): number {
  if (a.checksumOk !== b.checksumOk) return a.checksumOk ? -1 : 1;
  return b.createdSeconds - a.createdSeconds;
}

/** Rejects only with the device's own read errors. */
export async function probeMdSuperblocks(device: BlockDevice): Promise<ProbeResult> {
  const found: MdSuperblock[] = [];
  const bad: BadSuperblock[] = [];
  for (const version of VERSIONS) {
    const sector = placeOf(version, device.sectors);
    if (sector === null || sector + SUPERBLOCK_SECTORS > device.sectors) continue;
    const data = await readSectors(device, sector, SUPERBLOCK_SECTORS);
    const place = { sector, deviceSectors: device.sectors };
    const decoded =
      version === "0.90"
        ? decodeSuperblock090(data, place)
        : decodeSuperblock1(data, version, place);
    if (decoded.kind === "ok") found.push(decoded.superblock);
    if (decoded.kind === "bad")
      bad.push({ version, sector, reason: decoded.reason, fields: decoded.fields });
  }
  // toSorted is stable: among equals the order of VERSIONS stays.
  const [primary, ...secondary] = found.toSorted(compare);
  return { primary: primary ?? null, secondary, bad };
}

/** The member's bad blocks, in sectors from the start of the device; none when no log is in use. */
export async function readBadBlocks(
  device: BlockDevice,
  superblock: MdSuperblock,
): Promise<BadBlockDecode> {
  const log = superblock.badBlockLog;
  if (log === null || !log.inUse) return { kind: "ok", ranges: [] };
  const end = log.startSector + log.sectors;
  if (log.startSector < 0 || end > device.sectors)
    return {
      kind: "bad",
      reason: `its bad-block log would be at sectors ${log.startSector} to ${end} of a device of ${device.sectors}`,
    };
  return decodeBadBlocks(await readSectors(device, log.startSector, log.sectors), log.shift);
}

/** A reader of bytes from `sector` on, ending with the device, for bitmapRuns and the like. */
function bitmapReader(device: BlockDevice, sector: number): BitmapReader {
  return async (offset, length) => {
    const from = Math.floor(offset / 512);
    const last = Math.min(Math.ceil((offset + length) / 512), device.sectors - sector);
    if (last <= from) return new Uint8Array(0);
    const data = await readSectors(device, sector + from, last - from);
    return data.subarray(offset - from * 512, offset - from * 512 + length);
  };
}

export interface MemberBitmap {
  readonly decoded: BitmapDecode;
  /** For its bits; offsets from the start of this bitmap. */
  readonly read: BitmapReader;
}

/**
 * Why the bitmap cannot be as large as it says; null when it can. What lies behind it is data or nothing, and to look
 * through a whole disk for its bits could take a day.
 */
function bitmapTooLarge(
  device: BlockDevice,
  superblock: MdSuperblock,
  bitmapSector: number,
  bitmap: MdBitmap,
  nodes: number,
): string | null {
  const { dataOffsetSectors } = superblock;
  const next = bitmapSector < dataOffsetSectors ? dataOffsetSectors : device.sectors;
  const bytes = clusterSlotOffset(bitmap, nodes - 1) + bitmap.dataOffset + bitmap.dataBytes;
  const sectors = Math.ceil(bytes / 512);
  if (sectors <= next - bitmapSector) return null;
  return `its bitmap would take ${sectors} sectors, and there is room for ${next - bitmapSector}`;
}

/**
 * The member's internal bitmap, in a cluster that of node `node`; null when the array has none.
 * @param node below MdBitmap.nodes of node 0's bitmap
 */
export async function readMemberBitmap(
  device: BlockDevice,
  superblock: MdSuperblock,
  node = 0,
): Promise<MemberBitmap | null> {
  const sector = superblock.bitmapSector;
  if (sector === null) return null;
  const first = await bitmapAt(device, superblock, sector, "with all nodes");
  if (node === 0 || first.decoded.kind !== "ok") return first;
  const start = sector + clusterSlotOffset(first.decoded.bitmap, node) / 512;
  return bitmapAt(device, superblock, start, "alone");
}

async function bitmapAt(
  device: BlockDevice,
  superblock: MdSuperblock,
  sector: number,
  extent: "with all nodes" | "alone",
): Promise<MemberBitmap> {
  const read = bitmapReader(device, sector);
  const decoded = decodeBitmap(await read(0, 512));
  if (decoded.kind !== "ok") return { decoded, read };
  const nodes = extent === "alone" ? 1 : Math.max(1, decoded.bitmap.nodes);
  const reason = bitmapTooLarge(device, superblock, sector, decoded.bitmap, nodes);
  if (reason === null) return { decoded, read };
  return { decoded: { kind: "bad", reason, fields: decoded.bitmap.fields }, read };
}
