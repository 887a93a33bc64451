/** Sparse files for tests: what is zero takes no room. */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";

const BLOCK_BYTES = 65_536;

function isZero(block: Uint8Array): boolean {
  const words = new Uint32Array(block.buffer, block.byteOffset, block.length >>> 2);
  return (
    words.every((word) => word === 0) && block.subarray(words.length * 4).every((b) => b === 0)
  );
}

/** The blocks of `data` (64 KiB, the last one shorter) that are not all zeros, with their offsets. */
export function* nonZeroBlocks(data: Uint8Array): Generator<{ start: number; block: Uint8Array }> {
  for (let start = 0; start < data.length; start += BLOCK_BYTES) {
    // A copy, for its alignment.
    const block = data.slice(start, start + BLOCK_BYTES);
    if (!isZero(block)) yield { start, block };
  }
}

/** Makes or empties the file at `path` and gives it the content `data`, with holes for blocks of zeros. */
export function writeSparse(path: string, data: Uint8Array): void {
  const file = openSync(path, "w");
  try {
    ftruncateSync(file, data.length);
    for (const { start, block } of nonZeroBlocks(data)) {
      writeSync(file, block, 0, block.length, start);
    }
  } finally {
    closeSync(file);
  }
}
