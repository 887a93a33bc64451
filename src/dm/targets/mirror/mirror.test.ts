import { describe, expect, test } from "vitest";
import { DmCutWorld } from "../../../../test/support/dm-cut-world.ts";
import { Prng } from "../../../base/prng.ts";
import { flush, readSectors, writeSectors } from "../../../block/promises.ts";
import { dmLogHeader } from "../../../formats/dm-log.ts";
import type { MappedDevice } from "../../mapped-device.ts";

const SECTORS = 4096;
const LOG_SECTORS = 16;
const SEED = 7;

/** Disks 0, 1, ... are legs, the last one is the log. */
function world(legs: number): DmCutWorld {
  const sizes = [...Array.from({ length: legs }, () => SECTORS + 8), LOG_SECTORS];
  return DmCutWorld.empty(new Prng(SEED), sizes);
}

function table(legs: number, more = "", sync = ""): string {
  const words = Array.from({ length: legs }, (_unused, leg) => `./${leg} 8`);
  const log = sync === "" ? `disk 2 ./${legs} 128` : `disk 3 ./${legs} 128 ${sync}`;
  return `0 ${SECTORS} mirror ${log} ${legs} ${words.join(" ")}${more}`;
}

function filled(sectors: number, byte: number): Uint8Array {
  return new Uint8Array(sectors * 512).fill(byte);
}

async function synced(at: DmCutWorld, device: MappedDevice): Promise<void> {
  await at.untilStatus(device, `${SECTORS / 128}/${SECTORS / 128}`);
  // The log forgets last who had been lost.
  await at.pass(1);
}

async function firstByte(at: DmCutWorld, disk: number, sector: number): Promise<number> {
  return (await at.until(readSectors(at.disk(disk), sector + 8, 1)))[0]!;
}

async function header(
  at: DmCutWorld,
  disk: number,
): Promise<ReturnType<typeof dmLogHeader.decode>> {
  return dmLogHeader.decode(await at.until(readSectors(at.disk(disk), 0, 1)));
}

async function logBits(at: DmCutWorld, disk: number): Promise<Uint8Array> {
  return (await at.until(readSectors(at.disk(disk), 2, 1))).subarray(0, SECTORS / 128 / 8);
}

describe("a mirror", () => {
  test("that is new is synced from leg 0, with a log as kernels write it", async () => {
    const at = world(3);
    await at.until(writeSectors(at.disk(0), 8, filled(SECTORS, 5)));
    const device = await at.make("v", table(3));
    expect(await at.status(device)).toBe(
      `0 ${SECTORS} mirror 3 ./0 ./1 ./2 0/32 1 AAA 3 disk ./3 A`,
    );
    const { eventNr } = device;
    await synced(at, device);
    expect(device.eventNr).toBeGreaterThan(eventNr);
    expect([await firstByte(at, 1, 0), await firstByte(at, 2, SECTORS - 1)]).toEqual([5, 5]);
    expect(device.live!.table()).toEqual([table(3)]);
    await at.until(at.mapped.remove(device, { deferred: false }));
    expect(await header(at, 3)).toMatchObject({ magic: 0x4d695272, version: 2, regions: 32 });
    expect(await header(at, 3)).toMatchObject({ defaultMirror: 0, mirrorsInUse: 0 });
    expect([...(await logBits(at, 3))]).toEqual([255, 255, 255, 255]);
  });

  test("marks regions before they are written, and cleans them when all legs were flushed", async () => {
    const at = world(2);
    const device = await at.make("v", table(2));
    await synced(at, device);
    await at.until(at.mapped.suspend(device, "flush", true));
    await at.until(at.mapped.resume(device));
    expect([...(await logBits(at, 2))]).toEqual([255, 255, 255, 255]);
    const use = at.open(device);
    await at.until(writeSectors(use, 127, filled(2, 9)));
    expect([...(await logBits(at, 2))]).toEqual([0b1111_1100, 255, 255, 255]);
    await at.pass(20_000);
    expect([...(await logBits(at, 2))]).toEqual([255, 255, 255, 255]);
  });

  test("stays dirty where a user may have changed what it wrote, until it has written that down", async () => {
    const at = world(2);
    const device = await at.make("v", table(2));
    await synced(at, device);
    let asked = 0;
    let isSynced = (): void => {};
    const sync = (): Promise<void> => {
      asked += 1;
      return new Promise((resolve) => (isSynced = resolve));
    };
    const use = at.open(device, { readOnly: false, sync });
    await at.until(writeSectors(use, 0, filled(1, 9)));
    await at.pass(60_000);
    expect([asked, (await logBits(at, 2))[0]! & 1]).toEqual([1, 0]);
    isSynced();
    await at.pass(60_000);
    expect((await logBits(at, 2))[0]! & 1).toBe(1);
  });

  test("goes on without a leg, and records the new default mirror before the write ends", async () => {
    const at = world(2);
    const device = await at.make("v", table(2, " 2 handle_errors keep_log"));
    await synced(at, device);
    const use = at.open(device);
    await at.until(writeSectors(use, 256, filled(1, 1)));
    at.disk(0).isGone = true;
    const written = writeSectors(use, 256, filled(1, 2));
    await at.until(written);
    const later = at.cut();
    expect(await header(later, 2)).toMatchObject({
      defaultMirror: 1,
      mirrorsInUse: 1,
      failedMirrors: 1,
    });
    // The leg is back, with what it held: nobody is to see that.
    expect(await firstByte(later, 0, 256)).not.toBe(2);
    const again = await later.make("v", table(2, " 2 handle_errors keep_log"));
    const reader = later.open(again);
    for (let turn = 0; turn < 300; turn += 1)
      expect((await later.until(readSectors(reader, 256, 1)))[0]).not.toBe(1);
    await synced(later, again);
    expect(await firstByte(later, 0, 256)).toBe(await firstByte(later, 1, 256));
    expect(await header(later, 2)).toMatchObject({ defaultMirror: 0, mirrorsInUse: 0 });
  });

  test("status tells what a leg lacks", async () => {
    const at = world(3);
    const device = await at.make("v", table(3, " 2 handle_errors keep_log"));
    await synced(at, device);
    await at.pass(20_000);
    const use = at.open(device);
    at.disk(2).isGone = true;
    const { eventNr } = device;
    await at.until(writeSectors(use, 0, filled(1, 1)));
    expect(device.eventNr).toBeGreaterThan(eventNr);
    expect(await at.status(device)).toContain(" 31/32 1 AAD 3 disk ./3 A");
    expect(await header(at, 3)).toMatchObject({
      defaultMirror: 0,
      mirrorsInUse: 2,
      failedMirrors: 4,
    });
    await at.pass(60_000);
    expect([...(await logBits(at, 3))]).toEqual([0b1111_1110, 255, 255, 255]);
  });

  test("with handle_errors holds the write until somebody loads a table without the leg", async () => {
    const at = world(3);
    const device = await at.make("v", table(3, " 1 handle_errors"));
    await synced(at, device);
    const use = at.open(device);
    at.disk(0).isGone = true;
    const ends: string[] = [];
    const held = writeSectors(use, 8, filled(1, 3)).then(() => ends.push("first"));
    await at.untilStatus(device, " DAA ");
    await at.pass(100_000);
    const second = writeSectors(use, 16, filled(1, 4)).then(() => ends.push("second"));
    await at.pass(100_000);
    expect(ends).toEqual([]);
    expect((await at.until(readSectors(use, 8, 1)))[0]).toBe(3);
    await at.until(at.mapped.suspend(device, "noflush", false));
    const without = `0 ${SECTORS} mirror disk 2 ./3 128 2 ./1 8 ./2 8 1 handle_errors`;
    await at.swap(device, without);
    await at.until(Promise.all([held, second]));
    expect(ends.sort()).toEqual(["first", "second"]);
    expect([await firstByte(at, 1, 8), await firstByte(at, 2, 16)]).toEqual([3, 4]);
  });

  test("fails held writes when the device is suspended with flush", async () => {
    const at = world(2);
    const device = await at.make("v", table(2, " 1 handle_errors"));
    await synced(at, device);
    const use = at.open(device);
    at.disk(1).isGone = true;
    const held = writeSectors(use, 8, filled(1, 3)).catch((error: Error) => error.message);
    await at.untilStatus(device, " AD ");
    await at.until(at.mapped.suspend(device, "flush", true));
    expect(await held).toBe("v: the write was held, for a mirror has failed.");
  });

  test("with a core log fails what cannot be recorded", async () => {
    const at = world(2);
    const core = `0 ${SECTORS} mirror core 1 128 2 ./0 8 ./1 8`;
    const device = await at.make("v", core);
    await synced(at, device);
    const use = at.open(device);
    at.disk(0).isGone = true;
    await expect(at.until(writeSectors(use, 0, filled(1, 1)))).rejects.toThrow(
      "v: a core log cannot record which mirror has everything",
    );
    await expect(at.until(writeSectors(use, 0, filled(1, 1)))).rejects.toThrow("core log");
    expect(await at.until(readSectors(use, 0, 1))).toHaveLength(512);
    expect(await at.status(device)).toMatch(/ 1 DA 1 core$/);
  });

  test("with a core log goes on without a leg that is not the default mirror", async () => {
    const at = world(2);
    const device = await at.make("v", `0 ${SECTORS} mirror core 2 128 nosync 2 ./0 8 ./1 8`);
    const use = at.open(device);
    at.disk(1).isGone = true;
    // Whoever says nosync next time would take it for good.
    await expect(at.until(writeSectors(use, 0, filled(1, 1)))).rejects.toThrow("core log");
    const other = world(2);
    const safe = await other.make("v", `0 ${SECTORS} mirror core 1 128 2 ./0 8 ./1 8`);
    await synced(other, safe);
    const safeUse = other.open(safe);
    other.disk(1).isGone = true;
    await other.until(writeSectors(safeUse, 0, filled(1, 1)));
    expect(await other.status(safe)).toMatch(/ 1 AD 1 core$/);
  });

  test("writes nothing that it cannot mark", async () => {
    const at = world(2);
    const device = await at.make("v", table(2));
    await synced(at, device);
    await at.pass(20_000);
    const use = at.open(device);
    at.disk(2).isGone = true;
    await expect(at.until(writeSectors(use, 0, filled(1, 1)))).rejects.toThrow(
      "v: the log device ./2: disk2 is gone",
    );
    expect(await firstByte(at, 0, 0)).toBe(0);
    expect(await at.status(device)).toMatch(/ AA 3 disk .\/2 D$/);
  });

  test("with block_on_error holds what it cannot mark", async () => {
    const at = world(2);
    const words = `0 ${SECTORS} mirror disk 3 ./2 128 block_on_error 2 ./0 8 ./1 8`;
    const device = await at.make("v", words);
    expect(device.live!.table()).toEqual([words]);
    await synced(at, device);
    await at.pass(20_000);
    const use = at.open(device);
    at.disk(2).isGone = true;
    const held = writeSectors(use, 0, filled(1, 1));
    await at.pass(100_000);
    await at.until(at.mapped.suspend(device, "noflush", false));
    at.disk(2).isGone = false;
    await at.swap(device, words);
    await at.until(held);
    expect([await firstByte(at, 0, 0), await firstByte(at, 1, 0)]).toEqual([1, 1]);
  });

  test("flushes all legs, and loses one that cannot", async () => {
    const at = world(2);
    const device = await at.make("v", table(2));
    await synced(at, device);
    const use = at.open(device);
    at.disk(1).isGone = true;
    await at.until(flush(use));
    expect(await at.status(device)).toContain(" AF ");
    expect(await header(at, 2)).toMatchObject({ mirrorsInUse: 1, failedMirrors: 2 });
  });

  test("reads a run from one leg, then from the next, and elsewhere what one cannot read", async () => {
    const at = world(2);
    const device = await at.make("v", table(2));
    await synced(at, device);
    const use = at.open(device);
    const bytes = [0, 1].map((leg) => filled(1, 10 + leg));
    for (const leg of [0, 1]) await at.until(writeSectors(at.disk(leg), 8, bytes[leg]!));
    const seen: number[] = [];
    for (let turn = 0; turn < 300; turn += 1)
      seen.push((await at.until(readSectors(use, 0, 1)))[0]!);
    const turns = seen.filter((byte, index) => byte !== seen[index - 1]).length;
    expect([turns, new Set(seen).size]).toEqual([3, 2]);
    at.disk(0).badReads.add(8);
    for (let turn = 0; turn < 200; turn += 1)
      expect((await at.until(readSectors(use, 0, 1)))[0]).toBe(11);
    expect(await at.status(device)).toContain(" RA ");
    // It is written as before.
    await at.until(writeSectors(use, 0, filled(1, 12)));
    expect(await firstByte(at, 0, 0)).toBe(12);
  });

  test("reads the default mirror alone where legs may differ", async () => {
    const at = world(2);
    await at.until(writeSectors(at.disk(0), 8, filled(SECTORS, 5)));
    await at.until(writeSectors(at.disk(1), 8, filled(SECTORS, 6)));
    const device = await at.make("v", table(2));
    const use = at.open(device);
    for (let turn = 0; turn < 200; turn += 1) {
      const sector = (turn * 977) % SECTORS;
      expect((await at.until(readSectors(use, sector, 1)))[0]).toBe(5);
    }
    at.disk(0).isGone = true;
    const last = SECTORS - 1;
    if (!(await at.status(device)).includes("32/32"))
      await expect(at.until(readSectors(use, last, 1))).rejects.toThrow("disk0 is gone");
  });

  test("suspends in the middle of recovery and goes on with it", async () => {
    const at = world(2);
    await at.until(writeSectors(at.disk(0), 8, filled(SECTORS, 5)));
    const device = await at.make("v", table(2));
    await at.steps(20);
    await at.until(at.mapped.suspend(device, "flush", true));
    const status = await at.status(device);
    expect(status).not.toContain("32/32");
    await at.pass(100_000);
    expect(await at.status(device)).toBe(status);
    await at.until(at.mapped.resume(device));
    await synced(at, device);
    expect(await firstByte(at, 1, SECTORS - 1)).toBe(5);
  });

  test("takes what the log says: sync, nosync, a log of another size, one of another version", async () => {
    const at = world(2);
    const device = await at.make("v", table(2, "", "nosync"));
    expect(await at.status(device)).toContain(" 32/32 ");
    await at.until(at.mapped.remove(device, { deferred: false }));
    const again = await at.make("v", table(2));
    expect(await at.status(again)).toContain(" 32/32 ");
    await at.until(at.mapped.remove(again, { deferred: false }));
    const grown = await at.make("v", `0 ${SECTORS + 8} mirror disk 2 ./2 128 2 ./0 0 ./1 0`);
    expect(await at.status(grown)).toContain(" 32/33 ");
    await at.until(at.mapped.remove(grown, { deferred: false }));
    const forced = await at.make("v", table(2, "", "sync"));
    expect(await at.status(forced)).toContain(" 0/32 ");
    await at.until(at.mapped.remove(forced, { deferred: false }));
    const sector = await at.until(readSectors(at.disk(2), 0, 1));
    sector[4] = 3;
    await at.until(writeSectors(at.disk(2), 0, sector));
    await expect(at.make("v", table(2))).rejects.toThrow(
      "The log device ./2 has a dirty log that cannot be used: its version is 3, and 2 is known.",
    );
  });

  test("says which word of a table is wrong", async () => {
    const at = world(2);
    const wrong: readonly [string, string][] = [
      ["userspace 1 x", `word 1 ("userspace") is wrong: the type of the log is one of core, disk`],
      ["core 1 127 2 ./0 0 ./1 0", `word 3 ("127") is wrong: the region size is a power of two`],
      ["core 1 1 2 ./0 0 ./1 0", `word 3 ("1") is wrong: the region size in sectors is a number`],
      ["core 2 128 maybe 2 ./0 0 ./1 0", `word 4 ("maybe") is wrong`],
      [
        "core 1 128 1 ./0 0",
        `word 4 ("1") is wrong: the number of mirrors is a number from 2 to 9`,
      ],
      ["core 1 128 2 ./0 0 ./1", "the offset of mirror 1 in sectors is missing"],
      ["core 1 128 2 ./0 0 ./1 0 1 keep_log", "keep_log is only for a mirror with handle_errors"],
      ["core 1 128 2 ./0 0 ./1 0 1 fast", `word 10 ("fast") is wrong: a feature is one of`],
      ["core 1 128 2 ./0 0 ./1 9", "./1 has 4104 sectors, and 4105 are needed"],
      ["core 1 128 2 ./0 0 ./7 0", "./7: no such disk"],
    ];
    for (const [index, [words, message]] of wrong.entries())
      await expect(at.make(`v${index}`, `0 ${SECTORS} mirror ${words}`)).rejects.toThrow(message);
    const small = DmCutWorld.empty(new Prng(SEED), [SECTORS + 8, SECTORS + 8, 2]);
    await expect(small.make("w", table(2))).rejects.toThrow(
      "the log device ./2 has 2 sectors, and 3 are needed",
    );
  });
});
