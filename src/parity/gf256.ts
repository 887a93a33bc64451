/**
 * The field of 256 elements in which Q is computed: polynomials over bits modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d), generator 2.
 * Addition is xor. Source: H. Peter Anvin, "The mathematics of RAID-6", as used by the kernel's lib/raid6.
 */
import { assert } from "../base/assert.ts";

/** 2^255 = 1: powers of 2 repeat after this many. */
export const GF_ORDER = 255;

const REDUCTION = 0x11d;

/** 2^n for n in 0..509, so that the sum of two logarithms needs no reduction. */
const EXP = new Uint8Array(2 * GF_ORDER);
/** The n with 2^n = value; LOG[0] means nothing. */
const LOG = new Uint8Array(256);

for (let n = 0, value = 1; n < GF_ORDER; n += 1) {
  EXP[n] = value;
  EXP[n + GF_ORDER] = value;
  LOG[value] = n;
  value <<= 1;
  if (value > 0xff) value ^= REDUCTION;
}

/** 2^exponent, exponent any integer from 0 up. */
export function gfPower(exponent: number): number {
  return EXP[exponent % GF_ORDER]!;
}

/** The exponent in 0..254 with 2^exponent = value; value not 0. */
export function gfLog(value: number): number {
  assert(value !== 0, "0 is no power of 2");
  return LOG[value]!;
}

export function gfMultiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : EXP[LOG[a]! + LOG[b]!]!;
}

/** The value with a * inverse = 1; a not 0. */
export function gfInverse(a: number): number {
  return EXP[GF_ORDER - gfLog(a)]!;
}

const tables: (Uint8Array | undefined)[] = [];

/** factor * x by x: 256 bytes, made once for each factor. */
export function gfTable(factor: number): Uint8Array {
  let table = tables[factor];
  if (table === undefined) {
    table = Uint8Array.from({ length: 256 }, (_unused, x) => gfMultiply(factor, x));
    tables[factor] = table;
  }
  return table;
}
