/**
 * Power cuts of the simulator, judged by the real kernel: arrays that were cut off in the middle of writes, failures, recoveries and checks,
 * with disks that had caches, are started from their images. What was promised must be there, before and after the kernel has
 * synced them, and a check must find nothing. It is `holdfast sim --images --kernel` that is tested here.
 *
 * `HOLDFAST_SEED=N npx vitest run test/kernel/crashed.test.ts` replays a run, `HOLDFAST_KERNEL_CRASHES=N` asks for more than 28.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, it } from "vitest";
import { build } from "../../scripts/build.mjs";
import { versionsIn, wordsOf } from "../../src/sim/stamp.ts";
import { schemaProblems } from "../support/json-schema.ts";
import { peerDescribe } from "../support/peers.ts";
import { seedOfRun } from "../support/seed.ts";
import { testFolder } from "../support/temp.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/holdfast", import.meta.url));
const SEED = seedOfRun();
/** A few of them nobody starts but by force, and not all of those mdadm can. */
const CRASHES = Number(process.env["HOLDFAST_KERNEL_CRASHES"] ?? 28);

interface Judgement {
  readonly judged: number;
  readonly kernel: string | null;
  readonly wrong: readonly string[];
}

interface Dumped {
  readonly crashes: readonly {
    readonly images: readonly string[];
    readonly start: string;
    readonly holds: readonly { sector: number; sectors: number; least: number; newest: number }[];
  }[];
}

peerDescribe(["linux.uml", "busybox", "mdadm"], `simulated power cuts, seed ${SEED}`, () => {
  beforeAll(() => build());

  function judge(folder: string, words: readonly string[]): Judgement & { code: number | null } {
    const args = ["sim", "--images", folder, "--kernel", "--json", ...words];
    const { status, stdout, stderr } = spawnSync(PROGRAM, args, { encoding: "utf8" });
    expect(stderr).toBe("");
    const told = JSON.parse(stdout) as Judgement;
    expect(schemaProblems("sim", told)).toEqual([]);
    return { ...told, code: status };
  }

  it("are survived", { timeout: 120_000 + CRASHES * 20_000 }, () => {
    const folder = testFolder("crashed");
    const words = ["--runs", String(CRASHES), "--seed", String(SEED)];
    const { wrong, kernel, judged, code } = judge(folder, words);
    expect(wrong).toEqual([]);
    expect(kernel).toMatch(/^\d+\.\d+/);
    expect([code, judged >= CRASHES / 2]).toEqual([0, true]);
    // What the file says of the contents is what the kernel read.
    const { crashes } = JSON.parse(readFileSync(join(folder, "crashes.json"), "utf8")) as Dumped;
    const at = crashes.findIndex(
      ({ start, holds }) => !start.includes("force") && holds.length > 0,
    );
    const content = readFileSync(join(folder, `c${at}.first`));
    for (const { sector, sectors, least, newest } of crashes[at]!.holds)
      for (let one = sector; one < sector + sectors && least >= 0; one += 1) {
        const bytes = new Uint8Array(content.subarray(one * 512, (one + 1) * 512));
        const found = versionsIn(wordsOf(bytes), 0, one)!;
        expect(found.low).toBeGreaterThanOrEqual(least);
        expect(found.high).toBeLessThanOrEqual(newest);
      }
  });

  it("tell the kernel of a law that is broken", { timeout: 300_000 }, () => {
    const words = ["--mutant", "dirty-after-data", "--runs", "12", "--seed", "1"];
    const { wrong, code } = judge(testFolder("crashed-mutant"), words);
    expect(code).toBe(1);
    expect(wrong.join("\n")).toContain("holdfast sim --scenario clean --mutant dirty-after-data");
  });
});
