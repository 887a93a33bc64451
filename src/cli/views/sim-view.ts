/** What `holdfast sim` shows. */
import type { Script } from "../../sim/script.ts";
import type { Paint } from "../style.ts";
import { renderTable } from "../table.ts";
import type { TableStyle } from "../table.ts";
import { counted } from "../text.ts";

/** A run that is broken, minimised. */
export interface Broken {
  readonly scenario: string;
  readonly seed: number;
  /** Plays the whole of it again. */
  readonly replay: string;
  readonly what: readonly string[];
  /** Before it was minimised. */
  readonly steps: number;
  readonly story: readonly string[];
  readonly script: Script;
}

export function brokenLines(broken: Broken, legend: readonly string[], paint: Paint): string[] {
  const { scenario, seed, what, steps, story, script, replay } = broken;
  const left = `${script.steps.length} of ${counted(steps, "step")} are left`;
  return [
    paint(`${scenario}, seed ${seed}: broken; ${left}`, "bad"),
    "",
    ...story,
    "",
    ...legend.map((line) => paint(line, "dim")),
    "",
    paint("What is wrong:", "heading"),
    ...what.map((line) => `  ${line}`),
    paint("To play it again:", "heading"),
    `  ${replay}`,
    "",
  ];
}

export interface Figures {
  readonly runs: number;
  readonly events: number;
  readonly crashes: number;
  readonly simulatedMs: number;
  readonly elapsedMs: number;
  readonly runsPerSecond: number;
}

export function figuresLine(figures: Figures, broken: number): string {
  const { runs, events, crashes, simulatedMs, elapsedMs, runsPerSecond } = figures;
  return (
    `${counted(runs, "run")} in ${(elapsedMs / 1000).toFixed(1)} s, ${runsPerSecond.toFixed(0)} a second: ` +
    `${counted(crashes, "crash", "crashes")}, ${counted(events, "event")}, ` +
    `${(simulatedMs / 3_600_000).toFixed(1)} simulated hours; ${broken} broken`
  );
}

interface Listed {
  readonly name: string;
  readonly about: string;
}

interface ListedMutant extends Listed {
  readonly law: number;
  readonly scenario: string;
}

export function listLines(
  scenarios: readonly Listed[],
  mutants: readonly ListedMutant[],
  style: TableStyle,
): string[] {
  const about = { title: "ABOUT", shrinksTo: 30 };
  const lines = renderTable(
    [{ title: "SCENARIO" }, about],
    scenarios.map((scenario) => [scenario.name, scenario.about]),
    style,
  );
  if (mutants.length === 0) return lines;
  const rows = mutants.map((mutant) => [
    mutant.name,
    String(mutant.law),
    mutant.scenario,
    mutant.about,
  ]);
  const columns = [
    { title: "MUTANT" },
    { title: "LAW", align: "right" as const },
    { title: "SCENARIO" },
    about,
  ];
  return [...lines, "", ...renderTable(columns, rows, style)];
}
