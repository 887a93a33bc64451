/**
 * Copying files out of a volume, into one folder and nowhere else.
 *
 * The file system copied from may be damaged or made to harm, so:
 * - names are checked (volume-files.ts), and folders below the destination must be real ones: a link is not gone through;
 * - files are made anew, never opened through something that is there;
 * - links are made last, when nothing is written any more, and only if they stay inside: "../" up to the top of the copy,
 *   then names without "..". Links that pass through other such links stay inside too.
 * Folders get their modes and times at the very end: one that is read-only could not be filled.
 */
import { HoldfastError } from "../base/errors.ts";
import { SparseFile } from "../copy/sparse-file.ts";
import type { FileAttributes } from "../env/files.ts";
import type { Env } from "../env/env.ts";
import type { Ext4Entry } from "../filesystems/ext4.ts";
import type { VolumeFiles } from "./services.ts";
import { isSafeName, joinPath, listSorted } from "./volume-files.ts";

export interface CopyOutOptions {
  readonly isRecursive: boolean;
  readonly mayOverwrite: boolean;
  /** Make links that lead out of the copy, too. */
  readonly makesAllLinks: boolean;
  /** Called with each piece written. */
  onBytes(bytes: number): void;
  /** True ends the copy as soon as can be. */
  isInterrupted(): boolean;
}

export interface LeftOut {
  /** In the volume. */
  readonly path: string;
  readonly why: string;
}

export interface CopyOutResult {
  files: number;
  folders: number;
  links: number;
  bytes: number;
  /** What could not be copied. */
  readonly failed: LeftOut[];
  /** Links that lead outside. */
  readonly leftOutLinks: LeftOut[];
  isInterrupted: boolean;
}

interface Place {
  /** On this machine. */
  readonly target: string;
  /** Folders between the top of the copy and this. */
  readonly depth: number;
}

interface PendingLink extends Place {
  readonly source: string;
}

function attributesOf(file: Ext4Entry): FileAttributes {
  // Set-id bits spoke of an owner who is not the copy's.
  return {
    mode: file.mode & 0o777,
    accessedMs: file.accessedSeconds * 1000,
    modifiedMs: file.modifiedSeconds * 1000,
  };
}

/** Whether a link that lies `depth` folders below the top stays inside, whatever the links it passes through. */
export function staysInside(linkTarget: string, depth: number): boolean {
  if (linkTarget === "" || linkTarget.startsWith("/") || linkTarget.includes("\0")) return false;
  const parts = linkTarget.split("/").filter((part) => part !== "" && part !== ".");
  const firstName = parts.findIndex((part) => part !== "..");
  const ups = firstName < 0 ? parts.length : firstName;
  return ups <= depth && !parts.slice(ups).includes("..");
}

export class CopyOut {
  readonly result: CopyOutResult = {
    files: 0,
    folders: 0,
    links: 0,
    bytes: 0,
    failed: [],
    leftOutLinks: [],
    isInterrupted: false,
  };
  readonly #env: Env;
  readonly #files: VolumeFiles;
  readonly #options: CopyOutOptions;
  readonly #links: PendingLink[] = [];
  readonly #folders: { readonly path: string; readonly attributes: FileAttributes }[] = [];

  constructor(env: Env, files: VolumeFiles, options: CopyOutOptions) {
    this.#env = env;
    this.#files = files;
    this.#options = options;
  }

  /** Throws `usage` when the destination does not fit what is to be copied. */
  async run(sources: readonly string[], destination: string): Promise<CopyOutResult> {
    const there = await this.#env.files.stat(destination);
    const isFolder = there?.kind === "folder";
    if (sources.length > 1 && !isFolder) {
      const what = there === null ? "does not exist" : "is not a folder";
      throw new HoldfastError(
        "usage",
        `cp: ${destination} ${what}; several files are copied into a folder that is there.`,
      );
    }
    for (const source of sources) {
      const name = source.split("/").findLast((part) => part !== "") ?? "";
      // The root folder has no name: its content goes where it is told.
      const intoFolder = isFolder && name !== "";
      if (name !== "" && !isSafeName(name)) {
        throw new HoldfastError("usage", `cp: ${source} is not the name of a file in the volume.`);
      }
      const target = intoFolder ? joinPath(destination, name) : destination;
      await this.#attempt(source, () => this.#copy(source, { target, depth: 0 }, name === ""));
    }
    await this.#makeLinks();
    for (const { path, attributes } of this.#folders.toReversed()) {
      await this.#attempt(path, () => this.#env.files.setAttributes(path, attributes));
    }
    return this.result;
  }

  get #hasToStop(): boolean {
    if (this.#options.isInterrupted()) this.result.isInterrupted = true;
    return this.result.isInterrupted;
  }

  async #copy(source: string, place: Place, isDestinationItself = false): Promise<void> {
    if (this.#hasToStop) return;
    const file = await this.#files.stat(source);
    switch (file.kind) {
      case "file":
        return this.#copyFile(source, file, place.target);
      case "folder":
        return this.#copyFolder(source, file, place, isDestinationItself);
      case "link":
        this.#links.push({ ...place, source });
        return;
      case "character-device":
      case "block-device":
      case "fifo":
      case "socket":
        throw new HoldfastError(
          "unsupported",
          "it is a device, a pipe or a socket, and is left out",
        );
    }
  }

  async #copyFolder(
    source: string,
    file: Ext4Entry,
    place: Place,
    isDestinationItself: boolean,
  ): Promise<void> {
    const { target, depth } = place;
    if (!this.#options.isRecursive) {
      throw new HoldfastError("usage", "it is a folder, and folders are copied with -r only");
    }
    await this.#makeRealFolder(target, isDestinationItself);
    this.result.folders += 1;
    this.#folders.push({ path: target, attributes: attributesOf(file) });
    for (const { path, file: entry } of await listSorted(this.#files, source)) {
      if (this.#hasToStop) return;
      const inside = { target: joinPath(target, entry.name), depth: depth + 1 };
      await this.#attempt(path, () => this.#copy(path, inside));
    }
  }

  async #makeRealFolder(path: string, isDestinationItself: boolean): Promise<void> {
    const { files } = this.#env;
    // What the user named may well be a link to a folder; below it there are none.
    if (!isDestinationItself && (await files.isLink(path))) {
      throw new HoldfastError(
        "permission",
        `${path} is a symbolic link, which is not gone through`,
      );
    }
    const there = await files.stat(path);
    if (there === null) await files.makeFolder(path, 0o700);
    else if (there.kind !== "folder") {
      throw new HoldfastError("permission", `${path} exists already and is not a folder`);
    }
  }

  async #makeWay(path: string): Promise<void> {
    const { files } = this.#env;
    const isThere = (await files.isLink(path)) || (await files.stat(path)) !== null;
    if (!isThere) return;
    if (!this.#options.mayOverwrite) {
      throw new HoldfastError(
        "permission",
        `${path} exists already; add --overwrite to replace it`,
      );
    }
    await files.remove(path);
  }

  async #copyFile(source: string, file: Ext4Entry, target: string): Promise<void> {
    const { files } = this.#env;
    await this.#makeWay(target);
    const handle = await files.open(target, "create-new");
    let isWhole = false;
    try {
      // Until it is whole nobody else reads what may be a secret.
      await files.setAttributes(target, { ...attributesOf(file), mode: 0o600 });
      const sparse = new SparseFile(handle, true);
      let at = 0;
      for await (const chunk of this.#files.readFile(source)) {
        if (this.#hasToStop) return;
        const lengthBytes = chunk.kind === "data" ? chunk.data.length : chunk.lengthBytes;
        if (chunk.kind === "data") await sparse.write(at, chunk.data);
        at += lengthBytes;
        this.result.bytes += lengthBytes;
        this.#options.onBytes(lengthBytes);
      }
      await sparse.finish(at);
      isWhole = true;
    } finally {
      await handle.close();
      if (!isWhole) await files.remove(target);
    }
    await files.setAttributes(target, attributesOf(file));
    this.result.files += 1;
  }

  async #makeLinks(): Promise<void> {
    for (const { source, target, depth } of this.#links) {
      if (this.#hasToStop) return;
      await this.#attempt(source, async () => {
        const leadsTo = await this.#files.readLink(source);
        // The link's own folder is what ".." starts from.
        if (!this.#options.makesAllLinks && !staysInside(leadsTo, Math.max(0, depth - 1))) {
          this.result.leftOutLinks.push({ path: source, why: `leads to ${leadsTo}` });
          return;
        }
        await this.#makeWay(target);
        await this.#env.files.makeLink(target, leadsTo);
        this.result.links += 1;
      });
    }
  }

  async #attempt(path: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.result.failed.push({ path, why: error.message });
    }
  }
}
