/** Snapshots that are activated again, renamed, suspended, removed and stand on other things: lvm2's snapshot-reactivate, -rename, -remove-dmsetup, snapshots-of-mirrors, lvconvert-snapshot*. */
import { expect, test } from "vitest";
import { MIRROR_SECTORS, makeLegs, makeLog, mirrorTable } from "./mirrors.ts";
import { Pattern } from "./pattern.ts";
import { Snapshots } from "./snapshots.ts";
import { Volumes } from "./volumes.ts";

const SECTORS = 4096;

test("lvm2 snapshot-reactivate: it holds what it held, written beside and activated again and again", async () => {
  const at = await Snapshots.make({ originSectors: SECTORS });
  const origin = Pattern.zeros(at.m, "lv", 16);
  await origin.stamp(100);
  await at.add("snap", SECTORS + 64);
  const snapshot = origin.fork("snap");
  for (let round = 0; round < 3; round += 1) {
    await snapshot.verify();
    await origin.stamp(30);
    await snapshot.verify();
    await at.reactivate({ snap: 8 });
    await snapshot.verify();
    await origin.verify();
  }
  expect(await at.m.status("snap")).toMatch(/^\d+\/4160 \d+$/);
});

test("lvm2 snapshot-reactivate: several of one origin, with chunks of different sizes", async () => {
  const at = await Snapshots.make({ originSectors: SECTORS, pvSectors: 32_768 });
  const origin = Pattern.zeros(at.m, "lv", 16);
  await origin.stamp(100);
  const snapshots: Pattern[] = [];
  for (const [name, chunk] of [
    ["s1", 8],
    ["s2", 16],
    ["s3", 64],
  ] as const) {
    await at.add(name, SECTORS + 512, chunk);
    snapshots.push(origin.fork(name));
    await origin.stamp(30);
  }
  await at.reactivate({ s1: 8, s2: 16, s3: 64 });
  for (const snapshot of snapshots) await snapshot.verify();
  await snapshots[1]!.stamp(30);
  await origin.stamp(30);
  for (const snapshot of snapshots) await snapshot.verify();
  expect(await at.m.status("s3")).toMatch(/^\d+\/4608 128$/);
});

test("lvm2 snapshot-rename: an origin and its snapshot are renamed while they are used", async () => {
  const at = await Snapshots.make({ originSectors: SECTORS });
  const origin = Pattern.zeros(at.m, "lv", 16);
  await origin.stamp(100);
  await at.add("snap", SECTORS + 64);
  const before = origin.fork("snap");
  await at.m.ok("rename snap snap2");
  await at.m.ok("rename snap-cow snap2-cow");
  await at.m.ok("rename lv-real lv2-real");
  await origin.stamp(50);
  const content = await at.m.read("snap2", 0, SECTORS);
  await at.m.ok("rename snap2 snap");
  await before.verify();
  expect(Buffer.compare(content, await at.m.read("snap", 0, SECTORS))).toBe(0);
  expect(await at.m.table("snap")).toMatch(/^254:\d+ 254:\d+ P 8$/);
});

test("lvm2 snapshot-remove-dmsetup: one whose origin's disk is suspended can be suspended, and is removed by force when that goes on", async () => {
  const at = await Snapshots.make({ originSectors: SECTORS });
  await at.add("snap", SECTORS);
  const close = at.m.hold("snap");
  await at.m.ok("suspend pv2");
  // Nothing of it is under way.
  await at.m.ok("suspend snap --noflush --nolockfs");
  expect(await at.m.ok("info -c --noheadings -o suspended snap")).toBe("Suspended");
  await at.m.ok("resume pv2");
  await at.m.ok("resume snap");
  expect(await at.m.refused("remove --force snap")).toContain("busy");
  expect(await at.m.ok("table snap")).toBe(`0 ${SECTORS} error`);
  await expect(at.m.fill("snap", 1, 0, 8)).rejects.toMatchObject({ code: "io" });
  await at.m.fill("lv", 1);
  close();
  await at.m.remove("snap");
});

test("lvm2 snapshot-remove-dmsetup: a write that waits below does not keep a suspend without flush waiting for ever", async () => {
  const at = await Snapshots.make({ originSectors: SECTORS });
  await at.add("snap", SECTORS);
  await at.m.ok("suspend pv2");
  const writing = at.m.fill("snap", 1, 0, 8);
  const suspending = at.m.start("suspend snap --noflush --nolockfs");
  await at.m.settle();
  await at.m.ok("resume pv2");
  expect((await at.m.do(suspending)).code).toBe(0);
  await at.m.ok("resume snap");
  await at.m.do(writing);
  expect(await at.m.runs("snap", 0, 16)).toBe("8x1 8x0");
});

test("lvm2 snapshots-of-mirrors: the origin becomes linear, a mirror again, with other legs and other logs, under its snapshot", async () => {
  const v = await Volumes.make(5);
  const legs = await makeLegs(v, 3);
  const log = await makeLog(v, "mlog", "disk", 4, true);
  await v.m.create("mirror", mirrorTable({ legs: ["m1", "m2"], log, sync: "nosync" }));
  const at = await Snapshots.on(v, "mirror");
  const origin = Pattern.zeros(v.m, "lv", 16);
  await origin.stamp(60);
  await at.add("snap", MIRROR_SECTORS + 128, 8, "P", 5);
  const snapshot = origin.fork("snap");
  const tables = [
    `0 ${MIRROR_SECTORS} linear m1 0`,
    mirrorTable({ legs, log: null }),
    mirrorTable({ legs: ["m1", "m2"], log: null, sync: "nosync" }),
    mirrorTable({ legs: ["m1", "m2"], log, sync: "nosync" }),
  ];
  for (const table of tables) {
    await v.m.suspended("lv", () => v.m.suspended("snap", () => v.m.reload("lv-real", table)));
    await origin.stamp(20);
    await snapshot.stamp(10);
    if (table.includes("mirror")) await v.synced("lv-real");
    await origin.verify();
    await snapshot.verify();
  }
  expect(await v.m.status("lv-real")).toContain(" 1 AA 3 disk ");
});

test("lvm2 lvconvert-snapshot: a volume with exceptions of before becomes a snapshot again", async () => {
  const at = await Snapshots.make({ originSectors: SECTORS });
  const origin = Pattern.zeros(at.m, "lv", 16);
  await origin.stamp(60);
  await at.add("snap", SECTORS);
  const snapshot = origin.fork("snap");
  await snapshot.stamp(30);
  // lvconvert --splitsnapshot, and -s -Zn.
  await at.m.suspended("lv", () => at.m.remove("snap"));
  await at.m.suspended("lv", () => at.m.create("snap", at.table("snap", 8)));
  await snapshot.verify();
  expect(
    await at.m.refused(`create s2 --table "0 ${SECTORS} snapshot lv-real lv-real P 8"`),
  ).toContain("the same");
});

test("lvm2 lvconvert-snapshot: a snapshot of zeros, on striped COW volumes too", async () => {
  const v = await Volumes.make(3);
  await v.m.create("zeros", "0 409600 zero");
  const at = await Snapshots.on(v, "zeros");
  await v.part("c1", 1, 1024);
  await v.part("c2", 2, 1024);
  await v.m.create("snap-cow", "0 2048 striped 2 16 c1 0 c2 0");
  await v.m.create("snap", at.table("snap", 8));
  const pattern = Pattern.zeros(v.m, "snap", 4096);
  await v.m.fill("snap", 7, 409_592, 8);
  await v.m.fill("snap", 0, 409_592, 8);
  await pattern.verify();
  expect(await v.m.status("snap")).toBe("24/2048 16");
});
