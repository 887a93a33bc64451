import { describe, expect, test } from "vitest";
import { parseTable, quoteWord, splitWords, tableSectors } from "./table.ts";

describe("tables", () => {
  test("have lines in order, comments and blanks", () => {
    const table = parseTable("# all\n\n  0 8 linear  /a\t0 \n8 4 zero\n   # end\n");
    expect(table).toEqual([
      { start: 0, sectors: 8, target: "linear", words: ["/a", "0"] },
      { start: 8, sectors: 4, target: "zero", words: [] },
    ]);
    expect(tableSectors(table)).toBe(12);
    expect(tableSectors([])).toBe(0);
  });

  test.each(["plain", "a b", "back\\slash", "\\", "tab\there", " ", "\\ \\"])(
    "%j is one word again when it was quoted",
    (word) => {
      expect(splitWords(`x ${quoteWord(word)} y`)).toEqual(["x", word, "y"]);
    },
  );

  test("a backslash at the end is itself", () => {
    expect(splitWords("a \\")).toEqual(["a", "\\"]);
  });

  test.each([
    ["", "The table has no line."],
    ["# only a comment\n", "The table has no line."],
    [
      "x 8 zero",
      'table line 1: the start is a number of sectors from 0 to 2^53 - 1, and there is "x".',
    ],
    ["-1 8 zero", "table line 1: the start is a number"],
    [
      "0",
      "table line 1: the length is a number of sectors from 1 to 2^53 - 1, and there is nothing.",
    ],
    ["0 0 zero", "table line 1: the length is a number"],
    ["0 1.5 zero", "table line 1: the length is a number"],
    ["0 99999999999999999999 zero", "table line 1: the length is a number"],
    ["0 9007199254740992 zero", "the length is a number of sectors from 1 to 2^53 - 1"],
    ["0 8", "table line 1: the target is missing."],
    ["0 8 linear /srv/a\0b 0", "table line 1: it has a zero byte."],
    ["0 8 zero\n9 8 zero", "table line 2: it starts at sector 9, and the line before ends at 8."],
    ["0 8 zero\n7 8 zero", "table line 2: it starts at sector 7, and the line before ends at 8."],
    ["1 8 zero", "table line 1: it starts at sector 1"],
    [
      "0 9007199254740991 zero\n9007199254740991 8 zero",
      "table line 2: it must end at sector 2^53 - 1 or before.",
    ],
  ])("%j is refused", (text, message) => {
    expect(() => parseTable(text)).toThrow(message);
  });
});
