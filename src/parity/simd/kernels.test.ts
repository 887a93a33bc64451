import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seedOfRun } from "../../../test/support/seed.ts";
import { Arena } from "../../base/arena.ts";
import { Prng } from "../../base/prng.ts";
import { crc32cUpdate } from "../../codec/crc32c.ts";
import { createParityKernels } from "../create.ts";
import type { ParityKernels } from "../kernels.ts";
import { oracleKernels } from "../oracle.ts";
import { SimdKernels } from "./kernels.ts";

const arena = new Arena(16 * 1024 * 1024);
const kernels = createParityKernels(arena);
const ROOM = 64;
const seed = seedOfRun();

/** What surrounds each block and must stay as it is. */
const BESIDE = 0xa5;

interface TestBlocks {
  readonly rooms: readonly Uint8Array[];
  /** In the arena. */
  readonly fast: readonly Uint8Array[];
  /** The same bytes, elsewhere. */
  readonly plain: readonly Uint8Array[];
}

/** The matcher of arrays takes 100 times as long. */
function expectSame(found: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(found, expected) !== 0) expect(found, what).toEqual(expected);
}

/** Random blocks, each starting `alignments[i]` bytes behind a multiple of 16. */
function someBlocks(random: Prng, length: number, alignments: readonly number[]): TestBlocks {
  const rooms = alignments.map(() => {
    const room = arena.take(length + 2 * ROOM)!;
    expect(room, "the arena has room").not.toBeNull();
    return room.fill(BESIDE, 0, length + 2 * ROOM);
  });
  const fast = rooms.map((room, i) => {
    const start = 16 + alignments[i]!;
    const block = room.subarray(start, start + length);
    random.fill(block);
    // So that what is equal, doubled over and zero occurs too.
    if (random.chance(0.1)) block.fill(random.pick([0, 0x80, 0xff]));
    return block;
  });
  const plain = fast.map((block) => block.slice());
  return { rooms, fast, plain };
}

/** Compares all blocks, and what lies beside them; then gives the arena's back. */
function checkBlocks({ rooms, fast, plain }: TestBlocks): void {
  for (const [i, room] of rooms.entries()) {
    const block = fast[i]!;
    expectSame(block, plain[i]!, `block ${i}`);
    const start = block.byteOffset - room.byteOffset;
    const end = start + block.length;
    const beside = [room.subarray(0, start), room.subarray(end, block.length + 2 * ROOM)];
    expect(beside.every((each) => each.every((byte) => byte === BESIDE))).toBe(true);
    arena.give(room);
  }
}

function alignmentsFor(random: Prng, count: number): number[] {
  return Array.from({ length: count }, () => random.below(16));
}

function distinctCoefficients(random: Prng, count: number): number[] {
  const all = Array.from({ length: 255 }, (_unused, n) => n);
  return random.shuffle(all).slice(0, count);
}

/** Those of consecutive layouts, turned; of ddf layouts, with two gaps; or any. */
function someCoefficients(random: Prng, count: number): number[] {
  const turn = random.below(count + 1);
  const gaps = [random.below(count + 2), random.below(count + 2)];
  switch (random.below(3)) {
    case 0:
      return Array.from({ length: count }, (_unused, n) => (n + turn) % count);
    case 1:
      return Array.from({ length: count + 2 }, (_unused, n) => n)
        .filter((n) => !gaps.includes(n))
        .slice(0, count);
    default:
      return distinctCoefficients(random, count);
  }
}

/** Runs every kernel on blocks of this length and compares it with the plain one. */
function checkAll(random: Prng, length: number, count: number): void {
  const blocks = someBlocks(random, length, alignmentsFor(random, count + 2));
  const coefficients = someCoefficients(random, count);
  const factors = [random.below(256), random.below(256)] as const;
  const crcSeed = random.u32();
  const run = (set: ParityKernels, [p, q, ...data]: readonly Uint8Array[]): unknown[] => {
    const found: unknown[] = [];
    set.pq(p!, q!, data, coefficients);
    found.push(set.check(p!, q!, data, coefficients), set.check(p!, null, data, []));
    set.mulXor(p!, q!, factors[0]);
    set.mul(q!, factors[1]);
    found.push(set.check(p!, q!, data, coefficients), set.crc32cUpdate(crcSeed, p!));
    set.solveTwo(p!, q!, factors[1], factors[0]);
    set.pq(null, data[0]!, data.slice(1), coefficients.slice(1));
    set.xor(q!, [p!, ...data]);
    set.xor(data[0]!, data);
    return found;
  };
  const expected = run(oracleKernels, blocks.plain);
  expect(run(kernels, blocks.fast)).toEqual(expected);
  checkBlocks(blocks);
}

describe(`the SIMD kernels do what the plain ones do, byte for byte (seed ${seed})`, () => {
  it("are what there is here", () => {
    expect(kernels).toBeInstanceOf(SimdKernels);
  });

  it("at every length up to four steps, with 1 to 20 sources", () => {
    const random = new Prng(seed);
    for (let length = 0; length <= 1100; length += 1) {
      checkAll(random, length, random.between(1, 20));
    }
  });

  it("around the sizes of pages, pieces and chunks", () => {
    const random = new Prng(seed + 1);
    for (const size of [4096, 16384, 65536]) {
      for (const more of [-65, -17, -16, -1, 0, 1, 15, 63, 64, 129]) {
        checkAll(random, size + more, random.between(1, 8));
      }
    }
  });

  it("with every number of sources that is summed in groups, in more than one strip", () => {
    const random = new Prng(seed + 9);
    for (let count = 1; count <= 24; count += 1) {
      for (const length of [8192, 8192 + 256, 2 * 8192 - 1]) checkAll(random, length, count);
    }
  });

  it("at every alignment of every block", () => {
    const random = new Prng(seed + 2);
    for (let block = 0; block < 5; block += 1) {
      for (let alignment = 0; alignment < 16; alignment += 1) {
        const alignments = alignmentsFor(random, 5);
        alignments[block] = alignment;
        const blocks = someBlocks(random, 333, alignments);
        for (const [set, each] of [
          [kernels, blocks.fast],
          [oracleKernels, blocks.plain],
        ] as const) {
          set.pq(each[0]!, each[1]!, each.slice(2), [2, 0, 1]);
          set.solveTwo(each[2]!, each[3]!, 7, 200);
          set.mulXor(each[4]!, each[0]!, 99);
          set.xor(each[1]!, [each[1]!, each[0]!, each[4]!]);
        }
        checkBlocks(blocks);
      }
    }
  });

  it("with more sources than one call takes", () => {
    const random = new Prng(seed + 3);
    for (const count of [63, 64, 65, 127, 128, 129, 190, 255]) checkAll(random, 200, count);
    // In more than one piece, too.
    checkAll(random, 50_000, 70);
  });

  it("at the very end of the memory", () => {
    const small = new Arena(2 * 65536);
    const smallKernels = createParityKernels(small);
    const random = new Prng(seed + 8);
    for (let length = 0; length < 300; length += 1) {
      const blocks = Array.from({ length: 3 }, () => new Uint8Array(length));
      for (const block of blocks) random.fill(block);
      // Each in turn is the one at the end.
      for (let last = 0; last < 3; last += 1) {
        const places = blocks.map((block, i) => {
          const end = i === last ? 2 * 65536 : 65536 + (i + 1) * 8192;
          const place = new Uint8Array(small.memory.buffer, end - length, length);
          place.set(block);
          return place;
        });
        const crc = smallKernels.crc32cUpdate(5, places[last]!);
        expect(crc).toBe(crc32cUpdate(5, blocks[last]!));
        const copies = blocks.map((block) => block.slice());
        for (const [set, [a, b, c]] of [
          [smallKernels, places],
          [oracleKernels, copies],
        ] as const) {
          set.solveTwo(a!, b!, 3, 9);
          set.mulXor(c!, b!, 77);
          set.pq(a!, b!, [c!], [2]);
          expect(set.check(a!, b!, [c!], [2])).toEqual({ p: null, q: null });
          set.xor(b!, [b!, c!]);
        }
        for (const [i, place] of places.entries()) expectSame(place, copies[i]!, `block ${i}`);
      }
    }
  });

  it("without any source", () => {
    const blocks = someBlocks(new Prng(seed), 100, [3, 4, 5]);
    for (const [set, [a, b, c]] of [
      [kernels, blocks.fast],
      [oracleKernels, blocks.plain],
    ] as const) {
      set.xor(a!, []);
      set.pq(b!, c!, [], []);
    }
    expect(blocks.fast.every((block) => block.every((byte) => byte === 0))).toBe(true);
    checkBlocks(blocks);
  });

  it("with every factor", () => {
    const random = new Prng(seed + 4);
    for (let factor = 0; factor < 256; factor += 1) {
      const blocks = someBlocks(random, 300, [1, 2]);
      // Every byte value, in both the wide part and what is left over.
      for (const block of [blocks.fast[0]!, blocks.plain[0]!]) {
        for (const i of block.keys()) block[i] = i * 37;
      }
      for (const [set, [a, b]] of [
        [kernels, blocks.fast],
        [oracleKernels, blocks.plain],
      ] as const) {
        set.mulXor(b!, a!, factor);
        set.mul(a!, factor);
        set.solveTwo(a!, b!, factor, 255 - factor);
      }
      checkBlocks(blocks);
    }
  });

  it("in any combination", () => {
    const lengths = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 40_000 }));
    const counts = fc.integer({ min: 1, max: 20 });
    fc.assert(
      fc.property(fc.integer(), lengths, counts, (each, length, count) =>
        checkAll(new Prng(each), length, count),
      ),
    );
  });
});

describe("check", () => {
  it("finds the first and the last wrong byte, wherever they are", () => {
    const length = 40_000;
    const random = new Prng(seed + 5);
    const blocks = someBlocks(random, length, alignmentsFor(random, 6));
    const [p, q, ...data] = blocks.fast;
    kernels.pq(p!, q!, data, [3, 1, 0, 2]);
    expect(kernels.check(p!, q!, data, [3, 1, 0, 2])).toEqual({ p: null, q: null });
    const places = fc.integer({ min: 0, max: length - 1 });
    fc.assert(
      fc.property(places, places, places, (atP, firstQ, lastQ) => {
        for (const [block, at] of [[p!, atP] as const, [q!, firstQ] as const]) block[at]! ^= 0x10;
        if (lastQ !== firstQ) q![lastQ]! ^= 1;
        expect(kernels.check(p!, q!, data, [3, 1, 0, 2])).toEqual({
          p: { startByte: atP, endByte: atP + 1 },
          q: { startByte: Math.min(firstQ, lastQ), endByte: Math.max(firstQ, lastQ) + 1 },
        });
        const withoutQ = kernels.check(p!, null, data, []);
        expect(withoutQ).toEqual({ p: { startByte: atP, endByte: atP + 1 }, q: null });
        for (const [block, at] of [[p!, atP] as const, [q!, firstQ] as const]) block[at]! ^= 0x10;
        if (lastQ !== firstQ) q![lastQ]! ^= 1;
      }),
    );
    const [plainP, plainQ, ...plainData] = blocks.plain;
    oracleKernels.pq(plainP!, plainQ!, plainData, [3, 1, 0, 2]);
    checkBlocks(blocks);
    expect(arena.counters().buffers).toBe(0);
  });
});

describe("crc32cUpdate", () => {
  it("has the standard's check value", () => {
    const data = arena.take(9)!.subarray(0, 9);
    data.set(Buffer.from("123456789"));
    expect(~kernels.crc32cUpdate(0xffff_ffff, data) >>> 0).toBe(0xe306_9283);
    arena.give(data);
  });

  it("is the table's, in one part or two", () => {
    const random = new Prng(seed + 6);
    const room = arena.take(5000)!;
    random.fill(room);
    for (let length = 0; length < 200; length += 1) {
      const data = room.subarray(length % 16, (length % 16) + length);
      const cut = random.below(length + 1);
      const whole = crc32cUpdate(length, data);
      expect(kernels.crc32cUpdate(length, data)).toBe(whole);
      const first = kernels.crc32cUpdate(length, data.subarray(0, cut));
      expect(kernels.crc32cUpdate(first, data.subarray(cut))).toBe(whole);
    }
    arena.give(room);
  });
});

describe("blocks outside the arena", () => {
  it("are worked on too, whichever they are", () => {
    const random = new Prng(seed + 7);
    for (let outside = 0; outside < 5; outside += 1) {
      const blocks = someBlocks(random, 555, alignmentsFor(random, 5));
      const mixed = blocks.fast.map((block, i) => (i === outside ? block.slice() : block));
      for (const [set, [a, b, c, d, e]] of [
        [kernels, mixed],
        [oracleKernels, blocks.plain],
      ] as const) {
        set.pq(a!, b!, [c!, d!, e!], [0, 2, 1]);
        expect(set.check(a!, b!, [c!, d!, e!], [0, 2, 1])).toEqual({ p: null, q: null });
        set.xor(c!, [c!, a!, d!]);
        set.mulXor(d!, e!, 5);
        set.mul(e!, 6);
        set.solveTwo(a!, b!, 7, 8);
        expect(set.crc32cUpdate(1, e!)).toBe(crc32cUpdate(1, e!));
      }
      blocks.fast[outside]!.set(mixed[outside]!);
      checkBlocks(blocks);
    }
  });

  it("make the plain kernels the only ones where there is no arena", () => {
    const plain = createParityKernels(null);
    expect(plain.name).toContain("plain");
    expect(plain).not.toBeInstanceOf(SimdKernels);
    expect(plain.crc32cUpdate(0xffff_ffff, Buffer.from("123456789"))).toBe(~0xe306_9283 >>> 0);
  });
});
