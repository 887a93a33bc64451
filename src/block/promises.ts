/** Promises around bios, for the control path (metadata, tests). The data path does not use them. */
import { SECTOR_BYTES } from "../base/units.ts";
import { flushBio, readBio, writeBio, writeZeroesBio, discardBio } from "./bio.ts";
import type { Bio, BioEnd } from "./bio.ts";
import type { BlockDevice } from "./device.ts";

/** Whatever ends as bios do, as a promise, which rejects with the error. */
export function ended(start: (end: BioEnd) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null ? resolve() : reject(error)));
  });
}

function submitted(device: BlockDevice, make: (end: BioEnd) => Bio): Promise<void> {
  return ended((end) => device.submit(make(end)));
}

/** Fills `data` (a whole number of sectors) from `sector` on. */
export function readInto(device: BlockDevice, sector: number, data: Uint8Array): Promise<void> {
  return submitted(device, (end) => readBio(sector, data, end));
}

export async function readSectors(
  device: BlockDevice,
  sector: number,
  sectors: number,
): Promise<Uint8Array> {
  const data = new Uint8Array(sectors * SECTOR_BYTES);
  await readInto(device, sector, data);
  return data;
}

export function writeSectors(
  device: BlockDevice,
  sector: number,
  data: Uint8Array,
  flags = 0,
): Promise<void> {
  return submitted(device, (end) => writeBio(sector, data, flags, end));
}

export function writeZeroes(
  device: BlockDevice,
  sector: number,
  sectors: number,
  flags = 0,
): Promise<void> {
  return submitted(device, (end) => writeZeroesBio(sector, sectors, flags, end));
}

export function discard(device: BlockDevice, sector: number, sectors: number): Promise<void> {
  return submitted(device, (end) => discardBio(sector, sectors, end));
}

export function flush(device: BlockDevice): Promise<void> {
  return submitted(device, (end) => flushBio(end));
}
