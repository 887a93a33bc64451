import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { findBreaches } from "./layers.mjs";

const RULES = {
  layers: [["low"], ["left", "right"], ["top"]],
  packages: { someone: ["low"] },
  choosers: { "low/real": ["top"] },
};

/** Every folder of RULES, each with an import that is allowed. */
const GOOD = {
  "low/a.ts": 'import someone from "someone/part";\nimport { readFileSync } from "node:fs";',
  "low/real/a.ts": 'import { a } from "../a.ts";',
  "left/a.ts": 'import { a } from "../low/a.ts";\nimport type { B } from "./b.ts";',
  "left/b.ts": "export interface B {}",
  "left/b.test.ts": 'import { a } from "../top/a.ts";\nimport { it } from "vitest";',
  "right/a.ts": 'export { a } from "../low/a.ts";',
  "top/a.ts": 'import { a } from "../low/real/a.ts";\nimport { b } from "../right/a.ts";',
};

const made: string[] = [];
afterEach(() => {
  for (const root of made.splice(0)) rmSync(root, { recursive: true });
});

/** The breaches in GOOD with some files changed, added or (null) taken away. */
function breachesWith(changes: Record<string, string | null>): string[] {
  const root = mkdtempSync(join(tmpdir(), "layers-"));
  made.push(root);
  for (const [path, text] of Object.entries({ ...GOOD, ...changes })) {
    if (text === null) continue;
    const file = join(root, "src", path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return findBreaches(root, RULES);
}

describe("findBreaches", () => {
  it("finds nothing in a tree whose imports point down", () => {
    expect(breachesWith({})).toEqual([]);
  });

  it.each([
    ["an import", 'import { a } from "../left/a.ts";'],
    ["a type import", 'import type { A } from "../left/a.ts";'],
    ["a re-export", 'export { a } from "../left/a.ts";'],
    ["a dynamic import", 'const a = await import("../left/a.ts");'],
  ])("finds %s that points up", (_, text) => {
    expect(breachesWith({ "low/b.ts": text })).toEqual([
      'src/low/b.ts imports "../left/a.ts": left lies above low, and imports point down only.',
    ]);
  });

  it("finds peers that import each other", () => {
    expect(breachesWith({ "right/b.ts": 'import { a } from "../left/a.ts";' })).toEqual([
      'src/right/b.ts imports "../left/a.ts": right and left are peers; what both need belongs in a lower folder.',
    ]);
  });

  it("finds a folder that is not in the order, and one that is gone", () => {
    const strange = breachesWith({ "strange/a.ts": "", "right/a.ts": null, "top/a.ts": "" });
    expect(strange).toEqual([
      "src/strange has no place in the order: add it to scripts/layers.mjs.",
      "scripts/layers.mjs lists src/right, which does not exist.",
    ]);
  });

  it("finds a file outside the folders", () => {
    expect(breachesWith({ "stray.ts": "" })).toEqual([
      "src/stray.ts lies outside the layers: move it into a folder of src/.",
    ]);
  });

  it("finds an import of a file that does not exist", () => {
    expect(breachesWith({ "top/b.ts": 'import { a } from "../low/a.js";' })).toEqual([
      'src/top/b.ts imports "../low/a.js", which does not exist (write the whole name, ending in .ts).',
    ]);
  });

  it("finds production code that leaves src or imports a test", () => {
    const leaving = breachesWith({
      "top/b.ts": 'import { a } from "../../test/a.ts";\nimport "../left/b.test.ts";',
    });
    expect(leaving).toEqual([
      'src/top/b.ts imports "../../test/a.ts": production code stays inside src/.',
      'src/top/b.ts imports "../left/b.test.ts": production code never imports a test.',
    ]);
  });

  it("finds an implementation chosen elsewhere than allowed", () => {
    expect(breachesWith({ "left/c.ts": 'import { a } from "../low/real/a.ts";' })).toEqual([
      'src/left/c.ts imports "../low/real/a.ts": only top may choose src/low/real; take an Env as an argument.',
    ]);
  });

  it("finds packages in the wrong folder, unknown ones and unused ones", () => {
    const packages = breachesWith({
      "low/a.ts": "",
      "top/a.ts": 'import "someone";\nimport { x } from "@scope/other/part";',
    });
    expect(packages).toEqual([
      'src/top/a.ts imports "someone": that package is for src/low only.',
      'src/top/a.ts imports "@scope/other/part", a package without a line in scripts/layers.mjs.',
    ]);
    expect(breachesWith({ "low/a.ts": "" })).toEqual([
      "scripts/layers.mjs lists the package someone, which nothing in src/ imports.",
    ]);
  });
});
