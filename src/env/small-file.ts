/** Small files read whole, as text: certificates, keys, configurations. */
import { HoldfastError, toHoldfastError } from "../base/errors.ts";
import type { Env } from "./env.ts";

const MAX_BYTES = 1024 * 1024;

/** Throws what Files.open throws, and `usage` for a file that is too large to be what it should be. */
export async function readSmallFile(env: Env, path: string): Promise<string> {
  const file = await env.files.open(path, "read");
  try {
    if (file.sizeBytes > MAX_BYTES) {
      throw new HoldfastError(
        "usage",
        `${path} is larger than such a file can be; check the name.`,
      );
    }
    const data = new Uint8Array(file.sizeBytes);
    const bytes = await new Promise<number>((resolve, reject) => {
      file.read(data, 0, (error, count) =>
        error === null ? resolve(count) : reject(toHoldfastError(error)),
      );
    });
    return new TextDecoder().decode(data.subarray(0, bytes));
  } finally {
    await file.close();
  }
}
