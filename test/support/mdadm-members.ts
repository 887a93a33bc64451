/** The members of golden images as the texts of src/mdadm take them. */
import { decodeBitmap, bitmapSuper } from "../../src/formats/md/bitmap.ts";
import { countDirty } from "../../src/formats/md/bitmap-runs.ts";
import { decodeBadBlocks } from "../../src/formats/md/bad-blocks.ts";
import { decodeSuperblock1 } from "../../src/formats/md/superblock-1.ts";
import { superblock1Sector } from "../../src/formats/md/superblock-1-layout.ts";
import { decodeSuperblock090, superblock090Sector } from "../../src/formats/md/superblock-090.ts";
import type { SuperblockDecode } from "../../src/formats/md/superblock.ts";
import type { Examined } from "../../src/mdadm/examine-text.ts";
import type { ExaminedBadBlocks } from "../../src/mdadm/badblocks-text.ts";
import type { ExaminedBitmap } from "../../src/mdadm/examine-bitmap-text.ts";

interface Found {
  readonly decoded: SuperblockDecode;
  readonly data: Uint8Array;
}

function* candidates(image: Uint8Array): Generator<Found> {
  const deviceSectors = image.length / 512;
  for (const version of ["1.2", "1.1", "1.0", "0.90"] as const) {
    const sector =
      version === "0.90"
        ? superblock090Sector(deviceSectors)
        : superblock1Sector(version, deviceSectors);
    if (sector === null) continue;
    const data = image.subarray(sector * 512, sector * 512 + 4096);
    const place = { sector, deviceSectors };
    const decoded =
      version === "0.90"
        ? decodeSuperblock090(data, place)
        : decodeSuperblock1(data, version, place);
    yield { decoded, data };
  }
}

/** What --examine takes of an image; null when it has no superblock. */
export function examinedImage(
  path: string,
  image: Uint8Array,
  pathOf: Examined["pathOf"],
): Examined | null {
  for (const { decoded, data } of candidates(image)) {
    if (decoded.kind !== "ok") continue;
    const { superblock } = decoded;
    const at = superblock.bitmapSector;
    const bitmap = at === null ? null : decodeBitmap(image.subarray(at * 512));
    return {
      path,
      superblock,
      data,
      deviceSectors: image.length / 512,
      bitmap: bitmap?.kind === "ok" ? bitmap.bitmap : null,
      homehost: null,
      pathOf,
    };
  }
  return null;
}

/** What -X takes of an image; null when it has no bitmap. */
export async function examinedBitmap(
  examined: Examined,
  image: Uint8Array,
): Promise<ExaminedBitmap | null> {
  const { bitmap, path, superblock } = examined;
  if (bitmap === null || superblock.bitmapSector === null) return null;
  const start = superblock.bitmapSector * 512;
  const read = (offset: number, length: number): Promise<Uint8Array> =>
    Promise.resolve(image.subarray(start + offset, start + offset + length));
  return {
    path,
    bitmap,
    state: bitmapSuper.decode(image.subarray(start)).state,
    dirtyChunks: await countDirty(bitmap, read),
    nativeUuid: superblock.version === "0.90",
  };
}

export function examinedBadBlocks(examined: Examined, image: Uint8Array): ExaminedBadBlocks {
  const log = examined.superblock.badBlockLog;
  if (log === null) return { path: examined.path, ranges: null };
  if (!log.inUse) return { path: examined.path, ranges: [] };
  const start = log.startSector * 512;
  const decoded = decodeBadBlocks(image.subarray(start, start + log.sectors * 512), log.shift);
  return { path: examined.path, ranges: decoded.kind === "ok" ? decoded.ranges : [] };
}
