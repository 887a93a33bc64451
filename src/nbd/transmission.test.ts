import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { Harness, contextFor } from "../../test/support/nbd-harness.ts";
import {
  contextData,
  flagBytes,
  infoData,
  optionBytes,
  readResult,
  requestBytes,
  u32,
  u64,
} from "../../test/support/nbd-wire.ts";
import type { Chunk, WireMode, WireRequest } from "../../test/support/nbd-wire.ts";
import { HoldfastError } from "../base/errors.ts";
import { Prng } from "../base/prng.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import type { NbdLimits } from "./limits.ts";

const MODES = ["simple", "structured", "extended"] as const;
const [READ, WRITE, DISC, FLUSH, TRIM, CACHE, ZEROES, STATUS] = [0, 1, 2, 3, 4, 5, 6, 7];
const [FUA, NO_HOLE, DF, REQ_ONE, FAST_ZERO, PAYLOAD_LEN] = [1, 2, 4, 8, 16, 32];
const [EPERM, EIO, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP, ESHUTDOWN] = [1, 5, 22, 28, 75, 95, 108];
const SECTORS = 2048;
const SIZE = SECTORS * 512;

/** An array whose extents are what a test says. */
class PatchyDevice extends ArrayDevice {
  runs: Extent[] | null = null;

  override extents(sector: number, sectors: number, maxExtents = 99): Extent[] {
    if (this.runs === null) return super.extents(sector, sectors);
    const end = sector + sectors;
    return this.runs
      .map((run) => {
        const from = Math.max(sector, run.sector);
        return { ...run, sector: from, sectors: Math.min(end, run.sector + run.sectors) - from };
      })
      .filter((run) => run.sectors > 0)
      .slice(0, maxExtents);
  }
}

function patchy(limits: Partial<BlockLimits> = {}): PatchyDevice {
  const device = new PatchyDevice(SECTORS, limits);
  new Prng(1).fill(device.bytes);
  return device;
}

class Client {
  readonly harness: Harness;
  readonly mode: WireMode;
  #cookie = 0;

  constructor(harness: Harness, mode: WireMode) {
    this.harness = harness;
    this.mode = mode;
  }

  static async open(
    device: BlockDevice,
    mode: WireMode,
    limits: Partial<NbdLimits> = {},
    context = contextFor([{ name: "", device }], limits),
  ): Promise<Client> {
    const harness = new Harness(context);
    const options: Buffer[] = [];
    if (mode !== "simple") {
      options.push(optionBytes(mode === "structured" ? 8 : 11));
      options.push(optionBytes(10, contextData("", ["base:allocation"])));
    }
    options.push(optionBytes(7, infoData("")));
    await harness.feed(Buffer.concat([flagBytes(), ...options]));
    if (harness.connection.phaseName !== "transmission") throw new Error("no transmission");
    harness.output = Buffer.alloc(0);
    return new Client(harness, mode);
  }

  /** Writes carry their payload flag in extended mode by themselves. */
  bytes(request: WireRequest): Buffer {
    this.#cookie += 1;
    const { type, flags = 0 } = request;
    if (type === READ) this.harness.expectRead(this.#cookie, Number(request.length));
    const own = this.mode === "extended" && type === WRITE ? PAYLOAD_LEN : 0;
    return requestBytes(this.mode, { cookie: this.#cookie, ...request, flags: flags | own });
  }

  async call(request: WireRequest): Promise<Chunk[]> {
    await this.harness.feed(this.bytes(request));
    return this.harness.chunks();
  }

  async errno(request: WireRequest): Promise<number> {
    const chunks = await this.call(request);
    const last = chunks.at(-1);
    if (last?.isDone !== true) throw new Error("the reply is not complete");
    return last.errno;
  }

  async read(offset: number, length: number, flags = 0): Promise<Buffer> {
    const chunks = await this.call({ type: READ, offset, length, flags });
    return readResult(chunks, offset, length);
  }
}

describe.each(MODES)("requests with %s replies", (mode) => {
  it("read and write any bytes", async () => {
    const device = patchy();
    const client = await Client.open(device, mode);
    const prng = new Prng(7);
    const oracle = Buffer.from(device.bytes);
    for (const [offset, length] of [
      [0, 512],
      [1, 1],
      [511, 2],
      [4096, 65536],
      [1000, 9000],
      [SIZE - 1, 1],
      [0, SIZE],
    ] as const) {
      expect(
        (await client.read(offset, length)).equals(oracle.subarray(offset, offset + length)),
      ).toBe(true);
      const data = Buffer.alloc(length);
      prng.fill(data);
      expect(await client.errno({ type: WRITE, offset, data })).toBe(0);
      data.copy(oracle, offset);
      expect(oracle.equals(device.bytes)).toBe(true);
    }
  });

  it("flush, trim, zero and cache", async () => {
    const device = patchy();
    const client = await Client.open(device, mode);
    const oracle = Buffer.from(device.bytes);
    expect(await client.errno({ type: FLUSH })).toBe(0);
    expect(await client.errno({ type: TRIM, offset: 1024, length: 2048 })).toBe(0);
    oracle.fill(0, 1024, 3072);
    expect(await client.errno({ type: ZEROES, offset: 5000, length: 3000 })).toBe(0);
    oracle.fill(0, 5000, 8000);
    expect(await client.errno({ type: CACHE, offset: 100, length: SIZE - 100 })).toBe(0);
    expect(oracle.equals(device.bytes)).toBe(true);
  });

  it("carry FUA and NO_HOLE to the device", async () => {
    const device = patchy();
    const client = await Client.open(device, mode);
    const data = Buffer.alloc(512);
    await client.errno({ type: WRITE, flags: FUA, data });
    await client.errno({ type: ZEROES, flags: FUA | NO_HOLE, length: 512 });
    await client.errno({ type: TRIM, flags: FUA, length: 512 });
    expect(device.seen.map((bio) => [bio.op, bio.flags])).toEqual([
      ["write", 1],
      ["write-zeroes", 1 | 4],
      ["discard", 0],
      ["flush", 0],
    ]);
    // It may stand on any command.
    for (const type of [READ, FLUSH, CACHE])
      expect(await client.errno({ type, flags: FUA, length: type === FLUSH ? 0 : 512 })).toBe(0);
  });

  it("are refused by the protocol's error numbers", async () => {
    const device = patchy();
    const client = await Client.open(device, mode, { maxPayloadBytes: 65536 });
    const beyond = { offset: SIZE - 512, length: 1024 };
    const cases: [WireRequest, number][] = [
      [{ type: READ, ...beyond }, EINVAL],
      [{ type: TRIM, ...beyond }, EINVAL],
      [{ type: CACHE, ...beyond }, EINVAL],
      [{ type: WRITE, offset: SIZE, data: Buffer.alloc(1) }, ENOSPC],
      [{ type: ZEROES, ...beyond }, ENOSPC],
      [{ type: READ, offset: 0xffff_ffff_ffff_ffffn, length: 1 }, EINVAL],
      [{ type: WRITE, offset: 1n << 63n, data: Buffer.alloc(1) }, ENOSPC],
      [{ type: READ, offset: 1n << 53n, length: 0 }, EINVAL],
      [{ type: 8, length: 512 }, EINVAL],
      [{ type: 0xffff, length: 512 }, EINVAL],
      [{ type: READ, flags: NO_HOLE, length: 512 }, EINVAL],
      [{ type: READ, flags: 0x8000, length: 512 }, EINVAL],
      [{ type: WRITE, flags: FAST_ZERO, data: Buffer.alloc(8) }, EINVAL],
      [{ type: FLUSH, length: 512 }, EINVAL],
      [{ type: FLUSH, offset: 512 }, EINVAL],
      [{ type: STATUS, flags: DF, length: 512 }, EINVAL],
      [{ type: STATUS, length: 0 }, EINVAL],
      [{ type: STATUS, ...beyond }, EINVAL],
      [{ type: READ, length: 65537 }, mode === "simple" ? EINVAL : EOVERFLOW],
      [{ type: CACHE, length: 65537 }, mode === "simple" ? EINVAL : EOVERFLOW],
    ];
    for (const [request, errno] of cases)
      expect(
        await client.errno(request),
        JSON.stringify(request, (_k, v) => String(v)),
      ).toBe(errno);
    if (mode === "simple")
      expect(await client.errno({ type: READ, flags: DF, length: 512 })).toBe(EINVAL);
    expect(device.seen).toEqual([]);
    expect(client.harness.isOpen).toBe(true);
    // Commands without a payload may be as long as the export.
    expect(await client.errno({ type: ZEROES, length: SIZE })).toBe(0);
    expect(await client.errno({ type: TRIM, length: SIZE })).toBe(0);
  });

  it("of length 0 do nothing, and well", async () => {
    const device = patchy();
    const client = await Client.open(device, mode);
    for (const type of [READ, WRITE, TRIM, CACHE, ZEROES])
      for (const offset of [0, 512, SIZE])
        expect(await client.errno({ type, offset, length: 0 })).toBe(0);
    expect(device.seen).toEqual([]);
  });

  it("do not change a read-only export", async () => {
    const device = patchy({ readOnly: true, discard: false, writeZeroes: false });
    const client = await Client.open(device, mode);
    for (const flags of [0, FUA]) {
      expect(await client.errno({ type: WRITE, flags, data: Buffer.alloc(100_000) })).toBe(EPERM);
      expect(await client.errno({ type: TRIM, flags, length: 512 })).toBe(EPERM);
      expect(await client.errno({ type: ZEROES, flags, length: 512 })).toBe(EPERM);
    }
    expect(device.seen).toEqual([]);
    expect(await client.errno({ type: FLUSH })).toBe(0);
    expect(await client.errno({ type: READ, length: 512 })).toBe(0);
  });

  it("zero fast or not at all with FAST_ZERO, slowly without", async () => {
    const device = patchy({ writeZeroes: false, discard: false });
    const client = await Client.open(device, mode);
    expect(await client.errno({ type: ZEROES, flags: FAST_ZERO, length: 4096 })).toBe(ENOTSUP);
    expect(device.seen).toEqual([]);
    expect(await client.errno({ type: ZEROES, length: 4096 })).toBe(0);
    expect(device.bytes.subarray(0, 4096).every((byte) => byte === 0)).toBe(true);
    // Trim was not offered.
    expect(await client.errno({ type: TRIM, length: 4096 })).toBe(EINVAL);
    const fast = await Client.open(patchy(), mode);
    expect(await fast.errno({ type: ZEROES, flags: FAST_ZERO, length: 4096 })).toBe(0);
  });

  it("report a device's errors, in its words where there is room for words", async () => {
    const device = patchy();
    const client = await Client.open(device, mode);
    device.fault = (bio) =>
      bio.op === "write"
        ? new HoldfastError("no-space", "Full. ".repeat(999))
        : new HoldfastError("io", "Kaputt.");
    expect(await client.errno({ type: WRITE, data: Buffer.alloc(512) })).toBe(ENOSPC);
    for (const type of [READ, TRIM, ZEROES, CACHE])
      expect(await client.errno({ type, length: 512 })).toBe(EIO);
    const [chunk] = await client.call({ type: FLUSH });
    expect(chunk!.errno).toBe(EIO);
    if (mode !== "simple") expect(chunk!.payload.toString("utf8", 6)).toBe("Kaputt.");
  });

  it("may come in any pieces", async () => {
    for (const step of [1, 3, 29, 4096]) {
      const device = patchy();
      const client = await Client.open(device, mode);
      const data = Buffer.alloc(1000, 0x5a);
      const stream = Buffer.concat([
        client.bytes({ type: WRITE, offset: 100, data }),
        client.bytes({ type: WRITE, offset: SIZE, data }),
        client.bytes({ type: 77, length: 5 }),
        client.bytes({ type: READ, offset: 100, length: 1000 }),
      ]);
      await client.harness.feed(stream, step);
      const chunks = client.harness.chunks();
      expect(chunks.map((chunk) => [Number(chunk.cookie), chunk.errno])).toEqual([
        [1, 0],
        [2, ENOSPC],
        [3, EINVAL],
        [4, 0],
      ]);
      expect(readResult(chunks.slice(3), 100, 1000).equals(data)).toBe(true);
    }
  });

  it("give back cookie and offset as they came", async () => {
    const client = await Client.open(patchy(), mode);
    const cookie = 0xfedc_ba98_7654_3210n;
    client.harness.expectRead(cookie, 512);
    const [read] = await client.call({ type: READ, cookie, offset: 1024, length: 512 });
    expect(read).toMatchObject({ cookie, headerOffset: mode === "extended" ? 1024n : null });
    const [bad] = await client.call({
      type: 99,
      cookie,
      offset: 0xffff_ffff_0000_0001n,
      length: 0,
    });
    expect(bad).toMatchObject({
      cookie,
      headerOffset: mode === "extended" ? 0xffff_ffff_0000_0001n : null,
    });
  });

  it("are dropped when they are not requests", async () => {
    const client = await Client.open(patchy(), mode);
    await client.harness.feed(Buffer.alloc(64, 0x41));
    expect(client.harness.dropped).toContain("0x41414141");
    const other = await Client.open(patchy(), mode);
    const wrong = mode === "extended" ? "simple" : "extended";
    const bytes = requestBytes(wrong, { type: READ, length: 512 });
    await other.harness.feed(Buffer.concat([bytes, Buffer.alloc(4)]));
    expect(other.harness.dropped).toContain("magic");
  });

  it("are answered in the order the device ends them, together where it can be", async () => {
    const device = patchy();
    const client = await Client.open(device, mode);
    device.held = true;
    const all = [0, 1, 2].map((i) => client.bytes({ type: READ, offset: i * 512, length: 512 }));
    await client.harness.feed(Buffer.concat(all));
    expect(client.harness.chunks()).toEqual([]);
    device.finish(2);
    device.finish(0);
    await client.harness.settled();
    expect(client.harness.chunks().map((chunk) => Number(chunk.cookie))).toEqual([3, 1]);
    device.finish(0);
    await client.harness.settled();
    expect(client.harness.chunks().map((chunk) => Number(chunk.cookie))).toEqual([2]);
  });

  it("all end before the goodbye after DISC", async () => {
    const device = patchy();
    const client = await Client.open(device, mode);
    device.held = true;
    const write = client.bytes({ type: WRITE, data: Buffer.alloc(512, 9) });
    await client.harness.feed(
      Buffer.concat([write, client.bytes({ type: DISC }), Buffer.alloc(99)]),
    );
    expect(client.harness.isEnded).toBe(false);
    device.finish();
    await client.harness.settled();
    expect(client.harness.chunks()).toMatchObject([{ errno: 0 }]);
    expect(client.harness).toMatchObject({ isEnded: true, dropped: null });
    expect(device.bytes[511]).toBe(9);
  });

  it("all end for a client that has shut down its side", async () => {
    const device = patchy();
    const client = await Client.open(device, mode);
    device.held = true;
    await client.harness.feed(client.bytes({ type: READ, length: 512 }));
    client.harness.connection.end();
    expect(client.harness.isEnded).toBe(false);
    device.finish();
    await client.harness.settled();
    expect(client.harness.chunks()).toHaveLength(1);
    expect(client.harness.isEnded).toBe(true);
    const torn = await Client.open(patchy(), mode);
    await torn.harness.feed(torn.bytes({ type: READ, length: 512 }).subarray(0, 20));
    torn.harness.connection.end();
    expect(torn.harness.dropped).toContain("middle of a request");
  });

  it("get ESHUTDOWN once the server stops, those in flight their answer", async () => {
    const device = patchy();
    const client = await Client.open(device, mode);
    device.held = true;
    await client.harness.feed(client.bytes({ type: READ, length: 512 }));
    client.harness.connection.stop();
    await client.harness.feed(client.bytes({ type: WRITE, data: Buffer.alloc(512) }));
    expect(client.harness.chunks()).toMatchObject([{ cookie: 2n, errno: ESHUTDOWN }]);
    expect(client.harness.isEnded).toBe(false);
    device.finish();
    await client.harness.settled();
    expect(client.harness.chunks()).toMatchObject([{ cookie: 1n, errno: 0 }]);
    expect(client.harness.isEnded).toBe(true);
    const idle = await Client.open(patchy(), mode);
    idle.harness.connection.stop();
    expect(idle.harness.isEnded).toBe(true);
  });

  it("take payloads straight into their place", async () => {
    const device = patchy();
    const client = await Client.open(device, mode);
    const { connection } = client.harness;
    const data = Buffer.alloc(100_000, 7);
    const request = client.bytes({ type: WRITE, offset: 512, data });
    const behind = client.bytes({ type: FLUSH });
    const header = request.length - data.length;
    await client.harness.feed(request.subarray(0, header + 1000));
    for (const count of [50_000, 40_000]) {
      const room = connection.room()!;
      const at = data.length - room.length;
      room.set(data.subarray(at, at + count));
      connection.filled(count);
    }
    // The short rest is copied, with what follows.
    expect(connection.room()).toBeNull();
    await client.harness.feed(Buffer.concat([request.subarray(header + 91_000), behind]));
    expect(client.harness.chunks()).toMatchObject([
      { cookie: 1n, errno: 0 },
      { cookie: 2n, errno: 0 },
    ]);
    expect(Buffer.compare(device.bytes.subarray(512, 512 + data.length), data)).toBe(0);
  });

  it("keep a buffer that is being received into until it is given back, though they are closed", async () => {
    const device = patchy();
    const context = contextFor([{ name: "", device }]);
    const client = await Client.open(device, mode, {}, context);
    const { connection } = client.harness;
    const request = client.bytes({ type: WRITE, data: Buffer.alloc(65536, 9) });
    await client.harness.feed(request.subarray(0, request.length - 65536));
    const room = connection.room()!;
    const free = context.pool.freeBytes;
    connection.drop("a test");
    expect([room.length, connection.isIdle, context.stats.heldBytes]).toEqual([
      65536,
      false,
      65536,
    ]);
    expect(context.pool.freeBytes).toBeLessThan(free + 65536 + 65536);
    expect(context.pool.take(65536)).not.toBe(room);
    let idle = 0;
    connection.whenIdle(() => {
      idle += 1;
    });
    connection.filled(65536);
    expect([connection.isIdle, context.stats.heldBytes, idle]).toEqual([true, 0, 1]);
    expect(context.pool.take(65536)).toBe(room);
    // Nobody was there to be asked for it.
    expect(device.bytes.subarray(0, 512).every((byte) => byte === 9)).toBe(false);
  });

  it("keep their memory until the device has given it back, though the client is gone", async () => {
    const device = patchy();
    const context = contextFor([{ name: "", device }]);
    const client = await Client.open(device, mode, {}, context);
    device.held = true;
    await client.harness.feed(client.bytes({ type: READ, length: 65536 }));
    await client.harness.feed(client.bytes({ type: WRITE, data: Buffer.alloc(65536) }));
    expect(context.stats.heldBytes).toBe(131072);
    client.harness.connection.closed();
    expect(client.harness.connection.isIdle).toBe(false);
    expect(context.pool.freeBytes).toBeLessThan(131072);
    let idle = 0;
    client.harness.connection.whenIdle(() => {
      idle += 1;
    });
    device.finish();
    device.finish();
    expect(idle).toBeGreaterThan(0);
    expect(client.harness.connection.isIdle).toBe(true);
    expect(context.stats.heldBytes).toBe(0);
    expect(client.harness.chunks()).toEqual([]);
  });
});

describe("structured reads", () => {
  const runs: Extent[] = [
    { sector: 0, sectors: 256, kind: "data" },
    { sector: 256, sectors: 256, kind: "hole" },
    { sector: 512, sectors: 8, kind: "data" },
    { sector: 520, sectors: 100, kind: "zero" },
    { sector: 620, sectors: SECTORS - 620, kind: "data" },
  ];

  function sparse(): PatchyDevice {
    const device = patchy();
    device.runs = runs;
    device.bytes.fill(0, 256 * 512, 512 * 512);
    device.bytes.fill(0, 520 * 512, 620 * 512);
    return device;
  }

  it.each(["structured", "extended"] as const)("send holes as holes (%s)", async (mode) => {
    const device = sparse();
    const client = await Client.open(device, mode);
    const chunks = await client.call({ type: READ, offset: 100, length: SIZE - 100 });
    expect(chunks.map((chunk) => [chunk.type, chunk.isDone])).toEqual([
      [1, false],
      [2, false],
      [1, false],
      [2, false],
      [1, true],
    ]);
    const data = readResult(chunks, 100, SIZE - 100);
    expect(data.equals(Buffer.from(device.bytes.subarray(100)))).toBe(true);
  });

  it("send one piece with DF", async () => {
    const device = sparse();
    const client = await Client.open(device, "structured");
    const chunks = await client.call({ type: READ, flags: DF, length: SIZE });
    expect(chunks.map((chunk) => [chunk.type, chunk.isDone])).toEqual([[1, true]]);
    expect(chunks[0]!.payload.subarray(8).equals(Buffer.from(device.bytes))).toBe(true);
  });

  it("do not ask the device for what is known to be zeros", async () => {
    const device = sparse();
    const client = await Client.open(device, "structured");
    const chunks = await client.call({ type: READ, offset: 300 * 512, length: 100 * 512 });
    expect(chunks).toMatchObject([{ type: 2, isDone: true }]);
    expect(device.seen).toEqual([]);
  });

  it("take what the extents leave out for data", async () => {
    const device = sparse();
    device.runs = runs.slice(0, 2);
    const client = await Client.open(device, "structured");
    const data = await client.read(0, SIZE);
    expect(data.equals(Buffer.from(device.bytes))).toBe(true);
  });

  it("take a device that cannot tell for data", async () => {
    const device = sparse();
    device.extents = () => {
      throw new HoldfastError("io", "The map is unreadable.");
    };
    const client = await Client.open(device, "structured");
    expect((await client.read(0, SIZE)).equals(Buffer.from(device.bytes))).toBe(true);
    const [status] = await client.call({ type: STATUS, length: SIZE });
    expect(status!.payload.toString("hex")).toBe("000000010010000000000000");
  });

  it("say where they failed", async () => {
    const device = sparse();
    device.fault = (bio) => (bio.sector === 512 ? new HoldfastError("data-lost", "Gone.") : null);
    const client = await Client.open(device, "structured");
    const chunks = await client.call({ type: READ, length: SIZE });
    expect(chunks).toMatchObject([{ type: 0x8002, isDone: true, errno: EIO }]);
    expect(chunks[0]!.payload.readBigUInt64BE(6 + "Gone.".length)).toBe(512n * 512n);
  });
});

/** The descriptors of a compact status chunk. */
function compact(chunk: Chunk): number[][] {
  const list: number[][] = [];
  for (let at = 4; at < chunk.payload.length; at += 8)
    list.push([chunk.payload.readUInt32BE(at), chunk.payload.readUInt32BE(at + 4)]);
  return list;
}

describe("block status", () => {
  const kinds: Extent[] = [
    { sector: 0, sectors: 16, kind: "data" },
    { sector: 16, sectors: 16, kind: "hole" },
    { sector: 32, sectors: 16, kind: "zero" },
    { sector: 48, sectors: SECTORS - 48, kind: "data" },
  ];

  async function opened(mode: WireMode, limits: Partial<NbdLimits> = {}): Promise<Client> {
    const device = patchy();
    device.runs = kinds;
    return Client.open(device, mode, limits);
  }

  it("gives runs of data, holes and zeros from the offset on", async () => {
    const client = await opened("structured");
    const [chunk] = await client.call({ type: STATUS, offset: 8000, length: 20000 });
    expect(chunk).toMatchObject({ type: 5, isDone: true });
    expect(chunk!.payload.readUInt32BE(0)).toBe(1);
    expect(compact(chunk!)).toEqual([
      [192, 0],
      [8192, 3],
      [8192, 2],
      [3424, 0],
    ]);
  });

  it("gives one run, not longer than asked, with REQ_ONE", async () => {
    const client = await opened("structured");
    for (const [offset, length, run] of [
      [0, 100, [100, 0]],
      [0, SIZE, [8192, 0]],
      [8192, 1, [1, 3]],
    ] as const) {
      const [chunk] = await client.call({ type: STATUS, flags: REQ_ONE, offset, length });
      expect(compact(chunk!)).toEqual([run]);
    }
  });

  it("gives a bounded number of runs", async () => {
    const client = await opened("structured", { maxExtentsPerReply: 2 });
    const [chunk] = await client.call({ type: STATUS, length: SIZE });
    expect(compact(chunk!)).toHaveLength(2);
  });

  it("uses 64 bits with extended headers", async () => {
    const client = await opened("extended");
    const [chunk] = await client.call({ type: STATUS, offset: 8192, length: 16384 });
    expect(chunk).toMatchObject({ type: 6, isDone: true, headerOffset: 8192n });
    expect(chunk!.payload.toString("hex").match(/.{16}/g)).toEqual([
      "0000000100000002",
      "0000000000002000",
      "0000000000000003",
      "0000000000002000",
      "0000000000000002",
    ]);
  });

  it("takes a list of contexts with extended headers", async () => {
    const client = await opened("extended");
    const ask = (data: Buffer, offset = 0) =>
      client.call({ type: STATUS, flags: PAYLOAD_LEN, offset, data });
    const [good] = await ask(Buffer.concat([u64(4096), u32(1)]));
    expect(good!.payload.toString("hex", 8)).toBe("00000000000010000000000000000000");
    for (const bad of [
      Buffer.concat([u64(4096)]),
      Buffer.concat([u64(4096), u32(2)]),
      Buffer.concat([u64(4096), u32(1), u32(1)]),
      Buffer.concat([u64(4096), u32(1), Buffer.alloc(1)]),
      Buffer.concat([u64(0), u32(1)]),
      Buffer.concat([u64(SIZE + 1), u32(1)]),
      Buffer.concat([u64(0xffff_ffff_ffff_ffffn), u32(1)]),
      Buffer.alloc(3),
      Buffer.alloc(0),
      Buffer.alloc(4096),
    ])
      expect((await ask(bad)).at(-1)!.errno, bad.toString("hex")).toBe(EINVAL);
    expect((await ask(Buffer.concat([u64(4096), u32(1)]), SIZE)).at(-1)!.errno).toBe(EINVAL);
    expect(await client.errno({ type: READ, length: 512 })).toBe(0);
  });

  it("keeps runs of an export above 4 GiB within 32 bits", async () => {
    const sectors = 32 * 1024 * 1024 * 2;
    const device = new PatchyDevice(1);
    Object.assign(device, { sectors });
    device.runs = [{ sector: 0, sectors, kind: "hole" }];
    const client = await Client.open(device, "structured");
    const [chunk] = await client.call({ type: STATUS, length: 0xffff_ffff });
    expect(compact(chunk!)).toEqual([[0xffff_0000, 3]]);
    const wide = await Client.open(device, "extended");
    const [whole] = await wide.call({ type: STATUS, length: sectors * 512 });
    expect(whole!.payload.readBigUInt64BE(8)).toBe(BigInt(sectors * 512));
  });
});

describe("extended headers", () => {
  it("know a write by its payload", async () => {
    const device = patchy();
    const client = await Client.open(device, "extended");
    // Without the flag nothing follows.
    await client.harness.feed(requestBytes("extended", { type: WRITE, cookie: 9, length: 4096 }));
    expect(client.harness.chunks()).toMatchObject([{ cookie: 9n, errno: EINVAL }]);
    expect(await client.errno({ type: WRITE, data: Buffer.alloc(4096, 1) })).toBe(0);
    expect(device.bytes[4095]).toBe(1);
  });

  it("skip a payload that no command takes", async () => {
    const client = await Client.open(patchy(), "extended");
    for (const type of [READ, TRIM, ZEROES, FLUSH, CACHE, 55])
      expect(await client.errno({ type, flags: PAYLOAD_LEN, data: Buffer.alloc(100) })).toBe(
        EINVAL,
      );
    expect(await client.errno({ type: FLUSH })).toBe(0);
  });

  it("drop a payload above the maximum", async () => {
    for (const length of [65537, 1n << 33n, (1n << 64n) - 1n]) {
      const client = await Client.open(patchy(), "extended", { maxPayloadBytes: 65536 });
      const flags = PAYLOAD_LEN;
      await client.harness.feed(requestBytes("extended", { type: WRITE, flags, length }));
      expect(client.harness.dropped).toContain("was announced");
    }
  });

  it("allow ranges of 64 bits where no payload is involved", async () => {
    const client = await Client.open(patchy(), "extended");
    expect(await client.errno({ type: ZEROES, length: 1n << 40n })).toBe(ENOSPC);
    expect(await client.errno({ type: TRIM, length: (1n << 64n) - 1n })).toBe(EINVAL);
  });
});

describe("bounds", () => {
  it("skip a compact write somewhat above the maximum, and drop one far above", async () => {
    const client = await Client.open(patchy(), "simple", { maxPayloadBytes: 65536 });
    expect(await client.errno({ type: WRITE, data: Buffer.alloc(100_000) })).toBe(EINVAL);
    expect(await client.errno({ type: READ, length: 512 })).toBe(0);
    await client.harness.feed(requestBytes("simple", { type: WRITE, length: 131073 }));
    expect(client.harness.dropped).toContain("131073");
  });

  it("stop listening at the limit of requests, and go on below it", async () => {
    const device = patchy();
    const client = await Client.open(device, "structured", { maxRequestsPerConnection: 4 });
    device.held = true;
    const all = Array.from({ length: 10 }, () => client.bytes({ type: READ, length: 512 }));
    await client.harness.feed(Buffer.concat(all));
    expect(device.pending).toHaveLength(4);
    expect(client.harness.isPaused).toBe(true);
    for (let i = 0; i < 10; i += 1) {
      device.finish();
      await client.harness.settled();
      expect(device.pending.length).toBeLessThanOrEqual(4);
    }
    expect(client.harness.chunks()).toHaveLength(10);
    expect(client.harness.isPaused).toBe(false);
  });

  it("count requests whose replies are not taken", async () => {
    const client = await Client.open(patchy(), "structured", { maxRequestsPerConnection: 4 });
    client.harness.slow = true;
    for (let i = 0; i < 10; i += 1)
      await client.harness.feed(client.bytes({ type: 99, length: 0 }));
    expect(client.harness.chunks()).toHaveLength(4);
    expect(client.harness.isPaused).toBe(true);
    while (client.harness.held.length > 0) {
      client.harness.take();
      await client.harness.settled();
    }
    expect(client.harness.chunks()).toHaveLength(6);
    expect(client.harness.isPaused).toBe(false);
  });

  it("hold memory for what a reply carries until it is taken, no longer for what was written", async () => {
    const device = patchy();
    const context = contextFor([{ name: "", device }]);
    const client = await Client.open(device, "structured", {}, context);
    client.harness.slow = true;
    for (const [request, held] of [
      [{ type: READ, length: 65536 }, 65536],
      [{ type: STATUS, length: 65536 }, 4096 + 4096 * 16],
      [{ type: WRITE, data: Buffer.alloc(65536) }, 0],
      [{ type: CACHE, length: 65536 }, 0],
    ] as const) {
      await client.harness.feed(client.bytes(request));
      expect(context.stats.heldBytes).toBe(held);
      client.harness.take();
      expect(context.stats.heldBytes).toBe(0);
    }
  });

  it("hold memory of one connection, and of all, within limits", async () => {
    const device = patchy();
    const limits = {
      maxPayloadBytes: 65536,
      maxHeldBytesPerConnection: 131072,
      maxHeldBytes: 196608,
      reserveBytesPerConnection: 0,
    };
    const context = contextFor([{ name: "", device }], limits);
    const clients = [
      await Client.open(device, "structured", limits, context),
      await Client.open(device, "structured", limits, context),
    ];
    device.held = true;
    for (const client of clients)
      for (let i = 0; i < 4; i += 1)
        await client.harness.feed(client.bytes({ type: READ, length: 65536 }));
    // Two for the first, one for the second.
    expect(device.pending).toHaveLength(3);
    expect(clients.map((client) => client.harness.isPaused)).toEqual([true, true]);
    for (let i = 0; i < 8; i += 1) {
      device.finish();
      await clients[0]!.harness.settled();
      await clients[1]!.harness.settled();
    }
    expect(context.stats.peakHeldBytes).toBeLessThanOrEqual(196608);
    expect(clients.map((client) => client.harness.chunks().length)).toEqual([4, 4]);
    expect(context.stats.heldBytes).toBe(0);
  });

  it("take memory for a payload before it is read, not after", async () => {
    const device = patchy();
    const limits = { maxPayloadBytes: 65536, maxHeldBytes: 65536, reserveBytesPerConnection: 0 };
    const context = contextFor([{ name: "", device }], limits);
    const slow = await Client.open(device, "simple", limits, context);
    const other = await Client.open(device, "simple", limits, context);
    const data = Buffer.alloc(65536, 3);
    const write = slow.bytes({ type: WRITE, data });
    await slow.harness.feed(write.subarray(0, 1000));
    await other.harness.feed(other.bytes({ type: WRITE, data }));
    expect(other.harness.isPaused).toBe(true);
    await slow.harness.feed(write.subarray(1000));
    await other.harness.settled();
    expect(slow.harness.chunks()).toHaveLength(1);
    expect(other.harness.chunks()).toHaveLength(1);
    expect(other.harness.isPaused).toBe(false);
  });

  it("let a client that vanishes while it waits be forgotten", async () => {
    const device = patchy();
    const limits = { maxPayloadBytes: 65536, maxHeldBytes: 65536, reserveBytesPerConnection: 0 };
    const context = contextFor([{ name: "", device }], limits);
    const [a, b, c] = [
      await Client.open(device, "simple", limits, context),
      await Client.open(device, "simple", limits, context),
      await Client.open(device, "simple", limits, context),
    ];
    device.held = true;
    for (const client of [a, b, c])
      await client.harness.feed(client.bytes({ type: READ, length: 65536 }));
    b.harness.connection.closed();
    device.held = false;
    device.finish();
    await c.harness.settled();
    expect(c.harness.chunks()).toHaveLength(1);
    expect(context.stats.heldBytes).toBe(0);
  });
});
