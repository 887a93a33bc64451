/**
 * The label and header of an LVM2 physical volume, and the header of a metadata area.
 *
 *   sector 0..3 of the device: label_header | pv_header: uuid, size, data areas.., 0, metadata areas.., 0 | extension:
 *   version, flags, bootloader areas.., 0                  all within the one sector, covered by the label's CRC
 *
 *   metadata area: mda_header (512 bytes, own CRC) | ring of text; raw location 0 is the committed text, 1 a precommitted
 *   one. Text that reaches the end of the ring goes on behind the header.
 *
 * Facts: docs/formats/lvm2.md.
 */
import { array, bytes, text, u32, u64n } from "../../codec/fields.ts";
import { crc32Update } from "../../codec/crc32.ts";
import { struct } from "../../codec/struct.ts";
import type { ValueOf } from "../../codec/struct.ts";

export const LVM_LABEL_SECTORS = 4;
export const MDA_HEADER_BYTES = 512;
const CRC_SEED = 0xf597a6cf;
const LABEL_ID = "LABELONE";
const LABEL_TYPE = "LVM2 001";
const MDA_MAGIC = " LVM2 x[5A%r0N*>";
const RAW_LOCATION_IGNORED = 1;

/** LVM2's checksum: CRC-32 without inversions, from a seed of its own. */
export function lvmCrc(data: Uint8Array): number {
  return crc32Update(CRC_SEED, data);
}

export const labelHeader = struct("lvm2Label", "little", 32, {
  id: text(0, 8),
  sector: u64n(8),
  crc: u32(16),
  /** Of the pv_header, from the start of the label. */
  headerOffset: u32(20),
  type: text(24, 8),
});

export const pvHeader = struct("lvm2PvHeader", "little", 40, {
  uuid: text(0, 32),
  deviceBytes: u64n(32),
});

const areaLocation = struct("lvm2Area", "little", 16, {
  offset: u64n(0),
  size: u64n(8),
});

const pvExtension = struct("lvm2PvExtension", "little", 8, {
  version: u32(0),
  flags: u32(4),
});

const mdaHeader = struct("lvm2MdaHeader", "little", 512, {
  crc: u32(0),
  magic: text(4, 16),
  version: u32(20),
  start: u64n(24),
  size: u64n(32),
  rawLocations: array((offset) => bytes(offset, 24), 40, 2),
});

const rawLocation = struct("lvm2RawLocation", "little", 24, {
  offset: u64n(0),
  size: u64n(8),
  crc: u32(16),
  flags: u32(20),
});

/** Bytes on the device. A data area of size 0 reaches to the end. */
export interface LvmArea {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface LvmLabel {
  readonly sector: number;
  /** With dashes, as LVM2 prints it. */
  readonly uuid: string;
  readonly deviceBytes: number;
  readonly dataAreas: readonly LvmArea[];
  readonly metadataAreas: readonly LvmArea[];
  readonly bootloaderAreas: readonly LvmArea[];
  /** Null when the header has no extension (before LVM2 2.02.99). */
  readonly extensionVersion: number | null;
  /** Bit 0: the physical volume is used by a volume group, even if it has no metadata itself. */
  readonly extensionFlags: number;
}

export type LvmLabelResult =
  | { readonly kind: "good"; readonly label: LvmLabel }
  | { readonly kind: "bad"; readonly why: string };

/** "aaaaaa-bbbb-bbbb-bbbb-bbbb-bbbb-cccccc" from the 32 characters on disk. */
export function lvmUuid(raw: string): string {
  return raw.replace(/^(.{6})(.{4})(.{4})(.{4})(.{4})(.{4})(.{6})$/, "$1-$2-$3-$4-$5-$6-$7");
}

interface AreaList {
  readonly areas: LvmArea[];
  /** Behind the zero entry that ends the list. */
  readonly end: number;
}

function readAreas(sector: Uint8Array, from: number): AreaList | null {
  const areas: LvmArea[] = [];
  for (let at = from; at + areaLocation.size <= sector.length; at += areaLocation.size) {
    const { offset, size } = areaLocation.decode(sector, at);
    if (offset === 0) return { areas, end: at + areaLocation.size };
    areas.push({ offsetBytes: offset, sizeBytes: size });
  }
  return null;
}

/** The label in this sector (512 bytes, number `sector` of the device); null if there is none. */
export function decodeLvmLabel(data: Uint8Array, sector: number): LvmLabelResult | null {
  const header = labelHeader.decode(data);
  if (header.id !== LABEL_ID || header.type !== LABEL_TYPE) return null;
  if (header.crc !== lvmCrc(data.subarray(20, 512)))
    return { kind: "bad", why: "its checksum is wrong" };
  if (header.sector !== sector)
    return { kind: "bad", why: `it says it belongs in sector ${header.sector}` };
  const at = header.headerOffset;
  if (at < labelHeader.size || at + pvHeader.size > data.length)
    return { kind: "bad", why: `its header is at byte ${at}` };
  const pv = pvHeader.decode(data, at);
  const dataAreas = readAreas(data, at + pvHeader.size);
  const metadataAreas = dataAreas === null ? null : readAreas(data, dataAreas.end);
  if (dataAreas === null || metadataAreas === null)
    return { kind: "bad", why: "its lists of areas do not end" };
  const label: LvmLabel = {
    sector,
    uuid: lvmUuid(pv.uuid),
    deviceBytes: pv.deviceBytes,
    dataAreas: dataAreas.areas,
    metadataAreas: metadataAreas.areas,
    ...readExtension(data, metadataAreas.end),
  };
  return { kind: "good", label };
}

type Extension = Pick<LvmLabel, "bootloaderAreas" | "extensionVersion" | "extensionFlags">;

function readExtension(data: Uint8Array, at: number): Extension {
  const none = { bootloaderAreas: [], extensionVersion: null, extensionFlags: 0 };
  if (at + pvExtension.size > data.length) return none;
  const extension = pvExtension.decode(data, at);
  if (extension.version === 0) return none;
  return {
    bootloaderAreas: readAreas(data, at + pvExtension.size)?.areas ?? [],
    extensionVersion: extension.version,
    extensionFlags: extension.flags,
  };
}

/** Where a text lies within its metadata area. */
export interface LvmTextLocation {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly crc: number;
}

export interface LvmMetadataArea {
  readonly area: LvmArea;
  /** Null: the area has no metadata yet. */
  readonly committed: LvmTextLocation | null;
  /** Left by a command that was interrupted between its two steps; never to be used. */
  readonly precommitted: LvmTextLocation | null;
  /** LVM2 was told to leave this area unused; its text may be old. */
  readonly ignored: boolean;
}

export type LvmMdaResult =
  | { readonly kind: "good"; readonly mda: LvmMetadataArea }
  | { readonly kind: "bad"; readonly why: string };

function locationOf(raw: ValueOf<typeof rawLocation>): LvmTextLocation | null {
  if (raw.offset === 0) return null;
  return { offsetBytes: raw.offset, sizeBytes: raw.size, crc: raw.crc };
}

/** @param data the first 512 bytes of the metadata area `area` */
export function decodeMdaHeader(data: Uint8Array, area: LvmArea): LvmMdaResult {
  const header = mdaHeader.decode(data);
  if (header.magic !== MDA_MAGIC) return { kind: "bad", why: "it has no header" };
  if (header.crc !== lvmCrc(data.subarray(4, MDA_HEADER_BYTES)))
    return { kind: "bad", why: "the checksum of its header is wrong" };
  if (header.version !== 1) return { kind: "bad", why: `its version is ${header.version}, not 1` };
  if (header.start !== area.offsetBytes)
    return { kind: "bad", why: `its header says it belongs at byte ${header.start}` };
  if (header.size <= MDA_HEADER_BYTES || header.size === Infinity)
    return { kind: "bad", why: `its size is given as ${header.size} bytes` };
  const [committed, precommitted] = header.rawLocations.map((raw) => rawLocation.decode(raw));
  const mda: LvmMetadataArea = {
    area: { offsetBytes: header.start, sizeBytes: header.size },
    committed: locationOf(committed!),
    precommitted: locationOf(committed!) === null ? null : locationOf(precommitted!),
    ignored: (committed!.flags & RAW_LOCATION_IGNORED) !== 0,
  };
  return { kind: "good", mda };
}
