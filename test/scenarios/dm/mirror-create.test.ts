/** Mirrors that are made, resynced, resized and converted into each other: lvm2's lvcreate-mirror, lvcreate-striped-mirror, lvchange-mirror, lvresize-mirror, lvconvert-mirror-basic. */
import { expect, test } from "vitest";
import { MIRROR_SECTORS, REGIONS, makeLegs, makeLog, mirrorTable, prepareLog } from "./mirrors.ts";
import type { LogKind } from "./mirrors.ts";
import { Pattern } from "./pattern.ts";
import { Volumes } from "./volumes.ts";

test("lvm2 lvcreate-mirror: two legs with a core log are synced from the first", async () => {
  const v = await Volumes.make(2);
  const legs = await makeLegs(v, 2);
  await v.m.fill("m1", 5);
  const release = v.stall(2);
  await v.m.create("lv", mirrorTable({ legs, log: null }));
  expect(await v.m.status("lv")).toMatch(/^2 254:2 254:3 \d+\/32 1 AA 1 core$/);
  release();
  await v.synced("lv");
  expect(await v.m.status("lv")).toBe(`2 254:2 254:3 ${REGIONS}/${REGIONS} 1 AA 1 core`);
  expect(await v.m.runs("m2")).toBe(`${MIRROR_SECTORS}x5`);
});

test.for([2, 3])(
  "lvm2 lvcreate-mirror: %d legs with a log of their own and --nosync are in sync at once, and stay so",
  async (count) => {
    const v = await Volumes.make(4);
    const legs = await makeLegs(v, count);
    await v.m.fill("m2", 5);
    const log = await makeLog(v, "mlog", "disk", 4, true);
    await v.m.create("lv", mirrorTable({ legs, log, sync: "nosync" }));
    const status = await v.m.status("lv");
    expect(status).toContain(` ${REGIONS}/${REGIONS} 1 ${"A".repeat(count)} 3 disk 254:`);
    await v.m.pass(60_000);
    expect(await v.m.runs("m2")).toBe(`${MIRROR_SECTORS}x5`);
    // The log knows it.
    await v.m.remove("lv");
    await v.m.create("lv", mirrorTable({ legs, log }));
    expect(await v.m.status("lv")).toBe(status);
  },
);

test("lvm2 lvcreate-mirror: a log that LVM prepared says all or nothing, however many regions there are", async () => {
  for (const isInSync of [true, false]) {
    const v = await Volumes.make(3);
    const legs = await makeLegs(v, 2);
    const log = await makeLog(v, "mlog", "disk", 3, isInSync);
    const release = v.stall(2);
    await v.m.create("lv", mirrorTable({ legs, log }));
    expect(await v.m.status("lv")).toContain(
      isInSync ? ` ${REGIONS}/${REGIONS} ` : ` 0/${REGIONS} `,
    );
    release();
    await v.synced("lv");
  }
});

test.for([
  [2, 2],
  [3, 2],
  [4, 2],
  [2, 3],
  [3, 3],
  [2, 4],
] as const)(
  "lvm2 lvcreate-striped-mirror: legs of %d stripes, %d of them",
  async ([stripes, count]) => {
    const v = await Volumes.make(stripes * count);
    const legs: string[] = [];
    for (let leg = 0; leg < count; leg += 1) {
      const parts: string[] = [];
      for (let stripe = 0; stripe < stripes; stripe += 1) {
        const name = `p${leg}_${stripe}`;
        await v.part(name, leg * stripes + stripe + 1, 768);
        parts.push(`${name} 0`);
      }
      await v.m.create(`m${leg}`, `0 ${stripes * 768} striped ${stripes} 128 ${parts.join(" ")}`);
      legs.push(`m${leg}`);
    }
    await v.m.create(
      "lv",
      mirrorTable({ legs, log: null, sync: "nosync", sectors: stripes * 768 }),
    );
    const pattern = Pattern.zeros(v.m, "lv", 32);
    await pattern.stamp(60);
    await v.m.flush("lv");
    for (const leg of legs) await pattern.fork(leg).verify();
    const health = (await v.m.status("lv")).split(" ").at(-3);
    expect(health).toBe("A".repeat(count));
  },
);

test("lvm2 lvchange-mirror: --resync prepares the log anew, and all is copied once more", async () => {
  const v = await Volumes.make(3);
  const legs = await makeLegs(v, 2);
  const log = await makeLog(v, "mlog", "disk", 3, true);
  const table = mirrorTable({ legs, log });
  await v.m.create("lv", table);
  await v.m.fill("m1", 1);
  await v.m.fill("m2", 2);
  expect(await v.m.status("lv")).toContain(` ${REGIONS}/${REGIONS} `);
  await v.m.remove("lv");
  await prepareLog(v, "mlog", false);
  await v.m.create("lv", table);
  await v.synced("lv");
  expect(await v.m.runs("m2")).toBe(`${MIRROR_SECTORS}x1`);
});

test("lvm2 lvresize-mirror: what is added is synced, and what stays is not", async () => {
  const v = await Volumes.make(3);
  const legs = await makeLegs(v, 2, 2 * MIRROR_SECTORS);
  const log = await makeLog(v, "mlog", "disk", 3, true);
  await v.m.create("lv", mirrorTable({ legs, log }));
  await v.synced("lv");
  await v.m.fill("m1", 1);
  await v.m.fill("m2", 2);
  const release = v.stall(2);
  await v.m.reload("lv", mirrorTable({ legs, log, sectors: 2 * MIRROR_SECTORS }));
  expect(await v.m.status("lv")).toContain(` ${REGIONS}/${2 * REGIONS} `);
  release();
  await v.synced("lv");
  expect(await v.m.runs("m2")).toBe(`${MIRROR_SECTORS}x2 ${MIRROR_SECTORS}x1`);
  await v.m.reload("lv", mirrorTable({ legs, log }));
  expect(await v.m.status("lv")).toContain(` ${REGIONS}/${REGIONS} `);
  expect(v.m.volume("lv").sectors).toBe(MIRROR_SECTORS);
});

const KINDS: readonly LogKind[] = ["core", "disk", "mirrored"];

for (const from of [0, 1, 2, 3])
  test(`lvm2 lvconvert-mirror-basic-${from}: from ${from} mirrors with any log to any number with any other`, async () => {
    let tried = 0;
    for (const fromLog of from === 0 ? (["core"] as const) : KINDS)
      for (const to of [0, 1, 2, 3])
        for (const toLog of to === 0 ? (["core"] as const) : KINDS) {
          if (from === to && fromLog === toLog) continue;
          await checkConversion({ legs: from + 1, log: fromLog }, { legs: to + 1, log: toLog });
          tried += 1;
        }
    expect(tried).toBe([9, 27, 27, 27][from]);
  });

interface Shape {
  readonly legs: number;
  readonly log: LogKind;
}

/** New legs are filled beside the old mirror, by one that stands on it; then one table has all of them, and everything is in sync. */
async function checkConversion(from: Shape, to: Shape): Promise<void> {
  const v = await Volumes.make(6, 4096);
  const legs = await makeLegs(v, 4, 512);
  const tableOf = (shape: Shape, log: string | null, sync?: "nosync"): string =>
    shape.legs === 1
      ? "0 512 linear m1 0"
      : mirrorTable({ legs: legs.slice(0, shape.legs), log, sectors: 512, ...(sync && { sync }) });
  const oldLog = await makeLog(v, "mlog", from.legs === 1 ? "core" : from.log, 5, false);
  await v.m.create("lv", tableOf(from, oldLog));
  const pattern = Pattern.zeros(v.m, "lv", 32);
  await pattern.stamp(60);
  if (from.legs > 1) await v.synced("lv");
  if (to.legs > from.legs) {
    await v.m.create("lv_mimagetmp", tableOf(from, oldLog, "nosync"));
    const added = legs.slice(from.legs, to.legs);
    const temporary = mirrorTable({ legs: ["lv_mimagetmp", ...added], log: null, sectors: 512 });
    await v.m.reload("lv", temporary);
    await pattern.stamp(20);
    await v.synced("lv");
  }
  const newLog = await makeLog(v, "mlog2", to.legs === 1 ? "core" : to.log, 6, true);
  await v.m.reload("lv", tableOf(to, newLog, "nosync"));
  if (to.legs > from.legs) await v.m.remove("lv_mimagetmp");
  await pattern.stamp(20);
  await pattern.verify();
  for (const leg of legs.slice(0, to.legs)) await pattern.fork(leg).verify();
}
