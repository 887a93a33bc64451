/** Superblocks and candidates made by hand, for tests of assembly. */
import type { MdRole, MdSuperblock } from "../../src/formats/md/superblock.ts";
import type { MdCandidate } from "../../src/md/candidate.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { READ_ONLY_LIMITS } from "../../src/block/device.ts";

export const active = (slot: number): MdRole => ({ kind: "active", slot });
export const faulty: MdRole = { kind: "faulty" };
export const spare: MdRole = { kind: "spare" };

/** Member `slot` of a clean 4-disk raid5 in which everybody knows everybody, with the given changes. */
export function superblockOf(slot: number, changes: Partial<MdSuperblock> = {}): MdSuperblock {
  return {
    version: "1.2",
    byteOrder: "little",
    superSector: 8,
    checksumOk: true,
    arrayUuid: "00000001:00000002:00000003:00000004",
    deviceUuid: `0000000${slot}:00000000:00000000:00000000`,
    name: "host:data",
    preferredMinor: null,
    createdSeconds: 1_700_000_000,
    updatedSeconds: 1_700_000_100,
    events: 100,
    levelNumber: 5,
    shape: { level: "raid5", layout: 2, chunkSectors: 128, raidDisks: 4 },
    reshape: null,
    componentSectors: 4096,
    dataOffsetSectors: 2048,
    dataSectors: 4096,
    resyncOffsetSectors: Infinity,
    recoveryOffsetSectors: Infinity,
    recoveryByBitmap: false,
    deviceNumber: slot,
    role: active(slot),
    replacement: false,
    writeMostly: false,
    failFast: false,
    correctedSectors: 0,
    roles: [active(0), active(1), active(2), active(3)],
    bitmapSector: null,
    badBlockLog: null,
    ppl: null,
    hasJournal: false,
    journalTailSectors: null,
    clustered: false,
    raid0Layout: null,
    logicalBlockBytes: null,
    features: [],
    unknownFeatures: 0,
    reservedBytesSet: false,
    fields: [],
    ...changes,
  };
}

const noDevice: BlockDevice = {
  name: "no device",
  sectors: 0,
  limits: READ_ONLY_LIMITS,
  submit: () => {
    throw new Error("planning must not do I/O");
  },
  extents: () => [],
  close: () => Promise.resolve(),
};

export function candidateOf(path: string, superblock: MdSuperblock): MdCandidate {
  return { path, device: noDevice, superblock };
}
