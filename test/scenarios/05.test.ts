/** mdadm's tests 05*: bitmaps, bad blocks, failfast, and members that come back. */
import { describe, expect, it } from "vitest";
import { MEMBER_KIB, Machine } from "./machine.ts";

const METADATA = ["0.90", "1.0", "1.1", "1.2"] as const;

/** Chunks in the bitmap of a member, and how many are dirty. */
async function bitsOf(m: Machine, disk: number): Promise<{ total: number; dirty: number }> {
  const { stdout } = await m.ok(`-X $${disk}`);
  const [, total, dirty] = /Bitmap : (\d+) bits \(chunks\), (\d+) dirty/.exec(stdout) ?? [];
  return { total: Number(total), dirty: Number(dirty) };
}

/** So long that every bit that may be cleared is. */
async function settle(m: Machine): Promise<void> {
  await m.pass(30_000);
}

async function sameData(m: Machine, one: number, other: number): Promise<void> {
  const from = 64 * 512;
  const to = from + 8192 * 1024;
  const a = Buffer.from(m.bytesOf(one).subarray(from, to));
  expect(a.equals(m.bytesOf(other).subarray(from, to))).toBe(true);
}

describe("05r1-add-badblocks", () => {
  it("rebuilds on a second member although the first lists bad blocks", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l1 -n2 -e1.0 $0 missing");
    await m.setSysfs("dev-dev0/bad_blocks", "100 100");
    await m.setSysfs("dev-dev0/state", "write_error");
    // Nobody else could take what goes there.
    await expect(m.fill(3)).rejects.toThrow("could take a write");
    await m.ok("$md0 -a $1");
    await m.wait();
    await m.state("UU");
  });
});

describe("05r1-add-internalbitmap", () => {
  it.each(METADATA)("%s", async (metadata) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -e${metadata} -l1 -n2 -b none $1 $2`);
    await m.holds(1, MEMBER_KIB[metadata], 64);
    await m.wait();
    await m.ok("-S $md0");
    await m.ok("-A $md0 $1 $2");
    expect(await m.mdstat()).not.toContain("bitmap");
    await m.ok("-Gb internal --bitmap-chunk=4 $md0");
    expect(await m.mdstat()).toContain("bitmap");
    await m.holds(1, MEMBER_KIB[metadata], 64);
    await m.ok("-S $md0");
    await m.ok("-A $md0 $1 $2");
    expect(await m.mdstat()).toContain("bitmap");
    await m.ok("-S $md0");
  });
});

describe("05r1-failfast", () => {
  const flags = async (m: Machine): Promise<string> => {
    const slots = (await m.view()).members.filter(({ slot }) => slot !== null);
    const states = await Promise.all(slots.map(({ slot }) => m.sysfs(`rd${slot}/state`)));
    return states.map((state) => (state.includes("failfast") ? "f" : "-")).join("");
  };

  it("is a mark of members that stays", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -e1.2 --level=raid1 --failfast -n2 $0 $1");
    expect(await flags(m)).toBe("ff");
    await m.wait();
    await m.ok("$md0 -f $0 --remove $0 --failfast -a $0");
    await m.wait();
    expect(await flags(m)).toBe("ff");
    await m.ok("-S $md0");
    await m.ok("-A $md0 $0 $1");
    expect(await flags(m)).toBe("ff");
    await m.ok("$md0 -f $1 --remove $1 --nofailfast -a $1");
    await m.wait();
    expect((await flags(m)).split("").toSorted().join("")).toBe("-f");
  });
});

describe("05r1-internalbitmap", () => {
  it.each(METADATA)("%s", async (metadata) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -e${metadata} -l1 -n2 -b internal --bitmap-chunk=64 -d1 $1 $2`);
    await m.wait();
    await m.holds(1, MEMBER_KIB[metadata], 64);
    await m.ok("-S $md0");
    await m.ok("-A $md0 $1 $2");
    await settle(m);
    expect((await bitsOf(m, 1)).dirty).toBe(0);
    await m.ok("$md0 -f $1");
    // Every chunk is written, and none may be cleared while a member is away.
    await m.fill(3, "md0", m.volume().sectors);
    await settle(m);
    const away = await bitsOf(m, 2);
    expect(away.dirty).toBe(away.total);
    await m.ok("$md0 --remove $1");
    await m.ok("--zero-superblock $1");
    await m.ok("$md0 --add $1");
    await m.syncing("recovery");
    await m.wait();
    await settle(m);
    expect((await bitsOf(m, 1)).dirty).toBe(0);
    expect((await bitsOf(m, 2)).dirty).toBe(0);
  });
});

describe("05r1-re-add", () => {
  it("takes what a bitmap says to come back", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l1 -n2 -binternal --bitmap-chunk=4 -d1 $1 $2");
    await m.wait();
    await m.fill(3, "md0", 8192);
    await settle(m);
    await m.ok("$md0 -f $2");
    await m.ok("$md0 --remove $2");
    const back = await m.ok("$md0 -a $2");
    expect(back.stderr).toContain("re-added");
    await m.noSync();
    await m.state("UU");
    // A little is written meanwhile: only that is copied.
    await m.ok("$md0 -f $2");
    await m.ok("$md0 --remove $2");
    await m.fill(5, "md0", 64);
    await m.ok("$md0 -a $2");
    await m.wait();
    await m.state("UU");
    await sameData(m, 1, 2);
    // All of it.
    await m.ok("$md0 -f $2");
    await m.ok("$md0 --remove $2");
    await m.fill(7, "md0", m.volume().sectors);
    await m.ok("$md0 -a $2");
    await m.syncing("recovery");
    await m.wait();
    await m.state("UU");
    await sameData(m, 1, 2);
  });
});

describe("05r1-remove-internalbitmap", () => {
  it.each(METADATA)("%s", async (metadata) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -e${metadata} -l1 -n2 -b internal $1 $2`);
    await m.wait();
    expect(await m.mdstat()).toContain("bitmap");
    await m.ok("-S $md0");
    await m.ok("-A $md0 $1 $2");
    expect(await m.mdstat()).toContain("bitmap");
    await m.ok("-Gb none $md0");
    expect(await m.mdstat()).not.toContain("bitmap");
    await m.holds(1, MEMBER_KIB[metadata], 64);
    await m.ok("-S $md0");
    await m.ok("-A $md0 $1 $2");
    expect(await m.mdstat()).not.toContain("bitmap");
  });
});

describe("05r5-internalbitmap", () => {
  it("keeps bits while a member is away", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l5 -n3 --bitmap internal --bitmap-chunk=4 --delay=1 $0 $1 $2");
    await m.wait();
    await m.holds(2, MEMBER_KIB["1.2"], 512);
    await settle(m);
    expect((await bitsOf(m, 1)).dirty).toBe(0);
    await m.ok("$md0 -f $0");
    await m.fill(3, "md0", 16_384);
    await settle(m);
    expect((await bitsOf(m, 1)).dirty).toBeGreaterThanOrEqual(400);
    await m.ok("$md0 --remove $0");
    await m.ok("--zero-superblock $0");
    await m.ok("$md0 -a $0");
    await m.syncing("recovery");
    await m.wait();
    await settle(m);
    expect((await bitsOf(m, 1)).dirty).toBe(0);
    expect((await bitsOf(m, 2)).dirty).toBe(0);
  });
});
