/** Snapshots that go back into their origin: lvm2's snapshot-merge, snapshot-merge-stack. */
import { expect, test } from "vitest";
import { Pattern } from "./pattern.ts";
import { Snapshots } from "./snapshots.ts";

const SECTORS = 4096;

interface Made {
  readonly at: Snapshots;
  readonly origin: Pattern;
  /** What the snapshot holds, and the origin when it is merged. */
  readonly snapshot: Pattern;
}

/** The COW volume is on physical volume 2, those of other snapshots on 3. */
async function made(
  others: readonly string[] = [],
): Promise<Made & { readonly others: Pattern[] }> {
  const at = await Snapshots.make({ originSectors: SECTORS, pvs: 3 });
  const origin = Pattern.zeros(at.m, "lv", 16);
  await origin.stamp(100);
  await at.add("snap", SECTORS + 64);
  const snapshot = origin.fork("snap");
  const more: Pattern[] = [];
  for (const name of others) {
    await at.add(name, SECTORS + 64, 8, "P", 3);
    more.push(origin.fork(name));
  }
  await snapshot.stamp(30);
  await origin.stamp(30);
  return { at, origin, snapshot, others: more };
}

test("lvm2 snapshot-merge: all of one goes back, and the origin stands alone", async () => {
  const { at, snapshot } = await made();
  const wanted = snapshot.fork("lv");
  await at.merge("snap");
  await wanted.verify();
  expect(await at.m.table("lv")).toMatch(/^254:\d+ 0$/);
});

test("lvm2 snapshot-merge: whoever uses the origin meanwhile sees what is merged at once, and writes to it", async () => {
  const { at, snapshot } = await made();
  const release = at.v.stall(1);
  const wanted = snapshot.fork("lv");
  await at.beginMerge("snap");
  await wanted.verify();
  expect((await at.usage("lv")).usedSectors).toBeGreaterThan(16);
  release();
  await wanted.stamp(40);
  await at.merged("lv");
  await wanted.verify();
  await at.m.reload("lv", at.linearTable());
  await wanted.verify();
});

test("lvm2 snapshot-merge: what is written while it is on its way back is not lost", async () => {
  const { at } = await made();
  const release = at.v.stall(1);
  await at.beginMerge("snap");
  const writes = Array.from({ length: SECTORS / 16 }, (_unused, block) =>
    at.m.fill("lv", 7, block * 16, 16),
  );
  await at.m.settle();
  release();
  await Promise.all(writes);
  await at.merged("lv");
  expect(await at.m.runs("lv")).toBe(`${SECTORS}x7`);
  await at.m.reload("lv", at.linearTable());
  expect(await at.m.runs("lv")).toBe(`${SECTORS}x7`);
});

test("lvm2 snapshot-merge: the origin that is in use stays an origin until it is activated again", async () => {
  const { at, origin, snapshot } = await made();
  const close = at.m.hold("lv");
  // lvchange --refresh: still mounted, nothing begins.
  await at.m.suspended("lv", () => at.m.ok(`load lv --table "${at.originTable()}"`));
  expect(await at.m.ok("table lv")).toContain(" snapshot-origin ");
  await origin.verify();
  close();
  const wanted = snapshot.fork("lv");
  await at.beginMerge("snap");
  expect(await at.m.ok("table lv")).toContain(" snapshot-merge ");
  await at.merged("lv");
  await wanted.verify();
});

test("lvm2 snapshot-merge: an origin is removed while a merge is under way, and the merge goes on when it is back", async () => {
  const { at, snapshot } = await made();
  const release = at.v.stall(1);
  const wanted = snapshot.fork("lv");
  await at.beginMerge("snap");
  const { usedSectors } = await at.usage("lv");
  release();
  await at.m.remove("lv");
  await at.m.create("lv", at.table("snap", 8, "P", "snapshot-merge"));
  expect((await at.usage("lv")).usedSectors).toBeLessThanOrEqual(usedSectors);
  await wanted.verify();
  await at.merged("lv");
  await wanted.verify();
});

test("lvm2 snapshot-merge: other snapshots of the origin keep what they had", async () => {
  const { at, snapshot, others } = await made(["s1", "s2"]);
  const wanted = snapshot.fork("lv");
  await at.beginMerge("snap");
  await at.merged("lv");
  await wanted.verify();
  for (const other of others) await other.verify();
  await at.m.reload("lv", at.originTable());
  await wanted.stamp(30);
  for (const other of others) await other.verify();
  expect(await at.m.status("s1")).toMatch(/^\d+\/4160 \d+$/);
});

test("lvm2 snapshot-merge: one after the other goes back", async () => {
  const { at, snapshot, others } = await made(["s1"]);
  const first = snapshot.fork("lv");
  await at.beginMerge("snap");
  await at.merged("lv");
  await first.verify();
  await at.m.reload("lv", at.originTable());
  const second = others[0]!.fork("lv");
  await at.beginMerge("s1");
  await at.merged("lv");
  await second.verify();
  expect((await at.usage("lv")).metadataSectors).toBe(16);
});

test("lvm2 snapshot-merge: a second one cannot be merged into the same origin meanwhile", async () => {
  const { at, snapshot } = await made(["s1"]);
  const release = at.v.stall(1);
  const wanted = snapshot.fork("lv");
  await at.beginMerge("snap");
  await at.m.remove("s1");
  const second = at.table("s1", 8, "P", "snapshot-merge");
  expect(await at.m.refused(`create lv2 --table "${second}"`)).toContain(
    "Another snapshot is being merged into the same origin.",
  );
  release();
  await at.merged("lv");
  await wanted.verify();
});

test("lvm2 snapshot-merge-stack: a COW volume that fails stops the merge, which ends when it is activated again", async () => {
  const { at, snapshot } = await made();
  const wanted = snapshot.fork("lv");
  const release = at.v.stall(1);
  await at.beginMerge("snap");
  at.m.disk("d2").failReads(0, 16_384);
  at.m.disk("d2").failWrites(0, 16_384);
  release();
  await at.m.pass(1000);
  expect(await at.m.status("lv")).toBe("Merge failed");
  at.m.disk("d2").heal();
  await wanted.verify();
  await at.m.remove("lv");
  await at.m.create("lv", at.table("snap", 8, "P", "snapshot-merge"));
  await at.merged("lv");
  await wanted.verify();
});

test("lvm2 snapshot-merge-stack: an origin that fails stops the merge, and nothing of the snapshot is lost", async () => {
  const { at, snapshot } = await made();
  const wanted = snapshot.fork("lv");
  at.m.disk("d1").failWrites(0, 16_384);
  await at.beginMerge("snap");
  await at.m.pass(1000);
  expect(await at.m.status("lv")).toBe("Merge failed");
  await wanted.verify();
  at.m.disk("d1").heal();
  await at.m.remove("lv");
  await at.m.create("lv", at.table("snap", 8, "P", "snapshot-merge"));
  await at.merged("lv");
  await wanted.verify();
});
