import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../base/errors.ts";
import { BioFlags, aim, discardBio, ownBio, writeBio } from "./bio.ts";
import type { Bio } from "./bio.ts";
import { fanOut, inSequence } from "./fan-out.ts";
import { submitSplit } from "./split.ts";

describe("submitSplit", () => {
  it("covers the bio exactly with parts that cross no boundary and ends it once", () => {
    fc.assert(
      fc.property(
        fc.nat(100),
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 20 }),
        (sector, sectors, boundary) => {
          const data = Uint8Array.from({ length: sectors * 512 }, (_unused, i) => i >> 9);
          let ends = 0;
          const parts: Bio[] = [];
          submitSplit(
            writeBio(sector, data, BioFlags.fua, () => (ends += 1)),
            boundary,
            (part) => parts.push(part),
          );
          let at = sector;
          for (const part of parts) {
            expect(part.sector).toBe(at);
            expect(part.data.length).toBe(part.sectors * 512);
            expect(part.data[0]).toBe(at - sector);
            expect(part.flags).toBe(BioFlags.fua);
            expect(Math.floor(at / boundary)).toBe(Math.floor((at + part.sectors - 1) / boundary));
            at += part.sectors;
          }
          expect(at).toBe(sector + sectors);
          parts.forEach((part, i) => {
            part.end(null);
            expect(ends).toBe(i === parts.length - 1 ? 1 : 0);
          });
        },
      ),
    );
  });

  it("is done with a bio when its last part ends, even if the bio is longer then", () => {
    const sectors: number[] = [];
    const bio = ownBio(() => aim(bio, "discard", 0, 1000, bio.data, 0));
    submitSplit(aim(bio, "discard", 3, 10, bio.data, 0), 4, (part) => {
      sectors.push(part.sectors);
      part.end(null);
    });
    expect(sectors).toEqual([1, 4, 4, 1]);
  });

  it("splits bios without data too, and reports the first error after the last part", () => {
    const errors: (HoldfastError | null)[] = [];
    const parts: Bio[] = [];
    submitSplit(
      discardBio(3, 10, (error) => errors.push(error)),
      4,
      (part) => parts.push(part),
    );
    expect(parts.map((part) => [part.sector, part.sectors])).toEqual([
      [3, 1],
      [4, 4],
      [8, 4],
      [12, 1],
    ]);
    const first = new HoldfastError("io", "first");
    parts[2]!.end(first);
    parts[0]!.end(new HoldfastError("io", "second"));
    parts[1]!.end(null);
    expect(errors).toEqual([]);
    parts[3]!.end(null);
    expect(errors).toEqual([first]);
    expect(() => parts[3]!.end(null)).toThrow("once");
  });
});

describe("fanOut and inSequence", () => {
  it("refuse to end a part twice", () => {
    const end = fanOut(1, () => {});
    end(null);
    expect(() => end(null)).toThrow("once");
  });

  it("runs steps in order on a flat stack and stops at an error", () => {
    const ends: unknown[] = [];
    let ran = 0;
    inSequence(
      50_000,
      (_index, end) => {
        ran += 1;
        end(null);
      },
      (error) => ends.push(error),
    );
    expect([ran, ends]).toEqual([50_000, [null]]);
    const broken = new HoldfastError("io", "broken");
    const steps: number[] = [];
    inSequence(
      5,
      (index, end) => {
        steps.push(index);
        end(index === 2 ? broken : null);
      },
      (error) => ends.push(error),
    );
    expect(steps).toEqual([0, 1, 2]);
    expect(ends).toEqual([null, broken]);
    inSequence(
      0,
      () => {},
      (error) => ends.push(error),
    );
    expect(ends).toEqual([null, broken, null]);
  });

  it("goes on when a step ends later", () => {
    const waiting: (() => void)[] = [];
    const ends: unknown[] = [];
    inSequence(
      3,
      (_index, end) => waiting.push(() => end(null)),
      (error) => ends.push(error),
    );
    for (let i = 0; i < 3; i += 1) {
      expect(waiting.length).toBe(i + 1);
      waiting[i]!();
    }
    expect(ends).toEqual([null]);
  });
});
