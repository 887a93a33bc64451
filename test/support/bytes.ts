/** Byte arrays in tests. */
import type { Prng } from "../../src/base/prng.ts";

function filled(prng: Prng, bytes: Uint8Array): Uint8Array {
  prng.fill(bytes);
  return bytes;
}

export function randomBytes(prng: Prng, count: number): Uint8Array {
  return filled(prng, new Uint8Array(count));
}

/** toEqual compares large arrays in slow motion. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
