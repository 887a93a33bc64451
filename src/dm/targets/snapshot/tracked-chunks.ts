/** Counts bios by chunk, for whoever has to wait until none is under way in some of them. */
interface Waiting {
  readonly first: number;
  readonly chunks: number;
  readonly done: () => void;
}

export class TrackedChunks {
  readonly #counts = new Map<number, number>();
  #waiting: Waiting[] = [];

  add(chunk: number): void {
    this.#counts.set(chunk, (this.#counts.get(chunk) ?? 0) + 1);
  }

  remove(chunk: number): void {
    const left = this.#counts.get(chunk)! - 1;
    if (left > 0) {
      this.#counts.set(chunk, left);
      return;
    }
    this.#counts.delete(chunk);
    const free = this.#waiting.filter((each) => !this.#isBusy(each.first, each.chunks));
    if (free.length === 0) return;
    this.#waiting = this.#waiting.filter((each) => !free.includes(each));
    for (const { done } of free) done();
  }

  /** Calls `done` when none is under way there, perhaps at once. */
  whenNone(first: number, chunks: number, done: () => void): void {
    if (this.#isBusy(first, chunks)) this.#waiting.push({ first, chunks, done });
    else done();
  }

  #isBusy(first: number, chunks: number): boolean {
    if (this.#counts.size === 0) return false;
    for (let chunk = first; chunk < first + chunks; chunk += 1)
      if (this.#counts.has(chunk)) return true;
    return false;
  }
}
