/** Thin pools and their devices: what they store, share, give back and say, and what becomes of them when space or a disk fails. */
import { describe, expect, test } from "vitest";
import type { Bio } from "../../src/block/bio.ts";
import { BioFlags } from "../../src/block/bio.ts";
import { discard, flush, readSectors, writeSectors } from "../../src/block/promises.ts";
import { BLOCK, ThinRig, fill, filled, runsOf, settled } from "../support/thin-rig.ts";

describe("thin devices", () => {
  test("take blocks when they are written, zeroed around what is written", async () => {
    const rig = await ThinRig.make();
    await fill(rig.world.disk("data"), 0, 64 * BLOCK, 9);
    const { device, use } = await rig.newThin("t", 0);
    expect(await rig.status(device)).toBe("0 -");
    expect(await runsOf(use, 0, 4 * BLOCK)).toBe("512x0");
    await fill(use, BLOCK + 5, 3, 7);
    await fill(use, 3 * BLOCK - 10, 20, 8);
    expect(await runsOf(use, 0, 4 * BLOCK)).toBe("133x0 3x7 238x0 20x8 118x0");
    expect(await rig.status(device)).toBe(`${3 * BLOCK} ${4 * BLOCK - 1}`);
    expect(await rig.status()).toMatch(
      /^0 \d+\/128 3\/64 - rw discard_passdown queue_if_no_space - 32$/,
    );
    expect(device.live?.table()).toEqual(["0 4096 thin 254:0 0"]);
    expect(rig.pool.live?.table()).toEqual(["0 8192 thin-pool ./meta ./data 128 0 0 "]);
    expect(use.extents(0, 4 * BLOCK, 10)).toEqual([
      { sector: 0, sectors: BLOCK, kind: "hole" },
      { sector: BLOCK, sectors: 3 * BLOCK, kind: "data" },
    ]);
    expect(await rig.problems()).toEqual([]);
  });

  test("are there again in another pool over the same disks", async () => {
    const rig = await ThinRig.make();
    const { use, device } = await rig.newThin("t", 5);
    await fill(use, 100, 300, 3);
    await use.close();
    await rig.world.all.remove(device, { deferred: false });
    await rig.world.all.remove(rig.pool, { deferred: false });
    expect(rig.world.open).toEqual([]);
    const { use: pool } = await rig.world.make("again", "0 8192 thin-pool ./meta ./data 128 0");
    expect(pool.sectors).toBe(8192);
    const again = await rig.world.make("t2", "0 4096 thin again 5");
    expect(await runsOf(again.use, 0, 512)).toBe("100x0 300x3 112x0");
  });

  test("stay when their pool is renamed and gets a new table", async () => {
    const rig = await ThinRig.make();
    const { use } = await rig.newThin("t", 0);
    await fill(use, 0, 8, 7);
    rig.world.all.rename(rig.pool, "other");
    await rig.reload(64, "1 skip_block_zeroing");
    expect(await rig.status()).toMatch(/ 1\/64 - rw /);
    expect(await runsOf(use, 0, 16)).toBe("8x7 8x0");
  });

  test("leave what was there with skip_block_zeroing", async () => {
    const rig = await ThinRig.make({ features: "1 skip_block_zeroing" });
    await fill(rig.world.disk("data"), 0, 64 * BLOCK, 9);
    const { use } = await rig.newThin("t", 0);
    await fill(use, 1, 1, 7);
    expect(await runsOf(use, 0, BLOCK)).toBe("1x9 1x7 126x9");
    expect(rig.pool.live?.table()[0]).toBe(
      "0 8192 thin-pool ./meta ./data 128 0 1 skip_block_zeroing ",
    );
  });

  test("write a whole new block once, and read nothing for it", async () => {
    const rig = await ThinRig.make();
    const { use } = await rig.newThin("t", 0);
    const seen: string[] = [];
    rig.world.disk("data").hold((bio: Bio) => {
      seen.push(`${bio.op} ${bio.sectors}`);
      return false;
    });
    await fill(use, BLOCK, BLOCK, 4);
    expect(seen).toEqual(["write 128"]);
  });

  test("share blocks with their snapshots until one of them is written", async () => {
    const rig = await ThinRig.make();
    const origin = await rig.newThin("t", 0, 8);
    await fill(origin.use, 0, 4 * BLOCK, 1);
    const first = await rig.snapshot(origin, 0, "s1", 1);
    await fill(origin.use, 10, 10, 2);
    const second = await rig.snapshot(first, 1, "s2", 2);
    await fill(first.use, BLOCK, BLOCK, 3);
    await fill(second.use, 4 * BLOCK, 1, 4);
    await fill(second.use, 3 * BLOCK + 1, 1, 5);
    expect(await runsOf(origin.use, 0, 5 * BLOCK)).toBe("10x1 10x2 492x1 128x0");
    expect(await runsOf(first.use, 0, 5 * BLOCK)).toBe("128x1 128x3 256x1 128x0");
    expect(await runsOf(second.use, 0, 5 * BLOCK)).toBe("385x1 1x5 126x1 1x4 127x0");
    expect(await rig.status()).toContain(" 8/64 ");
    expect(await rig.problems()).toEqual([]);
    await second.use.close();
    await rig.world.all.remove(second.device, { deferred: false });
    await rig.message("delete 2");
    expect(await rig.status()).toContain(" 6/64 ");
    expect(await rig.problems()).toEqual([]);
  });

  test("read an external origin where they have nothing, and copy from it", async () => {
    const rig = await ThinRig.make({ disks: { image: 3 * BLOCK + 28 } });
    await fill(rig.world.disk("image"), 0, 3 * BLOCK + 28, 6);
    const { device, use } = await rig.newThin("t", 0, 8, "./image");
    expect(device.live?.table()).toEqual(["0 1024 thin 254:0 0 ./image"]);
    expect(await runsOf(use, 0, 5 * BLOCK)).toBe("412x6 228x0");
    await fill(use, 5, 1, 7);
    await fill(use, 3 * BLOCK + 100, 1, 8);
    await fill(use, BLOCK, BLOCK, 9);
    await fill(rig.world.disk("image"), 0, 3 * BLOCK + 28, 66);
    expect(await runsOf(use, 0, 5 * BLOCK)).toBe("5x6 1x7 122x6 128x9 128x66 28x6 72x0 1x8 155x0");
  });

  test("have the extents of an external origin where they have nothing", async () => {
    const rig = await ThinRig.make({ disks: { image: 3 * BLOCK } });
    await fill(rig.world.disk("image"), 8, 8, 6);
    const { use } = await rig.newThin("t", 0, 8, "./image");
    await fill(use, BLOCK + 9, 1, 7);
    const runs = use
      .extents(4, 6 * BLOCK, 9)
      .map(({ sector, sectors, kind }) => [sector, sectors, kind]);
    expect(runs).toEqual([
      [4, 4, "hole"],
      [8, 8, "data"],
      [16, BLOCK - 16, "hole"],
      [BLOCK, BLOCK, "data"],
      // The origin's, and behind its end.
      [2 * BLOCK, 4 * BLOCK + 4, "hole"],
    ]);
    expect(use.extents(4, 6 * BLOCK, 2)).toHaveLength(2);
  });

  test("give whole blocks back when they are discarded", async () => {
    const rig = await ThinRig.make();
    const origin = await rig.newThin("t", 0, 8);
    await fill(origin.use, 0, 8 * BLOCK, 1);
    const snapshot = await rig.snapshot(origin, 0, "s", 1);
    await fill(origin.use, 0, 2 * BLOCK, 2);
    const seen: string[] = [];
    rig.world.disk("data").hold((bio: Bio) => {
      if (bio.op === "discard") seen.push(`${bio.sector} ${bio.sectors}`);
      return false;
    });
    await discard(origin.use, 5, 3 * BLOCK);
    expect(await runsOf(origin.use, 0, 8 * BLOCK)).toBe("128x2 256x0 640x1");
    expect(await runsOf(snapshot.use, 0, 8 * BLOCK)).toBe("1024x1");
    // Block 1 was the origin's alone; block 2 is the snapshot's still.
    expect(seen).toEqual([`${9 * BLOCK} ${BLOCK}`]);
    expect(await rig.status(origin.device)).toBe(`${6 * BLOCK} ${8 * BLOCK - 1}`);
    expect(await rig.status()).toContain(" 9/64 ");
    expect(await rig.problems()).toEqual([]);
  });

  test.each([
    ["1 no_discard_passdown", "no_discard_passdown", true],
    ["1 ignore_discard", "ignore_discard", false],
  ])("with %s no discard goes further", async (features, word, unmaps) => {
    const rig = await ThinRig.make({ features });
    const { use, device } = await rig.newThin("t", 0, 8);
    await fill(use, 0, 4 * BLOCK, 1);
    rig.world.disk("data").hold(({ op }) => op === "discard");
    expect(use.limits.discard).toBe(unmaps);
    if (unmaps) await discard(use, 0, 2 * BLOCK);
    expect(rig.world.disk("data").held).toEqual([]);
    expect(await rig.status(device)).toBe(`${(unmaps ? 2 : 4) * BLOCK} ${4 * BLOCK - 1}`);
    expect(await rig.status()).toContain(` ${word} `);
  });
});

describe("order of writes", () => {
  test("the data device is flushed before the superblock that vouches for its blocks", async () => {
    const rig = await ThinRig.make();
    const { use } = await rig.newThin("t", 0);
    const seen: string[] = [];
    for (const name of ["meta", "data"])
      rig.world.disk(name).hold(({ op, sector, flags }: Bio) => {
        if (op === "read") return false;
        const what = name === "meta" && op === "write" && sector === 0 ? "superblock" : op;
        seen.push(`${name} ${what}${(flags & BioFlags.fua) !== 0 ? " fua" : ""}`);
        return false;
      });
    await fill(use, 0, BLOCK, 1);
    rig.world.time.pass(999);
    await settled();
    expect(seen).toEqual(["data write"]);
    rig.world.time.pass(1);
    await settled();
    const order = seen.filter((each) => each !== "meta write");
    expect(order).toEqual(["data write", "data flush", "meta flush", "meta superblock fua"]);
    expect(seen.indexOf("meta write")).toBeGreaterThan(seen.indexOf("data flush"));
    seen.length = 0;
    // Nothing new: a flush is one of the data device alone.
    await flush(use);
    expect(seen).toEqual(["data flush"]);
    seen.length = 0;
    await writeSectors(use, BLOCK, filled(1, 2), BioFlags.fua);
    expect(seen.at(-1)).toBe("data write fua");
    expect(seen).toContain("meta superblock fua");
  });

  test("a durable write to a block that takes the place of a shared one waits for its mapping", async () => {
    const rig = await ThinRig.make();
    const origin = await rig.newThin("t", 0, 8);
    await fill(origin.use, 0, BLOCK, 1);
    await rig.snapshot(origin, 0, "s", 1);
    await fill(origin.use, 5, 1, 2);
    let superblocks = 0;
    rig.world.disk("meta").hold(({ op, sector }) => {
      if (op === "write" && sector === 0) superblocks += 1;
      return false;
    });
    await writeSectors(origin.use, 9, filled(1, 3), BioFlags.fua);
    expect(superblocks).toBe(1);
    await writeSectors(origin.use, 10, filled(1, 4), BioFlags.fua);
    expect(superblocks).toBe(1);
  });

  test("a block that was given back is not used again while it is still read", async () => {
    const rig = await ThinRig.make({ dataBlocks: 1 });
    const { use } = await rig.newThin("t", 0);
    await fill(use, 0, BLOCK, 1);
    const disk = rig.world.disk("data");
    disk.hold(({ op }) => op === "read");
    const read = readSectors(use, 0, 1);
    await settled();
    expect(disk.held.length).toBe(1);
    const gone = discard(use, 0, BLOCK);
    const written = fill(use, BLOCK, BLOCK, 2);
    await settled();
    disk.release();
    await gone;
    expect((await read)[0]).toBe(1);
    await written;
    expect(await runsOf(use, 0, 2 * BLOCK)).toBe("128x0 128x2");
  });
});

describe("a pool without free blocks", () => {
  test("keeps writes waiting until blocks are given back", async () => {
    const rig = await ThinRig.make({ dataBlocks: 4 });
    const { use } = await rig.newThin("t", 0);
    await fill(use, 0, 4 * BLOCK, 1);
    const written = fill(use, 4 * BLOCK, 5, 2);
    await settled();
    expect(await rig.status()).toContain(" 4/4 - out_of_data_space ");
    // What is mapped is written and read as ever.
    await fill(use, 7, 1, 3);
    await discard(use, BLOCK, BLOCK);
    await written;
    expect(await runsOf(use, 0, 5 * BLOCK)).toBe("7x1 1x3 120x1 128x0 256x1 5x2 123x0");
    expect(await rig.status()).toContain(" rw ");
  });

  test("keeps them waiting until it is larger", async () => {
    const rig = await ThinRig.make({ dataBlocks: 4 });
    const { use } = await rig.newThin("t", 0);
    const written = fill(use, 0, 8 * BLOCK, 2);
    await settled();
    expect(await rig.status()).toContain(" 4/4 - out_of_data_space ");
    await rig.reload(10);
    await written;
    expect(await rig.status()).toContain(" 8/10 - rw ");
    expect(await runsOf(use, 0, 8 * BLOCK)).toBe("1024x2");
    await expect(rig.reload(9)).rejects.toThrow("a pool cannot shrink");
  });

  test("fails them after a minute, and those that come later", async () => {
    const rig = await ThinRig.make({ dataBlocks: 2 });
    const { use } = await rig.newThin("t", 0);
    const written = fill(use, 0, 3 * BLOCK, 2);
    await settled();
    rig.world.time.pass(59_999);
    await settled();
    const events = rig.pool.eventNr;
    rig.world.time.pass(1);
    await expect(written).rejects.toMatchObject({ code: "no-space" });
    expect(rig.pool.eventNr).toBeGreaterThan(events);
    await expect(fill(use, 9 * BLOCK, 1, 1)).rejects.toMatchObject({ code: "no-space" });
    expect(await rig.status()).toContain(" out_of_data_space discard_passdown error_if_no_space ");
    // What there is can be read, and freed for others.
    expect(await runsOf(use, 0, 2 * BLOCK)).toBe("256x2");
    await discard(use, 0, BLOCK);
    await fill(use, 9 * BLOCK, 1, 1);
    expect(await rig.status()).toContain(" rw discard_passdown queue_if_no_space ");
  });

  test("fails them at once with error_if_no_space", async () => {
    const rig = await ThinRig.make({ dataBlocks: 2, features: "1 error_if_no_space" });
    const { use } = await rig.newThin("t", 0);
    await expect(fill(use, 0, 3 * BLOCK, 2)).rejects.toMatchObject({ code: "no-space" });
    expect(await rig.status()).toContain("out_of_data_space discard_passdown error_if_no_space");
  });

  test("gives them back to a device that is suspended without flush", async () => {
    const rig = await ThinRig.make({ dataBlocks: 2 });
    const { use, device } = await rig.newThin("t", 0);
    const written = fill(use, 0, 3 * BLOCK, 2);
    await settled();
    await rig.world.all.suspend(device, "noflush", true);
    await rig.reload(4);
    await rig.world.all.resume(device);
    await written;
    expect(await runsOf(use, 0, 3 * BLOCK)).toBe("384x2");
  });

  test("tells once that few are left", async () => {
    const rig = await ThinRig.make({ dataBlocks: 8, lowWater: 3 });
    const { use } = await rig.newThin("t", 0);
    const before = rig.pool.eventNr;
    await fill(use, 0, 5 * BLOCK, 1);
    expect(rig.pool.eventNr).toBe(before);
    await fill(use, 5 * BLOCK, BLOCK, 1);
    expect(rig.pool.eventNr).toBe(before + 1);
    await fill(use, 6 * BLOCK, BLOCK, 1);
    expect(rig.pool.eventNr).toBe(before + 1);
  });
});

describe("a pool whose metadata is in trouble", () => {
  test("takes no new blocks without room for metadata, and goes on when there is more", async () => {
    const rig = await ThinRig.make({ disks: { large: 64 * 8 }, dataBlocks: 4096 });
    const meta = await rig.world.make("m", `0 ${40 * 8} linear ./large 0`);
    const pool = await rig.world.make("p", `0 ${4096 * BLOCK} thin-pool m ./data ${BLOCK} 0`);
    await rig.world.all.message(pool.device, 0, ["create_thin", "0"]);
    const { use } = await rig.world.make("t", `0 ${4096 * BLOCK} thin p 0`);
    const write = async (): Promise<number> => {
      for (let block = 0; block < 4096; block += 1) {
        try {
          await fill(use, block * BLOCK, 1, 1);
        } catch {
          return block;
        }
      }
      return 4096;
    };
    const first = await write();
    expect(first).toBeGreaterThan(100);
    expect(first).toBeLessThan(4096);
    expect(await rig.status(pool.device)).toContain(" ro ");
    expect(await runsOf(use, (first - 1) * BLOCK, BLOCK)).toBe("1x1 127x0");
    await rig.world.load(meta.device, `0 ${64 * 8} linear ./large 0`);
    await rig.world.all.resume(meta.device);
    await rig.world.load(pool.device, `0 ${4096 * BLOCK} thin-pool m ./data ${BLOCK} 0`);
    await rig.world.all.resume(pool.device);
    expect(await rig.status(pool.device)).toContain("/64 ");
    await fill(use, first * BLOCK, 1, 1);
    expect(await rig.status(pool.device)).toContain(" rw ");
  });

  test("is read-only after a write of it failed, and wants a check", async () => {
    const rig = await ThinRig.make();
    const { use } = await rig.newThin("t", 0);
    await fill(use, 0, BLOCK, 1);
    await flush(use);
    await fill(use, BLOCK, BLOCK, 2);
    expect(await runsOf(use, 0, 3 * BLOCK)).toBe("128x1 128x2 128x0");
    const disk = rig.world.disk("meta");
    disk.failWrites(8, 1000);
    const events = rig.pool.eventNr;
    await expect(flush(use)).rejects.toMatchObject({ code: "io" });
    expect(rig.pool.eventNr).toBe(events + 1);
    disk.heal();
    expect(await rig.status()).toContain(" ro discard_passdown queue_if_no_space needs_check ");
    expect(await runsOf(use, 0, 2 * BLOCK)).toBe("128x1 128x0");
    await expect(fill(use, 5 * BLOCK, 1, 1)).rejects.toMatchObject({ code: "io" });
    await expect(rig.message("create_thin 7")).rejects.toThrow("takes no messages");
    // A table that wants it to be written is no check.
    await rig.reload();
    expect(await rig.status()).toContain(" ro ");
    expect(await rig.problems()).toEqual([]);
  });

  test("tells by every flush from then on what was lost with a commit, whoever began that", async () => {
    const rig = await ThinRig.make();
    const { use, device } = await rig.newThin("t", 0);
    const other = await rig.newThin("u", 1);
    await fill(use, 0, BLOCK, 1);
    await fill(other.use, 0, BLOCK, 1);
    await flush(use);
    await fill(use, BLOCK, BLOCK, 2);
    rig.world.disk("meta").failWrites(8, 1000);
    rig.world.time.pass(1000);
    await settled();
    expect(await rig.status()).toContain(" needs_check ");
    rig.world.disk("meta").heal();
    await expect(flush(use)).rejects.toThrow("some is lost");
    await expect(writeSectors(use, 0, filled(1, 3), BioFlags.fua)).rejects.toThrow("some is lost");
    await flush(other.use);
    await writeSectors(other.use, 0, filled(1, 3), BioFlags.fua);
    await use.close();
    await rig.world.all.remove(device, { deferred: false });
    await flush((await rig.thin("again", 0)).use);
  });

  test("fails when not even the mark can be written", async () => {
    const rig = await ThinRig.make();
    const { use, device } = await rig.newThin("t", 0);
    await fill(use, 0, BLOCK, 1);
    rig.world.disk("meta").failWrites(0, 1000);
    await expect(flush(use)).rejects.toMatchObject({ code: "io" });
    expect(await rig.status()).toBe("Fail");
    expect(await rig.status(device)).toBe("Fail");
    await expect(readSectors(use, 0, 1)).rejects.toMatchObject({ code: "io" });
    await expect(fill(use, 0, 1, 1)).rejects.toMatchObject({ code: "io" });
  });

  test("is only read with read_only", async () => {
    const rig = await ThinRig.make();
    const { use } = await rig.newThin("t", 0);
    await fill(use, 0, BLOCK, 1);
    await rig.reload(64, "1 read_only");
    expect(await rig.status()).toContain(" ro ");
    expect(await runsOf(use, 0, 2 * BLOCK)).toBe("128x1 128x0");
    await expect(fill(use, BLOCK, 1, 1)).rejects.toMatchObject({ code: "io" });
    // What has its block is written nevertheless.
    await fill(use, 0, 1, 2);
    expect(await runsOf(use, 0, 8)).toBe("1x2 7x1");
    await rig.reload(64, "");
    await fill(use, BLOCK, 1, 1);
    expect(await rig.status()).toContain(" rw ");
  });
});

describe("tables and messages of a pool", () => {
  test("are refused by the word that is wrong", async () => {
    const { world } = await ThinRig.make({ disks: { other: 1024, raw: 4096 } });
    await fill(world.disk("other"), 0, 8, 3);
    const pool = (words: string): Promise<string> => world.refusal(`0 2048 thin-pool ${words}`);
    expect(await pool("./other ./raw 100 0")).toContain('word 3 ("100")');
    expect(await pool("./other ./raw 129 0")).toContain("a multiple of 128");
    expect(await pool("./other ./raw 128 0 1 fast")).toContain('word 6 ("fast")');
    expect(await pool("./other ./raw 128 0 2 read_only")).toContain(
      "so many features do not follow",
    );
    expect(await pool("./raw ./raw 128 0")).toContain("the same device");
    expect(await pool("./raw ./other 128 0")).toContain("1024 sectors");
    expect(await pool("./other ./raw 128 0")).toContain("no superblock of a thin pool");
    expect(await pool("./meta ./data 128 0")).toContain("busy");
    expect(await world.refusal("0 8 thin ./raw 0")).toContain("is no pool that is live");
    expect(await world.refusal("0 8 thin pool 0")).toContain("has no device 0");
    expect(await world.refusal("0 8 thin pool 16777216")).toContain('word 2 ("16777216")');
  });

  test("make, number and delete devices", async () => {
    const rig = await ThinRig.make();
    await rig.message("create_thin 3");
    await expect(rig.message("create_thin 3")).rejects.toThrow("has a device 3 already");
    await expect(rig.message("create_snap 4 9")).rejects.toThrow("has no device 9");
    await expect(rig.message("delete 9")).rejects.toThrow("has no device 9");
    await expect(rig.message("create_thin")).rejects.toThrow("is missing");
    await expect(rig.message("create_thin 1 2")).rejects.toThrow("nothing more was expected");
    await expect(rig.message("grow 1")).rejects.toThrow("there is no such message");
    await rig.message("set_transaction_id 0 5");
    await expect(rig.message("set_transaction_id 0 6")).rejects.toThrow("is 5, not 0");
    expect(await rig.status()).toMatch(/^5 /);
    const { use, device } = await rig.thin("t", 3);
    await expect(rig.message("delete 3")).rejects.toThrow("in use");
    await use.close();
    await rig.world.all.remove(device, { deferred: false });
    await rig.message("delete 3");
    expect(await rig.world.refusal("0 8 thin pool 3")).toContain("has no device 3");
    // After errors of whoever asked the pool goes on.
    expect(await rig.status()).toContain(" rw ");
    expect(await rig.problems()).toEqual([]);
  });

  test("keep the metadata as it is for others to read", async () => {
    const rig = await ThinRig.make();
    const { use } = await rig.newThin("t", 0);
    await fill(use, 0, 4 * BLOCK, 1);
    await expect(rig.message("release_metadata_snap")).rejects.toThrow("no metadata snapshot");
    await rig.message("reserve_metadata_snap");
    const held = (await rig.status()).split(" ")[3];
    expect(Number(held)).toBeGreaterThan(0);
    await expect(rig.message("reserve_metadata_snap")).rejects.toThrow("release that one first");
    await fill(use, 4 * BLOCK, 4 * BLOCK, 1);
    await discard(use, 0, 2 * BLOCK);
    await flush(use);
    expect(await rig.problems()).toEqual([]);
    await rig.message("release_metadata_snap");
    expect((await rig.status()).split(" ")[3]).toBe("-");
    expect(await rig.status()).toContain(" 6/64 ");
    expect(await rig.problems()).toEqual([]);
  });
});

describe("suspend", () => {
  test("of a pool holds what its devices do, and commits", async () => {
    const rig = await ThinRig.make();
    const { use } = await rig.newThin("t", 0);
    await fill(use, 0, BLOCK, 1);
    await rig.world.all.suspend(rig.pool, "flush", true);
    expect(rig.world.time.pending).toBe(0);
    let isWritten = false;
    const written = fill(use, 0, 1, 2).then(() => (isWritten = true));
    await settled();
    expect(isWritten).toBe(false);
    await rig.world.all.resume(rig.pool);
    await written;
    expect(await runsOf(use, 0, BLOCK)).toBe("1x2 127x1");
  });
});
