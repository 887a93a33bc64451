/** Bar charts as SVG files: a row for each cell, a bar for each variant, and a line where the peer is. */

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
  /** Variants in the order of the legend. */
  readonly variants: readonly string[];
  /** Where the peer is. */
  readonly line: number;
}

const WIDTH = 860;
const LEFT = 290;
const RIGHT = 60;
const BAR = 12;
const GAP = 10;
const HEAD = 62;
/** Distinguishable with the common colour deficiencies (Okabe and Ito). */
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9"];

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function label(x: number, y: number, content: string, extra = ""): string {
  return `<text x="${x}" y="${y}" ${extra}>${escaped(content)}</text>`;
}

function colourOf({ variants }: Chart, variant: string): string {
  return COLOURS[variants.indexOf(variant) % COLOURS.length]!;
}

function legend(chart: Chart): string[] {
  return chart.variants.map((variant, index) => {
    const x = 12 + index * 165;
    const box = `<rect x="${x}" y="34" width="12" height="12" fill="${colourOf(chart, variant)}"/>`;
    return box + label(x + 17, 45, variant);
  });
}

function rowHeight({ bars }: BarRow): number {
  return bars.length * BAR + GAP;
}

function drawRow(chart: Chart, row: BarRow, top: number, scale: number): string[] {
  const middle = top + (row.bars.length * BAR) / 2 + 4;
  const bars = row.bars.flatMap(({ variant, value }, index) => {
    const y = top + index * BAR;
    const width = Math.max(1, value * scale);
    const fill = colourOf(chart, variant);
    return [
      `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR - 2}" fill="${fill}"/>`,
      label(LEFT + width + 4, y + BAR - 3, value.toFixed(2), 'font-size="10"'),
    ];
  });
  return [label(LEFT - 8, middle, row.label, 'text-anchor="end"'), ...bars];
}

/** The whole file. */
export function drawChart(chart: Chart): string {
  const most = Math.max(chart.line, ...chart.rows.flatMap(({ bars }) => bars.map((b) => b.value)));
  const scale = (WIDTH - LEFT - RIGHT) / most;
  const drawn: string[] = [];
  let top = HEAD;
  for (const row of chart.rows) {
    drawn.push(...drawRow(chart, row, top, scale));
    top += rowHeight(row);
  }
  const x = LEFT + chart.line * scale;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${top + 8}" viewBox="0 0 ${WIDTH} ${top + 8}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    label(12, 22, chart.title, 'font-size="14" font-weight="bold"'),
    ...legend(chart),
    `<line x1="${x.toFixed(1)}" y1="${HEAD - 6}" x2="${x.toFixed(1)}" y2="${top}" stroke="#666666" stroke-dasharray="4 3"/>`,
    ...drawn,
    "</svg>",
    "",
  ].join("\n");
}
