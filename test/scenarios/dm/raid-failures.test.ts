/** Images that fail for a while, read errors, old metadata: lvm2's lvchange-raid-transient-failures, lvchange-partial-raid10, lvcreate-raid1-read-error, lvcreate-raid1-inconsistent-metadata. */
import { expect, test } from "vitest";
import { Pattern } from "./pattern.ts";
import { Volumes, raidTable } from "./volumes.ts";
import type { RaidWords } from "./volumes.ts";

const SECTORS = 2048;

async function made(
  type: string,
  count: number,
  dataImages: number,
  more = "",
): Promise<[Volumes, RaidWords, Pattern]> {
  const v = await Volumes.make(count);
  const images = await v.images(count, SECTORS);
  const words = { type, sectors: dataImages * SECTORS, words: `region_size 64${more}`, images };
  await v.raid("lv", words);
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  return [v, words, pattern];
}

test.for([
  ["raid1", 4, 1, "", [2, 4], "ADAD", [1, 3]],
  ["raid6_zr", 6, 4, "", [2, 4], "ADADAA", [1, 3]],
  ["raid10", 6, 3, " raid10_copies 2", [2, 4, 5], "ADADDA", [1, 3, 6]],
] as const)(
  "lvm2 lvchange-raid-transient-failures: a %s of %d",
  async ([type, count, data, more, failing, failed, others]) => {
    const [v, words, pattern] = await made(type, count, data, more);
    await v.disable(...failing);
    await pattern.stamp(60);
    await pattern.verify();
    expect(await v.health("lv")).toBe(failed);
    await v.enable(...failing);
    await v.m.reload("lv", raidTable(words));
    await pattern.verify();
    await v.synced("lv");
    expect(await v.health("lv")).toBe("A".repeat(count));
    // What they missed they have now.
    await v.disable(...others);
    await pattern.verify();
  },
);

test("lvm2 lvchange-partial-raid10: images of different pairs may be missing when it is activated", async () => {
  const [v, words, pattern] = await made("raid10", 4, 2, " raid10_copies 2");
  await v.m.remove("lv");
  await v.disable(1, 3);
  await v.raid("lv", words);
  expect(await v.health("lv")).toBe("DADA");
  await pattern.verify();
  await pattern.stamp(20);
  await v.m.remove("lv");
  await v.enable(1);
  await v.raid("lv", words);
  await v.synced("lv");
  expect(await v.health("lv")).toBe("AADA");
  await pattern.verify();
  // Both of a pair may not.
  await v.m.remove("lv");
  await v.disable(4);
  expect(await v.m.refused(`create lv --table "${raidTable(words)}"`)).toContain(
    "Too many devices are missing or not in sync (2, 3)",
  );
});

test("lvm2 lvcreate-raid1-read-error: sectors that the first image cannot read come from the other, and are mended", async () => {
  const [v, , pattern] = await made("raid1", 2, 1);
  v.m.disk("d1").failReads(128 + 20, 500);
  await v.m.read("lv", 0, 256);
  await pattern.verify();
  expect(await v.m.status("lv")).toBe("raid1 2 AA 2048/2048 idle 0 0 -");
  await v.disable(2);
  await v.m.read("lv", 20, 100);
});

test("lvm2 lvcreate-raid1-read-error: an image whose bad sectors cannot be written either is lost", async () => {
  const [v, , pattern] = await made("raid1", 2, 1);
  v.m.disk("d1").failReads(128 + 20, 500);
  v.m.disk("d1").failWrites(128 + 20, 500);
  await pattern.verify();
  await v.m.read("lv", 0, 256);
  await v.m.pass(1000);
  expect(await v.health("lv")).toBe("DA");
  await pattern.verify();
});

test("lvm2 lvcreate-raid1-inconsistent-metadata: three of four come back with old metadata, and are not believed", async () => {
  const [v, words, pattern] = await made("raid1", 4, 1);
  await v.m.remove("lv");
  await v.disable(1, 2, 4);
  await v.raid("lv", words);
  expect(await v.health("lv")).toBe("DDAD");
  await pattern.stamp(60);
  await v.m.remove("lv");
  await v.enable(1, 2, 4);
  await v.raid("lv", words);
  expect(await v.health("lv")).toBe("aaAa");
  await pattern.verify();
  await v.synced("lv");
  expect(await v.health("lv")).toBe("AAAA");
  for (const image of words.images) await pattern.fork(`${image}_rimage`).verify();
});

test("lvm2 lvcreate-raid1-inconsistent-metadata: without the one that has everything the others make a set of their own", async () => {
  const [v, words, pattern] = await made("raid1", 4, 1);
  await v.disable(1, 2, 4);
  await pattern.stamp(60);
  await v.m.remove("lv");
  await v.enable(1, 2, 4);
  await v.disable(3);
  // They do not know that they are old.
  await v.raid("lv", words);
  await v.synced("lv");
  expect(await v.health("lv")).toBe("AADA");
  await v.m.remove("lv");
  await v.enable(3);
  const alone = { ...words, images: [null, null, "r3", null] };
  await v.raid("lv", alone);
  await pattern.verify();
});
