/** Devices as members: opened read-only, looked at, closed. */
import { HoldfastError } from "../../base/errors.ts";
import type { BlockDevice } from "../../block/device.ts";
import { openDevice } from "../../devices/open.ts";
import type { MdSuperblock } from "../../formats/md/superblock.ts";
import { probeMdSuperblocks } from "../../md/probe.ts";
import type { MetadataChoice } from "../command.ts";
import type { FoundArray } from "../config-match.ts";
import type { Session } from "./session.ts";

export interface Candidate {
  /** As it was given, for messages. */
  readonly path: string;
  /** For the arrays' host. */
  readonly absolute: string;
  readonly sectors: number;
  readonly superblock: MdSuperblock;
}

/** A file, or a device that only the arrays' host has. @param path as it was given */
export async function isThere(session: Session, path: string): Promise<boolean> {
  const absolute = session.absolute(path);
  if ((await session.env.files.stat(absolute)) !== null) return true;
  return ((await session.tools.servedAt?.(absolute)) ?? null) !== null;
}

export async function withDevice<T>(
  session: Session,
  path: string,
  work: (device: BlockDevice) => Promise<T>,
): Promise<T> {
  const absolute = session.absolute(path);
  const place = (await session.tools.servedAt?.(absolute)) ?? absolute;
  const device = await openDevice(session.env, place, { readOnly: true });
  try {
    return await work(device);
  } finally {
    await device.close();
  }
}

/** @throws `unsupported` for the formats of BIOS arrays */
export function refuseForeign(metadata: MetadataChoice | null): void {
  if (metadata?.kind === "foreign")
    throw new HoldfastError("unsupported", `${metadata.name} metadata is not handled here`);
}

export function isWanted(superblock: MdSuperblock, metadata: MetadataChoice | null): boolean {
  if (metadata?.kind !== "native") return true;
  const { version } = metadata;
  return version === "1" ? superblock.version !== "0.90" : superblock.version === version;
}

/** The superblock that counts, of those in the format asked for. */
export async function superblockOn(
  device: BlockDevice,
  metadata: MetadataChoice | null,
): Promise<MdSuperblock | null> {
  const { primary, secondary } = await probeMdSuperblocks(device);
  const all = primary === null ? [] : [primary, ...secondary];
  return all.find((superblock) => isWanted(superblock, metadata)) ?? null;
}

/** Null: it is no member. @throws what opening and reading throw */
export async function probeCandidate(
  session: Session,
  path: string,
  metadata: MetadataChoice | null,
): Promise<Candidate | null> {
  return withDevice(session, path, async (device) => {
    const superblock = await superblockOn(device, metadata);
    if (superblock === null) return null;
    return { path, absolute: session.absolute(path), sectors: device.sectors, superblock };
  });
}

/** What configuration lines are compared with. */
export function foundArray({ absolute, superblock }: Candidate): FoundArray {
  const { arrayUuid, name, preferredMinor } = superblock;
  return { path: absolute, uuid: arrayUuid, name, superMinor: preferredMinor };
}

/** "cannot open X: No such file or directory", in the words that scripts know where there are such. */
export function openFailure(thrown: HoldfastError): string {
  switch (thrown.code) {
    case "not-found":
      return "No such file or directory";
    case "permission":
      return "Permission denied";
    case "busy":
      return "Device or resource busy";
    default:
      return thrown.message;
  }
}
