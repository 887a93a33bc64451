/**
 * `holdfast examine --explain` as tables: who says what about whom, what each way to put the set together would do, and
 * which kernels take it.
 */
import type { ExplainedMember, ExplainedWay, SetExplanation } from "../../md/explanation.ts";
import { formatSectors } from "../../base/units.ts";
import type { Tone } from "../style.ts";
import type { Cell, TableStyle } from "../table.ts";
import { renderTable } from "../table.ts";
import { counted, printableData, wrapIndented } from "../text.ts";
import { trimStop, verdictText, verdictTone } from "./verdict.ts";

function memberRow(member: ExplainedMember, freshestEvents: number): Cell[] {
  const behind = freshestEvents - member.events;
  const tone: Tone = behind === 0 ? "plain" : "warning";
  const rebuilt =
    member.recoveryOffsetSectors === null
      ? member.state
      : `${member.state}, up to ${formatSectors(member.recoveryOffsetSectors)}`;
  return [
    member.path,
    String(member.deviceNumber),
    member.role,
    { text: String(member.events), tone },
    { text: behind === 0 ? "" : `-${behind}`, tone },
    member.updated,
    member.sees,
    rebuilt,
  ];
}

function memberLines(explanation: SetExplanation, style: TableStyle): string[] {
  const { members } = explanation;
  const freshest = Math.max(0, ...members.map(({ events }) => events));
  const table = renderTable(
    [
      { title: "MEMBER", shrinksTo: 12 },
      { title: "#", align: "right" },
      { title: "ROLE", shrinksTo: 10 },
      { title: "EVENTS", align: "right" },
      { title: "", align: "right" },
      { title: "UPDATED", shrinksTo: 10 },
      { title: "SEES" },
      { title: "STATE", shrinksTo: 10 },
    ],
    members.map((member) => memberRow(member, freshest)),
    { ...style, indent: 2 },
  );
  const notes = members.flatMap(({ path, note }) =>
    note === null ? [] : wrapIndented(`${path}: ${trimStop(note)}.`, 4, style.width),
  );
  return [...table, ...notes];
}

function wayLines(way: ExplainedWay, raidDisks: number, style: TableStyle): string[] {
  const { paint, width } = style;
  const atRisk =
    way.stripesAtRisk === null || way.stripesAtRisk === 0
      ? []
      : [`${counted(way.stripesAtRisk, "stripe")} may hold wrong data.`];
  const members = way.members.length === 0 ? [] : [`It uses ${way.members.join(", ")}.`];
  const sentences = [
    ...members,
    ...way.consequences.map((sentence) => `${trimStop(sentence)}.`),
    ...atRisk,
  ];
  return [
    ...wrapIndented(`${way.way}: ${verdictText(way.verdict, raidDisks)}.`, 2, width).map((line) =>
      paint(line, verdictTone(way.verdict)),
    ),
    ...(way.command === null ? [] : [`      ${paint(way.command, "heading")}`]),
    ...sentences.flatMap((sentence) => wrapIndented(sentence, 6, width)),
  ];
}

function setLines(explanation: SetExplanation, style: TableStyle): string[] {
  const { paint, width } = style;
  const { name, level, layout, raidDisks, metadata, uuid, kernels } = explanation;
  return [
    paint(
      `${name}: ${level} of ${counted(raidDisks, "disk")}, ${layout}, metadata ${metadata}, UUID ${uuid}`,
      "heading",
    ),
    ...memberLines(explanation, style),
    "",
    paint("  Ways to put it together", "heading"),
    ...explanation.ways.flatMap((way) => wayLines(way, raidDisks, style)),
    "",
    paint("  Kernels", "heading"),
    ...wrapIndented(`${kernels.accepts}.`, 2, width),
    ...kernels.reasons.flatMap((reason) => wrapIndented(`${trimStop(reason)}.`, 4, width)),
  ];
}

export function explainLines(given: readonly SetExplanation[], style: TableStyle): string[] {
  return printableData(given).flatMap((explanation, index) => [
    ...(index === 0 ? [] : [""]),
    ...setLines(explanation, style),
  ]);
}
