/** What check and repair find: lvm2's lvchange-syncaction-raid, and the same in lvchange-raid, lvchange-raid456 and lvchange-raid10. */
import { expect, test } from "vitest";
import { Pattern } from "./pattern.ts";
import { Volumes } from "./volumes.ts";
import type { RaidWords } from "./volumes.ts";

const SECTORS = 2048;

async function made(
  type: string,
  count: number,
  dataImages: number,
  more = "",
): Promise<[Volumes, RaidWords]> {
  const v = await Volumes.make(count);
  const images = await v.images(count, SECTORS);
  const words = { type, sectors: dataImages * SECTORS, words: `region_size 64${more}`, images };
  await v.raid("lv", words);
  await v.synced("lv");
  return [v, words];
}

async function scrub(v: Volumes, action: "check" | "repair"): Promise<number> {
  await v.m.message("lv", action);
  await v.synced("lv");
  return v.mismatches("lv");
}

test("lvm2 lvchange-syncaction-raid: a check counts the sectors that differ, and forgets them when the volume is made again", async () => {
  const [v, words] = await made("raid1", 2, 1);
  await v.m.write("r2_rimage", 0, new Uint8Array(1024).fill(7));
  expect(await v.mismatches("lv")).toBe(0);
  // Kernels count the whole request: 128.
  expect(await scrub(v, "check")).toBe(2);
  await v.m.remove("lv");
  await v.raid("lv", words);
  await v.synced("lv");
  expect(await v.mismatches("lv")).toBe(0);
  expect(await scrub(v, "check")).toBe(2);
  // It has changed nothing.
  expect(await v.m.runs("r2_rimage", 0, 4)).toBe("2x7 2x0");
});

test("lvm2 lvchange-syncaction-raid: the action is shown while it goes on", async () => {
  const [v] = await made("raid1", 2, 1);
  for (const action of ["check", "repair"]) {
    const disk = v.m.disk("d2");
    disk.hold(({ op, sector }) => op === "read" && sector >= 128);
    await v.m.message("lv", action);
    await v.m.settle();
    expect(await v.m.status("lv")).toMatch(new RegExp(`^raid1 2 AA \\d+/2048 ${action} 0 0 -$`));
    await v.m.message("lv", "idle").catch(() => {});
    disk.release();
    await v.synced("lv");
  }
  expect(await v.m.refused("message lv 0 scrub")).toContain('raid: "scrub" is no message');
});

test.for([
  ["lvm2 lvchange-raid", "raid1", 2, 1, ""],
  ["lvm2 lvchange-raid456", "raid4", 4, 3, ""],
  ["lvm2 lvchange-raid456", "raid5_ls", 4, 3, ""],
  ["lvm2 lvchange-raid456", "raid6_zr", 5, 3, ""],
  ["lvm2 lvchange-raid10", "raid10", 4, 2, " raid10_copies 2"],
] as const)(
  "%s: half an image of a %s is overwritten; check finds it, repair mends it",
  async ([_origin, type, count, data, more]) => {
    const [v, words] = await made(type, count, data, more);
    const pattern = Pattern.zeros(v.m, "lv", 32);
    await pattern.stamp(60);
    await v.m.fill("r2_rimage", 0x5a, SECTORS / 2);
    await v.m.remove("lv");
    await v.raid("lv", words);
    const found = await scrub(v, "check");
    expect(found).toBeGreaterThan(0);
    expect(found).toBeLessThanOrEqual(SECTORS);
    expect(await v.m.runs("r2_rimage", SECTORS / 2)).toBe(`${SECTORS / 2}x90`);
    await scrub(v, "repair");
    expect(await scrub(v, "check")).toBe(0);
    if (type === "raid1") await pattern.fork("r2_rimage").verify();
  },
);
