/** What a check lists and a repair does, over whole arrays. */
import { describe, expect, it, test } from "vitest";
import { goldenCase, sha256 } from "../../../test/support/golden.ts";
import { LEVELS, ManagedWorld } from "../../../test/support/managed-world.ts";
import type { FailingDisk, LevelCase } from "../../../test/support/managed-world.ts";
import { seedOfRun } from "../../../test/support/seed.ts";
import { MismatchList } from "./mismatches.ts";
import type { Mismatch } from "./mismatches.ts";

const SEED = seedOfRun();
const CHUNK = 64;

function level(name: string): LevelCase {
  return LEVELS.find((one) => one.name === name)!;
}

/** Changes member sectors behind everybody's back. */
function spoil({ disk }: FailingDisk, offset: number, sector: number, sectors = 1): void {
  const from = (offset + sector) * 512;
  for (let at = from; at < from + sectors * 512; at += 1) disk.bytes[at]! ^= 1 + (at % 251);
}

async function filled(name: string): Promise<{ world: ManagedWorld; content: Uint8Array }> {
  const world = new ManagedWorld(SEED);
  await world.create(level(name));
  return { world, content: await world.fill() };
}

function dataOffset({ managed }: ManagedWorld): number {
  return managed.array.members.attached[0]!.dataOffset;
}

function listed({ managed }: ManagedWorld): readonly Mismatch[] {
  return managed.array.level.mismatches!.listed;
}

/** "sector+sectors: the wrong ones". */
function told(world: ManagedWorld): string[] {
  return listed(world).map(({ sector, sectors, parts }) => {
    const wrong = parts.filter(({ isWrong }) => isWrong).map(({ slot, holds }) => slot + holds);
    return `${sector}+${sectors}: ${wrong.join(" ")}`;
  });
}

describe(`three copies (seed ${SEED})`, () => {
  it("tell which is the odd one out, and it is written from the others, even if it is the first", async () => {
    const { world, content } = await filled("raid1 of 3");
    const offset = dataOffset(world);
    spoil(world.disks[0]!, offset, 100, 3);
    spoil(world.disks[2]!, offset, 103, 2);
    expect(await world.pass("check")).toBe(5);
    expect(told(world)).toEqual(["100+3: 0copy", "103+2: 2copy"]);
    expect(listed(world)[0]).toMatchObject({
      row: null,
      parts: [
        { slot: 0, member: "d0", memberSector: 100, variant: 0 },
        { slot: 1, member: "d1", memberSector: 100, variant: 1 },
        { slot: 2, member: "d2", memberSector: 100, variant: 1 },
      ],
    });
    expect(await world.pass("repair")).toBe(5);
    expect(sha256(await world.content())).toBe(sha256(content));
    expect(await world.pass("check")).toBe(0);
    expect(listed(world)).toEqual([]);
  });

  it("tell nothing where all three differ, or where there are two: then the first one counts", async () => {
    const { world } = await filled("raid1 of 3");
    const offset = dataOffset(world);
    spoil(world.disks[0]!, offset, 100);
    for (let at = 0; at < 9; at += 1)
      world.disks[1]!.disk.bytes[(offset + 100) * 512 + at]! ^= 0xee;
    expect(await world.pass("check")).toBe(1);
    expect(told(world)).toEqual(["100+1: "]);
    expect(listed(world)[0]!.parts.map(({ variant }) => variant)).toEqual([0, 1, 2]);
    const first = world.disks[0]!.disk.bytes.slice((offset + 100) * 512, (offset + 101) * 512);
    await world.pass("repair");
    const content = await world.content();
    expect(sha256(content.subarray(100 * 512, 101 * 512))).toBe(sha256(first));
  });

  it("are made like the first one by the rule of kernels", async () => {
    const { world, content } = await filled("raid1 of 3");
    world.managed.array.settings.repairsBy = "kernel";
    spoil(world.disks[0]!, dataOffset(world), 100);
    await world.pass("repair");
    expect(sha256(await world.content())).not.toBe(sha256(content));
    expect(await world.pass("check")).toBe(0);
  });
});

describe(`a row with P and Q (seed ${SEED})`, () => {
  it("tells which block is wrong, data or parity, page by page, and only that is written", async () => {
    const { world, content } = await filled("raid6 of 5");
    const offset = dataOffset(world);
    for (const slot of [0, 1, 2, 3, 4])
      spoil(world.disks[slot]!, offset, 5 * CHUNK + 8 * slot + slot, 2);
    expect(await world.pass("check")).toBe(5 * 8);
    const wrong = listed(world).map(({ row, sector, parts }) => {
      const odd = parts.filter(({ isWrong }) => isWrong);
      return { row, sector, slots: odd.map(({ slot }) => slot) };
    });
    const planted = [0, 1, 2, 3, 4].map((slot) => ({
      row: 5,
      sector: 5 * CHUNK + 8 * slot,
      slots: [slot],
    }));
    expect(wrong).toEqual(planted);
    expect(await world.pass("repair")).toBe(5 * 8);
    expect(sha256(await world.content())).toBe(sha256(content));
    expect(await world.pass("check")).toBe(0);
  });

  it("tells nothing where two blocks are wrong: then the data count", async () => {
    const { world } = await filled("raid6 of 5");
    const offset = dataOffset(world);
    spoil(world.disks[0]!, offset, 3);
    world.disks[1]!.disk.bytes[(offset + 3) * 512]! ^= 0x3c;
    const spoiled = sha256(await world.content());
    expect(await world.pass("check")).toBe(8);
    expect(told(world)).toEqual(["0+8: "]);
    await world.pass("repair");
    expect(sha256(await world.content())).toBe(spoiled);
    expect(await world.pass("check")).toBe(0);
  });

  it("keeps its data in a resync, which comes after a crash", async () => {
    const { world } = await filled("raid6 of 5");
    const slot = 0;
    spoil(world.disks[slot]!, dataOffset(world), 2 * CHUNK + 1);
    const spoiled = sha256(await world.content());
    world.managed.array.record.resyncOffsetSectors = 0;
    world.managed.sync.changed();
    await world.quiet();
    expect(world.managed.sync.last).toBe("resync");
    expect(sha256(await world.content())).toBe(spoiled);
    expect(await world.pass("check")).toBe(0);
  });
});

test("a list is bounded, and says how much is not in it", () => {
  const list = new MismatchList();
  for (let i = 0; i < 1003; i += 1) list.add({ sector: 8 * i, sectors: 8, row: 0, parts: [] });
  expect(list.listed).toHaveLength(1000);
  expect(list.unlistedSectors).toBe(24);
  list.clear();
  expect([list.listed, list.unlistedSectors]).toEqual([[], 0]);
});

describe.each(["scrub-raid5-4", "scrub-raid6-5"])("%s", (name) => {
  const golden = goldenCase(name);
  const view = (wanted: string) => golden.views.find((one) => one.name === wanted)!;
  const recorded = view("repair").volumes;

  it("has as many mismatches as the kernel counted, and a check changes nothing", async () => {
    const world = new ManagedWorld(SEED);
    await world.open(name);
    const count = view("check").volumes["volume"]!.sysfs!["mismatch_cnt"];
    expect(String(await world.pass("check"))).toBe(count);
    expect(sha256(await world.content())).toBe(recorded["volume"]!.sha256);
  });

  it("is what the kernel made of it, by its rule", async () => {
    const world = new ManagedWorld(SEED);
    await world.open(name);
    world.managed.array.settings.repairsBy = "kernel";
    await world.pass("repair");
    expect(sha256(await world.content())).toBe(recorded["volume"]!.sha256);
    expect(await world.pass("check")).toBe(0);
    await world.close();
    await world.run(world.disks.slice(1));
    expect(sha256(await world.content())).toBe(recorded["without-d0"]!.sha256);
  });

  it("is what it was before it was hurt, where evidence can tell", async () => {
    const world = new ManagedWorld(SEED);
    await world.open(name);
    await world.pass("repair");
    const canTell = golden.level === "raid6";
    const before = golden.read_before_stop!["before"]!;
    const wanted = canTell ? before : recorded["volume"]!;
    expect(sha256(await world.content())).toBe(wanted.sha256);
    expect(await world.pass("check")).toBe(0);
  });
});
