/**
 * What cannot be in a version 1 superblock: places outside the device, shapes no kernel accepts, features that
 * exclude each other. Follows super_1_load and super_1_validate in the kernel's md.c where they refuse a device.
 * Each check gives one sentence without a subject, or null; the first sentence is reported.
 */
import { MAX_SECTORS } from "../../base/units.ts";
import { levelName, makeShape, shapeProblem } from "./shape-check.ts";
import type { MdVersion } from "./superblock.ts";
import {
  FEATURE,
  MAX_ROLES,
  ROLE,
  badBlockPlace,
  pplPlace,
  reshapeOf,
  sectorNumber,
} from "./superblock-1-layout.ts";
import type { Superblock1, SuperblockPlace } from "./superblock-1-layout.ts";

type Check = () => string | null;

/** The kernel refuses less. */
const LEAST_DATA_SECTORS = 10;
const MAX_LOGICAL_BLOCK_BYTES = 65536;
/** The kernel wants the log in one page, and has pages of at most 64 KiB. mdadm makes it 4 KiB. */
const MOST_BAD_BLOCK_SECTORS = 128;

function headerProblem(raw: Superblock1, place: SuperblockPlace): string | null {
  if (raw.majorVersion !== 1)
    return `it says it is of version ${raw.majorVersion}, at a place where only version 1 lies`;
  if (raw.superOffset !== BigInt(place.sector))
    return `it says it belongs at sector ${raw.superOffset} but lies at sector ${place.sector}: the device was cut, resized or copied to another place`;
  if (raw.maxDev > MAX_ROLES)
    return `it counts ${raw.maxDev} devices, and there is room for ${MAX_ROLES}`;
  return null;
}

function shapesProblem(raw: Superblock1): string | null {
  if (raw.raidDisks === 0 || raw.raidDisks > MAX_ROLES)
    return `it says the array has ${raw.raidDisks} disks`;
  if ((raw.featureMap & FEATURE.raid0Layout) !== 0) {
    if (raw.level !== 0) return `it records a raid0 layout for a ${levelName(raw.level)}`;
    if (raw.layout < 0 || raw.layout > 2) return `its raid0 layout number is ${raw.layout}`;
  }
  if ((raw.featureMap & FEATURE.reshape) === 0) {
    const { level: levelNumber, layout, chunksize: chunkSectors, raidDisks } = raw;
    const shape = makeShape({ levelNumber, layout, chunkSectors, raidDisks });
    return shape === null ? null : shapeProblem(shape);
  }
  return reshapeProblem(raw);
}

function reshapeProblem(raw: Superblock1): string | null {
  if (raw.raidDisks - raw.deltaDisks < 1 || raw.raidDisks - raw.deltaDisks > MAX_ROLES)
    return `its reshape comes from ${raw.raidDisks - raw.deltaDisks} disks`;
  const reshape = reshapeOf(raw);
  if (reshape === null) return null;
  const before = shapeProblem(reshape.before);
  if (before !== null) return `before the reshape, ${before}`;
  const after = shapeProblem(reshape.after);
  if (after !== null) return `after the reshape, ${after}`;
  const most = sectorNumber(raw.size) * Math.max(raw.raidDisks, raw.raidDisks - raw.deltaDisks);
  if (reshape.positionSectors > most)
    return `its reshape is at sector ${raw.reshapePosition} of an array that has at most ${most}`;
  return null;
}

function featureProblem(raw: Superblock1): string | null {
  const has = (bit: number): boolean => (raw.featureMap & bit) !== 0;
  if (has(FEATURE.ppl) && has(FEATURE.multiplePpls))
    return "it has both feature bits for a partial parity log, of which there can be one";
  if (
    (has(FEATURE.ppl) || has(FEATURE.multiplePpls)) &&
    (has(FEATURE.bitmap) || has(FEATURE.journal))
  )
    return "it has a partial parity log together with a bitmap or a journal, which exclude each other";
  const block = raw.logicalBlockSize;
  const possible = block >= 512 && block <= MAX_LOGICAL_BLOCK_BYTES && (block & (block - 1)) === 0;
  if (block !== 0 && !possible) return `its logical block size is ${block} bytes`;
  return null;
}

/** Data in the present and, in a reshape, in the new place. */
function dataProblem(
  raw: Superblock1,
  roles: readonly number[],
  version: MdVersion,
  place: SuperblockPlace,
): string | null {
  const size = sectorNumber(raw.dataSize);
  const used = sectorNumber(raw.size);
  if (size > MAX_SECTORS || used > MAX_SECTORS || sectorNumber(raw.dataOffset) > MAX_SECTORS)
    return `its data size, used size or data offset is beyond what a device can have (${raw.dataSize}, ${raw.size}, ${raw.dataOffset} sectors)`;
  if (size < LEAST_DATA_SECTORS) return `its data have ${size} sectors, too few for any array`;
  const role = roles[raw.devNumber] ?? ROLE.spare;
  if (raw.level > 0 && role < ROLE.max && used > size)
    return `the array uses ${used} sectors of each member, and this one offers ${size}`;

  const moved =
    (raw.featureMap & FEATURE.newOffset) === 0 ? 0 : (reshapeOf(raw)?.newOffsetDeltaSectors ?? 0);
  const behindSuper = place.sector + Math.ceil((256 + 2 * raw.maxDev) / 512);
  const first = version === "1.0" ? 0 : behindSuper;
  const end = version === "1.0" ? place.sector : place.deviceSectors;
  const offset = Number(raw.dataOffset);
  // In its new place a reshape needs room for what is used only, not for all that is offered.
  const areas = [
    { start: offset, sectors: size },
    { start: offset + moved, sectors: moved === 0 ? size : used },
  ];
  for (const { start, sectors } of areas) {
    if (start < first) return `its data start at sector ${start}, on top of the superblock`;
    // An image that was cut short, or not copied to its end yet, is worth reading as far as it goes; the kernel refuses it.
    const isCut = version !== "1.0" && start < end;
    if (start + sectors > end && !isCut)
      return `its data end at sector ${start + sectors}, and the device only has room up to ${end}`;
  }
  return null;
}

function areaProblem(raw: Superblock1, place: SuperblockPlace): string | null {
  const outside = (what: string, start: number, sectors: number): string | null =>
    start >= 0 && start + sectors <= place.deviceSectors
      ? null
      : `its ${what} is at sector ${start}, outside the device`;
  const ppl = pplPlace(raw);
  if (ppl !== null) {
    if (ppl.sectors < 16)
      return `its partial parity log has ${ppl.sectors} sectors, too few for one entry`;
    return outside("partial parity log", ppl.startSector, ppl.sectors);
  }
  if ((raw.featureMap & FEATURE.bitmap) !== 0) {
    const problem = outside("bitmap", place.sector + raw.bitmapOffset, 1);
    if (problem !== null) return problem;
  }
  const log = badBlockPlace(raw);
  if (log === null)
    return (raw.featureMap & FEATURE.badBlocks) === 0
      ? null
      : "it has bad blocks but no place where they are listed";
  if (log.inUse && log.sectors > MOST_BAD_BLOCK_SECTORS)
    return `its bad block log has ${log.sectors} sectors, more than any kernel reads`;
  if (log.inUse && log.shift > 53)
    return `its bad blocks are counted in units of 2^${log.shift} sectors`;
  return log.inUse ? outside("bad block log", log.startSector, log.sectors) : null;
}

function roleProblem(raw: Superblock1, roles: readonly number[]): string | null {
  const role = roles[raw.devNumber] ?? ROLE.spare;
  const slots = Math.max(raw.raidDisks, raw.raidDisks - reshapeDelta(raw));
  if (role < ROLE.max && role >= slots)
    return `it says it is member ${role} of an array of ${slots}`;
  if (role === ROLE.journal && (raw.featureMap & FEATURE.journal) === 0)
    return "it says it is the journal of an array that has none";
  return null;
}

function reshapeDelta(raw: Superblock1): number {
  return (raw.featureMap & FEATURE.reshape) === 0 ? 0 : raw.deltaDisks;
}

/** Why this cannot be a superblock to act on; null when nothing speaks against it. */
export function superblock1Problem(
  raw: Superblock1,
  roles: readonly number[],
  version: MdVersion,
  place: SuperblockPlace,
): string | null {
  const checks: readonly Check[] = [
    () => headerProblem(raw, place),
    () => (sectorNumber(raw.events) === Infinity ? `its event count is ${raw.events}` : null),
    () => shapesProblem(raw),
    () => featureProblem(raw),
    () => dataProblem(raw, roles, version, place),
    () => areaProblem(raw, place),
    () => roleProblem(raw, roles),
  ];
  for (const check of checks) {
    const problem = check();
    if (problem !== null) return problem;
  }
  return null;
}
