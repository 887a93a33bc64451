/**
 * Files and block devices through node:fs; node-file.ts reads and writes them.
 *
 * Opening never blocks (O_NONBLOCK: a FIFO without a writer), and what is to be written is had exclusively (claims.ts): a block device
 * that is mounted or in a running array, or an image that another holdfast writes to, is refused with `busy`.
 */
import * as fs from "node:fs";
import { close, constants, fstat, lstat, open, read } from "node:fs";
import type { BigIntStats } from "node:fs";
import { chmod, mkdir, readdir, rmdir, stat, symlink, unlink, utimes } from "node:fs/promises";
import { promisify } from "node:util";
import { HoldfastError } from "../../base/errors.ts";
import type { FileHandle, FileKind, FileStat, Files, OpenMode } from "../files.ts";
import type { DescriptorFile } from "./descriptor-file.ts";
import { sizeByProbing, sizeFromSysfs } from "./block-device-size.ts";
import { claimFile } from "./claims.ts";
import type { ReleaseClaim } from "./claims.ts";
import { nodeClock } from "./clock.ts";
import { fileError, isMissing } from "./file-errors.ts";
import { NodeFile } from "./node-file.ts";
import type { FileSystem } from "./node-file.ts";
import { isRemote } from "./remote.ts";
import { replaceFile } from "./replace-file.ts";
import { Turns } from "./turns.ts";

const openDescriptor = promisify(open);
const closeDescriptor = promisify(close);
const linkStat = promisify(lstat);

function statDescriptor(descriptor: number): Promise<BigIntStats> {
  return new Promise((resolve, reject) => {
    fstat(descriptor, { bigint: true }, (error, stats) => (error ? reject(error) : resolve(stats)));
  });
}

function kindOf(stats: BigIntStats): FileKind {
  if (stats.isFile()) return "file";
  if (stats.isBlockDevice()) return "block-device";
  return stats.isDirectory() ? "folder" : "other";
}

function flagsFor(mode: OpenMode, isBlockDevice: boolean): number {
  const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC } = constants;
  const common = (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);
  switch (mode) {
    case "read":
      return O_RDONLY | common;
    case "read-exclusive":
      return O_RDONLY | common | (isBlockDevice ? O_EXCL : 0);
    case "read-write":
      return O_RDWR | common | (isBlockDevice ? O_EXCL : 0);
    case "create-new":
      return O_RDWR | O_CREAT | O_EXCL | common;
    case "create-or-truncate":
      return isBlockDevice ? O_RDWR | O_EXCL | common : O_RDWR | O_CREAT | O_TRUNC | common;
  }
}

/** With an open descriptor, else -1: then only sysfs can tell a device's size, and opening it is tried. */
async function sizeOf(path: string, stats: BigIntStats, descriptor: number): Promise<number> {
  if (stats.isFile()) return Number(stats.size);
  if (!stats.isBlockDevice()) return 0;
  const known = await sizeFromSysfs(stats.rdev);
  if (known !== null) return known;
  if (descriptor < 0) {
    const handle = await openFile(path, "read");
    await handle.close();
    return handle.sizeBytes;
  }
  const byte = new Uint8Array(1);
  return sizeByProbing(
    (offsetBytes) =>
      new Promise((resolve) => {
        read(descriptor, byte, 0, 1, offsetBytes, (error, count) =>
          resolve(error === null && count === 1),
        );
      }),
  );
}

function isExclusive(mode: OpenMode): boolean {
  switch (mode) {
    case "read-exclusive":
    case "read-write":
      return true;
    case "read":
    case "create-new":
    case "create-or-truncate":
      return false;
  }
}

/** Makes the handle of a descriptor that was opened for it. */
export type FileMaker = (
  path: string,
  descriptor: number,
  sizeBytes: number,
  kind: "file" | "block-device",
) => DescriptorFile | Promise<DescriptorFile>;

const system: FileSystem = { calls: fs, clock: nodeClock, turns: new Turns(setImmediate) };

const nodeFile: FileMaker = async (path, descriptor, sizeBytes, kind) => {
  const mayBlock = kind === "file" && !(await isRemote(path));
  return new NodeFile(system, path, descriptor, sizeBytes, mayBlock);
};

/** `Files.open` with another kind of handle. */
export async function openFile(
  path: string,
  mode: OpenMode,
  make: FileMaker = nodeFile,
): Promise<FileHandle> {
  let descriptor = -1;
  let release: ReleaseClaim | null = null;
  try {
    const isBlockDevice = mode !== "create-new" && (await isBlockDeviceAt(path));
    descriptor = await openDescriptor(path, flagsFor(mode, isBlockDevice), 0o666);
    const stats = await statDescriptor(descriptor);
    const kind = kindOf(stats);
    if (kind === "folder" || kind === "other") {
      const what = kind === "folder" ? "is a folder" : "is neither a file nor a block device";
      throw new HoldfastError("usage", `${path} ${what}; name a disk image or a block device.`);
    }
    if (isExclusive(mode)) release = await claimFile({ path, descriptor, stats });
    const file = await make(path, descriptor, await sizeOf(path, stats, descriptor), kind);
    if (release !== null) file.whenClosed(release);
    return file;
  } catch (error) {
    release?.();
    if (descriptor >= 0) await closeDescriptor(descriptor).catch(() => {});
    throw fileError(error, path);
  }
}

async function isBlockDeviceAt(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isBlockDevice();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function statFile(path: string): Promise<FileStat | null> {
  let stats: BigIntStats;
  try {
    stats = await stat(path, { bigint: true });
  } catch (error) {
    if (isMissing(error)) return null;
    throw fileError(error, path);
  }
  const kind = kindOf(stats);
  const identity =
    kind === "block-device" ? `block:${stats.rdev}` : `file:${stats.dev}:${stats.ino}`;
  return { kind, sizeBytes: await sizeOf(path, stats, -1), identity };
}

export const nodeFiles: Files = {
  open: (path, mode) => openFile(path, mode),
  stat: statFile,
  async list(path) {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      throw fileError(error, path);
    }
  },
  async makeFolder(path, mode = 0o777) {
    try {
      await mkdir(path, { recursive: true, mode });
    } catch (error) {
      throw fileError(error, path);
    }
  },
  async remove(path) {
    try {
      if ((await linkStat(path)).isDirectory()) await rmdir(path);
      else await unlink(path);
    } catch (error) {
      throw fileError(error, path);
    }
  },
  async isLink(path) {
    try {
      return (await linkStat(path)).isSymbolicLink();
    } catch (error) {
      if (isMissing(error)) return false;
      throw fileError(error, path);
    }
  },
  async makeLink(path, target) {
    try {
      await symlink(target, path);
    } catch (error) {
      throw fileError(error, path);
    }
  },
  replace: replaceFile,
  async setAttributes(path, { mode, accessedMs, modifiedMs }) {
    try {
      await chmod(path, mode);
      await utimes(path, accessedMs / 1000, modifiedMs / 1000);
    } catch (error) {
      throw fileError(error, path, "setting its mode and times");
    }
  },
};
