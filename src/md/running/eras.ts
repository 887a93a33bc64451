/**
 * Eras: waits for everything that is under way now, while more goes on coming. What begins belongs to the era of that moment; an era that
 * was ended gets no more, and has drained when its last one is done, as all before it have.
 */
import { assert } from "../../base/assert.ts";

export interface Era {
  underWay: number;
}

export class Eras {
  /** Oldest first; the last one is the present. */
  readonly #eras: Era[] = [{ underWay: 0 }];
  readonly #waiting = new Map<Era, (() => void)[]>();

  /** To be given to `end`. */
  begin(): Era {
    const era = this.#eras.at(-1)!;
    era.underWay += 1;
    return era;
  }

  /** For what goes on when something that has begun, perhaps long ago, is ended: whoever waits for the one waits for the other. */
  beginOldest(): Era {
    const era = this.#eras[0]!;
    era.underWay += 1;
    return era;
  }

  end(era: Era): void {
    assert(era.underWay > 0, "what ends has begun");
    era.underWay -= 1;
    if (era.underWay === 0 && this.#eras.length > 1) this.#pass();
  }

  /** Resolves when all that has begun up to now has ended. */
  drain(): Promise<void> {
    const era = this.#eras.at(-1)!;
    this.#eras.push({ underWay: 0 });
    return new Promise((resolve) => {
      this.#waiting.set(era, [...(this.#waiting.get(era) ?? []), resolve]);
      this.#pass();
    });
  }

  /** Drops the eras that have drained, oldest first. */
  #pass(): void {
    while (this.#eras.length > 1 && this.#eras[0]!.underWay === 0) {
      const [era] = this.#eras.splice(0, 1);
      const waiting = this.#waiting.get(era!) ?? [];
      this.#waiting.delete(era!);
      for (const each of waiting) each();
    }
  }
}
