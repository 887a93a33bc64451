/** What a raid's status line tells while it is made, grows and is mended: lvm2's lvconvert-raid-status-validation, lvs-raid-health-status and others. */
import { expect, test } from "vitest";
import { Pattern } from "./pattern.ts";
import { Volumes, raidTable } from "./volumes.ts";

const SECTORS = 4096;

/** Every line that is seen until it is in sync. */
async function seen(v: Volumes, name: string): Promise<string[]> {
  const lines: string[] = [];
  for (let look = 0; look < 2000; look += 1) {
    const line = await v.m.status(name);
    if (line !== lines.at(-1)) lines.push(line);
    if (line.includes(" idle ")) return lines;
    await v.m.settle();
    v.m.time.next();
  }
  throw new Error(`it never ends: ${lines.join("; ")}`);
}

test("lvm2 lvconvert-raid-status-validation: a linear volume that becomes a raid1 never shows all a's", async () => {
  const v = await Volumes.make(2);
  const images = await v.images(2, SECTORS);
  await v.m.create("lv", `0 ${SECTORS} linear r1_rimage 0`);
  const pattern = Pattern.zeros(v.m, "lv", 64);
  await pattern.stamp(80);
  const words = "rebuild 1 region_size 64 max_recovery_rate 500";
  await v.m.reload("lv", raidTable({ type: "raid1", sectors: SECTORS, words, images }));
  const lines = await seen(v, "lv");
  expect(lines.length).toBeGreaterThan(2);
  expect(lines.at(-1)).toBe("raid1 2 AA 4096/4096 idle 0 0 -");
  for (const line of lines.slice(0, -1))
    expect(line).toMatch(/^raid1 2 Aa \d+\/4096 recover 0 0 -$/);
  await pattern.verify();
  await pattern.fork("r2_rimage").verify();
});

test("lvm2 lvconvert-raid-status-validation: it is not at 100 % right after the conversion", async () => {
  const v = await Volumes.make(2);
  const images = await v.images(2, SECTORS);
  await v.m.create("lv", `0 ${SECTORS} linear r1_rimage 0`);
  const release = v.stall(2);
  const words = "rebuild 1 region_size 64";
  await v.m.reload("lv", raidTable({ type: "raid1", sectors: SECTORS, words, images }));
  await v.m.settle();
  expect(await v.m.status("lv")).toBe("raid1 2 Aa 0/4096 recover 0 0 -");
  release();
  await v.synced("lv");
  expect(await v.m.status("lv")).toBe("raid1 2 AA 4096/4096 idle 0 0 -");
});

test("lvm2 lvconvert-raid-status-validation: a third image of a raid1 is recovered beside two that are good", async () => {
  const v = await Volumes.make(3);
  const images = await v.images(3, SECTORS);
  const two = { type: "raid1", sectors: SECTORS, images: images.slice(0, 2) };
  await v.raid("lv", { ...two, words: "region_size 64" });
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 64);
  await pattern.stamp(50);
  const words = "rebuild 2 region_size 64 max_recovery_rate 500";
  await v.m.reload("lv", raidTable({ type: "raid1", sectors: SECTORS, words, images }));
  const lines = await seen(v, "lv");
  expect(lines.length).toBeGreaterThan(2);
  for (const line of lines.slice(0, -1))
    expect(line).toMatch(/^raid1 3 AAa \d+\/4096 recover 0 0 -$/);
  expect(lines.at(-1)).toBe("raid1 3 AAA 4096/4096 idle 0 0 -");
  await pattern.fork("r3_rimage").verify();
});

test("lvm2 lvconvert-raid-status-validation: a raid1 that is new is resynced, aa until it is AA", async () => {
  const v = await Volumes.make(2);
  const images = await v.images(2, SECTORS);
  const words = "region_size 64 max_recovery_rate 500";
  await v.raid("lv", { type: "raid1", sectors: SECTORS, words, images });
  const lines = await seen(v, "lv");
  expect(lines.length).toBeGreaterThan(2);
  for (const line of lines.slice(0, -1))
    expect(line).toMatch(/^raid1 2 aa \d+\/4096 resync 0 0 -$/);
  expect(lines.at(-1)).toBe("raid1 2 AA 4096/4096 idle 0 0 -");
});

test("lvm2 lvs-raid-health-status: an image that failed for a while is D until the volume is refreshed", async () => {
  const v = await Volumes.make(3);
  const images = await v.images(3, SECTORS);
  const words = { type: "raid1", sectors: SECTORS, words: "region_size 64", images };
  await v.raid("lv", words);
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 64);
  await pattern.stamp(50);
  await v.disable(2);
  await v.m.reload("lv", raidTable(words));
  expect(await v.health("lv")).toBe("ADA");
  await pattern.stamp(50);
  await v.enable(2);
  // It can be read again, and nobody has asked yet.
  expect(await v.health("lv")).toBe("ADA");
  await v.m.reload("lv", raidTable(words));
  await v.synced("lv");
  expect(await v.m.status("lv")).toBe("raid1 3 AAA 4096/4096 idle 0 0 -");
  await pattern.fork("r2_rimage").verify();
});

test("lvm2 lvs-raid-health-status: an image that is gone for good is D until another takes its place", async () => {
  const v = await Volumes.make(4);
  const images = await v.images(3, SECTORS);
  const words = { type: "raid1", sectors: SECTORS, words: "region_size 64", images };
  await v.raid("lv", words);
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 64);
  await pattern.stamp(50);
  await v.disable(2);
  // vgreduce --removemissing puts error targets where the images were.
  for (const part of ["r2_rmeta", "r2_rimage"]) {
    const { sectors } = v.m.volume(part);
    await v.m.reload(part, `0 ${sectors} error`);
  }
  await v.m.reload("lv", raidTable(words));
  expect(await v.health("lv")).toBe("ADA");
  await v.image("r4", 4, SECTORS);
  const mended = { ...words, words: "rebuild 1 region_size 64", images: ["r1", "r4", "r3"] };
  await v.m.reload("lv", raidTable(mended));
  await v.synced("lv");
  expect(await v.health("lv")).toBe("AAA");
  await pattern.fork("r4_rimage").verify();
});
