/** Completion for fish, 3.0 and later. */
import type { CommandMeta, Completes, OptionSpec } from "../command.ts";
import { operandsComplete, quoted } from "./words.ts";

/** The switches that say what is offered. */
function offer(completes: Completes, verbs: readonly string[]): string {
  switch (completes) {
    case "files":
      return "-F";
    case "folders":
      return `-x -a '(__fish_complete_directories)'`;
    case "verbs":
      return `-x -a ${quoted(verbs.join(" "), "fish")}`;
    case "nothing":
      return "-x";
    default:
      return `-x -a ${quoted(completes.join(" "), "fish")}`;
  }
}

function optionLine(condition: string, option: OptionSpec, verbs: readonly string[]): string {
  const { long, short, value, text } = option;
  const names = short === undefined ? `-l ${long}` : `-s ${short} -l ${long}`;
  const takes =
    value === undefined || value.optional === true ? "" : ` -r ${offer(value.completes, verbs)}`;
  return `complete -c holdfast ${condition} ${names}${takes} -d ${quoted(text, "fish")}`;
}

function verbLines(meta: CommandMeta, verbs: readonly string[]): string[] {
  const condition = `-n '__fish_seen_subcommand_from ${meta.name}'`;
  const completes = operandsComplete(meta);
  const operands =
    completes === "nothing" ? [] : [`complete -c holdfast ${condition} ${offer(completes, verbs)}`];
  return [
    `complete -c holdfast -n __fish_use_subcommand -a ${meta.name} -d ${quoted(meta.summary, "fish")}`,
    ...meta.options.map((option) => optionLine(condition, option, verbs)),
    `complete -c holdfast ${condition} -s h -l help -d 'show help'`,
    ...operands,
  ];
}

export function fishCompletion(metas: readonly CommandMeta[]): string[] {
  const verbs = metas.map(({ name }) => name);
  return [
    "# Completion of holdfast for fish: holdfast completion fish | source",
    "complete -c holdfast -f",
    ...metas.flatMap((meta) => verbLines(meta, verbs)),
  ];
}
