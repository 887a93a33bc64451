/**
 * Power cuts of the simulator, judged by the real kernel: arrays that were cut off in the middle of writes, failures, recoveries and checks,
 * with disks that had caches, are started from their images. What was promised must be there, before and after the kernel has
 * synced them, and a check must find nothing.
 *
 * `HOLDFAST_SEED=N npx vitest run test/kernel/crashed.test.ts` replays a run, `HOLDFAST_KERNEL_CRASHES=N` asks for more than 24.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { crashImages } from "../../src/sim/crash-images.ts";
import { scriptOf } from "../../src/sim/runner.ts";
import type { Scenario } from "../../src/sim/scenario.ts";
import { SCENARIOS } from "../../src/sim/scenarios/index.ts";
import { askKernel } from "../crash/kernel.ts";
import type { CrashedCopy } from "../crash/kernel.ts";
import { peerDescribe } from "../support/peers.ts";
import { superblockIn } from "../support/running-array.ts";
import { seedOfRun } from "../support/seed.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";

const SEED = seedOfRun();
const CRASHES = Number(process.env["HOLDFAST_KERNEL_CRASHES"] ?? 24);
/** Others are about what happens later than a crash. */
const NAMES = [
  "crash",
  "mixed",
  "phoenix",
  "durable",
  "bitmap-failure",
  "ppl-failure",
  "ppl",
  "journal",
];
/** Of one guest. */
const AT_A_TIME = 60;

function scenarios(): readonly Scenario[] {
  return NAMES.map((name) => {
    const found = SCENARIOS.find((scenario) => scenario.name === name);
    if (found === undefined) throw new Error(`there is no scenario ${name}`);
    return found;
  });
}

peerDescribe(GUEST_PROGRAMS, `${CRASHES} simulated power cuts, seed ${SEED}`, () => {
  let folder = "";
  const copies: CrashedCopy[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-crashed-"));
    for (let seed = SEED; copies.length < CRASHES; seed += 1)
      for (const scenario of scenarios()) if (copies.length < CRASHES) await add(scenario, seed);
  }, 300_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Not those that nobody starts but by force. */
  async function add(scenario: Scenario, seed: number): Promise<void> {
    const crashed = await crashImages(scriptOf(scenario, seed));
    if (crashed === null || crashed.needsForce) return;
    const { disks, wrongIn } = crashed;
    const name = `c${copies.length}`;
    mkdirSync(join(folder, name));
    // mdadm takes no device whose superblock is torn, or that was never told that it is a member.
    const images = disks.filter(superblockIn).map((image, disk) => {
      const path = join(folder, name, `${disk}.img`);
      writeFileSync(path, image);
      return path;
    });
    const title = `holdfast sim --scenario ${scenario.name} --seed ${seed}`;
    copies.push({ name, title, images, wrongIn: (content) => [...wrongIn(content)] });
  }

  it("are survived", { timeout: 60_000 + CRASHES * 10_000 }, async () => {
    const wrong: string[] = [];
    for (let from = 0; from < copies.length; from += AT_A_TIME) {
      const some = copies.slice(from, from + AT_A_TIME);
      wrong.push(...(await askKernel(some, join(folder, `guest${from}`))));
    }
    expect(wrong).toEqual([]);
  });
});
