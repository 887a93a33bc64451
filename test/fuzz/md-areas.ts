/**
 * The metadata areas of an md member as bytes that can be mutated: where they lie, the codec's field list, and how
 * their checksum is made right again, since nothing behind a wrong one would be reached.
 */
import type { BlockDevice } from "../../src/block/device.ts";
import { readSectors } from "../../src/block/promises.ts";
import type { ByteOrder } from "../../src/codec/fields.ts";
import { bitmapSuper } from "../../src/formats/md/bitmap.ts";
import {
  decodePplHeader,
  PPL_HEADER_SECTORS,
  pplHeader,
  pplHeaderChecksum,
  pplSignature,
} from "../../src/formats/md/ppl.ts";
import {
  R5_BLOCK_SECTORS,
  r5DataParity,
  r5MetaBlock,
  r5MetaChecksum,
  r5Seed,
  r5Start,
  readR5Log,
} from "../../src/formats/md/r5-log.ts";
import { superblock090, superblock090Checksum } from "../../src/formats/md/superblock-090.ts";
import {
  MAX_ROLES,
  superblock1,
  superblock1Checksum,
} from "../../src/formats/md/superblock-1-layout.ts";
import { arrayUuidBytes } from "../../src/formats/md/superblock.ts";
import type { MdSuperblock } from "../../src/formats/md/superblock.ts";
import type { FieldPlaces } from "./mutate.ts";

export type AreaKind = "superblock" | "bitmap" | "bad-blocks" | "ppl" | "journal";

export interface Area {
  readonly kind: AreaKind;
  readonly sector: number;
  readonly data: Uint8Array;
  readonly layouts: readonly FieldPlaces[];
  readonly order: ByteOrder;
  /** Of a journal: what its checksums start from. */
  readonly seed?: number;
  /** Makes the checksum of mutated bytes right. */
  fix(data: Uint8Array): void;
}

const nothingToFix = (): void => {};

/** A table of numbers without a struct. */
function tableOf(name: string, type: string, bytes: number): FieldPlaces {
  return { name, size: bytes, fields: { entries: { offset: 0, size: bytes, type: `${type}[]` } } };
}

/** A struct somewhere inside an area. */
function movedLayout(layout: FieldPlaces, by: number): FieldPlaces {
  const fields = Object.entries(layout.fields).map(([name, field]) => [
    name,
    { ...field, offset: field.offset + by },
  ]);
  return { name: `${layout.name}@${by}`, size: layout.size, fields: Object.fromEntries(fields) };
}

export const ROLE_TABLE: FieldPlaces = {
  name: "roles",
  size: 4096,
  fields: { roles: { offset: 256, size: 64, type: "u16[32]" } },
};

export function fixSuperblock1(data: Uint8Array): void {
  const { maxDev } = superblock1.decode(data);
  const sbCsum = superblock1Checksum(data, Math.min(maxDev, MAX_ROLES));
  superblock1.encodeInto(data, 0, { sbCsum });
}

export function fixSuperblock090(data: Uint8Array, order: ByteOrder): void {
  superblock090.encodeInto(data, 0, { sbCsum: superblock090Checksum(data, order) }, order);
}

function fixSuperblock(data: Uint8Array, superblock: MdSuperblock): void {
  if (superblock.version === "0.90") fixSuperblock090(data, superblock.byteOrder);
  else fixSuperblock1(data);
}

async function superblockArea(device: BlockDevice, own: MdSuperblock): Promise<Area> {
  const is090 = own.version === "0.90";
  return {
    kind: "superblock",
    sector: own.superSector,
    data: await readSectors(device, own.superSector, 8),
    layouts: is090 ? [superblock090] : [superblock1, superblock1, superblock1, ROLE_TABLE],
    order: own.byteOrder,
    fix: (data) => fixSuperblock(data, own),
  };
}

async function bitmapArea(device: BlockDevice, sector: number): Promise<Area> {
  const data = await readSectors(device, sector, 8);
  const layouts = [bitmapSuper, bitmapSuper, tableOf("bits", "u8", data.length)];
  return { kind: "bitmap", sector, data, layouts, order: "little", fix: nothingToFix };
}

async function badBlockArea(
  device: BlockDevice,
  log: NonNullable<MdSuperblock["badBlockLog"]>,
): Promise<Area> {
  const data = await readSectors(device, log.startSector, log.sectors);
  const layouts = [tableOf("bad blocks", "u64", Math.min(data.length, 128))];
  return {
    kind: "bad-blocks",
    sector: log.startSector,
    data,
    layouts,
    order: "little",
    fix: nothingToFix,
  };
}

/** Every log of the area, as far as they are sound. */
async function pplAreas(
  device: BlockDevice,
  own: MdSuperblock,
  ppl: NonNullable<MdSuperblock["ppl"]>,
): Promise<Area[]> {
  const areas: Area[] = [];
  const signature = pplSignature(arrayUuidBytes(own));
  const fix = (data: Uint8Array): void => {
    pplHeader.encodeInto(data, 0, { checksum: pplHeaderChecksum(data) });
  };
  for (let at = 0; at + PPL_HEADER_SECTORS < ppl.sectors;) {
    const sector = ppl.startSector + at;
    const data = await readSectors(device, sector, PPL_HEADER_SECTORS);
    const decoded = decodePplHeader(data, signature);
    if (decoded.kind === "bad") break;
    const entries = movedLayout(tableOf("entries", "u32", 72), 536);
    areas.push({
      kind: "ppl",
      sector,
      data,
      layouts: [pplHeader, entries],
      order: "little",
      fix,
    });
    at += decoded.log.sectors;
  }
  return areas;
}

/** The first meta blocks of a write journal. */
async function journalAreas(device: BlockDevice, own: MdSuperblock): Promise<Area[]> {
  const areas: Area[] = [];
  const seed = r5Seed(arrayUuidBytes(own));
  const log = { sectors: own.dataSectors - (own.dataSectors % R5_BLOCK_SECTORS), seed };
  const read = (sector: number, sectors: number): Promise<Uint8Array> =>
    readSectors(device, own.dataOffsetSectors + sector, sectors);
  const fix = (data: Uint8Array): void => {
    r5MetaBlock.encodeInto(data, 0, { checksum: r5MetaChecksum(seed, data) });
  };
  const tail = r5Start(log, own.journalTailSectors ?? 0);
  for await (const meta of readR5Log(read, log, tail)) {
    areas.push({
      kind: "journal",
      sector: own.dataOffsetSectors + meta.position,
      data: await read(meta.position, R5_BLOCK_SECTORS),
      layouts: [r5MetaBlock, movedLayout(r5DataParity, 32), movedLayout(r5DataParity, 52)],
      order: "little",
      seed,
      fix,
    });
    if (areas.length === 8) break;
  }
  return areas;
}

export async function areasOf(device: BlockDevice, own: MdSuperblock): Promise<Area[]> {
  const areas = [await superblockArea(device, own)];
  if (own.bitmapSector !== null) areas.push(await bitmapArea(device, own.bitmapSector));
  if (own.badBlockLog !== null) areas.push(await badBlockArea(device, own.badBlockLog));
  if (own.ppl !== null) areas.push(...(await pplAreas(device, own, own.ppl)));
  if (own.role.kind === "journal") areas.push(...(await journalAreas(device, own)));
  return areas;
}
