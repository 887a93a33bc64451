/**
 * Lives of whole arrays, over all levels: clients read, write and flush, members fail, hang, come back and are replaced, sectors go bad, passes and
 * states come and go, and at any moment the power is cut, up to three times. What was promised is there: every acknowledged flush and
 * FUA write (law 8), no copy of a disk that had failed (law 3), copies and parity alike when background sync is done (laws 1 and 2).
 * When faults are over the array comes to rest, and stops (law 4).
 *
 * `HOLDFAST_LIFE=N` is the first life, `HOLDFAST_LIVES=N` asks for more lives of each shape.
 */
import { describe, expect, it } from "vitest";
import type { LifeShape } from "../../../test/support/array-life.ts";
import { liveOnce } from "../../../test/support/life-once.ts";

/** The same lives on every commit: what other seeds find is looked for on purpose, and pinned here when it is mended. */
const SEED = Number(process.env["HOLDFAST_LIFE"] ?? 7000);
const LIVES = Number(process.env["HOLDFAST_LIVES"] ?? 12);

const SHAPES: readonly LifeShape[] = [
  { name: "raid1 of 2", disks: 2, bearable: 1, request: { level: "raid1", chunkSectors: null } },
  { name: "raid1 of 3", disks: 3, bearable: 2, request: { level: "raid1", chunkSectors: null } },
  { name: "raid10 n2 of 4", disks: 4, bearable: 1, request: { level: "raid10", layout: 0x102 } },
  { name: "raid10 f2 of 3", disks: 3, bearable: 1, request: { level: "raid10", layout: 0x201 } },
  { name: "raid4 of 3", disks: 3, bearable: 1, request: { level: "raid4" } },
  { name: "raid5 of 4", disks: 4, bearable: 1, request: { level: "raid5" } },
  { name: "raid6 of 5", disks: 5, bearable: 2, request: { level: "raid6" } },
  {
    name: "raid5 of 4 with PPL",
    disks: 4,
    bearable: 1,
    request: { level: "raid5", consistencyPolicy: "ppl" },
    dataOffset: 2560,
  },
  {
    name: "raid5 of 3 with a journal",
    disks: 3,
    bearable: 1,
    request: { level: "raid5", consistencyPolicy: "journal" },
  },
];

describe(`arrays that lose power (seed ${SEED})`, () => {
  it.each(SHAPES.map((shape) => [shape.name, shape] as const))("%s", async (_name, shape) => {
    for (let life = 0; life < LIVES; life += 1)
      expect(await liveOnce(shape, SEED + life)).toBeNull();
  });

  const named = (name: string): LifeShape => SHAPES.find((shape) => shape.name === name)!;

  it.each([
    // What a resync could not read was not compared either.
    ["raid10 f2 of 3", 1033],
    // Two disks with one device number were filled, and took each other's place.
    ["raid6 of 5", 77],
    ["raid6 of 5", 137],
    // A read went on without a member that was filled by then.
    ["raid5 of 4 with PPL", 89],
    // A lone member and its replacement, both good, were not synced after a crash.
    ["raid1 of 2", 207],
    // The journal's superblock named a block that was still in the journal's cache.
    ["raid5 of 3 with a journal", 1032],
    // Two changes of state at a time settled the journal twice, and its ring counted room that it had not.
    ["raid5 of 3 with a journal", 817_153_009],
  ] as const)("%s, life %i", async (name, life) => {
    expect(await liveOnce(named(name), life)).toBeNull();
  });
});
