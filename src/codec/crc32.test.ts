import { describe, expect, it } from "vitest";
import { crc32, crc32BigUpdate, crc32Update } from "./crc32.ts";

const message = new TextEncoder().encode("123456789");

describe("crc32", () => {
  it("has the check value of the catalogue of CRCs", () => {
    expect(crc32(message)).toBe(0xcbf43926);
  });

  it("is the raw update between two inversions, and the update can be continued", () => {
    expect(~crc32Update(0xffffffff, message) >>> 0).toBe(0xcbf43926);
    const half = crc32Update(0xf597a6cf, message.subarray(0, 4));
    expect(crc32Update(half, message.subarray(4))).toBe(crc32Update(0xf597a6cf, message));
  });

  it("updates by shifting zeros through the register", () => {
    // One zero byte: (seed >>> 8) ^ table[seed & 0xff], and table[0] is 0.
    expect(crc32Update(0x12345600, new Uint8Array(1))).toBe(0x00123456);
  });
});

describe("crc32BigUpdate", () => {
  it("has the check value of CRC-32/MPEG-2, and can be continued", () => {
    expect(crc32BigUpdate(0xffffffff, message)).toBe(0x0376e6e7);
    const half = crc32BigUpdate(0xffffffff, message.subarray(0, 4));
    expect(crc32BigUpdate(half, message.subarray(4))).toBe(0x0376e6e7);
  });
});
