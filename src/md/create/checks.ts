/** What cannot be made, said before anything is planned. */
import { shapeProblem } from "../../formats/md/shape-check.ts";
import type { MdLevel, MdShape } from "../../formats/md/superblock.ts";
import { survival } from "../enough.ts";
import { hasRoomFor } from "./images.ts";
import { refuse } from "./request.ts";
import type { CreateRequest } from "./request.ts";

/** 512 KiB. */
const DEFAULT_CHUNK_SECTORS = 1024;
const LEFT_SYMMETRIC = 2;
const NEAR_2 = 0x102;
const ORIGINAL_ZONES = 1;

function isStriped(level: MdLevel): boolean {
  return level === "raid0" || level === "raid10" || hasParity(level);
}

function hasParity(level: MdLevel): boolean {
  return level === "raid4" || level === "raid5" || level === "raid6";
}

export function isRedundant(level: MdLevel): boolean {
  return level !== "linear" && level !== "raid0";
}

function usualLayout({ level, version }: CreateRequest): number {
  if (level === "raid5" || level === "raid6") return LEFT_SYMMETRIC;
  if (level === "raid10") return NEAR_2;
  // 0.90 cannot say which, and takes equal members only.
  return level === "raid0" && version !== "0.90" ? ORIGINAL_ZONES : 0;
}

/** The shape that is asked for, defaults put in. */
export function wantedShape(request: CreateRequest): MdShape {
  const { level, raidDisks, layout, chunkSectors } = request;
  return {
    level,
    raidDisks,
    layout: layout ?? usualLayout(request),
    chunkSectors: chunkSectors ?? (isStriped(level) ? DEFAULT_CHUNK_SECTORS : 0),
  };
}

function checkShape(request: CreateRequest, shape: MdShape): void {
  const { level, chunkSectors } = shape;
  if (level === "raid1" && chunkSectors !== 0) refuse("raid1 has no chunks");
  if (isStriped(level) && (chunkSectors < 8 || chunkSectors % 8 !== 0))
    refuse(`chunks are whole multiples of 4 KiB, and these have ${chunkSectors / 2} KiB`);
  const problem = shapeProblem(shape);
  if (problem !== null) refuse(`there can be no such array: ${problem}`);
  if (shape.raidDisks === 1 && !request.force)
    refuse("an array of a single disk is made only when that is forced");
}

function checkDevices(request: CreateRequest, shape: MdShape): void {
  const { devices, raidDisks, spareDisks, level } = request;
  const listed = devices.filter((device) => device?.isJournal !== true);
  const wanted = raidDisks + spareDisks;
  if (listed.length < wanted)
    refuse(`it takes ${wanted} devices, real or missing, and there are ${listed.length}`);
  if (listed.length > wanted)
    refuse(`${listed.length} devices are listed, and the array has ${wanted}`);
  if (!isRedundant(level) && spareDisks > 0) refuse(`${level} has no use for spares`);
  if (listed.slice(raidDisks).includes(null)) refuse("a spare cannot be missing");
  const present = listed.slice(0, raidDisks).map((device) => device !== null);
  if (!present.includes(true)) refuse("not all members can be missing");
  const { survives, needed } = survival(shape, present);
  if (!survives) refuse(`too many members are missing: ${level} needs ${needed}`);
  if (!hasRoomFor(request.version, devices.length + 1))
    refuse(`a superblock of version ${request.version} cannot tell of so many devices`);
}

function checkLogs(request: CreateRequest): void {
  const { level, version, bitmap, consistencyPolicy: policy } = request;
  const journals = request.devices.filter((device) => device?.isJournal === true).length;
  const hasPpl = policy === "ppl";
  if (journals > 1) refuse("an array has one journal at most");
  if (bitmap !== null && !isRedundant(level)) refuse(`${level} has no use for a bitmap`);
  if (journals > 0 && !hasParity(level)) refuse(`${level} cannot have a journal`);
  if (hasPpl && level !== "raid5") refuse(`${level} cannot have a partial parity log`);
  if ((journals > 0 || hasPpl) && version === "0.90")
    refuse("version 0.90 has no place for a journal or a partial parity log");
  if ([journals > 0, hasPpl, bitmap !== null].filter(Boolean).length > 1)
    refuse("bitmap, journal and partial parity log exclude each other");
  if (policy === "journal" && journals === 0) refuse("the policy is journal, and there is none");
  if (policy === "bitmap" && bitmap === null) refuse("the policy is bitmap, and there is none");
  if (policy !== null && policy !== "journal" && journals > 0)
    refuse(`the policy is ${policy}, and there is a journal`);
  if (policy === "resync" && bitmap !== null) refuse("the policy is resync, and there is a bitmap");
  if (policy !== null && policy !== "resync" && !isRedundant(level))
    refuse(`${level} has no use for the policy ${policy}`);
  if (bitmap !== null && bitmap.writeBehind > 0 && level !== "raid1")
    refuse("writes may be behind in raid1 only");
}

function checkOffsets({ version, dataOffsetSectors, devices }: CreateRequest): void {
  if (version === "1.1" || version === "1.2") return;
  const isGiven = devices.some((device) => (device?.dataOffsetSectors ?? null) !== null);
  if (dataOffsetSectors !== null || isGiven)
    refuse(`with version ${version} data start at sector 0, and nowhere else`);
}

/** @throws Refusal */
export function checkRequest(request: CreateRequest, shape: MdShape): void {
  checkShape(request, shape);
  checkDevices(request, shape);
  checkLogs(request);
  checkOffsets(request);
}
