/**
 * Files of an ext2, ext3 or ext4 file system on any block device, read-only and without mounting: nothing here can write.
 *
 * Paths begin with "/" and are resolved inside the file system: links on the way are followed, absolute ones from
 * its root, ".." ends there, so nothing leads outside. `stat`, `readLink` and `walk` look at a link itself. Names
 * that are not UTF-8 keep their bytes (names.ts). If the journal holds changes they are replayed in memory (ext4-journal.ts), so
 * what is shown is what the kernel would show after a mount; where that cannot be done, a note says why.
 *
 * Errors: `not-found`, `usage` (a file where a folder is needed, links in a circle), `bad-metadata` (damage), `unsupported`, `io`.
 */
import { HoldfastError } from "../base/errors.ts";
import type { BlockDevice } from "../block/device.ts";
import { EXT_ROOT_INODE, ExtInodeFlag, ExtState, extDirectoryEntry } from "../formats/ext4.ts";
import { inlineContents, inlineFolderParts } from "./ext4-inline.ts";
import { replayExt4Journal } from "./ext4-journal.ts";
import type { ReplayedJournal } from "./ext4-journal.ts";
import { Ext4Volume } from "./ext4-volume.ts";
import type { Inode } from "./ext4-volume.ts";
import { nameToText, textToName } from "./names.ts";

export type Ext4Kind =
  | "file"
  | "folder"
  | "link"
  | "character-device"
  | "block-device"
  | "fifo"
  | "socket";

export interface Ext4Entry {
  /** The last part of its path; "" for the root. */
  readonly name: string;
  readonly kind: Ext4Kind;
  readonly inode: number;
  readonly sizeBytes: number;
  /** Permission bits with set-id and sticky bits, 0..0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Names that lead to it. */
  readonly links: number;
  /** Since 1970; may be negative. */
  readonly modifiedSeconds: number;
  readonly accessedSeconds: number;
  /** Of a link; null for all else. */
  readonly linkTarget: string | null;
}

export interface WalkedEntry {
  readonly path: string;
  readonly entry: Ext4Entry;
}

/** In order, without gaps. `data` is the consumer's. */
export type FileChunk =
  | { readonly kind: "data"; readonly offsetBytes: number; readonly data: Uint8Array }
  | { readonly kind: "hole"; readonly offsetBytes: number; readonly lengthBytes: number };

const MAX_CHUNK_BYTES = 1024 * 1024;
/** As Linux has it. */
const MAX_LINKS_FOLLOWED = 40;
const MAX_TARGET_BYTES = 65536;

const KINDS: Readonly<Record<number, Ext4Kind>> = {
  1: "fifo",
  2: "character-device",
  4: "folder",
  6: "block-device",
  8: "file",
  10: "link",
  12: "socket",
};

interface Named {
  readonly name: string;
  readonly inode: number;
}

class Walker {
  readonly #fs: Ext4;
  readonly #seen = new Set<number>();

  constructor(fs: Ext4) {
    this.#fs = fs;
  }

  async *folder(path: string, inode: number): AsyncGenerator<WalkedEntry, void, undefined> {
    // A folder has one name; one that is met twice would be walked for ever.
    if (this.#seen.has(inode)) throw this.#fs.damaged(`${path} contains itself or has two names`);
    this.#seen.add(inode);
    for (const entry of await this.#fs.list(path)) {
      const below = path === "/" ? `/${entry.name}` : `${path}/${entry.name}`;
      yield { path: below, entry };
      if (entry.kind === "folder") yield* this.folder(below, entry.inode);
    }
  }
}

export class Ext4 {
  /** Sentences for the person who asked. */
  readonly notes: readonly string[];
  readonly #volume: Ext4Volume;

  /** @param notes of the journal */
  constructor(volume: Ext4Volume, notes: readonly string[]) {
    this.#volume = volume;
    this.notes = [...notes, ...notesOf(volume)];
  }

  /** What is at `path`; a link itself, not what it leads to. */
  async stat(path: string): Promise<Ext4Entry> {
    const { inode, name } = await this.#resolve(path, false);
    return this.#entry(name, inode);
  }

  /** The entries of a folder, without "." and "..", in the order in which they are stored. */
  async list(path: string): Promise<Ext4Entry[]> {
    const { inode } = await this.#resolve(path, true);
    const entries: Ext4Entry[] = [];
    for await (const one of this.#names(inode, path))
      entries.push(await this.#entry(one.name, await this.#volume.inode(one.inode)));
    return entries;
  }

  /** Everything below a folder, each folder before what is in it. */
  async *walk(path: string): AsyncGenerator<WalkedEntry, void, undefined> {
    const { inode } = await this.#resolve(path, true);
    yield* new Walker(this).folder(path.replace(/(?<=.)\/+$/, ""), inode.number);
  }

  async readLink(path: string): Promise<string> {
    const { inode } = await this.#resolve(path, false);
    if (kindOf(inode) !== "link") throw new HoldfastError("usage", `${path} is not a link.`);
    return this.#target(inode);
  }

  /** A file's contents; one chunk is read at a time. */
  async *readFile(path: string): AsyncGenerator<FileChunk, void, undefined> {
    const { inode } = await this.#resolve(path, true);
    const kind = kindOf(inode);
    if (kind !== "file") {
      const what = kind === "folder" ? "a folder" : "not a regular file";
      throw new HoldfastError("usage", `${path} is ${what}; name a file.`);
    }
    if ((inode.flags & ExtInodeFlag.encrypted) !== 0)
      throw new HoldfastError("unsupported", `${path} is encrypted; its key is not on the disk.`);
    yield* this.#contents(inode);
  }

  /** The device stays open: its opener closes it. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  damaged(what: string): HoldfastError {
    return this.#volume.damaged(what);
  }

  async *#contents(inode: Inode): AsyncGenerator<FileChunk, void, undefined> {
    if ((inode.flags & ExtInodeFlag.inlineData) !== 0) {
      const data = inlineContents(this.#volume, inode);
      if (data.length > 0) yield { kind: "data", offsetBytes: 0, data };
      return;
    }
    const { blockBytes } = this.#volume;
    let hole = 0;
    for await (const run of this.#volume.runs(inode)) {
      const start = run.logical * blockBytes;
      const end = Math.min(inode.sizeBytes, start + run.blocks * blockBytes);
      if (run.physical === null) {
        hole += end - start;
        continue;
      }
      if (hole > 0) yield { kind: "hole", offsetBytes: start - hole, lengthBytes: hole };
      hole = 0;
      for (let at = start; at < end; at += MAX_CHUNK_BYTES) {
        const length = Math.min(MAX_CHUNK_BYTES, end - at);
        const whole = new Uint8Array(Math.ceil(length / blockBytes) * blockBytes);
        await this.#volume.contents(run.physical + (at - start) / blockBytes, whole);
        yield { kind: "data", offsetBytes: at, data: whole.subarray(0, length) };
      }
    }
    if (hole > 0) yield { kind: "hole", offsetBytes: inode.sizeBytes - hole, lengthBytes: hole };
  }

  async #entry(name: string, inode: Inode): Promise<Ext4Entry> {
    const kind = kindOf(inode);
    if (kind === null)
      throw this.#volume.damaged(`inode ${inode.number} (${JSON.stringify(name)}) is of no kind`);
    return {
      name,
      kind,
      inode: inode.number,
      sizeBytes: inode.sizeBytes,
      mode: inode.mode & 0o7777,
      uid: inode.owner,
      gid: inode.group,
      links: inode.links,
      modifiedSeconds: inode.modifiedSeconds,
      accessedSeconds: inode.accessedSeconds,
      linkTarget: kind === "link" ? await this.#target(inode) : null,
    };
  }

  async #target(inode: Inode): Promise<string> {
    if (inode.sizeBytes > MAX_TARGET_BYTES)
      throw this.#volume.damaged(`the link of inode ${inode.number} is too long`);
    const isElsewhere = (inode.flags & (ExtInodeFlag.extents | ExtInodeFlag.inlineData)) !== 0;
    if (!isElsewhere && inode.sizeBytes < inode.block.length)
      return nameToText(inode.block.subarray(0, inode.sizeBytes));
    const target = new Uint8Array(inode.sizeBytes);
    for await (const chunk of this.#contents(inode))
      if (chunk.kind === "data") target.set(chunk.data, chunk.offsetBytes);
    return nameToText(target);
  }

  /** Walks the path from the root; `name` is the last part as it was asked for. */
  async #resolve(
    path: string,
    followLast: boolean,
  ): Promise<{ readonly inode: Inode; readonly name: string }> {
    let left = path.split("/").filter((part) => part !== "");
    const name = left.at(-1) ?? "";
    const above: Inode[] = [];
    let inode = await this.#volume.inode(EXT_ROOT_INODE);
    let followed = 0;
    while (left.length > 0) {
      const [part, ...rest] = left as [string, ...string[]];
      left = rest;
      if (part === ".") continue;
      if (part === "..") {
        inode = above.pop() ?? inode;
        continue;
      }
      const next = await this.#volume.inode(await this.#find(inode, part, path));
      if (kindOf(next) !== "link" || (rest.length === 0 && !followLast)) {
        above.push(inode);
        inode = next;
        continue;
      }
      followed += 1;
      if (followed > MAX_LINKS_FOLLOWED)
        throw new HoldfastError("usage", `${path} leads through too many links, or in a circle.`);
      const target = await this.#target(next);
      left = [...target.split("/").filter((one) => one !== ""), ...rest];
      if (target.startsWith("/")) inode = above.splice(0)[0] ?? inode;
    }
    return { inode, name };
  }

  async #find(folder: Inode, part: string, path: string): Promise<number> {
    const wanted = nameToText(textToName(part));
    for await (const one of this.#names(folder, path)) if (one.name === wanted) return one.inode;
    throw new HoldfastError("not-found", `${path} does not exist on ${this.#volume.name}.`);
  }

  /** Without "." and "..". Indexed folders are lists too: their index blocks look like empty entries. */
  async *#names(folder: Inode, path: string): AsyncGenerator<Named, void, undefined> {
    if (kindOf(folder) !== "folder")
      throw new HoldfastError("usage", `${path} leads to or through something that is no folder.`);
    if ((folder.flags & ExtInodeFlag.inlineData) !== 0) {
      for (const part of inlineFolderParts(this.#volume, folder)) yield* this.#parse(folder, part);
      return;
    }
    for await (const run of this.#volume.runs(folder)) {
      if (run.physical === null) throw this.#volume.damaged(`folder ${folder.number} has a hole`);
      for (let i = 0; i < run.blocks; i += 1)
        yield* this.#parse(folder, await this.#volume.block(run.physical + i));
    }
  }

  *#parse(folder: Inode, block: Uint8Array): Generator<Named, void, undefined> {
    const { size } = extDirectoryEntry;
    const longNames = !this.#volume.hasIncompat("fileType");
    for (let at = 0; at + size <= block.length;) {
      const entry = extDirectoryEntry.decode(block, at);
      // A record of a whole 64 KiB block does not fit its field.
      const isWhole = entry.recordBytes === 0 || entry.recordBytes === 65535;
      const record = isWhole && block.length === 65536 ? 65536 : entry.recordBytes;
      const nameBytes = entry.nameBytes + (longNames ? entry.fileType * 256 : 0);
      const isSane = record >= size && record % 4 === 0 && at + record <= block.length;
      if (!isSane || (entry.inode !== 0 && size + nameBytes > record))
        throw this.#volume.damaged(`folder ${folder.number} has an entry that does not fit`);
      if (entry.inode !== 0) {
        const name = nameToText(block.subarray(at + size, at + size + nameBytes));
        if (name === "" || name.includes("/") || name.includes("\0"))
          throw this.#volume.damaged(`folder ${folder.number} has an impossible name`);
        if (name !== "." && name !== "..") yield { name, inode: entry.inode };
      }
      at += record;
    }
  }
}

function kindOf(inode: Inode): Ext4Kind | null {
  return KINDS[inode.mode >>> 12] ?? null;
}

function notesOf(volume: Ext4Volume): string[] {
  const notes: string[] = [];
  if ((volume.superblock.state & ExtState.errors) !== 0)
    notes.push("The file system is marked as having errors; check a copy of it with `e2fsck -fn`.");
  const missing = volume.blocks * volume.blockBytes - volume.deviceBytes;
  if (missing > 0)
    notes.push(`The file system is ${missing} bytes larger than the device: its end is missing.`);
  return notes;
}

function unreplayedNote(why: string): string {
  return `The file system was not unmounted cleanly, and ${why} Changes in its journal are not shown here, and files changed last may be old or damaged; a mount or e2fsck of what 'holdfast open --overlay' serves takes them over.`;
}

export interface Ext4Options {
  /** "ignore": the file system as it lies on the disk, with a note. */
  readonly journal: "replay" | "ignore";
  /** Memory for what is replayed. A journal that holds more is ignored, with a note. */
  readonly replayLimitBytes: number;
}

const DEFAULT_OPTIONS: Ext4Options = { journal: "replay", replayLimitBytes: 512 * 1024 * 1024 };

/** Borrows the device, and does not write to it. @throws HoldfastError `bad-metadata`, `unsupported` or `io` */
export async function openExt4(
  device: BlockDevice,
  options: Partial<Ext4Options> = {},
): Promise<Ext4> {
  const { journal, replayLimitBytes } = { ...DEFAULT_OPTIONS, ...options };
  const volume = await Ext4Volume.open(device);
  if (!volume.hasIncompat("recover")) return new Ext4(volume, []);
  if (journal === "ignore") return new Ext4(volume, [unreplayedNote("its journal was ignored.")]);
  let replayed: ReplayedJournal;
  try {
    replayed = await replayExt4Journal(device, volume, replayLimitBytes);
  } catch (error) {
    // Files as they lie on the disk are better than none.
    if (!(error instanceof HoldfastError)) throw error;
    return new Ext4(volume, [unreplayedNote(error.message)]);
  }
  // The superblock, and everything else that was read, may have been replayed.
  return new Ext4(await Ext4Volume.open(replayed.device), replayed.notes);
}
