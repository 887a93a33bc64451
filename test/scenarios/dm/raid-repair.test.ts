/** Images that are lost and replaced: lvm2's lvconvert-repair-raid, lvconvert-repair-raid5, lvconvert-m-raid1-degraded. */
import { expect, test } from "vitest";
import { Pattern } from "./pattern.ts";
import { Volumes, raidTable } from "./volumes.ts";
import type { RaidWords } from "./volumes.ts";

const SECTORS = 2048;
const REGION = "region_size 64";

interface Made {
  readonly v: Volumes;
  readonly words: RaidWords;
}

/** On physical volumes 1 to `count`; as many more are free. */
async function made(type: string, count: number, dataImages: number, more = ""): Promise<Made> {
  const v = await Volumes.make(count + 3);
  const images = await v.images(count, SECTORS);
  const words = { type, sectors: dataImages * SECTORS, words: `${REGION}${more}`, images };
  await v.raid("lv", words);
  return { v, words };
}

async function filled({ v }: Made): Promise<Pattern> {
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(70);
  return pattern;
}

test("lvm2 lvconvert-repair-raid: a raid1 whose live image was replaced by errors is AD, and AA when repaired", async () => {
  const at = await made("raid1", 2, 1);
  const { v, words } = at;
  await v.synced("lv");
  const pattern = await filled(at);
  // Open it is, so that it becomes an error target.
  expect(await v.m.refused("remove --force r2_rimage")).toContain("Device or resource busy");
  expect(await v.m.ok("table r2_rimage")).toBe(`0 ${SECTORS} error`);
  await v.m.fill("lv", 97, 0, 1);
  await v.m.flush("lv");
  expect(await v.m.status("lv")).toBe("raid1 2 AD 2048/2048 idle 0 0 -");
  await v.image("r3", 3, SECTORS);
  const release = v.stall(3);
  await v.replace("lv", words, { 1: "r3" });
  expect(await v.m.status("lv")).toBe("raid1 2 Aa 0/2048 recover 0 0 -");
  release();
  await v.synced("lv");
  expect(await v.m.status("lv")).toBe("raid1 2 AA 2048/2048 idle 0 0 -");
  expect(await v.m.runs("r3_rimage", 0, 1)).toBe("1x97");
  await pattern.stamp(100);
  await pattern.fork("r3_rimage").verify();
});

test("lvm2 lvconvert-repair-raid: a raid1 of two loses one after its first sync", async () => {
  const at = await made("raid1", 2, 1);
  const { v, words } = at;
  await v.synced("lv");
  const pattern = await filled(at);
  await v.disable(2);
  await v.image("r3", 3, SECTORS);
  await v.replace("lv", words, { 1: "r3" });
  await v.synced("lv");
  await v.disable(1);
  await pattern.verify();
  expect(await v.health("lv")).toBe("DA");
});

test("lvm2 lvconvert-repair-raid: a raid1 of three loses two during its first sync", async () => {
  const v = await Volumes.make(5);
  const images = await v.images(3, SECTORS);
  const words = { type: "raid1", sectors: SECTORS, words: REGION, images };
  await v.m.fill("r1_rimage", 5);
  const release = v.stall(3);
  await v.raid("lv", words);
  expect(await v.health("lv")).toBe("aaa");
  await v.disable(2);
  release();
  await v.disable(3);
  await v.m.fill("lv", 6, 64, 8);
  await v.synced("lv");
  expect(await v.m.status("lv")).toBe("raid1 3 ADD 2048/2048 idle 0 0 -");
  await v.image("r4", 4, SECTORS);
  await v.image("r5", 5, SECTORS);
  await v.replace("lv", words, { 1: "r4", 2: "r5" });
  await v.synced("lv");
  expect(await v.health("lv")).toBe("AAA");
  for (const image of ["r4_rimage", "r5_rimage"])
    expect(await v.m.runs(image)).toBe("64x5 8x6 1976x5");
});

test("lvm2 lvconvert-repair-raid: a raid5 loses one after its first sync", async () => {
  const at = await made("raid5_ls", 3, 2);
  const { v, words } = at;
  await v.synced("lv");
  const pattern = await filled(at);
  await v.disable(3);
  await pattern.verify();
  await pattern.stamp(30);
  expect(await v.health("lv")).toBe("AAD");
  await v.image("r4", 4, SECTORS);
  await v.replace("lv", words, { 2: "r4" });
  await v.synced("lv");
  await v.disable(1);
  await pattern.verify();
  expect(await v.health("lv")).toBe("DAA");
});

test("lvm2 lvconvert-repair-raid: a raid5 loses one during its first sync, and has what was written by then", async () => {
  const v = await Volumes.make(4);
  const images = await v.images(3, SECTORS);
  const words = { type: "raid5_ls", sectors: 2 * SECTORS, words: REGION, images };
  for (const [index, name] of images.entries()) await v.m.fill(`${name}_rimage`, index + 1);
  await v.raid("lv", words);
  await v.m.message("lv", "frozen");
  // Their parity was never made; that of what is written is.
  await v.m.fill("lv", 0);
  const pattern = Pattern.zeros(v.m, "lv", 8);
  await pattern.stamp(40);
  await v.disable(3);
  await pattern.verify();
  expect(await v.health("lv")).toMatch(/^[Aa]{2}D$/);
  await v.image("r4", 4, SECTORS);
  await v.replace("lv", words, { 2: "r4" });
  await v.synced("lv");
  await v.disable(2);
  await pattern.verify();
});

test("lvm2 lvconvert-repair-raid: a raid6 loses two after its first sync", async () => {
  const at = await made("raid6_zr", 5, 3);
  const { v, words } = at;
  await v.synced("lv");
  const pattern = await filled(at);
  await v.disable(4, 5);
  await pattern.verify();
  await pattern.stamp(20);
  expect(await v.health("lv")).toBe("AAADD");
  await v.image("r6", 6, SECTORS);
  await v.image("r7", 7, SECTORS);
  const release = v.stall(6, 7);
  await v.replace("lv", words, { 3: "r6", 4: "r7" });
  expect(await v.m.status("lv")).toBe("raid6_zr 5 AAAaa 0/2048 recover 0 0 -");
  release();
  await v.synced("lv");
  await v.disable(1, 2);
  await pattern.verify();
  expect(await v.health("lv")).toBe("DDAAA");
});

test("lvm2 lvconvert-repair-raid: a raid6 loses one during its first sync, which goes on", async () => {
  const at = await made("raid6_zr", 5, 3);
  const { v, words } = at;
  expect(await v.health("lv")).toBe("aaaaa");
  const pattern = await filled(at);
  await v.disable(4);
  await pattern.stamp(20);
  await v.synced("lv");
  expect(await v.health("lv")).toBe("AAADA");
  await v.image("r6", 6, SECTORS);
  await v.replace("lv", words, { 3: "r6" });
  await v.synced("lv");
  await v.disable(1, 2);
  await pattern.verify();
});

test("lvm2 lvconvert-repair-raid: a raid10 loses one of each pair during its first sync", async () => {
  const at = await made("raid10", 4, 2, " raid10_copies 2");
  const { v, words } = at;
  const pattern = await filled(at);
  await v.disable(4);
  await pattern.stamp(20);
  await v.disable(1);
  await pattern.stamp(20);
  await v.synced("lv");
  expect(await v.m.status("lv")).toBe("raid10 4 DAAD 4096/4096 idle 0 0 -");
  await v.image("r5", 5, SECTORS);
  await v.image("r6", 6, SECTORS);
  await v.replace("lv", words, { 0: "r5", 3: "r6" });
  await v.synced("lv");
  await v.disable(2, 3);
  await pattern.verify();
  expect(await v.health("lv")).toBe("ADDA");
});

test("lvm2 lvconvert-repair-raid5: a raid5 of which two failed at once is as it was when they are back", async () => {
  const at = await made("raid5_ls", 6, 5);
  const { v, words } = at;
  await v.synced("lv");
  const pattern = await filled(at);
  // Nothing is left to be written down when they fail.
  await v.m.pass(60_000);
  await v.disable(2, 3);
  await v.m.remove("lv");
  expect(await v.m.refused(`create lv --table "${raidTable(words)}"`)).toContain(
    "Too many devices are missing or not in sync (1, 2): the set needs at least 5.",
  );
  await v.enable(2, 3);
  await v.raid("lv", words);
  await v.synced("lv");
  expect(await v.health("lv")).toBe("AAAAAA");
  await pattern.verify();
});

test("lvm2 lvconvert-repair-raid5: a raid5 takes back an image that failed for a while", async () => {
  const at = await made("raid5_ls", 4, 3);
  const { v, words } = at;
  await v.synced("lv");
  const pattern = await filled(at);
  await v.disable(2);
  await pattern.stamp(30);
  expect(await v.health("lv")).toBe("ADAA");
  await v.enable(2);
  await v.m.reload("lv", raidTable(words));
  await v.synced("lv");
  expect(await v.health("lv")).toBe("AAAA");
  await v.disable(4);
  await pattern.verify();
});

test("lvm2 lvconvert-m-raid1-degraded: a raid1 without its first image stays DA until it is repaired", async () => {
  const at = await made("raid1", 2, 1);
  const { v, words } = at;
  await v.synced("lv");
  const pattern = await filled(at);
  await v.disable(1);
  await v.m.reload("lv", raidTable(words));
  expect(await v.health("lv")).toBe("DA");
  await pattern.stamp(30);
  // As many images as before: nothing changes.
  await v.m.reload("lv", raidTable(words));
  expect(await v.health("lv")).toBe("DA");
  await v.image("r3", 3, SECTORS);
  await v.replace("lv", words, { 0: "r3" });
  await v.synced("lv");
  expect(await v.health("lv")).toBe("AA");
  await pattern.fork("r3_rimage").verify();
});
