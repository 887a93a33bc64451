/**
 * Do P and Q of a row fit its data, and if not, which single block explains it?
 *
 * For a byte with p what P is off by and q what Q is off by: both 0 is fine; only p: P is wrong; only q: Q is wrong; both:
 * a data block with 2^c = q / p is wrong, if the row has a block with that coefficient. One block explains the row if it
 * explains every byte of it that is off. This is raid6check's rule (mdadm), which takes blocks of 4 KiB. It is a
 * guess: two wrong blocks can look like one other wrong block.
 */
import { assert } from "../base/assert.ts";
import { GF_ORDER, gfLog } from "./gf256.ts";
import type { ParityDifference, ParityKernels } from "./kernels.ts";
import { oracleKernels } from "./oracle.ts";
import type { BlocksBySlot, ParityRow } from "./parity.ts";

export type RowSuspect =
  /** One block, if wrong, explains all differences. */
  | { readonly kind: "block"; readonly slot: number }
  /** More than one block is wrong, or the row has no Q, which could tell. */
  | { readonly kind: "unknown" };

export interface RowCheck extends ParityDifference {
  /** Null: nothing differs. */
  readonly suspect: RowSuspect | null;
}

const NOTHING: RowCheck = { p: null, q: null, suspect: null };

/** The slot that explains this byte; null if none does. */
function suspectOfByte(row: ParityRow, p: number, q: number): number | null {
  if (q === 0) return row.p;
  if (p === 0) return row.q;
  const coefficient = (gfLog(q) + GF_ORDER - gfLog(p)) % GF_ORDER;
  const index = row.coefficients.indexOf(coefficient);
  return row.data[index] ?? null;
}

function findSuspect(row: ParityRow, offP: Uint8Array, offQ: Uint8Array): RowSuspect {
  let suspect: number | null = null;
  for (let i = 0; i < offP.length; i += 1) {
    const p = offP[i]!;
    const q = offQ[i]!;
    if (p === 0 && q === 0) continue;
    const slot = suspectOfByte(row, p, q);
    if (slot === null || (suspect !== null && slot !== suspect)) return { kind: "unknown" };
    suspect = slot;
  }
  assert(suspect !== null, "a byte differs");
  return { kind: "block", slot: suspect };
}

/** Compares P and Q with what the data makes. `blocks` must have all of the row and is left alone. */
export function checkRow(
  row: ParityRow,
  blocks: BlocksBySlot,
  kernels: ParityKernels = oracleKernels,
): RowCheck {
  const present = (slot: number): Uint8Array => {
    const block = blocks.get(slot);
    assert(block !== undefined, `there is a block for slot ${slot}`);
    return block;
  };
  const data = row.data.map(present);
  const storedP = present(row.p);
  const storedQ = row.q === null ? null : present(row.q);
  const { p, q } = kernels.check(storedP, storedQ, data, row.coefficients);
  if (p === null && q === null) return NOTHING;
  if (storedQ === null) return { p, q, suspect: { kind: "unknown" } };
  const offP = new Uint8Array(storedP.length);
  const offQ = new Uint8Array(storedP.length);
  kernels.pq(offP, offQ, data, row.coefficients);
  kernels.xor(offP, [offP, storedP]);
  kernels.xor(offQ, [offQ, storedQ]);
  return { p, q, suspect: findSuspect(row, offP, offQ) };
}
