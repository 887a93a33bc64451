/**
 * The internal bitmaps of a set's members, and how far the kernel would believe them: one that is older than its superblock, of
 * another array or marked stale makes it take every chunk for dirty (md_bitmap_read_sb in drivers/md/md-bitmap.c).
 */
import { toHoldfastError } from "../base/errors.ts";
import type { MdBitmap } from "../formats/md/bitmap.ts";
import { countDirty } from "../formats/md/bitmap-runs.ts";
import type { BitmapReader } from "../formats/md/bitmap-runs.ts";
import { arrayUuidBytes } from "../formats/md/superblock.ts";
import type { MdCandidate } from "./candidate.ts";
import type { ExplainedBitmap } from "./explanation.ts";
import { readMemberBitmap } from "./probe.ts";

interface BitmapPart {
  readonly bitmap: MdBitmap;
  readonly read: BitmapReader;
}

export type SetBitmap =
  | { readonly kind: "none" }
  /** One sentence without the member's name. */
  | { readonly kind: "bad"; readonly reason: string }
  | {
      readonly kind: "ok";
      readonly bitmap: MdBitmap;
      /** One a node in a cluster, otherwise one. */
      readonly parts: readonly BitmapPart[];
      /** Why its bits count for nothing; null when they are believed. */
      readonly distrust: string | null;
    };

export type SetBitmaps = ReadonlyMap<MdCandidate, SetBitmap>;

export async function readSetBitmaps(set: readonly MdCandidate[]): Promise<SetBitmaps> {
  const bitmaps = new Map<MdCandidate, SetBitmap>();
  for (const candidate of set) bitmaps.set(candidate, await readOne(candidate));
  return bitmaps;
}

async function readOne(candidate: MdCandidate): Promise<SetBitmap> {
  try {
    return await decodeOne(candidate);
  } catch (error) {
    const { message } = toHoldfastError(error, candidate.path);
    return { kind: "bad", reason: `its bitmap cannot be read: ${message}` };
  }
}

async function decodeOne({ device, superblock }: MdCandidate): Promise<SetBitmap> {
  const first = await readMemberBitmap(device, superblock);
  if (first === null) return { kind: "none" };
  const { decoded, read } = first;
  if (decoded.kind === "bad") return decoded;
  if (decoded.kind === "none") {
    return { kind: "bad", reason: "there is no bitmap where its superblock says" };
  }
  const { bitmap } = decoded;
  const parts: BitmapPart[] = [{ bitmap, read }];
  for (let node = 1; node < bitmap.nodes; node += 1) {
    const other = await readMemberBitmap(device, superblock, node);
    if (other?.decoded.kind === "ok")
      parts.push({ bitmap: other.decoded.bitmap, read: other.read });
  }
  return { kind: "ok", bitmap, parts, distrust: distrustOf(bitmap, superblock) };
}

function distrustOf(bitmap: MdBitmap, superblock: MdCandidate["superblock"]): string | null {
  const uuid = arrayUuidBytes(superblock);
  if (bitmap.uuid.some((byte, i) => byte !== uuid[i])) return "it is the bitmap of another array";
  if (bitmap.untrustworthy) return "it is marked as stale";
  // Each node of a cluster counts for itself.
  if (bitmap.nodes === 0 && bitmap.events < superblock.events)
    return `it is out of date: ${bitmap.events} events, the member has ${superblock.events}`;
  return null;
}

export async function describeBitmap(found: SetBitmap): Promise<ExplainedBitmap | null> {
  if (found.kind !== "ok") return null;
  const { bitmap, parts, distrust } = found;
  return {
    events: bitmap.events,
    eventsCleared: bitmap.eventsCleared,
    chunkSectors: bitmap.chunkSectors,
    chunks: bitmap.chunks,
    dirtyChunks: await countDirty(bitmap, parts[0]!.read),
    distrust,
  };
}
