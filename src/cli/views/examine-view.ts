/** The reports of `holdfast examine` as tables: every field of every superblock. */
import type { ExamineReport } from "../../volume/report.ts";
import type { TableStyle } from "../table.ts";
import { renderTable } from "../table.ts";
import { printableData, wrapIndented } from "../text.ts";
import { trimStop } from "./verdict.ts";

function reportLines(report: ExamineReport, style: TableStyle): string[] {
  const { paint, width } = style;
  const fields = renderTable(
    [
      { title: "OFFSET", align: "right" },
      { title: "SIZE", align: "right" },
      { title: "TYPE" },
      { title: "FIELD" },
      { title: "VALUE", shrinksTo: 24 },
    ],
    report.fields.map((field) => [
      String(field.offset),
      String(field.size),
      { text: field.type, tone: "dim" },
      field.name,
      field.value,
    ]),
    { ...style, indent: 2 },
  );
  const problems = report.problems.flatMap((problem) =>
    wrapIndented(`Problem: ${trimStop(problem)}.`, 2, width),
  );
  return [
    paint(`${report.path}: ${report.format} at byte ${report.offsetBytes}`, "heading"),
    ...problems.map((line) => paint(line, "bad")),
    ...fields,
  ];
}

export function examineLines(given: readonly ExamineReport[], style: TableStyle): string[] {
  return printableData(given).flatMap((report, index) => [
    ...(index === 0 ? [] : [""]),
    ...reportLines(report, style),
  ]);
}
