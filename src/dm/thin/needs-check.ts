/** The mark in a pool's superblock that its metadata is to be checked before anything is changed. */
import { readSectors, writeSectors } from "../../block/promises.ts";
import { BioFlags } from "../../block/bio.ts";
import type { BlockDevice } from "../../block/device.ts";
import { HoldfastError } from "../../base/errors.ts";
import { METADATA_BLOCK_SECTORS, sealBlock } from "../../formats/persistent-data.ts";
import {
  THIN_NEEDS_CHECK,
  THIN_SUPERBLOCK,
  thinSuperblock,
  thinSuperblockProblem,
} from "../../formats/thin.ts";

/** Sets it, or takes it away, in the last commit; all else stays. @throws `bad-metadata`, `io` */
export async function markNeedsCheck(device: BlockDevice, isNeeded: boolean): Promise<void> {
  const data = await readSectors(device, 0, METADATA_BLOCK_SECTORS);
  const problem = thinSuperblockProblem(data);
  if (problem !== null) throw new HoldfastError("bad-metadata", `${device.name}: ${problem}.`);
  const { flags } = thinSuperblock.decode(data);
  const others = flags & ~THIN_NEEDS_CHECK;
  thinSuperblock.encodeInto(data, 0, { flags: isNeeded ? others | THIN_NEEDS_CHECK : others });
  sealBlock(THIN_SUPERBLOCK, data, 0);
  await writeSectors(device, 0, data, BioFlags.fua);
}
