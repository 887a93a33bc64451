/**
 * ByteDevice: a BlockDevice addressed in bytes, for front ends whose clients may send any offset and length.
 *
 *        sector     sector     sector     sector
 *      |....[=====|==========|==========|==].......|     a range with two unaligned edges
 *
 * - Reads are rounded out to sectors and copied; aligned ones go straight into the caller's buffer.
 * - A write with an unaligned edge reads the edge sectors, puts the bytes between them and writes everything as one bio,
 *   holding the sectors exclusively. Aligned writes hold theirs shared, so they may pass each other but never land
 *   between the read and the write of an edge and get undone by it.
 * - write-zeroes writes unaligned edges as data; where the device has no write-zeroes, zeros are written, 1 MiB at a time.
 * - discard is a hint: it is rounded in to whole sectors.
 * FUA goes along with every part. Buffers are lent until `end`. `end` may be called before the call returns.
 */
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES, alignDown, alignUp } from "../base/units.ts";
import { AlignedRequests } from "./aligned.ts";
import { BioFlags, discardBio, flushBio, readBio, writeBio, writeZeroesBio } from "./bio.ts";
import type { BioEnd } from "./bio.ts";
import type { BlockDevice, ExtentKind } from "./device.ts";
import { fanOut, inSequence } from "./fan-out.ts";
import { readOnlyError } from "./refuse.ts";
import { RangeLock } from "./range-lock.ts";
import type { RangeMode } from "./range-lock.ts";
import { ZEROS, inZeroSteps } from "./zeros.ts";

export interface ByteExtent {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly kind: ExtentKind;
}

function isAligned(offsetBytes: number, lengthBytes: number): boolean {
  return offsetBytes % SECTOR_BYTES === 0 && lengthBytes % SECTOR_BYTES === 0;
}

/** For zeros that are written as data: that keeps its range allocated anyway, and a write does not know `noUnmap`. */
function dataFlags(flags: number): number {
  return flags & ~BioFlags.noUnmap;
}

export class ByteDevice {
  readonly device: BlockDevice;
  readonly sizeBytes: number;
  readonly #lock: RangeLock;
  readonly #aligned: AlignedRequests;

  /** @param lock to be shared by all who write to the same device by other ways than this object */
  constructor(device: BlockDevice, lock = new RangeLock()) {
    this.device = device;
    this.sizeBytes = device.sectors * SECTOR_BYTES;
    this.#lock = lock;
    this.#aligned = new AlignedRequests(device, lock);
  }

  /** Fills `data` from `offsetBytes` on. On an error the contents of `data` are undefined. */
  read(offsetBytes: number, data: Uint8Array, end: BioEnd): void {
    if (!this.#isSensible(offsetBytes, data.length, end)) return;
    if (isAligned(offsetBytes, data.length)) {
      this.#aligned.read(offsetBytes / SECTOR_BYTES, data, end);
      return;
    }
    const from = alignDown(offsetBytes, SECTOR_BYTES);
    const whole = new Uint8Array(alignUp(offsetBytes + data.length, SECTOR_BYTES) - from);
    this.device.submit(
      readBio(from / SECTOR_BYTES, whole, (error) => {
        if (error === null)
          data.set(whole.subarray(offsetBytes - from, offsetBytes - from + data.length));
        end(error);
      }),
    );
  }

  /** @param flags BioFlags */
  write(offsetBytes: number, data: Uint8Array, flags: number, end: BioEnd): void {
    if (!this.#isSensible(offsetBytes, data.length, end)) return;
    if (isAligned(offsetBytes, data.length)) {
      this.#aligned.write(offsetBytes / SECTOR_BYTES, data, flags, end);
    } else if (this.#isWritable(end)) {
      this.#withSectors(offsetBytes, data.length, "exclusive", end, (unlockAndEnd) => {
        this.#mergeWrite(offsetBytes, data, flags, unlockAndEnd);
      });
    }
  }

  /** @param flags BioFlags; `noUnmap` keeps the range allocated */
  writeZeroes(offsetBytes: number, lengthBytes: number, flags: number, end: BioEnd): void {
    if (!this.#isSensible(offsetBytes, lengthBytes, end) || !this.#isWritable(end)) return;
    const mode = isAligned(offsetBytes, lengthBytes) ? "shared" : "exclusive";
    this.#withSectors(offsetBytes, lengthBytes, mode, end, (unlockAndEnd) => {
      this.#zero(offsetBytes, lengthBytes, flags, unlockAndEnd);
    });
  }

  /** Ends with `unsupported` where the device has no discard, however short the range. */
  discard(offsetBytes: number, lengthBytes: number, end: BioEnd): void {
    if (!this.#isSensible(offsetBytes, lengthBytes, end) || !this.#isWritable(end)) return;
    if (!this.device.limits.discard) {
      end(new HoldfastError("unsupported", `${this.device.name} cannot discard.`));
      return;
    }
    const from = alignUp(offsetBytes, SECTOR_BYTES);
    const length = alignDown(offsetBytes + lengthBytes, SECTOR_BYTES) - from;
    if (length <= 0) {
      end(null);
      return;
    }
    this.#withSectors(from, length, "shared", end, (unlockAndEnd) => {
      this.device.submit(discardBio(from / SECTOR_BYTES, length / SECTOR_BYTES, unlockAndEnd));
    });
  }

  flush(end: BioEnd): void {
    this.device.submit(flushBio(end));
  }

  /** As BlockDevice.extents, clipped to the bytes asked for. */
  extents(offsetBytes: number, lengthBytes: number, maxExtents: number): ByteExtent[] {
    const from = alignDown(offsetBytes, SECTOR_BYTES);
    const to = alignUp(offsetBytes + lengthBytes, SECTOR_BYTES);
    const runs = this.device.extents(from / SECTOR_BYTES, (to - from) / SECTOR_BYTES, maxExtents);
    return runs.map((run) => {
      const start = Math.max(offsetBytes, run.sector * SECTOR_BYTES);
      const stop = Math.min(offsetBytes + lengthBytes, (run.sector + run.sectors) * SECTOR_BYTES);
      return { offsetBytes: start, lengthBytes: stop - start, kind: run.kind };
    });
  }

  /** False, and `end` called, for a range that is empty or not inside the device. */
  #isSensible(offsetBytes: number, lengthBytes: number, end: BioEnd): boolean {
    const isInside =
      Number.isSafeInteger(offsetBytes) &&
      Number.isSafeInteger(lengthBytes) &&
      offsetBytes >= 0 &&
      lengthBytes >= 0 &&
      offsetBytes + lengthBytes <= this.sizeBytes;
    if (!isInside) {
      const range = `bytes ${offsetBytes} to ${offsetBytes + lengthBytes}`;
      const text = `${range} are not inside ${this.device.name}, which has ${this.sizeBytes} bytes.`;
      end(new HoldfastError("usage", text));
      return false;
    }
    if (lengthBytes === 0) {
      end(null);
      return false;
    }
    return true;
  }

  #isWritable(end: BioEnd): boolean {
    if (!this.device.limits.readOnly) return true;
    end(readOnlyError(this.device.name));
    return false;
  }

  #withSectors(
    offsetBytes: number,
    lengthBytes: number,
    mode: RangeMode,
    end: BioEnd,
    run: (unlockAndEnd: BioEnd) => void,
  ): void {
    const sector = Math.floor(offsetBytes / SECTOR_BYTES);
    const sectors = Math.ceil((offsetBytes + lengthBytes) / SECTOR_BYTES) - sector;
    this.#lock.lock(sector, sectors, mode, (hold) => {
      run((error) => {
        this.#lock.release(hold);
        end(error);
      });
    });
  }

  /** Read the edge sectors, put `data` between them, write. The sectors are held exclusively. */
  #mergeWrite(offsetBytes: number, data: Uint8Array, flags: number, end: BioEnd): void {
    const from = alignDown(offsetBytes, SECTOR_BYTES);
    const to = alignUp(offsetBytes + data.length, SECTOR_BYTES);
    const whole = new Uint8Array(to - from);
    const edges: number[] = [];
    if (offsetBytes !== from) edges.push(from);
    const last = to - SECTOR_BYTES;
    if (offsetBytes + data.length !== to && edges[0] !== last) edges.push(last);
    const edgeRead = fanOut(edges.length, (error) => {
      if (error !== null) {
        end(error);
        return;
      }
      whole.set(data, offsetBytes - from);
      this.device.submit(writeBio(from / SECTOR_BYTES, whole, dataFlags(flags), end));
    });
    for (const edge of edges) {
      const sector = whole.subarray(edge - from, edge - from + SECTOR_BYTES);
      this.device.submit(readBio(edge / SECTOR_BYTES, sector, edgeRead));
    }
  }

  #zero(offsetBytes: number, lengthBytes: number, flags: number, end: BioEnd): void {
    const stop = offsetBytes + lengthBytes;
    const middle = Math.min(stop, alignUp(offsetBytes, SECTOR_BYTES));
    const tail = Math.max(middle, alignDown(stop, SECTOR_BYTES));
    const steps: ((end: BioEnd) => void)[] = [];
    if (middle > offsetBytes)
      steps.push((ended) =>
        this.#mergeWrite(offsetBytes, ZEROS.subarray(0, middle - offsetBytes), flags, ended),
      );
    if (tail > middle)
      steps.push((ended) => this.#zeroSectors(middle, tail - middle, flags, ended));
    if (stop > tail)
      steps.push((ended) => this.#mergeWrite(tail, ZEROS.subarray(0, stop - tail), flags, ended));
    inSequence(steps.length, (index, ended) => steps[index]!(ended), end);
  }

  #zeroSectors(offsetBytes: number, lengthBytes: number, flags: number, end: BioEnd): void {
    if (this.device.limits.writeZeroes) {
      this.device.submit(
        writeZeroesBio(offsetBytes / SECTOR_BYTES, lengthBytes / SECTOR_BYTES, flags, end),
      );
      return;
    }
    const write = (from: number, zeros: Uint8Array, ended: BioEnd): void => {
      this.device.submit(
        writeBio((offsetBytes + from) / SECTOR_BYTES, zeros, dataFlags(flags), ended),
      );
    };
    inZeroSteps(lengthBytes, write, end);
  }
}
