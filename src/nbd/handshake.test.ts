import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { Harness, contextFor } from "../../test/support/nbd-harness.ts";
import {
  GREETING,
  contextData,
  flagBytes,
  infoData,
  optionBytes,
  requestBytes,
  text,
  u16,
  u32,
} from "../../test/support/nbd-wire.ts";
import type { OptionReply } from "../../test/support/nbd-wire.ts";
import type { NbdLimits } from "./limits.ts";
import type { TlsMode } from "./phase.ts";

const ACK = 1;
const INFO = 3;
const META = 4;
const ERR = 0x8000_0000;
const [UNSUP, POLICY, INVALID, TLS_REQD, UNKNOWN, SHUTDOWN, TOO_BIG, EXT_REQD] = [
  1, 2, 3, 5, 6, 7, 9, 10,
].map((n) => ERR + n);

const EXPORTS = [
  { name: "disk", description: "a disk", device: new ArrayDevice(16) },
  { name: "ro", device: new ArrayDevice(8, { readOnly: true, discard: false }) },
  { name: "plain", device: new ArrayDevice(8, { discard: false, writeZeroes: false }) },
];

/** Greeted, with the client's flags sent. */
async function opened(
  options: {
    limits?: Partial<NbdLimits>;
    tls?: TlsMode;
    flags?: number;
    exports?: typeof EXPORTS;
  } = {},
): Promise<Harness> {
  const { exports = EXPORTS, limits = {}, tls = "off" } = options;
  const harness = new Harness(contextFor(exports, limits, tls));
  expect(harness.output.equals(GREETING)).toBe(true);
  harness.output = Buffer.alloc(0);
  await harness.feed(flagBytes(options.flags));
  return harness;
}

async function ask(harness: Harness, option: number, data?: Uint8Array): Promise<OptionReply[]> {
  await harness.feed(optionBytes(option, data));
  const replies = harness.optionReplies();
  expect(replies.every((reply) => reply.option === option)).toBe(true);
  return replies;
}

async function outcome(harness: Harness, option: number, data?: Uint8Array): Promise<number> {
  return (await ask(harness, option, data)).at(-1)!.type;
}

/** Transmission flags out of the replies to INFO or GO. */
function flagsIn(replies: readonly OptionReply[]): number {
  return replies
    .find((r) => r.type === INFO && r.data.readUInt16BE(0) === 0)!
    .data.readUInt16BE(10);
}

/** Transmission flags of an export after the given options. */
async function flagsOf(name: string, before: readonly number[] = []): Promise<number> {
  const harness = await opened();
  for (const option of before) await ask(harness, option);
  return flagsIn(await ask(harness, 6, infoData(name)));
}

/** Ids and names of the metadata contexts in the replies. */
function contextsIn(replies: readonly OptionReply[]): (number | string)[][] {
  return replies
    .filter((reply) => reply.type === META)
    .map((reply) => [reply.data.readUInt32BE(0), reply.data.toString("utf8", 4)]);
}

async function structured(): Promise<Harness> {
  const harness = await opened();
  await ask(harness, 8);
  return harness;
}

describe("options", () => {
  it("lists exports in order, with descriptions", async () => {
    const replies = await ask(await opened(), 3);
    expect(replies.map((reply) => reply.type)).toEqual([2, 2, 2, ACK]);
    expect(replies[0]!.data.toString("hex")).toBe(
      Buffer.concat([text("disk"), Buffer.from("a disk")]).toString("hex"),
    );
    expect(await outcome(await opened(), 3, Buffer.from("x"))).toBe(INVALID);
  });

  it("tells about an export exactly what was asked", async () => {
    const harness = await opened();
    const bare = await ask(harness, 6, infoData("disk"));
    expect(bare.map((reply) => reply.data.toString("hex"))).toEqual([
      // size 8192; flags, flush, FUA, trim, write zeroes, multi-conn, cache, fast zero
      "000000000000000020000d6d",
      "",
    ]);
    const all = await ask(harness, 6, infoData("disk", [3, 2, 1, 0, 77]));
    expect(all.map((reply) => reply.data.toString("latin1").slice(0, 8))).toEqual([
      "\0\0\0\0\0\0\0\0",
      "\0\x01disk",
      "\0\x02a disk",
      "\0\x03\0\0\0\x01\0\0",
      "",
    ]);
    expect(all[3]!.data.toString("hex")).toBe("0003000000010000100002000000");
  });

  it.each([
    ["no data at all", Buffer.alloc(0), INVALID],
    ["a name longer than the data", Buffer.concat([u32(10), Buffer.from("disk"), u16(0)]), INVALID],
    ["a list longer than the data", Buffer.concat([text("disk"), u16(2), u16(0)]), INVALID],
    ["bytes behind the list", Buffer.concat([infoData("disk"), Buffer.from("x")]), INVALID],
    ["a name with NUL", infoData("di\0k"), INVALID],
    ["a name that is not UTF-8", Buffer.concat([u32(1), Buffer.from([0xff]), u16(0)]), INVALID],
    ["a name of 5000 bytes", infoData("x".repeat(5000)), TOO_BIG],
    ["a name of 4 GiB", Buffer.concat([u32(0xffffffff), u16(0)]), TOO_BIG],
    ["an export that is not there", infoData("nobody"), UNKNOWN],
    ["no default export among several", infoData(""), UNKNOWN],
  ])("refuses INFO and GO with %s", async (_what, data, type) => {
    for (const option of [6, 7]) {
      const harness = await opened();
      expect(await outcome(harness, option, data)).toBe(type);
      // And goes on.
      expect(await outcome(harness, 3)).toBe(ACK);
    }
  });

  it("takes the only export for the default one, and gives its real name", async () => {
    const harness = await opened({ exports: EXPORTS.slice(0, 1) });
    const replies = await ask(harness, 7, infoData("", [1]));
    expect(replies.at(-1)!.type).toBe(ACK);
    expect(replies[1]!.data.toString()).toBe("\0\x01disk");
    expect(harness.connection.phaseName).toBe("transmission");
  });

  it("shows what an export can do in its flags", async () => {
    const [hasFlags, readOnly, flush, fua, trim, zeroes, df] = [1, 2, 4, 8, 0x20, 0x40, 0x80];
    const [multiConn, cache, fastZero] = [0x100, 0x400, 0x800];
    const always = hasFlags | flush | multiConn | cache;
    expect(await flagsOf("ro")).toBe(always | readOnly);
    expect(await flagsOf("plain")).toBe(always | fua | zeroes | fastZero);
    expect(await flagsOf("disk")).toBe(always | fua | zeroes | fastZero | trim);
    expect(await flagsOf("ro", [8])).toBe(always | readOnly | df);
    expect(await flagsOf("ro", [11])).toBe(always | readOnly | df);
  });

  it("ends with the old option EXPORT_NAME too, with and without the zeros", async () => {
    for (const [flags, size] of [
      [1, 134],
      [3, 10],
      // Not even fixed newstyle.
      [0, 134],
      [2, 10],
    ] as const) {
      const harness = await opened({ flags });
      await harness.feed(optionBytes(1, Buffer.from("disk")));
      expect(harness.output.length).toBe(size);
      expect(harness.output.subarray(0, 10).toString("hex")).toBe("00000000000020000d6d");
      expect(harness.output.subarray(10).every((byte) => byte === 0)).toBe(true);
      expect(harness.connection.phaseName).toBe("transmission");
    }
  });

  it("can only drop EXPORT_NAME of what is not there", async () => {
    for (const name of ["nobody", "", "x".repeat(5000)]) {
      const harness = await opened();
      await harness.feed(optionBytes(1, Buffer.from(name)));
      expect(harness.isDestroyed).toBe(true);
    }
  });

  it("answers unknown options and reads on behind their data", async () => {
    const harness = await opened();
    for (const option of [4, 12, 0, 0x7fffffff, 0xffffffff])
      expect(await outcome(harness, option, Buffer.alloc(100))).toBe(UNSUP);
    expect(await outcome(harness, 99, Buffer.alloc(100_000))).toBe(UNSUP);
    expect(await outcome(harness, 3)).toBe(ACK);
  });

  it("skips data that is too long, without keeping it", async () => {
    const harness = await opened();
    await harness.feed(optionBytes(6, Buffer.alloc(70_000)), 1000);
    expect(harness.optionReplies().map((reply) => reply.type)).toEqual([TOO_BIG]);
    await harness.feed(Buffer.concat([Buffer.from("IHAVEOPT"), u32(6), u32(0x7fffffff)]));
    expect(harness.dropped).toContain("bytes of data");
  });

  it("answers ABORT and closes, whatever data came with it", async () => {
    const harness = await opened();
    await harness.feed(optionBytes(2, Buffer.from("bye")));
    expect(harness.optionReplies()).toMatchObject([{ option: 2, type: ACK }]);
    expect(harness.isEnded).toBe(true);
    expect(harness.dropped).toBeNull();
  });

  it("takes a client by its word about flags", async () => {
    const harness = await opened({ flags: 4 });
    expect(harness.dropped).toContain("client flags");
    const plain = await opened({ flags: 0 });
    expect(await outcome(plain, 3)).toBe(INVALID);
  });

  it("drops what does not start like an option", async () => {
    const harness = await opened();
    await harness.feed(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    expect(harness.dropped).toContain("magic");
  });

  it("bounds the number of options", async () => {
    const harness = await opened({ limits: { maxOptions: 10 } });
    for (let i = 0; i < 10; i += 1) expect(await outcome(harness, 3)).toBe(ACK);
    await harness.feed(optionBytes(3));
    expect(harness.dropped).toContain("more than 10 options");
  });

  it("does not listen to a client that does not read", async () => {
    const harness = await opened({ limits: { maxQueuedOptionBytes: 500 } });
    harness.slow = true;
    const list = optionBytes(3);
    await harness.feed(Buffer.concat(Array.from({ length: 50 }, () => list)));
    expect(harness.isPaused).toBe(true);
    const early = harness.output.length;
    expect(early).toBeLessThan(1000);
    while (harness.held.length > 0) {
      harness.take();
      await harness.settled();
    }
    expect(harness.isPaused).toBe(false);
    expect(harness.optionReplies().filter((reply) => reply.type === ACK)).toHaveLength(50);
  });

  it("is understood byte by byte", async () => {
    const harness = new Harness(contextFor(EXPORTS));
    harness.output = Buffer.alloc(0);
    const all = [flagBytes(), optionBytes(8), optionBytes(7, infoData("disk", [3]))];
    const read = requestBytes("structured", { type: 0, length: 512, cookie: 5 });
    await harness.feed(Buffer.concat([...all, read]), 1);
    const types: number[] = [];
    for (const size of [20, 32, 34, 20]) {
      types.push(harness.output.readUInt32BE(12));
      harness.output = harness.output.subarray(size);
    }
    expect(types).toEqual([ACK, INFO, INFO, ACK]);
    expect(harness.chunks()).toMatchObject([{ cookie: 5n, isDone: true, type: 1, errno: 0 }]);
  });
});

describe("metadata contexts", () => {
  it.each([
    [[], [[0, "base:allocation"]]],
    [["base:"], [[0, "base:allocation"]]],
    [["base:allocation"], [[0, "base:allocation"]]],
    [["base:allocation", "base:", "x-y:z"], [[0, "base:allocation"]]],
    [["base:other"], []],
    [["qemu:dirty-bitmap:b", "nocolon", ""], []],
  ])("are listed for %j", async (queries, found) => {
    const replies = await ask(await structured(), 9, contextData("disk", queries));
    expect(contextsIn(replies)).toEqual(found);
    expect(replies.at(-1)!.type).toBe(ACK);
  });

  it.each([
    [[], []],
    [["base:"], []],
    [["base:allocation"], [[1, "base:allocation"]]],
    [["base:allocation", "base:allocation"], [[1, "base:allocation"]]],
    [["x-y:", "base:allocation"], [[1, "base:allocation"]]],
    [["base:allocatio"], []],
  ])("are set for %j", async (queries, found) => {
    const replies = await ask(await structured(), 10, contextData("disk", queries));
    expect(contextsIn(replies)).toEqual(found);
    expect(replies.at(-1)!.type).toBe(ACK);
  });

  it("need structured replies or extended headers", async () => {
    for (const option of [9, 10])
      expect(await outcome(await opened(), option, contextData("disk", []))).toBe(INVALID);
    const extended = await opened();
    await ask(extended, 11);
    expect(await outcome(extended, 10, contextData("disk", ["base:allocation"]))).toBe(ACK);
    expect(flagsIn(await ask(extended, 6, infoData("disk"))) & 0x1000).toBe(0x1000);
    expect(flagsIn(await ask(extended, 6, infoData("ro"))) & 0x1000).toBe(0);
  });

  it.each([
    ["nobody's", contextData("nobody", []), UNKNOWN],
    ["torn ones", contextData("disk", ["base:"]).subarray(0, 14), INVALID],
    ["more than there are", Buffer.concat([text("disk"), u32(3), text("a:")]), INVALID],
    ["4 billion of them", Buffer.concat([text("disk"), u32(0xffffffff)]), INVALID],
    ["long ones", contextData("disk", [`base:${"x".repeat(4096)}`]), TOO_BIG],
  ])("are refused for queries: %s", async (_what, data, type) => {
    for (const option of [9, 10])
      expect(await outcome(await structured(), option, data)).toBe(type);
  });

  it("count for the export they were set for, and the last set wins even if it fails", async () => {
    const status = requestBytes("structured", { type: 7, length: 512 });
    const errnoAfter = async (sets: readonly Buffer[], name: string): Promise<number> => {
      const harness = await structured();
      for (const set of sets) await ask(harness, 10, set);
      await ask(harness, 7, infoData(name));
      await harness.feed(status);
      return harness.chunks()[0]!.errno;
    };
    const good = contextData("disk", ["base:allocation"]);
    expect(await errnoAfter([good], "disk")).toBe(0);
    expect(await errnoAfter([good], "ro")).toBe(22);
    expect(await errnoAfter([good, contextData("disk", [])], "disk")).toBe(22);
    expect(await errnoAfter([good, contextData("nobody", [])], "disk")).toBe(22);
    expect(await errnoAfter([], "disk")).toBe(22);
  });
});

describe("structured replies and extended headers", () => {
  it("may be asked for twice, carry no data, and do not go back", async () => {
    const harness = await opened();
    expect(await outcome(harness, 8)).toBe(ACK);
    expect(await outcome(harness, 8)).toBe(ACK);
    expect(await outcome(harness, 8, Buffer.alloc(1))).toBe(INVALID);
    expect(await outcome(harness, 11, Buffer.alloc(1))).toBe(INVALID);
    expect(await outcome(harness, 11)).toBe(ACK);
    expect(await outcome(harness, 8)).toBe(EXT_REQD);
    await harness.feed(optionBytes(1, Buffer.from("disk")));
    expect(harness.dropped).toContain("extended headers");
  });
});

describe("TLS", () => {
  it("is refused where it is not set up", async () => {
    expect(await outcome(await opened(), 5)).toBe(POLICY);
  });

  it("comes before everything else where it is required", async () => {
    const harness = await opened({ tls: "require" });
    const name = infoData("disk");
    for (const [option, data] of [[3], [6, name], [7, name], [8], [11], [99]] as const)
      expect(await outcome(harness, option, data)).toBe(TLS_REQD);
    expect(await outcome(harness, 5, Buffer.from("x"))).toBe(INVALID);
    await harness.feed(optionBytes(1, Buffer.from("disk")));
    expect(harness.dropped).toContain("TLS");
    const polite = await opened({ tls: "require" });
    expect(await outcome(polite, 2)).toBe(ACK);
  });

  it("forgets everything that was agreed on in the open", async () => {
    const harness = await opened({ tls: "on" });
    await ask(harness, 8);
    await ask(harness, 10, contextData("disk", ["base:allocation"]));
    expect(await outcome(harness, 5)).toBe(ACK);
    expect(harness.tlsStarts).toBe(1);
    harness.connection.secured();
    expect(await outcome(harness, 5)).toBe(INVALID);
    expect(await outcome(harness, 10, contextData("disk", []))).toBe(INVALID);
    expect(flagsIn(await ask(harness, 7, infoData("disk"))) & 0x80).toBe(0);
    await harness.feed(requestBytes("simple", { type: 0, length: 512 }));
    harness.expectRead(1, 512);
    expect(harness.chunks()).toMatchObject([{ type: -1, errno: 0 }]);
  });

  it("starts only once the client has been told", async () => {
    const harness = await opened({ tls: "on" });
    harness.slow = true;
    await harness.feed(optionBytes(5));
    expect(harness.tlsStarts).toBe(0);
    harness.take();
    await harness.settled();
    expect(harness.tlsStarts).toBe(1);
  });

  it("does not take over what was smuggled in before it", async () => {
    for (const slow of [false, true]) {
      const harness = await opened({ tls: "on" });
      harness.slow = slow;
      await harness.feed(Buffer.concat([optionBytes(5), optionBytes(8)]));
      expect(harness.dropped).toContain("none was expected");
      expect(harness.tlsStarts).toBe(0);
    }
  });
});

describe("stopping", () => {
  it("refuses options, answers ABORT, drops EXPORT_NAME", async () => {
    const harness = await opened();
    harness.connection.stop();
    expect(await outcome(harness, 3)).toBe(SHUTDOWN);
    expect(await outcome(harness, 7, infoData("disk"))).toBe(SHUTDOWN);
    expect(await outcome(harness, 2)).toBe(ACK);
    const old = await opened();
    old.connection.stop();
    await old.feed(optionBytes(1, Buffer.from("disk")));
    expect(old.dropped).toContain("stopped");
  });
});
