/**
 * Selection criteria, as --select takes them: `name=~^vg && (open>0 || suspended=Suspended)`.
 *
 *   any   := all ("||" | "#") ...        one := "!" one | "(" any ")" | FIELD op VALUE
 *   all   := one ("&&" | ",") ...        op  := = != =~ !~ for text; = != > >= < <= for numbers
 *
 * A value ends at a blank, a comma, a hash sign, a bracket or "&&" or "||", unless it is in quotes. A regular expression may also stand in brackets.
 */
import { HoldfastError } from "../base/errors.ts";
import type { ReportField } from "./report.ts";

export class WrongSelection extends HoldfastError {
  constructor(message: string) {
    super("usage", message);
  }
}

export type Selection<T> = (row: T) => boolean;

const OPERATORS = ["=~", "!~", "!=", ">=", "<=", "=", ">", "<"] as const;
type Operator = (typeof OPERATORS)[number];

const QUOTES: Readonly<Record<string, string>> = { '"': '"', "'": "'" };
const BRACKETS: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/** @throws WrongSelection */
export function parseSelection<T>(text: string, fields: readonly ReportField<T>[]): Selection<T> {
  if (text.trim() === "") return () => true;
  return new Parser(text, fields).whole();
}

class Parser<T> {
  readonly #text: string;
  readonly #fields: readonly ReportField<T>[];
  #at = 0;

  constructor(text: string, fields: readonly ReportField<T>[]) {
    this.#text = text;
    this.#fields = fields;
  }

  whole(): Selection<T> {
    const selection = this.#any();
    if (this.#rest() !== "") throw this.#wrong("Expecting logical operator", this.#at);
    return selection;
  }

  #any(): Selection<T> {
    const parts = [this.#all()];
    while (this.#take("||") || this.#take("#")) parts.push(this.#all());
    return (row) => parts.some((part) => part(row));
  }

  #all(): Selection<T> {
    const parts = [this.#one()];
    while (this.#take("&&") || this.#take(",")) parts.push(this.#one());
    return (row) => parts.every((part) => part(row));
  }

  #one(): Selection<T> {
    if (this.#take("!")) {
      const part = this.#one();
      return (row) => !part(row);
    }
    if (!this.#take("(")) return this.#criterion();
    const inside = this.#any();
    if (!this.#take(")"))
      throw new WrongSelection(`Syntax error: right parenthesis expected at '${this.#rest()}'`);
    return inside;
  }

  #criterion(): Selection<T> {
    const from = this.#skip();
    const [id = ""] = /^[A-Za-z0-9_]*/.exec(this.#rest()) ?? [];
    const field = this.#fields.find((each) => each.id === id);
    if (field === undefined) throw this.#wrong(`Unrecognised selection field: ${id}`, from);
    this.#at += id.length;
    const operator = OPERATORS.find((each) => this.#take(each));
    if (operator === undefined)
      throw this.#wrong(`Unrecognised comparison operator: ${this.#rest()}`, from);
    const isRegex = operator === "=~" || operator === "!~";
    const value = this.#value(isRegex, field.id, from);
    return field.isNumber === true
      ? this.#numeric(field, operator, value, from)
      : this.#textual(field, operator, value, from);
  }

  #numeric(field: ReportField<T>, operator: Operator, value: string, from: number): Selection<T> {
    if (operator === "=~" || operator === "!~") throw this.#mismatch(field, operator, from);
    if (!/^\d+$/.test(value))
      throw this.#wrong(`Failed to parse numeric value for selection field ${field.id}.`, from);
    const wanted = Number(value);
    return (row) => compares(Number(field.value(row)), operator, wanted);
  }

  #textual(field: ReportField<T>, operator: Operator, value: string, from: number): Selection<T> {
    switch (operator) {
      case "=":
        return (row) => field.value(row) === value;
      case "!=":
        return (row) => field.value(row) !== value;
      case "=~":
      case "!~": {
        const regex = this.#regex(field, value, from);
        return (row) => regex.test(String(field.value(row))) === (operator === "=~");
      }
      case ">":
      case ">=":
      case "<":
      case "<=":
        throw this.#mismatch(field, operator, from);
    }
  }

  #regex({ id }: ReportField<T>, value: string, from: number): RegExp {
    try {
      return new RegExp(value, "s");
    } catch {
      throw this.#wrong(`Failed to parse regex value for selection field ${id}.`, from);
    }
  }

  #value(isRegex: boolean, id: string, from: number): string {
    this.#skip();
    const rest = this.#rest();
    const first = rest.charAt(0);
    const closing = isRegex ? { ...QUOTES, ...BRACKETS }[first] : QUOTES[first];
    if (closing !== undefined) {
      const end = rest.indexOf(closing, 1);
      if (end < 0)
        throw this.#wrong(`Missing end quote in the value of selection field ${id}.`, from);
      this.#at += end + 1;
      return rest.slice(1, end);
    }
    const [value = ""] = /^(?:(?!&&|\|\|)[^\s,#)])*/.exec(rest) ?? [];
    this.#at += value.length;
    return value;
  }

  #skip(): number {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at += 1;
    return this.#at;
  }

  #rest(): string {
    return this.#text.slice(this.#skip());
  }

  #take(token: string): boolean {
    if (!this.#rest().startsWith(token)) return false;
    this.#at += token.length;
    return true;
  }

  #mismatch({ id, isNumber }: ReportField<T>, operator: string, from: number): WrongSelection {
    const kind = isNumber === true ? "a number" : "text";
    return this.#wrong(`Operator ${operator} is none for field ${id}, which is ${kind}.`, from);
  }

  #wrong(what: string, from: number): WrongSelection {
    const where = `Selection syntax error at '${this.#text.slice(from)}'.`;
    return new WrongSelection(`${what}\n${where}\nUse 'help' for selection to get more help.`);
  }
}

function compares(value: number, operator: Operator, wanted: number): boolean {
  switch (operator) {
    case ">":
      return value > wanted;
    case ">=":
      return value >= wanted;
    case "<":
      return value < wanted;
    case "<=":
      return value <= wanted;
    case "!=":
      return value !== wanted;
    default:
      return value === wanted;
  }
}
