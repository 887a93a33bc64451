/** Help texts, made from the verbs' metas. */
import type { CommandMeta } from "./command.ts";
import { operandText, valueText } from "./parse.ts";
import type { Paint } from "./style.ts";
import { renderTable } from "./table.ts";
import type { TableStyle } from "./table.ts";
import { textWidth, wrapIndented, wrapText } from "./text.ts";

const READABLE_WIDTH = 100;
const PIPE_WIDTH = 80;

/** Prose is wrapped in pipes too, and never set wider than one can read. */
function proseStyle(style: TableStyle): TableStyle {
  const width = style.width === Infinity ? PIPE_WIDTH : Math.min(READABLE_WIDTH, style.width);
  return { ...style, width };
}

/** "holdfast dump [OPTIONS] PATH... -o OUT", less the options. */
function usageLine(meta: CommandMeta): string {
  const options = meta.options.length === 0 ? [] : ["[OPTIONS]"];
  return ["holdfast", meta.name, ...options, ...meta.arguments.map(operandText)].join(" ");
}

interface Entry {
  readonly term: string;
  readonly text: string;
}

const WIDEST_TERM = 26;

/** Terms on the left, what they mean on the right; long terms have a line of their own. */
function definitions(entries: readonly Entry[], { width, paint }: TableStyle): string[] {
  const short = entries.map(({ term }) => textWidth(term)).filter((size) => size <= WIDEST_TERM);
  const column = 2 + Math.max(8, ...short) + 2;
  return entries.flatMap(({ term, text }) => {
    const lines = wrapIndented(text, column, width);
    const head = `  ${paint(term, "heading")}`;
    if (textWidth(term) > column - 4) return [head, ...lines];
    const [first = "", ...rest] = lines;
    return [head + first.slice(2 + textWidth(term)), ...rest];
  });
}

function section(title: string, lines: readonly string[], paint: Paint): string[] {
  return lines.length === 0 ? [] : ["", paint(title, "heading"), ...lines];
}

function optionEntries(meta: CommandMeta): Entry[] {
  return [
    ...meta.options.map((option) => ({
      term: `${option.short === undefined ? "   " : `-${option.short},`} --${option.long}${valueText(option)}`,
      text: option.text,
    })),
    { term: "-h, --help", text: "show this help" },
  ];
}

export function commandHelp(meta: CommandMeta, given: TableStyle): string[] {
  const style = proseStyle(given);
  const { paint, width } = style;
  const operands = meta.arguments.map((argument) => ({
    term: argument.name,
    text: argument.text,
  }));
  const examples = meta.examples.flatMap(({ command, text }) => [
    `  ${paint(command, "good")}`,
    ...wrapIndented(text, 6, width),
  ]);
  return [
    `${paint("Usage:", "heading")} ${usageLine(meta)}`,
    "",
    ...meta.description.flatMap((paragraph, index) => [
      ...(index === 0 ? [] : [""]),
      ...wrapText(paragraph, width),
    ]),
    ...section("Arguments:", definitions(operands, style), paint),
    ...section("Options:", definitions(optionEntries(meta), style), paint),
    ...section("Examples:", examples, paint),
  ];
}

export function overviewHelp(metas: readonly CommandMeta[], given: TableStyle): string[] {
  const style = proseStyle(given);
  const { paint, width } = style;
  const verbs = renderTable(
    [{ title: "Verb" }, { title: "What it does", shrinksTo: 30 }],
    metas.map(({ name, summary }) => [{ text: name, tone: "good" }, summary]),
    { ...style, indent: 2 },
  );
  return [
    `${paint("Usage:", "heading")} holdfast VERB [OPTIONS] ...`,
    "",
    ...wrapText(
      "Opens Linux software RAID (md, mdadm) from disks, partitions and image files without root or kernel modules, read-only, and serves it over NBD.",
      width,
    ),
    "",
    ...verbs.slice(1),
    "",
    ...wrapText(
      "'holdfast VERB --help' tells more, with examples. Errors go to stderr as one sentence; exit codes are 0 done, 1 failed, 2 not understood.",
      width,
    ),
  ];
}
