import { describe, expect, test } from "vitest";
import {
  SECTORS,
  DISK_SECTORS,
  PROVIDED,
  HASH,
  SHAPE,
  table,
  filled,
  newWorld,
  expectSectors,
} from "../../../../test/support/integrity-rig.ts";
import { writeSectors } from "../../../block/promises.ts";

describe("what is refused", () => {
  test.each([
    ["./a", "the start is missing"],
    ["./a x - J 1 internal_hash:crc32c", 'word 2 ("x") is wrong: the start is a number'],
    ["./a 0 0 J 1 internal_hash:crc32c", 'word 3 ("0") is wrong: the tag size is a number from 1'],
    ["./a 0 - X 1 internal_hash:crc32c", 'word 4 ("X") is wrong: the mode is one of J, B, D, R'],
    ["./a 0 - I 1 internal_hash:crc32c", "mode I needs a device with integrity data"],
    ["./a 0 - J 2 internal_hash:crc32c", "an option is missing"],
    ["./a 0 - J 1 internal_hash:crc32c x", 'word 7 ("x") is wrong: nothing more was expected'],
    ["./a 0 - J 0", "internal_hash is missing"],
    ["./a 0 - J 1 internal_hash:md5", "internal_hash is one of crc32c, crc32, sha1, sha256"],
    ["./a 0 - J 1 internal_hash:hmac(sha256):00", "hashes with keys are not supported"],
    ["./a 0 - J 1 journal_crypt:ctr(aes):00", "journals with keys are not supported"],
    ["./a 0 - J 1 journal_mac:hmac(sha256):00", "journals with keys are not supported"],
    ["./a 0 - J 1 block_size:1000", "block_size is one of 512, 1024, 2048, 4096"],
    ["./a 0 - J 1 journal_watermark:101", "journal_watermark is a number from 0 to 100"],
    ["./a 0 - J 1 commit_time:soon", "commit_time is a number from 0"],
    ["./a 0 - J 1 journal_sectors", "an option is one of recalculate,"],
    ["./a 0 - J 1 discards", "an option is one of recalculate,"],
    ["./a 0 - J 2 internal_hash:crc32c meta_device:./a", "another device than the data's"],
    ["./a 0 - J 2 internal_hash:crc32c meta_device:./c", "./c"],
    ["./a 0 - J 2 internal_hash:crc32c interleave_sectors:64", "tags would come to lie on data"],
    ["./a 4000 - J 1 internal_hash:crc32c", "too small for a superblock"],
    ["./a 2700 - J 1 internal_hash:crc32c", "too small for data, tags and a journal"],
  ])("%s", async (words, why) => {
    const world = newWorld();
    expect(await world.refusal(`0 ${SECTORS} integrity ${words}`)).toContain(why);
    expect(world.open).toEqual([]);
    await expectSectors(world.disk("a"), 0, filled(DISK_SECTORS, 0));
  });

  test("a table that does not fit the device", async () => {
    const world = newWorld();
    expect(await world.refusal(`0 2200 integrity ./a 0 - J 2 ${SHAPE.join(" ")}`)).toContain(
      `./a has room for ${PROVIDED} sectors of data, and 2200 are needed`,
    );
    await expectSectors(world.disk("a"), 0, filled(DISK_SECTORS, 0));
    expect(await world.refusal(table("J", ...SHAPE))).toBe("taken");
    expect(await world.refusal(table("J", "internal_hash:sha1"))).toContain(
      "has tags of 4 bytes, and the table says 20",
    );
    expect(await world.refusal(table("J", "block_size:1024", HASH))).toContain(
      "has blocks of 1 sectors, and the table says 2",
    );
    await world.make("v", table("J", ...SHAPE));
    const second = world.create("w");
    await world.load(second, table("J", ...SHAPE));
    await expect(world.all.resume(second)).rejects.toThrow("another target, which is in use");
    await writeSectors(world.disk("b"), 0, filled(1, 1));
    expect(await world.refusal(table("J", ...SHAPE).replace("./a", "./b"))).toContain(
      "no superblock of dm-integrity, and no zeros in its place",
    );
  });
});
