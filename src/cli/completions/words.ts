/** What the completion scripts of all shells are made of. */
import type { CommandMeta, Completes } from "../command.ts";

/** All spellings of a verb's options. */
export function optionWords(meta: CommandMeta): string[] {
  const own = meta.options.flatMap(({ long, short }) => [
    `--${long}`,
    ...(short === undefined ? [] : [`-${short}`]),
  ]);
  return [...own, "--help"];
}

/** What the verb's operands are. */
export function operandsComplete(meta: CommandMeta): Completes {
  return meta.arguments[0]?.completes ?? "nothing";
}

/** In single quotes, for any shell of the three; fish wants its own for the quote itself. */
export function quoted(text: string, shell: "zsh" | "fish"): string {
  return shell === "fish"
    ? `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`
    : `'${text.replaceAll("'", `'\\''`)}'`;
}
