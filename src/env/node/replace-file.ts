/** Small files that are only ever whole. */
import { constants } from "node:fs";
import { open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { fileError } from "./file-errors.ts";

/**
 * 1 write beside it, 2 flush, 3 rename, 4 flush the folder: a crash before 3 leaves the old content (and what was written beside it,
 * which the next one overwrites), one after it the new, and from 4 on it is the new whatever happens.
 */
export async function replaceFile(path: string, content: Uint8Array, mode: number): Promise<void> {
  const beside = `${path}.new`;
  try {
    const { O_WRONLY, O_CREAT, O_TRUNC } = constants;
    const file = await open(beside, O_WRONLY | O_CREAT | O_TRUNC, mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
    await flushFolder(dirname(path));
  } catch (error) {
    await unlink(beside).catch(() => {});
    throw fileError(error, path, "replacing its content");
  }
}

async function flushFolder(path: string): Promise<void> {
  // Windows opens no folders, and writes their entries through.
  if (process.platform === "win32") return;
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
