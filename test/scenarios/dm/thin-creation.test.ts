/** dmtest-python's tests of making thin devices (thin/creation_tests.py). */
import { describe, expect, it } from "vitest";
import { ThinMachine } from "./thin-machine.ts";

/** More than one leaf of a tree has room for. */
const MANY = 500;

async function made(lineOf: (id: number) => string): Promise<ThinMachine> {
  const m = await ThinMachine.make();
  for (let id = 0; id < MANY; id += 1) await m.message("pool", lineOf(id));
  return m;
}

async function deviceIds(m: ThinMachine): Promise<number[]> {
  const lines = await m.dump();
  return lines.flatMap((line) => /dev_id="(\d+)"/.exec(line)?.slice(1).map(Number) ?? []);
}

const ALL_IDS = Array.from({ length: MANY }, (_none, id) => id);

describe("dmtest thin/creation", () => {
  it("/lots-of-empty-thins", async () => {
    const m = await made((id) => `create_thin ${id}`);
    expect(await m.poolStatus()).toMatchObject({ dataUsed: 0, mode: "rw", needsCheck: "-" });
    await m.sound();
    expect(await deviceIds(m)).toEqual(ALL_IDS);
  });

  it("/lots-of-empty-snaps", async () => {
    const m = await made((id) => (id === 0 ? "create_thin 0" : `create_snap ${id} 0`));
    await m.sound();
    expect(await deviceIds(m)).toEqual(ALL_IDS);
    // Every snapshot is a step of the pool's time.
    expect((await m.dump())[0]).toContain(`time="${MANY - 1}"`);
  });

  it("/lots-of-recursive-snaps", async () => {
    const m = await made((id) => (id === 0 ? "create_thin 0" : `create_snap ${id} ${id - 1}`));
    await m.thin("last", MANY - 1);
    await m.fill("last", 5, 0, 8);
    await m.thin("first", 0);
    expect(await m.runs("first", 0, 16)).toBe("16x0");
    await m.sound("first", "last");
    expect(await deviceIds(m)).toEqual(ALL_IDS);
  });

  it("/activate-thin-while-pool-suspended-fails", async () => {
    const m = await ThinMachine.make();
    await m.message("pool", "create_thin 0");
    await m.suspended("pool", async () => {
      const why = await m.refused('create t --table "0 8192 thin /dev/mapper/pool 0"');
      expect(why).toContain("Invalid argument");
      expect(why).toContain("pool is suspended");
    });
    await m.thin("t", 0);
    await m.sound("t");
  });

  it("/huge-block-size", async () => {
    // 256 MiB, of which the disk in memory holds what is written.
    const m = await ThinMachine.make({ blockSectors: 524_288, dataBlocks: 8 });
    await m.newThin("t", 0, 4);
    for (let block = 0; block < 4; block += 1) await m.fill("t", 1 + block, block * 524_288, 4096);
    expect((await m.poolStatus()).dataUsed).toBe(4);
    expect(await m.status("t")).toBe(`${4 * 524_288} ${4 * 524_288 - 1}`);
    expect(await m.runs("t", 3 * 524_288 - 8, 4112)).toBe("8x0 4096x4 8x0");
    await m.sound("t");
  });

  it("/non-power-of-2-block-size-fails", async () => {
    const m = new ThinMachine({ blockSectors: 128 + 57 });
    expect(await m.refused(`create pool --table "${m.poolTable()}"`)).toContain("multiple of 128");
  });

  it("/too-small-block-size-fails", async () => {
    const m = new ThinMachine({ blockSectors: 64 });
    expect(await m.refused(`create pool --table "${m.poolTable()}"`)).toContain("block size");
  });

  it("/too-large-block-size-fails", async () => {
    const m = new ThinMachine({ blockSectors: 2 ** 21 + 1, dataBlocks: 2 });
    expect(await m.refused(`create pool --table "${m.poolTable()}"`)).toContain("block size");
    // Nothing was written: the next block size is the first.
    expect(await m.runs("meta", 0, 8)).toBe("8x0");
  });

  it("/largest-block-size-succeeds", async () => {
    const m = await ThinMachine.make({ blockSectors: 2 ** 21, dataBlocks: 2 });
    expect(await m.poolStatus()).toMatchObject({ dataUsed: 0, dataBlocks: 2 });
    await m.sound();
  });

  it("/too-large-a-thin-id-fails", async () => {
    const m = await ThinMachine.make();
    expect(await m.refused(`message pool 0 create_thin ${2 ** 24}`)).toContain("Invalid argument");
    expect((await m.poolStatus()).mode).toBe("rw");
    await m.sound();
    expect(await deviceIds(m)).toEqual([]);
  });

  it("/largest-thin-id-succeeds", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 2 ** 24 - 1);
    expect(await m.table("t")).toBe(`254:0 ${2 ** 24 - 1}`);
    await m.sound("t");
    expect(await deviceIds(m)).toEqual([2 ** 24 - 1]);
  });

  it("/too-small-a-metadata-dev-fails", async () => {
    const m = new ThinMachine({ metadataBlocks: 4 });
    await m.refused(`create pool --table "${m.poolTable()}"`);
    expect(await m.ok("ls")).toBe("No devices found");
    // Neither disk is held by what could not be made.
    await m.create("meta", "0 32 linear /disks/meta 0");
    expect(await m.runs("meta")).toBe("32x0");
  });
});
