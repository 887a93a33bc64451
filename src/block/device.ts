/**
 * BlockDevice: the one interface that everything with sectors has, from a file to a RAID volume, and that
 * stacks. The contract (checked by `checked()` and the contract suite):
 * - a bio lies inside the device, its data is exactly `sectors * 512` bytes, `end` is called exactly once;
 * - a write, discard or write-zeroes on a read-only device ends with `read-only` and changes nothing;
 * - `close` waits for everything in flight; nothing may be submitted after it.
 */
import type { Bio } from "./bio.ts";

export interface BlockLimits {
  /** Smallest unit the device prefers to be addressed in, bytes (512 or 4096). Bios of 512 are still legal. */
  readonly logicalBlockBytes: number;
  /** Best I/O size, bytes (a full stripe, a chunk); 0 when there is none. */
  readonly optimalIoBytes: number;
  readonly readOnly: boolean;
  /** Discard gives storage back. Without it a discard ends with `unsupported`. */
  readonly discard: boolean;
  /** write-zeroes is cheaper than writing zeros. Without it a write-zeroes ends with `unsupported`. */
  readonly writeZeroes: boolean;
}

/** What is known of a run of sectors without reading it (the vocabulary of NBD's base:allocation). */
export type ExtentKind =
  /** Holds data, or nothing better is known. */
  | "data"
  /** Not allocated, and reads as zeros. */
  | "hole"
  /** Allocated, reads as zeros. */
  | "zero";

export interface Extent {
  readonly sector: number;
  readonly sectors: number;
  readonly kind: ExtentKind;
}

export interface BlockDevice {
  /** For messages: "disk2.img", "md127". */
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits;
  submit(bio: Bio): void;
  /**
   * The same for a write without flags whose data is in `bio.parts`: one request instead of one for each part. When it fails any of them may
   * have been written. Devices that gain nothing by it do not have it, and those that stand over others only if those do.
   */
  readonly submitParts?: (bio: Bio) => void;
  /**
   * The runs that cover `sector..sector+sectors`, in order, without gaps, neighbours of different kind; at least one. It
   * may stop early: after `maxExtents`, or where looking further would take long. Cheap: no data is read.
   */
  extents(sector: number, sectors: number, maxExtents: number): Extent[];
  close(): Promise<void>;
}

export const READ_ONLY_LIMITS: BlockLimits = {
  logicalBlockBytes: 512,
  optimalIoBytes: 0,
  readOnly: true,
  discard: false,
  writeZeroes: false,
};

/** Of a device that takes everything. */
export const WRITABLE_LIMITS: BlockLimits = {
  ...READ_ONLY_LIMITS,
  readOnly: false,
  discard: true,
  writeZeroes: true,
};
