import { describe, expect, test } from "vitest";
import { DmWorld } from "../../../../test/support/dm-world.ts";
import { BioFlags } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { flush, readSectors, writeSectors } from "../../../block/promises.ts";

const OLD = 7;

interface Flakey {
  readonly world: DmWorld;
  readonly use: BlockDevice;
  readonly table: () => string;
}

/** Up for three seconds, down for two; its disk is full of OLD. */
async function flakey(features: string): Promise<Flakey> {
  const world = new DmWorld({ a: 40 });
  await writeSectors(world.disk("a"), 0, new Uint8Array(40 * 512).fill(OLD));
  const { device, use } = await world.make("v", `0 32 flakey ./a 8 3 2${features}`);
  return { world, use, table: () => device.live!.table()[0]! };
}

/** What becomes of a read, a write and a flush. */
async function tried({ use, world }: Flakey): Promise<string[]> {
  const told: string[] = [];
  const data = new Uint8Array(512).fill(9);
  const said = (what: string, work: Promise<string>): Promise<void> =>
    work.then(
      (result) => void told.push(`${what} ${result}`),
      (error: Error) => void told.push(`${what} fails: ${error.name}`),
    );
  await said(
    "read",
    readSectors(use, 1, 1).then((bytes) => `${bytes.find((byte) => byte !== OLD) ?? OLD}`),
  );
  await said(
    "write",
    writeSectors(use, 0, data).then(async () => {
      const bytes = await readSectors(world.disk("a"), 8, 1);
      return `${bytes[0]} ${bytes[31]}`;
    }),
  );
  await said(
    "flush",
    flush(use).then(() => "done"),
  );
  expect(data.every((byte) => byte === 9)).toBe(true);
  return told;
}

const WORKS = ["read 7", "write 9 9", "flush done"];

describe("flakey", () => {
  test("is up, then down, again and again", async () => {
    const one = await flakey("");
    expect(await tried(one)).toEqual(WORKS);
    one.world.time.pass(2999);
    expect(await tried(one)).toEqual(WORKS);
    one.world.time.pass(1);
    const fails = ["read", "write", "flush"].map((what) => `${what} fails: HoldfastError`);
    expect(await tried(one)).toEqual(fails);
    one.world.time.pass(1999);
    expect(await tried(one)).toEqual(fails);
    one.world.time.pass(1);
    expect(await tried(one)).toEqual(WORKS);
    one.world.time.pass(3000);
    expect(await tried(one)).toEqual(fails);
  });

  test.each([
    ["1 error_reads", ["read fails: HoldfastError", "write 9 9", "flush done"]],
    ["1 drop_writes", ["read 7", "write 7 7", "flush done"]],
    ["1 error_writes", ["read 7", "write fails: HoldfastError", "flush fails: HoldfastError"]],
    ["5 corrupt_bio_byte 32 r 1 0", ["read 1", "write 9 9", "flush done"]],
    ["5 corrupt_bio_byte 32 w 1 0", ["read 7", "write 9 1", "flush done"]],
    ["5 corrupt_bio_byte 32 w 1 1", ["read 7", "write 9 1", "flush done"]],
    ["5 corrupt_bio_byte 32 w 1 4096", WORKS],
    ["5 corrupt_bio_byte 513 w 1 0", WORKS],
    ["6 drop_writes corrupt_bio_byte 32 r 1 0", ["read 1", "write 7 7", "flush done"]],
    ["2 random_read_corrupt 0", WORKS],
  ])("%s, while it is down", async (features, wanted) => {
    const one = await flakey(` ${features}`);
    expect(await tried(one)).toEqual(WORKS);
    one.world.time.pass(3000);
    await writeSectors(one.world.disk("a"), 8, new Uint8Array(512).fill(OLD));
    expect(await tried(one)).toEqual(wanted);
    if (!features.includes("_corrupt 0"))
      expect(one.table()).toBe(`0 32 flakey ./a 8 3 2 ${features} `);
  });

  test("without features shows in its table that all fails", async () => {
    expect((await flakey("")).table()).toBe("0 32 flakey ./a 8 3 2 2 error_reads error_writes ");
    expect((await flakey(" 0")).table()).toBe("0 32 flakey ./a 8 3 2 2 error_reads error_writes ");
  });

  test("corrupts by flags: only writes with FUA", async () => {
    const { world, use } = await flakey(" 5 corrupt_bio_byte 1 w 3 131072");
    world.time.pass(3000);
    await writeSectors(use, 0, new Uint8Array(512).fill(9));
    expect((await readSectors(world.disk("a"), 8, 1))[0]).toBe(9);
    await writeSectors(use, 0, new Uint8Array(512).fill(9), BioFlags.fua);
    expect((await readSectors(world.disk("a"), 8, 1))[0]).toBe(3);
  });

  test("corrupts by chance, reads and writes, one byte at a time and so often as was asked", async () => {
    const words = " 4 random_read_corrupt 500000000 random_write_corrupt 1000000000";
    const { world, use, table } = await flakey(words);
    expect(table()).toBe(`0 32 flakey ./a 8 3 2${words} `);
    world.time.pass(3000);
    let reads = 0;
    for (let time = 0; time < 200; time += 1) {
      const odd = (await readSectors(use, 4, 2)).filter((byte) => byte !== OLD).length;
      expect(odd).toBeLessThanOrEqual(1);
      reads += odd;
    }
    expect(reads).toBeGreaterThan(60);
    expect(reads).toBeLessThan(140);
    let writes = 0;
    for (let time = 0; time < 50; time += 1) {
      const data = new Uint8Array(512).fill(9);
      await writeSectors(use, 0, data);
      expect(data.every((byte) => byte === 9)).toBe(true);
      const bytes = await readSectors(world.disk("a"), 8, 1);
      writes += bytes.filter((byte) => byte !== 9).length;
    }
    expect(writes).toBeGreaterThan(45);
  });

  test.each([
    ["", "the device is missing"],
    ["./a", "the offset in sectors is missing"],
    ["./a 0", "the seconds up is missing"],
    ["./a 0 1", "the seconds down is missing"],
    ["./a x 1 1", 'word 2 ("x") is wrong'],
    ["./a 9 1 1", 'word 2 ("9") is wrong: ./a has 40 sectors, and 41 are needed'],
    ["./a 0 x 1", 'word 3 ("x") is wrong'],
    ["./a 0 0 0", 'word 4 ("0") is wrong: it would be neither up nor down'],
    ["./a 0 4294967295 1", 'word 4 ("1") is wrong'],
    ["./no 0 1 1", "./no: no such disk"],
    ["./a 0 1 1 x", 'word 5 ("x") is wrong: the number of feature words'],
    ["./a 0 1 1 12", 'word 5 ("12") is wrong'],
    ["./a 0 1 1 2 drop_writes", "so many feature words do not follow: 1 words are left"],
    ["./a 0 1 1 0 drop_writes", 'word 6 ("drop_writes") is wrong: nothing more was expected'],
    ["./a 0 1 1 1 drop_reads", 'word 6 ("drop_reads") is wrong: the feature is one of error_reads'],
    [
      "./a 0 1 1 2 drop_writes drop_writes",
      'word 7 ("drop_writes") is wrong: the feature is there',
    ],
    ["./a 0 1 1 2 drop_writes error_writes", "writes are dropped or failed, not both"],
    ["./a 0 1 1 6 drop_writes corrupt_bio_byte 1 w 1 0", "cannot be corrupted"],
    ["./a 0 1 1 3 error_writes random_write_corrupt 5", "cannot be corrupted"],
    [
      "./a 0 1 1 6 error_reads corrupt_bio_byte 1 r 1 0",
      "reads that are failed cannot be corrupted",
    ],
    ["./a 0 1 1 3 error_reads random_read_corrupt 5", "reads that are failed cannot be corrupted"],
    ["./a 0 1 1 1 corrupt_bio_byte", "the byte is missing"],
    ["./a 0 1 1 5 corrupt_bio_byte 0 r 1 0", 'word 7 ("0") is wrong: the byte'],
    ["./a 0 1 1 5 corrupt_bio_byte 1 x 1 0", 'word 8 ("x") is wrong: the direction is one of r, w'],
    ["./a 0 1 1 5 corrupt_bio_byte 1 r 256 0", 'word 9 ("256") is wrong: the value'],
    ["./a 0 1 1 4 corrupt_bio_byte 1 r 255", "the flags is missing"],
    ["./a 0 1 1 2 random_read_corrupt 1000000001", 'word 7 ("1000000001") is wrong'],
  ])("%j is refused", async (words, message) => {
    const world = new DmWorld({ a: 40 });
    expect(await world.refusal(`0 32 flakey ${words}`)).toContain(message);
    expect(world.open).toEqual([]);
  });
});
