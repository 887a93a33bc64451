import { expect, it } from "vitest";
import { drawChart } from "./charts.ts";

const chart = {
  title: "a < b & c",
  line: 1,
  lineLabel: "peer",
  rows: [
    {
      label: "cell",
      bars: [
        { variant: "holdfast", value: 2 },
        { variant: "nbdkit", value: 0.5 },
      ],
    },
  ],
};

function barsOf(svg: string): { width: number; fill: string | undefined }[] {
  const bars = svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)" height="10" fill="(#\w+)"/g);
  return [...bars].map(([, width, fill]) => ({ width: Number(width), fill }));
}

it("draws bars in proportion, each in its variant's colour", () => {
  const [ours, theirs] = barsOf(drawChart(chart));
  expect(ours?.width).toBeCloseTo(4 * (theirs?.width ?? 0), 0);
  expect(ours?.fill).not.toBe(theirs?.fill);
});

it("keeps a variant's colour in charts of other variants", () => {
  const alone = { ...chart, rows: [{ label: "cell", bars: [{ variant: "nbdkit", value: 3 }] }] };
  expect(barsOf(drawChart(alone))[0]?.fill).toBe(barsOf(drawChart(chart))[1]?.fill);
});

it("has room for the longest label", () => {
  const label = "tmpfs randwrite-4k-q32-flush32";
  const svg = drawChart({ ...chart, rows: [{ ...chart.rows[0]!, label }] });
  const at = /<text x="([\d.]+)" y="\d+" text-anchor="end">tmpfs/.exec(svg)?.[1];
  expect(Number(at)).toBeGreaterThan(label.length * 6);
});

it("escapes what XML would take for markup", () => {
  expect(drawChart(chart)).toContain("a &lt; b &amp; c");
});
