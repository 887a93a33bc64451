/**
 * Books: what a process has taken and not given back: requests to disks, buffers of the arena, pooled objects, timers. The arena and the
 * pools are those of all runs of a thread, one after the other: a process that dies keeps nothing of the arena.
 */
import type { Arena } from "../base/arena.ts";
import { pooledObjectsLent } from "../block/pool.ts";
import type { ParityEngine } from "../parity/engine.ts";
import { standIn } from "./stand-in.ts";

export class Books {
  /** By disk. */
  readonly #requests = new Map<string, number>();
  /** In the arena, by the byte where they start. */
  readonly #buffers = new Map<number, Uint8Array>();
  readonly #lentBefore = pooledObjectsLent();
  #arena: Arena | null = null;
  #isClosed = false;
  timers = 0;

  asked(disk: string): void {
    this.#requests.set(disk, (this.#requests.get(disk) ?? 0) + 1);
  }

  answered(disk: string): void {
    this.#requests.set(disk, this.#requests.get(disk)! - 1);
  }

  /** The engine as the process has it. */
  lending(engine: ParityEngine): ParityEngine {
    const { arena } = engine;
    if (arena === null) return engine;
    this.#arena = arena;
    const watched = standIn(arena, {
      take: (bytes) => {
        const buffer = arena.take(bytes);
        if (buffer !== null) this.#buffers.set(buffer.byteOffset, buffer);
        return buffer;
      },
      give: (view) => {
        // What a dead process had is somebody else's by now.
        if (this.#isClosed) return;
        arena.give(view);
        this.#buffers.delete(view.byteOffset);
      },
    });
    return { ...engine, arena: watched };
  }

  /** The process is dead. */
  close(): void {
    this.#isClosed = true;
    for (const buffer of this.#buffers.values()) this.#arena!.give(buffer);
    this.#buffers.clear();
  }

  /** What is out, a line each, timers left aside: an array at rest may have some. */
  get out(): string[] {
    const lines = [...this.#requests].flatMap(([disk, count]) =>
      count === 0 ? [] : [`${count} requests to ${disk} are under way`],
    );
    if (this.#buffers.size > 0) lines.push(`${this.#buffers.size} buffers are not given back`);
    // Fewer than none: what a process before it had has come back, late.
    const lent = pooledObjectsLent() - this.#lentBefore;
    if (lent > 0) lines.push(`${lent} pooled objects are not given back`);
    return lines;
  }
}
