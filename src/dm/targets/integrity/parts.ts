/** What the parts of an integrity target work with together. */
import type { HoldfastError } from "../../../base/errors.ts";
import type { BioEnd } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { ended } from "../../../block/promises.ts";
import type { RangeHold, RangeLock } from "../../../block/range-lock.ts";
import type { Env } from "../../../env/env.ts";
import type { BlockHash } from "./block-hash.ts";
import type { IntegrityMode } from "./integrity-words.ts";
import type { Layout } from "./layout.ts";
import type { Superblock } from "./superblock.ts";
import type { TagBuffers } from "./tag-buffers.ts";

export interface Parts {
  readonly env: Pick<Env, "timers" | "log">;
  /** Of the mapped device. */
  readonly name: string;
  readonly mode: IntegrityMode;
  readonly isReadOnly: boolean;
  readonly layout: Layout;
  readonly superblock: Superblock;
  readonly hash: BlockHash;
  /** Where the data is. */
  readonly data: BlockDevice;
  /** Where superblock, journal and tags are: the same, or another. */
  readonly meta: BlockDevice;
  readonly buffers: TagBuffers;
  /** Data sectors: who reads holds them shared, who changes data and tags exclusively. */
  readonly lock: RangeLock;
  readonly failure: Failure;
}

/** The first error that leaves nothing to be promised: from then on everything fails with it. */
export class Failure {
  readonly #log: Pick<Env, "log">["log"];
  readonly #name: string;
  #error: HoldfastError | null = null;

  constructor({ log }: Pick<Env, "log">, name: string) {
    this.#log = log;
    this.#name = name;
  }

  get error(): HoldfastError | null {
    return this.#error;
  }

  set(error: HoldfastError): void {
    if (this.#error !== null) return;
    this.#error = error;
    this.#log.write(
      "error",
      `${this.#name}: nothing is read or written any more: ${error.message}`,
    );
  }
}

/** All that was written by then, data and tags, is durable when it ends. One that fails is the end: what it was to cover may be lost. */
export function flushAll({ buffers, failure }: Parts, end: BioEnd): void {
  buffers.flush((error) => {
    if (error !== null) failure.set(error);
    end(failure.error);
  });
}

export function flushed(parts: Parts): Promise<void> {
  return ended((end) => flushAll(parts, end));
}

export function locked({ lock }: Parts, from: number, to: number): Promise<RangeHold> {
  return new Promise((resolve) => lock.lock(from, to - from, "exclusive", resolve));
}
