/** The words of a table line behind the target's name, or of a message: read one by one, and whatever is wrong is said of its word. */
import { HoldfastError } from "../base/errors.ts";

const NUMBER = /^\d+$/;

export class Words {
  /** Whose words they are: "linear". */
  readonly #of: string;
  readonly #words: readonly string[];
  #next = 0;

  constructor(of: string, words: readonly string[]) {
    this.#of = of;
    this.#words = words;
  }

  get left(): number {
    return this.#words.length - this.#next;
  }

  /** The next word as it is, and it stays the next. */
  get peek(): string | null {
    return this.#words[this.#next] ?? null;
  }

  /** @param what it is, for the message: "the device" */
  word(what: string): string {
    const word = this.#words[this.#next];
    if (word === undefined)
      throw new HoldfastError(
        "usage",
        `${this.#of}: ${what} is missing behind ${this.#words.length} words.`,
      );
    this.#next += 1;
    return word;
  }

  /** A decimal number from `min` to `max`. */
  number(what: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
    const word = this.word(what);
    const value = Number(word);
    if (!NUMBER.test(word) || value < min || value > max)
      throw this.wrong(`${what} is a number ${rangeText(min, max)}`);
    return value;
  }

  /** One of these words. */
  choice<T extends string>(what: string, choices: readonly T[]): T {
    const word = this.word(what);
    const choice = choices.find((each) => each === word);
    if (choice === undefined) throw this.wrong(`${what} is one of ${choices.join(", ")}`);
    return choice;
  }

  /** So many words follow, then those: what the kernel calls an argument group. @returns the words of the group alone */
  group(what: string, most = Number.MAX_SAFE_INTEGER): Words {
    const count = this.number(`the number of ${what}`, 0, most);
    if (count > this.left)
      throw this.wrong(`so many ${what} do not follow: ${this.left} words are left`);
    const from = this.#next;
    this.#next += count;
    const group = new Words(this.#of, this.#words.slice(0, from + count));
    group.#next = from;
    return group;
  }

  /**
   * What is wrong with a word.
   * @param why half a sentence
   * @param at counted from 1; without it the word that was taken last
   */
  wrong(why: string, at = this.#next): HoldfastError {
    const word = this.#words[at - 1];
    const place = word === undefined ? "" : `word ${at} ("${word}") is wrong: `;
    return new HoldfastError("usage", `${this.#of}: ${place}${why}.`);
  }

  /** @throws when words are left */
  end(): void {
    if (this.left === 0) return;
    this.#next += 1;
    throw this.wrong("nothing more was expected");
  }
}

function rangeText(min: number, max: number): string {
  return max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`;
}
