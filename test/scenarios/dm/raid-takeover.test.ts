/** Other levels, other layouts, other stripes: what lvm2's takeover and reshape tests ask for is refused by name, and what needs no reshape is done. */
import { expect, test } from "vitest";
import { Pattern } from "./pattern.ts";
import { Volumes, raidTable } from "./volumes.ts";
import type { RaidWords } from "./volumes.ts";

const SECTORS = 2048;

interface Change {
  readonly origin: string;
  readonly from: readonly [type: string, images: number, dataImages: number, words?: string];
  readonly to: readonly [type: string, images: number, dataImages: number, words?: string];
  readonly chunkSectors?: number;
  readonly why: RegExp;
}

const RESHAPE = /a reshape is not served/;

const CHANGES: readonly Change[] = [
  {
    origin: "lvconvert-raid-takeover",
    from: ["raid5_n", 4, 3],
    to: ["raid4", 4, 3],
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid-takeover",
    from: ["raid5_ls", 4, 3],
    to: ["raid6_ls_6", 5, 3, "rebuild 4"],
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid-takeover",
    from: ["raid6_n_6", 5, 3],
    to: ["raid5_n", 4, 3],
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid-takeover",
    from: ["raid1", 2, 1],
    to: ["raid5_n", 2, 1],
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid-takeover-linear_to_raid4",
    from: ["raid1", 2, 1],
    to: ["raid4", 2, 1],
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid-takeover-raid4_to_linear",
    from: ["raid4", 2, 1],
    to: ["raid1", 2, 1],
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid0_to_raid10",
    from: ["raid0", 2, 2, ""],
    to: ["raid10", 4, 2, "rebuild 1 rebuild 3"],
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid5_to_raid10",
    from: ["raid5_n", 3, 2],
    to: ["raid10", 4, 2],
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid-reshape",
    from: ["raid5_ls", 4, 3],
    to: ["raid5_rs", 4, 3],
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid-reshape",
    from: ["raid5_ls", 3, 2],
    to: ["raid5_ls", 4, 3, "delta_disks 1"],
    why: /\("delta_disks"\) is wrong: a set that is reshaped to another number of devices is not served/,
  },
  {
    origin: "lvconvert-raid-reshape-stripes-load",
    from: ["raid5_ls", 3, 2],
    to: ["raid5_ls", 4, 3, "rebuild 3"],
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid-reshape-load",
    from: ["raid5_ls", 4, 3, "region_size 512"],
    to: ["raid5_ls", 4, 3, "region_size 512"],
    chunkSectors: 512,
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid-reshape-size",
    from: ["raid6_zr", 5, 3],
    to: ["raid6_zr", 5, 3, "data_offset 128"],
    why: /a set whose data are moved to another offset is not served/,
  },
  {
    origin: "lvconvert-raid-reshape-linear_to_striped",
    from: ["raid1", 2, 1],
    to: ["raid5_n", 2, 1, "delta_disks 1"],
    why: /another number of devices is not served/,
  },
  {
    origin: "lvconvert-raid-reshape-striped_to_linear",
    from: ["raid5_n", 4, 3],
    to: ["raid5_n", 4, 3, "delta_disks -2"],
    why: /another number of devices is not served/,
  },
  {
    origin: "lvconvert-raid-restripe-linear",
    from: ["raid1", 2, 1],
    to: ["raid5_n", 5, 4, "rebuild 2 rebuild 3 rebuild 4"],
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid-reshape-linear_to_raid6-single-type",
    from: ["raid1", 2, 1],
    to: ["raid6_n_6", 4, 2, "rebuild 2 rebuild 3"],
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid-reshape-linear_to_striped-single-type",
    from: ["raid5_n", 2, 1],
    to: ["raid5_n", 5, 4, "delta_disks 3"],
    why: /another number of devices is not served/,
  },
  {
    origin: "lvconvert-raid-reshape-striped_to_linear-single-type",
    from: ["raid5_n", 5, 4],
    to: ["raid5_n", 2, 1],
    why: RESHAPE,
  },
  {
    origin: "lvconvert-raid-reshape-stripes-load-fail",
    from: ["raid5_ls", 3, 2],
    to: ["raid5_ls", 5, 4, "delta_disks 2 rebuild 0"],
    why: /another number of devices is not served/,
  },
  {
    origin: "lvconvert-raid-reshape-stripes-load-reload",
    from: ["raid6_zr", 4, 2],
    to: ["raid6_zr", 5, 3],
    why: RESHAPE,
  },
];

for (const change of CHANGES) {
  const [from] = change.from;
  const to = [change.to[0], change.to[3] ?? "", change.chunkSectors ?? ""].join(" ").trimEnd();
  test(`lvm2 ${change.origin}: ${from} to ${to} is refused, and changes nothing`, async () => {
    expect(await healthAfterRefusal(change)).toBe("A".repeat(change.from[1]));
  });
}

/** Of what it is, started anew. */
async function healthAfterRefusal(change: Change): Promise<string> {
  const v = await Volumes.make(5);
  const images = await v.images(5, SECTORS);
  const wordsOf = ([type, count, data, words = "region_size 64"]: Change["from"]): RaidWords => ({
    type,
    sectors: data * SECTORS,
    words,
    images: images.slice(0, count),
  });
  await v.raid("lv", wordsOf(change.from));
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  const { chunkSectors } = change;
  const to = { ...wordsOf(change.to), ...(chunkSectors === undefined ? {} : { chunkSectors }) };
  expect(await v.m.refused(`load lv --table "${raidTable(to)}"`)).toMatch(change.why);
  await pattern.verify();
  await pattern.stamp(10);
  await v.m.remove("lv");
  await v.raid("lv", wordsOf(change.from));
  await pattern.verify();
  return v.health("lv");
}

test("lvm2 lvconvert-raid0-striped, lvconvert-striped-raid0: striped and raid0 without metadata hold the same", async () => {
  const v = await Volumes.make(3);
  const images = await v.images(3, SECTORS);
  const sectors = 3 * SECTORS;
  const striped = `0 ${sectors} striped 3 16 ${images.map((image) => `${image}_rimage 0`).join(" ")}`;
  const raid0 = `0 ${sectors} raid raid0 1 16 3 ${images.map((image) => `- ${image}_rimage`).join(" ")}`;
  await v.m.create("lv", striped);
  const pattern = Pattern.zeros(v.m, "lv", 8);
  await pattern.stamp(60);
  await v.m.reload("lv", raid0);
  expect(await v.m.status("lv")).toBe("raid0 3 AAA 2048/2048 idle 0 0 -");
  await pattern.verify();
  await pattern.stamp(30);
  await v.m.reload("lv", striped);
  await pattern.verify();
  // raid0_meta: the same with metadata images.
  await v.m.reload("lv", raidTable({ type: "raid0", sectors, images }));
  await pattern.verify();
});
