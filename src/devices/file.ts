/**
 * A disk image or a block device of the operating system.
 *
 * Holes of a sparse file are told as extents; discard and write-zeroes punch holes where the file system can. Where it
 * cannot, discard does nothing (it is a hint) and write-zeroes writes zeros. A preflush is a flush of the file before it, and FUA one
 * after it, but for writes: those the operating system can make durable alone. A last part of less than a sector is not part of the device; a note says so.
 */
import { HoldfastError, toHoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { BioFlags } from "../block/bio.ts";
import type { Bio, BioEnd } from "../block/bio.ts";
import { READ_ONLY_LIMITS, WRITABLE_LIMITS } from "../block/device.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import { ExtentList } from "../block/extents.ts";
import { InFlight } from "../block/in-flight.ts";
import { afterPreflush, isAdmitted } from "../block/admit.ts";
import { Pool } from "../block/pool.ts";
import type { Pooled } from "../block/pool.ts";
import { inZeroSteps } from "../block/zeros.ts";
import type { Env } from "../env/env.ts";
import type { FileHandle } from "../env/files.ts";

/** A device that somebody asked for by name, with what they should know of it. */
export interface OpenedDevice extends BlockDevice {
  /** Sentences for the person who asked. */
  readonly notes: readonly string[];
}

/** A bio whose data is being read or written, and that is done then. */
class Transfer implements Pooled {
  isSpare = false;
  bio: Bio | null = null;
  readonly ended: (error: Error | null, bytes?: number) => void;

  constructor(ended: (transfer: Transfer, error: Error | null, bytes: number) => void) {
    this.ended = (error, bytes = 0) => ended(this, error, bytes);
  }
}

export class FileDevice implements OpenedDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits;
  readonly notes: readonly string[];
  readonly #file: FileHandle;
  readonly #inFlight = new InFlight();
  readonly #transfers = new Pool(
    () => new Transfer((transfer, error, bytes) => this.#transferred(transfer, error, bytes)),
  );

  /** Takes the file over. */
  constructor(file: FileHandle, readOnly: boolean) {
    this.#file = file;
    this.name = file.path;
    this.sectors = Math.floor(file.sizeBytes / SECTOR_BYTES);
    this.limits = readOnly ? READ_ONLY_LIMITS : WRITABLE_LIMITS;
    const rest = file.sizeBytes % SECTOR_BYTES;
    const note = `${file.path} has ${rest} bytes behind its last whole sector; they are left out. Was it copied completely?`;
    this.notes = rest === 0 ? [] : [note];
  }

  submit(bio: Bio): void {
    if (!isAdmitted(this, this.#inFlight, bio)) return;
    const isTransfer = bio.op === "read" || bio.op === "write";
    if (isTransfer && bio.flags === BioFlags.none) this.#transfer(bio);
    else this.#runInSteps(bio);
  }

  submitParts(bio: Bio): void {
    if (!isAdmitted(this, this.#inFlight, bio)) return;
    const transfer = this.#transfers.take();
    transfer.bio = bio;
    this.#file.writeParts(bio.parts, bio.sector * SECTOR_BYTES, transfer.ended);
  }

  #transfer(bio: Bio): void {
    const transfer = this.#transfers.take();
    transfer.bio = bio;
    const offset = bio.sector * SECTOR_BYTES;
    if (bio.op === "read") this.#file.read(bio.data, offset, transfer.ended);
    else this.#file.write(bio.data, offset, transfer.ended);
  }

  #transferred(transfer: Transfer, error: Error | null, bytes: number): void {
    const bio = transfer.bio!;
    transfer.bio = null;
    this.#transfers.give(transfer);
    this.#inFlight.end();
    if (error !== null) bio.end(toHoldfastError(error, this.name));
    else if (bio.op === "read" && bytes < bio.data.length) bio.end(this.#cutOff(bio, bytes));
    else bio.end(null);
  }

  #cutOff(bio: Bio, bytes: number): HoldfastError {
    const end = bio.sector * SECTOR_BYTES + bytes;
    const text = `${this.name} ends at byte ${end} now; it was cut off while it was open.`;
    return new HoldfastError("io", text);
  }

  /** Whatever takes more than a read or a write. It costs a few objects, which nobody notices beside a flush. */
  #runInSteps(bio: Bio): void {
    const end: BioEnd = (error) => {
      this.#inFlight.end();
      bio.end(error);
    };
    afterPreflush(
      bio,
      end,
      (flushed) => this.#flush(flushed),
      () => this.#run(bio, end),
    );
  }

  #run(bio: Bio, end: BioEnd): void {
    switch (bio.op) {
      case "read":
        return this.#transfer(bio);
      case "write":
        return this.#write(bio, end);
      case "flush":
        return this.#flush(end);
      case "discard":
        this.#file.punchHole(bio.sector * SECTOR_BYTES, bio.sectors * SECTOR_BYTES);
        return end(null);
      case "write-zeroes":
        return this.#writeZeroes(bio, this.#durably(bio, end));
    }
  }

  /** Flushes before `end` if the bio is to be on stable storage. */
  #durably(bio: Bio, end: BioEnd): BioEnd {
    if ((bio.flags & BioFlags.fua) === 0) return end;
    return (error) => (error === null ? this.#flush(end) : end(error));
  }

  #write(bio: Bio, end: BioEnd): void {
    const offset = bio.sector * SECTOR_BYTES;
    const isFua = (bio.flags & BioFlags.fua) !== 0;
    if (isFua) this.#file.writeDurably(bio.data, offset, this.#told(end));
    else this.#file.write(bio.data, offset, this.#told(end));
  }

  #told(end: BioEnd): (error: Error | null) => void {
    return (error) => end(error === null ? null : toHoldfastError(error, this.name));
  }

  #flush(end: BioEnd): void {
    if (this.limits.readOnly) {
      end(null);
      return;
    }
    this.#file.flush(this.#told(end));
  }

  #writeZeroes(bio: Bio, end: BioEnd): void {
    const offset = bio.sector * SECTOR_BYTES;
    const length = bio.sectors * SECTOR_BYTES;
    const mayUnmap = (bio.flags & BioFlags.noUnmap) === 0;
    if (mayUnmap && this.#file.punchHole(offset, length)) end(null);
    else {
      const write = (from: number, zeros: Uint8Array, ended: BioEnd): void =>
        this.#file.write(zeros, offset + from, this.#told(ended));
      inZeroSteps(length, write, end);
    }
  }

  /** A hole counts only as far as it covers whole sectors. */
  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const list = new ExtentList(sector, maxExtents);
    const endByte = (sector + sectors) * SECTOR_BYTES;
    let at = sector * SECTOR_BYTES;
    while (at < endByte) {
      const run = this.#file.extentAt(at, endByte - at);
      at += run.lengthBytes;
      const isHole = run.kind === "hole";
      if (isHole && !list.add(Math.ceil(run.offsetBytes / SECTOR_BYTES) - list.end, "data")) break;
      const stop = isHole ? Math.floor(at / SECTOR_BYTES) : Math.ceil(at / SECTOR_BYTES);
      if (stop > list.end && !list.add(stop - list.end, run.kind)) break;
    }
    return list.extents;
  }

  async close(): Promise<void> {
    await this.#inFlight.drain();
    await this.#file.close();
  }
}

/** @throws HoldfastError `not-found`, `permission`, `busy`, `usage` or `io`, naming the path */
export async function openFileDevice(
  env: Env,
  path: string,
  options: { readonly readOnly: boolean; readonly exclusive?: boolean },
): Promise<OpenedDevice> {
  const reading = options.exclusive === true ? "read-exclusive" : "read";
  const file = await env.files.open(path, options.readOnly ? reading : "read-write");
  return new FileDevice(file, options.readOnly);
}
