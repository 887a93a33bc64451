/**
 * An open file through node:fs. What the page cache can do is done in the call, on this thread, which costs a fifth of handing
 * it to libuv's threads; what would wait for a disk goes to them.
 *
 *   read, write  at most 128 KiB, on a local file system, and quick lately (env/pace.ts) --> readSync, writeSync
 *                else --> threads
 *   flush        threads
 *   write that is durable when it ends: threads, by a second descriptor with O_DSYNC; where there is none a write and a flush, which has all
 *                that was ever written wait for the disk
 *
 * Node has no call that says whether data is in the cache, so the first calls of a slow spell stop everything else until the disk
 * has answered, and so does a try now and then. For a disk that answers that is milliseconds. For one that hangs it is as long as it
 * hangs, once; then the file stays with the threads for 16 times as long, 10 minutes at most. Where waiting for seconds is to be expected
 * this thread never calls: block devices, which may be the failing disks themselves, and network file systems.
 */
import { constants } from "node:fs";
import type * as fs from "node:fs";
import type { Clock } from "../env.ts";
import { Pace } from "../pace.ts";
import { DescriptorFile, MAX_TRANSFER_BYTES } from "./descriptor-file.ts";
import { isInterrupted } from "./file-errors.ts";
import type { Done, Turns } from "./turns.ts";

/** Larger ones another processor copies faster, while this one sends what came before. */
const MAX_INLINE_BYTES = 128 * 1024;

export type TransferNow = (
  descriptor: number,
  data: Uint8Array,
  from: number,
  length: number,
  offsetBytes: number,
) => number;

/** What all files of a thread share. */
export interface FileSystem {
  /** node:fs */
  readonly calls: Pick<typeof fs, "open" | "close" | "read" | "write" | "fdatasync"> & {
    readonly readSync: TransferNow;
    readonly writeSync: TransferNow;
  };
  readonly clock: Clock;
  readonly turns: Turns;
}

export class NodeFile extends DescriptorFile {
  readonly #system: FileSystem;
  readonly #mayBlock: boolean;
  readonly #readPace: Pace;
  readonly #writePace: Pace;
  /** What is written to it is durable. Null: there is no such thing here; undefined: not looked for yet. */
  #durable: number | null | undefined;
  #lookers: ((descriptor: number | null) => void)[] = [];

  /** @param mayBlock whether calls on this thread can be borne at all */
  constructor(
    system: FileSystem,
    path: string,
    descriptor: number,
    sizeBytes: number,
    mayBlock: boolean,
  ) {
    super(path, descriptor, sizeBytes);
    this.#system = system;
    this.#mayBlock = mayBlock;
    this.#readPace = new Pace(system.clock);
    this.#writePace = new Pace(system.clock);
  }

  read(data: Uint8Array, offsetBytes: number, done: Done): void {
    const { calls, turns } = this.#system;
    let count: number;
    try {
      count = this.#now(this.#readPace, calls.readSync, data, offsetBytes);
    } catch (error) {
      turns.end(done, this.failed(error, "reading", offsetBytes), 0);
      return;
    }
    if (count === data.length || count === 0) turns.end(done, null, count);
    else this.#readByThread(data, Math.max(0, count), offsetBytes, done);
  }

  write(data: Uint8Array, offsetBytes: number, done: (error: Error | null) => void): void {
    const { calls, turns } = this.#system;
    let count: number;
    try {
      count = this.#now(this.#writePace, calls.writeSync, data, offsetBytes);
    } catch (error) {
      turns.end(done, this.failed(error, "writing", offsetBytes), 0);
      return;
    }
    if (count === data.length) {
      this.grown(offsetBytes + count);
      turns.end(done, null, count);
    } else this.#writeByThread(this.descriptor, data, Math.max(0, count), offsetBytes, done);
  }

  writeDurably(data: Uint8Array, offsetBytes: number, done: (error: Error | null) => void): void {
    this.#withDurable((descriptor) => {
      if (descriptor === null) {
        this.write(data, offsetBytes, (error) => (error === null ? this.flush(done) : done(error)));
        return;
      }
      const written = (error: Error | null): void =>
        done(error === null ? null : this.flushed(error));
      this.#writeByThread(descriptor, data, 0, offsetBytes, written);
    });
  }

  /** Opens the same file again, whatever its name leads to by now: Linux can, through its name for the descriptor. */
  #withDurable(use: (descriptor: number | null) => void): void {
    if (this.#durable !== undefined) {
      use(this.#durable);
      return;
    }
    this.#lookers.push(use);
    if (this.#lookers.length > 1) return;
    const path = `/proc/self/fd/${this.descriptor}`;
    const flags = constants.O_WRONLY | (constants.O_DSYNC ?? 0);
    this.#system.calls.open(path, flags, (error, descriptor) => {
      this.#durable = error === null && constants.O_DSYNC !== undefined ? descriptor : null;
      for (const each of this.#lookers.splice(0)) each(this.#durable);
    });
  }

  override async close(): Promise<void> {
    const durable = this.#durable ?? null;
    this.#durable = null;
    if (durable !== null)
      await new Promise<void>((closed) => this.#system.calls.close(durable, () => closed()));
    await super.close();
  }

  flush(done: (error: Error | null) => void): void {
    this.#system.calls.fdatasync(this.descriptor, (error) => done(this.flushed(error)));
  }

  /** Bytes moved by a call on this thread; -1: none was to be made, or it was interrupted. Throws what the system says. */
  #now(pace: Pace, call: TransferNow, data: Uint8Array, offsetBytes: number): number {
    if (!this.#mayBlock || data.length > MAX_INLINE_BYTES || !pace.begin()) return -1;
    try {
      return call(this.descriptor, data, 0, data.length, offsetBytes);
    } catch (error) {
      if (isInterrupted(error)) return -1;
      throw error;
    } finally {
      pace.ended(data.length);
    }
  }

  /** @param from bytes that are read already */
  #readByThread(data: Uint8Array, from: number, offsetBytes: number, done: Done): void {
    const { calls } = this.#system;
    let filled = from;
    const next = (): void => {
      const wanted = Math.min(MAX_TRANSFER_BYTES, data.length - filled);
      calls.read(this.descriptor, data, filled, wanted, offsetBytes + filled, (error, count) => {
        if (error !== null && isInterrupted(error)) next();
        else if (error !== null) done(this.failed(error, "reading", offsetBytes + filled), filled);
        else {
          filled += count;
          if (count === 0 || filled === data.length) done(null, filled);
          else next();
        }
      });
    };
    next();
  }

  /** @param from bytes that are written already */
  #writeByThread(
    descriptor: number,
    data: Uint8Array,
    from: number,
    offsetBytes: number,
    done: (error: Error | null) => void,
  ): void {
    const { calls } = this.#system;
    let written = from;
    const next = (): void => {
      const wanted = Math.min(MAX_TRANSFER_BYTES, data.length - written);
      calls.write(descriptor, data, written, wanted, offsetBytes + written, (error, count) => {
        if (error !== null && isInterrupted(error)) next();
        else if (error !== null) done(this.failed(error, "writing", offsetBytes + written));
        else {
          written += count;
          if (written < data.length && count > 0) next();
          else if (written < data.length) done(this.endOfDevice(offsetBytes + written));
          else {
            this.grown(offsetBytes + written);
            done(null);
          }
        }
      });
    };
    next();
  }
}
