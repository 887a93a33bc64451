/** Small files read whole, as text: certificates, keys, configurations. */
import { HoldfastError, toHoldfastError } from "../base/errors.ts";
import type { Env } from "./env.ts";
import type { FileHandle } from "./files.ts";

const MAX_BYTES = 1024 * 1024;
const PIECE_BYTES = 64 * 1024;

/** Throws what Files.open throws, and `usage` for a file that is too large to be what it should be. */
export async function readSmallFile(env: Env, path: string, maxBytes = MAX_BYTES): Promise<string> {
  const file = await env.files.open(path, "read");
  try {
    if (file.sizeBytes > maxBytes) {
      throw new HoldfastError(
        "usage",
        `${path} is larger than such a file can be; check the name.`,
      );
    }
    return await readAll(file, maxBytes);
  } finally {
    await file.close();
  }
}

/** To its end, since files in /proc tell no size. */
async function readAll(file: FileHandle, maxBytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < maxBytes;) {
    const piece = new Uint8Array(PIECE_BYTES);
    const bytes = await new Promise<number>((resolve, reject) => {
      file.read(piece, at, (error, count) =>
        error === null ? resolve(count) : reject(toHoldfastError(error)),
      );
    });
    if (bytes === 0) break;
    pieces.push(piece.subarray(0, bytes));
    at += bytes;
  }
  return Buffer.concat(pieces).toString();
}
