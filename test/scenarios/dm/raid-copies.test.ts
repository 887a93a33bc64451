/** Copies of a raid1 that come, go and are split off: lvm2's lvconvert-raid, lvconvert-raid1-split-trackchanges, vg-raid-takeover. */
import { expect, test } from "vitest";
import { Pattern } from "./pattern.ts";
import { Volumes, raidTable } from "./volumes.ts";
import type { RaidWords } from "./volumes.ts";

const SECTORS = 2048;
const REGION = "region_size 64";

/** A raid1 on the first `count` of four physical volumes; images r1 to r4 are there. */
async function made(count: number): Promise<{ v: Volumes; words: RaidWords; pattern: Pattern }> {
  const v = await Volumes.make(4);
  const images = await v.images(4, SECTORS);
  const words = { type: "raid1", sectors: SECTORS, words: REGION, images: images.slice(0, count) };
  await v.raid("lv", words);
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  return { v, words, pattern };
}

/** Images that are new in it are filled. */
function withImages(words: RaidWords, images: readonly (string | null)[]): RaidWords {
  const added = images.flatMap((image, index) =>
    image !== null && !words.images.includes(image) ? [`rebuild ${index}`] : [],
  );
  return { ...words, words: [...added, REGION].join(" "), images };
}

for (const from of [1, 2, 3])
  for (const to of [1, 2, 3])
    test(`lvm2 lvconvert-raid: from ${from} to ${to} images, the content stays`, async () => {
      const v = await Volumes.make(3);
      const images = await v.images(3, SECTORS);
      const linear = `0 ${SECTORS} linear r1_rimage 0`;
      const words = {
        type: "raid1",
        sectors: SECTORS,
        words: REGION,
        images: images.slice(0, from),
      };
      await v.m.create("lv", from === 1 ? linear : raidTable(words));
      if (from > 1) await v.synced("lv");
      const pattern = Pattern.zeros(v.m, "lv", 32);
      await pattern.stamp(60);
      await v.m.reload("lv", to === 1 ? linear : raidTable(withImages(words, images.slice(0, to))));
      await pattern.stamp(20);
      if (to > 1) await v.synced("lv");
      for (const image of images.slice(0, to)) await pattern.fork(`${image}_rimage`).verify();
      const health = to > 1 ? await v.health("lv") : "linear";
      expect(health).toBe(to > 1 ? "A".repeat(to) : "linear");
    });

test("lvm2 lvconvert-raid: one that was made with nosync is resynced, and then takes another image", async () => {
  const v = await Volumes.make(3);
  const images = await v.images(3, SECTORS);
  await v.m.fill("r1_rimage", 1);
  await v.m.fill("r2_rimage", 2);
  const words = { type: "raid1", sectors: SECTORS, images: images.slice(0, 2) };
  await v.raid("lv", { ...words, words: `nosync ${REGION}` });
  await v.m.message("lv", "check");
  await v.synced("lv");
  expect(await v.mismatches("lv")).toBe(SECTORS);
  // lvchange --resync: the metadata images are emptied.
  await v.m.remove("lv");
  for (const image of ["r1", "r2"]) await v.m.fill(`${image}_rmeta`, 0);
  const again = { ...words, words: REGION };
  await v.raid("lv", again);
  await v.synced("lv");
  expect(await v.m.runs("r2_rimage")).toBe(`${SECTORS}x1`);
  await v.m.reload("lv", raidTable(withImages(again, images)));
  await v.synced("lv");
  expect(await v.m.runs("r3_rimage")).toBe(`${SECTORS}x1`);
});

test("lvm2 lvconvert-raid: an image is split off for good, and both go their own ways", async () => {
  const { v, words, pattern } = await made(3);
  await v.m.ok("suspend lv");
  await v.m.ok(`load lv --table "${raidTable(withImages(words, ["r1", "r3"]))}"`);
  await v.m.ok("resume lv");
  await v.m.create("lv2", `0 ${SECTORS} linear r2_rimage 0`);
  const split = pattern.fork("lv2");
  await split.verify();
  await pattern.stamp(50);
  await split.stamp(50);
  await pattern.verify();
  await split.verify();
  expect(await v.m.status("lv")).toBe("raid1 2 AA 2048/2048 idle 0 0 -");
  expect(await v.m.refused("remove r2_rimage")).toContain("busy");
});

test("lvm2 lvconvert-raid: a volume that is being converted does not lose its first image by being filled", async () => {
  const v = await Volumes.make(3);
  const images = await v.images(3, SECTORS);
  await v.m.create("lv", `0 ${SECTORS} linear r1_rimage 0`);
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  const release = v.stall(2);
  const words = { type: "raid1", sectors: SECTORS, words: REGION, images: ["r1"] };
  await v.m.reload("lv", raidTable(withImages(words, ["r1", "r2"])));
  expect(await v.health("lv")).toBe("Aa");
  release();
  // It goes on where it was, as somebody not named any more; and the only one that is good cannot leave.
  const alone = raidTable({ ...words, images: ["r2"] });
  const status = await v.m.status("lv");
  if (status.includes(" Aa "))
    expect(await v.m.refused(`load lv --table "${alone}"`)).toContain(
      "Too many devices are missing",
    );
  await v.m.reload("lv", raidTable({ ...words, images: images.slice(0, 2) }));
  await v.synced("lv");
  expect(await v.health("lv")).toBe("AA");
  await pattern.fork("r2_rimage").verify();
});

test("lvm2 lvconvert-raid: of two sources and one that is filled, one source may leave", async () => {
  const { v, words, pattern } = await made(2);
  const release = v.stall(3);
  await v.m.reload("lv", raidTable(withImages(words, ["r1", "r2", "r3"])));
  expect(await v.health("lv")).toBe("AAa");
  release();
  await v.m.reload("lv", raidTable({ ...words, images: ["r2", "r3"] }));
  expect(await v.health("lv")).toMatch(/^A[aA]$/);
  await v.synced("lv");
  await pattern.fork("r3_rimage").verify();
  await pattern.fork("r1_rimage").verify();
});

test("lvm2 lvconvert-raid1-split-trackchanges: what is split off stays as it was, and is given only what changed when it comes back", async () => {
  const { v, words, pattern } = await made(3);
  await v.m.pass(60_000);
  const tracked = { ...words, images: ["r1", "r2", null] };
  await v.m.reload("lv", raidTable(tracked));
  expect(await v.m.status("lv")).toBe("raid1 3 AA- 2048/2048 idle 0 0 -");
  expect(await v.m.table("lv")).toMatch(/ 3 254:\d+ 254:\d+ 254:\d+ 254:\d+ - -$/);
  const split = pattern.fork("r3_rimage");
  await v.m.fill("lv", 0, 0, 64);
  await split.verify();
  await v.m.fill("lv", 9, 0, 64);
  let written = 0;
  v.m.disk("d3").hold(({ op, sector, sectors }) => {
    if (op === "write" && sector >= 128) written += sectors;
    return false;
  });
  await v.m.reload("lv", raidTable(words));
  await v.synced("lv");
  v.m.disk("d3").release();
  expect(await v.health("lv")).toBe("AAA");
  expect(await v.m.runs("r3_rimage", 0, 64)).toBe("64x9");
  expect(written).toBeLessThanOrEqual(512);
  expect(await v.m.runs("r3_rimage", 0, 64)).toBe(await v.m.runs("r1_rimage", 0, 64));
});

test("lvm2 lvconvert-raid1-split-trackchanges: also when the first image was dropped before, what it missed is known", async () => {
  const { v, words, pattern } = await made(3);
  await v.m.reload("lv", raidTable({ ...words, images: ["r2", "r3"] }));
  await v.m.reload("lv", raidTable({ ...words, images: ["r2", null] }));
  await pattern.stamp(40);
  const release = v.stall(3);
  await v.m.reload("lv", raidTable({ ...words, images: ["r2", "r3"] }));
  // Kernels say AA, and read either of the two.
  expect(await v.health("lv")).toBe("Aa");
  release();
  await v.synced("lv");
  await pattern.fork("r3_rimage").verify();
});

test("lvm2 lvconvert-raid1-split-trackchanges: what is split off can be split off again", async () => {
  const { v, words, pattern } = await made(2);
  const tracked = { ...words, images: ["r1", null] };
  await v.m.reload("lv", raidTable(tracked));
  await pattern.stamp(50);
  await v.m.reload("lv", raidTable(words));
  await v.synced("lv");
  await v.m.reload("lv", raidTable(tracked));
  expect(await v.health("lv")).toBe("A-");
  await pattern.fork("r2_rimage").verify();
});

for (const type of ["raid4", "raid5_ls", "raid6_zr", "raid10"])
  test(`lvm2 lvconvert-raid1-split-trackchanges: it does not become a ${type} meanwhile`, async () => {
    const { v, words } = await made(3);
    const tracked = { ...words, images: ["r1", "r2", null] };
    await v.m.reload("lv", raidTable(tracked));
    const sectors = { raid4: 2, raid5_ls: 2, raid6_zr: 1, raid10: 1.5 }[type]! * SECTORS;
    const other = raidTable({ ...tracked, type, sectors, chunkSectors: 16 });
    expect(await v.m.refused(`load lv --table "${other}"`)).toContain("a reshape is not served");
    expect(await v.health("lv")).toBe("AA-");
  });

test("lvm2 vg-raid-takeover-1, -3: another host starts it without its first image, drops that, and takes a new one", async () => {
  const { v, words, pattern } = await made(3);
  await v.m.remove("lv");
  await v.disable(1);
  await v.raid("lv", words);
  expect(await v.health("lv")).toBe("DAA");
  await pattern.stamp(40);
  // lvconvert -m-1
  const two = { ...words, images: ["r2", "r3"] };
  await v.m.reload("lv", raidTable(two));
  // What was noted for the missing one is looked at once more.
  await v.synced("lv");
  expect(await v.m.status("lv")).toBe("raid1 2 AA 2048/2048 idle 0 0 -");
  await pattern.stamp(20);
  await v.enable(1);
  await v.m.fill("r1_rmeta", 0);
  await v.m.reload("lv", raidTable(withImages(two, ["r2", "r3", "r1"])));
  await v.synced("lv");
  expect(await v.health("lv")).toBe("AAA");
  await pattern.fork("r1_rimage").verify();
});

test("lvm2 vg-raid-takeover-2: another host starts it without its first image and repairs it", async () => {
  const { v, words, pattern } = await made(3);
  await v.m.remove("lv");
  await v.disable(1);
  await v.raid("lv", words);
  await pattern.stamp(40);
  await v.replace("lv", words, { 0: "r4" });
  await v.synced("lv");
  expect(await v.m.status("lv")).toBe("raid1 3 AAA 2048/2048 idle 0 0 -");
  await pattern.fork("r4_rimage").verify();
  // The one of before is not asked for any more.
  await v.enable(1);
  expect(await v.m.ok("info -c --noheadings -o open r1_rimage")).toBe("0");
});

test("lvm2 vg-raid-takeover-4: the image that was missing is back, and is filled with what it missed", async () => {
  const { v, words, pattern } = await made(2);
  await v.m.remove("lv");
  await v.disable(1);
  await v.raid("lv", words);
  await pattern.stamp(40);
  await v.m.remove("lv");
  await v.enable(1);
  await v.raid("lv", words);
  await pattern.verify();
  await v.synced("lv");
  expect(await v.health("lv")).toBe("AA");
  await pattern.fork("r1_rimage").verify();
});
