/**
 * The loops over bytes that all parity work is made of, so that a faster set can stand in for the plain one
 * (oracle.ts). What to call with which factors is decided above (parity.ts) and the same for every set.
 *
 * All blocks of one call have the same length, which may be any number of bytes, also 0. Blocks do not overlap each other,
 * unless said otherwise.
 */

/** From the first differing byte to behind the last. */
export interface DifferingBytes {
  readonly startByte: number;
  readonly endByte: number;
}

/** Where a stored P and Q are not what the data makes; null: nowhere. */
export interface ParityDifference {
  readonly p: DifferingBytes | null;
  readonly q: DifferingBytes | null;
}

export interface ParityKernels {
  /** For messages and benchmarks. */
  readonly name: string;

  /** target = the xor of the sources; zeros without any. `target` may be the first source. */
  xor(target: Uint8Array, sources: readonly Uint8Array[]): void;

  /**
   * p = the xor of the data, q = the sum of 2^coefficients[i] * data[i].
   * @param p null: not wanted
   * @param coefficients one for each of `data`, all different, in 0..254
   */
  pq(
    p: Uint8Array | null,
    q: Uint8Array,
    data: readonly Uint8Array[],
    coefficients: readonly number[],
  ): void;

  /** target ^= factor * source, factor in 0..255. */
  mulXor(target: Uint8Array, source: Uint8Array, factor: number): void;

  /** target = factor * target, factor in 0..255. */
  mul(target: Uint8Array, factor: number): void;

  /**
   * Solves for two lost data blocks at once: x = factorX * x + factorY * y, y = (x as it was) + (x as it is now).
   * Called with x what P is off by, y what Q is off by.
   */
  solveTwo(x: Uint8Array, y: Uint8Array, factorX: number, factorY: number): void;

  /**
   * Compares P, and Q unless it is null, with what the data makes.
   * @param coefficients as for `pq`; not looked at without Q
   */
  check(
    p: Uint8Array,
    q: Uint8Array | null,
    data: readonly Uint8Array[],
    coefficients: readonly number[],
  ): ParityDifference;

  /** CRC-32C, the raw register update: `crc32cUpdate` of codec/crc32c.ts. */
  crc32cUpdate(seed: number, data: Uint8Array): number;
}
