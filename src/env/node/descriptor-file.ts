/**
 * What every open file has in common, however it is read and written: its size, its holes, its errors.
 *
 * A flush that failed once fails for good on a handle: the kernel may have dropped the pages it could not write, and
 * a second one would then say yes without them. A durable write that failed counts as one: the kernel may have told it, and will not
 * tell again, of pages that others wrote.
 */
import { close, ftruncate } from "node:fs";
import { promisify } from "node:util";
import { HoldfastError } from "../../base/errors.ts";
import { ignore } from "../../base/nothing.ts";
import type { FileExtent, FileHandle } from "../files.ts";
import { fileError } from "./file-errors.ts";
import { libc } from "./libc.ts";

const closeDescriptor = promisify(close);
const truncateDescriptor = promisify(ftruncate);

/** One call transfers at most 2^31 - 1 bytes. */
export const MAX_TRANSFER_BYTES = 1 << 30;

export abstract class DescriptorFile implements FileHandle {
  readonly path: string;
  protected readonly descriptor: number;
  #sizeBytes: number;
  #flushFailure: HoldfastError | null = null;
  #isOpen = true;
  #closed: () => void = ignore;
  /**
   * The last run of data that was found. Where the next hole is far away finding it can take milliseconds (tmpfs looks at each
   * page), and what has become a hole behind our back may still be called data, though never the reverse.
   */
  #dataStart = 0;
  #dataEnd = 0;

  /** Takes the descriptor over. */
  constructor(path: string, descriptor: number, sizeBytes: number) {
    this.path = path;
    this.descriptor = descriptor;
    this.#sizeBytes = sizeBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  abstract read(
    data: Uint8Array,
    offsetBytes: number,
    done: (error: Error | null, bytes: number) => void,
  ): void;
  abstract write(data: Uint8Array, offsetBytes: number, done: (error: Error | null) => void): void;
  /** One by one. */
  writeParts(
    parts: readonly Uint8Array[],
    offsetBytes: number,
    done: (error: Error | null) => void,
  ): void {
    let left = parts.length;
    let first: Error | null = null;
    const written = (error: Error | null): void => {
      first ??= error;
      left -= 1;
      if (left === 0) done(first);
    };
    let offset = offsetBytes;
    for (const part of parts) {
      this.write(part, offset, written);
      offset += part.length;
    }
  }

  abstract writeDurably(
    data: Uint8Array,
    offsetBytes: number,
    done: (error: Error | null) => void,
  ): void;
  abstract flush(done: (error: Error | null) => void): void;

  punchHole(offsetBytes: number, lengthBytes: number): boolean {
    this.#dataEnd = 0;
    return libc()?.punchHole(this.descriptor, offsetBytes, lengthBytes) ?? false;
  }

  async truncate(sizeBytes: number): Promise<void> {
    try {
      await truncateDescriptor(this.descriptor, sizeBytes);
      this.#dataEnd = 0;
      this.#sizeBytes = sizeBytes;
    } catch (error) {
      throw fileError(error, this.path, `setting its size to ${sizeBytes} bytes`);
    }
  }

  extentAt(offsetBytes: number, lengthBytes: number): FileExtent {
    const all: FileExtent = { offsetBytes, lengthBytes, kind: "data" };
    const seek = libc();
    if (seek === null) return all;
    if (offsetBytes >= this.#dataStart && offsetBytes < this.#dataEnd)
      return cut(all, this.#dataEnd, "data");
    try {
      const data = seek.seekData(this.descriptor, offsetBytes) ?? Infinity;
      if (data > offsetBytes) return cut(all, data, "hole");
      const hole = seek.seekHole(this.descriptor, offsetBytes) ?? Infinity;
      this.#dataStart = offsetBytes;
      this.#dataEnd = hole;
      return cut(all, hole, "data");
    } catch {
      // Block devices and some file systems cannot tell.
      return all;
    }
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      await closeDescriptor(this.descriptor);
    } catch (error) {
      throw fileError(error, this.path, "closing");
    } finally {
      this.#closed();
    }
  }

  /** Called once the descriptor is closed. */
  whenClosed(closed: () => void): void {
    this.#closed = closed;
  }

  /** A write has ended there. */
  protected grown(endBytes: number): void {
    if (endBytes > this.#sizeBytes) this.#sizeBytes = endBytes;
  }

  /** What a flush that ended so is answered with. */
  protected flushed(error: Error | null): HoldfastError | null {
    if (error !== null) this.#flushFailure ??= fileError(error, this.path, "flushing");
    return this.#flushFailure;
  }

  protected failed(error: unknown, doing: string, offsetBytes: number): HoldfastError {
    return fileError(error, this.path, `${doing} at byte ${offsetBytes}`);
  }

  protected endOfDevice(offsetBytes: number): HoldfastError {
    return new HoldfastError("no-space", `${this.path} ends at byte ${offsetBytes}.`);
  }
}

/** An end that is not behind the start means that the file changed between two seeks: nothing is known then. */
function cut(all: FileExtent, endBytes: number, kind: FileExtent["kind"]): FileExtent {
  if (endBytes <= all.offsetBytes) return all;
  return { ...all, lengthBytes: Math.min(all.lengthBytes, endBytes - all.offsetBytes), kind };
}
