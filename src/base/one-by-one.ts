/** Work that is done one piece after the other, in the order in which it came. What fails keeps nobody else from their turn. */
import { ignore } from "./nothing.ts";

export class OneByOne {
  #last: Promise<unknown> = Promise.resolve();

  /** As `work`, when all that came before is done. `work` must not wait for a turn of its own. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(ignore);
    return done;
  }
}
