/**
 * Reports in columns, as device-mapper's tools print them: aligned with headings, or with a separator between, as rows of `NAME='value'`, or
 * turned so that each field is a row.
 */
import { HoldfastError } from "../base/errors.ts";
import type { DmsetupOptions } from "./options.ts";

export interface ReportField<T> {
  /** As -o names it. */
  readonly id: string;
  readonly heading: string;
  /** At least so wide. */
  readonly width: number;
  readonly group: string;
  /** Its values are numbers, which can be greater or less. */
  readonly isNumber?: boolean;
  /** Left out of the group's `GROUP_all`. */
  readonly isApart?: boolean;
  value(of: T): string | number;
}

export class UnknownField extends HoldfastError {
  constructor(field: string) {
    super("usage", `Unrecognised field: ${field}`);
  }
}

/** @throws UnknownField */
export function chosenFields<T>(
  all: readonly ReportField<T>[],
  defaults: readonly string[],
  wanted: string | null,
): ReportField<T>[] {
  const adds = wanted?.startsWith("+") ?? false;
  const listed = (adds ? wanted!.slice(1) : (wanted ?? "")).split(",").filter(Boolean);
  const ids = wanted === null || adds ? [...defaults, ...listed] : listed;
  return ids.flatMap((id) => fieldsCalled(all, id));
}

function fieldsCalled<T>(all: readonly ReportField<T>[], id: string): ReportField<T>[] {
  const found = all.find((field) => field.id === id);
  if (found !== undefined) return [found];
  const group = all.filter((field) => `${field.group}_all` === id && field.isApart !== true);
  if (group.length > 0) return group;
  if (id === "all") return all.filter((field) => field.isApart !== true);
  throw new UnknownField(id);
}

/** By "open,-name". @throws UnknownField */
export function sortedRows<T>(
  all: readonly ReportField<T>[],
  rows: readonly T[],
  keys: string | null,
): readonly T[] {
  if (keys === null) return rows;
  const sorts = keys.split(",").map((key) => {
    const id = key.replace(/^[+-]/, "");
    const field = all.find((each) => each.id === id);
    if (field === undefined) throw new UnknownField(id);
    return { field, sign: key.startsWith("-") ? -1 : 1 };
  });
  return rows.toSorted((one, other) => {
    for (const { field, sign } of sorts) {
      const [a, b] = [field.value(one), field.value(other)];
      if (a !== b) return a < b ? -sign : sign;
    }
    return 0;
  });
}

type Layout = Pick<
  DmsetupOptions,
  "noHeadings" | "separator" | "namePrefixes" | "unquoted" | "rows"
>;

export function reportLines<T>(
  fields: readonly ReportField<T>[],
  rows: readonly T[],
  layout: Layout,
): string[] {
  const headings = layout.noHeadings ? [] : [fields.map(({ heading }) => heading)];
  const values = rows.map((row) => fields.map((field) => cellOf(field, row, layout)));
  const isAligned =
    !layout.noHeadings && layout.separator === null && !layout.namePrefixes && !layout.rows;
  if (isAligned) return alignedLines(fields, headings[0]!, values);
  const separator = layout.separator ?? (layout.noHeadings ? ":" : " ");
  const lines = [...headings, ...values].map((cells) => cells.map(String));
  const shown = layout.rows ? fields.map((_field, at) => lines.map((cells) => cells[at]!)) : lines;
  return shown.map((cells) => cells.join(separator));
}

function cellOf<T>(field: ReportField<T>, row: T, layout: Layout): string | number {
  const value = field.value(row);
  if (!layout.namePrefixes) return value;
  return `DM_${field.id.toUpperCase()}=${layout.unquoted ? value : `'${value}'`}`;
}

function alignedLines<T>(
  fields: readonly ReportField<T>[],
  headings: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string[] {
  const widths = fields.map(({ width }, at) =>
    Math.max(width, headings[at]!.length, ...rows.map((cells) => String(cells[at]).length)),
  );
  const head = headings.map((heading, at) => heading.padEnd(widths[at]!));
  const body = rows.map((cells) =>
    cells.map((cell, at) =>
      typeof cell === "number" ? String(cell).padStart(widths[at]!) : cell.padEnd(widths[at]!),
    ),
  );
  return [head, ...body].map((cells) => cells.join(" "));
}
