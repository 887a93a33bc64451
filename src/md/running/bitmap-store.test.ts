import { describe, expect, test } from "vitest";
import { settled } from "../../../test/support/crash-disks.ts";
import { VirtualTime } from "../../../test/support/virtual-time.ts";
import { superblockOf } from "../../../test/support/md-superblock.ts";
import type { HoldfastError } from "../../base/errors.ts";
import type { Bio } from "../../block/bio.ts";
import { readSectors, writeSectors } from "../../block/promises.ts";
import { FaultyDevice } from "../../devices/faulty.ts";
import { MemoryDevice } from "../../devices/memory.ts";
import { BITMAP_STATE, bitmapSuper, decodeBitmap } from "../../formats/md/bitmap.ts";
import type { BitmapSuper, MdBitmap } from "../../formats/md/bitmap.ts";
import { dirtyRanges } from "../../formats/md/bitmap-runs.ts";
import { arrayUuidBytes } from "../../formats/md/superblock.ts";
import { BadBlockTable } from "./bad-block-table.ts";
import { loadBitmap } from "./bitmap-load.ts";
import type { BitmapStart, RunningBitmap } from "./bitmap-load.ts";
import { Member } from "./member.ts";
import { Members } from "./members.ts";

const EVENTS = 100;
const CHUNK_SECTORS = 128;
/** Bits that fill page 0 and page 1, and reach into page 2. */
const CHUNKS = 2 * 32768 + 5;
const PLACES = [16, 64];

/** A memory device that notes its writes and flushes. */
class NotedDevice extends FaultyDevice {
  readonly #notes: string[];
  readonly #label: string;

  constructor(label: string, notes: string[]) {
    super(new MemoryDevice({ name: label, sectors: 4096 }));
    this.#label = label;
    this.#notes = notes;
  }

  override submit(bio: Bio): void {
    if (bio.op !== "read")
      this.#notes.push(`${this.#label} ${bio.op} ${bio.sector}+${bio.sectors}`);
    super.submit(bio);
  }
}

interface Setup {
  readonly notes: string[];
  readonly devices: readonly NotedDevice[];
  readonly members: Members;
  readonly timers: VirtualTime;
  readonly failed: string[];
  /** Failures are recorded when `recorded` is called. */
  holdRecords: boolean;
  readonly recorded: (() => void)[];
  start(resyncOffsetSectors: number, events?: number): Promise<RunningBitmap>;
}

/** Two members whose bitmaps lie at different places, with these bytes of bits. */
async function setUp(
  changes: Partial<BitmapSuper> = {},
  bits: readonly number[] = [],
): Promise<Setup> {
  const notes: string[] = [];
  const failed: string[] = [];
  const timers = new VirtualTime();
  const devices = PLACES.map((_, slot) => new NotedDevice(`disk${slot}`, notes));
  const members = new Members(
    2,
    devices.map((device, slot) => {
      const superblock = superblockOf(slot, { bitmapSector: PLACES[slot]! });
      const badBlocks = new BadBlockTable(null, []);
      const standing = { kind: "in-sync", slot } as const;
      const image = new Uint8Array(4096);
      return new Member({ label: device.name, device, superblock, image, standing, badBlocks });
    }),
  );
  for (const [slot, device] of devices.entries())
    await writeSectors(device, PLACES[slot]!, imageOf(changes, bits));
  notes.length = 0;
  const memberFailed: BitmapStart["memberFailed"] = (member, error, recorded) => {
    failed.push(`${member.label}: ${error.code}`);
    if (members.degraded > 0) recorded(error);
    else {
      member.standing = { kind: "faulty" };
      if (setup.holdRecords) setup.recorded.push(() => recorded(null));
      else recorded(null);
    }
  };
  const start = async (resyncOffsetSectors: number, events = EVENTS): Promise<RunningBitmap> => {
    const record = { events, resyncOffsetSectors };
    const bitmap = await loadBitmap({
      name: "nas",
      members,
      record,
      timers,
      memberFailed,
      whenRecorded: (recorded) => {
        if (setup.recorded.length > 0) setup.recorded.push(() => recorded(null));
        else recorded(null);
      },
      syncUsers: null,
    });
    return bitmap!;
  };
  const setup: Setup = {
    notes,
    devices,
    members,
    timers,
    failed,
    holdRecords: false,
    recorded: [],
    start,
  };
  return setup;
}

function imageOf(changes: Partial<BitmapSuper>, bits: readonly number[]): Uint8Array {
  const image = new Uint8Array(4096 * 2 + 1024);
  bitmapSuper.encodeInto(image, 0, {
    magic: 0x6d746962,
    version: 4,
    uuid: arrayUuidBytes(superblockOf(0)),
    events: BigInt(EVENTS),
    eventsCleared: 90n,
    syncSize: BigInt(CHUNKS * CHUNK_SECTORS),
    state: 0,
    chunksize: CHUNK_SECTORS * 512,
    daemonSleep: 5,
    writeBehind: 7,
    sectorsReserved: 0,
    nodes: 0,
    clusterName: "",
    pad: new Uint8Array(120).fill(0x5a),
    ...changes,
  });
  image.set(bits, 256);
  return image;
}

async function onDisk(
  { devices }: Setup,
  slot: number,
): Promise<{ bitmap: MdBitmap; dirty: number[] }> {
  const data = await readSectors(devices[slot]!, PLACES[slot]!, 18);
  const decoded = decodeBitmap(data);
  if (decoded.kind !== "ok") throw new Error("a bitmap");
  const dirty: number[] = [];
  const read = (offset: number, length: number): Promise<Uint8Array> =>
    Promise.resolve(data.subarray(offset, offset + length));
  for await (const { sector, sectors } of dirtyRanges(decoded.bitmap, read))
    for (let at = 0; at < sectors; at += CHUNK_SECTORS) dirty.push((sector + at) / CHUNK_SECTORS);
  return { bitmap: decoded.bitmap, dirty };
}

async function write({ tracker }: RunningBitmap, chunk: number): Promise<HoldfastError | null> {
  const sector = chunk * CHUNK_SECTORS;
  const error = await new Promise<HoldfastError | null>((resolve) =>
    tracker.beginWrite(sector, 8, resolve),
  );
  if (error === null) tracker.endWrite(sector, 8, true);
  return error;
}

async function periods({ timers }: Setup, count: number): Promise<void> {
  for (let time = 0; time < count; time += 1) {
    timers.next();
    await settled();
    await settled();
  }
}

describe("the bitmap on members", () => {
  test("has the bit on every member, at its own place, before a write begins; the last page is as long as it must be", async () => {
    const setup = await setUp();
    const bitmap = await setup.start(Infinity);
    expect(await write(bitmap, 0)).toBeNull();
    expect(await write(bitmap, CHUNKS - 1)).toBeNull();
    expect(setup.notes).toEqual([
      "disk0 write 16+8",
      "disk1 write 64+8",
      "disk0 write 32+1",
      "disk1 write 80+1",
    ]);
    for (const slot of [0, 1]) expect((await onDisk(setup, slot)).dirty).toEqual([0, CHUNKS - 1]);
    // What has no name here is kept.
    expect((await readSectors(setup.devices[1]!, PLACES[1]!, 1))[200]).toBe(0x5a);
  });

  test("flushes, then says which age its bits are for, then clears them", async () => {
    const setup = await setUp();
    const bitmap = await setup.start(Infinity);
    await write(bitmap, 40_000);
    setup.notes.length = 0;
    await periods(setup, 3);
    expect(setup.notes).toEqual([
      "disk0 flush 0+0",
      "disk1 flush 0+0",
      "disk0 write 16+8",
      "disk1 write 64+8",
      "disk0 write 24+8",
      "disk1 write 72+8",
    ]);
    const { bitmap: found, dirty } = await onDisk(setup, 1);
    expect(found.eventsCleared).toBe(EVENTS);
    expect(dirty).toEqual([]);
  });

  test("clears nothing when a member cannot be flushed", async () => {
    const setup = await setUp();
    const bitmap = await setup.start(Infinity);
    await write(bitmap, 3);
    setup.devices[1]!.failFlushes();
    await periods(setup, 5);
    expect(setup.failed).toEqual(["disk1: io"]);
    expect((await onDisk(setup, 0)).dirty).toEqual([3]);
    expect((await onDisk(setup, 0)).bitmap.eventsCleared).toBe(90);
  });

  test("outlives members none of which can be flushed", async () => {
    const setup = await setUp();
    const bitmap = await setup.start(Infinity);
    await write(bitmap, 3);
    for (const device of setup.devices) device.failFlushes();
    await periods(setup, 5);
    expect(setup.failed).toEqual(["disk0: io", "disk1: io"]);
    expect((await onDisk(setup, 1)).dirty).toEqual([3]);
    expect(setup.timers.pending).toBe(1);
  });

  test("flushes behind several pages", async () => {
    const setup = await setUp();
    const { tracker } = await setup.start(Infinity);
    tracker.beginWrite(0, 8, () => setup.notes.push("begun"));
    tracker.beginWrite(40_000 * CHUNK_SECTORS, 8, () => {});
    for (let turn = 0; turn < 3; turn += 1) await settled();
    const flushed = setup.notes.flatMap((note, index) => (note.includes("flush") ? [index] : []));
    expect(flushed).toHaveLength(2);
    expect(setup.notes.findLastIndex((note) => note.includes("write"))).toBeLessThan(flushed[1]!);
    expect(setup.notes.at(-1)).toBe("begun");
  });

  test("a member that cannot be written is reported, and the write begins when that is recorded", async () => {
    const setup = await setUp();
    const bitmap = await setup.start(Infinity);
    setup.devices[0]!.vanish();
    expect(await write(bitmap, 3)).toBeNull();
    expect(setup.failed).toEqual(["disk0: io"]);
    expect((await onDisk(setup, 1)).dirty).toEqual([3]);
    setup.devices[1]!.vanish();
    expect((await write(bitmap, 9))?.code).toBe("io");
  });

  test("its events are never behind those of the array's superblocks", async () => {
    const setup = await setUp();
    const { store } = await setup.start(Infinity);
    expect(await store.writeSuperblock(EVENTS + 1)).toEqual([]);
    expect((await onDisk(setup, 0)).bitmap.events).toBe(EVENTS + 1);
    await store.writeSuperblock(EVENTS);
    expect((await onDisk(setup, 1)).bitmap.events).toBe(EVENTS + 1);
    await store.writeSuperblock(EVENTS + 1);
    await store.writeSuperblock(EVENTS + 2);
    expect((await onDisk(setup, 1)).bitmap.events).toBe(EVENTS + 2);
  });

  test("its superblock is written with the bits that stand beside it", async () => {
    const setup = await setUp({}, [0b100]);
    const bitmap = await setup.start(Infinity);
    await bitmap.store.writeSuperblock(EVENTS + 1);
    expect((await onDisk(setup, 0)).dirty).toEqual([2]);
    await write(bitmap, 9);
    await bitmap.store.writeSuperblock(EVENTS + 2);
    expect((await onDisk(setup, 1)).dirty).toEqual([2, 9]);
  });

  test("whoever waits for a bit waits until it is recorded which member failed", async () => {
    const setup = await setUp();
    const bitmap = await setup.start(Infinity);
    setup.holdRecords = true;
    setup.devices[0]!.vanish();
    let hasBegun = false;
    bitmap.tracker.beginWrite(0, 8, () => (hasBegun = true));
    await settled();
    expect([setup.failed, hasBegun]).toEqual([["disk0: io"], false]);
    // Recording writes the bitmap's superblock on those that are left.
    expect(await bitmap.store.writeSuperblock(EVENTS + 1)).toEqual([]);
    setup.recorded.shift()!();
    await settled();
    expect(hasBegun).toBe(true);
  });

  test.each(["before the bit is written", "while it is written"])(
    "and also where somebody else found that out, %s",
    async (when) => {
      const setup = await setUp();
      const bitmap = await setup.start(Infinity);
      const [first] = setup.members.attached;
      const fails = (): void => {
        first!.standing = { kind: "faulty" };
        setup.devices[0]!.vanish();
        setup.recorded.push(() => {});
      };
      let hasBegun = false;
      if (when.startsWith("before")) fails();
      bitmap.tracker.beginWrite(0, 8, () => (hasBegun = true));
      if (!when.startsWith("before")) fails();
      await settled();
      expect([setup.failed, hasBegun]).toEqual([[], false]);
      for (const recorded of setup.recorded) recorded();
      await settled();
      expect(hasBegun).toBe(true);
    },
  );
});

describe("loading a bitmap", () => {
  const range = (chunk: number, chunks: number): { sector: number; sectors: number } => ({
    sector: chunk * CHUNK_SECTORS,
    sectors: chunks * CHUNK_SECTORS,
  });

  test("after a crash what is set needs sync, and all members get the same bits before anything else", async () => {
    const setup = await setUp({}, [0b1001_0000]);
    await writeSectors(setup.devices[1]!, PLACES[1]!, imageOf({}, [0b0001_0010]));
    const bitmap = await setup.start(0);
    setup.notes.length = 0;
    expect([...bitmap.tracker.dirtyRuns()]).toEqual([
      { ...range(4, 1), state: "needs-sync" },
      { ...range(7, 1), state: "needs-sync" },
    ]);
    await bitmap.begin();
    expect((await onDisk(setup, 1)).dirty).toEqual([4, 7]);
    expect(setup.notes.at(-1)).toBe("disk1 write 64+8");
  });

  test("a bit that only one member has is written again before the first write to its chunk", async () => {
    const setup = await setUp({}, [0b1000]);
    await writeSectors(setup.devices[1]!, PLACES[1]!, imageOf({}, [0]));
    const bitmap = await setup.start(Infinity);
    await write(bitmap, 3);
    expect((await onDisk(setup, 1)).dirty).toEqual([3]);
  });

  test("after a clean stop it only cools off", async () => {
    const setup = await setUp({}, [0xff]);
    const bitmap = await setup.start(Infinity);
    await bitmap.begin();
    expect(setup.notes).toEqual([]);
    expect([...bitmap.tracker.dirtyRuns()]).toEqual([{ ...range(0, 8), state: "dirty" }]);
    await periods(setup, 3);
    expect((await onDisk(setup, 0)).dirty).toEqual([]);
  });

  test("below where the superblocks call it in sync, too", async () => {
    const setup = await setUp({}, [0xff]);
    const { tracker } = await setup.start(3 * CHUNK_SECTORS);
    expect([...tracker.dirtyRuns()]).toEqual([
      { ...range(0, 3), state: "dirty" },
      { ...range(3, 5), state: "needs-sync" },
    ]);
  });

  test("unless a member is missing that could come back", async () => {
    const setup = await setUp({}, [0xff]);
    setup.members.attached[1]!.standing = { kind: "faulty" };
    const { tracker } = await setup.start(Infinity);
    expect([...tracker.dirtyRuns()]).toEqual([{ ...range(0, 8), state: "needs-sync" }]);
  });

  test.each([
    ["is behind the array", {}, EVENTS + 1],
    ["is marked stale", { state: BITMAP_STATE.stale }, EVENTS],
  ])(
    "one that %s makes all dirty, and becomes valid when all of it was written",
    async (_, changes, events) => {
      const setup = await setUp(changes, [0]);
      const bitmap = await setup.start(0, events);
      expect([...bitmap.tracker.dirtyRuns()]).toEqual([
        { ...range(0, CHUNKS), state: "needs-sync" },
      ]);
      // Superblocks of the array may be written meanwhile; the bitmap stays behind them.
      await bitmap.store.writeSuperblock(events + 1);
      expect(setup.notes).toEqual([]);
      await bitmap.begin();
      expect(setup.notes).toEqual([
        "disk0 write 24+9",
        "disk1 write 72+9",
        "disk0 write 16+8",
        "disk1 write 64+8",
      ]);
      const { bitmap: found, dirty } = await onDisk(setup, 1);
      expect(dirty).toHaveLength(CHUNKS);
      expect([found.events, found.eventsCleared, found.untrustworthy]).toEqual([
        events + 1,
        events,
        false,
      ]);
    },
  );

  test("refuses what is not its own", async () => {
    const other = await setUp({ uuid: new Uint8Array(16) });
    await expect(other.start(0)).rejects.toThrow("disk0: its bitmap is that of another array.");
    const lockless = await setUp({ version: 6, chunksize: CHUNK_SECTORS, syncSize: 1000n });
    await expect(lockless.start(0)).rejects.toThrow("a lockless one");
  });
});
