import { describe, expect, it } from "vitest";
import { shellWord } from "./shell.ts";

describe("shellWord", () => {
  it("quotes only what a shell would take apart", () => {
    expect(shellWord("a/b-c.img")).toBe("a/b-c.img");
    expect(shellWord("it's here")).toBe(`'it'\\''s here'`);
    expect(shellWord("nbd+unix:///d?socket=/s")).toBe("'nbd+unix:///d?socket=/s'");
    expect(shellWord("")).toBe("''");
  });
});
