/**
 * A partial parity log for a member that was made without one: it gets as much as is free between superblock, list of bad blocks and data, up to
 * what a new array gives it. Facts: docs/kernel/raid456.md, section 2.1.
 */
import { SECTOR_BYTES, alignDown, alignUp } from "../../base/units.ts";
import { PPL_HEADER_BYTES, PPL_HEADER_SECTORS, emptyPplHeader } from "../../formats/md/ppl.ts";
import type { MdSuperblock } from "../../formats/md/superblock.ts";
import { PPL_SECTORS } from "./places.ts";

const BLOCK_SECTORS = 8;
const SUPERBLOCK_SECTORS = 8;
/** What an area gets that cannot have all of PPL_SECTORS: a header, and the partial parity of a chunk, or of 128 KiB. */
const LEAST_STRIP_SECTORS = 256;
/** A header and one block. */
const LEAST_SECTORS = PPL_HEADER_SECTORS + BLOCK_SECTORS;
/** The place is told in 16 bits with a sign. */
const MAX_DISTANCE = 0x7fff;

export interface PplArea {
  readonly sector: number;
  readonly sectors: number;
}

interface Gap {
  readonly start: number;
  readonly end: number;
}

/** Between superblock and data, without the list of bad blocks, in whole blocks. */
function gaps(superblock: MdSuperblock): readonly Gap[] {
  const { version, superSector, dataOffsetSectors, componentSectors, badBlockLog } = superblock;
  const whole: Gap =
    version === "1.0"
      ? { start: dataOffsetSectors + componentSectors, end: superSector }
      : { start: superSector + SUPERBLOCK_SECTORS, end: dataOffsetSectors };
  const log = badBlockLog ?? { startSector: whole.end, sectors: 0 };
  return [
    { start: whole.start, end: Math.min(whole.end, log.startSector) },
    { start: Math.max(whole.start, log.startSector + log.sectors), end: whole.end },
  ].map(({ start, end }) => ({
    start: alignUp(start, BLOCK_SECTORS),
    end: alignDown(end, BLOCK_SECTORS),
  }));
}

/** Next to the superblock, on its side of the gap. */
function areaIn({ version, superSector, shape }: MdSuperblock, { start, end }: Gap): PplArea {
  const room = end - start;
  const enough = alignDown(
    PPL_HEADER_SECTORS + Math.max(shape?.chunkSectors ?? 0, LEAST_STRIP_SECTORS),
    BLOCK_SECTORS,
  );
  const sectors = room >= PPL_SECTORS ? PPL_SECTORS : Math.min(room, enough);
  const sector = version === "1.0" ? end - sectors : start;
  return Math.abs(sector - superSector) <= MAX_DISTANCE
    ? { sector, sectors }
    : { sector, sectors: 0 };
}

/** The larger one of those that there is room for; null: there is none. */
export function freePplArea(superblock: MdSuperblock): PplArea | null {
  const [first, second] = gaps(superblock).map((gap) => areaIn(superblock, gap));
  const area = second!.sectors > first!.sectors ? second! : first!;
  return area.sectors >= LEAST_SECTORS ? area : null;
}

/** The field for the bitmap's place, which a PPL shares: 16 bits of place, 16 of size. */
export function pplField({ sector, sectors }: PplArea, superSector: number): number {
  return (sectors << 16) | ((sector - superSector) & 0xffff);
}

/**
 * How an area begins that has no log yet. Behind the empty header nothing may be taken for the next one: what an older log of the same array
 * has left there would be the newest.
 * @param arrayUuid 16 bytes, arrayUuidBytes()
 */
export function emptyPplStart(arrayUuid: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PPL_HEADER_BYTES + BLOCK_SECTORS * SECTOR_BYTES);
  bytes.set(emptyPplHeader(arrayUuid));
  return bytes;
}
