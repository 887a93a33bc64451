/**
 * LVM2's text configuration: the language of volume group metadata (and of lvm.conf).
 *
 *   file    = entry*                      entry  = name "{" entry* "}" | name "=" value
 *   value   = number | string | "[" (value ("," value)* ","?)? "]"     comments run from # to the end of the line
 *
 * Strings are in double quotes, where a backslash keeps the next character as it is, or in single quotes. Names are runs of
 * letters, digits and _ . + - @ / !. Everything is bounded by the limits below, so that damaged or hostile text costs
 * time in proportion to its length and ends in an error that names the line. Fact source: lvm.conf(5) and metadata
 * written by LVM2 2.03.
 */
import { HoldfastError } from "../../base/errors.ts";

export type LvmValue = number | string | readonly LvmValue[];

export interface LvmSection {
  readonly values: ReadonlyMap<string, LvmValue>;
  readonly sections: ReadonlyMap<string, LvmSection>;
}

interface MutableSection {
  readonly values: Map<string, LvmValue>;
  readonly sections: Map<string, MutableSection>;
}

const MAX_DEPTH = 16;

type Token =
  | { readonly kind: "word" | "string"; readonly text: string }
  | { readonly kind: "{" | "}" | "[" | "]" | "=" | "," | "end" };

const NUMBER = /^[+-]?\d+(?:\.\d+)?$/;
const SPACES = new Set(" \t\r\n\f\v\0");
const WORD_CHARACTERS = new Set(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-@/!",
);

/** Cuts the text into tokens, looking at each character once; knows the line for messages. */
class Tokenizer {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  fail(what: string): never {
    const line = this.#text.slice(0, this.#at).split("\n").length;
    throw new HoldfastError("bad-metadata", `LVM2 metadata text, line ${line}: ${what}.`);
  }

  next(): Token {
    this.#skipSpace();
    const char = this.#text[this.#at];
    switch (char) {
      case undefined:
        return { kind: "end" };
      case "{":
      case "}":
      case "[":
      case "]":
      case "=":
      case ",":
        this.#at += 1;
        return { kind: char };
      case '"':
      case "'":
        return { kind: "string", text: this.#quoted(char) };
      default:
        return { kind: "word", text: this.#word() };
    }
  }

  #skipSpace(): void {
    for (;;) {
      const char = this.#text[this.#at];
      if (char === "#") {
        const end = this.#text.indexOf("\n", this.#at);
        this.#at = end < 0 ? this.#text.length : end;
      } else if (char !== undefined && SPACES.has(char)) this.#at += 1;
      else return;
    }
  }

  #word(): string {
    const start = this.#at;
    while (WORD_CHARACTERS.has(this.#text[this.#at] ?? "")) this.#at += 1;
    if (this.#at === start) this.fail("a character that has no meaning here");
    return this.#text.slice(start, this.#at);
  }

  #quoted(quote: string): string {
    const start = this.#at + 1;
    let end = start;
    let escapes = false;
    for (; this.#text[end] !== quote; end += 1) {
      if (end >= this.#text.length) this.fail("a string does not end");
      if (quote === '"' && this.#text[end] === "\\") {
        escapes = true;
        end += 1;
      }
    }
    this.#at = end + 1;
    const raw = this.#text.slice(start, end);
    return escapes ? raw.replace(/\\([^])/g, "$1") : raw;
  }
}

class Parser {
  readonly #tokens: Tokenizer;
  #token: Token;

  constructor(text: string) {
    this.#tokens = new Tokenizer(text);
    this.#token = this.#tokens.next();
  }

  /** The entries up to the closing brace, or up to the end at depth 0. */
  section(depth: number): MutableSection {
    const section: MutableSection = { values: new Map(), sections: new Map() };
    const last = depth === 0 ? "end" : "}";
    while (!this.#is(last)) this.#entry(section, depth);
    this.#advance();
    return section;
  }

  #is(kind: Token["kind"]): boolean {
    return this.#token.kind === kind;
  }

  #advance(): void {
    if (this.#token.kind !== "end") this.#token = this.#tokens.next();
  }

  #entry(into: MutableSection, depth: number): void {
    const name = this.#token;
    if (name.kind !== "word" && name.kind !== "string")
      this.#tokens.fail(`a name was expected, not ${shown(name)}`);
    if (into.values.has(name.text) || into.sections.has(name.text))
      this.#tokens.fail(`"${name.text}" is there twice`);
    this.#advance();
    if (this.#is("{")) {
      if (depth === MAX_DEPTH) this.#tokens.fail("sections are nested too deep");
      this.#advance();
      into.sections.set(name.text, this.section(depth + 1));
    } else if (this.#is("=")) {
      this.#advance();
      into.values.set(name.text, this.#value(depth));
    } else {
      this.#tokens.fail(`"${name.text}" is followed by ${shown(this.#token)}`);
    }
  }

  #value(depth: number): LvmValue {
    const token = this.#token;
    this.#advance();
    if (token.kind === "string") return token.text;
    if (token.kind === "word") {
      if (!NUMBER.test(token.text)) this.#tokens.fail(`"${token.text}" is not a value`);
      return Number(token.text);
    }
    if (token.kind !== "[") this.#tokens.fail(`a value was expected, not ${shown(token)}`);
    if (depth === MAX_DEPTH) this.#tokens.fail("arrays are nested too deep");
    return this.#array(depth + 1);
  }

  #array(depth: number): LvmValue[] {
    const items: LvmValue[] = [];
    while (!this.#is("]")) {
      items.push(this.#value(depth));
      if (this.#is(",")) this.#advance();
      else if (!this.#is("]"))
        this.#tokens.fail(`in an array a comma was expected, not ${shown(this.#token)}`);
    }
    this.#advance();
    return items;
  }
}

function shown(token: Token): string {
  if (token.kind === "end") return "the end";
  return token.kind === "word" || token.kind === "string" ? `"${token.text}"` : `"${token.kind}"`;
}

/** @throws HoldfastError `bad-metadata`, naming the line */
export function parseLvmText(text: string): LvmSection {
  return new Parser(text).section(0);
}
