import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Prng } from "../base/prng.ts";
import { gfMultiply, gfPower } from "./gf256.ts";
import { oracleKernels } from "./oracle.ts";

/** Blocks of one length, each at its own odd or even place in a larger buffer. */
function someBlocks(seed: number, count: number, length: number): Uint8Array[] {
  const random = new Prng(seed);
  return Array.from({ length: count }, () => {
    const room = Uint8Array.from({ length: length + 8 }, () => random.u32());
    const start = random.below(8);
    return room.subarray(start, start + length);
  });
}

/** The matcher of arrays takes 100 times as long. */
function expectSame(found: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(found, expected) !== 0) expect(found).toEqual(expected);
}

const lengths = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 4096 }));
const seeds = fc.integer();

describe("the plain kernels do what they say, byte for byte, at any length and alignment", () => {
  it("xor", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 9 }), lengths, (seed, count, length) => {
        const [target, ...sources] = someBlocks(seed, count + 1, length);
        const expected = target!.map((_old, i) => sources.reduce((sum, each) => sum ^ each[i]!, 0));
        oracleKernels.xor(target!, sources);
        expectSame(target!, expected);
      }),
    );
  });

  it("xor onto the first source", () => {
    const [target, other] = someBlocks(1, 2, 77);
    const expected = target!.map((old, i) => old ^ other![i]!);
    oracleKernels.xor(target!, [target!, other!]);
    expectSame(target!, expected);
  });

  it("pq with any coefficients", () => {
    const coefficients = fc.uniqueArray(fc.integer({ min: 0, max: 254 }), { maxLength: 12 });
    fc.assert(
      fc.property(seeds, coefficients, lengths, fc.boolean(), (seed, powers, length, withP) => {
        const [p, q, ...data] = someBlocks(seed, powers.length + 2, length);
        const oldP = p!.slice();
        const expectedQ = q!.map((_old, i) =>
          data.reduce((sum, each, d) => sum ^ gfMultiply(gfPower(powers[d]!), each[i]!), 0),
        );
        const expectedP = q!.map((_old, i) => data.reduce((sum, each) => sum ^ each[i]!, 0));
        oracleKernels.pq(withP ? p! : null, q!, data, powers);
        expectSame(q!, expectedQ);
        expectSame(p!, withP ? expectedP : oldP);
      }),
    );
  });

  it("mul, mulXor, solveTwo", () => {
    const factor = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(seeds, factor, factor, lengths, (seed, f, g, length) => {
        const [a, b] = someBlocks(seed, 2, length);
        const product = a!.map((byte) => gfMultiply(f, byte));
        const sum = b!.map((byte, i) => byte ^ product[i]!);
        const x = a!.slice();
        oracleKernels.mul(x, f);
        expectSame(x, product);
        const y = b!.slice();
        oracleKernels.mulXor(y, a!, f);
        expectSame(y, sum);
        const solvedX = a!.slice();
        const solvedY = b!.slice();
        oracleKernels.solveTwo(solvedX, solvedY, f, g);
        expectSame(
          solvedX,
          product.map((byte, i) => byte ^ gfMultiply(g, b![i]!)),
        );
        expectSame(
          solvedY,
          solvedX.map((byte, i) => byte ^ a![i]!),
        );
      }),
    );
  });

  it("writes nothing beside the block", () => {
    const room = new Uint8Array(64).fill(7);
    const target = room.subarray(13, 40);
    oracleKernels.xor(target, [new Uint8Array(27).fill(1), new Uint8Array(27).fill(2)]);
    expect(room.filter((byte) => byte === 3).length).toBe(27);
    expect(room.filter((byte) => byte === 7).length).toBe(37);
  });
});
