/** Completion for zsh: sourced, or as the file _holdfast in a folder of $fpath. */
import type { ArgumentSpec, CommandMeta, Completes, OptionSpec } from "../command.ts";
import { quoted } from "./words.ts";

function action(completes: Completes, verbs: readonly string[]): string {
  switch (completes) {
    case "files":
      return "_files";
    case "folders":
      return "_files -/";
    case "verbs":
      return `(${verbs.join(" ")})`;
    case "nothing":
      return " ";
    default:
      return `(${completes.join(" ")})`;
  }
}

/** For places where a colon or a bracket would end the text. */
function escaped(text: string): string {
  return text.replaceAll(/[[\]:\\]/g, "\\$&");
}

function optionSpec(option: OptionSpec, verbs: readonly string[]): string {
  const { long, short, value, text } = option;
  const colons = value?.optional === true ? "::" : ":";
  const takes =
    value === undefined ? "" : `${colons}${escaped(value.name)}:${action(value.completes, verbs)}`;
  const rest = quoted(`[${escaped(text)}]${takes}`, "zsh");
  const assigned = value === undefined ? "" : "=";
  return short === undefined
    ? `${quoted(`--${long}${assigned}`, "zsh")}${rest}`
    : `'(-${short} --${long})'{-${short}${value === undefined ? "" : "+"},--${long}${assigned}}${rest}`;
}

function argumentSpec(argument: ArgumentSpec, verbs: readonly string[]): string {
  const place = argument.repeated ? "*:" : ":";
  return quoted(`${place}${escaped(argument.name)}:${action(argument.completes, verbs)}`, "zsh");
}

function verbCase(meta: CommandMeta, verbs: readonly string[]): string[] {
  // What follows a repeated operand cannot be told from it.
  const repeated = meta.arguments.find((argument) => argument.repeated);
  const operands = repeated === undefined ? meta.arguments : [repeated];
  return [
    `    ${meta.name}) _arguments \\`,
    ...meta.options.map((option) => `      ${optionSpec(option, verbs)} \\`),
    ...operands.map((argument) => `      ${argumentSpec(argument, verbs)} \\`),
    "      '(-h --help)'{-h,--help}'[show help]' ;;",
  ];
}

export function zshCompletion(metas: readonly CommandMeta[]): string[] {
  const verbs = metas.map(({ name }) => name);
  const described = metas.map(({ name, summary }) => quoted(`${name}:${summary}`, "zsh"));
  return [
    "#compdef holdfast",
    "# Completion of holdfast for zsh: source <(holdfast completion zsh)",
    "_holdfast() {",
    "  local -a verbs",
    "  verbs=(",
    ...described.map((line) => `    ${line}`),
    "  )",
    "  if (( CURRENT == 2 )); then",
    "    _describe -t verbs verb verbs",
    "    return",
    "  fi",
    "  shift words",
    "  (( CURRENT-- ))",
    "  case $words[1] in",
    ...metas.flatMap((meta) => verbCase(meta, verbs)),
    "  esac",
    "}",
    'if [[ "$funcstack[1]" == _holdfast ]]; then _holdfast "$@"; else compdef _holdfast holdfast; fi',
  ];
}
