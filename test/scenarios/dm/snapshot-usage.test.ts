/** What a snapshot's status line counts, and when it is full: lvm2's snapshot-usage, snapshot-usage-exa, snapshot-maxsize, snapshot-cow-reduce, lvextend-snapshot-*, snapshot-autoumount-dmeventd. */
import { expect, test } from "vitest";
import { Pattern } from "./pattern.ts";
import { Snapshots } from "./snapshots.ts";
import { Volumes } from "./volumes.ts";

const KIB = 2;
const MIB = 1024 * KIB;

test("lvm2 snapshot-usage: one chunk in a COW volume of three is 100 %, and it is extended while it is full", async () => {
  const at = await Snapshots.make({ originSectors: 20 * KIB });
  await at.add("snap", 12 * KIB);
  expect(await at.m.status("snap")).toBe("16/24 16");
  expect(await at.percent("snap")).toBe("0.00");
  await at.m.fill("lv", 1, 0, 8);
  expect(await at.m.status("snap")).toBe("24/24 16");
  expect(await at.percent("snap")).toBe("100.00");
  // What is there already still can be written.
  await at.m.fill("snap", 2, 0, 8);
  await at.v.part("more", 2, 12 * KIB);
  const more = (await at.m.ok("table more")).split(" ").slice(3).join(" ");
  const cow = (await at.m.ok("table snap-cow")).split(" ").slice(3).join(" ");
  const extended = `0 24 linear ${cow}\n24 24 linear ${more}`;
  await at.m.ok("suspend snap");
  await at.m.ok("load snap-cow", extended);
  await at.m.ok("resume snap-cow");
  await at.m.ok("resume snap");
  expect(await at.percent("snap")).toBe("50.00");
  await at.m.fill("lv", 1, 8, 24);
  expect(await at.percent("snap")).toBe("100.00");
  expect(await at.m.runs("snap")).toBe("8x2 32x0");
});

test.for([
  ["100 %", 128, 128],
  ["50 %", 64, 64],
  ["25 %", 32, 32],
] as const)(
  "lvm2 snapshot-usage: room for %s of the origin takes that much",
  async ([_share, roomKib, fillKib]) => {
    const at = await Snapshots.make({ originSectors: 128 * KIB });
    // Header, one area of exceptions, and the data.
    await at.add("snap", (8 + roomKib) * KIB);
    await at.m.fill("snap", 3, 0, fillKib * KIB);
    expect(await at.percent("snap")).toBe("100.00");
    if (roomKib === 128) return;
    await expect(at.m.fill("snap", 3, fillKib * KIB, KIB)).rejects.toMatchObject({ code: "io" });
    expect(await at.m.status("snap")).toBe("Invalid");
  },
);

test("lvm2 snapshot-usage: 4 KiB of 100 are 12 % with what metadata take, of an origin of 4095 GiB", async () => {
  const v = await Volumes.make(1);
  const sectors = 4095 * 1024 * MIB;
  await v.m.create("zeros", `0 ${sectors} zero`);
  const at = await Snapshots.on(v, "zeros");
  await at.add("snap", 100 * KIB, 8, "P", 1);
  await at.m.fill("snap", 1, sectors - 8, 8);
  expect(await at.m.status("snap")).toBe("24/200 16");
  expect(await at.percent("snap")).toBe("12.00");
});

test("lvm2 snapshot-usage: a COW volume that was emptied does not know what was in it", async () => {
  const at = await Snapshots.make({ originSectors: 4 * MIB });
  await at.m.fill("lv", 7);
  await at.add("snap", MIB, 16);
  await at.m.fill("lv", 8, 0, 640);
  expect(await at.percent("snap")).not.toBe("0.00");
  await at.m.remove("snap");
  await at.m.fill("snap-cow", 0);
  await at.m.suspended("lv", () => at.m.create("snap", at.table("snap", 8)));
  expect(await at.m.status("snap")).toBe(`16/${MIB} 16`);
  expect(await at.m.runs("snap")).toBe(`640x8 ${4 * MIB - 640}x7`);
});

test("lvm2 snapshot-usage: a chunk size that lies on the COW volume counts, whatever the table says", async () => {
  const at = await Snapshots.make({ originSectors: 4 * MIB });
  await at.add("snap", MIB, 16);
  await at.m.fill("lv", 8, 0, 64);
  const before = await at.m.status("snap");
  await at.m.remove("snap");
  await at.m.create("snap", at.table("snap", 64));
  expect(await at.m.status("snap")).toBe(before);
  expect(await at.m.runs("snap", 0, 64)).toBe("64x0");
});

test("lvm2 snapshot-usage-exa: an origin of 15 PiB of zeros, and one that is too large to be counted", async () => {
  const v = await Volumes.make(1);
  const sectors = 15 * 1024 * 1024 * 1024 * MIB;
  await v.m.create("zeros", `0 ${sectors} zero`);
  const at = await Snapshots.on(v, "zeros");
  await at.add("snap", MIB, 8, "P", 1);
  await at.m.fill("snap", 9, sectors - 4, 4);
  expect(await at.m.runs("snap", sectors - 8, 8)).toBe("4x0 4x9");
  expect(await at.m.status("snap")).toBe(`24/${MIB} 16`);
  const tooLarge = 8191n * 1024n * 1024n * 1024n * 2048n;
  expect(await v.m.refused(`create huge --table "0 ${tooLarge} zero"`)).toContain(
    'the length is a number of sectors from 1 to 2^53 - 1, and there is "18012199486226432"',
  );
});

test("lvm2 snapshot-maxsize: one with room for everything never becomes invalid", async () => {
  const at = await Snapshots.make({ originSectors: MIB });
  await at.add("snap", 2 * MIB);
  await at.m.fill("snap", 5);
  await at.m.fill("lv", 6);
  expect(await at.m.status("snap")).toMatch(/^\d+\/4096 \d+$/);
  expect(await at.m.runs("snap")).toBe(`${MIB}x5`);
});

test("lvm2 snapshot-cow-reduce: it counts what is taken, and says for good that it is invalid when nothing is left", async () => {
  const at = await Snapshots.make({ originSectors: 6 * MIB });
  await at.add("snap", 4 * MIB);
  await at.m.fill("lv", 1, 0, 2 * MIB);
  const { usedSectors } = await at.usage("snap");
  expect(usedSectors).toBeGreaterThanOrEqual(2 * MIB);
  expect(usedSectors).toBeLessThan(2.1 * MIB);
  const events = await at.m.events("snap");
  await expect(at.m.fill("snap", 2)).rejects.toMatchObject({ code: "io" });
  expect(await at.m.status("snap")).toBe("Invalid");
  expect(await at.m.events("snap")).toBeGreaterThan(events);
  await at.reactivate({ snap: 8 });
  expect(await at.m.status("snap")).toBe("Invalid");
  await expect(at.m.read("snap", 0, 8)).rejects.toMatchObject({ code: "io" });
  expect(await at.m.runs("lv", 0, 8)).toBe("8x1");
});

test("lvm2 snapshot-cow-reduce: a COW volume that was made smaller than what is in it is not believed", async () => {
  const at = await Snapshots.make({ originSectors: 6 * MIB });
  await at.add("snap", 4 * MIB);
  await at.m.fill("lv", 1, 0, 2 * MIB);
  await at.m.remove("snap");
  const place = (await at.m.ok("table snap-cow")).split(" ").slice(3).join(" ");
  await at.m.reload("snap-cow", `0 ${MIB} linear ${place}`);
  expect(await at.m.refused(`create snap --table "${at.table("snap", 8)}"`)).toContain(
    "the exception of chunk 254 goes on behind the device's end",
  );
});

test("lvm2 lvextend-snapshot-policy: what it uses falls when it is extended, and only then", async () => {
  const at = await Snapshots.make({ originSectors: 4 * MIB });
  await at.add("snap", 2 * MIB);
  const pattern = Pattern.zeros(at.m, "snap", 8);
  await at.m.fill("snap", 1, 0, 1.5 * MIB);
  const before = Number(await at.percent("snap"));
  expect(before).toBeGreaterThan(74);
  expect(Number(await at.percent("snap"))).toBe(before);
  const place = (await at.m.ok("table snap-cow")).split(" ").slice(3).join(" ");
  await at.m.ok("suspend snap");
  await at.m.reload("snap-cow", `0 ${4 * MIB} linear ${place}`);
  await at.m.ok("resume snap");
  expect(Number(await at.percent("snap"))).toBeCloseTo(before / 2, 1);
  await at.m.fill("snap", 0, 0, 1.5 * MIB);
  await pattern.verify();
});

test("lvm2 lvextend-snapshot-dmeventd, snapshot-autoumount-dmeventd: an event tells that it is invalid, and nobody waits for ever", async () => {
  const at = await Snapshots.make({ originSectors: 4 * MIB });
  await at.add("snap", MIB);
  const close = at.m.hold("snap");
  const waiting = at.m.start(`wait snap ${await at.m.events("snap")}`);
  await expect(at.m.fill("snap", 1)).rejects.toMatchObject({ code: "io" });
  expect((await at.m.do(waiting)).code).toBe(0);
  expect(await at.m.status("snap")).toBe("Invalid");
  expect(await at.m.ok("info -c --noheadings -o open snap")).toBe("1");
  close();
  await at.remove("snap");
  await at.m.fill("lv", 2);
});

test("lvm2 lvconvert-snapshot: a COW volume of less than three chunks is too small", async () => {
  const at = await Snapshots.make({ originSectors: MIB });
  await at.v.part("snap-cow", 2, 4);
  await at.m.fill("snap-cow", 0);
  expect(await at.m.refused(`create snap --table "${at.table("snap", 8)}"`)).toMatch(
    /at least \d+/,
  );
});

test("lvm2 lvcreate-small-snap: three chunks are enough, of 4 KiB and of 8, and one is not", async () => {
  const at = await Snapshots.make({ originSectors: 40 * KIB });
  await at.add("x1", 12 * KIB, 8);
  await at.add("x2", 24 * KIB, 16);
  await at.m.fill("lv", 1, 0, 8);
  expect([await at.m.status("x1"), await at.m.status("x2")]).toEqual(["24/24 16", "48/48 32"]);
  await at.v.part("b-cow", 2, 8);
  await at.m.fill("b-cow", 0);
  expect(await at.m.refused(`create b --table "${at.table("b", 8)}"`)).toContain("at least 16");
  // The origin was not touched by that.
  expect(await at.m.runs("x1", 0, 16)).toBe("16x0");
});
