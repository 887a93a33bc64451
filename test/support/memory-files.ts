/** Files that are bytes in memory, as Env offers files. What is done with them ends in the same turn of the event loop. */
import { HoldfastError } from "../../src/base/errors.ts";
import type { FileExtent, FileHandle, FileStat, Files, OpenMode } from "../../src/env/files.ts";

export type FileFault = (path: string, op: "read" | "write" | "flush") => Error | null;

class MemoryFile implements FileHandle {
  readonly path: string;
  readonly #files: MemoryFiles;

  constructor(path: string, files: MemoryFiles) {
    this.path = path;
    this.#files = files;
  }

  get #bytes(): Uint8Array {
    return this.#files.bytes.get(this.path) ?? new Uint8Array(0);
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  read(
    data: Uint8Array,
    offsetBytes: number,
    done: (error: Error | null, bytes: number) => void,
  ): void {
    const error = this.#files.fault(this.path, "read");
    const found = this.#bytes.subarray(offsetBytes, offsetBytes + data.length);
    if (error === null) data.set(found);
    queueMicrotask(() => done(error, error === null ? found.length : 0));
  }

  write(data: Uint8Array, offsetBytes: number, done: (error: Error | null) => void): void {
    const error = this.#files.fault(this.path, "write");
    if (error === null) this.#bytes.set(data, offsetBytes);
    queueMicrotask(() => done(error));
  }

  writeParts(
    parts: readonly Uint8Array[],
    offsetBytes: number,
    done: (error: Error | null) => void,
  ): void {
    this.write(Buffer.concat(parts), offsetBytes, done);
  }

  writeDurably(data: Uint8Array, offsetBytes: number, done: (error: Error | null) => void): void {
    this.write(data, offsetBytes, done);
  }

  flush(done: (error: Error | null) => void): void {
    const error = this.#files.fault(this.path, "flush");
    queueMicrotask(() => done(error));
  }

  punchHole(offsetBytes: number, lengthBytes: number): boolean {
    this.#bytes.fill(0, offsetBytes, offsetBytes + lengthBytes);
    return true;
  }

  truncate(sizeBytes: number): Promise<void> {
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(this.#bytes.subarray(0, sizeBytes));
    this.#files.bytes.set(this.path, bytes);
    return Promise.resolve();
  }

  extentAt(offsetBytes: number, lengthBytes: number): FileExtent {
    return { offsetBytes, lengthBytes, kind: "data" };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export class MemoryFiles implements Pick<Files, "open" | "stat" | "list"> {
  readonly bytes = new Map<string, Uint8Array>();
  /** What an operation ends with instead of being done; null: it is done. */
  fault: FileFault = () => null;

  add(path: string, sizeBytes: number): string {
    this.bytes.set(path, new Uint8Array(sizeBytes));
    return path;
  }

  addText(path: string, text: string): string {
    this.bytes.set(path, new Uint8Array(Buffer.from(text)));
    return path;
  }

  async open(path: string, mode: OpenMode): Promise<FileHandle> {
    await Promise.resolve();
    const isNew = mode === "create-new" || mode === "create-or-truncate";
    if (isNew) this.add(path, 0);
    if (!this.bytes.has(path)) throw new HoldfastError("not-found", `${path} does not exist.`);
    return new MemoryFile(path, this);
  }

  stat(path: string): Promise<FileStat | null> {
    const bytes = this.bytes.get(path);
    return Promise.resolve(
      bytes === undefined ? null : { kind: "file", sizeBytes: bytes.length, identity: path },
    );
  }

  list(path: string): Promise<string[]> {
    const inside = [...this.bytes.keys()].filter((each) => each.startsWith(`${path}/`));
    const names = new Set(inside.map((each) => each.slice(path.length + 1).split("/")[0]!));
    return Promise.resolve([...names].toSorted());
  }
}
