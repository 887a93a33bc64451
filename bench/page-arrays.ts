/** The parts of the page with figures: for each array charts, and for each place a table of its cells. */
import { ARRAY_NAMES } from "./arrays.ts";
import type { Chart } from "./charts.ts";
import { MAPPED_NAMES } from "./mapped.ts";
import type { MadeStack } from "./mapped.ts";
import { figure, ratioFigure, table } from "./markdown.ts";
import { mainMetric, METRICS, peerOf, ratioOf, valuesOf } from "./results.ts";
import type { CellResult, Metric, Results } from "./results.ts";
import { median, summarize } from "./stats.ts";

/** Beyond this a chart is drawn for each place. */
const MOST_ROWS = 18;

const ABOUT: Readonly<Record<MadeStack["name"], string>> = {
  linear: "One member; the peers serve a plain file.",
  "raid0-2": "Two members; qemu-nbd serves a plain file.",
  "raid1-2": "Two members; quorum has the same two and reads from the first.",
  "raid1-3": "Three members; quorum has the same three and reads from the first.",
  "raid5-4": "Four members, for `holdfast-degraded` without one; qemu-nbd serves a plain file.",
  "raid6-4": "Four members, for `holdfast-degraded` without one; qemu-nbd serves a plain file.",
  "raid10-4": "Four members, two near copies; qemu-nbd serves a plain file.",
  "dm-linear":
    "Mapped devices over one file each, `linear` and `striped` with both stripes on it; `bare` serves such a file as it is, by the same server.",
  "dm-mirror":
    "A device-mapper mirror of two legs with a log on disk, and an md raid1 of two members; regions of both are 64 MiB.",
  "dm-thin":
    "A thin device of which each block of 64 KiB is mapped, in no order, and a linear one of the same size.",
  "dm-clone":
    "A clone copies all of its source, in copies of 256 KiB, until its metadata says so on the disk; `cp` is followed by `sync`.",
};

interface CellName {
  readonly array: string;
  readonly place: string;
  readonly workload: string;
}

function nameOf({ id }: CellResult): CellName {
  const [array = "", place = "", workload = ""] = id.split("/");
  return { array, place, workload };
}

function variantRow(cell: CellResult, variant: string, isFirst: boolean): string[] {
  const metric = mainMetric(cell);
  const values = valuesOf(cell, variant, metric);
  const name = isFirst ? nameOf(cell).workload : "″";
  if (values.length === 0) return [name, variant, "left out", ...Array<string>(8).fill("")];
  const { median: middle, min, max, mad } = summarize(values);
  const other = (each: Metric): string => {
    const found = valuesOf(cell, variant, each);
    return found.length === 0 ? "" : figure(each, median(found));
  };
  return [
    name,
    variant,
    `${figure(metric, middle)} ${METRICS[metric]}`,
    `${figure(metric, min)} .. ${figure(metric, max)}`,
    figure(metric, mad),
    ratioFigure(ratioOf(cell, metric, variant, peerOf(cell))),
    peerOf(cell) === variant ? "" : peerOf(cell),
    other("cpuUsPerRequest"),
    other("p99Us"),
    other("rssMiB"),
    isFirst ? cell.load.toFixed(1) : "",
  ];
}

const HEAD =
  "cell, server, median, smallest .. largest, MAD, ratio, to, CPU µs, p99 µs, RSS MiB, load".split(
    ", ",
  );

function unique(texts: readonly string[]): string {
  return [...new Set(texts)].join(", ");
}

function howMeasured(cells: readonly CellResult[]): string {
  const efforts = cells.map(({ variants, seconds }) => {
    const runs = Object.values(variants).map((v) => (v.kind === "measured" ? v.runs.length : 0));
    return `${Math.max(...runs)} x ${seconds} s`;
  });
  const dates = unique(cells.map(({ at }) => at.slice(0, 10)));
  return `${unique(efforts)}; commit ${unique(cells.map(({ commit }) => commit))}; ${dates}.`;
}

/** What was left out, once for each reason. */
function leftOut(cells: readonly CellResult[]): string[] {
  const reasons = cells.flatMap(({ variants }) =>
    Object.entries(variants).flatMap(([name, result]) =>
      result.kind === "skipped" ? [`- ${name} was left out: ${result.reason.split("\n")[0]}`] : [],
    ),
  );
  return reasons.length === 0 ? [] : [[...new Set(reasons)].join("\n")];
}

function placeSection(place: string, cells: readonly CellResult[]): string[] {
  const rows = cells.flatMap((cell) =>
    Object.keys(cell.variants).map((variant, index) => variantRow(cell, variant, index === 0)),
  );
  return [`### ${nameOf(cells[0]!).array} on ${place}`, table(HEAD, rows), howMeasured(cells)];
}

function ratioChart(
  title: string,
  cells: readonly CellResult[],
  metricOf: (cell: CellResult) => Metric,
): Chart | null {
  const rows = cells.flatMap((cell) => {
    const { place, workload } = nameOf(cell);
    const bars = Object.keys(cell.variants)
      .filter((variant) => variant !== peerOf(cell))
      .flatMap((variant) => {
        const value = ratioOf(cell, metricOf(cell), variant, peerOf(cell));
        return value === null ? [] : [{ variant, value }];
      });
    return bars.length === 0 ? [] : [{ label: `${place} ${workload}`, bars }];
  });
  const lineLabel = unique(cells.map(peerOf));
  return rows.length === 0 ? null : { title, rows, line: 1, lineLabel };
}

function chartsOf(array: string, cells: readonly CellResult[]): [string, Chart][] {
  const places = [...new Set(cells.map((cell) => nameOf(cell).place))];
  const parts = cells.length > MOST_ROWS ? places.map((place) => [place]) : [places];
  return parts.flatMap((wanted) => {
    const some = cells.filter((cell) => wanted.includes(nameOf(cell).place));
    const file = parts.length === 1 ? array : `${array}-${wanted.join()}`;
    const work = ratioChart(
      `${array}: requests or bytes per second / peer: longer is better`,
      some,
      mainMetric,
    );
    const cost = ratioChart(
      `${array}: server CPU per request / peer: shorter is better`,
      some,
      () => "cpuUsPerRequest",
    );
    return [
      ...(work === null ? [] : [[`${file}-work`, work] satisfies [string, Chart]]),
      ...(cost === null ? [] : [[`${file}-cpu`, cost] satisfies [string, Chart]]),
    ];
  });
}

/** @param draw gives the Markdown of a chart, by the name of its file */
export function arraySections(
  { cells }: Results,
  draw: (name: string, chart: Chart) => string,
): string[] {
  return [...ARRAY_NAMES, ...MAPPED_NAMES].flatMap((array) => {
    const own = cells.filter((cell) => nameOf(cell).array === array);
    if (own.length === 0) return [];
    const places = [...new Set(own.map((cell) => nameOf(cell).place))].toSorted().toReversed();
    return [
      `## ${array}`,
      ABOUT[array],
      ...chartsOf(array, own).map(([name, chart]) => draw(name, chart)),
      ...places.flatMap((place) =>
        placeSection(
          place,
          own.filter((cell) => nameOf(cell).place === place),
        ),
      ),
      ...leftOut(own),
    ];
  });
}
