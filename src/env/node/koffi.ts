/**
 * The optional package `koffi`: C functions called from JavaScript. Only what is used of it, loaded on first use.
 *
 * Only its synchronous calls are used (0.1 us); an asynchronous one costs more than the system call it makes.
 */
import { createRequire } from "node:module";

export type NativeFunction = (...args: readonly unknown[]) => unknown;

export interface Koffi {
  load(name: string | null): {
    func(name: string, result: string, args: readonly string[]): NativeFunction;
  };
  errno(): number;
  readonly os: { readonly errno: Readonly<Record<string, number>> };
  /** Of an array's first byte. */
  address(bytes: Uint8Array): bigint;
  /** Memory that is not JavaScript's, as it is. */
  view(address: number | bigint, lengthBytes: number): ArrayBuffer;
}

let loaded: Koffi | null | undefined;

/** Null where it is not installed, or has no binary for this machine. */
export function koffi(): Koffi | null {
  if (loaded === undefined) {
    try {
      loaded = createRequire(import.meta.url)("koffi") as Koffi;
    } catch {
      loaded = null;
    }
  }
  return loaded;
}

function libraryNames(): readonly (string | null)[] {
  if (process.platform === "darwin") return ["libSystem.B.dylib", null];
  const machine = { x64: "x86_64", arm64: "aarch64" }[process.arch as string] ?? process.arch;
  // null is the running program itself, which has its C library loaded.
  return ["libc.so.6", `libc.musl-${machine}.so.1`, null];
}

/** A function of the C library, under the first of `names` that it has; null if it has none. */
export function libcFunction(
  from: Koffi,
  names: readonly string[],
  result: string,
  args: readonly string[],
): NativeFunction | null {
  for (const library of libraryNames()) {
    for (const name of names) {
      try {
        return from.load(library).func(name, result, args);
      } catch {
        // Not this library, or not under this name.
      }
    }
  }
  return null;
}
