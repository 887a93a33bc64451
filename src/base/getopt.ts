/**
 * getopt_long(3) as the GNU C library does it for an option string that begins with "-": words are taken strictly in
 * order, one that is not an option comes out as a word at its place, and `--` ends everything, words included; `rest` has those behind it.
 *
 * The option string is an argument of every step, for mdadm changes it with the mode: in `-Gb internal` the G decides that
 * the b behind it takes an argument.
 */

export type ArgumentKind = "none" | "required" | "optional";

export interface LongOption {
  /** Without the dashes. */
  readonly name: string;
  readonly argument: ArgumentKind;
  /** What it means; names with one meaning do not make a prefix ambiguous. */
  readonly meaning: string;
}

export type GetoptStep =
  | { readonly kind: "short"; readonly letter: string; readonly value: string | null }
  | { readonly kind: "long"; readonly option: LongOption; readonly value: string | null }
  | { readonly kind: "word"; readonly word: string }
  /** `message` as the C library puts it, without the program's name. */
  | { readonly kind: "error"; readonly message: string }
  | { readonly kind: "end" };

export class Getopt {
  readonly #words: readonly string[];
  readonly #long: readonly LongOption[];
  #at = 0;
  /** The letters of a cluster that are still to come; empty between words. */
  #cluster = "";

  constructor(words: readonly string[], long: readonly LongOption[]) {
    this.#words = words;
    this.#long = long;
  }

  /** @param short letters, each followed by ":" when it takes an argument and "::" when it may take one */
  next(short: string): GetoptStep {
    if (this.#cluster !== "") return this.#letter(short);
    const word = this.#words[this.#at];
    if (word === undefined || word === "--") return { kind: "end" };
    this.#at += 1;
    if (word.startsWith("--")) return this.#longOption(word.slice(2));
    if (word.length < 2 || !word.startsWith("-")) return { kind: "word", word };
    this.#cluster = word.slice(1);
    return this.#letter(short);
  }

  /** What was not looked at: at the end the words behind `--`. */
  get rest(): readonly string[] {
    return this.#words.slice(this.#words[this.#at] === "--" ? this.#at + 1 : this.#at);
  }

  #letter(short: string): GetoptStep {
    const letter = this.#cluster[0]!;
    const rest = this.#cluster.slice(1);
    this.#cluster = rest;
    const place = letter === ":" ? -1 : short.indexOf(letter);
    if (place < 0) return { kind: "error", message: `invalid option -- '${letter}'` };
    if (short[place + 1] !== ":") return { kind: "short", letter, value: null };
    this.#cluster = "";
    if (rest !== "") return { kind: "short", letter, value: rest };
    if (short[place + 2] === ":") return { kind: "short", letter, value: null };
    const value = this.#take();
    if (value === null)
      return { kind: "error", message: `option requires an argument -- '${letter}'` };
    return { kind: "short", letter, value };
  }

  #longOption(text: string): GetoptStep {
    const equals = text.indexOf("=");
    const name = equals < 0 ? text : text.slice(0, equals);
    const attached = equals < 0 ? null : text.slice(equals + 1);
    const found = this.#find(name);
    if (typeof found === "string") return { kind: "error", message: found };
    if (found.argument === "none" && attached !== null)
      return { kind: "error", message: `option '--${found.name}' doesn't allow an argument` };
    if (found.argument !== "required" || attached !== null)
      return { kind: "long", option: found, value: attached };
    const value = this.#take();
    if (value === null)
      return { kind: "error", message: `option '--${found.name}' requires an argument` };
    return { kind: "long", option: found, value };
  }

  #find(name: string): LongOption | string {
    const exact = this.#long.find((option) => option.name === name);
    if (exact !== undefined) return exact;
    const matches = this.#long.filter((option) => option.name.startsWith(name));
    const first = matches[0];
    if (first === undefined) return `unrecognized option '--${name}'`;
    const others = matches.filter(
      ({ argument, meaning }) => argument !== first.argument || meaning !== first.meaning,
    );
    if (others.length === 0) return first;
    const names = [first, ...others].map((option) => ` '--${option.name}'`).join("");
    return `option '--${name}' is ambiguous; possibilities:${names}`;
  }

  /** The next word as an argument, whatever it looks like. */
  #take(): string | null {
    const word = this.#words[this.#at];
    if (word === undefined) return null;
    this.#at += 1;
    return word;
  }
}
