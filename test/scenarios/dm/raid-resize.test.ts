/** Raids that become longer, shorter, or are very large: lvm2's lvextend-raid, lvresize-raid, lvresize-raid10, lvcreate-large-raid. */
import { expect, test } from "vitest";
import { Pattern } from "./pattern.ts";
import { Volumes, raidTable } from "./volumes.ts";
import type { RaidWords } from "./volumes.ts";

const SECTORS = 2048;
const REGION = "region_size 64";

/** Images are as long as they are to be at the end. */
async function made(
  type: string,
  count: number,
  data: number,
  more = "",
): Promise<{ v: Volumes; table: (parts: number) => string; words: RaidWords }> {
  const v = await Volumes.make(count);
  const images = await v.images(count, 2 * SECTORS);
  const words = { type, sectors: data * SECTORS, words: `${REGION}${more}`, images };
  if (type === "raid0") words.words = "";
  await v.raid("lv", words);
  const table = (parts: number): string => raidTable({ ...words, sectors: parts * data * SECTORS });
  return { v, table, words };
}

async function resize(v: Volumes, table: string): Promise<void> {
  await v.m.suspended("lv", () => v.m.ok(`load lv --table "${table}"`));
}

test("lvm2 lvextend-raid: what is added to a raid1 is synced, and status counts it", async () => {
  const { v, table } = await made("raid1", 2, 1);
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  for (const [index, byte] of [1, 2].entries())
    await v.m.fill(`r${index + 1}_rimage`, byte, SECTORS, SECTORS);
  const disk = v.m.disk("d2");
  disk.hold(({ op, sector }) => op === "write" && sector >= 128 + SECTORS);
  await resize(v, table(2));
  expect(v.m.volume("lv").sectors).toBe(2 * SECTORS);
  expect(await v.m.status("lv")).toMatch(/^raid1 2 AA (?!4096)\d+\/4096 (repair|resync) 0 0 -$/);
  disk.release();
  await v.synced("lv");
  expect(await v.m.status("lv")).toBe("raid1 2 AA 4096/4096 idle 0 0 -");
  await pattern.verify();
  expect(await v.m.runs("r2_rimage", SECTORS)).toBe(`${SECTORS}x1`);
});

test.for([
  ["lvm2 lvresize-raid", "raid0", 3, 3, ""],
  ["lvm2 lvresize-raid", "raid1", 2, 1, ""],
  ["lvm2 lvresize-raid", "raid4", 4, 3, ""],
  ["lvm2 lvresize-raid", "raid5_ls", 4, 3, ""],
  ["lvm2 lvresize-raid", "raid6_zr", 5, 3, ""],
  ["lvm2 lvresize-raid10", "raid10", 4, 2, " raid10_copies 2"],
] as const)(
  "%s: a %s becomes longer and shorter, while it is used and while it is not",
  async ([_origin, type, count, data, more]) => {
    for (const isUsed of [true, false]) {
      const { v, table } = await made(type, count, data, more);
      await v.synced("lv");
      const pattern = Pattern.zeros(v.m, "lv", 32);
      await pattern.stamp(60);
      for (const parts of [2, 1]) {
        if (isUsed) await resize(v, table(parts));
        else {
          await v.m.remove("lv");
          await v.m.create("lv", table(parts));
        }
        expect(v.m.volume("lv").sectors).toBe(parts * data * SECTORS);
        await v.synced("lv");
        await pattern.verify();
        await pattern.stamp(20);
        if (parts === 2) await v.m.fill("lv", 9, data * SECTORS);
        if (parts === 2 && type !== "raid0") {
          await v.m.message("lv", "check");
          await v.synced("lv");
          expect(await v.mismatches("lv")).toBe(0);
        }
      }
    }
  },
);

const TIB = 2 ** 31;

test.for([
  ["raid1", 2, 1, 200],
  ["raid1", 2, 1, 1024],
  ["raid4", 4, 3, 750],
  ["raid5_ls", 4, 3, 750],
] as const)(
  "lvm2 lvcreate-large-raid: a %s of %d images, %d of them data, and %d TiB",
  async ([type, count, data, tib]) => {
    const v = await Volumes.make(count);
    const sectors = tib * TIB;
    const images: string[] = [];
    for (let image = 1; image <= count; image += 1) {
      images.push(`r${image}`);
      await v.part(`r${image}_rmeta`, image, 2048);
      await v.m.create(`r${image}_rimage`, `0 ${sectors / data} zero`);
    }
    await v.raid("lv", {
      type,
      sectors,
      words: "nosync",
      images,
      chunkSectors: type === "raid1" ? 0 : 128,
    });
    expect(await v.m.status("lv")).toBe(
      `${type} ${count} ${"A".repeat(count)} ${sectors / data}/${sectors / data} idle 0 0 -`,
    );
    await v.m.read("lv", sectors - 8, 8);
    await v.m.fill("lv", 1, sectors - 8, 8);
    expect(await v.health("lv")).toBe("A".repeat(count));
  },
);

test("lvm2 lvcreate-large-raid: a linear volume of 200 TiB becomes a raid1, and one of 200 TiB is extended to 400", async () => {
  const v = await Volumes.make(2);
  const sectors = 200 * TIB;
  for (const image of [1, 2]) {
    await v.part(`r${image}_rmeta`, image, 2048);
    await v.m.create(`r${image}_rimage`, `0 ${2 * sectors} zero`);
  }
  const words = { type: "raid1", sectors, images: ["r1", "r2"] };
  await v.m.create("lv", `0 ${sectors} linear r1_rimage 0`);
  await v.m.reload("lv", raidTable({ ...words, words: "rebuild 1" }));
  expect(await v.health("lv")).toBe("Aa");
  await v.m.remove("lv");
  for (const image of [1, 2]) await v.m.fill(`r${image}_rmeta`, 0);
  await v.raid("lv", { ...words, words: "nosync" });
  await resize(v, raidTable({ ...words, sectors: 2 * sectors, words: "nosync" }));
  expect(await v.m.status("lv")).toMatch(/^raid1 2 AA /);
  expect(v.m.volume("lv").sectors).toBe(2 * sectors);
});

test("lvm2 lvcreate-large-raid10: a raid10 of 200 TiB is extended to 400 and 500, and to a PiB", async () => {
  const v = await Volumes.make(4);
  const images = ["r1", "r2", "r3", "r4"];
  for (const [index, image] of images.entries()) {
    await v.part(`${image}_rmeta`, index + 1, 2048);
    await v.m.create(`${image}_rimage`, `0 ${512 * TIB} zero`);
  }
  const words = { type: "raid10", words: "nosync raid10_copies 2", images, chunkSectors: 128 };
  const table = (tib: number): string => raidTable({ ...words, sectors: tib * TIB });
  await v.m.create("lv", table(200));
  for (const tib of [400, 500, 1024]) {
    await resize(v, table(tib));
    expect(v.m.volume("lv").sectors).toBe(tib * TIB);
    expect(await v.health("lv")).toBe("AAAA");
    await v.m.fill("lv", 0, tib * TIB - 8, 8);
  }
});
