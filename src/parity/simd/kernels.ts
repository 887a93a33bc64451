/**
 * The parity kernels in WebAssembly with 128-bit SIMD (assembly/), for blocks that lie in the arena, at any alignment.
 *
 * A call writes the addresses of its blocks into a table at the arena's start and runs; nothing is copied or
 * allocated. A call with a block that lies elsewhere is done by the plain kernels. More sources than the table holds take several
 * calls, each going on with what the one before has left in the target.
 */
import type { Arena } from "../../base/arena.ts";
import { assert } from "../../base/assert.ts";
import { gfTable } from "../gf256.ts";
import type { DifferingBytes, ParityDifference, ParityKernels } from "../kernels.ts";
import { oracleKernels } from "../oracle.ts";

interface WasmGlobal {
  readonly value: number;
}

/** What assembly/kernels.ts exports: functions and places in the arena's reserved part. */
export interface SimdModule {
  xor(target: number, count: number, start: number, length: number): void;
  pq(
    p: number,
    q: number,
    count: number,
    start: number,
    length: number,
    finalDoublings: number,
    resumed: boolean,
  ): void;
  mul(target: number, source: number, length: number, added: boolean): void;
  solveTwo(x: number, y: number, length: number): void;
  compare(left: number, right: number, length: number): number;
  verify(p: number, q: number, count: number, length: number): number;
  prepareCrc32c(): void;
  crc32c(seed: number, data: number, length: number): number;
  readonly SOURCES: WasmGlobal;
  readonly MAX_SOURCES: WasmGlobal;
  readonly MORE_DOUBLINGS: WasmGlobal;
  readonly PRODUCTS: WasmGlobal;
  readonly DIFFERENCE: WasmGlobal;
  readonly MAX_VERIFIED: WasmGlobal;
  readonly VERIFY_STEP: WasmGlobal;
  readonly PIECE_P: WasmGlobal;
  readonly PIECE_Q: WasmGlobal;
  readonly PIECE_BYTES: WasmGlobal;
}

/** No row has more data blocks with different coefficients. */
const MAX_DATA = 255;
const NO_BLOCK = 0;
const NO_DIFFERENCE: ParityDifference = { p: null, q: null };

export class SimdKernels implements ParityKernels {
  readonly name = "wasm-simd";
  readonly #arena: Arena;
  readonly #wasm: SimdModule;
  readonly #maxSources: number;
  readonly #maxVerified: number;
  readonly #verifyStep: number;
  readonly #pieceP: number;
  readonly #pieceQ: number;
  readonly #pieceBytes: number;
  /** Views of the tables that the module reads. */
  readonly #sources: Uint32Array;
  readonly #moreDoublings: Uint32Array;
  readonly #products: Uint8Array;
  readonly #difference: Uint32Array;
  /** Indexes of the data blocks of a P+Q call, by falling coefficient. */
  readonly #sorted = new Uint8Array(MAX_DATA);

  /** @param wasm instantiated on this arena's memory */
  constructor(arena: Arena, wasm: SimdModule) {
    const { buffer } = arena.memory;
    this.#arena = arena;
    this.#wasm = wasm;
    this.#maxSources = wasm.MAX_SOURCES.value;
    this.#maxVerified = wasm.MAX_VERIFIED.value;
    this.#verifyStep = wasm.VERIFY_STEP.value;
    this.#pieceP = wasm.PIECE_P.value;
    this.#pieceQ = wasm.PIECE_Q.value;
    this.#pieceBytes = wasm.PIECE_BYTES.value;
    this.#sources = new Uint32Array(buffer, wasm.SOURCES.value, this.#maxSources);
    this.#moreDoublings = new Uint32Array(buffer, wasm.MORE_DOUBLINGS.value, this.#maxSources);
    this.#products = new Uint8Array(buffer, wasm.PRODUCTS.value, 64);
    this.#difference = new Uint32Array(buffer, wasm.DIFFERENCE.value, 2);
    wasm.prepareCrc32c();
  }

  xor(target: Uint8Array, sources: readonly Uint8Array[]): void {
    if (!this.#hold(target, sources)) oracleKernels.xor(target, sources);
    else this.#xorPart(target.byteOffset, sources, 0, target.length);
  }

  pq(
    p: Uint8Array | null,
    q: Uint8Array,
    data: readonly Uint8Array[],
    coefficients: readonly number[],
  ): void {
    if (!this.#hold(q, data) || (p !== null && !this.#holds(p, q.length))) {
      oracleKernels.pq(p, q, data, coefficients);
      return;
    }
    this.#sort(coefficients, data.length);
    const addressP = p === null ? NO_BLOCK : p.byteOffset;
    this.#pqPart(addressP, q.byteOffset, data, coefficients, 0, q.length);
  }

  mulXor(target: Uint8Array, source: Uint8Array, factor: number): void {
    if (!this.#holds(target, source.length) || !this.#holds(source, target.length)) {
      oracleKernels.mulXor(target, source, factor);
      return;
    }
    this.#writeProducts(0, factor);
    this.#wasm.mul(target.byteOffset, source.byteOffset, target.length, true);
  }

  mul(target: Uint8Array, factor: number): void {
    if (!this.#holds(target, target.length)) {
      oracleKernels.mul(target, factor);
      return;
    }
    this.#writeProducts(0, factor);
    this.#wasm.mul(target.byteOffset, target.byteOffset, target.length, false);
  }

  solveTwo(x: Uint8Array, y: Uint8Array, factorX: number, factorY: number): void {
    if (!this.#holds(x, y.length) || !this.#holds(y, x.length)) {
      oracleKernels.solveTwo(x, y, factorX, factorY);
      return;
    }
    this.#writeProducts(0, factorX);
    this.#writeProducts(32, factorY);
    this.#wasm.solveTwo(x.byteOffset, y.byteOffset, x.length);
  }

  /** Piece by piece, so that what P and Q should be stays in the processor's cache. */
  check(
    p: Uint8Array,
    q: Uint8Array | null,
    data: readonly Uint8Array[],
    coefficients: readonly number[],
  ): ParityDifference {
    if (!this.#hold(p, data) || (q !== null && !this.#holds(q, p.length))) {
      return oracleKernels.check(p, q, data, coefficients);
    }
    if (q !== null) this.#sort(coefficients, data.length);
    if (this.#isRight(p, q, data, coefficients)) return NO_DIFFERENCE;
    let differenceOfP: DifferingBytes | null = null;
    let differenceOfQ: DifferingBytes | null = null;
    for (let start = 0; start < p.length; start += this.#pieceBytes) {
      const length = Math.min(this.#pieceBytes, p.length - start);
      if (q === null) {
        this.#xorPart(this.#pieceP, data, start, length);
      } else {
        this.#pqPart(this.#pieceP, this.#pieceQ, data, coefficients, start, length);
        differenceOfQ = this.#compared(differenceOfQ, q, this.#pieceQ, start, length);
      }
      differenceOfP = this.#compared(differenceOfP, p, this.#pieceP, start, length);
    }
    return { p: differenceOfP, q: differenceOfQ };
  }

  crc32cUpdate(seed: number, data: Uint8Array): number {
    if (!this.#arena.contains(data)) return oracleKernels.crc32cUpdate(seed, data);
    return this.#wasm.crc32c(seed, data.byteOffset, data.length) >>> 0;
  }

  /**
   * The quick look, for rows as nearly all are: few blocks, the coefficients without a gap. #sorted is set if there is a Q.
   * False: something is wrong, or this is another kind of row.
   */
  #isRight(
    p: Uint8Array,
    q: Uint8Array | null,
    data: readonly Uint8Array[],
    coefficients: readonly number[],
  ): boolean {
    const count = data.length;
    if (count < 2 || count > this.#maxVerified || p.length % this.#verifyStep !== 0) return false;
    for (let place = 0; place < count; place += 1) {
      const index = q === null ? place : this.#sorted[place]!;
      if (q !== null && coefficients[index] !== count - 1 - place) return false;
      this.#sources[place] = data[index]!.byteOffset;
    }
    const addressQ = q === null ? NO_BLOCK : q.byteOffset;
    return this.#wasm.verify(p.byteOffset, addressQ, count, p.length) !== 0;
  }

  /** Does the block lie in the arena? It has the length of the others, or the caller is wrong. */
  #holds(block: Uint8Array, length: number): boolean {
    assert(block.length === length, "blocks of one length");
    return this.#arena.contains(block);
  }

  #hold(target: Uint8Array, others: readonly Uint8Array[]): boolean {
    let all = this.#arena.contains(target);
    for (const other of others) all = this.#holds(other, target.length) && all;
    return all;
  }

  /** `length` bytes from `start` on of the sources' xor. */
  #xorPart(target: number, sources: readonly Uint8Array[], start: number, length: number): void {
    let next = 0;
    do {
      let count = 0;
      // The sum so far counts as a source.
      if (next > 0) this.#sources[count++] = target - start;
      while (count < this.#maxSources && next < sources.length) {
        this.#sources[count++] = sources[next++]!.byteOffset;
      }
      if (count === 0) this.#clear(target, length);
      else this.#wasm.xor(target, count, start, length);
    } while (next < sources.length);
  }

  /** As #xorPart, for P and Q; #sorted is set. */
  #pqPart(
    p: number,
    q: number,
    data: readonly Uint8Array[],
    coefficients: readonly number[],
    start: number,
    length: number,
  ): void {
    if (data.length === 0) {
      this.#clear(q, length);
      if (p !== NO_BLOCK) this.#clear(p, length);
      return;
    }
    let power = coefficients[this.#sorted[0]!]! + 1;
    for (let next = 0; next < data.length;) {
      const resumed = next > 0;
      let count = 0;
      for (; count < this.#maxSources && next < data.length; count += 1, next += 1) {
        const index = this.#sorted[next]!;
        const lower = coefficients[index]!;
        assert(lower < power, "different coefficients");
        this.#sources[count] = data[index]!.byteOffset;
        this.#moreDoublings[count] = power - lower - 1;
        power = lower;
      }
      const finalDoublings = next === data.length ? power : 0;
      this.#wasm.pq(p, q, count, start, length, finalDoublings, resumed);
    }
  }

  /** By insertion from the end: in most rows the coefficients rise with the data, but for one turn. */
  #sort(coefficients: readonly number[], count: number): void {
    assert(count <= MAX_DATA && coefficients.length >= count, "a coefficient for each block");
    for (let index = count - 1, length = 0; index >= 0; index -= 1, length += 1) {
      const coefficient = coefficients[index]!;
      let place = length;
      for (; place > 0 && coefficients[this.#sorted[place - 1]!]! < coefficient; place -= 1) {
        this.#sorted[place] = this.#sorted[place - 1]!;
      }
      this.#sorted[place] = index;
    }
  }

  #clear(address: number, length: number): void {
    new Uint8Array(this.#arena.memory.buffer, address, length).fill(0);
  }

  /** Widens `known` by where a piece of `block`, from `start` on, differs from what lies at `address`. */
  #compared(
    known: DifferingBytes | null,
    block: Uint8Array,
    address: number,
    start: number,
    length: number,
  ): DifferingBytes | null {
    if (!this.#wasm.compare(address, block.byteOffset + start, length)) return known;
    const startByte = known === null ? start + this.#difference[0]! : known.startByte;
    return { startByte, endByte: start + this.#difference[1]! };
  }

  #writeProducts(at: number, factor: number): void {
    const table = gfTable(factor);
    for (let nibble = 0; nibble < 16; nibble += 1) {
      this.#products[at + nibble] = table[nibble]!;
      this.#products[at + 16 + nibble] = table[nibble << 4]!;
    }
  }
}
