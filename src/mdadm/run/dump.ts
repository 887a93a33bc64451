/**
 * mdadm --dump and --restore: a member's metadata in a sparse file as large as the member, under its name in a folder; and from there
 * back. What is copied stands at the same places in both: the superblock, the bitmap and the log of bad blocks.
 */
import { posix } from "node:path";
import { HoldfastError } from "../../base/errors.ts";
import type { SectorRange } from "../../base/units.ts";
import { flush, readSectors, writeSectors } from "../../block/promises.ts";
import type { BlockDevice } from "../../block/device.ts";
import { openDevice } from "../../devices/open.ts";
import { readMemberBitmap } from "../../md/probe.ts";
import type { MiscCommand } from "../command.ts";
import { openFailure, superblockOn } from "./probe.ts";
import type { Session } from "./session.ts";

const SUPERBLOCK_SECTORS = 8;
const PIECE_SECTORS = 2048;

/** Of the metadata; null without any. The superblock is the last: it vouches for the others. */
async function metadataRanges(
  device: BlockDevice,
  { metadata }: MiscCommand,
): Promise<SectorRange[] | null> {
  const superblock = await superblockOn(device, metadata);
  if (superblock === null) return null;
  const ranges: SectorRange[] = [];
  const bitmap = (await readMemberBitmap(device, superblock))?.decoded;
  if (bitmap?.kind === "ok" && superblock.bitmapSector !== null) {
    const { dataOffset, dataBytes } = bitmap.bitmap;
    ranges.push({
      sector: superblock.bitmapSector,
      sectors: Math.ceil((dataOffset + dataBytes) / 512),
    });
  }
  const log = superblock.badBlockLog;
  if (log !== null) ranges.push({ sector: log.startSector, sectors: log.sectors });
  return [...ranges, { sector: superblock.superSector, sectors: SUPERBLOCK_SECTORS }];
}

async function copyRanges(
  from: BlockDevice,
  to: BlockDevice,
  ranges: readonly SectorRange[],
): Promise<void> {
  for (const { sector, sectors } of ranges)
    for (let done = 0; done < sectors; done += PIECE_SECTORS) {
      const piece = Math.min(PIECE_SECTORS, sectors - done);
      await writeSectors(to, sector + done, await readSectors(from, sector + done, piece));
    }
  await flush(to);
}

/** Both are closed whatever happens. */
async function copyMetadata(
  session: Session,
  command: MiscCommand,
  { from, to, named }: { readonly from: string; readonly to: string; readonly named: string },
): Promise<number> {
  const source = await openDevice(session.env, from, { readOnly: true });
  try {
    const ranges = await metadataRanges(source, command);
    if (ranges === null) return session.refuse(1, `Cannot find RAID metadata on ${named}`);
    if ((await session.env.files.stat(to)) === null) await makeFile(session, to, source.sectors);
    const target = await openDevice(session.env, to, { readOnly: false });
    try {
      if (target.sectors !== source.sectors)
        return session.refuse(1, `${to} is not the same size as ${from}, not restoring.`);
      await copyRanges(source, target, ranges);
    } finally {
      await target.close();
    }
    session.result({ from, to });
    return 0;
  } finally {
    await source.close();
  }
}

async function makeFile(session: Session, path: string, sectors: number): Promise<void> {
  const file = await session.env.files.open(path, "create-new");
  try {
    await file.truncate(sectors * 512);
  } finally {
    await file.close();
  }
}

async function tried(session: Session, path: string, act: () => Promise<number>): Promise<number> {
  try {
    return await act();
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    return session.refuse(1, `Cannot open ${path} for metadata: ${openFailure(thrown)}`);
  }
}

/** Where a folder keeps what belongs to a device. */
function placeIn(session: Session, folder: string, path: string): string {
  return posix.join(session.absolute(folder), posix.basename(path));
}

const NO_FOLDER = 16;

async function isFolder(session: Session, folder: string): Promise<boolean> {
  const found = await session.env.files.stat(session.absolute(folder));
  return found?.kind === "folder";
}

export async function dumpMetadata(
  session: Session,
  command: MiscCommand,
  path: string,
): Promise<number> {
  const folder = command.folder ?? "";
  if (!(await isFolder(session, folder)))
    return session.refuse(NO_FOLDER, `--dump requires an existing directory, not: ${folder}`);
  const to = placeIn(session, folder, path);
  if ((await session.env.files.stat(to)) !== null)
    return session.refuse(1, `${to} is there already, and is not overwritten.`);
  return tried(session, path, () =>
    copyMetadata(session, command, { from: session.absolute(path), to, named: path }),
  );
}

export async function restoreMetadata(
  session: Session,
  command: MiscCommand,
  path: string,
): Promise<number> {
  const folder = command.folder ?? "";
  const from = (await isFolder(session, folder))
    ? placeIn(session, folder, path)
    : session.absolute(folder);
  const to = session.absolute(path);
  if ((await session.env.files.stat(to)) === null)
    return session.refuse(1, `${path} cannot be restored: No such file or directory`);
  return tried(session, path, () => copyMetadata(session, command, { from, to, named: from }));
}
