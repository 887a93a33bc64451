/** mdadm --examine-bitmap and --examine-badblocks. */
import { HoldfastError } from "../../base/errors.ts";
import { readSectors } from "../../block/promises.ts";
import type { BlockDevice } from "../../block/device.ts";
import { bitmapSuper, decodeBitmap } from "../../formats/md/bitmap.ts";
import { countDirty } from "../../formats/md/bitmap-runs.ts";
import type { MdSuperblock } from "../../formats/md/superblock.ts";
import { readBadBlocks, readMemberBitmap } from "../../md/probe.ts";
import type { MemberBitmap } from "../../md/probe.ts";
import { NO_BAD_BLOCKS_IN_090, badBlocksText } from "../badblocks-text.ts";
import type { ExaminedBadBlocks } from "../badblocks-text.ts";
import type { MiscCommand } from "../command.ts";
import { examineBitmapText } from "../examine-bitmap-text.ts";
import type { ExaminedBitmap } from "../examine-bitmap-text.ts";
import { openFailure, superblockOn, withDevice } from "./probe.ts";
import type { Session } from "./session.ts";

/** A file that is a bitmap itself, as arrays with an external one had it. */
async function bitmapFile(device: BlockDevice): Promise<MemberBitmap> {
  const sectors = Math.min(1, device.sectors);
  const decoded = decodeBitmap(await readSectors(device, 0, sectors));
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const from = Math.floor(offset / 512);
    const to = Math.min(Math.ceil((offset + length) / 512), device.sectors);
    if (to <= from) return new Uint8Array(0);
    const data = await readSectors(device, from, to - from);
    return data.subarray(offset - from * 512, offset - from * 512 + length);
  };
  return { decoded, read };
}

interface FoundBitmap {
  readonly bitmap: MemberBitmap;
  readonly sector: number;
  readonly superblock: MdSuperblock | null;
}

async function findBitmap(
  device: BlockDevice,
  { metadata }: MiscCommand,
): Promise<FoundBitmap | null> {
  const superblock = await superblockOn(device, metadata);
  if (superblock === null) return { bitmap: await bitmapFile(device), sector: 0, superblock };
  const bitmap = await readMemberBitmap(device, superblock);
  return bitmap === null ? null : { bitmap, sector: superblock.bitmapSector ?? 0, superblock };
}

type BitmapLook =
  | { readonly kind: "found"; readonly examined: ExaminedBitmap }
  | { readonly kind: "nothing"; readonly why: string };

async function lookForBitmap(
  session: Session,
  device: BlockDevice,
  path: string,
  command: MiscCommand,
): Promise<BitmapLook> {
  const found = await findBitmap(device, command);
  if (found === null) return { kind: "nothing", why: `${path} doesn't have bitmap` };
  const { decoded, read } = found.bitmap;
  if (decoded.kind === "none" && found.superblock === null)
    return { kind: "nothing", why: `No bitmap file found at ${path} and no md superblock` };
  if (decoded.kind !== "ok") {
    const why = decoded.kind === "bad" ? decoded.reason : "its superblock says that one is there";
    return { kind: "nothing", why: `the bitmap of ${path} cannot be read: ${why}` };
  }
  const { state } = bitmapSuper.decode(await readSectors(device, found.sector, 1));
  const dirtyChunks = session.common.brief ? null : await countDirty(decoded.bitmap, read);
  const nativeUuid = found.superblock?.version === "0.90";
  return {
    kind: "found",
    examined: { path, bitmap: decoded.bitmap, state, dirtyChunks, nativeUuid },
  };
}

/** The exit code of `look`, with what cannot be opened or read said. */
async function looked(
  session: Session,
  path: string,
  look: (device: BlockDevice) => Promise<number>,
): Promise<number> {
  try {
    return await withDevice(session, path, look);
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    return session.refuse(1, `cannot open ${path}: ${openFailure(thrown)}`);
  }
}

export function runExamineBitmap(
  session: Session,
  command: MiscCommand,
  path: string,
): Promise<number> {
  return looked(session, path, async (device) => {
    const look = await lookForBitmap(session, device, path, command);
    if (look.kind === "nothing") return session.refuse(1, look.why);
    const { fields: _fields, uuid: _uuid, ...bitmap } = look.examined.bitmap;
    session.result({ path, bitmap, dirtyChunks: look.examined.dirtyChunks });
    session.print(examineBitmapText(look.examined));
    return 0;
  });
}

export function runExamineBadBlocks(
  session: Session,
  command: MiscCommand,
  path: string,
): Promise<number> {
  return looked(session, path, async (device) => {
    const superblock = await superblockOn(device, command.metadata);
    if (superblock === null) return session.refuse(1, `No md superblock detected on ${path}.`);
    if (superblock.version === "0.90") return session.refuse(1, NO_BAD_BLOCKS_IN_090);
    const examined = await badBlocksOf(device, path, superblock);
    if (typeof examined === "string") return session.refuse(1, examined);
    session.result(examined);
    session.print(badBlocksText(examined));
    return 0;
  });
}

async function badBlocksOf(
  device: BlockDevice,
  path: string,
  superblock: MdSuperblock,
): Promise<ExaminedBadBlocks | string> {
  if (superblock.badBlockLog === null) return { path, ranges: null };
  const decoded = await readBadBlocks(device, superblock);
  return decoded.kind === "ok"
    ? { path, ranges: decoded.ranges }
    : `the bad-block log of ${path} cannot be read: ${decoded.reason}`;
}
