/**
 * Units. A sector is always 512 bytes, as everywhere in the Linux block layer, whatever the device's own
 * block size. Sector and byte counts are plain numbers: exact up to 2^53 bytes (8 PiB).
 */

export const SECTOR_BYTES = 512;

/** `sectors` sectors from `sector` on. */
export interface SectorRange {
  readonly sector: number;
  readonly sectors: number;
}

/** Largest sector count whose byte count is still an exact number. */
export const MAX_SECTORS = Math.floor(Number.MAX_SAFE_INTEGER / SECTOR_BYTES);

const IEC = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Bytes for a person: "22.0 MiB", "512 bytes". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < IEC.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} ${IEC[unit]}`;
}

export function sectorsToBytes(sectors: number): number {
  return sectors * SECTOR_BYTES;
}

export function formatSectors(sectors: number): string {
  return formatBytes(sectorsToBytes(sectors));
}

/**
 * Whole part of `value / unit` for numbers from 0 up. Exact for all that are safe integers: a quotient below a whole number by 1 / unit or more is
 * never rounded up to it there. Where sectors go beyond 2^31, `%` costs a call of the C library, this does not.
 */
export function quotient(value: number, unit: number): number {
  return Math.floor(value / unit);
}

export function alignDown(value: number, unit: number): number {
  return value - (value % unit);
}

export function alignUp(value: number, unit: number): number {
  return alignDown(value + unit - 1, unit);
}
