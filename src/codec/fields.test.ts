import { describe, expect, it } from "vitest";
import { array, showList, u16, u64n } from "./fields.ts";
import { struct } from "./struct.ts";

describe("showList", () => {
  it.each([
    [[], ""],
    [["0", "1", "2"], "0 1 2"],
    [["s", "s", "s"], "s s s"],
    [["0", "s", "s", "s", "s", "1"], "0 s (4 times) 1"],
    [["s", "s", "s", "s"], "s (4 times)"],
  ])("%j", (words, text) => expect(showList(words)).toBe(text));
});

describe("struct", () => {
  const pair = struct("pair", "little", 16, { a: u16(0), list: array(u16, 4, 2), end: u64n(8) });

  it("keeps bytes that no field names", () => {
    const data = new Uint8Array(16).fill(0xee);
    pair.encodeInto(data, 0, { a: 1, list: [2, 3], end: Infinity });
    expect([...data]).toEqual([
      1,
      0,
      0xee,
      0xee,
      2,
      0,
      3,
      0,
      ...Array.from({ length: 8 }, () => 0xff),
    ]);
    expect(pair.decode(data)).toEqual({ a: 1, list: [2, 3], end: Infinity });
  });

  it("reads the other byte order when asked to", () => {
    const data = pair.encode({ a: 1, list: [2, 3], end: 4 }, "big");
    expect([...data.subarray(0, 8)]).toEqual([0, 1, 0, 0, 0, 2, 0, 3]);
    expect(pair.decode(data, 0, "big")).toEqual({ a: 1, list: [2, 3], end: 4 });
  });

  it("refuses field lists that overlap or do not fit", () => {
    expect(() => struct("bad", "little", 8, { a: u16(0), b: u16(1) })).toThrow("bad.b overlaps a");
    expect(() => struct("bad", "little", 1, { a: u16(0) })).toThrow("behind the size");
  });
});
