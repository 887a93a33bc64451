/**
 * How far long work has come, on stderr: a bar on a terminal, elsewhere a line now and then. It is drawn when the work
 * reports, and no oftener than the clock allows, so it needs no timer; while a line has not left, none is added.
 */
import { formatBytes } from "../base/units.ts";
import type { Clock } from "../env/env.ts";
import type { CommandContext } from "./command.ts";
import { paintFor } from "./style.ts";
import type { Paint } from "./style.ts";
import type { OutputStream } from "./terminal.ts";
import { printable, textWidth } from "./text.ts";

const BAR_EVERY_MS = 100;
const LINE_EVERY_MS = 5000;
const WIDEST_BAR = 40;
const ERASE_LINE = "\r\u001b[K";

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** "1:05" minutes, "2:03:04" hours. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

function share(doneBytes: number, totalBytes: number): number {
  return totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
}

/** How far something has come: which part of it, if anybody knows, and what is to be said of it. */
export interface Standing {
  readonly share: number | null;
  readonly facts: string;
}

export class ProgressLine {
  readonly #stream: OutputStream;
  readonly #paint: Paint;
  readonly #clock: Clock;
  readonly #startedMs: number;
  #drawnMs: number;
  #isWriting = false;
  #isDrawn = false;

  constructor(context: CommandContext) {
    this.#stream = context.terminal.stderr;
    this.#paint = paintFor(this.#stream, context.terminal);
    this.#clock = context.env.clock;
    this.#startedMs = this.#clock.monotonicMs();
    this.#drawnMs = this.#startedMs;
  }

  /** @param standing is asked when it is time to draw */
  update(standing: (elapsedMs: number) => Standing): void {
    const nowMs = this.#clock.monotonicMs();
    const everyMs = this.#stream.isTTY ? BAR_EVERY_MS : LINE_EVERY_MS;
    if (nowMs - this.#drawnMs < everyMs || this.#isWriting) return;
    this.#drawnMs = nowMs;
    const { share: done, facts } = standing(nowMs - this.#startedMs);
    this.#write(this.#stream.isTTY ? this.#bar(done, facts) : `holdfast: ${facts}\n`);
  }

  /** Takes the bar away; what is printed next starts on an empty line. */
  async finish(): Promise<void> {
    if (this.#isDrawn) await this.#stream.write(ERASE_LINE).catch(() => {});
    this.#isDrawn = false;
  }

  #bar(done: number | null, facts: string): string {
    this.#isDrawn = true;
    const room = Math.min(WIDEST_BAR, this.#stream.columns - textWidth(facts) - 3);
    if (room < 10 || done === null) {
      return ERASE_LINE + facts.slice(0, Math.max(0, this.#stream.columns - 1));
    }
    const filled = Math.round(done * room);
    const bar =
      this.#paint("━".repeat(filled), "good") + this.#paint("━".repeat(room - filled), "dim");
    return `${ERASE_LINE}${bar} ${facts}`;
  }

  #write(text: string): void {
    this.#isWriting = true;
    // Nobody waits for it, and a terminal that is gone is no reason to stop the work.
    void this.#stream
      .write(text)
      .catch(() => {})
      .then(() => {
        this.#isWriting = false;
      });
  }
}

/** Of bytes. */
export class Progress {
  readonly #line: ProgressLine;
  readonly #title: string;
  readonly #totalBytes: number | null;

  /**
   * @param title what is being worked on: a volume's name
   * @param totalBytes null when nobody knows
   */
  constructor(context: CommandContext, title: string, totalBytes: number | null) {
    this.#line = new ProgressLine(context);
    this.#title = printable(title);
    this.#totalBytes = totalBytes;
  }

  update(doneBytes: number): void {
    const total = this.#totalBytes;
    this.#line.update((elapsedMs) => ({
      share: total === null ? null : share(doneBytes, total),
      facts: this.#facts(doneBytes, elapsedMs),
    }));
  }

  finish(): Promise<void> {
    return this.#line.finish();
  }

  #facts(doneBytes: number, elapsedMs: number): string {
    const rate = elapsedMs === 0 ? 0 : (doneBytes / elapsedMs) * 1000;
    const speed = `${formatBytes(Math.round(rate))}/s`;
    const total = this.#totalBytes;
    if (total === null) return `${this.#title}: ${formatBytes(doneBytes)}, ${speed}`;
    const leftMs = rate === 0 ? null : ((total - doneBytes) / rate) * 1000;
    const left = leftMs === null ? "" : `, ${formatDuration(leftMs)} left`;
    const percent = Math.floor(share(doneBytes, total) * 100);
    return `${this.#title}: ${percent}% of ${formatBytes(total)}, ${speed}${left}`;
  }
}
