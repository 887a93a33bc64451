/** Checks the metadata of a clone in the manner of thin_check. Nothing is written. */
import { HoldfastError } from "../../../base/errors.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { BlockCache } from "../../../pdata/block-cache.ts";
import { MetadataCheck } from "../../../pdata/metadata-check.ts";
import type { CheckLine, CheckResult } from "../../../pdata/metadata-check.ts";
import { walkBitset } from "./hydrated-regions.ts";
import { readCloneSuperblock, regionsOf } from "./superblock.ts";

export async function checkClone(
  device: BlockDevice,
  say: (line: CheckLine) => void,
): Promise<CheckResult> {
  const cache = new BlockCache(device);
  const check = new MetadataCheck(cache, say);
  say({ kind: "progress", text: "examining superblock" });
  const superblock = await readCloneSuperblock(device).catch((error: unknown) => {
    if (error instanceof HoldfastError && error.code === "bad-metadata") return error;
    throw error;
  });
  if (superblock instanceof HoldfastError) {
    check.problem("superblock is corrupt", superblock.message);
    return { verdict: check.verdict, needsCheck: false };
  }
  const regions = regionsOf(superblock);
  say({ kind: "progress", text: "examining region bitset" });
  let hydrated = 0;
  await walkBitset(
    {
      cache,
      enter: check.enter,
      hydrated: (from, to) => {
        hydrated += to - from;
      },
      lost: (keys) => check.lost("missing regions", keys),
    },
    superblock.bitsetRoot,
    regions,
  );
  say({ kind: "fact", name: "REGIONS", value: regions });
  say({ kind: "fact", name: "HYDRATED_REGIONS", value: hydrated });
  if (check.verdict === "clean") await check.counts({ metadata: superblock.metadataSpaceMap });
  return { verdict: check.verdict, needsCheck: false };
}
