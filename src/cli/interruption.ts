/** Signals, for verbs that run until they are told to stop. */
import type { CommandContext } from "./command.ts";
import { EXIT_FAILED } from "./exit-codes.ts";

/** `happened` resolves at the first signal; the second one ends the process. */
export class Interruption {
  readonly happened: Promise<void>;
  readonly forget: () => void;
  /** What is to be removed even when there is no time for anything else. */
  leftovers: readonly string[] = [];

  constructor({ terminal, output }: CommandContext) {
    let resolve: () => void;
    this.happened = new Promise((resolved) => {
      resolve = resolved;
    });
    this.forget = terminal.onInterrupt((count) => {
      if (count > 1) {
        terminal.exitNow(EXIT_FAILED, this.leftovers);
        return;
      }
      void output.note("stopping once requests in flight are done; a second signal stops at once");
      resolve();
    });
  }
}
