/**
 * Tells what a clone's metadata device holds, as XML in the manner of thin_dump: the superblock, and in it the regions that are hydrated, one or a range a line.
 * With damage it stops, or, when there is somebody to tell, leaves out what is lost.
 */
import type { BlockDevice } from "../../../block/device.ts";
import { rfcUuid } from "../../../codec/uuid.ts";
import { BlockCache } from "../../../pdata/block-cache.ts";
import { lossTeller, once } from "../../../pdata/walk.ts";
import type { DumpOptions } from "../../../pdata/walk.ts";
import { walkBitset } from "./hydrated-regions.ts";
import { readCloneSuperblock, regionsOf } from "./superblock.ts";

/** @throws `bad-metadata`, `io` */
export async function dumpClone(
  device: BlockDevice,
  line: (text: string) => Promise<void>,
  options: DumpOptions = {},
): Promise<void> {
  const superblock = await readCloneSuperblock(device);
  const { flags, version, regionSectors, targetSectors } = superblock;
  const uuid = superblock.uuid.every((byte) => byte === 0) ? "" : rfcUuid(superblock.uuid);
  const regions = regionsOf(superblock);
  await line(
    `<superblock uuid="${uuid}" flags="${flags}" version="${version}" region_size="${regionSectors}" target_size="${targetSectors}" nr_regions="${regions}">`,
  );
  const tell = lossTeller(device.name, options);
  await walkBitset(
    {
      cache: new BlockCache(device),
      enter: once(),
      hydrated: (from, to) =>
        line(
          to - from === 1
            ? `  <single_region region="${from}"/>`
            : `  <range_region region_begin="${from}" length="${to - from}"/>`,
        ),
      lost: (keys) => tell("regions", keys),
    },
    superblock.bitsetRoot,
    regions,
  );
  await line("</superblock>");
}
