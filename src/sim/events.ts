/**
 * EventQueue: what is to happen, and when, in virtual time. Two events of the same moment happen in the order in which they were
 * planned, so a run depends on nothing but its seed. A binary heap.
 */
export interface SimEvent {
  readonly atUs: number;
  readonly order: number;
  /** Null: it was called off. */
  happen: (() => void) | null;
}

export class EventQueue {
  readonly #heap: SimEvent[] = [];
  #order = 0;

  /** Those called off included. */
  get size(): number {
    return this.#heap.length;
  }

  add(atUs: number, happen: () => void): SimEvent {
    this.#order += 1;
    const event: SimEvent = { atUs, order: this.#order, happen };
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(event, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = event;
    return event;
  }

  /** The next that was not called off, taken out. */
  take(): SimEvent | null {
    for (;;) {
      const event = this.#pop();
      if (event === null || event.happen !== null) return event;
    }
  }

  #pop(): SimEvent | null {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined) return null;
    const last = heap.pop()!;
    if (heap.length > 0) this.#sink(last);
    return first;
  }

  #sink(event: SimEvent): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below += 1;
      if (!isBefore(heap[below]!, event)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = event;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.order < b.order);
}
