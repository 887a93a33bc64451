/** Sizes and bytes of the NBD structures, against the protocol document written out by hand. */
import { describe, expect, it } from "vitest";
import {
  GREETING,
  infoData,
  optionBytes,
  requestBytes,
  takeChunk,
} from "../../../test/support/nbd-wire.ts";
import { NBD_MAGIC, NBD_OPTION_MAGIC, NBD_OPTION_REPLY_MAGIC } from "./constants.ts";
import { greeting, infoBlockSize, infoExport, optionHeader, optionReply } from "./handshake.ts";
import * as wire from "./transmission.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function places(fields: Record<string, { offset: number }>): number[] {
  return Object.values(fields).map((field) => field.offset);
}

describe("NBD wire structures", () => {
  it("greets as the document says", () => {
    const values = { magic: NBD_MAGIC, optionMagic: NBD_OPTION_MAGIC, handshakeFlags: 3 };
    expect(hex(greeting.encode(values))).toBe(hex(GREETING));
  });

  it("frames options", () => {
    const bytes = optionBytes(7, infoData("x", [3]));
    const header = optionHeader.decode(bytes);
    expect(header).toEqual({ magic: NBD_OPTION_MAGIC, option: 7, length: 9 });
    const reply = { magic: NBD_OPTION_REPLY_MAGIC, option: 7, type: 0x8000_0006, length: 2 };
    expect(hex(optionReply.encode(reply))).toBe("0003e889045565a9000000078000000600000002");
  });

  it("lays out information", () => {
    expect(
      hex(infoExport.encode({ type: 0, sizeBytes: 0x123456789a, transmissionFlags: 0x8d })),
    ).toBe("0000000000123456789a008d");
    const sizes = { type: 3, minimumBytes: 1, preferredBytes: 4096, maximumPayloadBytes: 1 << 25 };
    expect(hex(infoBlockSize.encode(sizes))).toBe("0003000000010000100002000000");
  });

  it("lays out requests, compact and extended the same up to the length", () => {
    const asked = {
      type: 6,
      flags: 0x12,
      cookie: 0x1122334455667788n,
      offset: 0x99n,
      length: 0x55,
    };
    const compact = requestBytes("simple", asked);
    const extended = requestBytes("extended", asked);
    expect([compact.length, extended.length]).toEqual([28, 32]);
    const values = { flags: 0x12, type: 6, cookie: 0x1122334455667788n, offset: 0x99n };
    expect(wire.request.decode(compact)).toEqual({ magic: 0x25609513, ...values, length: 0x55 });
    expect(wire.extendedRequest.decode(extended)).toEqual({
      magic: 0x21e41c71,
      ...values,
      length: 0x55n,
    });
    expect(places(wire.request.fields)).toEqual(places(wire.extendedRequest.fields));
    expect(places(wire.structuredReply.fields).slice(0, 4)).toEqual(
      places(wire.extendedReply.fields).slice(0, 4),
    );
  });

  it("lays out replies", () => {
    const simple = wire.simpleReply.encode({ magic: 0x67446698, error: 5, cookie: 9n });
    expect(takeChunk(Buffer.from(simple), () => 0)!.chunk).toMatchObject({ cookie: 9n, errno: 5 });
    const head = { flags: 1, type: 2, cookie: 7n };
    const hole = wire.offsetHole.encode({ offset: 512n, length: 1024 });
    const structured = wire.structuredReply.encode({ magic: 0x668e33ef, ...head, length: 12 });
    const chunk = takeChunk(Buffer.concat([structured, hole]), () => 0)!;
    expect(chunk.size).toBe(32);
    expect(hex(chunk.chunk.payload)).toBe("000000000000020000000400");
    const extended = wire.extendedReply.encode({
      magic: 0x6e8a278c,
      ...head,
      offset: 3n,
      length: 0n,
    });
    expect(takeChunk(Buffer.from(extended), () => 0)).toMatchObject({
      size: 32,
      chunk: { cookie: 7n, isDone: true, type: 2, headerOffset: 3n },
    });
  });
});
