/**
 * `holdfast examine --explain` as tables: who says what about whom, what each way to put the set together would do, and
 * which kernels take it.
 */
import { formatBytes, formatSectors } from "../../base/units.ts";
import type {
  ExplainedBitmap,
  ExplainedMember,
  ExplainedWay,
  SetExplanation,
} from "../../md/explanation.ts";
import type { Tone } from "../style.ts";
import type { Cell, TableStyle } from "../table.ts";
import { renderTable } from "../table.ts";
import { counted, printableData, wrapIndented } from "../text.ts";
import { trimStop, verdictText, verdictTone } from "./verdict.ts";

const NONE: Cell = { text: "-", tone: "dim" };

/** With a capital letter, unless the first word is no plain one but a path. */
function capital(sentence: string): string {
  return sentence.replace(/^[a-z](?=[a-z]*[ ,;])/, (letter) => letter.toUpperCase());
}

/** Sentences, each on lines of its own. */
function sentenceLines(sentences: readonly string[], indent: number, style: TableStyle): string[] {
  return sentences.flatMap((sentence) =>
    wrapIndented(`${capital(trimStop(sentence))}.`, indent, style.width),
  );
}

function memberRow(member: ExplainedMember): Cell[] {
  const tone: Tone = member.eventsBehind === 0 ? "plain" : "warning";
  const rebuilt =
    member.recoveryOffsetSectors === null
      ? member.state
      : `${member.state}, up to ${formatSectors(member.recoveryOffsetSectors)}`;
  return [
    member.path,
    String(member.deviceNumber),
    member.role,
    { text: String(member.events), tone },
    member.eventsBehind === 0 ? NONE : { text: String(member.eventsBehind), tone },
    // With a space it can be broken where it is narrow.
    member.updated.replace("T", " "),
    member.sees,
    rebuilt,
  ];
}

function bitmapText(bitmap: ExplainedBitmap): string {
  const dirty = `${bitmap.dirtyChunks} of ${counted(bitmap.chunks, "chunk")} dirty`;
  const since = `since event ${bitmap.eventsCleared}`;
  return bitmap.distrust === null ? `${dirty}, ${since}` : `${dirty}, not believed`;
}

function conditionRow(member: ExplainedMember): Cell[] {
  const { clean, checksumOk, resyncOffsetSectors, bitmap, badBlockSectors, log } = member;
  return [
    member.path,
    clean ? "yes" : { text: "no", tone: "warning" },
    resyncOffsetSectors === null ? NONE : formatSectors(resyncOffsetSectors),
    bitmap === null ? NONE : bitmapText(bitmap),
    badBlockSectors === null ? "unreadable" : formatSectors(badBlockSectors),
    log ?? NONE,
    checksumOk ? "ok" : { text: "wrong", tone: "bad" },
  ];
}

function memberLines({ members }: SetExplanation, style: TableStyle): string[] {
  const indented = { ...style, indent: 2 };
  const roles = renderTable(
    [
      { title: "MEMBER", shrinksTo: 12 },
      { title: "#", align: "right" },
      { title: "ROLE", shrinksTo: 8 },
      { title: "EVENTS", align: "right" },
      { title: "BEHIND", align: "right" },
      { title: "UPDATED", shrinksTo: 10 },
      { title: "SEES" },
      { title: "STATE", shrinksTo: 8 },
    ],
    members.map(memberRow),
    indented,
  );
  const conditions = renderTable(
    [
      { title: "MEMBER", shrinksTo: 12 },
      { title: "CLEAN" },
      { title: "SYNCED TO", shrinksTo: 8 },
      { title: "BITMAP", shrinksTo: 12 },
      { title: "BAD BLOCKS", shrinksTo: 6 },
      { title: "LOG", shrinksTo: 6 },
      { title: "CHECKSUM" },
    ],
    members.map(conditionRow),
    indented,
  );
  const notes = members.flatMap(({ path, note, bitmap }) => [
    ...(note === null ? [] : [`${path}: ${note}`]),
    ...(bitmap === null || bitmap.distrust === null ? [] : [`${path}: ${bitmap.distrust}`]),
  ]);
  return [...roles, "", ...conditions, ...sentenceLines(notes, 2, style)];
}

/** What is in doubt, and what is only to be done again. */
function riskSentences(way: ExplainedWay): string[] {
  const { stripesAtRisk, bytesAtRisk, stripesToSync, upperBound } = way;
  const atMost = upperBound ? "at most " : "";
  const bytes = bytesAtRisk === null ? "" : ` (${formatBytes(bytesAtRisk)})`;
  return [
    ...(stripesAtRisk === null || stripesAtRisk === 0
      ? []
      : [`What is read may be wrong in ${atMost}${counted(stripesAtRisk, "stripe")}${bytes}`]),
    ...(stripesToSync === null || stripesToSync === 0
      ? []
      : [`The redundancy of ${counted(stripesToSync, "stripe")} has to be made anew`]),
  ];
}

function wayLines(way: ExplainedWay, raidDisks: number, style: TableStyle): string[] {
  const { paint, width } = style;
  const verdict = `${way.way}: ${verdictText(way.verdict, raidDisks)}.`;
  const members = way.members.length === 0 ? [] : [`It uses ${way.members.join(", ")}`];
  return [
    ...wrapIndented(verdict, 2, width).map((line) => paint(line, verdictTone(way.verdict))),
    ...(way.command === null ? [] : [`      ${paint(way.command, "heading")}`]),
    ...sentenceLines([...members, ...way.consequences, ...riskSentences(way)], 6, style),
  ];
}

function headLines(explanation: SetExplanation, style: TableStyle): string[] {
  const { name, level, layout, raidDisks, metadata, uuid, stripes, stripeBytes } = explanation;
  const stripeText = stripeBytes === 0 ? [] : [`${stripes} stripes of ${formatBytes(stripeBytes)}`];
  const shape = [`${level} of ${counted(raidDisks, "disk")}`, layout, ...stripeText];
  const head = `${name}: ${shape.join(", ")}, metadata ${metadata}, UUID ${uuid}`;
  const split =
    "Split brain: the members fell into two sides that were each written without the other.";
  return [
    ...wrapIndented(head, 0, style.width).map((line) => style.paint(line, "heading")),
    ...(explanation.splitBrain
      ? wrapIndented(split, 2, style.width).map((line) => style.paint(line, "bad"))
      : []),
  ];
}

function setLines(explanation: SetExplanation, style: TableStyle): string[] {
  const { paint } = style;
  const { raidDisks, kernels, ways } = explanation;
  return [
    ...headLines(explanation, style),
    ...memberLines(explanation, style),
    "",
    paint("  Ways to put it together", "heading"),
    ...ways.flatMap((way) => wayLines(way, raidDisks, style)),
    "",
    paint("  Kernels", "heading"),
    ...sentenceLines([kernels.accepts, ...kernels.reasons, ...kernels.refusedBy], 2, style),
  ];
}

export function explainLines(given: readonly SetExplanation[], style: TableStyle): string[] {
  return printableData(given).flatMap((explanation, index) => [
    ...(index === 0 ? [] : [""]),
    ...setLines(explanation, style),
  ]);
}
