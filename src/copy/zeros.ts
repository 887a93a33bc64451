/** Finding the parts of a buffer that are worth writing. */

const BLOCK_BYTES = 4096;
const ZERO_BLOCK = new Uint8Array(BLOCK_BYTES);

/** A run of a buffer; bytes from its start. */
export interface BufferRun {
  readonly start: number;
  readonly end: number;
}

function isZeroBlock(block: Uint8Array): boolean {
  // A memcmp; a loop in JavaScript takes five times as long.
  return Buffer.compare(block, ZERO_BLOCK.subarray(0, block.length)) === 0;
}

/** The runs of `data` that hold something, in order. Only whole blocks of 4 KiB (and a shorter last one) count as zero. */
export function nonZeroRuns(data: Uint8Array): BufferRun[] {
  const runs: BufferRun[] = [];
  let start = -1;
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    if (isZeroBlock(data.subarray(at, at + BLOCK_BYTES))) {
      if (start >= 0) runs.push({ start, end: at });
      start = -1;
    } else if (start < 0) {
      start = at;
    }
  }
  if (start >= 0) runs.push({ start, end: data.length });
  return runs;
}
