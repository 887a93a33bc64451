/**
 * The parity kernels in plain TypeScript: 32-bit words for xor where the blocks are aligned for it, byte tables for
 * multiplication. What faster kernels are compared with, and used where there are none.
 */
import { assert } from "../base/assert.ts";
import { crc32cUpdate } from "../codec/crc32c.ts";
import { gfPower, gfTable } from "./gf256.ts";
import type { DifferingBytes, ParityDifference, ParityKernels } from "./kernels.ts";

/** The whole words of a block; null if it does not start on a word. */
function wordsOf(block: Uint8Array): Uint32Array | null {
  if (block.byteOffset % 4 !== 0) return null;
  return new Uint32Array(block.buffer, block.byteOffset, block.length >>> 2);
}

function xorInto(target: Uint8Array, source: Uint8Array): void {
  assert(source.length === target.length, "blocks of one length");
  const targetWords = wordsOf(target);
  const sourceWords = wordsOf(source);
  let done = 0;
  if (targetWords !== null && sourceWords !== null) {
    for (let i = 0; i < targetWords.length; i += 1) targetWords[i]! ^= sourceWords[i]!;
    done = targetWords.length * 4;
  }
  for (let i = done; i < target.length; i += 1) target[i]! ^= source[i]!;
}

function xor(target: Uint8Array, sources: readonly Uint8Array[]): void {
  const [first, ...others] = sources;
  if (first === undefined) target.fill(0);
  else if (first !== target) target.set(first);
  for (const source of others) xorInto(target, source);
}

function mulXor(target: Uint8Array, source: Uint8Array, factor: number): void {
  assert(source.length === target.length, "blocks of one length");
  const table = gfTable(factor);
  for (let i = 0; i < target.length; i += 1) target[i]! ^= table[source[i]!]!;
}

function mul(target: Uint8Array, factor: number): void {
  const table = gfTable(factor);
  for (let i = 0; i < target.length; i += 1) target[i] = table[target[i]!]!;
}

function pq(
  p: Uint8Array | null,
  q: Uint8Array,
  data: readonly Uint8Array[],
  coefficients: readonly number[],
): void {
  if (p !== null) xor(p, data);
  q.fill(0);
  for (const [i, block] of data.entries()) mulXor(q, block, gfPower(coefficients[i]!));
}

function solveTwo(x: Uint8Array, y: Uint8Array, factorX: number, factorY: number): void {
  assert(x.length === y.length, "blocks of one length");
  const tableX = gfTable(factorX);
  const tableY = gfTable(factorY);
  for (let i = 0; i < x.length; i += 1) {
    const before = x[i]!;
    const after = tableX[before]! ^ tableY[y[i]!]!;
    x[i] = after;
    y[i] = before ^ after;
  }
}

function differing(left: Uint8Array, right: Uint8Array): DifferingBytes | null {
  const startByte = left.findIndex((byte, i) => byte !== right[i]);
  if (startByte < 0) return null;
  return { startByte, endByte: left.findLastIndex((byte, i) => byte !== right[i]) + 1 };
}

function check(
  p: Uint8Array,
  q: Uint8Array | null,
  data: readonly Uint8Array[],
  coefficients: readonly number[],
): ParityDifference {
  const computed = new Uint8Array(p.length);
  xor(computed, data);
  const differenceOfP = differing(p, computed);
  if (q === null) return { p: differenceOfP, q: null };
  pq(null, computed, data, coefficients);
  return { p: differenceOfP, q: differing(q, computed) };
}

export const oracleKernels: ParityKernels = {
  name: "plain",
  xor,
  pq,
  mulXor,
  mul,
  solveTwo,
  check,
  crc32cUpdate,
};
