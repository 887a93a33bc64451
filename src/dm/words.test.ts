import { describe, expect, test } from "vitest";
import { Words } from "./words.ts";

function words(...list: string[]): Words {
  return new Words("linear", list);
}

describe("words of a table line", () => {
  test("are taken one by one", () => {
    const all = words("a", "7", "2", "x", "y", "z");
    expect(all.word("the device")).toBe("a");
    expect(all.peek).toBe("7");
    expect(all.number("the offset")).toBe(7);
    const group = all.group("features");
    expect([group.word("one"), group.word("two")]).toEqual(["x", "y"]);
    group.end();
    expect(all.left).toBe(1);
    expect(all.choice("the last", ["z", "w"])).toBe("z");
    all.end();
    expect(all.peek).toBeNull();
  });

  test.each<[string, () => unknown]>([
    ["the device is missing behind 0 words", () => words().word("the device")],
    [
      'word 1 ("1x") is wrong: the offset is a number from 0 on',
      () => words("1x").number("the offset"),
    ],
    ['word 1 ("-1") is wrong', () => words("-1").number("the offset")],
    ['word 1 ("0x10") is wrong', () => words("0x10").number("the offset")],
    ['word 1 ("9007199254740993") is wrong', () => words("9007199254740993").number("the offset")],
    [
      'word 1 ("9") is wrong: the count is a number from 1 to 8',
      () => words("9").number("the count", 1, 8),
    ],
    ['word 1 ("q") is wrong: it is one of r, w', () => words("q").choice("it", ["r", "w"])],
    [
      'word 1 ("3") is wrong: so many features do not follow: 1 words are left',
      () => words("3", "a").group("features"),
    ],
    ['word 1 ("2") is wrong', () => words("2", "a", "b").group("features", 1)],
    ['word 1 ("more") is wrong: nothing more was expected', () => words("more").end()],
    [
      "a name is missing behind 2 words",
      () => {
        const group = words("1", "a", "b").group("features");
        group.word("a name");
        return group.word("a name");
      },
    ],
  ])("%s", (message, take) => {
    expect(take).toThrow(`linear: ${message}`);
  });
});
