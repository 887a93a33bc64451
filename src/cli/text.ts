/** Text for people: width on a terminal, wrapping, quoting, and nothing that a terminal would obey. */

/**
 * Control characters, and those that turn the direction of writing around: names come from disks, and a terminal would do
 * what they say.
 */
// oxlint-disable-next-line no-control-regex -- that is what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Cs}/gu;

export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0);
    // How a byte of a file name that is no UTF-8 is held in text (filesystems/names.ts).
    if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`;
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Plain data with every string in it made printable. */
export function printableData<T>(data: T): T {
  return makePrintable(data) as T;
}

function makePrintable(data: unknown): unknown {
  if (typeof data === "string") return printable(data);
  if (Array.isArray(data)) return data.map(makePrintable);
  if (typeof data !== "object" || data === null) return data;
  return Object.fromEntries(Object.entries(data).map(([key, one]) => [key, makePrintable(one)]));
}

/** East Asian wide and emoji take two columns, combining marks none. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;
const NO_WIDTH = /\p{Mn}|\p{Me}|\u200b|\u200d|\ufe0f/u;
const ONLY_ASCII = /^[\u0020-\u007e]*$/;

/** Columns that the text takes; it holds no colours yet. */
export function textWidth(text: string): number {
  if (ONLY_ASCII.test(text)) return text.length;
  let width = 0;
  for (const character of text) {
    if (!NO_WIDTH.test(character)) width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}

/** Cuts off the longest start of `text` that fits; at least one character. */
function splitAtWidth(text: string, width: number): [string, string] {
  let taken = 0;
  let at = 0;
  for (const character of text) {
    taken += textWidth(character);
    if (taken > width && at > 0) break;
    at += character.length;
  }
  return [text.slice(0, at), text.slice(at)];
}

/** The text in lines of at most `width` columns, broken between words, and inside words that are longer. */
export function wrapText(text: string, width: number): string[] {
  if (textWidth(text) <= width) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const joined = line === "" ? word : `${line} ${word}`;
    if (textWidth(joined) <= width) {
      line = joined;
      continue;
    }
    if (line !== "") lines.push(line);
    line = word;
    while (textWidth(line) > width) {
      const [start, rest] = splitAtWidth(line, width);
      if (rest === "") break;
      lines.push(start);
      line = rest;
    }
  }
  lines.push(line);
  return lines;
}

/** As wrapText, each line behind `indent` spaces; `width` counts them in. */
export function wrapIndented(text: string, indent: number, width: number): string[] {
  const room = Math.max(20, width - indent);
  return wrapText(text, room).map((line) => " ".repeat(indent) + line);
}

/** "1 disk", "4 disks". */
export function counted(count: number, thing: string, plural = `${thing}s`): string {
  return `${count} ${count === 1 ? thing : plural}`;
}

/** The first so many, and how many more there are. */
export function listed(words: readonly string[], most: number): string {
  const more = words.length - most;
  return more <= 0 ? words.join(", ") : `${words.slice(0, most).join(", ")} and ${more} more`;
}
