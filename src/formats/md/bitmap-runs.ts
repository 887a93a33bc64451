/**
 * Reading a bitmap's bits page by page, as runs of chunks in one state: a bitmap may be gigabytes long, and is
 * mostly one run. Chunks the bitmap's end is missing for (a file cut short) count as dirty, as mdadm does it.
 */
import type { SectorRange } from "../../base/units.ts";
import type { MdBitmap } from "./bitmap.ts";

/** Reads bytes of the bitmap, offset from its start; may give fewer at the end of a file. */
export type BitmapReader = (offset: number, length: number) => Promise<Uint8Array>;

export type BitmapChunkState =
  /** Copies or parity agree. */
  | "clean"
  /** Was being written; may not agree. The only other state of majors 3 to 5. */
  | "dirty"
  /** Major 6: known to disagree, or parity never built. */
  | "need-sync"
  /** Major 6: being synced when the array stopped. */
  | "syncing"
  /** Major 6: never written: no data, copies and parity arbitrary. */
  | "unwritten"
  /** Major 6: as unwritten, but parity was asked to be built, is being built, or is built. */
  | "need-sync-unwritten"
  | "syncing-unwritten"
  | "clean-unwritten";

export interface BitmapRun {
  readonly chunk: number;
  readonly chunks: number;
  readonly state: BitmapChunkState;
}

/** By the number on disk (enum llbitmap_state in md-llbitmap.c). */
const LOCKLESS_STATES: readonly BitmapChunkState[] = [
  "unwritten",
  "clean",
  "dirty",
  "need-sync",
  "syncing",
  "need-sync-unwritten",
  "syncing-unwritten",
  "clean-unwritten",
];

const PAGE_BYTES = 65536;

/** The kernel takes unknown states for need-sync. */
function locklessState(byte: number): BitmapChunkState {
  return LOCKLESS_STATES[byte] ?? "need-sync";
}

/** Must the chunk be synced before its copies or parity can be relied on? */
export function needsSync(state: BitmapChunkState): boolean {
  return state === "dirty" || state === "need-sync" || state === "syncing";
}

/** Cuts one page into runs; the caller joins runs across pages. */
function* runsOfBits(page: Uint8Array, first: number, chunks: number): Generator<BitmapRun> {
  let start = 0;
  let wasSet = (page[0]! & 1) !== 0;
  let at = 0;
  while (at < chunks) {
    const byte = page[at >> 3]!;
    // Whole bytes of the running state go eight at a time.
    if ((at & 7) === 0 && byte === (wasSet ? 0xff : 0)) {
      at += 8;
      continue;
    }
    const set = (byte & (1 << (at & 7))) !== 0;
    if (set !== wasSet) {
      yield { chunk: first + start, chunks: at - start, state: wasSet ? "dirty" : "clean" };
      start = at;
      wasSet = set;
    }
    at += 1;
  }
  yield { chunk: first + start, chunks: chunks - start, state: wasSet ? "dirty" : "clean" };
}

function* runsOfBytes(page: Uint8Array, first: number, chunks: number): Generator<BitmapRun> {
  let start = 0;
  for (let at = 1; at <= chunks; at += 1) {
    if (at < chunks && page[at] === page[start]) continue;
    yield { chunk: first + start, chunks: at - start, state: locklessState(page[start]!) };
    start = at;
  }
}

async function* rawRuns(bitmap: MdBitmap, read: BitmapReader): AsyncGenerator<BitmapRun> {
  const perByte = bitmap.major === 6 ? 1 : 8;
  for (let at = 0; at < bitmap.dataBytes; at += PAGE_BYTES) {
    const first = at * perByte;
    const wanted = Math.min(PAGE_BYTES, bitmap.dataBytes - at);
    const page = await read(bitmap.dataOffset + at, wanted);
    const chunks = Math.min(page.length * perByte, bitmap.chunks - first);
    if (chunks > 0)
      yield* perByte === 1 ? runsOfBytes(page, first, chunks) : runsOfBits(page, first, chunks);
    if (page.length < wanted) {
      const missing = first + chunks;
      yield { chunk: missing, chunks: bitmap.chunks - missing, state: "dirty" };
      return;
    }
  }
}

/** All chunks in order, as runs without gaps, neighbours of different state. Ignores `untrustworthy`. */
export async function* bitmapRuns(bitmap: MdBitmap, read: BitmapReader): AsyncGenerator<BitmapRun> {
  let open: BitmapRun | null = null;
  for await (const run of rawRuns(bitmap, read)) {
    if (run.chunks === 0) continue;
    if (open === null) {
      open = run;
    } else if (open.state === run.state) {
      open = { chunk: open.chunk, chunks: open.chunks + run.chunks, state: run.state };
    } else {
      yield open;
      open = run;
    }
  }
  if (open !== null) yield open;
}

/**
 * What must be synced, in sectors of the sync range (MdBitmap.syncSectors), in order. All of it when the bitmap is not
 * to be trusted.
 */
export async function* dirtyRanges(
  bitmap: MdBitmap,
  read: BitmapReader,
): AsyncGenerator<SectorRange> {
  if (bitmap.untrustworthy) {
    yield { sector: 0, sectors: bitmap.syncSectors };
    return;
  }
  let open: SectorRange | null = null;
  for await (const run of bitmapRuns(bitmap, read)) {
    if (!needsSync(run.state)) continue;
    const sector = run.chunk * bitmap.chunkSectors;
    const end = Math.min((run.chunk + run.chunks) * bitmap.chunkSectors, bitmap.syncSectors);
    if (open !== null && open.sector + open.sectors === sector) {
      open = { sector: open.sector, sectors: end - open.sector };
    } else {
      if (open !== null) yield open;
      open = { sector, sectors: end - sector };
    }
  }
  if (open !== null) yield open;
}

/** Number of chunks to be synced, as `mdadm -X` counts dirty bits. */
export async function countDirty(bitmap: MdBitmap, read: BitmapReader): Promise<number> {
  let dirty = 0;
  for await (const run of bitmapRuns(bitmap, read)) if (needsSync(run.state)) dirty += run.chunks;
  return dirty;
}
