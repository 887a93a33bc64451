/**
 * A raid0 of unequal members that does not say how it is laid out, as kernels before 5.4 left it: it is not guessed, and reads right
 * once it is told.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import {
  FEATURE,
  superblock1,
  superblock1Checksum,
} from "../src/formats/md/superblock-1-layout.ts";
import { goldenCase, unpackToFolder } from "./support/golden.ts";
import { readSets } from "./support/open.ts";

const SUPERBLOCK_BYTES = 4096;

/** Takes the record of the layout out of a 1.2 superblock. */
function forgetLayout(path: string): void {
  const disk = readFileSync(path);
  const place = disk.subarray(SUPERBLOCK_BYTES, 2 * SUPERBLOCK_BYTES);
  const { featureMap, maxDev } = superblock1.decode(place);
  superblock1.encodeInto(place, 0, { featureMap: featureMap & ~FEATURE.raid0Layout, layout: 0 });
  superblock1.encodeInto(place, 0, { sbCsum: superblock1Checksum(place, maxDev) });
  writeFileSync(path, disk);
}

it.each(["original", "alternate"] as const)("%s", async (raid0Layout) => {
  const golden = goldenCase(`raid0-zones-${raid0Layout}-c64`);
  const unpacked = unpackToFolder(golden);
  try {
    for (const disk of unpacked.disks) forgetLayout(disk);
    const untold = await readSets(unpacked.disks);
    expect(untold.volumes).toHaveLength(0);
    expect(untold.refused[0]?.verdict).toMatchObject({
      kind: "cannot-start",
      reason: expect.stringContaining("--raid0-layout"),
    });
    const told = await readSets(unpacked.disks, { raid0Layout });
    expect(told.volumes[0]?.sha256).toBe(golden.views[0]!.volumes["volume"]!.sha256);
  } finally {
    unpacked.remove();
  }
});
