/** Where a mirror keeps which of its regions are clean, and which of its legs had failed: in memory (core), or on a device (disk-log.ts). */
import { HoldfastError } from "../../../base/errors.ts";
import { ignore } from "../../../base/nothing.ts";
import type { RecordedMirrors } from "../../../formats/dm-log.ts";
import type { BitmapStore } from "../../../regions/bitmap-store.ts";
import type { LogArguments } from "./arguments.ts";

export interface RegionRun {
  readonly region: number;
  readonly regions: number;
}

export interface LoadedLog {
  /** Regions that are not clean. */
  readonly dirty: readonly RegionRun[];
  /** Who was left when it was written last; null: everybody. */
  readonly recorded: RecordedMirrors | null;
}

export interface DirtyLog extends BitmapStore {
  /** Reads it, and writes it for the mirror as it is now. Once, before anything else. */
  load(): Promise<LoadedLog>;
  /** Resolves when it is durable; rejects when it cannot be recorded. */
  record(mirrors: RecordedMirrors | null): Promise<void>;
  /** It cannot be written any more. */
  readonly isFailed: boolean;
  /** As `dmsetup status` shows it. */
  readonly status: string;
}

export interface LogOptions {
  readonly log: LogArguments;
  readonly sectors: number;
  /** Of legs that are in use; false when one of them could not. */
  readonly flushData: () => Promise<boolean>;
}

/** The bits are in memory only: whoever opens the mirror again syncs all of it from leg 0, or says `nosync`. */
export class CoreLog implements DirtyLog {
  readonly sectors: number;
  readonly chunkSectors: number;
  readonly chunks: number;
  readonly pageBits = 4096 * 8;
  readonly headBits = 0;
  readonly isFailed = false;
  readonly status = "1 core";
  readonly flushData: () => Promise<boolean>;
  readonly clearing = ignore;
  readonly #isSynced: boolean;

  constructor({ log, sectors, flushData }: LogOptions) {
    this.sectors = sectors;
    this.chunkSectors = log.regionSectors;
    this.chunks = Math.ceil(sectors / log.regionSectors);
    this.flushData = flushData;
    this.#isSynced = log.sync === "nosync";
  }

  load(): Promise<LoadedLog> {
    const dirty = this.#isSynced ? [] : [{ region: 0, regions: this.chunks }];
    return Promise.resolve({ dirty, recorded: null });
  }

  /** The next one to open it starts from leg 0, so a loss needs no record as long as that one has everything. */
  record(mirrors: RecordedMirrors | null): Promise<void> {
    if (mirrors === null || (mirrors.failed.size === 0 && mirrors.defaultMirror === 0))
      return Promise.resolve();
    if (!this.#isSynced && mirrors.defaultMirror === 0) return Promise.resolve();
    return Promise.reject(
      new HoldfastError("io", "a core log cannot record which mirror has everything"),
    );
  }

  writePages(): Promise<void> {
    return Promise.resolve();
  }

  writeAll(): Promise<void> {
    return Promise.resolve();
  }
}
