/**
 * Boot sectors of Microsoft's file systems: FAT12, FAT16, FAT32 ("vfat"), exFAT, NTFS, and BitLocker, which hides one.
 * Sources: Microsoft's "FAT32 File System Specification" and "exFAT file system specification"; the NTFS layout of
 * Linux's fs/ntfs3. Labels are those of the boot sector; exFAT and NTFS keep theirs in the file system.
 */
import { u16, u32, u64, u64n, u8, bytes, text } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import type { ValueOf } from "../../codec/struct.ts";
import { guidText } from "../../codec/uuid.ts";
import { ascii, fixedRange, isPowerOfTwo, sizeOrNull, textOrNull } from "./probe.ts";
import type { Signature, SignatureProbe } from "./probe.ts";

const BITLOCKER_GUID = "4967d63b-2e29-4ad8-8399-f6a339e3d001";
const EXFAT_BOOT_SECTORS = 12;

const fatBootSector = struct("fatBootSector", "little", 512, {
  jump: u8(0),
  oem: text(3, 8),
  sectorBytes: u16(11),
  clusterSectors: u8(13),
  reservedSectors: u16(14),
  fats: u8(16),
  rootEntries: u16(17),
  sectors16: u16(19),
  media: u8(21),
  fatSectors16: u16(22),
  sectors32: u32(32),
  /** FAT32 only; FAT12 and FAT16 have their volume's name from here on. */
  fatSectors32: u32(36),
  signature: u16(510),
});

/** At byte 38 for FAT12 and FAT16, at 66 for FAT32. */
const fatVolumeName = struct("fatVolumeName", "little", 16, {
  /** 0x29: all three fields hold; 0x28: the serial only. */
  mark: u8(0),
  serial: u32(1),
  label: text(5, 11),
});

type FatBootSector = ValueOf<typeof fatBootSector>;

function isFat(sector: FatBootSector): boolean {
  const { jump, sectorBytes, clusterSectors, media } = sector;
  return (
    (jump === 0xeb || jump === 0xe9) &&
    isPowerOfTwo(sectorBytes) &&
    sectorBytes >= 512 &&
    sectorBytes <= 4096 &&
    isPowerOfTwo(clusterSectors) &&
    (media === 0xf0 || media >= 0xf8) &&
    sector.reservedSectors > 0 &&
    (sector.fats === 1 || sector.fats === 2) &&
    (sector.sectors16 !== 0 || sector.sectors32 !== 0) &&
    (sector.fatSectors16 !== 0 || sector.fatSectors32 !== 0) &&
    sector.signature === 0xaa55
  );
}

/** By the number of clusters: that alone decides, says the specification. */
function fatBits(sector: FatBootSector, sectors: number): 12 | 16 | 32 {
  if (sector.fatSectors16 === 0) return 32;
  const root = Math.ceil((sector.rootEntries * 32) / sector.sectorBytes);
  const used = sector.reservedSectors + sector.fats * sector.fatSectors16 + root;
  return (sectors - used) / sector.clusterSectors < 4085 ? 12 : 16;
}

/** "1A2B-3C4D". */
function serialText(serial: number): string {
  const digits = serial.toString(16).toUpperCase().padStart(8, "0");
  return `${digits.slice(0, 4)}-${digits.slice(4)}`;
}

function recogniseFat(data: Uint8Array): Signature | null {
  const sector = fatBootSector.decode(data);
  if (!isFat(sector)) return null;
  const sectors = sector.sectors16 || sector.sectors32;
  const bits = fatBits(sector, sectors);
  const { mark, serial, label } = fatVolumeName.decode(data, bits === 32 ? 66 : 38);
  const isMarked = mark === 0x29 || mark === 0x28;
  return {
    type: "vfat",
    label: mark === 0x29 && !label.startsWith("NO NAME") ? textOrNull(label) : null,
    uuid: isMarked ? serialText(serial) : null,
    sizeBytes: sectors * sector.sectorBytes,
    text: `FAT${bits} file system`,
  };
}

const ntfsBootSector = struct("ntfsBootSector", "little", 512, {
  oem: text(3, 8),
  sectorBytes: u16(11),
  clusterSectors: u8(13),
  reservedSectors: u16(14),
  fats: u8(16),
  sectors: u64n(40),
  mftCluster: u64n(48),
  serial: u64(72),
  signature: u16(510),
});

function recogniseNtfs(data: Uint8Array): Signature | null {
  const sector = ntfsBootSector.decode(data);
  const clusterSectors =
    sector.clusterSectors > 0x80 ? 2 ** (256 - sector.clusterSectors) : sector.clusterSectors;
  const isBelievable =
    sector.oem === "NTFS    " &&
    isPowerOfTwo(sector.sectorBytes) &&
    isPowerOfTwo(clusterSectors) &&
    sector.reservedSectors === 0 &&
    sector.fats === 0 &&
    sector.mftCluster * clusterSectors < sector.sectors;
  if (!isBelievable) return null;
  return {
    type: "ntfs",
    label: null,
    uuid: sector.serial.toString(16).toUpperCase().padStart(16, "0"),
    // The last sector holds a copy of this one and is not counted.
    sizeBytes: sizeOrNull((sector.sectors + 1) * sector.sectorBytes),
    text: "ntfs file system",
  };
}

function recogniseBitlocker(data: Uint8Array): Signature | null {
  const oem = ascii(data, 3, 11);
  const at = oem === "-FVE-FS-" ? 160 : oem === "MSWIN4.1" ? 424 : null;
  if (at === null || guidText(data.subarray(at, at + 16)) !== BITLOCKER_GUID) return null;
  return {
    type: "BitLocker",
    label: null,
    uuid: null,
    sizeBytes: null,
    text: "BitLocker encrypted volume",
  };
}

export const fatProbe: SignatureProbe = {
  name: "fat",
  types: ["vfat", "ntfs"],
  use: "file-system",
  ranges: fixedRange(0, 512),
  recognise([data]) {
    // BitLocker's sector has a file system's parameters, but nobody can mount it.
    if (recogniseBitlocker(data!) !== null) return null;
    return recogniseNtfs(data!) ?? recogniseFat(data!);
  },
};

export const bitlockerProbe: SignatureProbe = {
  name: "bitlocker",
  types: ["BitLocker"],
  use: "encryption",
  ranges: fixedRange(0, 512),
  recognise: ([data]) => recogniseBitlocker(data!),
};

const exfatBootSector = struct("exfatBootSector", "little", 512, {
  oem: text(3, 8),
  zeros: bytes(11, 53),
  volumeSectors: u64n(72),
  serial: u32(100),
  sectorShift: u8(108),
  clusterShift: u8(109),
  fats: u8(110),
});

/** The checksum of the boot region: its first 11 sectors without the three bytes that may change. */
function exfatSum(region: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < region.length; at += 1) {
    if (at === 106 || at === 107 || at === 112) continue;
    sum = (((sum & 1) << 31) | (sum >>> 1)) + region[at]!;
    sum >>>= 0;
  }
  return sum;
}

export const exfatProbe: SignatureProbe = {
  name: "exfat",
  types: ["exfat"],
  use: "file-system",
  ranges: fixedRange(0, EXFAT_BOOT_SECTORS * 4096),
  recognise([data]) {
    const sector = exfatBootSector.decode(data!);
    if (sector.oem !== "EXFAT   " || sector.zeros.some((byte) => byte !== 0)) return null;
    if (sector.sectorShift < 9 || sector.sectorShift > 12) return null;
    const sectorBytes = 2 ** sector.sectorShift;
    const sumAt = (EXFAT_BOOT_SECTORS - 1) * sectorBytes;
    const stored = new DataView(data!.buffer, data!.byteOffset).getUint32(sumAt, true);
    if (exfatSum(data!.subarray(0, sumAt)) !== stored) return null;
    return {
      type: "exfat",
      label: null,
      uuid: serialText(sector.serial),
      sizeBytes: sizeOrNull(sector.volumeSectors * sectorBytes),
      text: "exfat file system",
    };
  },
};
