/** The table a command is given: on the command line, in a file, or on standard input. */
import { HoldfastError } from "../base/errors.ts";
import { readSmallFile } from "../env/small-file.ts";
import { quoteWord } from "../dm/table.ts";
import type { Session } from "./session.ts";

/** @param file the argument that names one. @throws HoldfastError `usage` as dmsetup says it, naming the line */
export async function tableInput(session: Session, file: string | undefined): Promise<string> {
  const { table } = session.options;
  const text = table ?? (await textOf(session, file));
  checkLines(text, table === null ? (file ?? "") : "");
  return absoluteWords(session, text);
}

async function textOf(session: Session, file: string | undefined): Promise<string> {
  if (file === undefined) return session.tools.readInput();
  try {
    return await readSmallFile(session.tools.env, session.absolute(file));
  } catch (error) {
    throw new HoldfastError("not-found", `Couldn't open '${file}' for reading.`, { cause: error });
  }
}

/** What is wrong with a line before anybody asks a target about it. */
function checkLines(text: string, file: string): void {
  for (const [index, line] of text.split("\n").entries()) {
    const said = line.trim();
    if (said === "" || said.startsWith("#") || /^\d+\s+\d+\s+\S/.test(said)) continue;
    throw new HoldfastError(
      "usage",
      `Invalid format on line ${index + 1} of table ${file}.\n"${said}": START LENGTH TARGET WORD... is expected, with numbers of sectors first.`,
    );
  }
}

const RELATIVE = /(?<=\s)\.{1,2}\/(?:\\.|[^\s\\])*/gs;

/** The host works in a folder of its own: "./a.img" is to be found from here. */
export function absoluteWords(session: Session, text: string): string {
  return text.replaceAll(RELATIVE, (word) =>
    quoteWord(session.absolute(word.replaceAll(/\\(.)/gs, "$1"))),
  );
}
