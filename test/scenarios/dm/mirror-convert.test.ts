/** Legs and logs of a mirror that come and go: lvm2's lvconvert-mirror, lvconvert-mirror-split, lvconvert-mirror-updown, pvmove-raid-restart, pvmove-raid-segtypes. */
import { expect, test } from "vitest";
import { MIRROR_SECTORS, REGIONS, makeLegs, makeLog, mirrorTable, prepareLog } from "./mirrors.ts";
import { Pattern } from "./pattern.ts";
import { Volumes, raidTable } from "./volumes.ts";

interface Made {
  readonly v: Volumes;
  readonly legs: readonly string[];
  readonly log: string;
  readonly pattern: Pattern;
}

/** Two legs in sync, two more that are free; the log on physical volume 5. */
async function made(count = 2): Promise<Made> {
  const v = await Volumes.make(5);
  const legs = await makeLegs(v, 4);
  const log = (await makeLog(v, "mlog", "disk", 5, false))!;
  await v.m.create("lv", mirrorTable({ legs: legs.slice(0, count), log }));
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  return { v, legs, log, pattern };
}

/** `lvconvert -m+1 -b`: the old mirror is a leg of another one. */
async function beginAdding({ v, legs, log }: Made, added: readonly string[]): Promise<() => void> {
  await v.m.create("lv_mimagetmp", mirrorTable({ legs: legs.slice(0, 2), log }));
  const release = v.stall(...added.map((leg) => Number(leg.slice(1))));
  await v.m.reload("lv", mirrorTable({ legs: ["lv_mimagetmp", ...added], log: null }));
  return release;
}

/** When they are in sync one table has all of them. */
async function collapse(v: Volumes, legs: readonly string[], log: string): Promise<void> {
  await v.m.ok("suspend lv");
  await v.m.ok("suspend lv_mimagetmp");
  await v.m.ok("resume lv_mimagetmp");
  await v.m.ok(`load lv --table "${mirrorTable({ legs, log })}"`);
  await v.m.ok("resume lv");
  await v.m.remove("lv_mimagetmp");
}

test("lvm2 lvconvert-mirror: a linear volume becomes a mirror under who uses it, and a linear one again", async () => {
  const v = await Volumes.make(3);
  const legs = await makeLegs(v, 2);
  await v.m.create("lv", `0 ${MIRROR_SECTORS} linear m1 0`);
  const close = v.m.hold("lv");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  const log = await makeLog(v, "mlog", "disk", 3, false);
  await v.m.reload("lv", mirrorTable({ legs, log }));
  await pattern.stamp(20);
  await v.synced("lv");
  expect(await v.m.status("lv")).toContain(` ${REGIONS}/${REGIONS} 1 AA `);
  await pattern.fork("m2").verify();
  // -m0 of a given leg: the first one goes.
  await v.m.reload("lv", `0 ${MIRROR_SECTORS} linear m2 0`);
  await pattern.verify();
  close();
});

test("lvm2 lvconvert-mirror: a third leg is filled beside the mirror that it joins", async () => {
  const at = await made();
  const { v, legs, log, pattern } = at;
  const release = await beginAdding(at, ["m3"]);
  expect(await v.m.status("lv")).toMatch(/^2 254:\d+ 254:\d+ \d+\/32 1 AA 1 core$/);
  await v.m.read("lv", 0, 8);
  release();
  await pattern.stamp(20);
  await v.synced("lv");
  await collapse(v, legs.slice(0, 3), log);
  expect(await v.m.status("lv")).toContain(` ${REGIONS}/${REGIONS} 1 AAA 3 disk `);
  await pattern.fork("m3").verify();
  await pattern.stamp(20);
  for (const leg of ["m1", "m2", "m3"]) await pattern.fork(leg).verify();
});

test("lvm2 lvconvert-mirror: a leg that is being filled is taken away again", async () => {
  const at = await made();
  const { v, log, pattern } = at;
  const release = await beginAdding(at, ["m3"]);
  release();
  await collapse(v, ["m1", "m2"], log);
  await pattern.stamp(20);
  await pattern.fork("m2").verify();
  expect(await v.m.ok("info -c --noheadings -o open m3")).toBe("0");
});

test("lvm2 lvconvert-mirror: of two legs that are being filled one is taken away, and the other goes on", async () => {
  const at = await made();
  const { v, log, pattern } = at;
  const release = await beginAdding(at, ["m3", "m4"]);
  release();
  await v.m.reload("lv", mirrorTable({ legs: ["lv_mimagetmp", "m4"], log: null }));
  await pattern.stamp(20);
  await v.synced("lv");
  await collapse(v, ["m1", "m2", "m4"], log);
  expect(await v.m.status("lv")).toContain(" 1 AAA 3 disk ");
  await pattern.fork("m4").verify();
});

test("lvm2 lvconvert-mirror: the first leg is taken away from three in sync, then the next", async () => {
  const { v, log, pattern } = await made(3);
  await v.m.reload("lv", mirrorTable({ legs: ["m2", "m3"], log }));
  expect(await v.m.status("lv")).toContain(` ${REGIONS}/${REGIONS} 1 AA `);
  await pattern.verify();
  await pattern.stamp(20);
  await v.m.reload("lv", `0 ${MIRROR_SECTORS} linear m3 0`);
  await pattern.verify();
});

test("lvm2 lvconvert-mirror: from a log on a disk to one in memory and back, while it is used", async () => {
  const { v, legs, log, pattern } = await made();
  const two = legs.slice(0, 2);
  await v.m.reload("lv", mirrorTable({ legs: two, log: null, sync: "nosync" }));
  expect(await v.m.status("lv")).toMatch(/ 32\/32 1 AA 1 core$/);
  await pattern.stamp(20);
  await prepareLog(v, log, true);
  await v.m.reload("lv", mirrorTable({ legs: two, log }));
  expect(await v.m.status("lv")).toMatch(/ 32\/32 1 AA 3 disk 254:\d+ A$/);
  await pattern.stamp(20);
  await pattern.fork("m2").verify();
});

test("lvm2 lvconvert-mirror: one that was made with nosync is resynced, and then takes another leg", async () => {
  const v = await Volumes.make(5);
  const legs = await makeLegs(v, 4);
  await v.m.fill("m1", 1);
  await v.m.fill("m2", 2);
  const log = (await makeLog(v, "mlog", "disk", 5, true))!;
  await v.m.create("lv", mirrorTable({ legs: ["m1", "m2"], log, sync: "nosync" }));
  await v.m.pass(60_000);
  expect(await v.m.runs("m2")).toBe(`${MIRROR_SECTORS}x2`);
  await v.m.remove("lv");
  await prepareLog(v, log, false);
  await v.m.create("lv", mirrorTable({ legs: ["m1", "m2"], log }));
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  const release = await beginAdding({ v, legs, log, pattern }, ["m3"]);
  release();
  await v.synced("lv");
  for (const leg of ["m2", "m3"]) expect(await v.m.runs(leg)).toBe(`${MIRROR_SECTORS}x1`);
});

test("lvm2 lvconvert-mirror: a mirror becomes a raid1 of the same legs", async () => {
  const v = await Volumes.make(3);
  for (const n of [1, 2, 3]) await v.image(`r${n}`, n, MIRROR_SECTORS);
  const legs = ["r1_rimage", "r2_rimage", "r3_rimage"];
  await v.m.create("lv", mirrorTable({ legs, log: null }));
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  const images = ["r1", "r2", "r3"];
  const words = "nosync region_size 64";
  await v.m.reload("lv", raidTable({ type: "raid1", sectors: MIRROR_SECTORS, words, images }));
  expect(await v.m.status("lv")).toBe("raid1 3 AAA 2048/2048 idle 0 0 -");
  await pattern.verify();
});

test("lvm2 lvconvert-mirror-split: a leg is split off, and both go their own ways", async () => {
  const { v, log, pattern } = await made(3);
  await v.m.reload("lv", mirrorTable({ legs: ["m1", "m2"], log }));
  await v.m.create("lv2", `0 ${MIRROR_SECTORS} linear m3 0`);
  const split = pattern.fork("lv2");
  await split.verify();
  await split.stamp(40);
  await pattern.stamp(40);
  await split.verify();
  await pattern.fork("m2").verify();
  expect(await v.m.status("lv")).toContain(` ${REGIONS}/${REGIONS} 1 AA `);
});

test("lvm2 lvconvert-mirror-split: what is held open meanwhile becomes an error target", async () => {
  const { v } = await made(2);
  const close = [v.m.hold("m1"), v.m.hold("mlog")];
  await v.m.reload("lv", `0 ${MIRROR_SECTORS} linear m2 0`);
  for (const name of ["m1", "mlog"]) {
    expect(await v.m.refused(`remove --force ${name}`)).toContain("busy");
    expect(await v.m.ok(`table ${name}`)).toMatch(/^0 \d+ error$/);
  }
  for (const each of close) each();
  await v.m.remove("m1", "mlog");
});

test("lvm2 lvconvert-mirror-updown: a leg of the old mirror goes while a third is being filled", async () => {
  const v = await Volumes.make(3);
  await makeLegs(v, 3);
  await v.m.create("lv", mirrorTable({ legs: ["m1", "m2"], log: null }));
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  const old = (legs: readonly string[]): string => mirrorTable({ legs, log: null, sync: "nosync" });
  await v.m.create("lv_mimagetmp", old(["m1", "m2"]));
  const release = v.stall(3);
  await v.m.reload("lv", mirrorTable({ legs: ["lv_mimagetmp", "m3"], log: null }));
  release();
  await v.m.reload("lv_mimagetmp", `0 ${MIRROR_SECTORS} linear m1 0`);
  await pattern.stamp(20);
  await v.synced("lv");
  await pattern.fork("m3").verify();
  await pattern.fork("m1").verify();
  expect(await v.m.table("lv_mimagetmp")).toMatch(/^254:\d+ 0$/);
});

test.for([
  ["raid1", 2, 1],
  ["raid5_ls", 3, 2],
  ["raid10", 4, 2],
] as const)(
  "lvm2 pvmove-raid-segtypes: an image of a %s is moved to another disk while it is used",
  async ([type, count, data]) => {
    const v = await Volumes.make(count + 1);
    const images = await v.images(count, MIRROR_SECTORS);
    const words = "region_size 64";
    await v.raid("lv", { type, sectors: data * MIRROR_SECTORS, words, images });
    await v.synced("lv");
    const pattern = Pattern.zeros(v.m, "lv", 32);
    await pattern.stamp(60);
    await v.part("from", 1, MIRROR_SECTORS);
    const place = (await v.m.ok("table r1_rimage")).split(" ").slice(3).join(" ");
    await v.m.reload("from", `0 ${MIRROR_SECTORS} linear ${place}`);
    await v.part("to", count + 1, MIRROR_SECTORS);
    await v.m.create("pvmove0", mirrorTable({ legs: ["from", "to"], log: null }));
    await v.m.reload("r1_rimage", `0 ${MIRROR_SECTORS} linear pvmove0 0`);
    await pattern.stamp(20);
    await v.synced("pvmove0");
    await v.m.reload("r1_rimage", `0 ${MIRROR_SECTORS} linear to 0`);
    await v.m.remove("pvmove0");
    await pattern.stamp(20);
    await v.m.message("lv", "check");
    await v.synced("lv");
    expect(await v.mismatches("lv")).toBe(0);
    await pattern.verify();
  },
);

test("lvm2 pvmove-raid-restart: a move that was cut short begins again, and the raid's health is not touched", async () => {
  const v = await Volumes.make(4);
  const images = await v.images(3, MIRROR_SECTORS);
  const words = { type: "raid5_ls", sectors: 2 * MIRROR_SECTORS, words: "region_size 64", images };
  await v.raid("lv", words);
  await v.synced("lv");
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  const place = (await v.m.ok("table r1_rimage")).split(" ").slice(3).join(" ");
  await v.m.create("from", `0 ${MIRROR_SECTORS} linear ${place}`);
  await v.part("to", 4, MIRROR_SECTORS);
  const moving = mirrorTable({ legs: ["from", "to"], log: null });
  const release = v.stall(4);
  await v.m.create("pvmove0", moving);
  await v.m.reload("r1_rimage", `0 ${MIRROR_SECTORS} linear pvmove0 0`);
  release();
  await pattern.stamp(20);
  await v.m.remove("lv", "r1_rimage", "pvmove0");
  await v.m.create("pvmove0", moving);
  await v.m.create("r1_rimage", `0 ${MIRROR_SECTORS} linear pvmove0 0`);
  await v.raid("lv", words);
  expect(await v.health("lv")).toBe("AAA");
  await pattern.verify();
  // pvmove --abort: back to where it was.
  await v.m.reload("r1_rimage", `0 ${MIRROR_SECTORS} linear from 0`);
  await v.m.remove("pvmove0");
  await pattern.verify();
  expect(await v.health("lv")).toBe("AAA");
});
