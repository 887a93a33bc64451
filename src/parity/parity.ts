/**
 * P and Q of a row of blocks: making them, getting lost blocks back from them, finding out which block is wrong.
 *
 *   P = D0 + D1 + ...                      + is xor
 *   Q = 2^c0 D0 + 2^c1 D1 + ...            c: the row's coefficients
 *
 * Any two blocks of a row with P and Q, or any one of a row with P only, can be lost:
 *   one data block, P good          P plus the other data
 *   one data block, P lost too      what Q is off by without it, divided by its 2^c
 *   two data blocks x and y         with p and q what P and Q are off by without them:  Dx + Dy = p,  2^x Dx + 2^y Dy = q,
 *                                   so Dx = (2^y p + q) / (2^x + 2^y)  and  Dy = p + Dx
 *   P, Q                            made anew once the data is complete
 *
 * Source: H. Peter Anvin, "The mathematics of RAID-6". Coefficients come from the geometry, which knows in which order
 * each layout counts.
 */
import { assert } from "../base/assert.ts";
import { gfInverse, gfMultiply, gfPower } from "./gf256.ts";
import type { ParityKernels } from "./kernels.ts";
import { oracleKernels } from "./oracle.ts";

/** Who holds what in a row, by slot. A geometry's RowLayout is one. */
export interface ParityRow {
  readonly p: number;
  /** Null: the row has no Q. */
  readonly q: number | null;
  /** Slots of the data blocks. */
  readonly data: readonly number[];
  /** For each of `data` its power of 2 in Q, all different, in 0..254. Not looked at without Q. */
  readonly coefficients: readonly number[];
}

/** Blocks of one length, by slot. */
export type BlocksBySlot = ReadonlyMap<number, Uint8Array>;

function blockAt(blocks: BlocksBySlot, slot: number): Uint8Array {
  const block = blocks.get(slot);
  assert(block !== undefined, `there is a block for slot ${slot}`);
  return block;
}

/** Data blocks but the ones at the given indexes, and their coefficients. */
function otherData(
  row: ParityRow,
  blocks: BlocksBySlot,
  without: readonly number[],
): { data: Uint8Array[]; coefficients: number[] } {
  const data: Uint8Array[] = [];
  const coefficients: number[] = [];
  for (const [index, slot] of row.data.entries()) {
    if (without.includes(index)) continue;
    data.push(blockAt(blocks, slot));
    coefficients.push(row.coefficients[index] ?? 0);
  }
  return { data, coefficients };
}

/** Fills in data block `index`, from P if it is good, else from Q. */
function recoverOneData(
  row: ParityRow,
  blocks: BlocksBySlot,
  index: number,
  lost: ReadonlySet<number>,
  kernels: ParityKernels,
): void {
  const target = blockAt(blocks, row.data[index]!);
  const { data, coefficients } = otherData(row, blocks, [index]);
  if (!lost.has(row.p)) {
    kernels.xor(target, [blockAt(blocks, row.p), ...data]);
    return;
  }
  assert(row.q !== null && !lost.has(row.q), "P or Q is left");
  kernels.pq(null, target, data, coefficients);
  kernels.xor(target, [target, blockAt(blocks, row.q)]);
  kernels.mul(target, gfInverse(gfPower(row.coefficients[index]!)));
}

function recoverTwoData(
  row: ParityRow,
  blocks: BlocksBySlot,
  indexX: number,
  indexY: number,
  kernels: ParityKernels,
): void {
  assert(row.q !== null, "two lost data blocks need Q");
  const x = blockAt(blocks, row.data[indexX]!);
  const y = blockAt(blocks, row.data[indexY]!);
  const { data, coefficients } = otherData(row, blocks, [indexX, indexY]);
  kernels.pq(x, y, data, coefficients);
  kernels.xor(x, [x, blockAt(blocks, row.p)]);
  kernels.xor(y, [y, blockAt(blocks, row.q)]);
  const powerX = gfPower(row.coefficients[indexX]!);
  const powerY = gfPower(row.coefficients[indexY]!);
  const divisor = gfInverse(powerX ^ powerY);
  kernels.solveTwo(x, y, gfMultiply(powerY, divisor), divisor);
}

/**
 * Writes the lost data blocks of a row, and neither P nor Q.
 * @param blocks all the row's data, the lost ones to be overwritten, and as many of P and Q as data blocks are lost, P before Q
 * @param lost as for `recover`
 */
export function recoverData(
  row: ParityRow,
  blocks: BlocksBySlot,
  lost: ReadonlySet<number>,
  kernels: ParityKernels,
): void {
  const lostData = row.data.flatMap((slot, index) => (lost.has(slot) ? [index] : []));
  const [x, y] = lostData;
  if (x === undefined) return;
  if (y === undefined) {
    recoverOneData(row, blocks, x, lost, kernels);
    return;
  }
  const parityLost = lost.has(row.p) || row.q === null || lost.has(row.q);
  assert(lostData.length === 2 && !parityLost, "no more is lost than P and Q make up for");
  recoverTwoData(row, blocks, x, y, kernels);
}

function dataBlocks(row: ParityRow, blocks: BlocksBySlot): Uint8Array[] {
  return row.data.map((slot) => blockAt(blocks, slot));
}

/** Can all of these be lost together and be got back? */
export function isRecoverable(row: ParityRow, lost: ReadonlySet<number>): boolean {
  const inRow = (slot: number | null): boolean => slot !== null && lost.has(slot);
  const count = row.data.filter(inRow).length + Number(inRow(row.p)) + Number(inRow(row.q));
  return count <= (row.q === null ? 1 : 2);
}

/** Writes P, and Q if the row has it, from the data. `blocks` must have all of the row. */
export function generate(
  row: ParityRow,
  blocks: BlocksBySlot,
  kernels: ParityKernels = oracleKernels,
): void {
  const p = blockAt(blocks, row.p);
  const data = dataBlocks(row, blocks);
  if (row.q === null) kernels.xor(p, data);
  else kernels.pq(p, blockAt(blocks, row.q), data, row.coefficients);
}

/**
 * Writes the lost blocks of a row from the others.
 * @param blocks all blocks of the row; those of `lost` are overwritten, whatever they hold
 * @param lost at most two slots, at most one in a row without Q (`isRecoverable`)
 */
export function recover(
  row: ParityRow,
  blocks: BlocksBySlot,
  lost: ReadonlySet<number>,
  kernels: ParityKernels = oracleKernels,
): void {
  recoverData(row, blocks, lost, kernels);
  const data = dataBlocks(row, blocks);
  if (lost.has(row.p)) kernels.xor(blockAt(blocks, row.p), data);
  if (row.q !== null && lost.has(row.q)) {
    kernels.pq(null, blockAt(blocks, row.q), data, row.coefficients);
  }
}

/**
 * Writes one lost block of a row, of which not even all the good blocks need to be at hand: all good data and as many of P and Q
 * as data blocks are lost are enough.
 * @param target its slot, one of `lost`
 * @param blocks the blocks that were read. For another lost data block it may have room, which is overwritten; else some is allocated
 * @param out gets the block; overlaps none of `blocks`
 */
export function rebuild(
  row: ParityRow,
  target: number,
  lost: ReadonlySet<number>,
  blocks: BlocksBySlot,
  out: Uint8Array,
  kernels: ParityKernels = oracleKernels,
): void {
  assert(lost.has(target), "what is rebuilt counts as lost");
  const complete = new Map(blocks).set(target, out);
  const absent = new Set<number>();
  for (const slot of row.data) {
    if (!lost.has(slot)) continue;
    absent.add(slot);
    if (!complete.has(slot)) complete.set(slot, new Uint8Array(out.length));
  }
  if (!blocks.has(row.p)) absent.add(row.p);
  if (row.q !== null && !blocks.has(row.q)) absent.add(row.q);
  recoverData(row, complete, absent, kernels);
  const data = dataBlocks(row, complete);
  if (target === row.p) kernels.xor(out, data);
  else if (target === row.q) kernels.pq(null, out, data, row.coefficients);
}
