/**
 * A disk in memory: 4 KiB pages, taken when first written and given back by discard and write-zeroes. Pages live in slabs
 * of 1 MiB, so a million of them are a thousand buffers. Every bio ends before `submit` returns.
 */
import { HoldfastError } from "../base/errors.ts";
import { PagedBits } from "../base/paged-bits.ts";
import { SECTOR_BYTES, formatBytes } from "../base/units.ts";
import type { Bio } from "../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import { ExtentList } from "../block/extents.ts";
import { refusal } from "../block/refuse.ts";

const PAGE_BYTES = 4096;
const PAGE_SECTORS = PAGE_BYTES / SECTOR_BYTES;
const SLAB_PAGES = 256;

export interface MemoryDeviceOptions {
  readonly name: string;
  readonly sectors: number;
  readonly readOnly?: boolean;
  /** Bytes of pages that may be held; a write that needs more ends with `no-space` and changes nothing. */
  readonly limitBytes?: number;
}

export class MemoryDevice implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits;
  readonly #limitBytes: number;
  readonly #slabs: Uint8Array[] = [];
  /** Pages that are held, for finding the next one in a huge emptiness. */
  readonly #held: PagedBits;
  /** Page number -> slot. */
  readonly #slots = new Map<number, number>();
  readonly #freeSlots: number[] = [];

  constructor(options: MemoryDeviceOptions) {
    this.name = options.name;
    this.sectors = options.sectors;
    this.#held = new PagedBits(Math.ceil(options.sectors / PAGE_SECTORS));
    this.#limitBytes = options.limitBytes ?? Infinity;
    this.limits = {
      logicalBlockBytes: 512,
      optimalIoBytes: 0,
      readOnly: options.readOnly ?? false,
      discard: true,
      writeZeroes: true,
    };
  }

  /** Bytes of pages in use. */
  get heldBytes(): number {
    return this.#slots.size * PAGE_BYTES;
  }

  submit(bio: Bio): void {
    bio.end(refusal(this, bio) ?? this.#run(bio));
  }

  #run(bio: Bio): HoldfastError | null {
    switch (bio.op) {
      case "read":
        return this.#read(bio);
      case "write":
        return this.#write(bio);
      case "flush":
        return null;
      case "discard":
      case "write-zeroes":
        this.#drop(bio.sector * SECTOR_BYTES, (bio.sector + bio.sectors) * SECTOR_BYTES);
        return null;
    }
  }

  #read({ sector, data }: Bio): null {
    const { length } = data;
    for (let at = 0, byte = sector * SECTOR_BYTES; at < length;) {
      const from = byte % PAGE_BYTES;
      const bytes = Math.min(PAGE_BYTES - from, length - at);
      const page = this.#page(Math.floor(byte / PAGE_BYTES));
      if (page === null) data.fill(0, at, at + bytes);
      else data.set(bytes === PAGE_BYTES ? page : page.subarray(from, from + bytes), at);
      at += bytes;
      byte += bytes;
    }
    return null;
  }

  #write({ sector, sectors, data }: Bio): HoldfastError | null {
    if (!this.#hasRoomFor(sector, sectors)) {
      const limit = formatBytes(this.#limitBytes);
      const text = `${this.name} is full: it may hold ${limit} of written data in memory.`;
      return new HoldfastError("no-space", text);
    }
    const { length } = data;
    for (let at = 0, byte = sector * SECTOR_BYTES; at < length;) {
      const number = Math.floor(byte / PAGE_BYTES);
      const from = byte % PAGE_BYTES;
      const bytes = Math.min(PAGE_BYTES - from, length - at);
      const page = this.#page(number) ?? this.#take(number);
      page.set(bytes === length ? data : data.subarray(at, at + bytes), from);
      at += bytes;
      byte += bytes;
    }
    return null;
  }

  #hasRoomFor(sector: number, sectors: number): boolean {
    if (this.#limitBytes === Infinity) return true;
    let missing = 0;
    const stop = Math.ceil((sector + sectors) / PAGE_SECTORS);
    for (let number = Math.floor(sector / PAGE_SECTORS); number < stop; number += 1)
      if (!this.#slots.has(number)) missing += 1;
    return this.heldBytes + missing * PAGE_BYTES <= this.#limitBytes;
  }

  #page(number: number): Uint8Array | null {
    const slot = this.#slots.get(number);
    if (slot === undefined) return null;
    const start = (slot % SLAB_PAGES) * PAGE_BYTES;
    return this.#slabs[Math.floor(slot / SLAB_PAGES)]!.subarray(start, start + PAGE_BYTES);
  }

  #take(number: number): Uint8Array {
    if (this.#freeSlots.length === 0) {
      const first = this.#slabs.length * SLAB_PAGES;
      this.#slabs.push(new Uint8Array(SLAB_PAGES * PAGE_BYTES));
      for (let i = SLAB_PAGES - 1; i >= 0; i -= 1) this.#freeSlots.push(first + i);
    }
    this.#slots.set(number, this.#freeSlots.pop()!);
    this.#held.set(number, number + 1);
    return this.#page(number)!;
  }

  #drop(fromBytes: number, toBytes: number): void {
    const first = Math.ceil(fromBytes / PAGE_BYTES);
    const stop =
      toBytes === this.sectors * SECTOR_BYTES
        ? Math.ceil(toBytes / PAGE_BYTES)
        : Math.floor(toBytes / PAGE_BYTES);
    this.#zeroInPage(Math.floor(fromBytes / PAGE_BYTES), fromBytes, toBytes);
    this.#zeroInPage(Math.floor((toBytes - 1) / PAGE_BYTES), fromBytes, toBytes);
    for (let at = first; at < stop;) {
      const run = this.#held.runAt(at, stop);
      if (run.value) for (let number = at; number < run.end; number += 1) this.#release(number);
      at = run.end;
    }
    if (first < stop) this.#held.clear(first, stop);
  }

  #zeroInPage(number: number, fromBytes: number, toBytes: number): void {
    const start = number * PAGE_BYTES;
    this.#page(number)?.fill(0, Math.max(0, fromBytes - start), toBytes - start);
  }

  /** A free slot is all zeros, as a fresh slab is. */
  #release(number: number): void {
    const slot = this.#slots.get(number)!;
    this.#page(number)!.fill(0);
    this.#slots.delete(number);
    this.#freeSlots.push(slot);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const list = new ExtentList(sector, maxExtents);
    const end = sector + sectors;
    const stopPage = Math.ceil(end / PAGE_SECTORS);
    while (list.end < end) {
      const run = this.#held.runAt(Math.floor(list.end / PAGE_SECTORS), stopPage);
      const stop = Math.min(end, run.end * PAGE_SECTORS);
      if (!list.add(stop - list.end, run.value ? "data" : "hole")) break;
    }
    return list.extents;
  }

  close(): Promise<void> {
    this.#slots.clear();
    this.#slabs.length = 0;
    this.#freeSlots.length = 0;
    return Promise.resolve();
  }
}
