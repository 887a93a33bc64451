/**
 * WriteLog: blocks are put into the log one after the other, while the writes themselves go on.
 *
 * The super counts the entries that can be trusted; it is written after those that are durable at once (FUA, marks) and at the end.
 * What is taken in and not written yet is never more than the log has room for: beyond that nothing is taken in any more.
 */
import { assert } from "../../../base/assert.ts";
import { toHoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import { BioFlags } from "../../../block/bio.ts";
import type { Bio } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { flush, writeSectors } from "../../../block/promises.ts";
import {
  LOG_FLAGS,
  LOG_WRITES_MAGIC,
  LOG_WRITES_VERSION,
  logWritesEntry,
  logWritesSuper,
} from "../../../formats/log-writes.ts";

/** Whatever the device's own: bios need not be whole blocks of it. */
const SECTOR_SIZE = SECTOR_BYTES;
/** Of a mark's text; one byte of the sector stays zero. */
const MAX_MARK_BYTES = SECTOR_SIZE - logWritesEntry.size - 1;

/** An entry's sector and its data, as they will be in the log. */
export interface LogBlock {
  readonly bytes: Uint8Array;
  readonly isDurable: boolean;
}

export class WriteLog {
  readonly #device: BlockDevice;
  readonly #failed: (message: string) => void;
  readonly #queue: LogBlock[] = [];
  /** Taken in and not in the log yet. */
  #waitingSectors = 0;
  #nextSector = 1;
  #entries = 0;
  #state: "taking" | "full" | "failed" = "taking";
  #isWriting = false;
  #written: Promise<void> = Promise.resolve();

  /** @param failed told once, when it takes in nothing any more */
  constructor(device: BlockDevice, failed: (message: string) => void) {
    this.#device = device;
    this.#failed = failed;
  }

  get isTaking(): boolean {
    return this.#state === "taking";
  }

  get hasFailed(): boolean {
    return this.#state === "failed";
  }

  get entries(): number {
    return this.#entries;
  }

  get nextSector(): number {
    return this.#nextSector;
  }

  /** A copy of the bio, to be appended or dropped; null once the log takes in nothing. */
  take({ op, sector, sectors, data, flags }: Bio): LogBlock | null {
    const isFua = (flags & BioFlags.fua) !== 0;
    let bits = isFua ? LOG_FLAGS.fua : 0;
    if (op === "flush") bits = LOG_FLAGS.flush;
    if (op === "discard") bits = LOG_FLAGS.discard;
    return this.#make({ sector, sectors, flags: bits, dataBytes: 0 }, data, isFua);
  }

  /** Text that is too long is cut. */
  takeMark(text: string): LogBlock | null {
    const data = new TextEncoder().encode(text).subarray(0, MAX_MARK_BYTES);
    const entry = { sector: 0, sectors: 0, flags: LOG_FLAGS.mark, dataBytes: data.length };
    const block = this.#make(entry, new Uint8Array(0), true);
    block?.bytes.set(data, logWritesEntry.size);
    return block;
  }

  #make(
    entry: Parameters<typeof logWritesEntry.encode>[0],
    data: Uint8Array,
    isDurable: boolean,
  ): LogBlock | null {
    if (this.#state !== "taking") return null;
    const sectors = 1 + data.length / SECTOR_SIZE;
    // As in the kernel, the last sector of the device stays free.
    if (this.#nextSector + this.#waitingSectors + sectors >= this.#device.sectors) {
      this.#state = "full";
      this.#failed("it is full");
      return null;
    }
    this.#waitingSectors += sectors;
    const bytes = new Uint8Array(sectors * SECTOR_SIZE);
    logWritesEntry.encodeInto(bytes, 0, entry);
    bytes.set(data, SECTOR_SIZE);
    return { bytes, isDurable };
  }

  /** It will not be in the log. */
  drop({ bytes }: LogBlock): void {
    this.#waitingSectors -= bytes.length / SECTOR_SIZE;
  }

  append(blocks: readonly LogBlock[]): void {
    this.#queue.push(...blocks);
    if (!this.#isWriting) this.#written = this.#write();
  }

  /** Resolves when all that was appended is in the log, or cannot be. */
  async idle(): Promise<void> {
    while (this.#isWriting) await this.#written;
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    for (let block = this.#queue.shift(); block !== undefined; block = this.#queue.shift()) {
      this.drop(block);
      if (this.#state !== "failed")
        await this.#writeOne(block).catch((error: unknown) => this.#fail(error));
    }
    this.#isWriting = false;
  }

  #fail(error: unknown): void {
    this.#state = "failed";
    this.#failed(toHoldfastError(error).message);
  }

  async #writeOne({ bytes, isDurable }: LogBlock): Promise<void> {
    const sector = this.#nextSector;
    this.#nextSector += bytes.length / SECTOR_SIZE;
    assert(this.#nextSector < this.#device.sectors, "only what has room is taken in");
    this.#entries += 1;
    await writeSectors(this.#device, sector, bytes);
    if (isDurable) await this.#writeSuper();
  }

  /** 1 entries, 2 flush, 3 super: a crash between 2 and 3 loses the newest entries, and never shows one that is not there. */
  async #writeSuper(): Promise<void> {
    const bytes = new Uint8Array(SECTOR_SIZE);
    logWritesSuper.encodeInto(bytes, 0, {
      magic: LOG_WRITES_MAGIC,
      version: LOG_WRITES_VERSION,
      entries: this.#entries,
      sectorSize: SECTOR_SIZE,
    });
    await flush(this.#device);
    await writeSectors(this.#device, 0, bytes, BioFlags.fua);
  }
}
