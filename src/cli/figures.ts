/**
 * The figures of `holdfast open`: while it runs, when SIGUSR1 asks for them, and with --json at the end.
 *
 * What people see goes to stderr, since stdout may be read by a program; with --json it is one more event on stdout.
 */
import type { EngineFigures, RunningEngine } from "../engine/engine.ts";
import type { CommandContext } from "./command.ts";
import type { ProcessFigures } from "./services.ts";
import { paintFor } from "./style.ts";

export class FiguresTeller {
  readonly #context: CommandContext;
  readonly #isJson: boolean;
  readonly #process: () => ProcessFigures;

  constructor(context: CommandContext, isJson: boolean, process: () => ProcessFigures) {
    this.#context = context;
    this.#isJson = isJson;
    this.#process = process;
  }

  /** From now on, until the function it returns is called, figures are told when they are wanted. */
  listen(engine: RunningEngine): () => void {
    return this.#context.terminal.onFiguresWanted(() => void this.#tell(engine));
  }

  /** The last ones. */
  async stopped(engine: EngineFigures): Promise<void> {
    if (this.#isJson) await this.#event("stopped", engine);
  }

  async #tell(engine: RunningEngine): Promise<void> {
    let figures: EngineFigures;
    try {
      figures = await engine.figures();
    } catch {
      // It is being stopped, or has died: whoever waits for that says why.
      return;
    }
    if (this.#isJson) await this.#event("figures", figures).catch(() => {});
    else await this.#table(figures);
  }

  async #table(engine: EngineFigures): Promise<void> {
    const { figureLines } = await import("./views/figures-view.ts");
    const { terminal } = this.#context;
    const { stderr } = terminal;
    const style = { width: stderr.columns, paint: paintFor(stderr, terminal) };
    const lines = figureLines(engine, this.#process(), style);
    await stderr.write(`${lines.join("\n")}\n`).catch(() => {});
  }

  #event(event: "figures" | "stopped", engine: EngineFigures): Promise<void> {
    return this.#context.output.jsonLine({ event, ...this.#process(), engine });
  }
}
