/**
 * Images that were not copied to their end: what is there is used, what is not is rebuilt, and where that cannot be the read fails.
 * (The kernel refuses such members altogether.)
 */
import { truncateSync } from "node:fs";
import { expect, it } from "vitest";
import { readInto } from "../src/block/promises.ts";
import { nodeEnv } from "../src/env/node/env.ts";
import { openVolumes } from "../src/volume/open.ts";
import { goldenCase, unpackToFolder } from "./support/golden.ts";
import { readSets } from "./support/open.ts";

it("one member of a raid5 is read as far as it goes, and rebuilt from there on", async () => {
  const golden = goldenCase("raid5-4-ls-c64");
  const unpacked = unpackToFolder(golden);
  try {
    truncateSync(unpacked.disks[1]!, 5_000_000);
    const { volumes } = await readSets(unpacked.disks);
    expect(volumes[0]?.sha256).toBe(golden.views[0]!.volumes["volume"]!.sha256);
    expect(volumes[0]?.report.notes.join()).toMatch(/d1\.img is cut off/);
  } finally {
    unpacked.remove();
  }
});

it("what no member has any more is an error, and only that", async () => {
  const golden = goldenCase("raid0-2x8-c64");
  const unpacked = unpackToFolder(golden);
  try {
    truncateSync(unpacked.disks[1]!, 5_000_192);
    const opened = await openVolumes(nodeEnv(), { paths: unpacked.disks, force: false });
    const { device } = opened.volumes[0]!;
    await readInto(device, 0, new Uint8Array(4_000_000 - (4_000_000 % 512)));
    const last = new Uint8Array(128 * 512);
    await expect(readInto(device, device.sectors - 128, last)).rejects.toMatchObject({
      code: "data-lost",
    });
    await opened.close();
  } finally {
    unpacked.remove();
  }
});
