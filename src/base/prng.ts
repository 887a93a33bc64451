/**
 * Seeded pseudo-random numbers (xoshiro128**, Blackman and Vigna 2018, public domain), so that every test,
 * fuzz campaign and simulation replays from one number. Not for secrets.
 */
export class Prng {
  readonly #state = new Uint32Array(4);

  /** @param seed any integer; equal seeds give equal sequences */
  constructor(seed: number) {
    // splitmix32 spreads nearby seeds over the whole state; an all-zero state cannot result.
    let mix = seed >>> 0;
    for (let i = 0; i < 4; i += 1) {
      mix = (mix + 0x9e3779b9) >>> 0;
      let z = mix;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      this.#state[i] = (z ^ (z >>> 16)) >>> 0;
    }
    this.#state[0]! |= 1;
  }

  /** A uniform integer in 0..2^32-1. */
  u32(): number {
    const s = this.#state;
    const scrambled = Math.imul(s[1]!, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= shifted;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result;
  }

  /** A uniform integer in 0..bound-1, bound up to 2^53. */
  below(bound: number): number {
    const wide = this.u32() * 0x200000 + (this.u32() >>> 11);
    return Math.floor((wide / 0x20000000000000) * bound);
  }

  /** A uniform integer in low..high, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.u32() < probability * 0x100000000;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  shuffle<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i -= 1) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j]!, result[i]!];
    }
    return result;
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = this.u32();
  }
}
