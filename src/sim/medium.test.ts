import { expect, it } from "vitest";
import { Prng } from "../base/prng.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { Medium } from "./medium.ts";

const SECTORS = 100;

function all(medium: Medium): Buffer {
  const bytes = Buffer.alloc(SECTORS * SECTOR_BYTES, 0xee);
  medium.read(0, bytes);
  return bytes;
}

it("holds what was written, and zeros elsewhere, across pages", () => {
  const prng = new Prng(1);
  const medium = new Medium(SECTORS);
  const model = Buffer.alloc(SECTORS * SECTOR_BYTES);
  expect(all(medium).equals(model)).toBe(true);
  for (let i = 0; i < 50; i += 1) {
    const sectors = prng.between(1, 30);
    const sector = prng.below(SECTORS - sectors + 1);
    const data = new Uint8Array(sectors * SECTOR_BYTES);
    prng.fill(data);
    medium.write(sector, data);
    model.set(data, sector * SECTOR_BYTES);
    const part = new Uint8Array(SECTOR_BYTES * 3);
    medium.read(sector, part.subarray(0, SECTOR_BYTES));
    expect(Buffer.compare(part.subarray(0, SECTOR_BYTES), data.subarray(0, SECTOR_BYTES))).toBe(0);
  }
  expect(all(medium).equals(model)).toBe(true);
});

it("becomes like another again, page by page that was written", () => {
  const durable = new Medium(SECTORS);
  const content = new Medium(SECTORS);
  const sector = new Uint8Array(SECTOR_BYTES).fill(1);
  for (const medium of [durable, content]) medium.write(3, sector);
  content.write(4, sector);
  content.write(50, sector);
  content.flipBit(3 * SECTOR_BYTES, 0);
  content.become(durable);
  expect(all(content).equals(all(durable))).toBe(true);
  durable.write(60, sector);
  content.write(60, sector);
  content.write(61, sector);
  content.become(durable);
  expect(all(content).equals(all(durable))).toBe(true);
});
