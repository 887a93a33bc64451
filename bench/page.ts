/** Makes bench/README.md and its charts from bench/results/*.json. Run alone: `node bench/page.mjs`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../scripts/setup.mjs";
import { drawChart } from "./charts.ts";
import type { Chart } from "./charts.ts";
import { judgeGoals, peerOf } from "./goals.ts";
import { runChecked } from "./processes.ts";
import { loadResults, METRICS, ratioOf, valuesOf } from "./results.ts";
import type { CellResult, Metric, Results, ResultsName } from "./results.ts";
import { median, rounded, summarize } from "./stats.ts";

const FOLDER = join(ROOT, "bench");

const INTRODUCTION = `# Benchmarks

This page is made by \`npm run bench\` from the files in \`bench/results/\`; do not edit it. How to run it, what is measured and where the time goes is in
[docs/PERFORMANCE.md](../docs/PERFORMANCE.md).

Figures count as **ratios** of medians inside one cell: all servers of a cell took turns on the same bytes, within seconds. These runs shared two processors with
other work, and the client (fio) with the servers: absolute figures say nothing about another machine, often not even about this one
an hour later. Ratios between 0.8 and 1.25 are equal. The steadiest figure is server CPU per request.

Holdfast serves members of an md array, its peers one plain file with the volume's bytes; quorum is qemu's mirror on the same members, reading from the first (\`fifo\`). Where clients write,
Holdfast has an overlay, which starts empty, and its peers write in place.
`;

function figure(metric: Metric, value: number): string {
  const scaled = metric === "bytesPerSecond" ? value / 1e6 : value;
  return String(scaled >= 1000 ? Math.round(scaled) : rounded(Number(scaled.toPrecision(3))));
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** From the longest run that has figures for a goal. */
function goalsTable(runs: readonly (readonly [ResultsName, Results])[]): string {
  const rows = runs.flatMap(([name, results]) =>
    judgeGoals(results).map((row) => ({ ...row, name })),
  );
  const texts = [...new Set(rows.map(({ text }) => text))];
  const chosen = texts.flatMap((text) => {
    const measured = rows.filter((row) => row.text === text && row.ratio !== null);
    const full = measured.filter(({ name }) => name === "full");
    if (full.length > 0) return full;
    return measured.length > 0 ? measured : rows.filter((row) => row.text === text).slice(0, 1);
  });
  const cells = chosen.map(({ text, where, bound, ratio, isMet, name }) => [
    text,
    ratio === null ? "" : `${where} (${name})`,
    bound,
    ratio === null ? "–" : ratio.toFixed(2),
    ratio === null ? "not measured" : isMet ? "met" : "**not met**",
  ]);
  return table(["goal", "measured in", "wanted", "ratio", ""], cells);
}

function mainMetric({ id }: CellResult): "iops" | "bytesPerSecond" {
  return /\/(?:(?:read|write)-1m|pass(?:-degraded)?)$/.test(id) ? "bytesPerSecond" : "iops";
}

function variantRow(cell: CellResult, variant: string): string[] {
  const result = cell.variants[variant];
  const metric = mainMetric(cell);
  const values = valuesOf(cell, variant, metric);
  if (result?.kind === "skipped" || values.length === 0) {
    const reason = result?.kind === "skipped" ? result.reason.split("\n")[0] : "no figures";
    return [variant, `skipped: ${reason}`, "", "", "", "", "", ""];
  }
  const { median: middle, min, max, mad } = summarize(values);
  const other = (each: Metric): string => {
    const found = valuesOf(cell, variant, each);
    return found.length === 0 ? "" : figure(each, median(found));
  };
  return [
    variant,
    `${figure(metric, middle)} ${METRICS[metric]}`,
    `${figure(metric, min)} .. ${figure(metric, max)}`,
    figure(metric, mad),
    ratioOf(cell, metric, variant, peerOf(cell))?.toFixed(2) ?? "–",
    other("cpuUsPerRequest"),
    other("p99Us"),
    other("rssMiB"),
  ];
}

function cellSection(cell: CellResult): string {
  const repetitions = Math.max(
    ...Object.values(cell.variants).map((v) => (v.kind === "measured" ? v.runs.length : 0)),
  );
  const head = [
    "",
    "median",
    "min .. max",
    "MAD",
    `/ ${peerOf(cell)}`,
    "CPU µs",
    "p99 µs",
    "RSS MiB",
  ];
  const rows = Object.keys(cell.variants).map((variant) => variantRow(cell, variant));
  const how = `${repetitions} x ${cell.seconds} s, commit ${cell.commit}, ${cell.at.slice(0, 10)}, load average before: ${cell.load.toFixed(1)}`;
  return `#### ${cell.id}\n\n${table(head, rows)}\n\n${how}\n`;
}

/** Ratios to the peer of all cells that have the metric. */
function ratioChart(title: string, metric: Metric, cells: readonly CellResult[]): Chart | null {
  const rows = cells.flatMap((cell) => {
    const bars = Object.keys(cell.variants)
      .filter((variant) => variant !== peerOf(cell))
      .flatMap((variant) => {
        const value = ratioOf(cell, metric, variant, peerOf(cell));
        return value === null ? [] : [{ variant, value }];
      });
    return bars.length === 0 ? [] : [{ label: cell.id, bars }];
  });
  if (rows.length === 0) return null;
  const variants = [...new Set(rows.flatMap(({ bars }) => bars.map(({ variant }) => variant)))];
  return { title, rows, variants, line: 1 };
}

function charts(name: ResultsName, { cells }: Results): string {
  const small = cells.filter((cell) => mainMetric(cell) === "iops");
  const large = cells.filter((cell) => mainMetric(cell) === "bytesPerSecond");
  const drawn = [
    ["iops", ratioChart("IOPS / peer (qemu-nbd, quorum): longer is better", "iops", small)],
    [
      "cpu",
      ratioChart("server CPU per request / peer: shorter is better", "cpuUsPerRequest", small),
    ],
    ["bytes", ratioChart("bytes per second / peer: longer is better", "bytesPerSecond", large)],
  ] as const;
  mkdirSync(join(FOLDER, "charts"), { recursive: true });
  return drawn
    .flatMap(([kind, chart]) => {
      if (chart === null) return [];
      const file = `charts/${name}-${kind}.svg`;
      writeFileSync(join(FOLDER, file), drawChart(chart));
      return [`![${chart.title}](${file})`];
    })
    .join("\n\n");
}

function parityTable({ parity }: Results): string {
  if (parity.length === 0) return "";
  const rows = parity.map(({ name, ratioToIsal }) => [name, ratioToIsal.toFixed(2)]);
  return `### Parity kernels\n\n${table(["case", "/ ISA-L"], rows)}\n`;
}

function machineTable({ machine, backend, idleNodeRssMiB }: Results): string {
  const rows = Object.entries({
    ...machine,
    "Holdfast's backend": backend,
    "idle Node": `${idleNodeRssMiB.toFixed(0)} MiB resident`,
  });
  return table(["machine", ""], rows);
}

function resultsSection(name: ResultsName, results: Results): string {
  const title = { quick: "Quick run", full: "Full run" }[name];
  return [
    `## ${title}`,
    machineTable(results),
    "### Charts",
    charts(name, results),
    parityTable(results),
    "### Cells",
    ...results.cells.map(cellSection),
  ].join("\n\n");
}

/** Writes the page, formatted like everything else. */
export async function writePage(): Promise<void> {
  const runs = (["full", "quick"] as const).flatMap((name) => {
    const results = loadResults(name);
    return results === null ? [] : [[name, results] as const];
  });
  const page = join(FOLDER, "README.md");
  const sections = runs.map(([name, results]) => resultsSection(name, results));
  writeFileSync(page, [INTRODUCTION, "## Goals", goalsTable(runs), ...sections].join("\n\n"));
  const formatter = join(ROOT, "node_modules", "oxfmt", "bin", "oxfmt");
  await runChecked(process.execPath, [formatter, page], 60, { cwd: ROOT });
}
