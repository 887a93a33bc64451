/** Copies from one device to another, in steps of at most 1 MiB. */
import { SECTOR_BYTES } from "../base/units.ts";
import { BioFlags, readBio, writeBio } from "./bio.ts";
import type { BioEnd } from "./bio.ts";
import type { BlockDevice } from "./device.ts";
import { inRuns } from "./fan-out.ts";

const STEP_SECTORS = 2048;

/** Bytes that a copy has in memory at a time. */
export function copyBufferBytes(sectors: number): number {
  return Math.min(sectors, STEP_SECTORS) * SECTOR_BYTES;
}

/** @param buffer to copy with, of `copyBufferBytes` at least */
export function copySectors(
  from: BlockDevice,
  fromSector: number,
  to: BlockDevice,
  toSector: number,
  sectors: number,
  end: BioEnd,
  buffer: Uint8Array = new Uint8Array(copyBufferBytes(sectors)),
): void {
  const step = (at: number, ended: BioEnd): number => {
    const length = Math.min(STEP_SECTORS, sectors - at);
    const data = buffer.subarray(0, length * SECTOR_BYTES);
    const read: BioEnd = (error) => {
      if (error === null) to.submit(writeBio(toSector + at, data, BioFlags.none, ended));
      else ended(error);
    };
    from.submit(readBio(fromSector + at, data, read));
    return length;
  };
  inRuns(sectors, step, end);
}
