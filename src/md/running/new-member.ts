/**
 * A device that never was in the array, or counts for nothing in it any more, becomes a member: where everything lies on it and what its
 * superblock says, as mdadm --add decides it. What is the same on all members is taken from one that is there.
 *
 * Beyond mdadm: a device on which a bitmap or log would lie in the data is refused, not made; the bad-block log is written, empty.
 *
 * Facts: mdadm's Manage.c, super0.c, super1.c; docs/kernel/md-metadata.md, section 4.7.
 */
import { assert } from "../../base/assert.ts";
import { SECTOR_BYTES, alignUp } from "../../base/units.ts";
import type { BlockDevice } from "../../block/device.ts";
import { flush, writeSectors } from "../../block/promises.ts";
import { BITMAP_PAGE_BYTES, BitmapImage, bitmapBytes } from "../../formats/md/bitmap-image.ts";
import type { NewBitmap } from "../../formats/md/bitmap-image.ts";
import { decodeSuperblock090 } from "../../formats/md/superblock-090.ts";
import { superblock1 } from "../../formats/md/superblock-1-layout.ts";
import { decodeSuperblock1 } from "../../formats/md/superblock-1.ts";
import { updateSuperblock } from "../../formats/md/superblock-update.ts";
import type { DeviceImage } from "../../formats/md/superblock-update.ts";
import { arrayUuidBytes } from "../../formats/md/superblock.ts";
import type { MdSuperblock } from "../../formats/md/superblock.ts";
import { bodyOf } from "../create/body.ts";
import { isRedundant } from "../create/checks.ts";
import { bitmapField } from "../create/images.ts";
import { BAD_BLOCK_LOG_SECTORS, placeMetadata } from "../create/places.ts";
import type { MetadataPlaces } from "../create/places.ts";
import { LEAST_COMPONENT_SECTORS } from "../create/plan-create.ts";
import { Refusal, refuse } from "../create/request.ts";
import type { NewDevice, PlannedWrite } from "../create/request.ts";
import { survival } from "../enough.ts";
import { BadBlockTable } from "./bad-block-table.ts";
import { Member } from "./member.ts";
import type { Members } from "./members.ts";
import type { ArrayRecord } from "./metadata.ts";

/** What there is of the array; a RunningArray is one. */
export interface JoinedArray {
  readonly name: string;
  readonly members: Members;
  readonly record: ArrayRecord;
}

export interface NewMemberRequest {
  readonly array: JoinedArray;
  /** Null: the array has none. */
  readonly bitmap: NewBitmap | null;
  readonly device: BlockDevice;
  /** How it is to join; `sectors` is that of the device. Where its data start follows from the other members. */
  readonly joining: Omit<NewDevice, "sectors" | "dataOffsetSectors">;
  /** Of freeDeviceNumber(). */
  readonly number: number;
  readonly badBlockLog: boolean;
  /** It is to hold what comes behind the last member of a linear array, and is in sync once all superblocks say so. */
  readonly isAtEnd?: boolean;
  /** A random number below 2^32 with which a journal begins. */
  readonly journalSequence: bigint;
}

export interface NewMember {
  readonly kind: "ok";
  /** A spare, or the journal, to be attached when the writes are done. */
  readonly member: Member;
  /** In any order; the superblock is not among them: the array writes it with those of all others. */
  readonly writes: readonly PlannedWrite[];
}

export type NewMemberDecision =
  | NewMember
  /** One sentence. */
  | { readonly kind: "refused"; readonly reason: string };

/** The number for a device that is new: slots' numbers are kept for those who may come back. */
export function freeDeviceNumber({ members, record }: JoinedArray): number {
  let number = record.raidDisks;
  while (members.withNumber(number) !== null) number += 1;
  return number;
}

/** Decides only: nothing is read or written. */
export function newMember(request: NewMemberRequest): NewMemberDecision {
  try {
    return made(request);
  } catch (thrown) {
    if (thrown instanceof Refusal) return { kind: "refused", reason: `${thrown.message}.` };
    throw thrown;
  }
}

/**
 * Everything but the superblock, durable when this resolves; then the member is attached (RunningArray.attach), which writes the superblocks.
 * 1 old superblocks away and what the new one points at, 2 flush, 3 superblocks: a crash before 3 leaves a device of no array.
 */
export async function prepareMember({ member, writes }: NewMember): Promise<void> {
  for (const { sector, bytes } of writes) await writeSectors(member.device, sector, bytes);
  await flush(member.device);
}

function made(request: NewMemberRequest): NewMember {
  const { array, device, joining, number } = request;
  const sample = sampleOf(array);
  checkArray(request, sample);
  checkDevice(request, sample);
  const places = placesOn(request, sample);
  checkSize(request, places, sample);
  const image = imageOf(request, sample, places);
  const superblock = decoded(image, sample.superblock, places.superSector, device.sectors);
  const member = new Member({
    label: joining.label,
    device,
    superblock,
    image,
    standing: joining.isJournal ? { kind: "journal" } : { kind: "spare" },
    badBlocks: new BadBlockTable(superblock.badBlockLog, []),
  });
  member.number = number;
  const { bitmap, journalSequence } = request;
  const writes = bodyOf({
    device: joining,
    places,
    uuid: arrayUuidBytes(sample.superblock),
    bitmap: bitmap === null ? null : BitmapImage.allDirty(bitmap),
    journalSequence,
  });
  return { kind: "ok", member, writes };
}

/** The member from which is taken what all have in common: mdadm's choice too. */
function sampleOf({ name, members }: JoinedArray): Member {
  const sample = members.attached
    .filter(({ standing, isFaulty }) => !isFaulty && standing.kind !== "journal")
    .toSorted((a, b) => a.number - b.number)[0];
  if (sample === undefined) refuse(`${name} has no member that works`);
  return sample;
}

function checkArray({ array, bitmap, joining, isAtEnd }: NewMemberRequest, sample: Member): void {
  const { name, members } = array;
  const { shape, reshape, hasJournal } = sample.superblock;
  const { label } = joining;
  if (shape === null || reshape !== null)
    refuse(`${label} cannot join ${name} before its reshape is done`);
  if (isAtEnd === true) {
    if (shape.level !== "linear") refuse(`${name} is a ${shape.level}, which has no end to add to`);
    return;
  }
  if (!joining.isJournal) {
    if (!isRedundant(shape.level))
      refuse(`${name} is a ${shape.level}, which has no use for spares`);
    if (!survival(shape, members.inSyncSlots).survives)
      refuse(`${name} has failed: adding ${label} would destroy what may be needed to repair it`);
    return;
  }
  if (!hasJournal || bitmap !== null)
    refuse(`${name} does not keep a journal, so ${label} cannot be its journal`);
  if (members.journal !== null) refuse(`${name} has a journal already, ${members.journal.label}`);
}

function checkDevice({ array, device, joining, number }: NewMemberRequest, sample: Member): void {
  const { label } = joining;
  const { members, name } = array;
  const taken = members.withNumber(number);
  if (taken !== null) refuse(`${name} has a device ${number} already, ${taken.label}`);
  if (members.attached.some((one) => one.device === device)) refuse(`${label} is in ${name}`);
  if (device.limits.readOnly) refuse(`${label} can only be read`);
  const blockBytes = sample.superblock.logicalBlockBytes ?? SECTOR_BYTES;
  if (sample.superblock.logicalBlockBytes !== null && device.limits.logicalBlockBytes > blockBytes)
    refuse(
      `${label} has blocks of ${device.limits.logicalBlockBytes} bytes, and ${name} was made for ${blockBytes}`,
    );
}

/** A journal may be of any size that has room for its log. */
function checkSize(
  { array, joining, device, isAtEnd }: NewMemberRequest,
  places: MetadataPlaces,
  sample: Member,
): void {
  const chunkSectors = sample.superblock.shape?.chunkSectors ?? 0;
  const { componentSectors } = array.record;
  const least = isAtEnd === true ? chunkSectors || 1 : componentSectors;
  const needed = joining.isJournal ? LEAST_COMPONENT_SECTORS : least;
  if (places.dataSectors >= needed) return;
  refuse(
    `${joining.label} is too small for ${array.name}: of its ${device.sectors} sectors ${Math.max(0, places.dataSectors)} are left for data, and it takes ${needed}`,
  );
}

function placesOn(request: NewMemberRequest, { superblock }: Member): MetadataPlaces {
  const { array, bitmap, device, joining, badBlockLog } = request;
  const { bitmapSector, ppl, superSector } = superblock;
  const area = bitmapSector ?? ppl?.startSector ?? null;
  try {
    return placeMetadata({
      version: superblock.version,
      deviceSectors: device.sectors,
      dataOffset: superblock.dataOffsetSectors,
      componentSectors: array.record.componentSectors,
      bitmapSectors: bitmap === null ? null : bitmapSectors(bitmap),
      bitmapOffset: area === null ? null : area - superSector,
      pplSectors: ppl === null ? null : ppl.sectors,
      hasBadBlockLog: badBlockLog,
    });
  } catch (thrown) {
    if (thrown instanceof Refusal)
      refuse(`${joining.label} cannot join ${array.name}: ${thrown.message}`);
    throw thrown;
  }
}

function bitmapSectors({ syncSectors, chunkSectors }: NewBitmap): number {
  const chunks = Math.ceil(syncSectors / chunkSectors);
  return alignUp(bitmapBytes(chunks), BITMAP_PAGE_BYTES) / SECTOR_BYTES;
}

/** The sample's superblock with what is the device's own; the array's next round of metadata fills in the rest. */
function imageOf(request: NewMemberRequest, sample: Member, places: MetadataPlaces): Uint8Array {
  const { array, joining, number, bitmap } = request;
  const { version } = sample.superblock;
  const bare = sample.image.slice();
  if (version !== "0.90") superblock1.encodeInto(bare, 0, ownFields(request, places));
  const own: DeviceImage = {
    // In 0.90 numbers follow from the places, and a spare that is alone has the first behind the slots.
    number: version === "0.90" ? array.record.raidDisks : number,
    node: joining.node,
    role: { kind: joining.isJournal ? "journal" : "spare" },
    recoveryOffsetSectors: null,
    recoveryByBitmap: false,
    isReplacement: false,
    writeMostly: joining.writeMostly,
    failFast: joining.failFast,
    hasBadBlocks: false,
    correctedSectors: 0,
    journalTailSectors: joining.isJournal ? 0 : null,
  };
  const { raidDisks, componentSectors } = array.record;
  return updateSuperblock(
    sample.superblock,
    bare,
    {
      // It has seen nothing yet.
      events: 0,
      updatedSeconds: sample.superblock.updatedSeconds,
      raidDisks,
      componentSectors,
      isClean: true,
      resyncOffsetSectors: Infinity,
      hasBitmap: bitmap !== null,
      hasPpl: sample.superblock.ppl !== null,
      devices: [own],
    },
    own,
  );
}

function ownFields(
  { joining, number }: NewMemberRequest,
  places: MetadataPlaces,
): Parameters<typeof superblock1.encodeInto>[2] {
  const { superSector, badBlockSector, dataOffset, dataSectors } = places;
  return {
    deviceUuid: joining.deviceUuid,
    devNumber: number,
    dataOffset: BigInt(dataOffset),
    dataSize: BigInt(dataSectors),
    superOffset: BigInt(superSector),
    bitmapOffset: bitmapField(places),
    newOffset: 0,
    cntCorrectedRead: 0,
    bblogShift: 0,
    bblogSize: badBlockSector === null ? 0 : BAD_BLOCK_LOG_SECTORS,
    bblogOffset: badBlockSector === null ? 0 : badBlockSector - superSector,
  };
}

function decoded(
  image: Uint8Array,
  { version }: MdSuperblock,
  sector: number,
  deviceSectors: number,
): MdSuperblock {
  const place = { sector, deviceSectors };
  const result =
    version === "0.90"
      ? decodeSuperblock090(image, place)
      : decodeSuperblock1(image, version, place);
  assert(result.kind === "ok", "a superblock made of one that was read can be read");
  return result.superblock;
}
