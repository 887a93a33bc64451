/** Mirror volumes as LVM makes them: legs m1, m2 and so on, each on the physical volume of its number, and a log of its own. */
import type { Volumes } from "./volumes.ts";

export const MIRROR_SECTORS = 2048;
const REGION_SECTORS = 64;
export const REGIONS = MIRROR_SECTORS / REGION_SECTORS;
const LOG_SECTORS = 16;
const SECTOR_BYTES = 512;

export type LogKind = "core" | "disk" | "mirrored";

export interface MirrorWords {
  readonly legs: readonly string[];
  /** A device; null: a core log. */
  readonly log: string | null;
  readonly sync?: "sync" | "nosync";
  readonly sectors?: number;
}

export function mirrorTable({ legs, log, sync, sectors = MIRROR_SECTORS }: MirrorWords): string {
  const words = [
    ...(log === null ? [] : [log]),
    REGION_SECTORS,
    ...(sync === undefined ? [] : [sync]),
  ];
  const areas = legs.map((leg) => `${leg} 0`).join(" ");
  return `0 ${sectors} mirror ${log === null ? "core" : "disk"} ${words.length} ${words.join(" ")} ${legs.length} ${areas} 1 handle_errors`;
}

export async function makeLegs(
  v: Volumes,
  count: number,
  sectors = MIRROR_SECTORS,
): Promise<string[]> {
  const names = Array.from({ length: count }, (_unused, index) => `m${index + 1}`);
  for (const [index, name] of names.entries()) await v.part(name, index + 1, sectors);
  return names;
}

/**
 * A log as LVM prepares it: ones or zeros all over, and of the header what kernels know, with as many regions as there could be.
 * @param isInSync nothing is to be copied
 */
export async function prepareLog(v: Volumes, name: string, isInSync: boolean): Promise<void> {
  const bytes = new Uint8Array(LOG_SECTORS * SECTOR_BYTES).fill(isInSync ? 0xff : 0);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x4d69_5272, true);
  view.setUint32(4, 2, true);
  view.setBigUint64(8, 0xffff_ffff_ffff_ffffn, true);
  await v.m.write(name, 0, bytes);
}

/** The log of a volume, on that physical volume. @returns the device for its table; null for a core log */
export async function makeLog(
  v: Volumes,
  name: string,
  kind: LogKind,
  pv: number,
  isInSync: boolean,
): Promise<string | null> {
  if (kind === "core") return null;
  const images = kind === "disk" ? [name] : [`${name}_0`, `${name}_1`];
  for (const image of images) await v.part(image, pv, LOG_SECTORS);
  if (kind === "mirrored") {
    const areas = images.map((image) => `${image} 0`).join(" ");
    await v.m.create(name, `0 ${LOG_SECTORS} mirror core 2 2 nosync 2 ${areas} 1 handle_errors`);
  }
  await prepareLog(v, name, isInSync);
  return name;
}
