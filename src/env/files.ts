/** Files and block devices as Env offers them. Offsets and sizes are bytes. */

export type FileKind = "file" | "block-device" | "folder" | "other";

export interface FileStat {
  readonly kind: FileKind;
  /** Usable size; for a block device the size of the device. 0 for folders and others. */
  readonly sizeBytes: number;
  /** Equal for two paths exactly when they lead to the same file or device. */
  readonly identity: string;
}

export type OpenMode =
  /** Existing file, never written. Keeps nobody out, and nobody keeps it out. */
  | "read"
  /** Existing file, never written; as long as it is open nobody else can have it so or "read-write", in this process or another. */
  | "read-exclusive"
  /** Existing file, read and written, and as exclusive. */
  | "read-write"
  /** New file, read and written; fails if it exists. */
  | "create-new"
  /** New or emptied file, read and written. */
  | "create-or-truncate";

/** A run of bytes that is either backed by data or a hole that reads as zeros. */
export interface FileExtent {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly kind: "data" | "hole";
}

/**
 * An open file. `read`, the writes and `flush` call `done` exactly once, perhaps before they return: callers prepare what they
 * need first. Calls that are nested in each other this way are bounded, so the stack stays flat whatever `done` starts.
 * They borrow `data` until then. `bytes` is smaller than asked only at the end of the file.
 */
export interface FileHandle {
  readonly path: string;
  readonly sizeBytes: number;
  read(
    data: Uint8Array,
    offsetBytes: number,
    done: (error: Error | null, bytes: number) => void,
  ): void;
  write(data: Uint8Array, offsetBytes: number, done: (error: Error | null) => void): void;
  /** Writes buffers one behind the other, at best by one call. The list of them is borrowed too. */
  writeParts(
    parts: readonly Uint8Array[],
    offsetBytes: number,
    done: (error: Error | null) => void,
  ): void;
  /** What it wrote is on stable storage when `done` is called without an error; of other writes it says nothing. */
  writeDurably(data: Uint8Array, offsetBytes: number, done: (error: Error | null) => void): void;
  /** Everything written before the call is on stable storage when `done` is called without an error. */
  flush(done: (error: Error | null) => void): void;
  /** Gives the range's storage back; it reads as zeros afterwards. False if the file system cannot. */
  punchHole(offsetBytes: number, lengthBytes: number): boolean;
  /** Changes the size of a regular file. */
  truncate(sizeBytes: number): Promise<void>;
  /**
   * The run that starts at `offsetBytes`, at most `lengthBytes` long. Where the platform cannot tell holes
   * from data everything is data.
   */
  extentAt(offsetBytes: number, lengthBytes: number): FileExtent;
  close(): Promise<void>;
}

export interface FileAttributes {
  /** Permission bits, 0..0o777. */
  readonly mode: number;
  /** Milliseconds since 1970. */
  readonly accessedMs: number;
  readonly modifiedMs: number;
}

export interface Files {
  /** Throws HoldfastError `not-found`, `permission`, `busy` (exclusive, and somebody has it) or `io`, naming the path. */
  open(path: string, mode: OpenMode): Promise<FileHandle>;
  /** Null if there is nothing at `path`. */
  stat(path: string): Promise<FileStat | null>;
  /** Names (not paths) in a folder, sorted. */
  list(path: string): Promise<string[]>;
  /** With the folders above it that are missing; `mode` is for the new ones, 0o777 less the umask by default. */
  makeFolder(path: string, mode?: number): Promise<void>;
  /** A file, an empty folder, or a symbolic link itself. */
  remove(path: string): Promise<void>;
  /** Whether the path itself is a symbolic link, wherever it leads. */
  isLink(path: string): Promise<boolean>;
  /** Makes a symbolic link that says `target`. Throws `usage` if there is something at `path`. */
  makeLink(path: string, target: string): Promise<void>;
  /**
   * Makes this the whole content of `path`, new or not, with these permission bits. Whoever reads it, also after a power cut, finds the
   * old content or the new one. Not for two at a time.
   */
  replace(path: string, content: Uint8Array, mode: number): Promise<void>;
  /** Of a file or folder; follows links. */
  setAttributes(path: string, attributes: FileAttributes): Promise<void>;
}
