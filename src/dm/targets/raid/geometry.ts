/** How long each device's part of a set is, and what a bit of its bitmap covers: from the table line alone. */
import { HoldfastError } from "../../../base/errors.ts";
import type { MdShape } from "../../../formats/md/superblock.ts";
import type { RaidArguments } from "./arguments.ts";

export interface RaidGeometry {
  readonly shape: MdShape;
  readonly arraySectors: number;
  /** Of each data device. */
  readonly componentSectors: number;
  readonly regionSectors: number;
  /** What a bitmap covers, and a resync goes over: array sectors of a raid10, else those of a device. */
  readonly syncSectors: number;
}

/** 4 MiB. */
const USUAL_REGION_SECTORS = 8192;
const MAX_REGIONS = 2 ** 21;

/** @throws HoldfastError `usage` for a length that the devices cannot make */
export function raidGeometry(raid: RaidArguments, sectors: number): RaidGeometry {
  const { type, chunkSectors, layout, devices } = raid;
  const { level, parityDevices } = type;
  const copies = level === "raid10" ? (raid.numbers.get("raid10_copies") ?? 2) : 1;
  const dataDevices = level === "raid1" ? 1 : devices.length - parityDevices;
  const componentSectors = (sectors * copies) / dataDevices;
  const unit = Math.max(1, chunkSectors);
  if (!Number.isInteger(componentSectors) || componentSectors % unit !== 0)
    throw new HoldfastError(
      "usage",
      `raid: ${sectors} sectors cannot be divided into whole chunks on ${dataDevices} data devices.`,
    );
  const regionSectors = regionOf(raid, sectors);
  const shape = { level, layout, chunkSectors, raidDisks: devices.length };
  const syncSectors = level === "raid10" ? sectors : componentSectors;
  return { shape, arraySectors: sectors, componentSectors, regionSectors, syncSectors };
}

function regionOf({ numbers, chunkSectors }: RaidArguments, sectors: number): number {
  const least = sectors / MAX_REGIONS;
  const asked = numbers.get("region_size") ?? 0;
  if (asked === 0) {
    let region = USUAL_REGION_SECTORS;
    while (region < least) region *= 2;
    return region;
  }
  if (asked > sectors || asked < least || asked < chunkSectors)
    throw new HoldfastError(
      "usage",
      `raid: a region size of ${asked} sectors does not fit a set of ${sectors} sectors with chunks of ${chunkSectors}: it is at least the chunk size and ${Math.ceil(least)}, at most the set's length.`,
    );
  return asked;
}
