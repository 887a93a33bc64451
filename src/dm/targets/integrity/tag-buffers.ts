/**
 * Tag buffers: pieces of the runs of tags that are in memory. What changes in them is written when somebody flushes, or when room is needed.
 *
 *   absent --read--> clean <--flush-- dirty <--changed
 *      ^--- room is needed ---'
 *
 * A flush covers all that was changed, and all data that was written, before it was asked for: 1 changed tags are written, 2 the devices are flushed.
 * Those that come while one is under way share the next. What changes while it is being written is written again, so a write that tears does no harm.
 */
import { assert } from "../../../base/assert.ts";
import type { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES, alignDown, alignUp } from "../../../base/units.ts";
import { BioFlags, flushBio, readBio, writeBio } from "../../../block/bio.ts";
import type { BioEnd } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { fanOut, inSequence } from "../../../block/fan-out.ts";

/** 16 MiB. */
const MOST_BYTES = 2 ** 24;
const LEAST_BUFFERS = 8;
const WRITE_ALIGN_BYTES = 4096;
const WRITES_AT_A_TIME = 16;

class TagBuffer {
  readonly index: number;
  readonly data: Uint8Array;
  state: "reading" | "ready" = "reading";
  readonly waiting: ((error: HoldfastError | null) => void)[] = [];
  dirtyFrom = Infinity;
  dirtyTo = 0;

  constructor(index: number, bytes: number) {
    this.index = index;
    this.data = new Uint8Array(bytes);
  }

  get isDirty(): boolean {
    return this.dirtyTo > 0;
  }

  changed(from: number, to: number): void {
    this.dirtyFrom = Math.min(this.dirtyFrom, from);
    this.dirtyTo = Math.max(this.dirtyTo, to);
  }
}

export interface TagBuffersOptions {
  readonly device: BlockDevice;
  /** Where tags begin. */
  readonly startSector: number;
  readonly bufferSectors: number;
  /** If it is another device than that of the tags: flushes cover it too. */
  readonly dataDevice: BlockDevice | null;
}

export class TagBuffers {
  readonly #options: TagBuffersOptions;
  readonly #bufferBytes: number;
  readonly #mostBuffers: number;
  /** Those used last are last. */
  readonly #buffers = new Map<number, TagBuffer>();
  readonly #dirty = new Set<TagBuffer>();
  #asking: BioEnd[] = [];
  #isFlushing = false;

  constructor(options: TagBuffersOptions) {
    this.#options = options;
    this.#bufferBytes = options.bufferSectors * SECTOR_BYTES;
    this.#mostBuffers = Math.max(LEAST_BUFFERS, Math.floor(MOST_BYTES / this.#bufferBytes));
  }

  /** Something is not on the device. */
  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** Reads tags from byte `from` of the runs on. */
  load(from: number, into: Uint8Array, end: BioEnd): void {
    this.#each(
      from,
      into.length,
      (buffer, at, done, bytes) => into.set(buffer.data.subarray(at, at + bytes), done),
      end,
    );
  }

  /** Puts tags to byte `from` of the runs on; they are on the device after a flush. */
  store(from: number, tags: Uint8Array, end: BioEnd): void {
    const put = (buffer: TagBuffer, at: number, done: number, bytes: number): void => {
      buffer.data.set(tags.subarray(done, done + bytes), at);
      buffer.changed(at, at + bytes);
      this.#dirty.add(buffer);
    };
    this.#each(from, tags.length, put, end);
  }

  /** `visit` is called for each buffer that the bytes lie in, in order, with the place in it, what is done by then, and how many bytes it has. */
  #each(
    from: number,
    length: number,
    visit: (buffer: TagBuffer, at: number, done: number, bytes: number) => void,
    end: BioEnd,
  ): void {
    let done = 0;
    const next = (): void => {
      while (done < length) {
        const index = Math.floor((from + done) / this.#bufferBytes);
        const buffer = this.#ready(index);
        if (buffer === null) {
          this.#fetch(index, (error) => (error === null ? next() : end(error)));
          return;
        }
        const at = from + done - index * this.#bufferBytes;
        const bytes = Math.min(length - done, this.#bufferBytes - at);
        visit(buffer, at, done, bytes);
        done += bytes;
      }
      end(null);
    };
    next();
  }

  #ready(index: number): TagBuffer | null {
    const buffer = this.#buffers.get(index);
    if (buffer === undefined || buffer.state === "reading") return null;
    this.#buffers.delete(index);
    this.#buffers.set(index, buffer);
    return buffer;
  }

  #fetch(index: number, then: (error: HoldfastError | null) => void): void {
    const buffer = this.#buffers.get(index);
    if (buffer !== undefined) buffer.waiting.push(then);
    else if (this.#makeRoom()) this.#read(index, then);
    else this.flush((error) => (error === null ? this.#fetchAgain(index, then) : then(error)));
  }

  /** It may be there, or on its way, by now. */
  #fetchAgain(index: number, then: (error: HoldfastError | null) => void): void {
    if (this.#ready(index) === null) this.#fetch(index, then);
    else then(null);
  }

  /** False: all of them are needed. */
  #makeRoom(): boolean {
    if (this.#buffers.size < this.#mostBuffers) return true;
    for (const buffer of this.#buffers.values()) {
      if (buffer.state === "reading" || this.#dirty.has(buffer)) continue;
      this.#buffers.delete(buffer.index);
      return true;
    }
    return false;
  }

  #read(index: number, then: (error: HoldfastError | null) => void): void {
    const { device, startSector, bufferSectors } = this.#options;
    const sector = startSector + index * bufferSectors;
    // At the end of a device there may be less than a whole one.
    const sectors = Math.min(bufferSectors, device.sectors - sector);
    assert(sectors > 0, "tags lie inside the device");
    const buffer = new TagBuffer(index, sectors * SECTOR_BYTES);
    buffer.waiting.push(then);
    this.#buffers.set(index, buffer);
    device.submit(
      readBio(sector, buffer.data, (error) => {
        buffer.state = "ready";
        if (error !== null) this.#buffers.delete(index);
        for (const waiting of buffer.waiting.splice(0)) waiting(error);
      }),
    );
  }

  flush(end: BioEnd): void {
    this.#asking.push(end);
    if (!this.#isFlushing) this.#flushNext();
  }

  /** 1 tags, 2 flush: what a flush was asked for is durable after both. */
  #flushNext(): void {
    const asking = this.#asking;
    this.#asking = [];
    this.#isFlushing = asking.length > 0;
    if (!this.#isFlushing) return;
    const ended: BioEnd = (error) => {
      for (const end of asking) end(error);
      this.#flushNext();
    };
    this.#writeDirty((error) => (error === null ? this.#flushDevices(ended) : ended(error)));
  }

  #flushDevices(end: BioEnd): void {
    const { device, dataDevice } = this.#options;
    const devices = dataDevice === null ? [device] : [device, dataDevice];
    const part = fanOut(devices.length, end);
    for (const each of devices) each.submit(flushBio(part));
  }

  #writeDirty(end: BioEnd): void {
    const buffers = [...this.#dirty].toSorted((a, b) => a.index - b.index);
    const lanes = Math.min(WRITES_AT_A_TIME, buffers.length);
    if (lanes === 0) {
      end(null);
      return;
    }
    const ended = fanOut(lanes, end);
    for (let lane = 0; lane < lanes; lane += 1)
      inSequence(
        Math.ceil((buffers.length - lane) / lanes),
        (step, written) => this.#write(buffers[lane + step * lanes]!, written),
        ended,
      );
  }

  #write(buffer: TagBuffer, end: BioEnd): void {
    const { device, startSector, bufferSectors } = this.#options;
    const from = alignDown(buffer.dirtyFrom, WRITE_ALIGN_BYTES);
    const to = Math.min(alignUp(buffer.dirtyTo, WRITE_ALIGN_BYTES), buffer.data.length);
    buffer.dirtyFrom = Infinity;
    buffer.dirtyTo = 0;
    const sector = startSector + buffer.index * bufferSectors + from / SECTOR_BYTES;
    const written: BioEnd = (error) => {
      if (error !== null) buffer.changed(from, to);
      else if (!buffer.isDirty) this.#dirty.delete(buffer);
      end(error);
    };
    device.submit(writeBio(sector, buffer.data.subarray(from, to), BioFlags.none, written));
  }
}
