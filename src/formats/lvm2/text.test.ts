import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../base/errors.ts";
import { parseLvmText } from "./text.ts";
import type { LvmSection, LvmValue } from "./text.ts";
import { readVolumeGroup } from "./volume-group.ts";

function plain(section: LvmSection): Record<string, unknown> {
  return Object.fromEntries([
    ...section.values,
    ...[...section.sections].map(([name, inner]) => [name, plain(inner)] as const),
  ]);
}

describe("LVM2 text", () => {
  it("has sections, numbers, strings, arrays and comments", () => {
    const text = `# Generated
contents = "Text" # not the "end"
vg {\tid="a\\"b\\\\c" n = -12 f = 1.5
  flags = []  list = ["x", 1, ['y # z',],]
  inner-1.x { }
}\n\0\0`;
    expect(plain(parseLvmText(text))).toEqual({
      contents: "Text",
      vg: {
        id: 'a"b\\c',
        n: -12,
        f: 1.5,
        flags: [],
        list: ["x", 1, ["y # z"]],
        "inner-1.x": {},
      },
    });
  });

  it("keeps names that objects would choke on", () => {
    const parsed = parseLvmText("__proto__ { constructor = 1 }");
    expect(parsed.sections.get("__proto__")?.values.get("constructor")).toBe(1);
  });

  it.each([
    ["a = ", "line 1: a value was expected, not the end"],
    ['a = "x', "line 1: a string does not end"],
    ["a {\n b = 1\n", "line 3: a name was expected, not the end"],
    ["a = 1\na = 2", 'line 2: "a" is there twice'],
    ["a = [1 2]", 'in an array a comma was expected, not "2"'],
    ["a 1", '"a" is followed by "1"'],
    ["}", 'a name was expected, not "}"'],
    ["a = yes", '"yes" is not a value'],
    ["a = \u00e9", "a character that has no meaning here"],
    ["a = 1.2.3", '"1.2.3" is not a value'],
  ])("refuses %j, saying where", (text, message) => {
    expect(() => parseLvmText(text)).toThrow(message);
    expect(() => parseLvmText(text)).toThrow(HoldfastError);
  });

  it("does not run out of stack on nesting, nor out of time on long text", () => {
    expect(() => parseLvmText("a {".repeat(100_000))).toThrow("nested too deep");
    expect(() => parseLvmText(`a = ${"[".repeat(100_000)}`)).toThrow("nested too deep");
    const long = "x\\\\".repeat(500_000);
    expect(parseLvmText(`a = "${long}"`).values.get("a")).toBe("x\\".repeat(500_000));
    expect(() => parseLvmText(`a = "${long}`)).toThrow("does not end");
    expect(parseLvmText("#\n".repeat(500_000)).values.size).toBe(0);
  });

  it("reads back what is written, whatever the values", () => {
    const value: fc.Arbitrary<LvmValue> = fc.letrec<{ value: LvmValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.integer(),
        fc.string(),
        fc.array(tie("value"), { maxLength: 4 }),
      ),
    })).value;
    const show = (each: LvmValue): string => {
      if (typeof each === "number") return String(each);
      if (typeof each === "string") return `"${each.replace(/["\\]/g, "\\$&")}"`;
      return `[${each.map(show).join(", ")}]`;
    };
    fc.assert(
      fc.property(value, (each) => {
        expect(parseLvmText(`v=${show(each)}`).values.get("v")).toEqual(each);
      }),
    );
  });
});

const GROUP = `vg {
  id = "V" seqno = 3 status = ["READ"] extent_size = 8192
  physical_volumes { pv0 { id = "P" pe_start = 2048 pe_count = 10 } }
  logical_volumes {
    lv { id = "L" status = ["READ", "VISIBLE"] segment_count = 2
      segment1 { start_extent = 0 extent_count = 2 type = "striped" stripes = ["pv0", 4] }
      segment2 { start_extent = 2 extent_count = 1 type = "raid1+X" raids = ["lv", "gone"] }
    }
  }
}`;

describe("a volume group", () => {
  it("is read with sizes and areas", () => {
    const [lv] = readVolumeGroup(GROUP).logicalVolumes;
    expect(lv?.sizeSectors).toBe(3 * 8192);
    expect(lv?.segments[0]?.areas).toEqual([{ kind: "pv", name: "pv0", startExtent: 4 }]);
    expect(lv?.segments[1]?.type).toBe("raid1");
    expect(lv?.segments[1]?.typeFlags).toEqual(["X"]);
    expect(lv?.segments[1]?.areas).toEqual([
      { kind: "lv", name: "lv", startExtent: 0 },
      { kind: "missing", name: "gone" },
    ]);
  });

  it.each([
    ["extent_size = 8192", "extent_size = 0", "extent_size is 0"],
    ["seqno = 3", 'seqno = "x"', '/vg/seqno is "x"'],
    ["seqno = 3", "", "/vg/seqno is not there"],
    ['["pv0", 4]', '["pv0", 10]', 'wants extent 10 of "pv0", which has 10'],
    ['["pv0", 4]', '["pv7", 0]', 'names "pv7", which does not exist'],
    ['["pv0", 4]', "[4, 4]", "has 4 at place 0"],
    ["start_extent = 2", "start_extent = 3", "starts at extent 3, not 2"],
    ["segment_count = 2", "segment_count = 3", "segment3 is not there"],
    ["segment_count = 2", "segment_count = 1.5", "segment_count is 1.5"],
    ["extent_count = 1", "extent_count = 10000000000000", "larger than any device"],
    ["vg {", "other { }\nvg {", "there are 2 volume groups"],
    ['["READ"]', "[1]", "/vg/status holds more than strings"],
  ])("refuses %s as %s", (from, to, message) => {
    expect(GROUP).toContain(from);
    expect(() => readVolumeGroup(GROUP.replace(from, to))).toThrow(message);
  });
});
