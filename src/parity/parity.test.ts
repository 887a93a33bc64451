import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Arena } from "../base/arena.ts";
import { Prng } from "../base/prng.ts";
import { checkRow } from "./check.ts";
import { createParityKernels } from "./create.ts";
import type { ParityKernels } from "./kernels.ts";
import { oracleKernels } from "./oracle.ts";
import { generate, isRecoverable, rebuild, recover } from "./parity.ts";
import type { ParityRow } from "./parity.ts";

/** A row with P (and Q) anywhere and the data in any order, with coefficients that may have gaps. */
function someRow(random: Prng, dataDisks: number, withQ: boolean): ParityRow {
  const slots = random.shuffle(
    Array.from({ length: dataDisks + (withQ ? 2 : 1) }, (_unused, slot) => slot),
  );
  const powers = random.shuffle(
    Array.from({ length: random.pick([dataDisks + 2, 255]) }, (_u, i) => i),
  );
  return {
    p: slots[0]!,
    q: withQ ? slots[1]! : null,
    data: slots.slice(withQ ? 2 : 1),
    coefficients: withQ ? powers.slice(0, dataDisks) : [],
  };
}

function slotsOf(row: ParityRow): number[] {
  return row.q === null ? [...row.data, row.p] : [...row.data, row.p, row.q];
}

function randomBytes(random: Prng, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.u32());
}

/** Kernels, and where blocks have to lie for them. */
interface Bench {
  readonly kernels: ParityKernels;
  /** A copy in such a place. */
  place(block: Uint8Array): Uint8Array;
  /** The copies are not used any more. */
  clear(): void;
}

function simdBench(): Bench {
  const arena = new Arena(4 * 1024 * 1024);
  const taken: Uint8Array[] = [];
  const place = (block: Uint8Array): Uint8Array => {
    const room = arena.take(block.length + 16)!;
    taken.push(room);
    const start = taken.length % 16;
    room.set(block, start);
    return room.subarray(start, start + block.length);
  };
  const clear = (): void => {
    for (const room of taken.splice(0)) arena.give(room);
  };
  return { kernels: createParityKernels(arena), place, clear };
}

const BENCHES: readonly Bench[] = [
  { kernels: oracleKernels, place: (block) => block.slice(), clear: () => undefined },
  simdBench(),
];

function placed(bench: Bench, blocks: ReadonlyMap<number, Uint8Array>): Map<number, Uint8Array> {
  return new Map([...blocks].map(([slot, block]) => [slot, bench.place(block)]));
}

/** Slots whose blocks differ. */
function differences(a: Map<number, Uint8Array>, b: Map<number, Uint8Array>): number[] {
  return [...a.keys()].filter((slot) => Buffer.compare(a.get(slot)!, b.get(slot)!) !== 0);
}

/** Random data with P and Q that fit. */
function someBlocks(random: Prng, row: ParityRow, length: number): Map<number, Uint8Array> {
  const blocks = new Map<number, Uint8Array>();
  for (const slot of slotsOf(row)) {
    blocks.set(slot, randomBytes(random, length));
  }
  generate(row, blocks);
  return blocks;
}

/** Every set of one or, with Q, two slots. */
function lossesOf(row: ParityRow): Set<number>[] {
  const slots = slotsOf(row);
  const ones = slots.map((slot) => new Set([slot]));
  if (row.q === null) return ones;
  const twos = slots.flatMap((a, i) => slots.slice(i + 1).map((b) => new Set([a, b])));
  return [...ones, ...twos];
}

const cases = fc.record({
  seed: fc.integer(),
  dataDisks: fc.integer({ min: 1, max: 7 }),
  withQ: fc.boolean(),
  length: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 4096 })),
});

describe.each(BENCHES)("what a row may lose comes back, with $kernels.name kernels", (bench) => {
  const { kernels } = bench;

  it("generate: the same P and Q whoever makes them", () => {
    fc.assert(
      fc.property(cases, ({ seed, dataDisks, withQ, length }) => {
        const random = new Prng(seed);
        const row = someRow(random, dataDisks, withQ);
        const good = someBlocks(random, row, length);
        const blocks = placed(bench, good);
        for (const slot of [row.p, row.q]) blocks.get(slot ?? row.p)!.fill(0xa5);
        generate(row, blocks, kernels);
        expect(differences(blocks, good)).toEqual([]);
        bench.clear();
      }),
    );
  });

  it("recover: every loss, overwriting whatever is there", () => {
    fc.assert(
      fc.property(cases, ({ seed, dataDisks, withQ, length }) => {
        const random = new Prng(seed);
        const row = someRow(random, dataDisks, withQ);
        const good = someBlocks(random, row, length);
        for (const lost of lossesOf(row)) {
          expect(isRecoverable(row, lost)).toBe(true);
          const blocks = placed(bench, good);
          for (const slot of lost) random.fill(blocks.get(slot)!);
          recover(row, blocks, lost, kernels);
          expect(differences(blocks, good)).toEqual([]);
          bench.clear();
        }
      }),
      { numRuns: 60 },
    );
  });

  it("rebuild: each lost block alone, from no more blocks than needed", () => {
    fc.assert(
      fc.property(cases, ({ seed, dataDisks, withQ, length }) => {
        const random = new Prng(seed);
        const row = someRow(random, dataDisks, withQ);
        const good = someBlocks(random, row, length);
        for (const lost of lossesOf(row)) {
          const lostData = row.data.filter((slot) => lost.has(slot)).length;
          const parity = [row.p, row.q].filter((slot) => slot !== null && !lost.has(slot));
          const sources = [
            ...row.data.filter((slot) => !lost.has(slot)),
            ...parity.slice(0, lostData).map((slot) => slot!),
          ];
          const read = new Map(sources.map((slot) => [slot, good.get(slot)!]));
          for (const target of lost) {
            const blocks = placed(bench, read);
            // With room for what else is lost, and without.
            const others = row.data.filter((slot) => slot !== target && lost.has(slot));
            if (random.chance(0.5)) {
              for (const slot of others) blocks.set(slot, bench.place(randomBytes(random, length)));
            }
            const out = bench.place(randomBytes(random, length));
            rebuild(row, target, lost, blocks, out, kernels);
            expect(Buffer.compare(out, good.get(target)!)).toBe(0);
            for (const slot of sources) {
              expect(Buffer.compare(blocks.get(slot)!, good.get(slot)!)).toBe(0);
            }
            bench.clear();
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("parity", () => {
  it("refuses to make up data: two of raid5, three of raid6", () => {
    const random = new Prng(7);
    for (const withQ of [false, true]) {
      const row = someRow(random, 4, withQ);
      const blocks = someBlocks(random, row, 16);
      const lost = new Set(row.data.slice(0, withQ ? 3 : 2));
      expect(isRecoverable(row, lost)).toBe(false);
      expect(() => recover(row, blocks, lost)).toThrow("assertion failed");
      const mixed = new Set([row.p, ...(withQ ? [row.q!] : []), row.data[0]!]);
      expect(() => recover(row, blocks, mixed)).toThrow("assertion failed");
    }
  });

  it("does the worked example of the raid6 paper's polynomial by hand", () => {
    const row: ParityRow = { p: 3, q: 4, data: [0, 1, 2], coefficients: [0, 1, 2] };
    const blocks = new Map(
      [0x01, 0x80, 0xc3, 0, 0].map((byte, slot) => [slot, Uint8Array.of(byte)]),
    );
    generate(row, blocks);
    expect(blocks.get(3)).toEqual(Uint8Array.of(0x01 ^ 0x80 ^ 0xc3));
    // 2 * 0x80 = 0x100 = 0x1d; 4 * 0xc3 = 2 * (0x186 ^ 0x11d) = 2 * 0x9b = 0x136 ^ 0x11d = 0x2b
    expect(blocks.get(4)).toEqual(Uint8Array.of(0x01 ^ 0x1d ^ 0x2b));
  });
});

describe.each(BENCHES)("checkRow with $kernels.name kernels", (bench) => {
  it("finds nothing wrong with a good row", () => {
    fc.assert(
      fc.property(cases, ({ seed, dataDisks, withQ, length }) => {
        const random = new Prng(seed);
        const row = someRow(random, dataDisks, withQ);
        const blocks = placed(bench, someBlocks(random, row, length));
        const check = checkRow(row, blocks, bench.kernels);
        expect(check).toEqual({ p: null, q: null, suspect: null });
        bench.clear();
      }),
      { numRuns: 40 },
    );
  });

  it("names the one wrong block and where", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 7 }), (seed, dataDisks) => {
        const random = new Prng(seed);
        const row = someRow(random, dataDisks, true);
        const blocks = placed(bench, someBlocks(random, row, 600));
        const wrong = random.pick(slotsOf(row));
        const startByte = random.below(600);
        const endByte = random.between(startByte + 1, 600);
        const block = blocks.get(wrong)!;
        for (let i = startByte; i < endByte; i += 1) block[i]! ^= random.between(1, 255);
        const where = { startByte, endByte };
        expect(checkRow(row, blocks, bench.kernels)).toEqual({
          p: wrong === row.q ? null : where,
          q: wrong === row.p ? null : where,
          suspect: { kind: "block", slot: wrong },
        });
        bench.clear();
      }),
    );
  });
});

describe("checkRow", () => {
  it("does not accuse one block when two are wrong in different bytes", () => {
    const row: ParityRow = { p: 0, q: 1, data: [2, 3, 4], coefficients: [2, 3, 4] };
    const blocks = someBlocks(new Prng(3), row, 64);
    blocks.get(2)![5]! ^= 1;
    blocks.get(4)![60]! ^= 1;
    expect(checkRow(row, blocks)).toEqual({
      p: { startByte: 5, endByte: 61 },
      q: { startByte: 5, endByte: 61 },
      suspect: { kind: "unknown" },
    });
  });

  it("accuses nobody when no block has the coefficient", () => {
    const row: ParityRow = { p: 0, q: 1, data: [2, 3], coefficients: [0, 1] };
    const blocks = someBlocks(new Prng(4), row, 8);
    blocks.get(0)![0]! ^= 1;
    blocks.get(1)![0]! ^= 4;
    expect(checkRow(row, blocks).suspect).toEqual({ kind: "unknown" });
  });

  it("sees that P is off without Q, but not whose fault it is", () => {
    const row: ParityRow = { p: 2, q: null, data: [0, 1], coefficients: [] };
    const blocks = someBlocks(new Prng(5), row, 32);
    blocks.get(1)![9]! ^= 0x40;
    expect(checkRow(row, blocks)).toEqual({
      p: { startByte: 9, endByte: 10 },
      q: null,
      suspect: { kind: "unknown" },
    });
  });
});
