/**
 * What a signature probe is. A probe names the byte ranges it wants to see and says what they are; it never
 * reads. `identify` reads the ranges of all probes together, in few requests, and a range that cannot be read
 * spoils the probes that want it, no others.
 *
 * A magic number alone is not enough: `recognise` checks what else must hold (checksum, powers of two, counts that fit each
 * other), so that a few lucky bytes in somebody's data are not taken for a file system.
 */

export interface ProbeRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** What the thing is to Linux; decides which of several findings on one device counts. */
export type SignatureUse =
  /** Member of a set of disks: RAID, ZFS pool, DRBD. */
  | "member"
  /** Device-mapper metadata, caches and the like: part of a stack. */
  | "layer"
  | "encryption"
  | "file-system"
  | "swap";

export interface Signature {
  /** blkid's word where it has one: "ext4", "xfs", "crypto_LUKS". */
  readonly type: string;
  readonly label: string | null;
  readonly uuid: string | null;
  /** How much of the device the thing says it takes; null if it does not say. */
  readonly sizeBytes: number | null;
  /** One line for a person. */
  readonly text: string;
}

export interface SignatureProbe {
  readonly name: string;
  /** Types it may report. */
  readonly types: readonly string[];
  readonly use: SignatureUse;
  /** The ranges wanted on a device of this size, all inside it; empty: no such thing can be here. */
  ranges(deviceBytes: number): readonly ProbeRange[];
  /** @param data the bytes of each range, in order. Borrowed; never written. */
  recognise(data: readonly Uint8Array[], deviceBytes: number): Signature | null;
}

/** One range at a fixed place, for probes that need no more. */
export function fixedRange(offsetBytes: number, lengthBytes: number): SignatureProbe["ranges"] {
  const ranges = [{ offsetBytes, lengthBytes }];
  return (deviceBytes) => (offsetBytes + lengthBytes <= deviceBytes ? ranges : []);
}

export function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && Number.isInteger(Math.log2(value));
}

/** Null for the empty string. */
export function textOrNull(text: string): string | null {
  const trimmed = text.trim();
  return trimmed === "" ? null : trimmed;
}

/** A size that may be told: finite and above zero. */
export function sizeOrNull(bytes: number): number | null {
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : null;
}

/** The text of raw bytes as ASCII. */
export function ascii(data: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...data.subarray(from, to));
}

/** A UUID's text, or null when all bytes are zero: "none". */
export function uuidOrNull(raw: Uint8Array, show: (raw: Uint8Array) => string): string | null {
  return raw.every((byte) => byte === 0) ? null : show(raw);
}
