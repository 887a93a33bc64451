import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { randomBytes, sameBytes } from "../../test/support/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { Prng } from "../base/prng.ts";
import { BioFlags } from "./bio.ts";
import { ByteDevice } from "./bytes.ts";

const SECTORS = 16;
const BYTES = SECTORS * 512;

const operation = fc.record({
  kind: fc.constantFrom("read", "write", "zero", "discard"),
  offset: fc.oneof(
    fc.nat(BYTES - 1),
    fc.nat(SECTORS - 1).map((sector) => sector * 512),
  ),
  length: fc.oneof(fc.integer({ min: 1, max: BYTES }), fc.constantFrom(512, 1024, 4096)),
});

describe("ByteDevice", () => {
  it("behaves as an array of bytes at any offset and length", () => {
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 30 }),
        fc.boolean(),
        fc.nat(),
        (operations, writeZeroes, seed) => {
          const prng = new Prng(seed);
          const device = new ArrayDevice(SECTORS, { writeZeroes });
          prng.fill(device.bytes);
          const oracle = device.bytes.slice();
          const bytes = new ByteDevice(device);
          for (const { kind, offset, length: wanted } of operations) {
            const length = Math.min(wanted, BYTES - offset);
            const errors: unknown[] = [];
            const end = (error: HoldfastError | null) => errors.push(error);
            const data = randomBytes(prng, length);
            if (kind === "read") {
              bytes.read(offset, data, end);
              expect(sameBytes(data, oracle.subarray(offset, offset + length))).toBe(true);
            } else if (kind === "write") {
              bytes.write(offset, data, 0, end);
              oracle.set(data, offset);
            } else if (kind === "zero") {
              bytes.writeZeroes(offset, length, 0, end);
              oracle.fill(0, offset, offset + length);
            } else {
              bytes.discard(offset, length, end);
              const from = Math.ceil(offset / 512) * 512;
              const to = Math.floor((offset + length) / 512) * 512;
              if (from < to) oracle.fill(0, from, to);
            }
            expect(errors).toEqual([null]);
            expect(sameBytes(device.bytes, oracle)).toBe(true);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it("never undoes a neighbour's write, in whatever order the device completes", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const prng = new Prng(seed);
        const device = new ArrayDevice(4);
        const bytes = new ByteDevice(device);
        device.held = true;
        const oracle = new Uint8Array(4 * 512);
        // Writes that do not overlap in bytes but share sectors.
        let ended = 0;
        let at = 0;
        let writes = 0;
        const ranges: [number, number][] = [];
        while (at < oracle.length) {
          const length = Math.min(oracle.length - at, prng.pick([1, 100, 511, 512, 513, 700]));
          ranges.push([at, length]);
          at += length;
        }
        for (const [offset, length] of prng.shuffle(ranges)) {
          const data = new Uint8Array(length).fill(1 + prng.below(255));
          oracle.set(data, offset);
          writes += 1;
          bytes.write(offset, data, 0, (error) => {
            expect(error).toBeNull();
            ended += 1;
          });
          while (device.pending.length > 0 && prng.chance(0.5))
            device.finish(prng.below(device.pending.length));
        }
        while (device.pending.length > 0) device.finish(prng.below(device.pending.length));
        expect(ended).toBe(writes);
        expect(sameBytes(device.bytes, oracle)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it("passes FUA on to every bio that carries the write", () => {
    const device = new ArrayDevice(SECTORS);
    const bytes = new ByteDevice(device);
    bytes.write(100, new Uint8Array(2000), BioFlags.fua, () => {});
    bytes.writeZeroes(10, 3000, BioFlags.fua, () => {});
    const writes = device.seen.filter((bio) => bio.op !== "read");
    expect(writes.length).toBe(4);
    expect(writes.every((bio) => (bio.flags & BioFlags.fua) !== 0)).toBe(true);
  });

  it("hands aligned requests through without a copy", () => {
    const device = new ArrayDevice(SECTORS);
    const data = new Uint8Array(1024);
    new ByteDevice(device).write(512, data, 0, () => {});
    new ByteDevice(device).read(512, data, () => {});
    expect(device.seen.map((bio) => bio.data === data)).toEqual([true, true]);
  });

  it("ends with an error outside the device, read-only, or when an edge cannot be read", () => {
    const codes: (string | null)[] = [];
    const end = (error: HoldfastError | null) => codes.push(error?.code ?? null);
    const device = new ArrayDevice(2);
    const bytes = new ByteDevice(device);
    bytes.read(1000, new Uint8Array(100), end);
    bytes.write(-1, new Uint8Array(1), 0, end);
    bytes.writeZeroes(2 ** 53, 1, 0, end);
    bytes.read(1024, new Uint8Array(0), end);
    const locked = new ByteDevice(new ArrayDevice(2, { readOnly: true, discard: false }));
    locked.write(1, new Uint8Array(1), 0, end);
    locked.write(0, new Uint8Array(512), 0, end);
    locked.writeZeroes(0, 1, 0, end);
    locked.discard(0, 1, end);
    expect(codes).toEqual(["usage", "usage", "usage", null, ...Array(4).fill("read-only")]);

    codes.length = 0;
    device.fault = (bio) => (bio.op === "read" ? new HoldfastError("io", "bad sector") : null);
    bytes.write(5, new Uint8Array(600), 0, end);
    device.fault = () => null;
    bytes.write(0, new Uint8Array(1024), 0, end);
    expect(codes).toEqual(["io", null]);
  });

  it("clips extents to the bytes asked for", () => {
    const runs = new ByteDevice(new ArrayDevice(SECTORS)).extents(100, 1000, 8);
    expect(runs).toEqual([{ offsetBytes: 100, lengthBytes: 1000, kind: "data" }]);
  });

  it("keeps noUnmap from the data that it writes in place of zeroes", () => {
    for (const writeZeroes of [true, false]) {
      const device = new ArrayDevice(SECTORS, { writeZeroes });
      const bytes = new ByteDevice(device);
      bytes.writeZeroes(100, 2000, BioFlags.noUnmap | BioFlags.fua, () => {});
      const legal = device.seen.filter((bio) => bio.op !== "write" || bio.flags === BioFlags.fua);
      expect(legal).toHaveLength(device.seen.length);
      const flags = device.seen.filter((bio) => bio.op === "write-zeroes").map((bio) => bio.flags);
      expect(flags).toEqual(writeZeroes ? [BioFlags.noUnmap | BioFlags.fua] : []);
    }
  });
});
