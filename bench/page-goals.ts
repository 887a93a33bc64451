/** The part of the page that says which goals are met, and why the others are not. */
import type { BarRow, Chart } from "./charts.ts";
import { countVerdicts } from "./judge.ts";
import type { GoalRow } from "./judge.ts";
import { ratioFigure, table } from "./markdown.ts";
import type { Profile, Results } from "./results.ts";

const PERFORMANCE = "../docs/PERFORMANCE.md";
const PROFILE_ROWS = 10;

const ABOUT_PROFILES =
  "Profiles are of the busiest thread, by what V8 samples, from memory, and apart from the measurement. The backend `ring` waits for requests inside its call " +
  "to the kernel, `(anonymous) env`, so that is work and waiting together; `(program)` is native code.";

function verdictText({ verdict, id }: GoalRow): string {
  switch (verdict) {
    case "met":
    case "not measured":
      return verdict;
    case "not met":
      return `**not met**, [why](#why-${id})`;
    case "no io_uring":
      return "no io_uring here";
  }
}

function goalRow(row: GoalRow, isRepeated: boolean): string[] {
  const { spread } = row;
  return [
    isRepeated ? "″" : row.text,
    row.where,
    row.bound,
    ratioFigure(row.ratio),
    spread === null ? "" : ratioFigure(spread.mad),
    spread === null ? "" : `${ratioFigure(spread.min)} .. ${ratioFigure(spread.max)}`,
    verdictText(row),
  ];
}

export function goalsTable(rows: readonly GoalRow[], { backend }: Results): string {
  const head = ["goal", "measured in", "wanted", "ratio", "MAD", "smallest .. largest", ""];
  const body = rows.map((row, index) => goalRow(row, rows[index - 1]?.text === row.text));
  const lines = [`${countVerdicts(rows)}.`];
  if (backend !== "ring") {
    lines.push(
      "Holdfast cannot use io_uring on this machine: its backend is `node`, and goals of the backend `ring` are left out.",
    );
  }
  return [...lines, table(head, body)].join("\n\n");
}

/** How far beyond its goal each is. */
export function goalsChart(rows: readonly GoalRow[]): Chart | null {
  const bars = rows.flatMap(({ id, where, of, reached }): BarRow[] => {
    const label = `${id}: ${where.replace(/^linear\//, "")}`;
    return reached === null ? [] : [{ label, bars: [{ variant: of, value: reached }] }];
  });
  if (bars.length === 0) return null;
  const title = "What was reached / what is wanted: longer is better";
  return { title, rows: bars, line: 1, lineLabel: "goal" };
}

function profileTable({ cell, variant, commit, functions }: Profile): string {
  const rows = functions
    .slice(0, PROFILE_ROWS)
    .map(({ name, share }) => [`${(share * 100).toFixed(1)} %`, `\`${name}\``]);
  const head = [`${variant} in ${cell}, commit ${commit}`, "own time in"];
  return table(head, rows);
}

/** For each goal that is not met: what is known of the reason, and profiles of the cells. */
export function missesSection(rows: readonly GoalRow[], results: Results): string {
  const missed = rows.filter(({ verdict }) => verdict === "not met");
  const ids = [...new Set(missed.map(({ id }) => id))];
  if (ids.length === 0) return "";
  const parts = ids.flatMap((id) => {
    const cells = missed.filter((row) => row.id === id);
    const profiles = (results.profiles ?? []).filter((profile) =>
      cells.some(({ where, of }) => where === profile.cell && of === profile.variant),
    );
    const text = cells[0]?.text ?? "";
    const link = `What keeps it from being met: [${id}](${PERFORMANCE}#goal-${id}).`;
    const heading = `### Why: ${id}`;
    return [`<a id="why-${id}"></a>`, heading, `${text}. ${link}`, ...profiles.map(profileTable)];
  });
  return ["## Goals that are not met", ABOUT_PROFILES, ...parts].join("\n\n");
}
