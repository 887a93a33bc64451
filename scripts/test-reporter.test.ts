import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "reporter-"));
afterAll(() => rmSync(folder, { recursive: true }));

const MIXED = `
test("passes", () => {});
test("fails", () => { throw new Error("no"); });
test.skip("is left out", () => {});
test.todo("is not written yet");
describe("a group whose hook fails", () => {
  beforeAll(() => { throw new Error("hook"); });
  test("never runs", () => {});
});
`;

it("counts tests, and everything else that fails as one test each, and names what was skipped", () => {
  writeFileSync(join(folder, "mixed.test.js"), MIXED);
  writeFileSync(join(folder, "broken.test.js"), 'import "./not-there.js";');
  writeFileSync(
    join(folder, "rejects.test.js"),
    'test("ok", () => void Promise.reject(new Error("lost")));',
  );
  const countsFile = join(folder, "counts.json");
  const { stdout } = spawnSync(
    process.execPath,
    [
      join(ROOT, "node_modules/vitest/vitest.mjs"),
      "run",
      "--globals",
      `--root=${folder}`,
      `--reporter=${join(ROOT, "scripts/test-reporter.mjs")}`,
    ],
    { encoding: "utf8", env: { ...process.env, HOLDFAST_TEST_COUNTS: countsFile } },
  );
  // Failed: the test, the hook, the file that does not load, the rejection.
  expect(JSON.parse(readFileSync(countsFile, "utf8"))).toEqual({
    passed: 2,
    failed: 4,
    skipped: 3,
  });
  expect(stdout).toContain("Skipped:\n");
  for (const name of [
    "is left out",
    "is not written yet",
    "a group whose hook fails > never runs",
  ]) {
    expect(stdout).toContain(`  mixed.test.js > ${name}\n`);
  }
});
