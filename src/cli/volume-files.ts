/** Opening the file system in a volume, for ls, cat and cp. */
import { HoldfastError } from "../base/errors.ts";
import type { CommandContext, ParsedArguments } from "./command.ts";
import { splitOperands } from "./file-arguments.ts";
import { withOneVolume } from "./open-volumes.ts";
import type { Ext4Entry } from "../filesystems/ext4.ts";
import type { VolumeFiles } from "./services.ts";
import { printable } from "./text.ts";

export interface FilesRequest {
  readonly verb: string;
  readonly operands: readonly string[];
}

/** Calls `use` with the file system and the files named, and closes everything whatever happens. */
export function withFiles<T>(
  context: CommandContext,
  { verb, operands }: FilesRequest,
  args: ParsedArguments,
  use: (files: VolumeFiles, paths: readonly string[]) => Promise<T>,
): Promise<T> {
  const { disks, files: paths } = splitOperands(verb, operands);
  return withOneVolume(context, { paths: disks }, args, async ({ name, device }) => {
    const files = await context.services.files(device);
    try {
      for (const note of files.notes) await context.output.note(`${name}: ${note}`);
      return await use(files, paths);
    } finally {
      await files.close();
    }
  });
}

export function joinPath(folder: string, name: string): string {
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/** A name that a folder can truly have: anything else in a damaged or hostile file system is not followed. */
export function isSafeName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name);
}

/** A file and where it is in the volume. */
export interface FoundFile {
  readonly path: string;
  readonly file: Ext4Entry;
}

/** Deeper nesting than any kernel's path length allows means a folder that contains itself. */
const MAX_DEPTH = 2048;

/** The entries of a folder whose names are sound, by name. */
export async function listSorted(files: VolumeFiles, path: string): Promise<FoundFile[]> {
  if (path.split("/").length > MAX_DEPTH) {
    throw new HoldfastError(
      "bad-metadata",
      `${printable(path.slice(0, 60))}... is nested too deep: a folder seems to contain itself.`,
    );
  }
  const found = await files.list(path);
  return found
    .filter(({ name }) => isSafeName(name))
    .map((file) => ({ path: joinPath(path, file.name), file }))
    .toSorted((a, b) => (a.file.name < b.file.name ? -1 : 1));
}
