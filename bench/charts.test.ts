import { expect, it } from "vitest";
import { drawChart } from "./charts.ts";

const chart = {
  title: "a < b & c",
  variants: ["ours", "theirs"],
  line: 1,
  rows: [
    {
      label: "cell",
      bars: [
        { variant: "ours", value: 2 },
        { variant: "theirs", value: 0.5 },
      ],
    },
  ],
};

it("draws bars in proportion, each in its variant's colour", () => {
  const bars = [
    ...drawChart(chart).matchAll(
      /<rect x="290" y="\d+" width="([\d.]+)" height="10" fill="(#\w+)"/g,
    ),
  ];
  expect(bars.map(([, width]) => Number(width))).toEqual([510, 127.5]);
  expect(new Set(bars.map(([, , fill]) => fill)).size).toBe(2);
});

it("escapes what XML would take for markup", () => {
  expect(drawChart(chart)).toContain("a &lt; b &amp; c");
});
