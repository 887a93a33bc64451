/** mdadm's tests 19*: what a check finds in a raid6, who is told to be wrong, and what a repair does about it. */
import { expect, it } from "vitest";
import { Machine } from "./machine.ts";

const LAYOUTS = [
  "ls rs la ra parity-first parity-last",
  "ddf-zero-restart ddf-N-restart ddf-N-continue",
  "left-asymmetric-6 right-asymmetric-6 left-symmetric-6 right-symmetric-6 parity-first-6",
].flatMap((line) => line.split(" "));

const DATA_BYTES = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
const CHUNKS = 17;

/** A raid6 of the first disks, in sync and full of random bytes. */
async function filled(layout: string, disks: number): Promise<{ m: Machine; data: Buffer }> {
  const m = new Machine();
  const shape = `-l6 --layout=${layout} -n${disks} -c 64 --size ${64 * CHUNKS} --data-offset=1M`;
  await m.ok(`-CR $md0 ${shape} $*${disks - 1}`);
  await m.wait();
  return { m, data: await m.fill(3, "md0", m.volume().sectors) };
}

/** Sectors that do not fit, as mismatch_cnt counts them. */
async function scrub(m: Machine, action: "check" | "repair"): Promise<number> {
  await m.ok(`--action=${action} $md0`);
  await m.wait();
  return Number(await m.sysfs("mismatch_cnt"));
}

/** A chunk of a member becomes something else. */
function spoil(m: Machine, disk: number, chunk: number): void {
  const start = DATA_BYTES + chunk * CHUNK_BYTES;
  const bytes = m.bytesOf(disk).subarray(start, start + CHUNK_BYTES);
  for (const [at, byte] of bytes.entries()) bytes[at] = byte ^ (1 + ((at * 7 + disk) % 255));
}

/** By what the last check found: who is wrong in which row of chunks; null: that cannot be told. */
async function wrongOnes(m: Machine): Promise<[number, string | null][]> {
  const { listed, unlisted } = await m.host.mismatches("md0");
  expect(unlisted).toBe(0);
  const rows = listed.map(({ sector, parts }): [number, string | null] => [
    Math.floor((sector * 512) / CHUNK_BYTES),
    parts.find(({ isWrong }) => isWrong)?.member ?? null,
  ]);
  // Several places of a row come one by one.
  return [...new Map(rows)].toSorted(([a], [b]) => a - b);
}

async function imagesOf(m: Machine, disks: number): Promise<Buffer[]> {
  await m.pass(10_000);
  const end = DATA_BYTES + CHUNKS * CHUNK_BYTES;
  return Array.from({ length: disks }, (_unused, n) =>
    Buffer.from(m.bytesOf(n).slice(DATA_BYTES, end)),
  );
}

/** Comparing them as values would take seconds. */
function areAlike(some: readonly Buffer[], others: readonly Buffer[]): boolean {
  return some.every((one, at) => one.equals(others[at]!));
}

it.each(LAYOUTS)("19raid6check: %s", async (layout) => {
  for (const disks of [4, 5]) {
    const { m, data } = await filled(layout, disks);
    expect(await scrub(m, "check")).toBe(0);
    expect(await wrongOnes(m)).toEqual([]);
    await m.contains(data);
  }
});

it.each(LAYOUTS)("19raid6repair: %s", async (layout) => {
  const { m, data } = await filled(layout, 4);
  const right = await imagesOf(m, 4);
  for (const disk of [0, 1, 2, 3]) {
    spoil(m, disk, 3);
    expect(await scrub(m, "check")).toBe(CHUNK_BYTES / 512);
    expect(await wrongOnes(m)).toEqual([[3, m.disk(disk)]]);
    await scrub(m, "repair");
    expect(await scrub(m, "check")).toBe(0);
    await m.contains(data);
    expect(areAlike(await imagesOf(m, 4), right)).toBe(true);
  }
});

it.each(LAYOUTS)("19raid6auto-repair: %s", async (layout) => {
  const { m, data } = await filled(layout, 5);
  const right = await imagesOf(m, 5);
  // Each of them in a row of its own.
  const disks = [0, 1, 2, 3, 4];
  for (const disk of disks) spoil(m, disk, disk + 1);
  expect(await scrub(m, "check")).toBe((5 * CHUNK_BYTES) / 512);
  expect(await wrongOnes(m)).toEqual(disks.map((disk) => [disk + 1, m.disk(disk)]));
  await scrub(m, "repair");
  expect(await scrub(m, "check")).toBe(0);
  await m.contains(data);
  expect(areAlike(await imagesOf(m, 5), right)).toBe(true);
});

it("19raid6repair: of two that are wrong in a row nobody is blamed", async () => {
  const { m } = await filled("ls", 5);
  spoil(m, 1, 2);
  spoil(m, 3, 2);
  expect(await scrub(m, "check")).toBe(CHUNK_BYTES / 512);
  expect(await wrongOnes(m)).toEqual([[2, null]]);
});

it("19repair-does-not-destroy", async () => {
  const { m, data } = await filled("ls", 7);
  const right = await imagesOf(m, 7);
  expect(await scrub(m, "repair")).toBe(0);
  expect(areAlike(await imagesOf(m, 7), right)).toBe(true);
  // Two at a time are made anew from the others: data, P and Q, as the rows have it.
  for (const pair of [
    [2, 3],
    [4, 6],
    [0, 5],
  ]) {
    for (const n of pair) await m.ok(`$md0 --fail $${n} --remove $${n}`);
    for (const n of pair) await m.ok(`--zero-superblock $${n}`);
    for (const n of pair) await m.ok(`$md0 --add $${n}`);
    await m.wait();
    await m.state("UUUUUUU");
    expect(await scrub(m, "check")).toBe(0);
  }
  await m.contains(data);
});
