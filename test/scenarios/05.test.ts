/** mdadm's tests 05*: bitmaps, bad blocks, failfast, and members that come back. */
import { expect, it } from "vitest";
import { MEMBER_KIB, Machine } from "./machine.ts";

/** mdadm has a script for each version of the metadata. */
const VERSIONS = [
  ["", "0.90"],
  ["-v1a", "1.0"],
  ["-v1b", "1.1"],
  ["-v1c", "1.2"],
] as const;

/** Chunks in the bitmap of a member, and how many are dirty. */
async function bitsOf(m: Machine, disk: number): Promise<{ total: number; dirty: number }> {
  const { stdout } = await m.ok(`-X $${disk}`);
  const [, total, dirty] = /Bitmap : (\d+) bits \(chunks\), (\d+) dirty/.exec(stdout) ?? [];
  return { total: Number(total), dirty: Number(dirty) };
}

async function hasBitmap(m: Machine, has: boolean): Promise<void> {
  expect((await m.mdstat()).includes("bitmap")).toBe(has);
}

/** Some time after the last write nothing is dirty any more. */
async function becomesClean(m: Machine, ...disks: readonly number[]): Promise<void> {
  await m.pass(6000);
  for (const disk of disks) expect((await bitsOf(m, disk)).dirty).toBe(0);
}

async function stopAndAssemble(m: Machine, disks: string): Promise<void> {
  await m.ok("-S $md0");
  await m.ok(`-A $md0 ${disks}`);
}

async function takeOut(m: Machine, disk: string): Promise<void> {
  await m.ok(`$md0 -f ${disk}`);
  await m.ok(`$md0 -r ${disk}`);
}

async function sameData(m: Machine, one: number, other: number): Promise<void> {
  const from = 64 * 512;
  const to = from + 8192 * 1024;
  const a = Buffer.from(m.bytesOf(one).subarray(from, to));
  expect(a.equals(m.bytesOf(other).subarray(from, to))).toBe(true);
}

it("05r1-add-badblocks", async () => {
  const m = new Machine();
  await m.ok("-CR $md0 -l1 -n2 -e1.0 $0 missing");
  await m.holds(1, MEMBER_KIB["1.0"], 64);
  await m.setSysfs("dev-dev0/bad_blocks", "100 100");
  await m.setSysfs("dev-dev0/state", "write_error");
  // Nobody else could take what goes there.
  await expect(m.fill(3)).rejects.toThrow("could take a write");
  await m.ok("$md0 -a $1");
  await m.syncing("recovery");
  await m.wait();
  await m.state("UU");
});

/** Of the members in slots: "ff" where both are marked. */
async function failFastMarks(m: Machine): Promise<string> {
  const slots = (await m.view()).members.flatMap(({ slot }) => (slot === null ? [] : [slot]));
  const states = await Promise.all(
    slots.toSorted((a, b) => a - b).map((slot) => m.sysfs(`rd${slot}/state`)),
  );
  return states.map((state) => (state.includes("failfast") ? "f" : "-")).join("");
}

it("05r1-failfast", async () => {
  const m = new Machine();
  await m.ok("-CR $md0 -e1.2 --level=raid1 --failfast -n2 $0 $1");
  expect(await failFastMarks(m)).toBe("ff");
  await m.wait();
  await takeOut(m, "$0");
  expect(await failFastMarks(m)).toBe("f");
  await m.ok("$md0 -a --failfast $0");
  await m.wait();
  expect(await failFastMarks(m)).toBe("ff");
  await stopAndAssemble(m, "$0 $1");
  expect(await failFastMarks(m)).toBe("ff");
  await takeOut(m, "$0");
  await m.ok("$md0 -a --nofailfast $0");
  await m.wait();
  expect(await failFastMarks(m)).toBe("-f");
  await takeOut(m, "$0");
  await stopAndAssemble(m, "$0 $1");
  await m.level("raid1");
  await m.ok("-S $md0");
  await m.ok("-CR $md0 -e1.2 --level=raid1 --failfast -n2 $0 $1");
  await m.ok("$md0 -a --failfast $2");
  await m.wait();
  expect((await m.mdstat()).split("(S)").length - 1).toBe(1);
  expect(await failFastMarks(m)).toBe("ff");
  await m.ok("-G $md0 --raid-devices=3");
  await m.wait();
  await m.state("UUU");
  expect(await failFastMarks(m)).toBe("fff");
});

it.each([
  ["05r1-grow-internal", "1.2"],
  ["05r1-grow-internal-1", "1.0"],
] as const)("%s", async (_script, metadata) => {
  const m = new Machine();
  await m.ok(`-CR $md0 -e ${metadata} -l 1 -n 2 $1 $2`);
  await m.wait();
  await m.holds(1, MEMBER_KIB[metadata], 64);
  await m.ok("--grow $md0 --bitmap=internal --bitmap-chunk=4 --delay=1");
  await becomesClean(m, 2);
  await m.holds(1, MEMBER_KIB[metadata], 64);
  await becomesClean(m, 2);
  await hasBitmap(m, true);
  await m.ok("--grow $md0 --bitmap=none");
  await hasBitmap(m, false);
  await m.ok("-S $md0");
});

it("05r1-re-add", async () => {
  const m = new Machine();
  await m.ok("-CR $md0 -l1 -n2 -binternal --bitmap-chunk=4 -d1 $1 $2");
  await m.syncing("resync");
  await m.wait();
  await m.holds(1, MEMBER_KIB["1.2"], 64);
  await m.pass(6000);
  await takeOut(m, "$2");
  const back = await m.ok("$md0 -a $2");
  expect(back.stderr).toContain("re-added");
  await m.noSync();
  await m.state("UU");
  // A little is written meanwhile: only that is copied.
  await takeOut(m, "$2");
  await m.fill(5, "md0", 64);
  await m.ok("$md0 -a $2");
  await m.wait();
  await m.state("UU");
  await sameData(m, 1, 2);
  // All of it.
  await takeOut(m, "$2");
  await m.fill(7, "md0", m.volume().sectors);
  await m.ok("$md0 -a $2");
  await m.syncing("recovery");
  await m.wait();
  await m.state("UU");
  await sameData(m, 1, 2);
  await m.ok("-S $md0");
});

it("05r1-re-add-nosuper", async () => {
  const m = new Machine();
  await m.ok("-B $md0 -l1 -n2 -d1 $1 $2");
  await m.syncing("resync");
  await m.wait();
  await m.holds(1, 20_000, 1);
  await takeOut(m, "$2");
  await m.fails("$md0 --re-add $2");
  await m.ok("-S $md0");
});

/** In each of them a bitmap comes or goes while the array runs, and that is still so when it is assembled anew. */
const CHANGES = VERSIONS.flatMap(([script, metadata]) => [
  {
    name: `05r1-add-internalbitmap${script}`,
    metadata,
    had: "-b none --delay=1",
    gets: "internal --bitmap-chunk=4",
    has: true,
  },
  {
    name: `05r1-remove-internalbitmap${script}`,
    metadata,
    had: "-b internal --bitmap-chunk=4 -d1",
    gets: "none",
    has: false,
  },
]);

it.each(CHANGES.map((one) => [one.name, one] as const))("%s", async (_name, one) => {
  const { metadata, had, gets, has } = one;
  const m = new Machine();
  await m.ok(`-CR $md0 -e${metadata} -l1 -n2 ${had} $1 $2`);
  await m.wait();
  await hasBitmap(m, !has);
  await m.holds(1, MEMBER_KIB[metadata], 64);
  await m.ok(`-Gb ${gets} $md0`);
  await hasBitmap(m, has);
  await m.holds(1, MEMBER_KIB[metadata], 64);
  await stopAndAssemble(m, "$1 $2");
  await hasBitmap(m, has);
  await m.holds(1, MEMBER_KIB[metadata], 64);
  await m.ok("-S $md0");
});

interface Absence {
  readonly name: string;
  readonly create: string;
  readonly others: string;
  readonly holds: readonly [copies: number, memberKib: number, chunkKib: number];
  readonly written: { readonly sectors: number | "all"; readonly dirty: number | "all" };
}

/** In each of them disk 1 is away for a while, and comes back as a new one. */
const ABSENCES: readonly Absence[] = [
  ...VERSIONS.map(([script, metadata]): Absence => ({
    name: `05r1-internalbitmap${script}`,
    create: `-e${metadata} -l1 -n2`,
    others: "$2",
    holds: [1, MEMBER_KIB[metadata], 64],
    // Every chunk is written.
    written: { sectors: "all", dirty: "all" },
  })),
  {
    name: "05r5-internalbitmap",
    create: "-l5 -n3",
    others: "$2 $3",
    holds: [2, MEMBER_KIB["1.2"], 512],
    written: { sectors: 16_384, dirty: 400 },
  },
];

it.each(ABSENCES.map((one) => [one.name, one] as const))("%s", async (_name, one) => {
  const { create, others, holds, written } = one;
  const m = new Machine();
  await m.ok(`-CR $md0 ${create} -b internal --bitmap-chunk=4 -d1 $1 ${others}`);
  await m.wait();
  await hasBitmap(m, true);
  await m.holds(...holds);
  await stopAndAssemble(m, `$1 ${others}`);
  await m.holds(...holds);
  await becomesClean(m, 2);
  await m.ok("$md0 -f $1");
  await m.fill(3, "md0", written.sectors === "all" ? m.volume().sectors : written.sectors);
  await m.pass(6000);
  // None may be cleared while a member is away.
  const away = await bitsOf(m, 2);
  expect(away.dirty).toBeGreaterThanOrEqual(written.dirty === "all" ? away.total : written.dirty);
  await m.ok("-S $md0");
  await m.ok(`-A -R $md0 ${others}`);
  await m.ok("--zero-superblock $1");
  await m.ok("$md0 --add $1");
  await m.syncing("recovery");
  await m.wait();
  await becomesClean(m, 1, 2);
  await m.ok("-S $md0");
});
