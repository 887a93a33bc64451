/** Writing zeros where a device has no cheaper way: in steps of at most 1 MiB out of one buffer that nobody changes. */
import type { BioEnd } from "./bio.ts";
import { inSequence } from "./fan-out.ts";

const STEP_BYTES = 1024 * 1024;

export const ZEROS = new Uint8Array(STEP_BYTES);

/** Calls `write` for one step after the other until `lengthBytes` are covered or one fails. */
export function inZeroSteps(
  lengthBytes: number,
  write: (fromBytes: number, zeros: Uint8Array, end: BioEnd) => void,
  end: BioEnd,
): void {
  const step = (index: number, ended: BioEnd): void => {
    const from = index * STEP_BYTES;
    write(from, ZEROS.subarray(0, Math.min(STEP_BYTES, lengthBytes - from)), ended);
  };
  inSequence(Math.ceil(lengthBytes / STEP_BYTES), step, end);
}
