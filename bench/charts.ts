/** Bar charts as SVG files: a row for each cell, a bar for each variant, and a line at what all are compared with. */

export interface Bar {
  readonly variant: string;
  readonly value: number;
}

export interface BarRow {
  readonly label: string;
  readonly bars: readonly Bar[];
}

export interface Chart {
  readonly title: string;
  readonly rows: readonly BarRow[];
  /** Where the line is, and what it stands for. */
  readonly line: number;
  readonly lineLabel: string;
}

const WIDTH = 860;
const RIGHT = 50;
const BAR = 12;
const GAP = 9;
const LEGEND_TOP = 34;
const LEGEND_ROOM = 34;
/** Width of a character of 12 px sans-serif, rather too much than too little. */
const CHARACTER = 6.6;
/** A variant has the same colour in every chart: distinguishable with the common colour deficiencies (Okabe and Ito). */
const COLOURS: Readonly<Record<string, string>> = {
  holdfast: "#0072b2",
  "holdfast-node": "#56b4e9",
  "holdfast-degraded": "#cc79a7",
  "holdfast-direct": "#56b4e9",
  "qemu-nbd": "#999999",
  "qemu-nbd-uring": "#e69f00",
  nbdkit: "#009e73",
  dd: "#e69f00",
  cmp: "#009e73",
  linear: "#0072b2",
  striped: "#56b4e9",
  mirror: "#0072b2",
  thin: "#0072b2",
  clone: "#0072b2",
};
const OTHER_COLOUR = "#d55e00";

/** White around it: it may lie on the line. */
const FIGURE =
  'font-size="10" fill="#333333" stroke="#ffffff" stroke-width="3" paint-order="stroke"';

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function label(x: number, y: number, content: string, extra = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y}"${extra === "" ? "" : ` ${extra}`}>${escaped(content)}</text>`;
}

function colourOf(variant: string): string {
  return COLOURS[variant] ?? OTHER_COLOUR;
}

/** Boxes with names from left to right; none where there is nothing to tell apart. */
function legend({ rows }: Chart): string[] {
  const variants = [...new Set(rows.flatMap(({ bars }) => bars.map(({ variant }) => variant)))];
  if (variants.length < 2) return [];
  let x = 12;
  return variants.map((variant) => {
    const box = `<rect x="${x.toFixed(1)}" y="${LEGEND_TOP}" width="12" height="12" fill="${colourOf(variant)}"/>`;
    const text = label(x + 17, LEGEND_TOP + 11, variant);
    x += LEGEND_ROOM + variant.length * CHARACTER;
    return box + text;
  });
}

function heightOf({ bars }: BarRow): number {
  return bars.length * BAR + GAP;
}

interface Drawn {
  readonly bars: readonly string[];
  readonly texts: readonly string[];
}

function drawRow(row: BarRow, left: number, top: number, scale: number): Drawn {
  const middle = top + (row.bars.length * BAR) / 2 + 3;
  const bars = row.bars.map(({ variant, value }, index) => {
    const size = `width="${Math.max(1, value * scale).toFixed(1)}" height="${BAR - 2}"`;
    return `<rect x="${left}" y="${top + index * BAR}" ${size} fill="${colourOf(variant)}"/>`;
  });
  const figures = row.bars.map(({ value }, index) =>
    label(left + value * scale + 4, top + (index + 1) * BAR - 3, value.toFixed(2), FIGURE),
  );
  return { bars, texts: [label(left - 8, middle, row.label, 'text-anchor="end"'), ...figures] };
}

/** The whole file. */
export function drawChart(chart: Chart): string {
  const { rows, line, lineLabel, title } = chart;
  const left = Math.round(24 + CHARACTER * Math.max(...rows.map((row) => row.label.length)));
  const most = Math.max(line, ...rows.flatMap(({ bars }) => bars.map(({ value }) => value)));
  const scale = (WIDTH - left - RIGHT) / most;
  const names = legend(chart);
  const head = names.length === 0 ? LEGEND_TOP + 18 : LEGEND_TOP + 42;
  const drawn: Drawn[] = [];
  let bottom = head;
  for (const row of rows) {
    drawn.push(drawRow(row, left, bottom, scale));
    bottom += heightOf(row);
  }
  const x = left + line * scale;
  const size = `width="${WIDTH}" height="${bottom + 6}" viewBox="0 0 ${WIDTH} ${bottom + 6}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    label(12, 22, title, 'font-size="14" font-weight="bold"'),
    ...names,
    ...drawn.flatMap(({ bars }) => bars),
    `<line x1="${x.toFixed(1)}" y1="${head - 4}" x2="${x.toFixed(1)}" y2="${bottom}" stroke="#333333" stroke-dasharray="4 3"/>`,
    label(x, head - 8, lineLabel, 'text-anchor="middle" font-size="10" fill="#333333"'),
    ...drawn.flatMap(({ texts }) => texts),
    "</svg>",
    "",
  ].join("\n");
}
