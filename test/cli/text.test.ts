import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { paintFor } from "../../src/cli/style.ts";
import { renderTable } from "../../src/cli/table.ts";
import type { Column } from "../../src/cli/table.ts";
import {
  counted,
  listed,
  printable,
  printableData,
  textWidth,
  wrapIndented,
  wrapText,
} from "../../src/cli/text.ts";
import { FakeTerminal } from "../support/cli.ts";

const plain = { paint: (text: string) => text };

describe("printable", () => {
  it("leaves nothing that a terminal obeys, and all else as it is", () => {
    expect(printable("a\u001b[2Jb\nc\u009bd\u007f")).toBe("a\\x1b[2Jb\\x0ac\\x9bd\\x7f");
    expect(printable("gpj.\u202etxt")).toBe("gpj.\\u202etxt");
    expect(printable("caf\udce9")).toBe("caf\\xe9");
    expect(printable("Müller 写真 🎉")).toBe("Müller 写真 🎉");
  });

  it("reaches every string of a report", () => {
    const report = { a: ["\u0007", { b: "\u0007" }], n: 1, none: null };
    expect(printableData(report)).toEqual({ a: ["\\x07", { b: "\\x07" }], n: 1, none: null });
  });
});

describe("textWidth", () => {
  it("counts columns, not characters", () => {
    expect(textWidth("abc")).toBe(3);
    expect(textWidth("写真")).toBe(4);
    expect(textWidth("é")).toBe(1);
    expect(textWidth("e\u0301")).toBe(1);
    expect(textWidth("🎉")).toBe(2);
  });
});

describe("wrapText", () => {
  it("breaks between words, and long words where they have to be", () => {
    expect(wrapText("one two three", 7)).toEqual(["one two", "three"]);
    expect(wrapText("abcdefgh ij", 3)).toEqual(["abc", "def", "gh", "ij"]);
    expect(wrapText("", 5)).toEqual([""]);
    expect(wrapIndented("one two three", 4, 24)).toEqual(["    one two three"]);
  });

  it("loses nothing and keeps to the width", () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z写🎉]{1,12}$/u), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 2, max: 30 }),
        (words, width) => {
          const lines = wrapText(words.join(" "), width);
          expect(lines.join("").replaceAll(" ", "")).toBe(words.join(""));
          for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});

describe("small words", () => {
  it("are counted and listed", () => {
    expect([counted(1, "disk"), counted(4, "disk")]).toEqual(["1 disk", "4 disks"]);
    expect(listed(["a", "b", "c"], 3)).toBe("a, b, c");
    expect(listed(["a", "b", "c"], 1)).toBe("a and 2 more");
  });
});

describe("renderTable", () => {
  const columns: readonly Column[] = [
    { title: "NAME" },
    { title: "SIZE", align: "right" },
    { title: "TEXT", shrinksTo: 8 },
  ];
  const rows = [
    ["d0.img", "8 MiB", "member 0 of raid5 data"],
    ["longer.img", "16 MiB", "x"],
  ];

  it("is one line a row where the width does not matter", () => {
    expect(renderTable(columns, rows, { width: Infinity, ...plain })).toEqual([
      "NAME          SIZE  TEXT",
      "d0.img       8 MiB  member 0 of raid5 data",
      "longer.img  16 MiB  x",
    ]);
  });

  it("wraps the column that gives way", () => {
    expect(renderTable(columns, rows, { width: 34, indent: 1, ...plain })).toEqual([
      " NAME          SIZE  TEXT",
      " d0.img       8 MiB  member 0 of",
      "                     raid5 data",
      " longer.img  16 MiB  x",
    ]);
  });

  it("gives way no further than it is told", () => {
    const lines = renderTable(columns, rows, { width: 5, ...plain });
    expect(lines[1]).toBe("d0.img       8 MiB  member 0");
  });

  it("paints cells without counting the paint", () => {
    const paint = (text: string, tone: string): string =>
      tone === "plain" ? text : `<${tone}>${text}</>`;
    const cell = { text: "clean", tone: "good" } as const;
    expect(renderTable(columns, [[cell, "1", "y"]], { width: 80, paint })[1]).toBe(
      "<good>clean</>     1  y",
    );
  });

  it("keeps to the width whatever the cells hold, while columns can give way", () => {
    const cell = fc.stringMatching(/^[a-z 写]{0,40}$/u).map((text) => text.trim());
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell)),
        fc.integer({ min: 24, max: 90 }),
        (two, width) => {
          const both = [
            { title: "A", shrinksTo: 8 },
            { title: "B", shrinksTo: 8 },
          ];
          for (const line of renderTable(both, two, { width, ...plain })) {
            expect(textWidth(line)).toBeLessThanOrEqual(width);
          }
        },
      ),
    );
  });
});

describe("paintFor", () => {
  const painted = (columns: number | undefined, variables: Record<string, string>): boolean => {
    const terminal = new FakeTerminal({ ...(columns === undefined ? {} : { columns }), variables });
    return paintFor(terminal.stdout, terminal)("x", "good") !== "x";
  };

  it("colours on a terminal only, and not against the user's wish", () => {
    expect(painted(80, {})).toBe(true);
    expect(painted(80, { NO_COLOR: "" })).toBe(true);
    expect(painted(80, { NO_COLOR: "1" })).toBe(false);
    expect(painted(80, { TERM: "dumb" })).toBe(false);
    expect(painted(undefined, {})).toBe(false);
  });
});
