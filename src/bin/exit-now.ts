/**
 * Ends the process at once, whatever its threads are doing.
 *
 * `process.exit` first takes the engine's thread apart and frees its memory, to which the kernel may still be writing for an io_uring that
 * is open. The C library's `_exit` leaves it all to the kernel, which ends the ring before it takes the memory. Without koffi there is no
 * ring either, and Node's way will do.
 */
import { rmdirSync, unlinkSync } from "node:fs";
import { koffi, libcFunction } from "../env/node/koffi.ts";

/** @param leftovers files and empty folders to be removed before; what cannot be is left */
export function exitNow(code: number, leftovers: readonly string[] = []): void {
  for (const path of leftovers) remove(path);
  const native = koffi();
  if (native !== null) libcFunction(native, ["_exit"], "void", ["int"])?.(code);
  process.exit(code);
}

/** In the call: the threads that do it otherwise may all be waiting for a disk. */
function remove(path: string): void {
  for (const removeSync of [unlinkSync, rmdirSync]) {
    try {
      removeSync(path);
      return;
    } catch {
      // Not there, or of the other kind, or not ours to remove.
    }
  }
}
