/** ext4 file systems to be written to volumes, as mke2fs makes them. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Prng } from "../../src/base/prng.ts";
import { randomBytes } from "./bytes.ts";

/** Of the blocks, what files fill. */
const FILLED = 0.6;

/** A file system of that size with files of random sizes in random folders. `scratch` is a folder for what is needed meanwhile. */
export function filledExt4(prng: Prng, bytes: number, scratch: string): Uint8Array {
  const own = mkdtempSync(join(scratch, "ext4-"));
  try {
    const tree = join(own, "tree");
    mkdirSync(tree);
    fillTree(prng, tree, Math.floor(bytes * FILLED));
    const image = join(own, "image");
    const options = prng.chance(0.5) ? ["-b", "1024"] : ["-b", "4096", "-O", "^has_journal"];
    const kib = `${Math.floor(bytes / 1024)}k`;
    execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", "-d", tree, ...options, image, kib]);
    return readFileSync(image);
  } finally {
    rmSync(own, { recursive: true });
  }
}

function fillTree(prng: Prng, tree: string, bytes: number): void {
  let left = bytes;
  for (let i = 0; left > 0; i += 1) {
    const size = Math.min(left, prng.chance(0.2) ? prng.below(1_000_000) : prng.below(40_000));
    const folder = join(tree, `folder${prng.below(8)}`, `folder${prng.below(4)}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file${i}`), randomBytes(prng, size));
    // A block at least.
    left -= size + 4096;
  }
}
