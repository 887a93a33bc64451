/** Legs and logs that are lost: lvm2's lvconvert-repair-mirror, mirror-vgreduce-removemissing, lvconvert-repair-snapshot, vgreduce-removemissing-snapshot. */
import { expect, test } from "vitest";
import { MIRROR_SECTORS, REGIONS, makeLegs, makeLog, mirrorTable } from "./mirrors.ts";
import { Pattern } from "./pattern.ts";
import { Volumes } from "./volumes.ts";

/** Legs on physical volumes 1 to `count`, the log on 5. */
async function made(
  count: number,
  isInSync = true,
): Promise<{ v: Volumes; legs: string[]; log: string; pattern: Pattern }> {
  const v = await Volumes.make(6);
  const legs = await makeLegs(v, count);
  const log = (await makeLog(v, "mlog", "disk", 5, isInSync))!;
  await v.m.create("lv", mirrorTable({ legs, log }));
  const pattern = Pattern.zeros(v.m, "lv", 32);
  return { v, legs, log, pattern };
}

/** A write that waits for somebody to repair the mirror, and the repair: suspended without flush, it goes to the next table. */
async function repaired(v: Volumes, write: Promise<unknown>, table: string): Promise<void> {
  let hasEnded = false;
  void write.then(() => (hasEnded = true));
  await v.m.pass(10_000);
  expect(hasEnded).toBe(false);
  await v.m.ok("suspend lv --noflush");
  await v.m.ok(`load lv --table "${table}"`);
  await v.m.ok("resume lv");
  await v.m.do(write);
}

test("lvm2 lvconvert-repair-mirror: a leg is lost during a sync, and what is written then waits for the repair", async () => {
  const v = await Volumes.make(3);
  const legs = await makeLegs(v, 2);
  await v.m.fill("m1", 5);
  const log = await makeLog(v, "mlog", "disk", 3, false);
  v.stall(2);
  await v.m.create("lv", mirrorTable({ legs, log }));
  const events = await v.m.events("lv");
  const write = v.m.fill("lv", 6, 256, 64);
  await v.m.pass(100);
  expect(await v.m.status("lv")).toMatch(/ \d\/32 1 AA 3 disk 254:\d+ A$/);
  v.m.disk("d2").vanish();
  await v.m.pass(100);
  expect(await v.m.status("lv")).toMatch(/ \d\/32 1 A[DS] 3 disk 254:\d+ A$/);
  expect(await v.m.events("lv")).toBeGreaterThan(events);
  await repaired(v, write, `0 ${MIRROR_SECTORS} linear m1 0`);
  expect(await v.m.runs("lv")).toBe("256x5 64x6 1728x5");
});

test("lvm2 lvconvert-repair-mirror: the log is lost during a sync, and a log in memory takes its place", async () => {
  const { v, legs, pattern } = await made(2, false);
  await v.synced("lv");
  await v.m.pass(60_000);
  await v.disable(5);
  const writing = pattern.stamp(60);
  await repaired(v, writing, mirrorTable({ legs, log: null }));
  await v.synced("lv");
  expect(await v.m.status("lv")).toMatch(/ 32\/32 1 AA 1 core$/);
  await pattern.fork("m2").verify();
});

test("lvm2 lvconvert-repair-mirror: status tells which leg has failed", async () => {
  const { v, pattern } = await made(3);
  await v.disable(2);
  const writing = pattern.stamp(100);
  await v.m.pass(1000);
  expect(await v.m.status("lv")).toMatch(/ 1 A[DF]A 3 disk 254:\d+ A$/);
  await v.m.ok("suspend lv --noflush");
  await v.m.ok(`load lv --table "${mirrorTable({ legs: ["m1", "m3"], log: "mlog" })}"`);
  await v.m.ok("resume lv");
  await v.m.do(writing);
  await v.synced("lv");
  expect(await v.m.status("lv")).toMatch(/ 1 AA 3 disk 254:\d+ A$/);
  await pattern.fork("m3").verify();
});

for (const lost of [1, 2])
  test(`lvm2 mirror-vgreduce-removemissing: leg ${lost} of two is lost, the other is a linear volume`, async () => {
    const { v, pattern } = await made(2);
    await pattern.stamp(60);
    await v.m.remove("lv");
    await v.disable(lost);
    await v.m.create("lv", `0 ${MIRROR_SECTORS} linear m${3 - lost} 0`);
    await pattern.verify();
    expect(await v.m.table("lv")).toMatch(/^254:\d+ 0$/);
  });

for (const lost of [1, 2, 3])
  test(`lvm2 mirror-vgreduce-removemissing: leg ${lost} of three is lost while it is used, two go on`, async () => {
    const { v, legs, log, pattern } = await made(3);
    await pattern.stamp(60);
    await v.disable(lost);
    const writing = pattern.stamp(40);
    const left = legs.filter((leg) => leg !== `m${lost}`);
    await repaired(v, writing, mirrorTable({ legs: left, log }));
    await v.synced("lv");
    expect(await v.m.status("lv")).toContain(` ${REGIONS}/${REGIONS} 1 AA 3 disk `);
    for (const leg of left) await pattern.fork(leg).verify();
  });

for (const kept of [1, 2, 3])
  test(`lvm2 mirror-vgreduce-removemissing: leg ${kept} of three is the only one left`, async () => {
    const { v, pattern } = await made(3);
    await pattern.stamp(60);
    await v.disable(...[1, 2, 3].filter((leg) => leg !== kept));
    const writing = pattern.stamp(40);
    await repaired(v, writing, `0 ${MIRROR_SECTORS} linear m${kept} 0`);
    await pattern.verify();
    expect(await v.m.table("lv")).toMatch(/^254:\d+ 0$/);
  });

test("lvm2 mirror-vgreduce-removemissing: the leg that is being filled is lost, the mirror below goes on", async () => {
  const { v, legs, log, pattern } = await made(2);
  await v.part("m3", 3, MIRROR_SECTORS);
  await v.m.create("lv_mimagetmp", mirrorTable({ legs, log }));
  const release = v.stall(3);
  await v.m.reload("lv", mirrorTable({ legs: ["lv_mimagetmp", "m3"], log: null }));
  await v.disable(4);
  release();
  await v.disable(3);
  const writing = pattern.stamp(60);
  await repaired(v, writing, mirrorTable({ legs, log }));
  await pattern.fork("m2").verify();
  expect(await v.m.status("lv")).toContain(" 1 AA ");
});

test("lvm2 mirror-vgreduce-removemissing: all legs are lost, and writes are not answered as if they were kept", async () => {
  const { v } = await made(2);
  await v.disable(1, 2);
  await expect(v.m.fill("lv", 7, 0, 8)).rejects.toMatchObject({ code: "io" });
  await expect(v.m.read("lv", 0, 8)).rejects.toMatchObject({ code: "io" });
  await v.m.ok("suspend lv --noflush");
  await v.m.ok("resume lv");
  await v.m.remove("lv");
});

test("lvm2 mirror-vgreduce-removemissing: a leg of one of two mirrors is lost, the other does not notice", async () => {
  const v = await Volumes.make(5);
  for (const n of [1, 2, 3, 4]) await v.part(`m${n}`, n, MIRROR_SECTORS);
  const logs = [
    await makeLog(v, "log1", "disk", 5, true),
    await makeLog(v, "log2", "disk", 5, true),
  ];
  await v.m.create("lv1", mirrorTable({ legs: ["m1", "m2"], log: logs[0]! }));
  await v.m.create("lv2", mirrorTable({ legs: ["m3", "m4"], log: logs[1]! }));
  const status = await v.m.status("lv2");
  await v.disable(2);
  await v.m.reload("lv1", `0 ${MIRROR_SECTORS} linear m1 0`);
  const pattern = Pattern.zeros(v.m, "lv2", 32);
  await pattern.stamp(60);
  expect(await v.m.status("lv2")).toBe(status);
  await pattern.fork("m4").verify();
});

test("lvm2 lvconvert-repair-snapshot, vgreduce-removemissing-snapshot: two of four legs under a snapshot are lost", async () => {
  const { v, log, pattern } = await made(4);
  await pattern.stamp(60);
  await v.part("cow", 6, 4096);
  await v.m.fill("cow", 0);
  await v.m.create("origin", `0 ${MIRROR_SECTORS} snapshot-origin lv`);
  await v.m.create("snap", `0 ${MIRROR_SECTORS} snapshot lv cow P 16`);
  const now = pattern.fork("origin");
  const then = pattern.fork("snap");
  await v.disable(2, 4);
  const writing = now.stamp(40);
  await repaired(v, writing, mirrorTable({ legs: ["m1", "m3"], log }));
  await now.verify();
  await then.verify();
  expect(await v.m.status("snap")).toMatch(/^\d+\/4096 \d+$/);
});
