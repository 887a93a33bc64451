import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { peerTest } from "../test/support/peers.ts";
import { build } from "../scripts/build.mjs";
import { ROOT } from "../scripts/setup.mjs";
import { makeArray } from "./arrays.ts";
import type { ArrayName } from "./arrays.ts";
import { runChecked, runProgram } from "./processes.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-bench-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const WITH_LOST: readonly (readonly [ArrayName, readonly number[]])[] = [
  ["linear", []],
  ["raid0-2", []],
  ["raid1-2", [0]],
  ["raid1-3", [0, 2]],
  ["raid5-4", [1]],
  ["raid6-4", [0, 1]],
  ["raid10-4", [0, 3]],
];

it.each(WITH_LOST)(
  "%s gives the plain file's bytes, without members %j too",
  async (name, lost) => {
    await build();
    const { members, plain } = makeArray(folder, name, 6);
    const given = members.map((path, slot) => (lost.includes(slot) ? "missing" : path));
    for (const files of [members, given]) {
      const out = join(folder, "out");
      const args = ["dump", "--overwrite", "-o", out, ...files];
      await runChecked(join(ROOT, "bin", "holdfast"), args, 60);
      expect(readFileSync(out).equals(readFileSync(plain))).toBe(true);
    }
  },
);

peerTest(["mdadm"], "mdadm takes the members for what they are", async () => {
  const { members } = makeArray(folder, "raid6-4", 6);
  for (const [slot, path] of members.entries()) {
    const { code, stdout } = await runProgram("mdadm", ["--examine", path], 20);
    expect(code).toBe(0);
    expect(stdout).toContain("Raid Level : raid6");
    expect(stdout).toContain(`Device Role : Active device ${slot}`);
    expect(stdout).toMatch(/Checksum : \w+ - correct/);
  }
});
