/** Files of a volume as lines: names, or what `ls -l` tells. */
import { utcText } from "../../base/dates.ts";
import type { VolumeFile } from "../services.ts";
import { renderTable } from "../table.ts";
import type { Cell, TableStyle } from "../table.ts";
import { printable } from "../text.ts";

export interface ListedFile {
  /** As it is shown: a name, or the path that was asked for. */
  readonly shown: string;
  readonly file: VolumeFile;
  /** Where a link leads. */
  readonly target: string | null;
}

const KIND_LETTER: Readonly<Record<VolumeFile["kind"], string>> = {
  file: "-",
  folder: "d",
  link: "l",
  other: "?",
};

function triple(bits: number, isSpecial: boolean, letter: string): string {
  const isExecutable = (bits & 1) !== 0;
  const plain = isExecutable ? "x" : "-";
  const marked = isExecutable ? letter : letter.toUpperCase();
  const access = ((bits & 4) === 0 ? "-" : "r") + ((bits & 2) === 0 ? "-" : "w");
  return access + (isSpecial ? marked : plain);
}

/** "-rwsr-xr-t". */
export function modeText(kind: VolumeFile["kind"], mode: number): string {
  return (
    KIND_LETTER[kind] +
    triple(mode >> 6, (mode & 0o4000) !== 0, "s") +
    triple(mode >> 3, (mode & 0o2000) !== 0, "s") +
    triple(mode, (mode & 0o1000) !== 0, "t")
  );
}

function nameCell({ shown, file, target }: ListedFile): Cell {
  const arrow = target === null ? "" : ` -> ${target}`;
  const tone = file.kind === "folder" ? "heading" : "plain";
  return { text: printable(shown + arrow), tone };
}

function longLines(listed: readonly ListedFile[], style: TableStyle): string[] {
  const rows = listed.map((one): Cell[] => {
    const { kind, mode, links, owner, group, sizeBytes, modifiedMs } = one.file;
    const seconds = Math.max(0, Math.floor(modifiedMs / 1000));
    return [
      modeText(kind, mode),
      String(links),
      String(owner),
      String(group),
      String(sizeBytes),
      utcText(seconds),
      nameCell(one),
    ];
  });
  const right = { title: "", align: "right" } as const;
  const columns = [{ title: "" }, right, right, right, right, { title: "" }, { title: "" }];
  // Names are never cut into lines.
  return renderTable(columns, rows, { ...style, width: Infinity }).slice(1);
}

/** On a terminal nothing that it would obey is left in a name; in a pipe names are what they are. */
export function fileLines(
  listed: readonly ListedFile[],
  options: { readonly isLong: boolean; readonly isTTY: boolean },
  style: TableStyle,
): string[] {
  if (options.isLong) return longLines(listed, style);
  return listed.map((one) => {
    if (!options.isTTY) return one.shown;
    return style.paint(printable(one.shown), one.file.kind === "folder" ? "heading" : "plain");
  });
}
