/**
 * Disks that remember every request, so that a test can cut the power at any moment and look at everything that may be on them then.
 *
 * A request ends when `pump` says so. At a cut a write is certainly on its disk when it was FUA and had ended, or had ended before a flush
 * was submitted that had ended; any other that had been submitted may be there or not, also one that failed.
 */
import { HoldfastError } from "../../src/base/errors.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { BioFlags } from "../../src/block/bio.ts";
import type { Bio } from "../../src/block/bio.ts";
import { WRITABLE_LIMITS } from "../../src/block/device.ts";
import type { BlockDevice, BlockLimits, Extent } from "../../src/block/device.ts";
import { refusal } from "../../src/block/refuse.ts";

interface LoggedWrite {
  readonly kind: "write";
  readonly disk: number;
  readonly sector: number;
  readonly data: Uint8Array;
  readonly isFua: boolean;
}

type LogEntry =
  | LoggedWrite
  | { readonly kind: "flush"; readonly disk: number }
  | { readonly kind: "end"; readonly of: LogEntry; readonly ok: boolean }
  /** Something that the test wants to find again. */
  | { readonly kind: "mark"; readonly what: string };

export class CrashDisks {
  readonly log: LogEntry[] = [];
  readonly disks: readonly CrashDisk[];
  readonly #queue: (() => void)[] = [];

  /** @param images what they hold at first, durably */
  constructor(images: readonly Uint8Array[]) {
    this.disks = images.map((image, index) => new CrashDisk(this, index, image));
  }

  mark(what: string): void {
    this.log.push({ kind: "mark", what });
  }

  enqueue(run: () => void): void {
    this.#queue.push(run);
  }

  /** Requests that have not ended. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Ends the requests under way, oldest first, and those that follow from them, until nothing moves any more. */
  async pump(): Promise<void> {
    await settled();
    for (let run = this.#queue.shift(); run !== undefined; run = this.#queue.shift()) {
      run();
      await settled();
    }
  }

  /** Ends so many of them. */
  async pumpSome(count: number): Promise<void> {
    await settled();
    for (let left = count; left > 0 && this.#queue.length > 0; left -= 1) {
      this.#queue.shift()!();
      await settled();
    }
  }

  /** What may be on the disks when the power fails right before log entry `cut`: one list of writes that are there, one of those that may be. */
  at(cut: number): { certain: ReadonlySet<LogEntry>; possible: readonly LoggedWrite[] } {
    const log = this.log.slice(0, cut);
    const position = new Map(log.map((entry, index) => [entry, index]));
    const endOf = new Map<LogEntry, number>();
    log.forEach((entry, index) => {
      if (entry.kind === "end" && entry.ok) endOf.set(entry.of, index);
    });
    const flushes = log.filter((entry) => entry.kind === "flush" && endOf.has(entry));
    const isCertain = (write: LoggedWrite): boolean => {
      const end = endOf.get(write);
      if (end === undefined) return false;
      if (write.isFua) return true;
      return flushes.some(
        (flush) => "disk" in flush && flush.disk === write.disk && position.get(flush)! > end,
      );
    };
    const writes = log.filter((entry) => entry.kind === "write");
    return {
      certain: new Set(writes.filter(isCertain)),
      possible: writes.filter((write) => !isCertain(write)),
    };
  }

  /** The disks with these writes, in the order in which they were submitted. */
  imagesWith(cut: number, isThere: (write: LoggedWrite) => boolean): Uint8Array[] {
    const images = this.disks.map((disk) => disk.atFirst.slice());
    for (const entry of this.log.slice(0, cut)) {
      if (entry.kind !== "write" || !isThere(entry)) continue;
      images[entry.disk]!.set(entry.data, entry.sector * SECTOR_BYTES);
    }
    return images;
  }
}

export class CrashDisk implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits = { ...WRITABLE_LIMITS, discard: false, writeZeroes: false };
  readonly atFirst: Uint8Array;
  /** Which requests fail. */
  fails: (bio: Bio) => boolean = () => false;
  readonly #all: CrashDisks;
  readonly #index: number;
  readonly #data: Uint8Array;

  constructor(all: CrashDisks, index: number, image: Uint8Array) {
    this.#all = all;
    this.#index = index;
    this.name = `disk${index}`;
    this.atFirst = image;
    this.#data = image.slice();
    this.sectors = image.length / SECTOR_BYTES;
  }

  submit(bio: Bio): void {
    const refused = refusal(this, bio);
    if (refused !== null) bio.end(refused);
    else if (bio.op === "read") this.#all.enqueue(() => this.#read(bio));
    else this.#change(bio);
  }

  #read(bio: Bio): void {
    const failed = this.fails(bio);
    const from = bio.sector * SECTOR_BYTES;
    if (!failed) bio.data.set(this.#data.subarray(from, from + bio.data.length));
    bio.end(failed ? new HoldfastError("io", `${this.name}: a read failed`) : null);
  }

  #change(bio: Bio): void {
    const entry: LogEntry =
      bio.op === "flush"
        ? { kind: "flush", disk: this.#index }
        : {
            kind: "write",
            disk: this.#index,
            sector: bio.sector,
            data: bio.data.slice(),
            isFua: (bio.flags & BioFlags.fua) !== 0,
          };
    this.#all.log.push(entry);
    const failed = this.fails(bio);
    this.#all.enqueue(() => {
      if (!failed && entry.kind === "write")
        this.#data.set(entry.data, entry.sector * SECTOR_BYTES);
      this.#all.log.push({ kind: "end", of: entry, ok: !failed });
      bio.end(failed ? new HoldfastError("io", `${this.name}: a ${bio.op} failed`) : null);
    });
  }

  extents(sector: number, sectors: number): Extent[] {
    return [{ sector, sectors, kind: "data" }];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** All that follows from what has happened, without time or I/O. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
}
