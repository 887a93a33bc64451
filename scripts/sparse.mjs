/** Sparse files: what is zero takes no room on the disk. Node built-ins only: `npm start` unpacks the examples with it. */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";

const BLOCK_BYTES = 65_536;
const ZEROS = new Uint8Array(BLOCK_BYTES);

/**
 * The blocks of `data` (64 KiB, the last one shorter) that are not all zeros, with their offsets.
 * @param {Uint8Array} data
 * @returns {Generator<{ start: number, block: Uint8Array }>}
 */
export function* nonZeroBlocks(data) {
  for (let start = 0; start < data.length; start += BLOCK_BYTES) {
    const block = data.subarray(start, start + BLOCK_BYTES);
    const isZero = Buffer.compare(block, ZEROS.subarray(0, block.length)) === 0;
    if (!isZero) yield { start, block };
  }
}

/**
 * Makes or empties the file at `path` and gives it the content `data`, with holes for blocks of zeros.
 * @param {string} path
 * @param {Uint8Array} data
 */
export function writeSparse(path, data) {
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
