/**
 * mdadm's backup of a reshape's critical section: data that the reshape is about to overwrite in place, kept in a file
 * (--backup-file) or at the end of a member that was just added.
 *
 *   file:    0 header | 4096 section 1 | section 2                              devstart = 8
 *   member:  ... copy of the header | section 1 | section 2 | header             header at data offset + size - 8 sectors
 *
 * Magic md_backup_data-1 has one section, -2 two. A section is plain array data: `length` sectors for array sectors from
 * `arraystart` on. Restoring means: these sectors have that content, and the reshape goes on behind them.
 * Facts: Grow.c (Grow_restart, grow_backup, bsb_csum) and restripe.c of mdadm. docs/formats/mdadm-backup-file.md.
 */
import { asHex, bytes, shownAs, text, u32, u64 } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import type { DescribedField, ValueOf } from "../../codec/struct.ts";
import { mdUuid } from "../../codec/uuid.ts";
import { utcText } from "../../base/dates.ts";
import type { MdReshape } from "./superblock.ts";
import { sectorNumber } from "./superblock-1-layout.ts";

const BACKUP_HEADER_BYTES = 512;
/** On a member, the header is this far before the end of its used data. */
export const BACKUP_MEMBER_SECTORS = 8;
const MAGIC = "md_backup_data-";
const CHECKSUM_OFFSET = 64;
const CHECKSUM2_OFFSET = 96;
/** Bytes in which the header and its copy must agree. */
const COMPARED = { one: 68, two: 100 };

/** How far the array's last update may be behind and before the backup's time. */
const LATEST_BEFORE_S = 600;
const LATEST_AFTER_S = 7200;

export const backupHeader = struct("mdadm backup header", "little", BACKUP_HEADER_BYTES, {
  magic: text(0, 16),
  setUuid: shownAs(bytes(16, 16), mdUuid),
  mtime: shownAs(u64(32), (value) => utcText(Number(value & 0xffff_ffffn))),
  /** Sectors of the file or member. */
  devstart: u64(40),
  /** Array sectors. */
  arraystart: u64(48),
  length: u64(56),
  sbCsum: shownAs(u32(CHECKSUM_OFFSET), asHex),
  pad1: u32(68),
  /** From devstart on. */
  devstart2: u64(72),
  arraystart2: u64(80),
  length2: u64(88),
  sbCsum2: shownAs(u32(CHECKSUM2_OFFSET), asHex),
  pad: bytes(100, 412),
});
type BackupRaw = ValueOf<typeof backupHeader>;

export interface BackupSection {
  /** Where it lies in the file or on the member. */
  readonly backupSector: number;
  readonly arraySector: number;
  readonly sectors: number;
}

export interface MdBackup {
  /** 16 bytes, compare with arrayUuidBytes(). */
  readonly arrayUuid: Uint8Array;
  readonly writtenSeconds: number;
  /** Where the copy of the header lies; in a file it is the header itself. */
  readonly copySector: number;
  /** Those that hold anything. */
  readonly sections: readonly BackupSection[];
  /** How many bytes at the header's start its copy must have the same. */
  readonly comparedBytes: number;
  readonly fields: readonly DescribedField[];
}

export type BackupDecode =
  | { readonly kind: "ok"; readonly backup: MdBackup }
  | { readonly kind: "none" }
  | { readonly kind: "bad"; readonly reason: string };

/**
 * The sum mdadm forms over the bytes before the field. It takes the first byte again and again, so all it tells
 * is that the header was written by mdadm.
 */
export function backupChecksum(header: Uint8Array, before: number): number {
  let sum = 0;
  for (let i = 0; i < before; i += 1) sum = ((sum << 3) + header[0]!) >>> 0;
  return sum;
}

function sectionsOf(raw: BackupRaw, two: boolean): BackupSection[] {
  const devstart = sectorNumber(raw.devstart);
  const all: BackupSection[] = [
    {
      backupSector: devstart,
      arraySector: sectorNumber(raw.arraystart),
      sectors: sectorNumber(raw.length),
    },
  ];
  if (two)
    all.push({
      backupSector: devstart + sectorNumber(raw.devstart2),
      arraySector: sectorNumber(raw.arraystart2),
      sectors: sectorNumber(raw.length2),
    });
  return all.filter((section) => section.sectors > 0);
}

/** @param data the 512 bytes of the header */
export function decodeBackupHeader(data: Uint8Array): BackupDecode {
  if (data.length < BACKUP_HEADER_BYTES) return { kind: "none" };
  const raw = backupHeader.decode(data);
  const two = raw.magic === `${MAGIC}2`;
  if (!two && raw.magic !== `${MAGIC}1`) return { kind: "none" };
  const wrong =
    backupChecksum(data, CHECKSUM_OFFSET) !== raw.sbCsum ||
    (two && backupChecksum(data, CHECKSUM2_OFFSET) !== raw.sbCsum2);
  if (wrong) return { kind: "bad", reason: "the checksum of its header is wrong" };
  const sections = sectionsOf(raw, two);
  const numbers = sections.flatMap((one) => [
    one.backupSector + one.sectors,
    one.arraySector + one.sectors,
  ]);
  if (!numbers.every(Number.isSafeInteger) || raw.devstart < 8n)
    return { kind: "bad", reason: "its header has impossible positions" };
  return {
    kind: "ok",
    backup: {
      arrayUuid: raw.setUuid,
      writtenSeconds: sectorNumber(raw.mtime),
      copySector: sectorNumber(raw.devstart) - 8,
      sections,
      comparedBytes: two ? COMPARED.two : COMPARED.one,
      fields: backupHeader.describe(raw),
    },
  };
}

export type BackupVerdict =
  /** Take the sections from the backup, and go on as if the reshape stood at `positionSectors`. */
  | {
      readonly kind: "use";
      readonly sections: readonly BackupSection[];
      readonly positionSectors: number;
    }
  /** The reshape is not within the sections: what they hold is on the members, too. */
  | { readonly kind: "not-needed" }
  | { readonly kind: "refuse"; readonly reason: string };

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** The sections the reshape stands in or comes to without a gap, and where it stands once they are done. */
function carryOn(
  sections: readonly BackupSection[],
  { backwards, positionSectors }: MdReshape,
): { readonly sections: readonly BackupSection[]; readonly positionSectors: number } {
  const inOrder = sections.toSorted((a, b) =>
    backwards ? b.arraySector - a.arraySector : a.arraySector - b.arraySector,
  );
  const reached: BackupSection[] = [];
  let position = positionSectors;
  for (const section of inOrder) {
    const end = section.arraySector + section.sectors;
    if (position < section.arraySector || position > end) continue;
    reached.push(section);
    position = backwards ? section.arraySector : end;
  }
  return { sections: reached, positionSectors: position };
}

/**
 * Whether a backup is that of this array at this time, and what to do with it: mdadm's rules for going on with a
 * reshape. (`anyAge` is its MDADM_GROW_ALLOW_OLD.) The caller has compared the header's copy.
 *
 * Where mdadm writes sections back although the reshape has not come to them yet, they are left alone here: before the
 * reshape reaches them, the members hold the same data in the old shape.
 */
export function judgeBackup(
  backup: MdBackup,
  array: {
    readonly uuid: Uint8Array;
    readonly updatedSeconds: number;
    readonly reshape: MdReshape;
  },
  options: { readonly anyAge: boolean } = { anyAge: false },
): BackupVerdict {
  if (!sameBytes(backup.arrayUuid, array.uuid))
    return { kind: "refuse", reason: `it belongs to array ${mdUuid(backup.arrayUuid)}` };
  const later = array.updatedSeconds - backup.writtenSeconds;
  if (!options.anyAge && (later > LATEST_AFTER_S || later < -LATEST_BEFORE_S))
    return {
      kind: "refuse",
      reason: `it was written ${Math.abs(later)} seconds ${later > 0 ? "before" : "after"} the array's last update`,
    };
  const reached = carryOn(backup.sections, array.reshape);
  return reached.sections.length === 0 ? { kind: "not-needed" } : { kind: "use", ...reached };
}
