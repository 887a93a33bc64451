/**
 * Reading the version 1 superblock, 1.0, 1.1 and 1.2: one layout at three places, each on a 4 KiB boundary.
 *
 *   1.0  8 KiB before the end of the device, rounded down to 4 KiB        1.1  at 0        1.2  at 4 KiB
 *
 * The layout is in superblock-1-layout.ts, what is refused in superblock-1-check.ts; here its meaning is put into the
 * version-neutral MdSuperblock, as super_1_validate in the kernel's md.c does.
 */
import { showList } from "../../codec/fields.ts";
import type { DescribedField } from "../../codec/struct.ts";
import { mdUuid } from "../../codec/uuid.ts";
import { makeShape } from "./shape-check.ts";
import { superblock1Problem } from "./superblock-1-check.ts";
import {
  DEVFLAG,
  FEATURE,
  KNOWN_FEATURES,
  MAX_ROLES,
  MD_MAGIC,
  ROLE,
  ROLES_OFFSET,
  badBlockPlace,
  featureNames,
  nameText,
  pplPlace,
  readRoles,
  reshapeOf,
  roleFromNumber,
  sectorNumber,
  superblock1,
  superblock1Checksum,
} from "./superblock-1-layout.ts";
import type { Superblock1, SuperblockPlace } from "./superblock-1-layout.ts";
import type { MdSuperblock, MdVersion, SuperblockDecode } from "./superblock.ts";

function showRole(role: number): string {
  const { kind } = roleFromNumber(role);
  return kind === "active" ? String(role) : kind;
}

function raid0LayoutOf(raw: Superblock1): MdSuperblock["raid0Layout"] {
  if ((raw.featureMap & FEATURE.raid0Layout) === 0) return null;
  if (raw.layout === 1) return "original";
  return raw.layout === 2 ? "alternate" : null;
}

/** Every field with its offset, the two that share their place with others under the name that applies. */
function describe(raw: Superblock1, roles: readonly number[]): DescribedField[] {
  const ppl = pplPlace(raw);
  const isJournal = roles[raw.devNumber] === ROLE.journal;
  const rows = superblock1.describe(raw).flatMap((row): DescribedField[] => {
    if (row.name === "bitmapOffset" && ppl !== null) {
      const offset = String((raw.bitmapOffset << 16) >> 16);
      return [
        { name: "pplOffset", offset: 96, size: 2, type: "i16", value: offset },
        {
          name: "pplSize",
          offset: 98,
          size: 2,
          type: "u16",
          value: String(raw.bitmapOffset >>> 16),
        },
      ];
    }
    return row.name === "recoveryOffset" && isJournal ? [{ ...row, name: "journalTail" }] : [row];
  });
  rows.push({
    name: "devRoles",
    offset: ROLES_OFFSET,
    size: 2 * roles.length,
    type: `u16[${roles.length}]`,
    value: showList(roles.map(showRole)),
  });
  return rows;
}

function interpret(
  raw: Superblock1,
  roles: readonly number[],
  version: MdVersion,
  checksumOk: boolean,
): MdSuperblock {
  const { featureMap } = raw;
  const has = (bit: number): boolean => (featureMap & bit) !== 0;
  const reshape = reshapeOf(raw);
  const plain = makeShape({
    levelNumber: raw.level,
    layout: raw.layout,
    chunkSectors: raw.chunksize,
    raidDisks: raw.raidDisks,
  });
  const shape = has(FEATURE.reshape) ? (reshape?.after ?? null) : plain;
  const role = roleFromNumber(roles[raw.devNumber] ?? ROLE.spare);
  const recovering = role.kind === "active" && has(FEATURE.recoveryOffset);
  const superSector = Number(raw.superOffset);
  return {
    version,
    byteOrder: "little",
    superSector,
    checksumOk,
    arrayUuid: mdUuid(raw.setUuid),
    deviceUuid: mdUuid(raw.deviceUuid),
    name: nameText(raw.setName),
    preferredMinor: null,
    createdSeconds: Number(raw.ctime & 0xff_ffff_ffffn),
    updatedSeconds: Number(raw.utime & 0xff_ffff_ffffn),
    events: sectorNumber(raw.events),
    levelNumber: raw.level,
    shape,
    reshape,
    componentSectors: sectorNumber(raw.size),
    dataOffsetSectors: sectorNumber(raw.dataOffset),
    dataSectors: sectorNumber(raw.dataSize),
    resyncOffsetSectors: sectorNumber(raw.resyncOffset),
    recoveryOffsetSectors: recovering ? sectorNumber(raw.recoveryOffset) : Infinity,
    recoveryByBitmap: recovering && has(FEATURE.recoveryBitmap),
    deviceNumber: raw.devNumber,
    role,
    replacement: has(FEATURE.replacement),
    writeMostly: (raw.devflags & DEVFLAG.writeMostly) !== 0,
    failFast: (raw.devflags & DEVFLAG.failFast) !== 0,
    roles: roles.map(roleFromNumber),
    bitmapSector: has(FEATURE.bitmap) ? superSector + raw.bitmapOffset : null,
    badBlockLog: badBlockPlace(raw),
    ppl: pplPlace(raw),
    hasJournal: has(FEATURE.journal),
    correctedSectors: raw.cntCorrectedRead,
    journalTailSectors: role.kind === "journal" ? sectorNumber(raw.recoveryOffset) : null,
    clustered: has(FEATURE.clustered),
    raid0Layout: raid0LayoutOf(raw),
    logicalBlockBytes: raw.logicalBlockSize === 0 ? null : raw.logicalBlockSize,
    features: featureNames(featureMap),
    unknownFeatures: (featureMap & ~KNOWN_FEATURES) >>> 0,
    reservedBytesSet: raw.pad0 !== 0 || raw.pad3.some((byte) => byte !== 0),
    // Only examine shows them: whoever starts an array does not wait for them.
    get fields(): DescribedField[] {
      return describe(raw, roles);
    },
  };
}

/**
 * @param data the 4 KiB at the superblock's place
 * A wrong checksum is not `bad`: it is reported in `checksumOk`, and so are unknown feature bits in `unknownFeatures`.
 */
export function decodeSuperblock1(
  data: Uint8Array,
  version: Exclude<MdVersion, "0.90">,
  place: SuperblockPlace,
): SuperblockDecode {
  // Most places that are looked at hold none.
  if (new DataView(data.buffer, data.byteOffset).getUint32(0, true) !== MD_MAGIC)
    return { kind: "none" };
  const raw = superblock1.decode(data);
  const roles = readRoles(data, Math.min(raw.maxDev, MAX_ROLES));
  const reason = superblock1Problem(raw, roles, version, place);
  if (reason !== null) return { kind: "bad", reason, fields: describe(raw, roles) };
  const checksumOk = superblock1Checksum(data, raw.maxDev) === raw.sbCsum;
  return { kind: "ok", superblock: interpret(raw, roles, version, checksumOk) };
}
