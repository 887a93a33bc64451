/** May a member's partial parity log be written where its superblock says? */
import type { MdSuperblock } from "../../../../../formats/md/superblock.ts";

/** Room that is kept for a superblock. */
const SUPERBLOCK_SECTORS = 8;

/** Half a sentence; null: it may, over all of it. */
export function pplAreaProblem(superblock: MdSuperblock): string | null {
  const { ppl, superSector, dataOffsetSectors, dataSectors, componentSectors } = superblock;
  if (ppl === null) return "has no room for a partial parity log";
  const end = ppl.startSector + ppl.sectors;
  const overlaps = (sector: number, sectors: number): boolean =>
    ppl.startSector < sector + sectors && sector < end;
  if (overlaps(superSector, SUPERBLOCK_SECTORS))
    return "has its partial parity log over its superblock";
  if (overlaps(dataOffsetSectors, Math.max(dataSectors, componentSectors)))
    return "has its partial parity log over its data";
  return null;
}
