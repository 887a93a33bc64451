/** What the parts of the striped levels share: a range of a row, and the services of the array. */
import type { StripeGeometry } from "../../../geometry/raid456.ts";
import type { RowLayout } from "../../../geometry/stripe-layouts.ts";
import type { ArrayCore } from "../../core.ts";
import type { ReadErrors } from "../../read-errors.ts";
import type { MemberIo } from "./member-io.ts";
import type { StripeLog } from "./stripe-log.ts";

/** The same member sectors on every member of one row; it does not leave the row's chunk. */
export interface StripeRange {
  readonly layout: RowLayout;
  /** Member sector. */
  readonly sector: number;
  readonly sectors: number;
  /** Of a part of a piece that was done again in parts: the piece. */
  readonly whole?: StripeRange;
}

export interface StripeContext {
  readonly core: ArrayCore;
  readonly geometry: StripeGeometry;
  readonly io: MemberIo;
  readonly log: StripeLog;
  readonly readErrors: ReadErrors;
}

/** Kernels keep books in stripes of 4 KiB; below this a failed read is taken for a lost block, above it the range is cut. */
export const PAGE_SECTORS = 8;

/** The most that is held of each member at a time: 64 KiB. */
export const WINDOW_SECTORS = 128;

/** How many lost blocks the parity of a row makes up for. */
export function parityBlocks(layout: RowLayout): number {
  return layout.q === null ? 1 : 2;
}

/** The range inside one row that starts at a member sector: at most `max` sectors, and not past the chunk. */
export function rangeAt(geometry: StripeGeometry, sector: number, max: number): StripeRange {
  const { chunkSectors } = geometry;
  const row = geometry.rowOfMemberSector(sector);
  const sectors = Math.min(max, (row + 1) * chunkSectors - sector);
  return { layout: geometry.rowLayout(row), sector, sectors };
}
