/** What is said of a raid in its table and changed while it runs: lvm2's lvchange-raid, lvchange-raid1-writemostly, lvcreate-raid, -nosync, lvconvert-raid-regionsize. */
import { expect, test } from "vitest";
import { Pattern } from "./pattern.ts";
import { Volumes, raidTable } from "./volumes.ts";
import type { RaidWords } from "./volumes.ts";

const SECTORS = 2048;
const REGION = "region_size 64";

async function made(
  type: string,
  count: number,
  dataImages: number,
  words = REGION,
  imageSectors = SECTORS,
): Promise<[Volumes, RaidWords]> {
  const v = await Volumes.make(count);
  const images = await v.images(count, imageSectors);
  const all = { type, sectors: dataImages * imageSectors, words, images };
  await v.raid("lv", all);
  return [v, all];
}

/** Of sectors read from the images while the volume is read. */
async function readFrom(v: Volumes, pvs: readonly number[]): Promise<boolean[]> {
  const counts = pvs.map(() => 0);
  for (const [index, n] of pvs.entries())
    v.m.disk(`d${n}`).hold(({ op, sector }) => {
      if (op === "read" && sector >= 128) counts[index]! += 1;
      return false;
    });
  for (let sector = 0; sector < SECTORS; sector += 64) await v.m.read("lv", sector, 8);
  for (const n of pvs) v.m.disk(`d${n}`).release();
  return counts.map((count) => count > 0);
}

test("lvm2 lvchange-raid: write_mostly is set, moved to the other image and taken away, and reads keep off it", async () => {
  const [v, words] = await made("raid1", 2, 1);
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  for (const [said, expected] of [
    ["write_mostly 0", [false, true]],
    ["write_mostly 1", [true, false]],
    ["write_mostly 1 max_write_behind 512", [true, false]],
  ] as const) {
    await v.m.reload("lv", raidTable({ ...words, words: `${REGION} ${said}` }));
    expect(await v.m.table("lv")).toContain(` ${said} `);
    expect(await readFrom(v, [1, 2])).toEqual(expected);
    await pattern.stamp(20);
  }
  await v.m.reload("lv", raidTable(words));
  expect(await v.m.table("lv")).not.toContain("write_mostly");
  for (const image of ["r1_rimage", "r2_rimage"]) await pattern.fork(image).verify();
  const refused = [
    ["write_mostly 0 write_mostly 1", "write_mostly cannot be said of all devices"],
    ["write_mostly 2", "rebuild and write_mostly name a device below 2"],
    ["max_write_behind -256", "the value of max_write_behind is a number"],
    ["max_write_behind invalid", "the value of max_write_behind is a number"],
  ] as const;
  for (const [said, why] of refused)
    expect(
      await v.m.refused(`load lv --table "${raidTable({ ...words, words: said })}"`),
    ).toContain(why);
});

test("lvm2 lvchange-raid: the image that is write_mostly serves reads when the other one is gone", async () => {
  const [v] = await made("raid1", 2, 1, `${REGION} write_mostly 0`);
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  await v.disable(2);
  await pattern.verify();
  await pattern.stamp(10);
  expect(await v.health("lv")).toBe("AD");
});

test("lvm2 lvchange-raid1-writemostly: said while it is resynced, it disturbs nothing", async () => {
  const [v, words] = await made("raid1", 4, 1);
  expect(await v.health("lv")).toBe("aaaa");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  await v.m.reload("lv", raidTable({ ...words, words: `${REGION} write_mostly 0` }));
  await v.synced("lv");
  expect(await v.health("lv")).toBe("AAAA");
  for (const image of words.images) await pattern.fork(`${image}_rimage`).verify();
});

test.for([
  ["lvm2 lvchange-raid", "raid1", 2, 1, ""],
  ["lvm2 lvchange-raid456", "raid4", 4, 3, ""],
  ["lvm2 lvchange-raid456", "raid5_ls", 4, 3, ""],
  ["lvm2 lvchange-raid456", "raid6_zr", 5, 3, ""],
  ["lvm2 lvchange-raid10", "raid10", 4, 2, "raid10_copies 2"],
] as const)(
  "%s: recovery rates of a %s are changed while it runs, and bound its sync",
  async ([_origin, type, count, data, more]) => {
    const copies = more === "" ? REGION : `${REGION} ${more}`;
    const [v, words] = await made(type, count, data, copies, 8192);
    await v.synced("lv");
    await v.m.reload(
      "lv",
      raidTable({ ...words, words: `min_recovery_rate 50 max_recovery_rate 100 ${copies}` }),
    );
    expect(await v.m.table("lv")).toContain(" min_recovery_rate 50 max_recovery_rate 100 ");
    const before = v.m.time.monotonicMs();
    await v.m.message("lv", "repair");
    await v.synced("lv");
    // 4 MiB of each image at 100 KiB a second; what is under way at once is not held back.
    expect(v.m.time.monotonicMs() - before).toBeGreaterThan(10_000);
  },
);

test.for([
  ["raid1", 2, 1, ""],
  ["raid4", 4, 3, ""],
  ["raid5_ls", 4, 3, ""],
  ["raid6_zr", 5, 3, ""],
  ["raid10", 4, 2, " raid10_copies 2"],
] as const)(
  "lvm2 lvchange-raid, -raid456, -raid10: a %s is refreshed after an image was away, and a repair finds nothing",
  async ([type, count, data, more]) => {
    const [v, words] = await made(type, count, data, `${REGION}${more}`);
    await v.synced("lv");
    const pattern = Pattern.zeros(v.m, "lv", 32);
    await v.disable(2);
    await pattern.stamp(100);
    await v.m.flush("lv");
    expect((await v.health("lv"))[1]).toBe("D");
    await v.enable(2);
    await v.m.reload("lv", raidTable(words));
    await v.synced("lv");
    expect(await v.health("lv")).toBe("A".repeat(count));
    await v.m.message("lv", "check");
    await v.synced("lv");
    expect(await v.mismatches("lv")).toBe(0);
    await pattern.verify();
  },
);

test.for([
  ["raid0", 3, 3, "", "AAA"],
  ["raid1", 3, 1, `nosync ${REGION}`, "AAA"],
  ["raid4", 4, 3, `nosync ${REGION}`, "AAAA"],
  ["raid5_ls", 4, 3, `nosync ${REGION}`, "AAAA"],
  ["raid10", 6, 3, `nosync ${REGION} raid10_copies 2`, "AAAAAA"],
] as const)(
  "lvm2 lvcreate-raid-nosync: a %s that is not synced is all A's at once",
  async ([type, count, data, words, health]) => {
    const [v] = await made(type, count, data, words);
    expect(await v.health("lv")).toBe(health);
    expect(await v.m.status("lv")).toContain(" idle 0 0 -");
    await v.m.pass(60_000);
    expect(await v.m.status("lv")).toContain(" idle 0 0 -");
  },
);

test("lvm2 lvcreate-raid-nosync: others are resynced, and a raid6 is always", async () => {
  for (const [type, count, data] of [
    ["raid1", 3, 1],
    ["raid4", 4, 3],
    ["raid5_ls", 4, 3],
    ["raid6_zr", 5, 3],
  ] as const) {
    const [v, words] = await made(type, count, data);
    expect(await v.health("lv")).toBe("a".repeat(count));
    await v.synced("lv");
    expect(await v.health("lv")).toBe("A".repeat(count));
    if (type !== "raid6_zr") continue;
    await v.m.remove("lv");
    const nosync = raidTable({ ...words, words: `nosync ${REGION}` });
    expect(await v.m.refused(`create lv --table "${nosync}"`)).toContain('("nosync") is wrong');
  }
});

test.for([
  ["lvm2 lvcreate-raid", "raid1", 2, 1, 0, ""],
  ["lvm2 lvcreate-raid", "raid5_ls", 4, 3, 16, ""],
  ["lvm2 lvcreate-raid10", "raid10", 4, 2, 16, " raid10_copies 2"],
] as const)(
  "%s: rates and copies of a %s are told by the table as they were said",
  async ([_origin, type, count, data, chunk, more]) => {
    const rates = "min_recovery_rate 50 max_recovery_rate 1024";
    const [v] = await made(type, count, data, `${REGION} ${rates}${more}`);
    const words = `${rates} ${REGION}${more}`;
    expect(await v.m.table("lv")).toContain(
      `${type} ${words.split(" ").length + 1} ${chunk} ${words} ${count} `,
    );
    await v.synced("lv");
    expect(await v.m.status("lv")).toContain(` ${"A".repeat(count)} `);
  },
);

test.for([
  ["raid1", 3, 1, ""],
  ["raid6_zr", 5, 3, ""],
  ["raid10", 6, 3, " raid10_copies 2"],
] as const)(
  "lvm2 lvconvert-raid-regionsize: a %s is given regions of another size",
  async ([type, count, data, more]) => {
    const [v, words] = await made(type, count, data, `${REGION}${more}`);
    await v.synced("lv");
    const pattern = Pattern.zeros(v.m, "lv", 32);
    await pattern.stamp(60);
    for (const size of [128, 512, 2048, 32]) {
      const said = { ...words, words: `region_size ${size}${more}` };
      await v.m.reload("lv", raidTable(said));
      expect(await v.m.table("lv")).toContain(` region_size ${size} `);
      await v.synced("lv");
      await pattern.stamp(10);
      await pattern.verify();
    }
    for (const size of ["3", "8", "2097152"]) {
      const said = { ...words, words: `region_size ${size}${more}` };
      if (size === "8" && type === "raid1") continue;
      expect(await v.m.refused(`load lv --table "${raidTable(said)}"`)).toMatch(/region size/);
    }
  },
);
