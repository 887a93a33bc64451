/**
 * mdadm --zero-superblock: by the arrays' host where there is one, since it knows who is in use; else here. A file is had by
 * one program at a time, so a member of a running array is refused either way.
 */
import { HoldfastError } from "../../base/errors.ts";
import { flush, writeSectors } from "../../block/promises.ts";
import { openDevice } from "../../devices/open.ts";
import { probeMdSuperblocks } from "../../md/probe.ts";
import type { Session } from "./session.ts";

const SUPERBLOCK_SECTORS = 8;
const CANNOT_WRITE = 1;
const CANNOT_OPEN = 2;

/** All that look like superblocks, sound or not. False: there is none. */
async function zeroHere(session: Session, path: string): Promise<boolean> {
  const device = await openDevice(session.env, session.absolute(path), { readOnly: false });
  try {
    const { primary, secondary, bad } = await probeMdSuperblocks(device);
    const sound = primary === null ? [] : [primary, ...secondary];
    const places = [
      ...sound.map(({ superSector }) => superSector),
      ...bad.map(({ sector }) => sector),
    ];
    for (const sector of places)
      await writeSectors(device, sector, new Uint8Array(SUPERBLOCK_SECTORS * 512));
    if (places.length > 0) await flush(device);
    return places.length > 0;
  } finally {
    await device.close();
  }
}

async function zero(session: Session, path: string): Promise<boolean> {
  const host = await session.hostIfAny();
  const { force } = session.common;
  return host === null
    ? zeroHere(session, path)
    : host.zeroSuperblock({ device: session.absolute(path), force });
}

export async function zeroSuperblock(session: Session, path: string): Promise<number> {
  try {
    const wasThere = await zero(session, path);
    session.result({ path, zeroed: wasThere });
    if (!wasThere && !session.isQuiet) session.warn(`Unrecognised md component device - ${path}`);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    if (thrown.code === "io" || thrown.code === "no-space")
      return session.refuse(
        CANNOT_WRITE,
        `could not zero the superblock of ${path}: ${thrown.message}`,
      );
    const lines = [`Couldn't open ${path} for write - not zeroing`];
    if (thrown.code !== "not-found") lines.push(thrown.message);
    return session.refuse(CANNOT_OPEN, ...lines);
  }
}
