/** The superblock of a clone as it is found on its metadata device. */
import { HoldfastError } from "../../../base/errors.ts";
import { readSectors } from "../../../block/promises.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { cloneSuperblock, cloneSuperblockProblem } from "../../../formats/dm-clone.ts";
import type { CloneSuperblock } from "../../../formats/dm-clone.ts";
import { METADATA_BLOCK_SECTORS } from "../../../formats/persistent-data.ts";

/** @throws `bad-metadata`, `io` */
export async function readCloneSuperblock(device: BlockDevice): Promise<CloneSuperblock> {
  if (device.sectors < METADATA_BLOCK_SECTORS)
    throw new HoldfastError("bad-metadata", `${device.name} is too small for metadata of a clone.`);
  const data = await readSectors(device, 0, METADATA_BLOCK_SECTORS);
  const problem = cloneSuperblockProblem(data);
  if (problem !== null) throw new HoldfastError("bad-metadata", `${device.name}: ${problem}.`);
  return cloneSuperblock.decode(data);
}

export interface CloneSizes {
  readonly regionSectors: number;
  readonly targetSectors: number;
}

export function regionsOf({ regionSectors, targetSectors }: CloneSizes): number {
  return Math.ceil(targetSectors / regionSectors);
}
