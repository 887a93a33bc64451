/** Completion for bash, 3.2 and later, without the package bash-completion. */
import type { CommandMeta, Completes } from "../command.ts";
import { operandsComplete, optionWords } from "./words.ts";

/** Names of files may hold spaces, so lines are what is split at; lists of words are lines too. */
function wordList(words: readonly string[]): string {
  return `COMPREPLY=( $(compgen -W $'${words.join("\\n")}' -- "$cur") )`;
}

/** The command that fills COMPREPLY for the word "$cur". */
function reply(completes: Completes, verbs: readonly string[]): string {
  switch (completes) {
    case "files":
      return 'COMPREPLY=( $(compgen -f -- "$cur") ); compopt -o filenames 2>/dev/null';
    case "folders":
      return 'COMPREPLY=( $(compgen -d -- "$cur") ); compopt -o filenames 2>/dev/null';
    case "verbs":
      return wordList(verbs);
    case "nothing":
      return "COMPREPLY=()";
    default:
      return wordList(completes);
  }
}

function verbCase(meta: CommandMeta, verbs: readonly string[]): string[] {
  const values = meta.options.flatMap(({ long, short, value }) => {
    if (value === undefined) return [];
    const pattern = short === undefined ? `--${long}` : `--${long}|-${short}`;
    return [`        ${pattern}) ${reply(value.completes, verbs)}; return;;`];
  });
  return [
    `    ${meta.name})`,
    ...(values.length === 0 ? [] : ['      case "$prev" in', ...values, "      esac"]),
    `      if [[ "$cur" == -* ]]; then ${wordList(optionWords(meta))}; return; fi`,
    `      ${reply(operandsComplete(meta), verbs)};;`,
  ];
}

export function bashCompletion(metas: readonly CommandMeta[]): string[] {
  const verbs = metas.map(({ name }) => name);
  return [
    "# Completion of holdfast for bash: source <(holdfast completion bash)",
    "_holdfast() {",
    "  local IFS=$'\\n'",
    '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"',
    "  if (( COMP_CWORD == 1 )); then",
    `    ${wordList([...verbs, "--help", "--version"])}`,
    "    return",
    "  fi",
    '  case "${COMP_WORDS[1]}" in',
    ...metas.flatMap((meta) => verbCase(meta, verbs)),
    "  esac",
    "}",
    "complete -F _holdfast holdfast",
  ];
}
