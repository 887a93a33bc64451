/**
 * --update=metadata: the superblocks of an array of version 0.90 become such of version 1.0, which stands at the end of the devices as well, so that
 * no data has to move. Facts: mdadm's super1.c; docs/kernel/mdadm.md, section 1.4.
 */
import { HoldfastError } from "../base/errors.ts";
import { flush, writeSectors } from "../block/promises.ts";
import { MD_MAGIC, superblock1, superblock1Sector } from "../formats/md/superblock-1-layout.ts";
import { superblockPart, updateSuperblock } from "../formats/md/superblock-update.ts";
import type { ArrayImage, DeviceImage } from "../formats/md/superblock-update.ts";
import { paddedName } from "../md/create/images.ts";
import type { MdCandidate } from "../md/candidate.ts";
import type { HostContext } from "./context.ts";
import { uuidBytes } from "./create.ts";

const AS_1_0 = { version: "1.0", byteOrder: "little" } as const;
const SUPERBLOCK_BYTES = 4096;
/** So many numbers 0.90 superblocks of mdadm's say they have room for. */
const MAX_DEV = 27;

interface Conversion {
  readonly candidate: MdCandidate;
  readonly sector: number;
  readonly bytes: Uint8Array;
}

/** @throws HoldfastError `busy` for what 1.0 would have to take over and cannot */
function checkConvertible({ path, superblock }: MdCandidate): void {
  const { version, resyncOffsetSectors, bitmapSector } = superblock;
  if (version !== "0.90")
    throw new HoldfastError(
      "unsupported",
      `--update=metadata is not done for ${version} metadata (${path})`,
    );
  if (resyncOffsetSectors !== Infinity)
    throw new HoldfastError(
      "busy",
      `${path} is not in sync: start the array as it is, wait for its resync, and stop it first`,
    );
  if (bitmapSector !== null)
    throw new HoldfastError(
      "busy",
      `${path} has a bitmap where the new superblock has none: take it away with --grow --bitmap=none first`,
    );
}

function deviceOf({ superblock }: MdCandidate): DeviceImage {
  const { deviceNumber, role, writeMostly, failFast } = superblock;
  return {
    number: deviceNumber,
    node: null,
    role,
    recoveryOffsetSectors: null,
    recoveryByBitmap: false,
    isReplacement: false,
    writeMostly,
    failFast,
    hasBadBlocks: false,
    correctedSectors: 0,
    journalTailSectors: null,
  };
}

function arrayOf(candidates: readonly MdCandidate[]): ArrayImage {
  const { events, updatedSeconds, shape, componentSectors } = candidates[0]!.superblock;
  return {
    events,
    updatedSeconds,
    raidDisks: shape!.raidDisks,
    componentSectors,
    isClean: true,
    resyncOffsetSectors: Infinity,
    hasBitmap: false,
    hasPpl: false,
    devices: candidates.map(deviceOf),
  };
}

function bareSuperblock({ superblock }: MdCandidate, sector: number, uuid: Uint8Array): Uint8Array {
  const { levelNumber, shape, componentSectors, dataSectors, createdSeconds } = superblock;
  const image = new Uint8Array(SUPERBLOCK_BYTES);
  superblock1.encodeInto(image, 0, {
    magic: MD_MAGIC,
    majorVersion: 1,
    setUuid: uuidBytes(superblock.arrayUuid),
    setName: paddedName(String(superblock.preferredMinor)),
    // Of two superblocks the younger counts: where both stand, it is this one.
    ctime: BigInt(createdSeconds + 1),
    level: levelNumber,
    layout: shape!.layout,
    chunksize: shape!.chunkSectors,
    // Where the data of linear and raid0 ended, they go on to end.
    dataSize: BigInt(levelNumber > 0 ? componentSectors : dataSectors),
    superOffset: BigInt(sector),
    devNumber: superblock.deviceNumber,
    deviceUuid: uuid,
    maxDev: MAX_DEV,
  });
  return image;
}

function conversionOf(
  { env }: HostContext,
  candidate: MdCandidate,
  array: ArrayImage,
  at: number,
): Conversion {
  const sector = superblock1Sector("1.0", candidate.device.sectors)!;
  const bare = bareSuperblock(candidate, sector, env.random.bytes(16).slice());
  const full = updateSuperblock(AS_1_0, bare, array, array.devices[at]!);
  return { candidate, sector, bytes: superblockPart(AS_1_0, full) };
}

/**
 * 1 the new superblocks, flush, 2 the old ones become zeroes, flush. A crash within 1 leaves the old superblock on all members, and on some the new one,
 * which counts there: the array is found in two parts, nothing of either is lost, and no data was touched. Within 2 all have the new one.
 * @throws HoldfastError when one of them does not allow it: nothing is written then
 */
export async function convertTo1(
  context: HostContext,
  candidates: readonly MdCandidate[],
): Promise<void> {
  for (const candidate of candidates) checkConvertible(candidate);
  const array = arrayOf(candidates);
  const conversions = candidates.map((one, at) => conversionOf(context, one, array, at));
  for (const { candidate, sector, bytes } of conversions)
    await writeSectors(candidate.device, sector, bytes);
  await Promise.all(candidates.map(({ device }) => flush(device)));
  for (const { device, superblock } of candidates)
    await writeSectors(device, superblock.superSector, new Uint8Array(SUPERBLOCK_BYTES));
  await Promise.all(candidates.map(({ device }) => flush(device)));
}
