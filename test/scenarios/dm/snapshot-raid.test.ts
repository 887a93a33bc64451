/** Snapshots over a raid1 of which images fail, come, go and are replaced: lvm2's snapshot-raid, snapshot-create-warning-activate-error-raid. */
import { expect, test } from "vitest";
import { Pattern } from "./pattern.ts";
import { Snapshots } from "./snapshots.ts";
import { Volumes, raidTable } from "./volumes.ts";
import type { RaidWords } from "./volumes.ts";

const SECTORS = 2048;
const REGION = "region_size 64";

interface Made {
  readonly at: Snapshots;
  readonly words: RaidWords;
  readonly origin: Pattern;
}

/** Images on physical volumes 1 and 2, COW volumes on 3; 4 and 5 are free. */
async function made(): Promise<Made> {
  const v = await Volumes.make(5);
  const images = await v.images(2, SECTORS);
  const words = { type: "raid1", sectors: SECTORS, words: REGION, images };
  await v.raid("rd", words);
  await v.synced("rd");
  const at = await Snapshots.on(v, "rd");
  const origin = Pattern.zeros(v.m, "lv", 16);
  await origin.stamp(100);
  return { at, words, origin };
}

async function snapshotOf({ at, origin }: Made, sectors = SECTORS + 64): Promise<Pattern> {
  await at.add("snap", sectors, 8, "P", 3);
  return origin.fork("snap");
}

/** The raid is given another table while origin and snapshot are suspended, as LVM does it. */
async function reload({ at }: Made, words: RaidWords): Promise<void> {
  await at.m.suspended("lv", () =>
    at.m.suspended("snap", () => at.m.reload("lv-real", raidTable(words))),
  );
}

test("lvm2 snapshot-raid: one is added and removed", async () => {
  const all = await made();
  const snapshot = await snapshotOf(all);
  await all.origin.stamp(40);
  await snapshot.verify();
  await snapshot.stamp(40);
  await all.origin.verify();
  await all.at.remove("snap");
  await all.origin.verify();
  expect(await all.at.v.health("lv-real")).toBe("AA");
});

test("lvm2 snapshot-raid: an image is lost and comes back while there is one", async () => {
  const all = await made();
  const { at, words, origin } = all;
  const snapshot = await snapshotOf(all);
  await at.v.disable(1);
  await origin.stamp(40);
  await snapshot.verify();
  await snapshot.stamp(20);
  expect(await at.v.health("lv-real")).toBe("DA");
  await at.v.enable(1);
  await reload(all, words);
  await at.v.synced("lv-real");
  await at.v.disable(2);
  await origin.verify();
  await snapshot.verify();
});

test("lvm2 snapshot-raid: it is added and removed while an image is missing", async () => {
  const all = await made();
  const { at, origin } = all;
  await at.v.disable(1);
  const snapshot = await snapshotOf(all);
  await origin.stamp(40);
  await snapshot.verify();
  await at.remove("snap");
  await origin.verify();
  expect(await at.v.health("lv-real")).toBe("DA");
});

test("lvm2 snapshot-raid: an image is added and taken away while there is one", async () => {
  const all = await made();
  const { at, words, origin } = all;
  const snapshot = await snapshotOf(all);
  await origin.stamp(40);
  await at.v.image("r4", 4, SECTORS);
  const three = { ...words, images: ["r1", "r2", "r4"] };
  await reload(all, { ...three, words: `rebuild 2 ${REGION}` });
  await at.v.synced("lv-real");
  await snapshot.stamp(20);
  await origin.stamp(20);
  expect(await at.v.health("lv-real")).toBe("AAA");
  await reload(all, words);
  await origin.verify();
  await snapshot.verify();
  await origin.fork("r2_rimage").verify();
});

test("lvm2 snapshot-raid: an image is replaced while there is one", async () => {
  const all = await made();
  const { at, words, origin } = all;
  const snapshot = await snapshotOf(all);
  await at.v.image("r4", 4, SECTORS);
  await reload(all, { ...words, words: `rebuild 1 ${REGION}`, images: ["r1", "r4"] });
  await origin.stamp(40);
  await at.v.synced("lv-real");
  await snapshot.verify();
  await origin.fork("r4_rimage").verify();
  expect(await at.v.health("lv-real")).toBe("AA");
});

test("lvm2 snapshot-raid: an image that failed is repaired while there is one", async () => {
  const all = await made();
  const { at, words, origin } = all;
  const snapshot = await snapshotOf(all);
  await at.v.disable(2);
  await origin.stamp(40);
  await at.v.image("r5", 5, SECTORS);
  await reload(all, { ...words, words: `rebuild 1 ${REGION}`, images: ["r1", "r5"] });
  await at.v.synced("lv-real");
  await at.v.disable(1);
  await origin.verify();
  await snapshot.verify();
  expect(await at.v.health("lv-real")).toMatch(/^[AD]A$/);
});

test("lvm2 snapshot-raid: one is merged", async () => {
  const all = await made();
  const snapshot = await snapshotOf(all);
  await all.origin.stamp(30);
  await snapshot.stamp(30);
  const wanted = snapshot.fork("lv");
  await all.at.merge("snap");
  await wanted.verify();
  for (const image of ["r1_rimage", "r2_rimage"]) await wanted.fork(image).verify();
  expect(await all.at.v.health("lv-real")).toBe("AA");
});

test("lvm2 snapshot-raid: one is filled until it is invalid, and the origin goes on", async () => {
  const all = await made();
  const { at, origin } = all;
  await snapshotOf(all, 512);
  expect(await at.percent("snap")).toBe("0.00");
  await origin.stamp(100);
  expect(await at.m.status("snap")).toBe("Invalid");
  await origin.verify();
  await at.remove("snap");
  await origin.stamp(20);
  for (const image of ["r1_rimage", "r2_rimage"]) await origin.fork(image).verify();
});

test("lvm2 snapshot-create-warning-activate-error-raid: the disk of the COW volume and of an image is lost; the raid starts without both", async () => {
  const all = await made();
  const { at, words, origin } = all;
  await at.add("snap", SECTORS, 8, "P", 1);
  await origin.stamp(30);
  await at.m.remove("snap", "lv", "lv-real");
  await at.v.disable(1);
  await at.m.create("lv-real", raidTable(words));
  await at.m.create("lv", at.originTable());
  const why = await at.m.refused(`create snap --table "${at.table("snap", 8)}"`);
  expect(why).toContain("Input/output error");
  await at.m.remove("snap-cow");
  await at.m.reload("lv", at.linearTable());
  await origin.verify();
  expect(await at.v.health("lv-real")).toBe("DA");
});
