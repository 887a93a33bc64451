/**
 * The BlockDevice contract (src/block/device.ts), run over every device there is. Each goes through checked(), which
 * asserts that `end` is called once, that limits are kept and that extents are well formed.
 */
import { describe, expect, it } from "vitest";
import type { HoldfastError } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import { Bio, BioFlags, readBio, writeBio } from "../../src/block/bio.ts";
import { checked } from "../../src/block/checked.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import {
  discard,
  flush,
  readSectors,
  writeSectors,
  writeZeroes,
} from "../../src/block/promises.ts";
import { describeBackends } from "../support/backends.ts";
import { randomBytes, sameBytes } from "../support/bytes.ts";
import { seedOfRun } from "../support/seed.ts";
import { deviceMakers } from "./block-devices.ts";

const SEED = seedOfRun();

function codeOf(device: BlockDevice, make: (end: Bio["end"]) => Bio): Promise<string | null> {
  return new Promise((resolve) => {
    device.submit(make((error: HoldfastError | null) => resolve(error?.code ?? null)));
  });
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

interface Range {
  readonly sector: number;
  readonly sectors: number;
}

function randomRange(prng: Prng, from: number, to: number): Range {
  const sector = prng.between(from, to - 1);
  const longest = Math.min(to - sector, prng.pick([1, 8, 20, 300]));
  return { sector, sectors: prng.between(1, longest) };
}

/** One random change within `from..to`, done to the device and to the oracle. */
async function change(
  prng: Prng,
  device: BlockDevice,
  oracle: Uint8Array,
  from: number,
  to: number,
): Promise<void> {
  const { sector, sectors } = randomRange(prng, from, to);
  const inOracle = oracle.subarray(sector * 512, (sector + sectors) * 512);
  const flags = prng.pick([0, 0, BioFlags.fua, BioFlags.fua | BioFlags.preflush]);
  const kind = prng.below(6);
  if (kind < 3) {
    const data = randomBytes(prng, inOracle.length);
    inOracle.set(data);
    await writeSectors(device, sector, data, flags);
  } else if (kind === 3 && device.limits.writeZeroes) {
    inOracle.fill(0);
    await writeZeroes(device, sector, sectors, prng.chance(0.5) ? flags : BioFlags.noUnmap);
  } else if (kind === 4 && device.limits.discard) {
    await discard(device, sector, sectors);
    // A discard is a hint: each sector has its old contents or zeros.
    const now = await readSectors(device, sector, sectors);
    for (let at = 0; at < now.length; at += 512) {
      const one = now.subarray(at, at + 512);
      expect(isZero(one) || sameBytes(one, inOracle.subarray(at, at + 512))).toBe(true);
    }
    inOracle.set(now);
  } else await flush(device);
}

async function checkWhole(device: BlockDevice, oracle: Uint8Array): Promise<void> {
  expect(sameBytes(await readSectors(device, 0, device.sectors), oracle)).toBe(true);
}

/** Every run that is said to be without data reads as zeros, whether asked in one go or piece by piece. */
function checkExtents(device: BlockDevice, oracle: Uint8Array): void {
  for (const maxExtents of [1, 3, 1000]) {
    for (let at = 0; at < device.sectors;) {
      for (const run of device.extents(at, device.sectors - at, maxExtents)) {
        const bytes = oracle.subarray(run.sector * 512, (run.sector + run.sectors) * 512);
        if (run.kind !== "data") expect(isZero(bytes)).toBe(true);
        at = run.sector + run.sectors;
      }
    }
  }
}

describeBackends(({ env }) => {
  for (const maker of deviceMakers(env)) {
    describe(`block device: ${maker.name}`, () => {
      it(`reads what it holds, anywhere (seed ${SEED})`, async () => {
        const { device: raw, contents } = await maker.make();
        const device = checked(raw);
        const prng = new Prng(SEED);
        await checkWhole(device, contents);
        for (let i = 0; i < 40; i += 1) {
          const { sector, sectors } = randomRange(prng, 0, device.sectors);
          const expected = contents.subarray(sector * 512, (sector + sectors) * 512);
          expect(sameBytes(await readSectors(device, sector, sectors), expected)).toBe(true);
        }
        checkExtents(device, contents);
        await device.close();
      });

      it(`behaves as an array of sectors (seed ${SEED})`, async () => {
        const { device: raw, contents } = await maker.make();
        const device = checked(raw);
        const oracle = contents.slice();
        const prng = new Prng(SEED);
        for (let i = 0; i < 120 && !device.limits.readOnly; i += 1) {
          await change(prng, device, oracle, 0, device.sectors);
          const { sector, sectors } = randomRange(prng, 0, device.sectors);
          const expected = oracle.subarray(sector * 512, (sector + sectors) * 512);
          expect(sameBytes(await readSectors(device, sector, sectors), expected)).toBe(true);
          if (i % 20 === 0) checkExtents(device, oracle);
        }
        await checkWhole(device, oracle);
        checkExtents(device, oracle);
        await device.close();
      });

      it(`keeps writers of different sectors apart (seed ${SEED})`, async () => {
        const { device: raw, contents } = await maker.make();
        const device = checked(raw);
        const oracle = contents.slice();
        const lanes = device.limits.readOnly ? 0 : 16;
        // Lane borders lie inside 4 KiB blocks, so neighbours meet in one block.
        const border = (lane: number): number => Math.floor((device.sectors * lane) / 16);
        const runLane = async (lane: number): Promise<void> => {
          const prng = new Prng(SEED * 100 + lane);
          for (let i = 0; i < 15; i += 1)
            await change(prng, device, oracle, border(lane), border(lane + 1));
        };
        await Promise.all(Array.from({ length: lanes }, (_unused, lane) => runLane(lane)));
        await checkWhole(device, oracle);
        await device.close();
      });

      it("refuses what lies outside, and when read-only what would change it", async () => {
        const { device, contents } = await maker.make();
        const data = new Uint8Array(1024).fill(1);
        const none = new Uint8Array(0);
        const last = device.sectors - 1;
        expect(await codeOf(device, (end) => readBio(last, data.slice(), end))).toBe("usage");
        expect(await codeOf(device, (end) => readBio(2 ** 45, data.slice(), end))).toBe("usage");
        expect(await codeOf(device, (end) => writeBio(last, data, 0, end))).toBe("usage");
        for (const op of ["discard", "write-zeroes"] as const) {
          const bio = (end: Bio["end"]): Bio => new Bio(op, last, 2, none, 0, end);
          expect(await codeOf(device, bio)).toBe("usage");
        }
        if (device.limits.readOnly) {
          expect(await codeOf(device, (end) => writeBio(0, data, 0, end))).toBe("read-only");
          for (const op of ["discard", "write-zeroes"] as const) {
            const bio = (end: Bio["end"]): Bio => new Bio(op, 0, 2, none, 0, end);
            expect(await codeOf(device, bio)).toBe("read-only");
          }
        }
        await flush(device);
        await checkWhole(device, contents);
        await device.close();
      });

      it("waits for what is in flight when it is closed", async () => {
        const { device: raw, contents } = await maker.make();
        const device = checked(raw);
        const outcomes: unknown[] = [];
        const buffers = Array.from({ length: 20 }, () => new Uint8Array(512 * 16));
        buffers.forEach((data, i) => {
          device.submit(readBio(i * 10, data, (error) => outcomes.push(error)));
        });
        await device.close();
        expect(outcomes).toEqual(Array(20).fill(null));
        for (const [i, data] of buffers.entries())
          expect(sameBytes(data, contents.subarray(i * 5120, i * 5120 + data.length))).toBe(true);
      });
    });
  }
});
