/** A file system that is a list of entries, sound or not: for tests of what lists and copies files. */
import { HoldfastError } from "../../src/base/errors.ts";
import type { VolumeFiles } from "../../src/cli/services.ts";
import type { Ext4Entry, FileChunk } from "../../src/filesystems/ext4.ts";

interface FakeEntry extends Partial<Ext4Entry> {
  readonly path: string;
  /** Pieces of the content; an error in place of one that cannot be read, a number for a hole. */
  readonly content?: readonly (string | number | HoldfastError)[];
}

function lengthOf(piece: string | number | HoldfastError): number {
  if (typeof piece === "number") return piece;
  return typeof piece === "string" ? Buffer.byteLength(piece) : 4096;
}

function entryOf(fake: FakeEntry, name: string): Ext4Entry {
  const content = fake.content ?? [];
  return {
    kind: "file",
    inode: 12,
    sizeBytes: content.reduce((sum: number, piece) => sum + lengthOf(piece), 0),
    mode: 0o644,
    uid: 1000,
    gid: 100,
    links: 1,
    modifiedSeconds: 1_600_000_000,
    accessedSeconds: 1_600_000_001,
    linkTarget: null,
    ...fake,
    name,
  };
}

/** Paths are looked up as they are; `name` may be given where it is not the path's last part. */
export function fakeFiles(entries: readonly FakeEntry[], notes: readonly string[] = []) {
  const all: FakeEntry[] = [{ path: "/", kind: "folder", mode: 0o755, name: "" }, ...entries];
  const nameOf = ({ path, name }: FakeEntry): string =>
    name ?? path.slice(path.lastIndexOf("/") + 1);
  const find = (path: string): FakeEntry => {
    const found = all.find((one) => one.path === path);
    if (found === undefined)
      throw new HoldfastError("not-found", `${path} does not exist on data.`);
    return found;
  };
  const files: VolumeFiles & { isClosed: boolean } = {
    notes,
    isClosed: false,
    stat: async (path: string) => entryOf(find(path), nameOf(find(path))),
    async list(path: string) {
      if (find(path).kind !== "folder") throw new HoldfastError("usage", `${path} is no folder.`);
      const start = path === "/" ? "/" : `${path}/`;
      return all
        .filter((one) => one.path.startsWith(start) && one.path !== path)
        .filter((one) => !one.path.slice(start.length).includes("/"))
        .map((one) => entryOf(one, nameOf(one)));
    },
    async *readFile(path: string): AsyncGenerator<FileChunk, void, undefined> {
      const fake = find(path);
      if (fake.kind !== undefined && fake.kind !== "file") {
        throw new HoldfastError("usage", `${path} is not a file; name a file.`);
      }
      let offsetBytes = 0;
      for (const piece of fake.content ?? []) {
        if (piece instanceof HoldfastError) throw piece;
        const lengthBytes = lengthOf(piece);
        if (typeof piece === "number") yield { kind: "hole", offsetBytes, lengthBytes };
        else yield { kind: "data", offsetBytes, data: Buffer.from(piece) };
        offsetBytes += lengthBytes;
      }
    },
    readLink: async (path: string) => find(path).linkTarget ?? "",
    async close() {
      files.isClosed = true;
    },
  };
  return files;
}
