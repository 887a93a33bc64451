/** Discards of thin devices: dmtest-python's tests (thin/discard_tests.py) and lvm2's. */
import { describe, expect, it } from "vitest";
import type { Bio } from "../../../src/block/bio.ts";
import { Pattern } from "./pattern.ts";
import { BLOCK, ThinMachine } from "./thin-machine.ts";

/** What the data disk is asked to discard from now on, in blocks: "3+2". */
function discards(m: ThinMachine): string[] {
  const seen: string[] = [];
  m.disk("data").hold(({ op, sector, sectors }: Bio) => {
    if (op === "discard") seen.push(`${sector / BLOCK}+${sectors / BLOCK}`);
    return false;
  });
  return seen;
}

describe("dmtest thin/discard", () => {
  it("/unmaps-passdown-discardable", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 64);
    await m.fill("t", 1);
    const seen = discards(m);
    await m.discard("t", 8 * BLOCK, 16 * BLOCK);
    expect(seen).toEqual(["8+16"]);
    expect(await m.runs("t")).toBe("1024x1 2048x0 5120x1");
    expect(await m.status("t")).toBe(`${48 * BLOCK} ${64 * BLOCK - 1}`);
    // All of it, what is not mapped any more too.
    await m.discard("t", 0, 64 * BLOCK);
    expect(seen).toEqual(["8+16", "0+8", "24+40"]);
    expect(await m.status("t")).toBe("0 -");
    expect((await m.poolStatus()).dataUsed).toBe(0);
    await m.sound("t");
  });

  it("/blktrace: blocks that a snapshot has too are not passed down", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 16);
    await m.fill("t", 1);
    await m.snapshot("s", 1, "t", 0);
    await m.fill("t", 2, 4 * BLOCK, 4 * BLOCK);
    const seen = discards(m);
    await m.discard("t", 0, 16 * BLOCK);
    // Only what was the origin's alone: its copies of blocks 4 to 7.
    expect(seen).toEqual(["16+4"]);
    expect(await m.runs("s")).toBe(`${16 * BLOCK}x1`);
    expect((await m.poolStatus()).dataUsed).toBe(16);
    await m.discard("s", 0, 16 * BLOCK);
    expect(seen).toEqual(["16+4", "0+16"]);
    expect((await m.poolStatus()).dataUsed).toBe(0);
    await m.sound("s", "t");
  });

  it("/xml-tests: what is left of a device with holes", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 16);
    await m.fill("t", 1);
    await m.discard("t", 2 * BLOCK, 3 * BLOCK);
    // Parts of blocks are not given back.
    await m.discard("t", 7 * BLOCK + 8, 2 * BLOCK - 16);
    await m.sound("t");
    expect(await m.dump()).toEqual([
      expect.stringContaining('data_block_size="128" nr_data_blocks="1024"'),
      '<device dev_id="0" mapped_blocks="13" transaction="0" creation_time="0" snap_time="0">',
      '<range_mapping origin_begin="0" data_begin="0" length="2" time="0"/>',
      '<range_mapping origin_begin="5" data_begin="5" length="11" time="0"/>',
      "</device>",
      "</superblock>",
    ]);
  });
});

describe("lvm2", () => {
  it("discards-thin: each way is told by status and table, and cannot be turned off or on in use", async () => {
    const m = await ThinMachine.make({ dataBlocks: 64 }, { meta2: 8192, data2: 64 * BLOCK });
    const other = { metadata: "/disks/meta2", data: "/disks/data2", features: "ignore_discard" };
    await m.create("pool2", m.poolTable(other));
    const ways = async (name: string): Promise<string> =>
      `${(await m.poolStatus(name)).discards}, ${await m.table(name)}`;
    expect(await ways("pool")).toBe("discard_passdown, /disks/meta /disks/data 128 0 0");
    await m.changePool({ features: "no_discard_passdown" });
    expect(await ways("pool")).toBe(
      "no_discard_passdown, /disks/meta /disks/data 128 0 1 no_discard_passdown",
    );
    expect(await ways("pool2")).toBe(
      "ignore_discard, /disks/meta2 /disks/data2 128 0 1 ignore_discard",
    );
    const load = (name: string, table: string): Promise<string> =>
      m.refused(`load ${name} --table "${table}"`);
    const off = await load("pool", m.poolTable({ features: "ignore_discard" }));
    expect(off).toContain("whether it discards");
    const on = await load("pool2", m.poolTable({ ...other, features: "no_discard_passdown" }));
    expect(on).toContain("Invalid argument");
    // Taken down it can have another way.
    await m.remove("pool2");
    await m.create("pool2", m.poolTable({ ...other, features: "" }));
    expect((await m.poolStatus("pool2")).discards).toBe("discard_passdown");
    await m.remove("pool2");
    await m.sound();
  });

  it("discards-thin: upon a device that ignores them nothing is passed down, and blocks are free all the same", async () => {
    const m = await ThinMachine.make({ features: "ignore_discard" }, { meta2: 8192 });
    await m.newThin("below", 0, 64);
    expect(m.volume("below").limits.discard).toBe(false);
    await m.create(
      "pool2",
      m.poolTable({ metadata: "/disks/meta2", data: "below", dataBlocks: 64, features: "" }),
    );
    // The table says what is wished for, the status what there is.
    expect(await m.table("pool2")).toBe("/disks/meta2 254:1 128 0 0");
    expect((await m.poolStatus("pool2")).discards).toBe("no_discard_passdown");
    await m.message("pool2", "create_thin 0");
    await m.create("t", `0 ${8 * BLOCK} thin pool2 0`);
    await m.fill("t", 1);
    await m.discard("t", 0, 8 * BLOCK);
    expect(await m.status("t")).toBe("0 -");
    expect(await m.status("below")).toBe(`${8 * BLOCK} ${8 * BLOCK - 1}`);
    await m.remove("t", "pool2");
    await m.sound("below");
  });

  it("lvchange-thin: a pool in use changes how it passes discards, zeroes and fails", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 16);
    await m.fill("data", 9);
    await m.fill("t", 1, 0, 1);
    expect(await m.runs("t", 0, BLOCK)).toBe("1x1 127x0");
    const steps: readonly (readonly [string, RegExp])[] = [
      ["no_discard_passdown", / rw no_discard_passdown queue_if_no_space /],
      ["", / rw discard_passdown queue_if_no_space /],
      ["skip_block_zeroing", / rw discard_passdown queue_if_no_space /],
      ["error_if_no_space", / rw discard_passdown error_if_no_space /],
    ];
    for (const [index, [features, status]] of steps.entries()) {
      await m.changePool({ features });
      expect(await m.status("pool")).toMatch(status);
      expect(await m.table("pool")).toContain(features);
      await m.fill("t", 1, (1 + index) * BLOCK, 1);
    }
    expect(await m.runs("t", 2 * BLOCK, 3 * BLOCK)).toBe("1x1 127x0 1x1 127x9 1x1 127x0");
    await m.sound("t");
  });

  it("lvcreate-thin-power2: blocks of 192 KiB discard too, and are a multiple of 64 KiB", async () => {
    const m = await ThinMachine.make({ blockSectors: 384, dataBlocks: 32 });
    expect((await m.poolStatus()).discards).toBe("discard_passdown");
    await m.newThin("t", 0, 16);
    const pattern = Pattern.zeros(m, "t", 384);
    await pattern.stamp(100);
    await pattern.discard(3, 5);
    await pattern.verify();
    expect((await m.poolStatus()).dataUsed).toBe(11);
    await m.changePool({ features: "no_discard_passdown" });
    await pattern.discard(10, 2);
    await pattern.verify();
    expect((await m.poolStatus()).dataUsed).toBe(9);
    await m.sound("t");
    const odd = new ThinMachine({ blockSectors: 336 });
    expect(await odd.refused(`create pool --table "${odd.poolTable()}"`)).toContain(
      "multiple of 128",
    );
  });
});
