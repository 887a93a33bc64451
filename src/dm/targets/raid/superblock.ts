/**
 * The target's superblock, `DmRd`, as md's engine sees it, and back. What md calls one superblock is here a sector at the start of a metadata
 * device; the bitmap follows at 4 KiB, and the data are on another device, which the engine sees behind them (pair-device.ts).
 */
import { BioFlags } from "../../../block/bio.ts";
import { flush, writeSectors } from "../../../block/promises.ts";
import { DM_RAID_BYTES, dmRaidSuper, encodeDmRaid } from "../../../formats/dm-raid.ts";
import type { DmRaidSuper } from "../../../formats/dm-raid.ts";
import type { MdRole, MdSuperblock } from "../../../formats/md/superblock.ts";
import type { RoundWriter, Saying } from "../../../md/running/member-images.ts";
import type { Member } from "../../../md/running/member.ts";
import type { RaidGeometry } from "./geometry.ts";
import type { Pair } from "./judge.ts";
import { LEVEL_NUMBERS } from "./types.ts";

export const BITMAP_SECTOR = 8;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** What is known of a device, whether or not it has a superblock yet. */
export interface DeviceState {
  readonly index: number;
  readonly events: number;
  /** Sectors of it that are good; Infinity: all. */
  readonly recoveryOffsetSectors: number;
  /** Above that too where the bitmap says nothing else. */
  readonly recoveryByBitmap: boolean;
  readonly writeMostly: boolean;
  readonly dataOffsetSectors: number;
}

/** What is the same on all of them. */
export interface SetState {
  readonly geometry: RaidGeometry;
  readonly events: number;
  readonly resyncOffsetSectors: number;
  readonly hasBitmap: boolean;
  readonly hasJournal: boolean;
}

/** As md's engine wants it. */
export function asMdSuperblock(set: SetState, device: DeviceState): MdSuperblock {
  const { shape, componentSectors } = set.geometry;
  const role: MdRole = { kind: "active", slot: device.index };
  return {
    version: "1.2",
    byteOrder: "little",
    superSector: 0,
    checksumOk: true,
    arrayUuid: "00000000:00000000:00000000:00000000",
    deviceUuid: null,
    name: null,
    preferredMinor: null,
    createdSeconds: 0,
    updatedSeconds: 0,
    events: device.events,
    levelNumber: LEVEL_NUMBERS[shape.level],
    shape,
    reshape: null,
    componentSectors,
    dataOffsetSectors: device.dataOffsetSectors,
    dataSectors: componentSectors,
    resyncOffsetSectors: set.resyncOffsetSectors,
    recoveryOffsetSectors: device.recoveryOffsetSectors,
    recoveryByBitmap: device.recoveryByBitmap,
    deviceNumber: device.index,
    role,
    replacement: false,
    writeMostly: device.writeMostly,
    failFast: false,
    correctedSectors: 0,
    roles: Array.from({ length: shape.raidDisks }, (_unused, slot) => ({ kind: "active", slot })),
    bitmapSector: set.hasBitmap ? BITMAP_SECTOR : null,
    badBlockLog: null,
    ppl: null,
    hasJournal: set.hasJournal,
    journalTailSectors: null,
    clustered: false,
    raid0Layout: "alternate",
    logicalBlockBytes: null,
    features: [],
    unknownFeatures: 0,
    reservedBytesSet: false,
    fields: [],
  };
}

/** Of a device that has no superblock: all of it is the log, which begins at 0 always, since nobody records a tail. */
export function asJournalSuperblock(set: SetState, sectors: number): MdSuperblock {
  const { raidDisks } = set.geometry.shape;
  const device = {
    index: raidDisks,
    events: set.events,
    recoveryOffsetSectors: Infinity,
    recoveryByBitmap: false,
    writeMostly: false,
    dataOffsetSectors: 0,
  };
  return {
    ...asMdSuperblock(set, device),
    dataSectors: sectors,
    role: { kind: "journal" },
    bitmapSector: null,
  };
}

interface Said {
  readonly index: number;
  readonly events: number;
  readonly failed: ReadonlySet<number>;
  readonly recoveryOffsetSectors: number | null;
  readonly resyncOffsetSectors: number;
}

/** The fields of one device's superblock. Data offsets are the kernel's: from the start of the data device. */
function superblockFields(
  { shape, componentSectors, arraySectors }: RaidGeometry,
  said: Said,
): DmRaidSuper {
  const level = LEVEL_NUMBERS[shape.level];
  return encodeDmRaid({
    numDevices: shape.raidDisks,
    arrayPosition: said.index,
    events: BigInt(said.events),
    failed: said.failed,
    diskRecoveryOffset: orAll(said.recoveryOffsetSectors ?? Infinity),
    arrayResyncOffset: orAll(said.resyncOffsetSectors),
    level,
    layout: shape.layout,
    stripeSectors: shape.chunkSectors,
    arraySectors: BigInt(arraySectors),
    sectors: BigInt(componentSectors),
  });
}

/** Of a device that the engine does not know yet. */
export async function writeOwnSuperblock(
  geometry: RaidGeometry,
  { index, metadata }: Pair,
  said: Omit<Said, "index">,
): Promise<void> {
  const sector = new Uint8Array(DM_RAID_BYTES);
  dmRaidSuper.encodeInto(sector, 0, superblockFields(geometry, { ...said, index }));
  await writeSectors(metadata!.device, 0, sector, BioFlags.fua);
}

function orAll(sectors: number): bigint {
  return sectors === Infinity ? ALL_ONES : BigInt(sectors);
}

/** Who stands in no slot, or is not there at all, is failed. */
function failedIn({ devices }: Saying, raidDisks: number): Set<number> {
  const active = new Set(
    [...devices.values()].flatMap(({ role }) => (role.kind === "active" ? [role.slot] : [])),
  );
  return new Set(
    Array.from({ length: raidDisks }, (_unused, slot) => slot).filter((slot) => !active.has(slot)),
  );
}

/** How a round of md's metadata reaches the metadata devices. */
export function raidWriter(geometry: RaidGeometry): RoundWriter {
  return {
    flush: (member) => flush(member.device),
    // The target has no log of bad blocks: whoever fails leaves.
    log: () => Promise.resolve(),
    superblock: (member, saying) => writeSuperblock(geometry, member, saying),
  };
}

async function writeSuperblock(
  geometry: RaidGeometry,
  member: Member,
  saying: Saying,
): Promise<void> {
  const { array, devices } = saying;
  const { events, isClean } = array;
  if (member.standing.kind === "journal") {
    member.writtenEvents = events;
    member.mayHoldEvents = events;
    return;
  }
  const isJournalled = [...devices.values()].some(({ role }) => role.kind === "journal");
  const image = member.image.slice();
  const fields = superblockFields(geometry, {
    index: member.superblock.deviceNumber,
    events,
    failed: failedIn(saying, geometry.shape.raidDisks),
    recoveryOffsetSectors: devices.get(member)!.recoveryOffsetSectors,
    // Of a set that is being written it is 0, as in md's own superblocks: after a crash a kernel then syncs what the bitmap says. What was
    // being written to a set with a journal that tells.
    resyncOffsetSectors: isClean || isJournalled ? array.resyncOffsetSectors : 0,
  });
  dmRaidSuper.encodeInto(image, 0, fields);
  member.mayHoldEvents = Math.max(member.mayHoldEvents, events);
  await writeSectors(member.device, 0, image.subarray(0, DM_RAID_BYTES), BioFlags.fua);
  if (member.isFaulty) return;
  member.image = image;
  member.writtenEvents = events;
  member.mayHoldEvents = events;
}
