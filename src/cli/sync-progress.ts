/** How far the background sync of arrays that are written to has come, on stderr, as long as they are served. */
import type { ArrayFigures, RunningEngine, SyncProgress } from "../engine/engine.ts";
import type { Timer } from "../env/env.ts";
import type { CommandContext } from "./command.ts";
import { Progress } from "./progress.ts";
import { printable } from "./text.ts";

const LOOK_EVERY_MS = 1000;

interface Watched {
  readonly action: SyncProgress["action"];
  readonly progress: Progress;
}

export class SyncTeller {
  readonly #context: CommandContext;
  readonly #engine: RunningEngine;
  readonly #watched = new Map<string, Watched>();
  #timer: Timer | null = null;
  #isOver = false;

  constructor(context: CommandContext, engine: RunningEngine) {
    this.#context = context;
    this.#engine = engine;
  }

  /** Looks at the figures now and then, until `finish`. */
  start(): void {
    this.#timer = this.#context.env.timers.set(LOOK_EVERY_MS, () => void this.#look());
  }

  async #look(): Promise<void> {
    try {
      const { arrays } = await this.#engine.figures();
      if (this.#isOver) return;
      for (const array of arrays) await this.#tell(array);
    } catch {
      // It is being stopped, or has died: whoever waits for that says why.
      return;
    }
    if (!this.#isOver) this.start();
  }

  async #tell({ volume, sync }: ArrayFigures): Promise<void> {
    const before = this.#watched.get(volume);
    if (before !== undefined && before.action !== sync?.action) {
      this.#watched.delete(volume);
      await before.progress.finish();
      await this.#context.output.note(`${printable(volume)}: ${before.action} has ended`);
    }
    if (sync === null || sync.isDelayed) return;
    const { action, doneBytes, totalBytes } = sync;
    let now = this.#watched.get(volume);
    if (now === undefined) {
      const progress = new Progress(this.#context, `${volume}: ${action}`, totalBytes);
      now = { action, progress };
      this.#watched.set(volume, now);
    }
    now.progress.update(doneBytes);
  }

  /** Takes bars away. */
  async finish(): Promise<void> {
    this.#isOver = true;
    this.#timer?.cancel();
    for (const { progress } of this.#watched.values()) await progress.finish();
  }
}
