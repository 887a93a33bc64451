/**
 * Makes the pages from bench/results/*.json: bench/README.md of the full run and bench/quick.md of the quick one, with their charts.
 * As long as there is no full run the quick one is bench/README.md. Run alone: `node bench/page.mjs`.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../scripts/setup.mjs";
import { drawChart } from "./charts.ts";
import type { Chart } from "./charts.ts";
import { judgeGoals } from "./judge.ts";
import { ratioFigure, table } from "./markdown.ts";
import { arraySections } from "./page-arrays.ts";
import { goalsChart, goalsTable, missesSection } from "./page-goals.ts";
import { cellIdsOf } from "./plan.ts";
import { loadResults } from "./results.ts";
import type { Results, ResultsName } from "./results.ts";

const FOLDER = join(ROOT, "bench");
const CHARTS = "charts";

const INTRODUCTION = `This page is made by \`npm run bench\` from the files in \`bench/results/\`; do not edit it. How to run it, what is measured and where the time goes is in
[docs/PERFORMANCE.md](../docs/PERFORMANCE.md).

Figures count as **ratios** of medians inside one cell: all servers of a cell took turns on the same bytes, within seconds. The client (fio) shares the processors
with the servers: absolute figures say nothing about another machine, often not even about this one an hour later. Ratios between 0.8 and 1.25 are
equal. The steadiest figure is server CPU per request. MAD is the median distance to the median. The load average is that of the minute before a cell, mostly of the cell before.

Holdfast serves members of an md array, its peers one plain file with the volume's bytes; quorum is qemu's mirror on the same members, reading from the first (\`fifo\`). Where clients write to linear or raid0,
Holdfast has an overlay, which starts empty; arrays with redundancy, which have an internal bitmap, are written to as they are, as the peers write in place. \`holdfast\` is the backend that the machine allows, \`holdfast-node\` the one without io_uring. Mapped devices are compared
with what they could be replaced by, which Holdfast serves as well.`;

const TITLES: Readonly<Record<ResultsName, string>> = {
  full: "# Benchmarks",
  quick: "# Benchmarks, quick run",
};

function paritySection({ parity }: Results): string[] {
  if (parity.length === 0) return [];
  const rows = parity.map(({ name, ratioToIsal, turns = [] }) => [
    name,
    ratioFigure(ratioToIsal),
    turns.length === 0
      ? ""
      : `${ratioFigure(Math.min(...turns))} .. ${ratioFigure(Math.max(...turns))}`,
  ]);
  return ["## Parity kernels", table(["case", "/ ISA-L", "smallest .. largest"], rows)];
}

function resyncSection({ resyncs = [] }: Results): string[] {
  if (resyncs.length === 0) return [];
  const rows = resyncs.map(({ array, sizeMiB, dirtyShare, seconds, readBytes }) => [
    `${array}, ${sizeMiB} MiB`,
    `${dirtyShare * 100} %`,
    `${seconds.toFixed(2)} s`,
    `${(readBytes / 1024 / 1024).toFixed(0)} MiB`,
  ]);
  const about =
    "An array with a bitmap of 1 MiB a region dies while a share of its regions is being written, and is started again; on tmpfs, without limits to the speed.";
  const head = ["array", "dirty regions", "resync", "read of members"];
  return ["## Resync after a crash", about, table(head, rows)];
}

function machineSection({ machine, backend, idleNodeRssMiB }: Results): string[] {
  const rows = Object.entries({
    ...machine,
    "Holdfast's backend": backend,
    "idle Node": `${idleNodeRssMiB.toFixed(0)} MiB resident`,
  });
  return ["## The machine", table(["", ""], rows)];
}

function pageText(name: ResultsName, results: Results, isOther: boolean): string {
  const draw = (file: string, chart: Chart): string => {
    const path = `${CHARTS}/${name}-${file}.svg`;
    writeFileSync(join(FOLDER, path), drawChart(chart));
    return `![${chart.title}](${path})`;
  };
  const rows = judgeGoals(results, cellIdsOf(name));
  const chart = goalsChart(rows);
  const parts = [
    TITLES[name],
    INTRODUCTION,
    ...(isOther ? ["There is a [quick run](quick.md) too, which may be newer."] : []),
    "## Goals",
    goalsTable(rows, results),
    ...(chart === null ? [] : [draw("goals", chart)]),
    missesSection(rows, results),
    ...arraySections(results, draw),
    ...resyncSection(results),
    ...paritySection(results),
    ...machineSection(results),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function removeCharts(): void {
  const folder = join(FOLDER, CHARTS);
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(folder)) if (file.endsWith(".svg")) rmSync(join(folder, file));
}

/** Writes all pages and charts anew. @param isFormatted like everything else in the repository; not needed halfway */
export function writePages({ isFormatted }: { readonly isFormatted: boolean }): void {
  removeCharts();
  const full = loadResults("full");
  const quick = loadResults("quick");
  const hasFull = full !== null && full.cells.length > 0;
  const pages: string[] = [];
  const write = (file: string, text: string): void => {
    const path = join(FOLDER, file);
    writeFileSync(path, text);
    pages.push(path);
  };
  if (hasFull) write("README.md", pageText("full", full, quick !== null));
  const quickFile = hasFull ? "quick.md" : "README.md";
  if (quick !== null) write(quickFile, pageText("quick", quick, false));
  if (quickFile === "README.md") rmSync(join(FOLDER, "quick.md"), { force: true });
  const formatter = join(ROOT, "node_modules", "oxfmt", "bin", "oxfmt");
  if (!isFormatted || pages.length === 0 || !existsSync(formatter)) return;
  execFileSync(process.execPath, [formatter, ...pages], { cwd: ROOT });
}
