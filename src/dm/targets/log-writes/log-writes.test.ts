import { describe, expect, test } from "vitest";
import { settled } from "../../../../test/support/crash-disks.ts";
import { DmWorld } from "../../../../test/support/dm-world.ts";
import { BioFlags } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { discard, flush, readSectors, writeSectors } from "../../../block/promises.ts";
import { MemoryDevice } from "../../../devices/memory.ts";
import type { MappedDevice } from "../../mapped-device.ts";
import { readWriteLog, replayWriteLog } from "./replay.ts";

const TABLE = "0 64 log-writes ./a ./log";

interface Logged {
  readonly world: DmWorld;
  readonly device: MappedDevice;
  readonly use: BlockDevice;
  readonly log: BlockDevice;
  /** One sector full of a byte. */
  write(sector: number, byte: number, flags?: number): Promise<void>;
  mark(text: string): Promise<string | null>;
  end(): Promise<void>;
  status(): Promise<string>;
}

async function logged(logSectors = 100): Promise<Logged> {
  const world = new DmWorld({ a: 64, log: logSectors });
  const { device, use } = await world.make("v", TABLE);
  return {
    world,
    device,
    use,
    log: world.disk("log"),
    write: (sector, byte, flags = 0) =>
      writeSectors(use, sector, new Uint8Array(512).fill(byte), flags),
    mark: (text) => world.all.message(device, 0, ["mark", text]),
    end: async () => {
      await use.close();
      await world.all.remove(device, { deferred: false });
    },
    status: async () => (await device.live!.status(true))[0]!,
  };
}

/** "write 3+1", "flush", "mark X", ... */
async function story(log: BlockDevice): Promise<string[]> {
  return (await readWriteLog(log)).map(({ kind, sector, sectors, isFua, mark }) => {
    const where = sectors === 0 ? "" : ` ${sector}+${sectors}`;
    return `${kind}${isFua ? " fua" : ""}${where}${mark === null ? "" : ` ${mark}`}`;
  });
}

async function firstBytes(device: BlockDevice, sectors: readonly number[]): Promise<number[]> {
  const bytes: number[] = [];
  for (const sector of sectors) bytes.push((await readSectors(device, sector, 1))[0]!);
  return bytes;
}

describe("log-writes", () => {
  test("logs what is durable when it is durable, and the rest at the end", async () => {
    const one = await logged();
    await one.write(1, 1);
    await one.write(2, 2, BioFlags.fua);
    await discard(one.use, 8, 4);
    await flush(one.use);
    await one.mark("here");
    await one.write(3, 3);
    expect(one.device.live!.table()).toEqual([TABLE]);
    expect(await one.status()).toBe("0 64 log-writes 5 7");
    await one.end();
    expect(await story(one.log)).toEqual([
      "write fua 2+1",
      "write 1+1",
      "discard 8+4",
      "flush",
      "mark here",
      "write 3+1",
      "mark dm-log-writes-end",
    ]);
  });

  test("counts a write for the flush that began after it had ended", async () => {
    const one = await logged();
    const disk = one.world.disk("a");
    disk.hold((bio) => bio.op === "write" && bio.sector === 1);
    const slow = one.write(1, 1);
    await one.write(2, 2);
    disk.hold((bio) => bio.op === "flush");
    const flushed = flush(one.use);
    disk.releaseOne(0);
    await slow;
    await one.write(3, 3);
    disk.release();
    await flushed;
    await flush(one.use);
    await one.mark("end");
    expect(await story(one.log)).toEqual([
      "write 2+1",
      "flush",
      "write 1+1",
      "write 3+1",
      "flush",
      "mark end",
    ]);
  });

  test("logs no write that failed, and what a failed flush left waits for the next", async () => {
    const one = await logged();
    const disk = one.world.disk("a");
    await one.write(1, 1);
    disk.failWrites(2, 1);
    await expect(one.write(2, 2)).rejects.toThrow("write failed");
    disk.failFlushes();
    await expect(flush(one.use)).rejects.toThrow("could not flush");
    disk.heal();
    await one.write(3, 3);
    await flush(one.use);
    await one.mark("end");
    expect(await story(one.log)).toEqual(["write 1+1", "write 3+1", "flush", "mark end"]);
  });

  test("writes the super when the entries it counts are durable", async () => {
    const one = await logged();
    const order: string[] = [];
    one.world.disk("log").hold((bio) => {
      order.push(`${bio.op} ${bio.sector}${(bio.flags & BioFlags.fua) === 0 ? "" : " fua"}`);
      return false;
    });
    await one.write(1, 1, BioFlags.fua);
    await settled();
    expect(order).toEqual(["write 1", "flush 0", "write 0 fua"]);
  });

  test("keeps copies: a buffer may be used again when its write has ended", async () => {
    const one = await logged();
    const data = new Uint8Array(512).fill(1);
    await writeSectors(one.use, 1, data);
    data.fill(2);
    await one.end();
    const copy = new MemoryDevice({ name: "copy", sectors: 64 });
    await replayWriteLog(one.log, copy, {});
    expect(await firstBytes(copy, [1])).toEqual([1]);
  });

  test("takes in nothing more when the log is full, and says so; what it has taken in is there", async () => {
    const one = await logged(8);
    for (let sector = 0; sector < 5; sector += 1) await one.write(sector, sector + 1);
    expect(await one.status()).toBe("0 64 log-writes 0 0 logging_disabled");
    expect(one.world.log).toEqual(["error: v: nothing more is logged on ./log: it is full"]);
    await expect(one.mark("lost")).rejects.toThrow("nothing more is logged");
    expect(await firstBytes(one.use, [4])).toEqual([5]);
    await flush(one.use);
    await one.end();
    expect(await firstBytes(one.log, [0, 2, 4, 6])).toEqual([0, 1, 2, 3]);
  });

  test("goes on without its log when that fails", async () => {
    const one = await logged();
    one.world.disk("log").vanish();
    await one.write(1, 1, BioFlags.fua);
    await settled();
    expect(await one.status()).toContain("logging_disabled");
    await one.write(2, 2);
    await one.end();
    expect(one.world.log).toEqual(["error: v: nothing more is logged on ./log: log is gone."]);
  });

  test("leaves the log alone that the live table keeps when an inactive one is dropped", async () => {
    const one = await logged();
    await one.write(1, 1, BioFlags.fua);
    await one.world.load(one.device, TABLE);
    await one.world.all.clear(one.device);
    expect(await story(one.log)).toEqual(["write fua 1+1"]);
  });

  test("is suspended when all that was appended is in the log", async () => {
    const one = await logged();
    const log = one.world.disk("log");
    log.hold();
    await one.write(1, 1, BioFlags.fua);
    let isSuspended = false;
    const suspended = one.world.all.suspend(one.device, "flush", true).then(() => {
      isSuspended = true;
    });
    await settled();
    expect(isSuspended).toBe(false);
    log.release();
    await suspended;
    await one.world.all.resume(one.device);
  });

  test.each([
    ["", "the device is missing"],
    ["./a", "the log device is missing behind 1 words"],
    ["./a ./no", "./no: no such disk"],
    ["./a ./a", 'word 2 ("./a") is wrong: a device does not keep the log of itself'],
    ["./log ./a", 'word 1 ("./log") is wrong: ./log has 20 sectors, and 64 are needed'],
    ["./a ./log x", 'word 3 ("x") is wrong: nothing more was expected'],
  ])("%j is refused", async (words, message) => {
    const world = new DmWorld({ a: 64, log: 20 });
    expect(await world.refusal(`0 64 log-writes ${words}`)).toContain(message);
    expect(world.open).toEqual([]);
  });

  test.each([
    [["sync"], 'word 1 ("sync") is wrong: the message is one of mark'],
    [["mark"], "the text of the mark is missing"],
    [["mark", "a", "b"], 'word 3 ("b") is wrong'],
  ])("the message %j is refused", async (words, message) => {
    const one = await logged();
    await expect(one.world.all.message(one.device, 0, words)).rejects.toThrow(message);
    expect(await one.status()).toBe("0 64 log-writes 0 0");
  });

  test("cuts the text of a mark that a sector has no room for", async () => {
    const one = await logged();
    await one.mark("x".repeat(1000));
    expect((await readWriteLog(one.log))[0]?.mark).toBe("x".repeat(479));
  });
});

describe("a replay", () => {
  async function recorded(): Promise<BlockDevice> {
    const one = await logged();
    await one.write(1, 1, BioFlags.fua);
    await one.mark("one");
    await one.write(1, 2);
    await discard(one.use, 1, 2);
    await one.write(2, 3);
    await flush(one.use);
    await one.end();
    return one.log;
  }

  test.each([
    [{ endMark: "one" }, 2, [1, 9]],
    [{ limit: 0 }, 0, [9, 9]],
    [{ limit: 3 }, 3, [2, 9]],
    [{ limit: 4 }, 4, [0, 0]],
    [{}, 7, [0, 3]],
    [{ startMark: "one", limit: 1 }, 1, [2, 9]],
    [{ startEntry: 3, limit: 1 }, 1, [0, 0]],
    [{ startEntry: 2, nextFlush: true }, 4, [0, 3]],
    [{ nextFua: true, nextFlush: true, endMark: "one" }, 1, [1, 9]],
    [{ startEntry: 7 }, 0, [9, 9]],
    [{ ignoresDiscards: true }, 7, [2, 3]],
  ])("of %j", async (options, entries, bytes) => {
    const copy = new MemoryDevice({ name: "copy", sectors: 64 });
    await writeSectors(copy, 1, new Uint8Array(1024).fill(9));
    expect(await replayWriteLog(await recorded(), copy, options)).toBe(entries);
    expect(await firstBytes(copy, [1, 2])).toEqual(bytes);
  });

  test("of what is not there writes nothing", async () => {
    const log = await recorded();
    const copy = new MemoryDevice({ name: "copy", sectors: 64 });
    const small = new MemoryDevice({ name: "small", sectors: 2 });
    const refused = [
      [copy, { startMark: "two" }, 'its log has no mark "two"'],
      [copy, { startEntry: 8 }, "its log has 7 entries, and none from 8 on"],
      [copy, { endMark: "two" }, '7 entries, and from 0 on it does not have a mark "two"'],
      [copy, { startEntry: 1, limit: 7 }, "from 1 on it does not have 7 entries"],
      [copy, { startEntry: 6, nextFlush: true, nextFua: true }, "a flush or a FUA write"],
      [small, {}, "Entry 3 of the log ends at sector 3, and small has 2."],
    ] as const;
    for (const [onto, options, message] of refused) {
      await expect(replayWriteLog(log, onto, options)).rejects.toThrow(message);
      expect(onto.extents(0, onto.sectors, 9)).toHaveLength(1);
      expect(await firstBytes(onto, [1])).toEqual([0]);
    }
  });

  test.each<[string, number, number, string]>([
    ["another magic", 0, 1, "log has no log of log-writes at its start"],
    ["another version", 8, 2, "a log of version 2, and only version 1 is known"],
    ["sectors of 513 bytes", 24, 1, "its log has sectors of 513 bytes"],
    ["more entries than there are", 16, 200, "does not end inside the device"],
    ["an entry that is too long", 512 + 9, 1, "entry 0 of the log does not end inside the device"],
  ])("of %s is refused", async (_what, at, value, message) => {
    const log = await recorded();
    const bytes = await readSectors(log, 0, 2);
    bytes[at] = value;
    await writeSectors(log, 0, bytes);
    await expect(readWriteLog(log)).rejects.toThrow(message);
  });
});
