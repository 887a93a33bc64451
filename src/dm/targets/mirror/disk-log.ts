/** The dirty log on a device of its own, in the kernel's format (formats/dm-log.ts). An image of it is kept in memory, as kernels do. */
import { HoldfastError, errorIn, toHoldfastError } from "../../../base/errors.ts";
import { ignore } from "../../../base/nothing.ts";
import { OneByOne } from "../../../base/one-by-one.ts";
import { SECTOR_BYTES, alignUp } from "../../../base/units.ts";
import { flush, readSectors, writeSectors } from "../../../block/promises.ts";
import {
  DM_LOG_BITS_OFFSET,
  DM_LOG_MAGIC,
  DM_LOG_VERSION,
  decodeDmLog,
  dmLogHeader,
  mirrorFields,
  recordedMirrors,
} from "../../../formats/dm-log.ts";
import type { DmLogHeader, RecordedMirrors } from "../../../formats/dm-log.ts";
import type { ChunkBits } from "../../../regions/bitmap-store.ts";
import type { TargetDevice } from "../../target.ts";
import type { DirtyLog, LoadedLog, LogOptions, RegionRun } from "./dirty-log.ts";

export interface DiskLogOptions extends LogOptions {
  readonly on: TargetDevice;
  readonly legs: number;
  readonly isReadOnly: boolean;
  /** It cannot be written any more. */
  readonly failed: () => void;
}

export class DiskLog implements DirtyLog {
  readonly sectors: number;
  readonly chunkSectors: number;
  readonly chunks: number;
  readonly pageBits: number;
  readonly headBits = DM_LOG_BITS_OFFSET * 8;
  readonly flushData: () => Promise<boolean>;
  readonly clearing = ignore;
  readonly #options: DiskLogOptions;
  readonly #writes = new OneByOne();
  readonly #pageBytes: number;
  #image: Uint8Array = new Uint8Array(0);
  #failure: "no" | "write" | "flush" = "no";

  /** @throws HoldfastError `usage` for a device that is too small */
  constructor(options: DiskLogOptions) {
    const { log, sectors, on, flushData } = options;
    this.#options = options;
    this.sectors = sectors;
    this.chunkSectors = log.regionSectors;
    this.chunks = Math.ceil(sectors / log.regionSectors);
    this.flushData = flushData;
    this.#pageBytes = Math.max(SECTOR_BYTES, on.device.limits.logicalBlockBytes);
    this.pageBits = this.#pageBytes * 8;
    if (this.#imageSectors > on.device.sectors)
      throw new HoldfastError(
        "usage",
        `mirror: the log device ${on.id} has ${on.device.sectors} sectors, and ${this.#imageSectors} are needed.`,
      );
  }

  get #imageSectors(): number {
    const bitsBytes = alignUp(this.chunks, 64) / 8;
    return alignUp(DM_LOG_BITS_OFFSET + bitsBytes, this.#pageBytes) / SECTOR_BYTES;
  }

  get isFailed(): boolean {
    return this.#failure !== "no";
  }

  get status(): string {
    const chars = { no: "A", write: "D", flush: "F" } as const;
    return `3 disk ${this.#options.on.id} ${chars[this.#failure]}`;
  }

  async load(): Promise<LoadedLog> {
    const { on, log, legs, isReadOnly } = this.#options;
    this.#image = await readSectors(on.device, 0, this.#imageSectors).catch((thrown: unknown) => {
      throw errorIn(`the log device ${on.id}`, toHoldfastError(thrown));
    });
    const found = decodeDmLog(this.#image);
    if (found.kind === "bad" && log.sync === "as-logged")
      throw new HoldfastError(
        "bad-metadata",
        `The log device ${on.id} has a dirty log that cannot be used: ${found.reason}. Say sync to begin a new one.`,
      );
    const header = found.kind === "ok" && log.sync === "as-logged" ? found.header : null;
    const recorded = header === null ? null : recordedMirrors(header, legs);
    this.#adapt(header, log.sync === "nosync", recorded !== null && !recorded.isExact);
    // A log that can be read and not written tells what is clean; nothing can be written to the mirror then.
    if (!isReadOnly) await this.#begin(recorded).catch(ignore);
    return { dirty: this.#dirty(), recorded };
  }

  /** The bits of a mirror of this size: regions that the log had not are as the table says, bits behind the last one are 0. */
  #adapt(header: DmLogHeader | null, isSynced: boolean, forgets: boolean): void {
    const known = header === null || forgets ? 0 : Math.min(header.regions, this.chunks);
    this.#setClean(known, this.chunks, isSynced);
    this.#setClean(this.chunks, alignUp(this.chunks, 64), false);
  }

  #setClean(from: number, to: number, isClean: boolean): void {
    for (let region = from; region < to; region += 1) {
      const at = DM_LOG_BITS_OFFSET + (region >>> 3);
      const bit = 1 << (region & 7);
      this.#image[at] = isClean ? this.#image[at]! | bit : this.#image[at]! & ~bit;
    }
  }

  /**
   * 1 bits, 2 flush, 3 the header that makes them mean something, 4 flush. A crash before 3 leaves a log without a header, which is made
   * anew, or one of fewer regions, or one that still says which legs had failed.
   */
  #begin(recorded: RecordedMirrors | null): Promise<void> {
    return this.#write(async (device) => {
      const pages = this.#image.length / this.#pageBytes;
      if (pages > 1) await writeSectors(device, ...this.#part(1, pages));
      await this.#flush();
      dmLogHeader.encodeInto(this.#image, 0, {
        magic: DM_LOG_MAGIC,
        version: DM_LOG_VERSION,
        regions: this.chunks,
        ...mirrorFields(recorded, this.#options.legs),
      });
      await writeSectors(device, ...this.#part(0, 1));
      await this.#flush();
    });
  }

  #part(firstPage: number, endPage: number): [number, Uint8Array] {
    const from = firstPage * this.#pageBytes;
    return [from / SECTOR_BYTES, this.#image.slice(from, endPage * this.#pageBytes)];
  }

  #dirty(): RegionRun[] {
    const runs: RegionRun[] = [];
    let start = -1;
    for (let region = 0; region <= this.chunks; region += 1) {
      const isDirty =
        region < this.chunks &&
        ((this.#image[DM_LOG_BITS_OFFSET + (region >>> 3)]! >>> (region & 7)) & 1) === 0;
      if (isDirty && start < 0) start = region;
      if (!isDirty && start >= 0) {
        runs.push({ region: start, regions: region - start });
        start = -1;
      }
    }
    return runs;
  }

  record(mirrors: RecordedMirrors | null): Promise<void> {
    return this.#write(async (device) => {
      dmLogHeader.encodeInto(this.#image, 0, mirrorFields(mirrors, this.#options.legs));
      await writeSectors(device, ...this.#part(0, 1));
      await this.#flush();
    });
  }

  writePages(pages: readonly number[], bits: ChunkBits): Promise<void> {
    return this.#write(async (device) => {
      for (const page of pages) this.#fill(page, bits);
      for (const page of pages) await writeSectors(device, ...this.#part(page, page + 1));
      await this.#flush();
    });
  }

  writeAll(bits: ChunkBits): Promise<void> {
    const pages = this.#image.length / this.#pageBytes;
    return this.writePages(
      Array.from({ length: pages }, (_unused, page) => page),
      bits,
    );
  }

  /** The bits of one page: what is not clean is 0 there. */
  #fill(page: number, bits: ChunkBits): void {
    const first = Math.max(0, page * this.pageBits - this.headBits);
    const end = Math.min(this.chunks, (page + 1) * this.pageBits - this.headBits);
    if (end <= first) return;
    const dirty = new Uint8Array(Math.ceil((end - first) / 8));
    bits.setBits(first, end - first, dirty, 0);
    const at = DM_LOG_BITS_OFFSET + first / 8;
    for (const [index, byte] of dirty.entries()) {
      const left = end - first - index * 8;
      this.#image[at + index] = ~byte & (left >= 8 ? 0xff : (1 << left) - 1);
    }
  }

  /** One after the other: they may write the same sector. After the first that fails all do. */
  #write(work: (device: TargetDevice["device"]) => Promise<void>): Promise<void> {
    const { on, failed } = this.#options;
    return this.#writes.run(async () => {
      try {
        if (this.isFailed)
          throw new HoldfastError(
            "io",
            `${on.id} had failed before, and nothing is recorded on it`,
          );
        await work(on.device);
      } catch (thrown) {
        const error = errorIn(`the log device ${on.id}`, toHoldfastError(thrown));
        if (!this.isFailed) {
          this.#failure = "write";
          failed();
        }
        throw error;
      }
    });
  }

  async #flush(): Promise<void> {
    const { on, failed } = this.#options;
    try {
      await flush(on.device);
    } catch (thrown) {
      this.#failure = "flush";
      failed();
      throw thrown;
    }
  }
}
