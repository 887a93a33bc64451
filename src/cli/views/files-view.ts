/** Files of a volume as lines: names, or what `ls -l` tells. */
import { utcText } from "../../base/dates.ts";
import type { Ext4Entry, Ext4Kind } from "../../filesystems/ext4.ts";
import { textToName } from "../../filesystems/names.ts";
import { renderTable } from "../table.ts";
import type { Cell, TableStyle } from "../table.ts";
import { printable } from "../text.ts";

const NEW_LINE = new Uint8Array([10]);

export interface ListedFile {
  /** As it is shown: a name, or the path that was asked for. */
  readonly shown: string;
  readonly file: Ext4Entry;
}

const KIND_LETTER: Readonly<Record<Ext4Kind, string>> = {
  file: "-",
  folder: "d",
  link: "l",
  "character-device": "c",
  "block-device": "b",
  fifo: "p",
  socket: "s",
};

function triple(bits: number, isSpecial: boolean, letter: string): string {
  const isExecutable = (bits & 1) !== 0;
  const plain = isExecutable ? "x" : "-";
  const marked = isExecutable ? letter : letter.toUpperCase();
  const access = ((bits & 4) === 0 ? "-" : "r") + ((bits & 2) === 0 ? "-" : "w");
  return access + (isSpecial ? marked : plain);
}

/** "-rwsr-xr-t". */
export function modeText(kind: Ext4Kind, mode: number): string {
  return (
    KIND_LETTER[kind] +
    triple(mode >> 6, (mode & 0o4000) !== 0, "s") +
    triple(mode >> 3, (mode & 0o2000) !== 0, "s") +
    triple(mode, (mode & 0o1000) !== 0, "t")
  );
}

function nameCell({ shown, file }: ListedFile): Cell {
  const arrow = file.linkTarget === null ? "" : ` -> ${file.linkTarget}`;
  const tone = file.kind === "folder" ? "heading" : "plain";
  return { text: printable(shown + arrow), tone };
}

function longLines(listed: readonly ListedFile[], style: TableStyle): string[] {
  const rows = listed.map((one): Cell[] => {
    const { kind, mode, links, uid, gid, sizeBytes, modifiedSeconds } = one.file;
    return [
      modeText(kind, mode),
      String(links),
      String(uid),
      String(gid),
      String(sizeBytes),
      utcText(Math.max(0, modifiedSeconds)),
      nameCell(one),
    ];
  });
  const right = { title: "", align: "right" } as const;
  const columns = [{ title: "" }, right, right, right, right, { title: "" }, { title: "" }];
  // Names are never cut into lines.
  return renderTable(columns, rows, { ...style, width: Infinity }).slice(1);
}

/** On a terminal nothing that it would obey is left in a name. */
export function fileLines(
  listed: readonly ListedFile[],
  isLong: boolean,
  style: TableStyle,
): string[] {
  if (isLong) return longLines(listed, style);
  return listed.map(({ shown, file }) =>
    style.paint(printable(shown), file.kind === "folder" ? "heading" : "plain"),
  );
}

/** For a pipe: the names as they are, byte for byte, one a line. */
export function rawNames(listed: readonly ListedFile[]): Uint8Array {
  return Buffer.concat(listed.flatMap(({ shown }) => [textToName(shown), NEW_LINE]));
}
