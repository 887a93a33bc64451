/** Images that are rebuilt or replaced while they work: lvm2's lvchange-rebuild-raid, lvconvert-raid, lvconvert-raid10, lvconvert-raid456. */
import { expect, test } from "vitest";
import { Pattern } from "./pattern.ts";
import { Volumes, raidTable } from "./volumes.ts";
import type { RaidWords } from "./volumes.ts";

const SECTORS = 1024;
const REGION = "region_size 64";

interface Made {
  readonly v: Volumes;
  readonly words: RaidWords;
  readonly pattern: Pattern;
}

async function made(type: string, count: number, dataImages: number, more = ""): Promise<Made> {
  const v = await Volumes.make(count + 4);
  const images = await v.images(count, SECTORS);
  const words = { type, sectors: dataImages * SECTORS, words: `${REGION}${more}`, images };
  await v.raid("lv", words);
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(70);
  return { v, words, pattern };
}

/** `lvchange --rebuild` of these images; nothing on them is believed. */
async function expectRebuild(
  { v, words, pattern }: Made,
  indexes: readonly number[],
): Promise<void> {
  const health = words.images.map((_unused, index) => (indexes.includes(index) ? "a" : "A"));
  const release = v.stall(...indexes.map((index) => index + 1));
  await v.replace(
    "lv",
    words,
    Object.fromEntries(indexes.map((index) => [index, `r${index + 1}`])),
  );
  expect(await v.health("lv")).toBe(health.join(""));
  release();
  await v.synced("lv");
  expect(await v.health("lv")).toBe("A".repeat(health.length));
  await pattern.verify();
}

async function expectRefusal({ v, words }: Made, indexes: readonly number[]): Promise<void> {
  const more = indexes.map((index) => `rebuild ${index}`).join(" ");
  const table = raidTable({ ...words, words: `${more} ${words.words}` });
  expect(await v.m.refused(`load lv --table "${table}"`)).toContain(
    `Too many devices are missing or not in sync (${indexes.toSorted((a, b) => a - b).join(", ")})`,
  );
  // Nothing has changed.
  expect(await v.health("lv")).toBe("A".repeat(words.images.length));
  expect(await v.m.ok("table --inactive lv")).toBe("");
}

test("lvm2 lvchange-rebuild-raid: a raid10 rebuilds one of each pair, and never a whole pair", async () => {
  const at = await made("raid10", 8, 4, " raid10_copies 2");
  await expectRefusal(at, [0, 1]);
  await expectRebuild(at, [0, 2]);
  await expectRebuild(at, [0, 2, 5]);
  await expectRefusal(at, [0, 2, 5, 4]);
  await expectRebuild(at, [0, 2, 4, 6]);
  await expectRebuild(at, [1, 3, 5, 7]);
});

test("lvm2 lvchange-rebuild-raid: a raid1 of eight rebuilds all but one, the first one too", async () => {
  const at = await made("raid1", 8, 1);
  await expectRefusal(at, [0, 1, 2, 3, 4, 5, 6, 7]);
  await expectRebuild(at, [1, 2, 3, 4, 5, 6, 7]);
  await expectRebuild(at, [0]);
  await expectRebuild(at, [1, 3, 5, 7]);
});

test("lvm2 lvchange-rebuild-raid: a raid6 of six rebuilds any two", async () => {
  const at = await made("raid6_zr", 6, 4);
  await expectRefusal(at, [0, 1, 2, 3, 4, 5]);
  await expectRefusal(at, [1, 3, 5]);
  await expectRebuild(at, [1]);
  await expectRebuild(at, [4]);
  await expectRebuild(at, [1, 3]);
  await expectRebuild(at, [0, 4]);
});

test("lvm2 lvchange-rebuild-raid: what is on an image that is rebuilt is not believed", async () => {
  const at = await made("raid5_ls", 3, 2);
  await at.v.m.fill("r2_rimage", 99);
  await expectRebuild(at, [1]);
  await at.v.disable(1);
  await at.pattern.verify();
});

test("lvm2 lvconvert-raid: a raid1 replaces up to all but one of its images at a time", async () => {
  for (const count of [2, 3, 4]) {
    const at = await made("raid1", count, 1);
    const { v, pattern } = at;
    let { words } = at;
    let next = count + 1;
    for (let many = 1; many < count && next + many <= count + 5; many += 1) {
      const places: Record<number, string> = {};
      for (let place = 1; place <= many; place += 1, next += 1) {
        await v.image(`r${next}`, next, SECTORS);
        places[(place + 1) % count] = `r${next}`;
      }
      await v.replace("lv", words, places);
      await v.synced("lv");
      words = { ...words, images: words.images.map((image, index) => places[index] ?? image) };
      await pattern.verify();
      for (const image of Object.values(places)) await pattern.fork(`${image}_rimage`).verify();
    }
    await expectRefusal(
      { v, words, pattern },
      words.images.map((_unused, index) => index),
    );
  }
});

test("lvm2 lvconvert-raid10: any one image is replaced, and images of different pairs together", async () => {
  const at = await made("raid10", 6, 3, " raid10_copies 2");
  const { v, pattern } = at;
  await expectRefusal(at, [0, 1]);
  await expectRefusal(at, [2, 3]);
  await expectRefusal(at, [4, 5]);
  await v.image("r7", 7, SECTORS);
  await v.replace("lv", at.words, { 3: "r7" });
  await v.synced("lv");
  await v.disable(3);
  await pattern.verify();
  await v.enable(3);
  const words = { ...at.words, images: ["r1", "r2", "r3", "r7", "r5", "r6"] };
  await v.m.reload("lv", raidTable(words));
  await v.synced("lv");
  for (const n of [8, 9, 10]) await v.image(`r${n}`, n, SECTORS);
  await v.replace("lv", words, { 0: "r8", 2: "r9", 4: "r10" });
  await v.synced("lv");
  await v.disable(2, 7, 6);
  await pattern.stamp(30);
  await pattern.verify();
  expect(await v.health("lv")).toBe("ADADAD");
});

test("lvm2 lvconvert-raid456: as many images are replaced at a time as there is parity", async () => {
  for (const [type, count, parity] of [
    ["raid4", 4, 1],
    ["raid5_ls", 4, 1],
    ["raid6_zr", 5, 2],
  ] as const) {
    const at = await made(type, count, 3);
    const { v, pattern } = at;
    let { words } = at;
    for (let many = 1; many <= 3; many += 1) {
      const indexes = Array.from({ length: many }, (_unused, place) => (place + 2) % count);
      if (many > parity) {
        await expectRefusal({ v, words, pattern }, indexes);
        continue;
      }
      const places: Record<number, string> = {};
      for (const index of indexes) {
        const name = `n${many}${index}`;
        await v.image(name, count + many + (index % 2), SECTORS);
        places[index] = name;
      }
      await v.replace("lv", words, places);
      await v.synced("lv");
      words = { ...words, images: words.images.map((image, index) => places[index] ?? image) };
      await pattern.verify();
    }
    await v.disable(...(parity === 2 ? [1, 2] : [1]));
    await pattern.verify();
  }
});
