/**
 * Where everything lies on the members of a new array. As mdadm places it, so that what is made here is what mdadm would have made.
 *
 *   1.2   0     | superblock 8 | bitmap or PPL 16 ... | bad-block log | unused | data offset: data ...
 *   1.1   superblock 0 | bitmap or PPL 8 ... | bad-block log | unused | data offset: data ...
 *   1.0   data ... | bitmap or PPL | bad-block log | superblock
 *   0.90  data ... | superblock | bitmap
 *
 * Facts: mdadm's super1.c, super0.c; docs/kernel/md-metadata.md, section 7.4.
 */
import { alignDown, alignUp } from "../../base/units.ts";
import { superblock090Sector } from "../../formats/md/superblock-090.ts";
import { superblock1Sector } from "../../formats/md/superblock-1-layout.ts";
import type { MdVersion } from "../../formats/md/superblock.ts";
import { refuse } from "./request.ts";
import type { NewBitmapOptions } from "./request.ts";

const BLOCK_SECTORS = 8;
const GIB_SECTORS = 2 * 1024 * 1024;
const MIB_SECTORS = 2048;
export const BAD_BLOCK_LOG_SECTORS = 8;
export const PPL_SECTORS = MIB_SECTORS;
/** Between a superblock and the bitmap behind it. */
const BEHIND_SUPERBLOCK = 8;
/** The rest of the 64 KiB in which the 0.90 superblock lies. */
const BITMAP_ROOM_090 = 120;
const DEFAULT_BITMAP_CHUNK_SECTORS = 64 * MIB_SECTORS;
const LARGEST_HEADROOM = 128 * MIB_SECTORS;

/** Room that is kept for a bitmap, now or later. */
function bitmapRoom(sectors: number): number {
  if (sectors < 128) return 0;
  if (sectors - 128 >= 200 * GIB_SECTORS) return 256;
  return sectors - BEHIND_SUPERBLOCK > 8 * GIB_SECTORS ? 128 : BLOCK_SECTORS;
}

/** What is kept free of data besides the superblock, given how long a device or member is. */
function reservedRoom(hasPpl: boolean, sectors: number): number {
  return hasPpl ? PPL_SECTORS : bitmapRoom(sectors);
}

/** 1.1 and 1.2: the data offset that suits a device, with headroom for a later reshape. */
export function usualDataOffset(
  deviceSectors: number,
  chunkSectors: number,
  hasPpl: boolean,
): number {
  let headroom = LARGEST_HEADROOM;
  while (
    headroom * 1024 > deviceSectors &&
    (chunkSectors === 0 ? headroom > 0 : headroom > 2 * chunkSectors)
  )
    headroom = Math.floor(headroom / 2);
  return alignUp(24 + reservedRoom(hasPpl, deviceSectors) + headroom, MIB_SECTORS);
}

function superblockSector(version: MdVersion, deviceSectors: number): number | null {
  return version === "0.90"
    ? superblock090Sector(deviceSectors)
    : superblock1Sector(version, deviceSectors);
}

/** How much a device can offer; below 0: too small. */
export function availableSectors(
  version: MdVersion,
  deviceSectors: number,
  dataOffset: number,
  hasPpl: boolean,
): number {
  switch (version) {
    case "0.90":
      return superblock090Sector(deviceSectors) ?? -1;
    case "1.0":
      return (
        alignDown(deviceSectors, BLOCK_SECTORS) -
        16 -
        BAD_BLOCK_LOG_SECTORS -
        reservedRoom(hasPpl, deviceSectors)
      );
    case "1.1":
    case "1.2":
      return deviceSectors - dataOffset;
  }
}

/** The bitmap's chunk: 64 MiB, or the least whose bits fit into the room. */
export function bitmapChunk(
  version: MdVersion,
  componentSectors: number,
  syncSectors: number,
  options: NewBitmapOptions,
): number {
  const room = version === "0.90" ? BITMAP_ROOM_090 : bitmapRoom(componentSectors);
  if (room === 0) refuse(`the members use ${componentSectors} sectors, too few for a bitmap`);
  const mostBits = (room * 512 - 256) * 8;
  let least = BLOCK_SECTORS;
  let bits = Math.floor(syncSectors / least) + 1;
  while (bits > mostBits) {
    least *= 2;
    bits = Math.floor((bits + 1) / 2);
  }
  const { chunkSectors } = options;
  if (chunkSectors === null) return Math.max(DEFAULT_BITMAP_CHUNK_SECTORS, least);
  if (chunkSectors < least)
    refuse(
      `a bitmap with chunks of ${chunkSectors / 2} KiB does not fit; they can have ${least / 2} KiB or more`,
    );
  return chunkSectors;
}

export interface MetadataPlaces {
  readonly superSector: number;
  /** Device sectors; null: there is none. */
  readonly bitmapSector: number | null;
  readonly pplSector: number | null;
  /** 0: there is none. */
  readonly pplSectors: number;
  readonly badBlockSector: number | null;
  readonly dataOffset: number;
  readonly dataSectors: number;
}

export interface PlaceOptions {
  readonly version: MdVersion;
  readonly deviceSectors: number;
  readonly dataOffset: number;
  readonly componentSectors: number;
  /** In whole blocks of 4 KiB; null: no bitmap. */
  readonly bitmapSectors: number | null;
  /** Where the bitmaps or PPLs of the array are, from the superblock; null: where mdadm puts them. In 0.90 there is no choice. */
  readonly bitmapOffset: number | null;
  /** Null: no PPL. */
  readonly pplSectors: number | null;
  readonly hasBadBlockLog: boolean;
}

/** Null: neither bitmap nor PPL. */
function usedSectors({ bitmapSectors, pplSectors }: PlaceOptions): number | null {
  return bitmapSectors ?? pplSectors;
}

/** What lies between the superblock and the data, or is to be left free there, for a bitmap or a PPL. */
function areaSectors(options: PlaceOptions): number {
  return usedSectors(options) ?? bitmapRoom(options.componentSectors);
}

/** 1.0: everything lies in front of the superblock at the end, but for a bitmap that a kernel added behind it. */
function placesAtEnd(options: PlaceOptions, superSector: number): MetadataPlaces {
  const { bitmapSectors, pplSectors, componentSectors } = options;
  const used = usedSectors(options);
  const log = superSector - BAD_BLOCK_LOG_SECTORS;
  const usual = log - areaSectors(options);
  const area = superSector + (options.bitmapOffset ?? usual - superSector);
  const isLogFree = area > superSector || area + (used ?? 0) <= log;
  return {
    superSector,
    bitmapSector: bitmapSectors === null ? null : area,
    pplSector: pplSectors === null ? null : area,
    pplSectors: pplSectors ?? 0,
    badBlockSector: options.hasBadBlockLog && isLogFree ? log : null,
    dataOffset: 0,
    // What is only kept free is given up on a device that would be too small otherwise.
    dataSectors: Math.min(log, used !== null ? area : Math.max(area, componentSectors)),
  };
}

/** 1.1, 1.2: everything lies between the superblock and the data. */
function placesAtStart(options: PlaceOptions, superSector: number): MetadataPlaces {
  const { dataOffset } = options;
  const area = superSector + (options.bitmapOffset ?? BEHIND_SUPERBLOCK);
  const used = usedSectors(options) ?? 0;
  const behind = area + areaSectors(options);
  const log =
    behind + BAD_BLOCK_LOG_SECTORS <= dataOffset ? behind : dataOffset - BAD_BLOCK_LOG_SECTORS;
  if (area + used > dataOffset)
    refuse(`data from sector ${dataOffset} on leave no room for the metadata in front of them`);
  return {
    superSector,
    bitmapSector: options.bitmapSectors === null ? null : area,
    pplSector: options.pplSectors === null ? null : area,
    pplSectors: options.pplSectors ?? 0,
    badBlockSector: options.hasBadBlockLog && log >= area + used ? log : null,
    dataOffset,
    dataSectors: options.deviceSectors - dataOffset,
  };
}

/** @throws Refusal */
export function placeMetadata(options: PlaceOptions): MetadataPlaces {
  const { version, deviceSectors } = options;
  const superSector = superblockSector(version, deviceSectors);
  if (superSector === null) refuse(`a device of ${deviceSectors} sectors has no room for metadata`);
  if (version === "1.0") return placesAtEnd(options, superSector);
  if (version !== "0.90") return placesAtStart(options, superSector);
  return {
    superSector,
    bitmapSector: options.bitmapSectors === null ? null : superSector + BEHIND_SUPERBLOCK,
    pplSector: null,
    pplSectors: 0,
    badBlockSector: null,
    dataOffset: 0,
    dataSectors: superSector,
  };
}
