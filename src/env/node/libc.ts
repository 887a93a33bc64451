/**
 * The two file calls that Node lacks, through `koffi` (an optional, prebuilt package): lseek for SEEK_DATA and
 * SEEK_HOLE, and fallocate for punching holes. Loaded on first use; null where koffi or the function is missing, and
 * callers then do without.
 *
 * Names: on 64-bit systems off_t has 64 bits everywhere. On 32-bit glibc the 64-bit variants end in "64"; musl's plain ones
 * have 64 bits always. Sources: lseek(2), fallocate(2), feature_test_macros(7), musl's FAQ.
 */
import { koffi, libcFunction } from "./koffi.ts";
import type { Koffi, NativeFunction } from "./koffi.ts";

export interface Libc {
  /** The offset, or null for "no more data behind here" (ENXIO). Throws what else goes wrong. */
  seekData(descriptor: number, offsetBytes: number): number | null;
  seekHole(descriptor: number, offsetBytes: number): number | null;
  /** False where the file system or platform cannot. */
  punchHole(descriptor: number, offsetBytes: number, lengthBytes: number): boolean;
}

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

function findFunction(from: Koffi, name: string, args: readonly string[]): NativeFunction | null {
  const is32bit = process.arch === "arm" || process.arch === "ia32";
  const result = name === "lseek" ? "int64" : "int";
  return libcFunction(from, is32bit ? [`${name}64`, name] : [name], result, args);
}

function loadLibc(): Libc | null {
  if (process.platform === "win32") return null;
  const native = koffi();
  if (native === null) return null;
  const lseek = findFunction(native, "lseek", ["int", "int64", "int"]);
  if (lseek === null) return null;
  const fallocate =
    process.platform === "linux"
      ? findFunction(native, "fallocate", ["int", "int", "int64", "int64"])
      : null;
  // Linux and FreeBSD: SEEK_DATA 3, SEEK_HOLE 4; macOS has them the other way round.
  const [seekData, seekHole] = process.platform === "darwin" ? [4, 3] : [3, 4];
  const seek = (descriptor: number, offsetBytes: number, whence: number): number | null => {
    const found = Number(lseek(descriptor, offsetBytes, whence));
    if (found >= 0) return found;
    const errno = native.errno();
    if (errno === native.os.errno["ENXIO"]) return null;
    throw new Error(`lseek failed with errno ${errno}`);
  };
  return {
    seekData: (descriptor, offsetBytes) => seek(descriptor, offsetBytes, seekData),
    seekHole: (descriptor, offsetBytes) => seek(descriptor, offsetBytes, seekHole),
    punchHole(descriptor, offsetBytes, lengthBytes) {
      if (fallocate === null) return false;
      const mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
      return Number(fallocate(descriptor, mode, offsetBytes, lengthBytes)) === 0;
    },
  };
}

let loaded: Libc | null | undefined;

export function libc(): Libc | null {
  if (loaded === undefined) loaded = loadLibc();
  return loaded;
}
