/** What a new block holds before it is mapped: a copy of the block it takes the place of, of the external origin's, zeros, or whatever was there. */
import { SECTOR_BYTES } from "../../base/units.ts";
import { writeBio, writeZeroesBio } from "../../block/bio.ts";
import type { BlockDevice } from "../../block/device.ts";
import { ended, readInto } from "../../block/promises.ts";
import { inZeroSteps } from "../../block/zeros.ts";
import type { Pool } from "./pool.ts";

const COPY_SECTORS = 2048;

/**
 * @param block of the thin device
 * @param shared the data block that is shared, if one is
 * @param origin the external one
 */
export async function fillNewBlock(
  pool: Pool,
  dataBlock: number,
  block: number,
  shared: number | null,
  origin: BlockDevice | null,
): Promise<void> {
  const { blockSectors: size, data } = pool;
  const target = dataBlock * size;
  if (shared !== null) {
    await copy(data, shared * size, data, target, size);
    return;
  }
  const start = block * size;
  const fromOrigin = origin === null ? 0 : Math.max(0, Math.min(size, origin.sectors - start));
  if (origin !== null) await copy(origin, start, data, target, fromOrigin);
  if (fromOrigin === size || (origin === null && !pool.features.zeroesNewBlocks)) return;
  await zero(data, target + fromOrigin, size - fromOrigin);
}

async function copy(
  source: BlockDevice,
  from: number,
  target: BlockDevice,
  to: number,
  sectors: number,
): Promise<void> {
  const buffer = new Uint8Array(Math.min(sectors, COPY_SECTORS) * SECTOR_BYTES);
  for (let at = 0; at < sectors; at += COPY_SECTORS) {
    const here = Math.min(COPY_SECTORS, sectors - at);
    const piece = buffer.subarray(0, here * SECTOR_BYTES);
    await readInto(source, from + at, piece);
    await ended((end) => target.submit(writeBio(to + at, piece, 0, end)));
  }
}

function zero(device: BlockDevice, sector: number, sectors: number): Promise<void> {
  if (device.limits.writeZeroes)
    return ended((end) => device.submit(writeZeroesBio(sector, sectors, 0, end)));
  return ended((end) =>
    inZeroSteps(
      sectors * SECTOR_BYTES,
      (from, zeros, over) => device.submit(writeBio(sector + from / SECTOR_BYTES, zeros, 0, over)),
      end,
    ),
  );
}
