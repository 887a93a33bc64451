import { describe, expect, test } from "vitest";
import { DmWorld } from "../../../../test/support/dm-world.ts";
import { flush, readSectors, writeSectors } from "../../../block/promises.ts";

async function dust(words = "./a 0 1024"): Promise<{
  readonly world: DmWorld;
  readonly use: Awaited<ReturnType<DmWorld["make"]>>["use"];
  /** Sends a message. */
  readonly tell: (text: string) => Promise<string | null>;
  readonly status: () => Promise<string>;
}> {
  const world = new DmWorld({ a: 40 });
  const { device, use } = await world.make("v", `0 32 dust ${words}`);
  expect(device.live!.table()).toEqual([`0 32 dust ${words}`]);
  return {
    world,
    use,
    tell: (text) => world.all.message(device, 0, text.split(" ")),
    status: async () => (await device.live!.status(true))[0]!,
  };
}

describe("dust", () => {
  test("fails reads of bad blocks when it is told to, and a write mends them", async () => {
    const { use, tell, status, world } = await dust();
    expect(await status()).toBe("0 32 dust ./a bypass verbose");
    await tell("addbadblock 3");
    await readSectors(use, 0, 32);
    await tell("enable");
    expect(await status()).toBe("0 32 dust ./a fail_read_on_bad_block verbose");
    await expect(readSectors(use, 0, 32)).rejects.toThrow("v: read failed: block 3 is bad.");
    await expect(readSectors(use, 7, 1)).rejects.toThrow("block 3");
    await readSectors(use, 0, 6);
    await readSectors(use, 8, 24);
    await flush(use);
    await writeSectors(use, 6, new Uint8Array(512));
    await readSectors(use, 0, 32);
    expect(world.log).toEqual([
      "info: v: dust: badblock added at block 3 with write fail count 0",
      "info: v: dust: block 3 removed from badblocklist by write",
    ]);
    await tell("addbadblock 3");
    await tell("disable");
    await readSectors(use, 0, 32);
  });

  test("fails so many writes first as it is told", async () => {
    const { use, tell } = await dust();
    await tell("addbadblock 0 2");
    await tell("enable");
    await expect(writeSectors(use, 0, new Uint8Array(512))).rejects.toThrow("write failed");
    await expect(writeSectors(use, 1, new Uint8Array(512))).rejects.toThrow("write failed");
    await expect(readSectors(use, 0, 1)).rejects.toThrow("read failed");
    await flush(use);
    await writeSectors(use, 0, new Uint8Array(512));
    await readSectors(use, 0, 2);
  });

  test("counts blocks from the start of the device", async () => {
    const { use, tell } = await dust("./a 8 1024");
    await tell("addbadblock 4");
    await tell("enable");
    await expect(readSectors(use, 1, 1)).rejects.toThrow("block 4");
    await readSectors(use, 2, 1);
  });

  test("answers as the kernel's does", async () => {
    const { tell, status, world } = await dust();
    expect(await tell("quiet")).toBeNull();
    expect(await status()).toBe("0 32 dust ./a bypass quiet");
    expect(await tell("listbadblocks")).toBe("No blocks in badblocklist");
    expect(await tell("clearbadblocks")).toBe("dust_clear_badblocks: no badblocks found");
    for (const block of [12, 3, 20]) expect(await tell(`addbadblock ${block}`)).toBeNull();
    expect(await tell("countbadblocks")).toBe("countbadblocks: 3 badblock(s) found");
    expect(await tell("listbadblocks")).toBe("3\n12\n20\n");
    expect(await tell("queryblock 12")).toBe("dust_query_block: block 12 found in badblocklist");
    expect(await tell("removebadblock 12")).toBeNull();
    expect(await tell("queryblock 12")).toBe(
      "dust_query_block: block 12 not found in badblocklist",
    );
    expect(await tell("clearbadblocks")).toBe("dust_clear_badblocks: badblocks cleared");
    expect(await tell("countbadblocks")).toBe("countbadblocks: 0 badblock(s) found");
    expect(world.log).toEqual([]);
  });

  test.each([
    ["explode", 'word 1 ("explode") is wrong: the message is one of addbadblock'],
    ["addbadblock", "the block is missing"],
    ["addbadblock x", 'word 2 ("x") is wrong'],
    ["addbadblock 21", 'word 2 ("21") is wrong: the block is a number from 0 to 20'],
    ["addbadblock 1", "the block is in the list already"],
    ["addbadblock 2 256", 'word 3 ("256") is wrong'],
    ["addbadblock 2 1 1", 'word 4 ("1") is wrong: nothing more'],
    ["removebadblock 2", "the block is not in the list"],
    ["removebadblock 1 1", "nothing more"],
    ["queryblock", "the block is missing"],
    ["queryblock 1 1", "nothing more"],
    ["enable 1", "nothing more"],
    ["countbadblocks now", "nothing more"],
  ])("the message %j is refused and changes nothing", async (text, message) => {
    const { tell } = await dust();
    await tell("addbadblock 1");
    await expect(tell(text)).rejects.toThrow(message);
    expect(await tell("listbadblocks")).toBe("1\n");
  });

  test.each([
    ["", "the device is missing"],
    ["./a", "the offset in sectors is missing"],
    ["./a 0", "the block size in bytes is missing"],
    ["./a 9 512", "./a has 40 sectors, and 41 are needed"],
    ["./a x 512", 'word 2 ("x") is wrong'],
    ["./a 0 256", 'word 3 ("256") is wrong: the block size in bytes is a number from 512 to 16384'],
    ["./a 0 1536", 'word 3 ("1536") is wrong: the block size is a power of two'],
    ["./a 0 32768", 'word 3 ("32768") is wrong'],
    ["./a 0 512 0", 'word 4 ("0") is wrong: nothing more was expected'],
    ["./no 0 512", "./no: no such disk"],
  ])("%j is refused", async (words, message) => {
    const world = new DmWorld({ a: 40 });
    expect(await world.refusal(`0 32 dust ${words}`)).toContain(message);
    expect(world.open).toEqual([]);
  });
});
