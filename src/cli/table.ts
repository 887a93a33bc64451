/**
 * Tables without lines around them: a heading, columns two spaces apart, wrapped to the terminal.
 *
 *   DEVICE   SIZE      CONTENT
 *   d0.img   22.0 MiB  member 0 of raid5 host:data
 *                      (3 disks), clean
 *
 * Where the width is Infinity (a pipe) every row is one line, for grep and awk.
 */
import type { Paint, Tone } from "./style.ts";
import { textWidth, wrapText } from "./text.ts";

export interface Column {
  readonly title: string;
  readonly align?: "right";
  /** Gives way when there is not enough room, down to this many columns. Columns without it keep their width. */
  readonly shrinksTo?: number;
}

export type Cell = string | { readonly text: string; readonly tone: Tone };

export interface TableStyle {
  readonly width: number;
  readonly paint: Paint;
  /** Spaces in front of every line. */
  readonly indent?: number;
}

const GAP = "  ";

function textOf(cell: Cell | undefined): string {
  return typeof cell === "object" ? cell.text : (cell ?? "");
}

function toneOf(cell: Cell | undefined): Tone {
  return typeof cell === "object" ? cell.tone : "plain";
}

/** Takes what is too much from the widest of the columns that give way, one character after the other. */
function fitWidths(columns: readonly Column[], natural: readonly number[], room: number): number[] {
  const widths = [...natural];
  let excess = widths.reduce((sum, width) => sum + width, 0) - room;
  while (excess > 0) {
    let widest = -1;
    for (const [index, column] of columns.entries()) {
      if (column.shrinksTo === undefined || widths[index]! <= column.shrinksTo) continue;
      if (widest < 0 || widths[index]! > widths[widest]!) widest = index;
    }
    if (widest < 0) break;
    widths[widest]! -= 1;
    excess -= 1;
  }
  return widths;
}

function pad(text: string, width: number, align: Column["align"]): string {
  const spaces = " ".repeat(Math.max(0, width - textWidth(text)));
  return align === "right" ? spaces + text : text + spaces;
}

function rowLines(
  columns: readonly Column[],
  widths: readonly number[],
  row: readonly Cell[],
  style: TableStyle,
): string[] {
  const cells = columns.map((_column, index) => wrapText(textOf(row[index]), widths[index]!));
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_unused, line) => {
    const parts = columns.map((column, index) => {
      const text = cells[index]![line] ?? "";
      return { text, padded: pad(text, widths[index]!, column.align), tone: toneOf(row[index]) };
    });
    while (parts.at(-1)?.text === "") parts.pop();
    const last = parts.at(-1);
    if (last !== undefined) last.padded = last.padded.trimEnd();
    const painted = parts.map(({ padded, tone }) => style.paint(padded, tone)).join(GAP);
    return " ".repeat(style.indent ?? 0) + painted;
  });
}

/** The table's lines. Cells hold printable text without line breaks. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  style: TableStyle,
): string[] {
  const natural = columns.map((column, index) =>
    Math.max(textWidth(column.title), ...rows.map((row) => textWidth(textOf(row[index])))),
  );
  const room = style.width - (style.indent ?? 0) - GAP.length * (columns.length - 1);
  const widths = room === Infinity ? natural : fitWidths(columns, natural, room);
  const heading = columns.map(({ title }): Cell => ({ text: title, tone: "heading" }));
  return [heading, ...rows].flatMap((row) => rowLines(columns, widths, row, style));
}
