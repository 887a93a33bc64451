/**
 * `npm run bench [-- --quick] [-- --resume] [-- --only PATTERN] [-- --seconds N] [-- --repetitions N]`: side by side with other servers,
 * on the same bytes. What is measured is plan.ts and cells.ts, how is bench.ts. Nothing is asserted: figures are for people.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../scripts/build.mjs";
import { stopOnSignals } from "../scripts/children.mjs";
import { Bench } from "./bench.ts";
import type { Folders } from "./bench.ts";
import { countVerdicts } from "./judge.ts";
import { writePages } from "./page.ts";
import { preparePeers } from "./peers.ts";
import { planOf } from "./plan.ts";

const BASES: Folders = { tmpfs: "/dev/shm", disk: tmpdir() };

function report(rows: ReturnType<Bench["judge"]>): void {
  for (const { verdict, text, where, ratio, bound } of rows) {
    if (verdict === "met") continue;
    const figure = ratio === null ? "" : ` ${ratio.toFixed(2)}, wanted ${bound}`;
    console.log(`${verdict}: ${text} (${where})${figure}`);
  }
  console.log(`goals: ${countVerdicts(rows)}; see bench/README.md`);
}

async function measure(args: readonly string[], folders: Folders): Promise<void> {
  const plan = planOf(args);
  await preparePeers();
  await build();
  const bench = await Bench.create(plan, folders, BASES);
  await bench.run();
  writePages({ isFormatted: true });
  report(bench.judge());
}

/** @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const folders = {
    tmpfs: mkdtempSync(join(BASES.tmpfs, "holdfast-bench-")),
    disk: mkdtempSync(join(BASES.disk, "holdfast-bench-")),
  };
  const clean = (): void => {
    for (const folder of Object.values(folders)) rmSync(folder, { recursive: true, force: true });
  };
  stopOnSignals(() => {
    clean();
    writePages({ isFormatted: true });
    console.log("Interrupted. To go on with what is missing: npm run bench -- --resume");
    process.exit(1);
  });
  try {
    await measure(args, folders);
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    clean();
  }
}
