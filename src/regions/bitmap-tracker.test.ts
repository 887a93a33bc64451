import { describe, expect, test } from "vitest";
import { settled } from "../../test/support/crash-disks.ts";
import { VirtualTime } from "../../test/support/virtual-time.ts";
import { HoldfastError } from "../base/errors.ts";
import { pooledObjectsMade } from "../block/pool.ts";
import type { BitmapStore } from "./bitmap-store.ts";
import { BitmapTracker } from "./bitmap-tracker.ts";

const PERIOD_MS = 5000;

/** Notes what it is asked for; everything succeeds at once unless `answer` says otherwise. */
class NotedStore implements BitmapStore {
  readonly sectors: number;
  readonly chunkSectors = 128;
  readonly chunks: number;
  readonly pageBits = 32768;
  readonly headBits = 2048;
  readonly notes: string[] = [];
  answer: () => Promise<void> = () => Promise.resolve();

  constructor(chunks: number) {
    this.chunks = chunks;
    this.sectors = chunks * this.chunkSectors;
  }

  writePages(pages: readonly number[]): Promise<void> {
    this.notes.push(`pages ${pages.join(" ")}`);
    return this.answer();
  }

  writeAll(): Promise<void> {
    this.notes.push("all pages");
    return this.answer();
  }

  flushData(): Promise<boolean> {
    this.notes.push("flush");
    return Promise.resolve(true);
  }

  clearing(): void {
    this.notes.push("clearing");
  }
}

interface Setup {
  readonly store: NotedStore;
  readonly timers: VirtualTime;
  readonly tracker: BitmapTracker;
  isWhole: boolean;
}

function setUp(chunks = 100_000, syncUsers: (() => Promise<boolean>) | null = null): Setup {
  const store = new NotedStore(chunks);
  const timers = new VirtualTime();
  const isWhole = (): boolean => setup.isWhole;
  const tracker = new BitmapTracker({ store, timers, periodMs: PERIOD_MS, isWhole, syncUsers });
  const setup: Setup = { store, timers, tracker, isWhole: true };
  return setup;
}

async function write(tracker: BitmapTracker, sector: number, isEverywhere = true): Promise<void> {
  await new Promise<void>((resolve) => tracker.beginWrite(sector, 8, () => resolve()));
  tracker.endWrite(sector, 8, isEverywhere);
}

async function period({ timers }: Setup): Promise<void> {
  timers.next();
  await settled();
}

describe("BitmapTracker", () => {
  test("writes that begin together share one write of each page", async () => {
    const { store, tracker } = setUp();
    let begun = 0;
    const count = (error: HoldfastError | null): void => {
      expect(error).toBeNull();
      begun += 1;
    };
    for (let chunk = 0; chunk < 50; chunk += 1) tracker.beginWrite(chunk * 128, 8, count);
    tracker.beginWrite(40_000 * 128, 8, count);
    expect(begun).toBe(0);
    await settled();
    expect(begun).toBe(51);
    expect(store.notes).toEqual(["pages 0 1"]);
  });

  test("what comes while a page is being written is in the next write, and waits for it", async () => {
    const { store, tracker } = setUp();
    const release: (() => void)[] = [];
    store.answer = () => new Promise((resolve) => release.push(resolve));
    const begun: string[] = [];
    tracker.beginWrite(0, 8, () => begun.push("first"));
    await settled();
    tracker.beginWrite(0, 8, () => begun.push("same chunk"));
    tracker.beginWrite(128, 8, () => begun.push("next chunk"));
    await settled();
    expect(begun).toEqual([]);
    release.shift()!();
    await settled();
    expect(begun).toEqual(["first"]);
    release.shift()!();
    await settled();
    expect(begun).toEqual(["first", "same chunk", "next chunk"]);
    expect(store.notes).toEqual(["pages 0", "pages 0"]);
  });

  test("a write to a chunk that is dirty begins at once, and nothing is made for it", async () => {
    const { store, tracker } = setUp();
    await write(tracker, 0);
    const before = pooledObjectsMade();
    let begun = 0;
    const count = (): void => {
      begun += 1;
    };
    for (let time = 0; time < 100; time += 1) {
      tracker.beginWrite(time % 100, 8, count);
      expect(begun).toBe(time + 1);
      tracker.endWrite(time % 100, 8, true);
    }
    expect(pooledObjectsMade()).toBe(before);
    expect(store.notes).toEqual(["pages 0"]);
  });

  test("a write over many chunks waits for all of its pages", async () => {
    const { store, tracker } = setUp();
    let begun = 0;
    tracker.beginWrite(30_000 * 128, 2000 * 128, () => (begun += 1));
    await settled();
    expect(begun).toBe(1);
    expect(store.notes).toEqual(["pages 0 1"]);
    expect([...tracker.dirtyRuns()]).toEqual([
      { sector: 30_000 * 128, sectors: 2000 * 128, state: "dirty" },
    ]);
  });

  test("a chunk is cleared after two quiet periods, when its data was flushed", async () => {
    const setup = setUp();
    const { store, tracker, timers } = setup;
    await write(tracker, 0);
    const ended = timers.monotonicMs();
    await period(setup);
    await period(setup);
    expect(store.notes).toEqual(["pages 0"]);
    await period(setup);
    expect(store.notes).toEqual(["pages 0", "flush", "clearing", "pages 0"]);
    expect(timers.monotonicMs() - ended).toBeGreaterThan(2 * PERIOD_MS);
    expect(tracker.pages.used).toBe(0);
    // An idle device has no timer.
    expect(timers.pending).toBe(0);
  });

  test("each chunk of a page has its own two periods", async () => {
    const setup = setUp();
    const { tracker } = setup;
    await write(tracker, 0);
    await period(setup);
    await write(tracker, 128);
    await period(setup);
    await period(setup);
    expect([...tracker.dirtyRuns()]).toEqual([{ sector: 128, sectors: 128, state: "dirty" }]);
  });

  test("users who cannot be synced keep their chunks dirty, and are asked again", async () => {
    let asked = 0;
    const setup = setUp(1000, () => {
      asked += 1;
      return asked === 1 ? Promise.reject(new HoldfastError("io", "No.")) : Promise.resolve(true);
    });
    await write(setup.tracker, 0);
    for (let time = 0; time < 3; time += 1) await period(setup);
    expect([...setup.tracker.dirtyRuns()]).toHaveLength(1);
    await period(setup);
    expect([...setup.tracker.dirtyRuns()]).toEqual([]);
  });

  test("a write keeps its chunk from cooling, however long it takes", async () => {
    const setup = setUp();
    const { store, tracker } = setup;
    await write(tracker, 0);
    tracker.beginWrite(0, 8, () => {});
    for (let time = 0; time < 6; time += 1) await period(setup);
    tracker.endWrite(0, 8, true);
    await period(setup);
    await period(setup);
    expect(store.notes).toEqual(["pages 0"]);
  });

  test("while a copy is missing nothing is cleared; when it is back, what is dirty needs sync", async () => {
    const setup = setUp();
    const { store, tracker } = setup;
    await write(tracker, 0);
    setup.isWhole = false;
    await write(tracker, 128, false);
    for (let time = 0; time < 6; time += 1) await period(setup);
    expect(store.notes).toEqual(["pages 0", "pages 0"]);
    expect([...tracker.dirtyRuns()].map(({ state }) => state)).toEqual(["dirty", "needs-sync"]);
    setup.isWhole = true;
    tracker.copyReturned();
    expect([...tracker.dirtyRuns()]).toEqual([{ sector: 0, sectors: 256, state: "needs-sync" }]);
    expect(tracker.beginSync(0, 1000, true)).toBe(256);
    tracker.endSync(0, 256, true);
    expect(tracker.needsSync).toBe(false);
    for (let time = 0; time < 6; time += 1) await period(setup);
    expect([...tracker.dirtyRuns()]).toEqual([]);
  });

  test("stopping clears at once what is quiet, and leaves what needs sync", async () => {
    const { store, tracker, timers } = setUp();
    await write(tracker, 0);
    await write(tracker, 128, false);
    await tracker.settle();
    expect(store.notes.slice(1)).toEqual(["pages 0", "flush", "clearing", "pages 0"]);
    expect([...tracker.dirtyRuns()]).toEqual([{ sector: 128, sectors: 128, state: "needs-sync" }]);
    expect(timers.pending).toBe(0);
  });

  test("a bit that cannot be written is an error, and nothing has begun", async () => {
    const { store, tracker } = setUp();
    store.answer = () => Promise.reject(new HoldfastError("io", "No member is left."));
    const errors: string[] = [];
    tracker.beginWrite(0, 8, (error) => errors.push(error?.message ?? "none"));
    await settled();
    expect(errors).toEqual(["No member is left."]);
    store.answer = () => Promise.resolve();
    await write(tracker, 0);
    expect(store.notes).toEqual(["pages 0", "pages 0"]);
  });

  test("users who may change buffers are asked before a candidate is cleared, and what they write stays dirty", async () => {
    let asked = 0;
    let tracker: BitmapTracker | null = null;
    const setup = setUp(1000, async () => {
      asked += 1;
      if (asked === 1) await write(tracker!, 0);
      return true;
    });
    ({ tracker } = setup);
    await write(tracker, 0);
    for (let time = 0; time < 3; time += 1) await period(setup);
    expect(asked).toBe(1);
    expect([...tracker.dirtyRuns()]).toHaveLength(1);
    for (let time = 0; time < 3; time += 1) await period(setup);
    expect(asked).toBe(2);
    expect([...tracker.dirtyRuns()]).toEqual([]);
  });
});

describe("background sync", () => {
  test("gets runs that are alike or to be synced, and a chunk is synced when all of it was in one pass", () => {
    const { tracker } = setUp();
    tracker.load(10, 2, true);
    expect(tracker.beginSync(0, 100_000, true)).toBe(-1280);
    expect(tracker.beginSync(1280, 100, true)).toBe(100);
    expect(tracker.beginSync(1380, 1000, true)).toBe(156);
    tracker.endSync(1380, 156, true);
    tracker.endSync(1280, 20, true);
    tracker.closeSync();
    // 80 sectors of the first chunk were never reported as done.
    expect(tracker.beginSync(1280, 1000, true)).toBe(128);
    tracker.endSync(1280, 128, true);
    expect(tracker.needsSync).toBe(false);
  });

  test("does not count what an earlier pass did of a chunk", () => {
    const { tracker } = setUp();
    tracker.load(0, 1, true);
    expect(tracker.beginSync(0, 64, true)).toBe(64);
    tracker.endSync(0, 64, true);
    tracker.closeSync();
    expect(tracker.beginSync(64, 64, true)).toBe(64);
    tracker.endSync(64, 64, true);
    expect(tracker.needsSync).toBe(true);
  });

  test("does not clean what was written in part meanwhile, nor anything while a copy is missing", () => {
    const { tracker } = setUp();
    tracker.load(0, 1, true);
    expect(tracker.beginSync(0, 128, true)).toBe(128);
    tracker.beginWrite(0, 8, () => {});
    tracker.endWrite(0, 8, false);
    tracker.endSync(0, 128, true);
    expect(tracker.needsSync).toBe(true);
    expect(tracker.beginSync(0, 128, false)).toBe(128);
    tracker.endSync(0, 128, true);
    expect(tracker.needsSync).toBe(true);
  });
});

describe("memory", () => {
  test("a huge device costs what is dirty in it, and nothing when it is clean again", async () => {
    // 64 TiB in chunks of 64 KiB.
    const setup = setUp(2 ** 30);
    const { tracker } = setup;
    for (let at = 0; at < 100; at += 1) await write(tracker, at * 2 ** 30 + 5);
    expect(tracker.pages.used).toBe(100);
    expect(tracker.pages.bytes).toBeLessThan(1 << 20);
    for (let time = 0; time < 3; time += 1) await period(setup);
    expect(tracker.pages.used).toBe(0);
    expect(tracker.pages.bytes).toBeLessThan(1 << 18);
  });

  test("all of it may need sync, or cool, without costing more", async () => {
    const setup = setUp(2 ** 24);
    const { tracker } = setup;
    tracker.load(0, 2 ** 24, true);
    expect(tracker.pages.bytes).toBeLessThan(1 << 15);
    expect(tracker.beginSync(0, 128, true)).toBe(128);
    tracker.endSync(0, 128, true);
    expect(tracker.pages.bytes).toBeLessThan(1 << 15);
    const cooling = setUp(2 ** 24);
    cooling.tracker.load(0, 2 ** 24, false);
    for (let time = 0; time < 3; time += 1) await period(cooling);
    expect(cooling.tracker.pages.used).toBe(0);
  });
});
