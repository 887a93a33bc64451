/** What stands in front of the words of a verb with a grammar of its own. */

/** `--socket PATH` as it stands in front of the others, behind --json. */
export function withSocket(words: readonly string[]): {
  readonly socket: string | undefined;
  readonly words: readonly string[];
} {
  const at = words[0] === "--json" ? 1 : 0;
  const [option = "", value = ""] = words.slice(at);
  if (option === "--socket")
    return { socket: value, words: [...words.slice(0, at), ...words.slice(at + 2)] };
  if (!option.startsWith("--socket=")) return { socket: undefined, words };
  return {
    socket: option.slice("--socket=".length),
    words: [...words.slice(0, at), ...words.slice(at + 1)],
  };
}
