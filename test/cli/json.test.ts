/** docs/json.md, docs/json-schema.json and what verbs print say the same. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { allMetas } from "../../src/cli/registry.ts";
import { SCHEMA_NAMES, schemaProblems } from "../support/json-schema.ts";

const PAGE = readFileSync("docs/json.md", "utf8");
const EXAMPLES = [
  ...PAGE.matchAll(/^## `holdfast ([^`]+?) --json`\n(?:(?!^## ).*\n)*?```json\n([^]*?)\n```/gm),
].map(([, verb = "", json = ""]) => ({ verb, json }));

describe("docs/json.md", () => {
  it("has an example for every verb with --json, and for --explain", async () => {
    const verbs = (await allMetas())
      .filter(({ options }) => options.some(({ long }) => long === "json"))
      .map(({ name }) => name);
    expect(EXAMPLES.map(({ verb }) => verb).toSorted()).toEqual(
      [...verbs, "examine --explain"].toSorted(),
    );
    for (const { verb } of EXAMPLES) expect(SCHEMA_NAMES).toContain(verb);
  });

  it.each(EXAMPLES)("has an example of $verb that fits the schema", ({ verb, json }) => {
    expect(schemaProblems(verb, JSON.parse(json))).toEqual([]);
  });
});

describe("the schema", () => {
  it("finds what is missing, what is not described, and what is of another type", () => {
    const sum = { name: "data", sha256: null, sizeBytes: 512, unreadable: [] };
    expect(schemaProblems("sum", { volumes: [sum] })).toEqual([]);
    expect(schemaProblems("sum", { volumes: [{ ...sum, sizeBytes: 1.5, extra: 1 }] })).toEqual([
      "sum.volumes[0].sizeBytes is not of type integer: 1.5",
      "sum.volumes[0].extra is not described",
    ]);
    expect(schemaProblems("sum", {})).toEqual(["sum.volumes is missing"]);
    expect(schemaProblems("sum", { volumes: [{ ...sum, sha256: 1 }] })[0]).toContain(
      "sum.volumes[0].sha256 fits none of",
    );
  });
});
