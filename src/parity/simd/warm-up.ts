/**
 * Runs every kernel so often that V8 compiles it with its optimizing compiler, in the background, before the first real
 * call: until then code is 2 to 20 times slower. Takes 1 to 3 ms.
 */
import type { SimdModule } from "./kernels.ts";

/** V8 (11.3, Node 20) replaced each kernel within 8 runs over so many bytes. */
const ROUNDS = 24;
/** There is a loop for each number of sources from 2 to this (assembly/xor.ts); in assembly/verify.ts from 2 to MAX_VERIFIED. */
const MOST_SUMMED = 8;

/** @param buffer the memory the module works on; only its scratch is written to */
export function warmUp(wasm: SimdModule, buffer: ArrayBuffer): void {
  const p = wasm.PIECE_P.value;
  const q = wasm.PIECE_Q.value;
  const bytes = wasm.PIECE_BYTES.value;
  new Uint32Array(buffer, wasm.SOURCES.value, MOST_SUMMED).set([p, q, p, q, p, q, p, q]);
  new Uint32Array(buffer, wasm.MORE_DOUBLINGS.value, 4).fill(1);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let count = 2; count <= MOST_SUMMED; count += 1) wasm.xor(p, count, 0, bytes);
    wasm.pq(p, q, 4, 0, bytes, 1, false);
    wasm.mul(p, q, bytes, round % 2 === 0);
    wasm.solveTwo(p, q, bytes);
    wasm.compare(p, q, bytes);
    for (let count = 2; count <= wasm.MAX_VERIFIED.value; count += 1) {
      wasm.verify(p, 0, count, bytes);
      wasm.verify(p, q, count, bytes);
    }
    wasm.crc32c(round, p, bytes);
  }
}
