/** Bytes on their way from one end of a simulated stream to the other. They arrive in pieces of any size, down to a byte. */
import type { Prng } from "../base/prng.ts";

export class UnderWay {
  readonly #prng: Prng;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
  }

  /** The piece that arrives next, no longer than that. */
  take(mostBytes: number): Uint8Array {
    const all = this.#all();
    const piece = all.subarray(0, this.#pieceBytes(Math.min(mostBytes, all.length)));
    this.#hold(all.subarray(piece.length));
    return piece;
  }

  /** Chance says how many of the first still arrive. */
  cutOff(): void {
    this.#hold(this.#all().subarray(0, this.#prng.below(this.#bytes + 1)));
  }

  clear(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }

  #hold(bytes: Uint8Array): void {
    this.#pieces = bytes.length === 0 ? [] : [bytes];
    this.#bytes = bytes.length;
  }

  #all(): Uint8Array {
    if (this.#pieces.length === 1) return this.#pieces[0]!;
    const { buffer, byteOffset, byteLength } = Buffer.concat(this.#pieces);
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  #pieceBytes(most: number): number {
    const prng = this.#prng;
    if (prng.chance(0.6)) return most;
    return prng.between(1, prng.chance(0.7) ? most : Math.min(most, 8));
  }
}
