/** Figures and tables for the pages. */
import type { Metric } from "./results.ts";
import { rounded } from "./stats.ts";

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Three digits, four for thousands; bytes as megabytes. */
export function figure(metric: Metric, value: number): string {
  const scaled = metric === "bytesPerSecond" ? value / 1e6 : value;
  return String(scaled >= 1000 ? Math.round(scaled) : rounded(Number(scaled.toPrecision(3))));
}

/** Ratios: two digits behind the point. */
export function ratioFigure(value: number | null): string {
  return value === null ? "–" : value.toFixed(2);
}
