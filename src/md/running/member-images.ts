/** The bytes that one round of metadata writes to one member. */
import { BioFlags } from "../../block/bio.ts";
import { flush, writeSectors } from "../../block/promises.ts";
import { superblockPart, updateSuperblock } from "../../formats/md/superblock-update.ts";
import type { ArrayImage, DeviceImage } from "../../formats/md/superblock-update.ts";
import type { MdRole } from "../../formats/md/superblock.ts";
import type { Member, Standing } from "./member.ts";

/** What all superblocks say, and who is who in it: device numbers may have changed since. */
export interface Saying {
  readonly array: ArrayImage;
  readonly devices: ReadonlyMap<Member, DeviceImage>;
}

/** A bad-block log as it is to be written. */
export interface LogImage {
  readonly data: Uint8Array;
  readonly version: number;
}

/** How a round reaches a member; what it did is on stable storage when it resolves. */
export interface RoundWriter {
  flush(member: Member): Promise<void>;
  log(member: Member, log: LogImage): Promise<void>;
  /** `saying` names the member. */
  superblock(member: Member, saying: Saying): Promise<void>;
}

/** Null: what stands on the device is what is known. */
export function logImage({ badBlocks }: Member): LogImage | null {
  if (!badBlocks.isChanged) return null;
  return { data: badBlocks.encode(), version: badBlocks.version };
}

async function writeLog(member: Member, log: LogImage): Promise<void> {
  const place = member.superblock.badBlockLog;
  if (place === null) return;
  await writeSectors(member.device, place.startSector, log.data, BioFlags.fua);
  if (!member.isFaulty) member.badBlocks.acknowledge(log.version);
}

/** `saying` names the member. @throws RangeError when the superblock has no room for all devices */
export function superblockImage(member: Member, { array, devices }: Saying): Uint8Array {
  return updateSuperblock(member.superblock, member.image, array, devices.get(member)!);
}

async function writeSuperblock(member: Member, saying: Saying): Promise<void> {
  const { superblock } = member;
  const image = superblockImage(member, saying);
  const part = superblockPart(superblock, image);
  const { events } = saying.array;
  member.mayHoldEvents = Math.max(member.mayHoldEvents, events);
  await writeSectors(member.device, superblock.superSector, part, BioFlags.fua);
  if (member.isFaulty) return;
  member.image = image;
  member.writtenEvents = events;
  member.mayHoldEvents = events;
}

export const ROUND_WRITER: RoundWriter = {
  flush: (member) => flush(member.device),
  log: writeLog,
  superblock: writeSuperblock,
};

export function deviceImage(member: Member): DeviceImage {
  const { standing } = member;
  return {
    number: member.number,
    node: member.node,
    role: roleOf(standing),
    recoveryOffsetSectors: standing.kind === "recovering" ? standing.recoveredSectors : null,
    recoveryByBitmap: member.savedSlot !== null,
    isReplacement: member.isReplacement,
    writeMostly: member.writeMostly,
    failFast: member.failFast,
    hasBadBlocks: !member.badBlocks.isEmpty,
    correctedSectors: member.correctedSectors,
    journalTailSectors: member.journalTailSectors,
  };
}

function roleOf(standing: Standing): MdRole {
  switch (standing.kind) {
    case "in-sync":
    case "recovering":
      return { kind: "active", slot: standing.slot };
    default:
      return standing;
  }
}
