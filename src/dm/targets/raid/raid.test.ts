import { describe, expect, test } from "vitest";
import { DmCutWorld } from "../../../../test/support/dm-cut-world.ts";
import { Prng } from "../../../base/prng.ts";
import { flush, readSectors, writeSectors } from "../../../block/promises.ts";
import { decodeDmRaid, dmRaidSuper } from "../../../formats/dm-raid.ts";
import type { DmRaidSuper } from "../../../formats/dm-raid.ts";
import type { MappedDevice } from "../../mapped-device.ts";

const META = 64;
const DATA = 2048;
const SEED = 3;

/** Metadata device n is disk 2n, data device n disk 2n + 1. */
function world(count: number): DmCutWorld {
  return DmCutWorld.empty(
    new Prng(SEED),
    Array.from({ length: count * 2 }, (_unused, disk) => (disk % 2 === 0 ? META : DATA)),
  );
}

function devices(count: number, missing: readonly number[] = []): string {
  const words = Array.from({ length: count }, (_unused, index) =>
    missing.includes(index) ? "- -" : `./${index * 2} ./${index * 2 + 1}`,
  );
  return `${count} ${words.join(" ")}`;
}

function pattern(sectors: number, seed: number): Uint8Array {
  const data = new Uint8Array(sectors * 512);
  const view = new DataView(data.buffer);
  for (let sector = 0; sector < sectors; sector += 1)
    for (let at = 0; at < 512; at += 4) view.setUint32(sector * 512 + at, seed * 65_536 + sector);
  return data;
}

async function idle(at: DmCutWorld, device: MappedDevice): Promise<string> {
  return at.untilStatus(device, /(\d+)\/\1 idle/);
}

async function superblock(at: DmCutWorld, index: number): Promise<DmRaidSuper> {
  const found = decodeDmRaid(await at.until(readSectors(at.disk(index * 2), 0, 1)));
  if (found.kind !== "ok") throw new Error(`device ${index} has no superblock`);
  return found.superblock;
}

async function remove(at: DmCutWorld, device: MappedDevice): Promise<void> {
  await at.until(at.mapped.remove(device, { deferred: false }));
}

async function same(at: DmCutWorld, device: MappedDevice, wanted: Uint8Array): Promise<void> {
  const use = at.open(device);
  const read = await at.until(readSectors(use, 0, wanted.length / 512));
  expect(Buffer.compare(read, wanted)).toBe(0);
  await at.until(use.close());
}

interface Kind {
  readonly words: string;
  readonly devices: number;
  readonly sectors: number;
  readonly status?: string;
  readonly maySpare: readonly number[];
}

const KINDS: readonly Kind[] = [
  { words: "raid1 3 0 region_size 64", devices: 3, sectors: 2048, maySpare: [0, 2] },
  { words: "raid4 1 8", devices: 3, sectors: 4096, maySpare: [1] },
  ...["raid5_n", "raid5_ls", "raid5_rs", "raid5_la", "raid5_ra"].map((type, index) => ({
    words: `${type} 3 16 region_size 64`,
    devices: 4,
    sectors: 3 * DATA,
    maySpare: [index % 4],
  })),
  ...["zr", "nr", "nc", "n_6", "ls_6", "rs_6", "la_6", "ra_6"].map((type, index) => ({
    words: `raid6_${type} 1 8`,
    devices: 5,
    sectors: 3 * DATA,
    maySpare: [index % 5, (index + 2) % 5],
  })),
  { words: "raid10 1 16", devices: 4, sectors: 2 * DATA, maySpare: [0, 3] },
  ...["far", "offset"].map((format) => ({
    words: `raid10 5 16 raid10_copies 2 raid10_format ${format}`,
    devices: 4,
    sectors: 2 * DATA,
    status: `raid10_${format}`,
    maySpare: [1],
  })),
];

describe("a raid set", () => {
  test.for(KINDS)(
    "$words is made, written, read without devices, and filled again",
    async (kind) => {
      const at = world(kind.devices);
      const table = (missing: readonly number[] = []): string =>
        `0 ${kind.sectors} raid ${kind.words} ${devices(kind.devices, missing)}`;
      const device = await at.make("v", table());
      const name = kind.status ?? kind.words.split(" ")[0]!;
      expect(await at.status(device)).toMatch(
        new RegExp(`^0 \\d+ raid ${name} ${kind.devices} a+ \\d+/\\d+ resync 0 0 -$`),
      );
      expect(device.live!.table()).toEqual([table()]);
      expect(await idle(at, device)).toContain(` ${"A".repeat(kind.devices)} `);
      const use = at.open(device);
      const first = pattern(kind.sectors, 1);
      await at.until(writeSectors(use, 0, first));
      await at.until(use.close());
      await remove(at, device);
      const [one, ...more] = kind.maySpare;
      const without = await at.make("v", table(kind.maySpare));
      const status = await at.status(without);
      for (const index of [one!, ...more]) expect(status.split(" ")[5]![index]).toBe("-");
      await same(at, without, first);
      const second = pattern(8, 2);
      const writer = at.open(without);
      await at.until(writeSectors(writer, 100, second));
      await at.until(writer.close());
      first.set(second, 100 * 512);
      await remove(at, without);
      // They are back, with what they had.
      const again = await at.make("v", table());
      expect(await at.status(again)).toContain(" recover ");
      await idle(at, again);
      await at.pass(1000);
      await remove(at, again);
      const others = Array.from({ length: kind.devices }, (_unused, index) => index).filter(
        (index) => !kind.maySpare.includes(index),
      );
      const last = await at.make(
        "v",
        table(kind.words.startsWith("raid1 ") ? others : [others[0]!]),
      );
      await same(at, last, first);
    },
  );

  test("raid0 has nothing to sync", async () => {
    const at = world(2);
    const device = await at.make("v", `0 4096 raid raid0 1 16 ${devices(2)}`);
    expect(await at.status(device)).toBe("0 4096 raid raid0 2 AA 2048/2048 idle 0 0 -");
    const use = at.open(device);
    await at.until(writeSectors(use, 0, pattern(4096, 1)));
    await at.until(use.close());
    await same(at, device, pattern(4096, 1));
    await expect(at.mapped.message(device, 0, ["check"])).rejects.toThrow("nothing to sync");
  });

  test("without metadata devices keeps nothing", async () => {
    const at = world(2);
    const device = await at.make("v", "0 2048 raid raid1 2 0 nosync 2 - ./1 - ./3");
    expect(await idle(at, device)).toBe("0 2048 raid raid1 2 AA 2048/2048 idle 0 0 -");
    const use = at.open(device);
    await at.until(writeSectors(use, 5, pattern(1, 1)));
    await at.until(use.close());
    await remove(at, device);
    for (const disk of [1, 3])
      expect(Buffer.compare(await at.until(readSectors(at.disk(disk), 5, 1)), pattern(1, 1))).toBe(
        0,
      );
  });

  test("writes superblocks as kernels do", async () => {
    const at = world(3);
    const device = await at.make("v", `0 4096 raid raid5_ls 3 8 region_size 128 ${devices(3)}`);
    await idle(at, device);
    await remove(at, device);
    expect(await superblock(at, 1)).toMatchObject({
      compatFeatures: 1,
      numDevices: 3,
      arrayPosition: 1,
      failedDevices: 0n,
      diskRecoveryOffset: 0xffff_ffff_ffff_ffffn,
      arrayResyncOffset: 0xffff_ffff_ffff_ffffn,
      level: 5,
      layout: 2,
      stripeSectors: 8,
      reshapePosition: 0xffff_ffff_ffff_ffffn,
      newLevel: 5,
      arraySectors: 4096n,
      sectors: 2048n,
    });
    const bits = await at.until(readSectors(at.disk(2), 8, 1));
    expect(Buffer.from(bits.subarray(0, 4)).toString()).toBe("bitm");
    expect([...bits.subarray(256, 258)]).toEqual([0, 0]);
  });

  test("notes a device that fails, and takes it back when it is resumed", async () => {
    const at = world(3);
    const device = await at.make("v", `0 4096 raid raid5_ls 3 8 region_size 128 ${devices(3)}`);
    await idle(at, device);
    const use = at.open(device);
    const { eventNr } = device;
    at.disk(3).isGone = true;
    await at.until(writeSectors(use, 0, pattern(4096, 4)));
    expect(device.eventNr).toBeGreaterThan(eventNr);
    expect(await at.status(device)).toContain(" ADA ");
    expect((await superblock(at, 0)).failedDevices).toBe(2n);
    at.disk(3).isGone = false;
    await at.until(at.mapped.suspend(device, "flush", true));
    await at.until(at.mapped.resume(device));
    expect(await at.status(device)).toContain(" AaA ");
    await idle(at, device);
    expect((await superblock(at, 0)).failedDevices).toBe(0n);
    at.disk(1).isGone = true;
    await same(at, device, pattern(4096, 4));
  });

  test("does not believe a device that was left behind", async () => {
    const at = world(2);
    const raid1 = (missing: readonly number[]): string =>
      `0 2048 raid raid1 3 0 region_size 128 ${devices(2, missing)}`;
    const device = await at.make("v", raid1([]));
    await idle(at, device);
    await remove(at, device);
    const old = await at.until(readSectors(at.disk(0), 0, META));
    const alone = await at.make("v", raid1([0]));
    const use = at.open(alone);
    await at.until(writeSectors(use, 0, pattern(2048, 5)));
    await at.until(use.close());
    await remove(at, alone);
    await at.until(writeSectors(at.disk(0), 0, old));
    // Nor if nobody says that it had failed.
    const other = await at.until(readSectors(at.disk(2), 0, 1));
    dmRaidSuper.encodeInto(other, 0, { failedDevices: 0n });
    await at.until(writeSectors(at.disk(2), 0, other));
    const again = await at.make("v", raid1([]));
    expect(await at.status(again)).toContain(" aA ");
    await same(at, again, pattern(2048, 5));
    await idle(at, again);
    expect(Buffer.compare(await at.until(readSectors(at.disk(1), 0, 2048)), pattern(2048, 5))).toBe(
      0,
    );
  });

  test("fills a new device that is to be rebuilt, and no other", async () => {
    const at = world(3);
    const words = (rebuild: string): string =>
      `0 4096 raid raid5_ls ${rebuild === "" ? "3" : "5"} 8${rebuild} region_size 128 ${devices(3)}`;
    const device = await at.make("v", words(""));
    await idle(at, device);
    const use = at.open(device);
    await at.until(writeSectors(use, 0, pattern(4096, 6)));
    await at.until(use.close());
    await remove(at, device);
    for (const [disk, sectors] of [
      [4, META],
      [5, DATA],
    ] as const)
      await at.until(writeSectors(at.disk(disk), 0, new Uint8Array(sectors * 512)));
    await expect(at.make("w", words(""))).rejects.toThrow(
      "./4 has no superblock, and the set has: it is new there. Say rebuild 2.",
    );
    const again = await at.make("v", words(" rebuild 2"));
    expect(again.live!.table()).toEqual([words(" rebuild 2")]);
    expect(await at.status(again)).toContain(" AAa ");
    await idle(at, again);
    // The words count once.
    await at.until(at.mapped.suspend(again, "flush", true));
    await at.until(at.mapped.resume(again));
    expect(await at.status(again)).toContain(" AAA 2048/2048 idle ");
    at.disk(1).isGone = true;
    await same(at, again, pattern(4096, 6));
  });

  test("checks and repairs when it is told to, and stands still when frozen", async () => {
    const at = world(2);
    const device = await at.make("v", `0 2048 raid raid1 3 0 region_size 128 ${devices(2)}`);
    await at.until(at.mapped.message(device, 0, ["frozen"]));
    await at.pass(100_000);
    expect(await at.status(device)).toMatch(/ frozen 0 0 -$/);
    await at.until(at.mapped.message(device, 0, ["idle"]));
    await idle(at, device);
    await at.until(writeSectors(at.disk(3), 8, pattern(8, 9)));
    await at.until(at.mapped.message(device, 0, ["check"]));
    const status = await at.untilStatus(device, /idle [1-9]/);
    expect(Number(status.split(" ")[8])).toBeGreaterThanOrEqual(8);
    await at.until(at.mapped.message(device, 0, ["repair"]));
    await idle(at, device);
    await at.until(at.mapped.message(device, 0, ["check"]));
    await at.untilStatus(device, "idle 0");
    expect(await at.until(readSectors(at.disk(3), 8, 8))).toEqual(new Uint8Array(8 * 512));
    await expect(at.mapped.message(device, 0, ["grow"])).rejects.toThrow(
      'raid: "grow" is no message; there are idle, frozen, resync, recover, check, repair.',
    );
  });

  test("shows its words in the kernel's order, and says which is wrong", async () => {
    const at = world(2);
    const words =
      "raid1 12 0 region_size 256 write_mostly 1 MAX_WRITE_BEHIND 64 nosync max_recovery_rate 500 min_recovery_rate 100";
    const device = await at.make("v", `0 2048 raid ${words} ${devices(2)}`);
    expect(device.live!.table()).toEqual([
      `0 2048 raid raid1 12 0 nosync min_recovery_rate 100 max_recovery_rate 500 write_mostly 1 max_write_behind 64 region_size 256 ${devices(2)}`,
    ]);
    expect(await at.status(device)).toContain(" AA 2048/2048 idle ");
    const wrong: readonly [string, string][] = [
      ["raid7 1 8", 'word 1 ("raid7") is wrong: the raid type is one of raid0'],
      ["raid5_ls 1 7", 'word 3 ("7") is wrong: the chunk size is a power of two from 8 on'],
      ["raid5_ls 3 8 delta_disks 1", "a set that is reshaped to another number of devices"],
      ["raid5_ls 3 8 journal_mode writeback", "journal_dev is to be said before it"],
      ["raid1 3 0 journal_dev ./4", "it is only for raid4, raid5 and raid6"],
      ["raid5_ls 5 8 journal_dev ./4 journal_dev ./5", "it is said once"],
      ["raid5_ls 5 8 journal_dev ./4 journal_mode fast", "one of writethrough, writeback"],
      ["raid0 3 8 region_size 8", "it is not for raid0"],
      ["raid0 2 8 sync", "it is not for raid0"],
      ["raid10 2 8 raid10_use_near_sets", "is not for the format near"],
      ["raid5_ls 2 8 raid10_use_near_sets", "it is only for raid10"],
      ["raid1 5 0 rebuild 1 rebuild 1", "it is said once of a device"],
      ["raid5_ls 3 8 data_offset 8192", "moved to another offset is not served"],
      ["raid5_ls 3 8 write_mostly 1", "it is only for raid1"],
      ["raid5_ls 3 8 raid10_copies 2", "it is not for raid5_ls"],
      ["raid1 3 0 region_size 3", "the region size is a power of two"],
      ["raid1 2 0 quick", 'word 4 ("quick") is wrong: no such parameter is known'],
      ["raid1 4 0 sync rebuild 0", "rebuild and sync or nosync exclude each other"],
      ["raid1 5 0 write_mostly 0 write_mostly 1", "write_mostly cannot be said of all devices"],
    ];
    for (const [index, [bad, message]] of wrong.entries())
      await expect(at.make(`w${index}`, `0 2048 raid ${bad} ${devices(2)}`)).rejects.toThrow(
        message,
      );
    await expect(at.make("x", `0 2048 raid raid5_ls 1 8 1 ./0 ./1`)).rejects.toThrow(
      "the number of devices is a number from 2",
    );
    await expect(at.make("y", `0 4096 raid raid1 1 0 2 ./0 ./1 ./2 ./3`)).rejects.toThrow(
      "raid: ./1 has 2048 sectors, and 4096 are needed",
    );
  });

  test("says what another set's superblocks are", async () => {
    const at = world(3);
    const device = await at.make("v", `0 4096 raid raid5_ls 1 8 ${devices(3)}`);
    await idle(at, device);
    await remove(at, device);
    const refused: readonly [string, string][] = [
      [
        `0 4096 raid raid5_la 1 8 ${devices(3)}`,
        "the set is raid5_ls in chunks of 8 sectors, and the table asks for raid5_la in chunks of 8 sectors: a reshape is not served",
      ],
      [
        `0 4096 raid raid6_zr 1 8 4 ./0 ./1 ./2 ./3 ./4 ./5 - -`,
        "the set has 3 devices and not 4; a reshape is not served",
      ],
      ["0 2048 raid raid5_ls 1 8 2 ./0 ./1 ./2 ./3", "the set has 3 devices and not 2"],
      ["0 4096 raid raid5_ls 1 8 3 ./2 ./3 ./0 ./1 ./4 ./5", "it is device 1 of its set and not 0"],
      [
        `0 4096 raid raid5_ls 1 8 3 ./0 ./1 - - - -`,
        "Too many devices are missing or not in sync (1, 2)",
      ],
    ];
    for (const [index, [table, message]] of refused.entries())
      await expect(at.make(`w${index}`, table)).rejects.toThrow(message);
  });

  test("asks for no other level", async () => {
    const at = world(2);
    const device = await at.make("v", `0 2048 raid raid1 3 0 region_size 64 ${devices(2)}`);
    await idle(at, device);
    await remove(at, device);
    await expect(at.make("w", `0 2048 raid raid5_n 1 8 ${devices(2)}`)).rejects.toThrow(
      "The superblock on ./0: the set is raid1, and the table asks for raid5_n in chunks of 8 sectors: a takeover like a reshape is not served.",
    );
  });

  test("is frozen while it is suspended, and takes no message then", async () => {
    const at = world(2);
    const device = await at.make("v", `0 2048 raid raid1 3 0 region_size 64 ${devices(2)}`);
    await expect(at.mapped.message(device, 0, ["check"])).rejects.toThrow(
      "v is busy with resync: stop that first",
    );
    await idle(at, device);
    await at.until(at.mapped.suspend(device, "flush", true));
    expect(await at.status(device)).toBe("0 2048 raid raid1 2 AA 0/2048 frozen 0 0 -");
    await expect(at.mapped.message(device, 0, ["check"])).rejects.toThrow("v is suspended");
    await at.until(at.mapped.resume(device));
    await at.until(at.mapped.message(device, 0, ["frozen"]));
    expect(await at.status(device)).toBe("0 2048 raid raid1 2 AA 0/2048 frozen 0 0 -");
    await at.until(at.mapped.message(device, 0, ["CHECK"]));
    expect(await at.status(device)).toContain(" check ");
    await expect(at.mapped.message(device, 0, ["repair"])).rejects.toThrow("v is busy with check");
  });

  test("syncs after a power cut what was being written", async () => {
    const at = world(2);
    const table = `0 2048 raid raid1 3 0 region_size 64 ${devices(2)}`;
    const device = await at.make("v", table);
    await idle(at, device);
    await at.pass(30_000);
    const use = at.open(device);
    const ends = [0, 200, 900, 1800].map((sector) =>
      writeSectors(use, sector, pattern(8, sector)).catch(() => {}),
    );
    await at.until(ends[0]!);
    await at.until(flush(use));
    for (let sector = 0; sector < 2000; sector += 100)
      writeSectors(use, sector, pattern(8, 7)).catch(() => {});
    await at.steps(30);
    const later = at.cut();
    const again = await later.make("v", table);
    expect(await later.status(again)).toContain(" aa ");
    await idle(later, again);
    const legs = await Promise.all(
      [1, 3].map((disk) => later.until(readSectors(later.disk(disk), 0, 2048))),
    );
    expect(Buffer.compare(legs[0]!, legs[1]!)).toBe(0);
  });

  test("makes a set again that was cut while it was made", async () => {
    for (let steps = 1; steps < 14; steps += 1) {
      const at = world(2);
      const table = `0 2048 raid raid1 3 0 region_size 64 ${devices(2)}`;
      const device = at.mapped.create({ name: "v", uuid: "", minor: null });
      at.swap(device, table).catch(() => {});
      await at.steps(steps);
      const later = at.cut();
      expect(await idle(later, await later.make("v", table))).toContain(" AA ");
    }
  });
});
