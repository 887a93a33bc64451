/** Writes to a member that cannot take them as they are: known bad sectors are left out, zeros are written as data. */
import { SECTOR_BYTES } from "../../../base/units.ts";
import { BioFlags, writeBio, writeZeroesBio } from "../../../block/bio.ts";
import type { Bio, BioEnd } from "../../../block/bio.ts";
import { inRuns } from "../../../block/fan-out.ts";
import { ZEROS } from "../../../block/zeros.ts";
import type { Member } from "../member.ts";

type Request = Pick<Bio, "op" | "sector" | "sectors" | "data" | "flags">;

/**
 * @param request a write or write-zeroes at a device sector
 * The first error ends it.
 */
export function writeInParts(member: Member, request: Request, end: BioEnd): void {
  const { sector, sectors } = request;
  const writeRun = (at: number, ended: BioEnd): number => {
    const left = sectors - at;
    const run = member.hasWriteErrors ? member.badBlocks.run(sector + at, left) : left;
    if (run < 0) {
      ended(null);
      return -run;
    }
    return writePart(member, request, at, run, ended);
  };
  inRuns(sectors, writeRun, end);
}

/** Part of the request. Returns how much of it, at most `max`. */
export function writePart(
  member: Member,
  { op, sector, data, flags }: Request,
  at: number,
  max: number,
  end: BioEnd,
): number {
  const { device } = member;
  if (op === "write") {
    const part = data.subarray(at * SECTOR_BYTES, (at + max) * SECTOR_BYTES);
    device.submit(writeBio(sector + at, part, flags, end));
    return max;
  }
  if (device.limits.writeZeroes) {
    device.submit(writeZeroesBio(sector + at, max, flags, end));
    return max;
  }
  const run = Math.min(max, ZEROS.length / SECTOR_BYTES);
  const zeros = ZEROS.subarray(0, run * SECTOR_BYTES);
  device.submit(writeBio(sector + at, zeros, flags & BioFlags.fua, end));
  return run;
}
