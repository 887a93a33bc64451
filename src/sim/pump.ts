/**
 * Promises are kept when the code that kept them has ended. So each step of a simulation is an immediate of its own: all that follows from
 * one without time passing has happened when the next begins. Immediates come in batches, because what Node does between two rounds
 * of its loop costs more than most steps.
 */
const MOST_IN_BATCH = 32;
/** It is often over soon, and what is left of a batch then is for nothing. */
const FIRST_BATCH = 4;

/** Does steps until one returns false. It takes no virtual time. */
export function pump(step: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const one = (): void => {
      if (isOver) return;
      try {
        isOver = !step();
      } catch (error) {
        isOver = true;
        reject(error);
        return;
      }
      if (isOver) resolve();
    };
    const last = (): void => {
      one();
      if (!isOver) round();
    };
    let batch = FIRST_BATCH;
    const round = (): void => {
      for (let left = batch - 1; left > 0; left -= 1) setImmediate(one);
      setImmediate(last);
      batch = Math.min(2 * batch, MOST_IN_BATCH);
    };
    round();
  });
}

/** Promises that were kept before a process died still have it run for a moment: what it takes then is not the next one's. */
export function lastMoment(): Promise<void> {
  return pump(() => false);
}

/**
 * Errors in promises that nobody waits for: a mistake somewhere, that would end the process without a word about the run. Whoever
 * listens otherwise (a test runner does) is not told of them: they are the run's.
 */
export class Strays {
  readonly errors: unknown[] = [];
  readonly #others = process.listeners("unhandledRejection");
  readonly #listen = (error: unknown): void => {
    this.errors.push(error);
  };

  constructor() {
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", this.#listen);
  }

  forget(): void {
    process.off("unhandledRejection", this.#listen);
    for (const listener of this.#others) process.on("unhandledRejection", listener);
  }
}
