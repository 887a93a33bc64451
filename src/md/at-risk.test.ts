import { describe, expect, it } from "vitest";
import { writeSectors } from "../block/promises.ts";
import { MemoryDevice } from "../devices/memory.ts";
import { bitmapSuper } from "../formats/md/bitmap.ts";
import { arrayUuidBytes } from "../formats/md/superblock.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import { superblockOf } from "../../test/support/md-superblock.ts";
import type { MdCandidate } from "./candidate.ts";
import { explainSet } from "./explain.ts";
import type { ExplainedWay } from "./explanation.ts";

const BITMAP_SECTOR = 16;

interface BitmapContent {
  readonly bits: readonly number[];
  readonly events: number;
  readonly eventsCleared: number;
  readonly uuid?: Uint8Array;
  readonly state?: number;
}

/** A bitmap of 32 chunks of 64 KiB, which are the stripes of the array of superblockOf(). */
async function member(
  slot: number,
  changes: Partial<MdSuperblock>,
  content: BitmapContent,
): Promise<MdCandidate> {
  const superblock = superblockOf(slot, { ...changes, bitmapSector: BITMAP_SECTOR });
  const device = new MemoryDevice({ name: `d${slot}`, sectors: 8192 });
  const data = new Uint8Array(512);
  data.set(
    bitmapSuper.encode({
      ...bitmapSuper.decode(new Uint8Array(256)),
      magic: 0x6d746962,
      version: 4,
      uuid: content.uuid ?? arrayUuidBytes(superblock),
      events: BigInt(content.events),
      eventsCleared: BigInt(content.eventsCleared),
      syncSize: 4096n,
      chunksize: 65536,
      state: content.state ?? 0,
    }),
  );
  for (const bit of content.bits) data[256 + (bit >> 3)]! |= 1 << (bit & 7);
  await writeSectors(device, BITMAP_SECTOR, data);
  return { path: `d${slot}`, device, superblock };
}

async function forced(set: readonly MdCandidate[]): Promise<ExplainedWay> {
  const told = await explainSet("data", set);
  return told!.ways.find((way) => way.kind === "force")!;
}

/** Dirty, and member 3 is missing. */
async function crashed(
  contents: readonly BitmapContent[],
  resyncOffsetSectors = 0,
): Promise<ExplainedWay> {
  const set: MdCandidate[] = [];
  for (const [slot, content] of contents.entries())
    set.push(await member(slot, { resyncOffsetSectors }, content));
  return forced(set);
}

/** Members 2 and 3 are missing, member 2 has come back from event 90. */
async function returned(content: BitmapContent): Promise<ExplainedWay> {
  const own = { bits: [], events: 90, eventsCleared: 80 };
  return forced([
    await member(0, {}, content),
    await member(1, {}, content),
    await member(2, { events: 90 }, own),
  ]);
}

const fresh = { events: 100, eventsCleared: 90 };
const marks = (...bits: number[]): BitmapContent => ({ ...fresh, bits });

describe("stripes at risk", () => {
  it("of a crash are those that any fresh bitmap marks", async () => {
    const way = await crashed([marks(1, 2), marks(2, 9), marks(31)]);
    expect(way).toMatchObject({ stripesAtRisk: 4, bytesAtRisk: 4 * 65536, upperBound: false });
    expect(way.stripesToSync).toBe(4);
  });

  it("of a crash lie at or behind the resync offset", async () => {
    const way = await crashed([marks(1, 9), marks(10), marks()], 10 * 128);
    expect(way.stripesAtRisk).toBe(1);
    const within = await crashed([marks(1, 9), marks(10), marks()], 9 * 128 + 8);
    expect(within.stripesAtRisk).toBe(2);
  });

  it("are told by the bitmaps that can be believed", async () => {
    const old = { ...marks(5, 6, 7), events: 99 };
    const foreign = { ...marks(8), uuid: new Uint8Array(16).fill(7) };
    expect(await crashed([marks(1), old, foreign])).toMatchObject({
      stripesAtRisk: 1,
      upperBound: false,
    });
  });

  it("are all when no bitmap can be believed", async () => {
    const stale = { ...marks(1), state: 2 };
    const old = { ...marks(5), events: 99 };
    expect(await crashed([stale, old, old])).toMatchObject({
      stripesAtRisk: 32,
      upperBound: true,
    });
  });

  it("of a member taken back are those that the others' bitmaps mark", async () => {
    expect(await returned(marks(3, 4))).toMatchObject({
      stripesAtRisk: 2,
      // Its own block, and that of the member still missing.
      bytesAtRisk: 2 * 2 * 65536,
      upperBound: false,
      stripesToSync: 0,
    });
  });

  it("of a member taken back are all when bits were cleared after it left", async () => {
    expect(await returned({ ...marks(3, 4), eventsCleared: 91 })).toMatchObject({
      stripesAtRisk: 32,
      upperBound: true,
    });
  });
});
