/** What a path leads to: a folder, a disk, or a partition on one, before anything is opened. */
import type { Env } from "../env/env.ts";

export interface DevicePlace {
  /** The file or URI to open. */
  readonly basePath: string;
  /** Equal for paths that lead to the same disk. */
  readonly disk: string;
  /** Partition numbers, from the outside in. */
  readonly partitions: readonly number[];
  readonly isFolder: boolean;
}

const PARTITION_SUFFIX = /^(.+):p([1-9]\d{0,3})$/s;
const URI = /^[a-z][a-z0-9+.-]*:\/\//i;

/** "disk.img:p2" is the partition where no file has that whole name. */
export async function locateDevice(env: Env, path: string): Promise<DevicePlace> {
  let basePath = path;
  const partitions: number[] = [];
  for (;;) {
    const stat = URI.test(basePath) ? null : await env.files.stat(basePath);
    const match = stat === null ? PARTITION_SUFFIX.exec(basePath) : null;
    if (match === null) {
      const isFolder = stat?.kind === "folder" && partitions.length === 0;
      return { basePath, disk: stat?.identity ?? basePath, partitions, isFolder };
    }
    basePath = match[1]!;
    partitions.unshift(Number(match[2]));
  }
}
