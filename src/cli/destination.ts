/**
 * Where `holdfast dump` writes: a file with holes, a block device, or a pipe.
 *
 * A member of the set is never written, whatever options say: the destination is compared with everything that was given
 * and used by identity, not by name, and what lies there is looked at for a member of the same set.
 */
import { HoldfastError } from "../base/errors.ts";
import { formatBytes } from "../base/units.ts";
import { SparseFile } from "../copy/sparse-file.ts";
import { ZEROS } from "../block/zeros.ts";
import type { FileHandle } from "../env/files.ts";
import type { OpenedVolume } from "../volume/volume.ts";
import type { CommandContext } from "./command.ts";
import type { OutputStream } from "./terminal.ts";

export interface Destination {
  /** For messages. */
  readonly name: string;
  /** Borrow `data` until the promise is settled. Called in order, without gaps. */
  write(offsetBytes: number, data: Uint8Array): Promise<void>;
  writeZeros(offsetBytes: number, lengthBytes: number): Promise<void>;
  /** Everything is on stable storage afterwards, where that can be. */
  finish(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

export async function writeZeros(stdout: OutputStream, lengthBytes: number): Promise<void> {
  for (let left = lengthBytes; left > 0; left -= ZEROS.length) {
    await stdout.write(ZEROS.subarray(0, Math.min(left, ZEROS.length)));
  }
}

export function pipeDestination(stdout: OutputStream): Destination {
  if (stdout.isTTY) {
    throw new HoldfastError(
      "usage",
      "dump: a volume is not printed on a terminal; send it into a pipe, or name a file with -o.",
    );
  }
  return {
    name: "the pipe",
    write: (_offsetBytes, data) => stdout.write(data),
    writeZeros: (_offsetBytes, lengthBytes) => writeZeros(stdout, lengthBytes),
    finish: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

export interface FileTarget {
  readonly path: string;
  /** The option that named it. */
  readonly option: string;
  readonly mayOverwrite: boolean;
  /** What was given on the command line. */
  readonly givenPaths: readonly string[];
}

/** The paths whose contents must stay: what was given, what is in given folders, and what the set is made of. */
async function guardedPaths(
  { env }: CommandContext,
  volume: OpenedVolume,
  givenPaths: readonly string[],
): Promise<string[]> {
  const given = givenPaths.filter((path) => path !== "missing");
  const inFolders = await Promise.all(
    given.map(async (path) => {
      if ((await env.files.stat(path))?.kind !== "folder") return [];
      return (await env.files.list(path)).map((name) => `${path}/${name}`);
    }),
  );
  const members = volume.report.members.flatMap(({ path }) =>
    // "disk.img:p2" is a part of disk.img.
    path === null ? [] : [path, path.replace(/(:p\d+)+$/, "")],
  );
  return [...given, ...inFolders.flat(), ...members];
}

/**
 * Throws `permission` when the target is a disk that the volume is read from, or exists and may not be overwritten;
 * `usage` when it is a folder.
 */
export async function checkTarget(
  context: CommandContext,
  volume: OpenedVolume,
  target: FileTarget,
): Promise<void> {
  const { env, services } = context;
  const there = await env.files.stat(target.path);
  if (there === null) return;
  const refuse = (what: string): never => {
    throw new HoldfastError(
      "permission",
      `${target.path} is ${what} and is not written to; choose another file for ${target.option}.`,
    );
  };
  for (const path of await guardedPaths(context, volume, target.givenPaths)) {
    const guarded = await env.files.stat(path);
    if (guarded !== null && guarded.identity === there.identity) {
      refuse(`one of the disks that ${volume.name} is read from (${path})`);
    }
  }
  if (there.kind === "folder") {
    throw new HoldfastError(
      "usage",
      `${target.path} is a folder; name a file in it for ${target.option}.`,
    );
  }
  const { volumes } = await services.scan(env, [target.path]);
  if (volumes.some(({ uuid }) => uuid === volume.report.uuid)) {
    refuse(`a member of ${volume.name}`);
  }
  if (!target.mayOverwrite) {
    throw new HoldfastError(
      "permission",
      `${target.path} exists already; choose another file for ${target.option}, or add --overwrite.`,
    );
  }
}

/** Opens the file or block device, if it may be written. */
export async function fileDestination(
  context: CommandContext,
  volume: OpenedVolume,
  target: FileTarget,
  sizeBytes: number,
): Promise<Destination> {
  const { files } = context.env;
  await checkTarget(context, volume, target);
  const there = await files.stat(target.path);
  const isDevice = there?.kind === "block-device";
  if (isDevice && there.sizeBytes < sizeBytes) {
    throw new HoldfastError(
      "no-space",
      `${target.path} has ${formatBytes(there.sizeBytes)}, and ${volume.name} needs ${formatBytes(sizeBytes)}.`,
    );
  }
  const file: FileHandle = await files.open(
    target.path,
    there === null ? "create-new" : "create-or-truncate",
  );
  const sparse = new SparseFile(file, !isDevice);
  return {
    name: target.path,
    write: (offsetBytes, data) => sparse.write(offsetBytes, data),
    writeZeros: (offsetBytes, lengthBytes) => sparse.writeZeros(offsetBytes, lengthBytes),
    finish: (finalBytes) => sparse.finish(finalBytes),
    close: () => file.close(),
  };
}

/** Writes a small text file, whole or not at all as far as its name is concerned: it is new, or replaced when allowed. */
export async function writeTextFile(
  { env }: CommandContext,
  path: string,
  text: string,
  mayOverwrite: boolean,
): Promise<void> {
  const file = await env.files.open(path, mayOverwrite ? "create-or-truncate" : "create-new");
  try {
    const whole = new SparseFile(file, false);
    await whole.write(0, new TextEncoder().encode(text));
    await whole.finish(0);
  } finally {
    await file.close();
  }
}
