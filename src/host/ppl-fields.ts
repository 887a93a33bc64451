/** Where a partial parity log comes that was not there from the beginning, and what a superblock of version 1 says of it. */
import { HoldfastError } from "../base/errors.ts";
import type { Superblock1 } from "../formats/md/superblock-1-layout.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import { freePplArea, pplField } from "../md/create/ppl-area.ts";

/** Kernels note the members of a log in 64 bits. */
const MAX_MEMBERS = 64;

/** Half a sentence; null: an array with such superblocks can have a log. */
export function whyNoPpl(superblock: MdSuperblock): string | null {
  const { version, shape, bitmapSector, hasJournal, reshape } = superblock;
  if (shape?.level !== "raid5")
    return `is a ${shape?.level ?? superblock.levelNumber}: only a raid5 can have a partial parity log`;
  if (version === "0.90") return "has 0.90 metadata, which cannot tell of a partial parity log";
  if (bitmapSector !== null)
    return "has a bitmap, which stands where a partial parity log would be told of: take it away first";
  if (hasJournal) return "has a journal, which does what a partial parity log does";
  if (reshape !== null) return "is in the middle of a reshape";
  if (shape.raidDisks > MAX_MEMBERS)
    return `has ${shape.raidDisks} members: a partial parity log is for ${MAX_MEMBERS} at most`;
  return null;
}

export interface PplFields {
  readonly sector: number;
  /** Everything but the feature bit. */
  readonly fields: Partial<Superblock1>;
}

/**
 * With version 1.0 the log may take room behind the data that is theirs and not used; they end before it then.
 * @param path of the device @throws HoldfastError `no-space`
 */
export function pplFields(path: string, superblock: MdSuperblock): PplFields {
  const area = freePplArea(superblock);
  if (area === null)
    throw new HoldfastError("no-space", `${path} has no room for a partial parity log`);
  const { superSector, dataOffsetSectors, dataSectors } = superblock;
  const bitmapOffset = pplField(area, superSector);
  const isInData =
    area.sector >= dataOffsetSectors && area.sector < dataOffsetSectors + dataSectors;
  const fields = isInData
    ? { bitmapOffset, dataSize: BigInt(area.sector - dataOffsetSectors) }
    : { bitmapOffset };
  return { sector: area.sector, fields };
}
