/** Takes away the mark that metadata is to be checked before it is changed. */
import { readSectors, writeSectors } from "../../block/promises.ts";
import { BioFlags } from "../../block/bio.ts";
import type { BlockDevice } from "../../block/device.ts";
import { METADATA_BLOCK_SECTORS, sealBlock } from "../../formats/persistent-data.ts";
import { THIN_NEEDS_CHECK, THIN_SUPERBLOCK, thinSuperblock } from "../../formats/thin.ts";

/** @param device with metadata that was found to be good */
export async function clearNeedsCheck(device: BlockDevice): Promise<void> {
  const data = await readSectors(device, 0, METADATA_BLOCK_SECTORS);
  const { flags } = thinSuperblock.decode(data);
  thinSuperblock.encodeInto(data, 0, { flags: flags & ~THIN_NEEDS_CHECK });
  sealBlock(THIN_SUPERBLOCK, data, 0);
  await writeSectors(device, 0, data, BioFlags.fua);
}
