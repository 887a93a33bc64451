/**
 * The two file calls that Node lacks, through `koffi` (an optional, prebuilt package): lseek for SEEK_DATA and
 * SEEK_HOLE, and fallocate for punching holes. Loaded on first use; null where koffi or the function is missing, and
 * callers then do without.
 *
 * Names: on 64-bit systems off_t has 64 bits everywhere. On 32-bit glibc the 64-bit variants end in "64"; musl's plain ones
 * have 64 bits always. Sources: lseek(2), fallocate(2), feature_test_macros(7), musl's FAQ.
 */
import { createRequire } from "node:module";

type NativeFunction = (...args: readonly unknown[]) => unknown;

interface Koffi {
  load(name: string | null): {
    func(name: string, result: string, args: readonly string[]): NativeFunction;
  };
  errno(): number;
  readonly os: { readonly errno: Readonly<Record<string, number>> };
}

export interface Libc {
  /** The offset, or null for "no more data behind here" (ENXIO). Throws what else goes wrong. */
  seekData(descriptor: number, offsetBytes: number): number | null;
  seekHole(descriptor: number, offsetBytes: number): number | null;
  /** False where the file system or platform cannot. */
  punchHole(descriptor: number, offsetBytes: number, lengthBytes: number): boolean;
}

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

function libraryNames(): readonly (string | null)[] {
  if (process.platform === "darwin") return ["libSystem.B.dylib", null];
  const machine = { x64: "x86_64", arm64: "aarch64" }[process.arch as string] ?? process.arch;
  // null is the running program itself, which has its C library loaded.
  return ["libc.so.6", `libc.musl-${machine}.so.1`, null];
}

function findFunction(koffi: Koffi, name: string, args: readonly string[]): NativeFunction | null {
  const is32bit = process.arch === "arm" || process.arch === "ia32";
  const result = name === "lseek" ? "int64" : "int";
  for (const library of libraryNames()) {
    for (const symbol of is32bit ? [`${name}64`, name] : [name]) {
      try {
        return koffi.load(library).func(symbol, result, args);
      } catch {
        // Not this library, or not under this name.
      }
    }
  }
  return null;
}

function loadLibc(): Libc | null {
  if (process.platform === "win32") return null;
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)("koffi") as Koffi;
  } catch {
    return null;
  }
  const lseek = findFunction(koffi, "lseek", ["int", "int64", "int"]);
  if (lseek === null) return null;
  const fallocate =
    process.platform === "linux"
      ? findFunction(koffi, "fallocate", ["int", "int", "int64", "int64"])
      : null;
  // Linux and FreeBSD: SEEK_DATA 3, SEEK_HOLE 4; macOS has them the other way round.
  const [seekData, seekHole] = process.platform === "darwin" ? [4, 3] : [3, 4];
  const seek = (descriptor: number, offsetBytes: number, whence: number): number | null => {
    const found = Number(lseek(descriptor, offsetBytes, whence));
    if (found >= 0) return found;
    const errno = koffi.errno();
    if (errno === koffi.os.errno["ENXIO"]) return null;
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
