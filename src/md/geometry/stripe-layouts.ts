/**
 * The layouts of raid4, raid5 and raid6: who holds what in a row of chunks.
 *
 * A row is one chunk of every member, all at the same member sector. A layout is told by three things: where P is in row
 * n (and Q relative to it), in which order the other members take the data, and in which order Q counts the data.
 *
 *   P goes left       last member first, one to the left each row     (left-*, ddf-N-*)
 *   P goes right      member 0 first, one to the right each row       (right-*, ddf-zero-restart)
 *   P stays           first or last
 *   data asymmetric   in slot order ("restart" in DDF's words)
 *   data symmetric    starts behind P and Q and wraps around ("continue")
 *
 * raid6 layouts named *-6 are raid5 layouts on all members but the last, which always holds Q: the half-way house of
 * a raid5 that becomes a raid6. The two parity-last layouts of that family are the same thing.
 *
 * Facts from the kernel's drivers/md/raid5.h and raid5.c (raid5_compute_sector, raid6_d0, raid6_idx_to_slot), names
 * from mdadm(8).
 */
import { assert } from "../../base/assert.ts";
import { quotient } from "../../base/units.ts";

export type StripeLevel = "raid4" | "raid5" | "raid6";

type ParityWalk = "left" | "right" | "first" | "last";

interface LayoutRule {
  readonly parity: ParityWalk;
  readonly data: "asymmetric" | "symmetric";
  /** Where Q is: behind P (wrapping around), before P, or on the last member, which takes no part in the rest. */
  readonly q: "none" | "after-p" | "before-p" | "last-member";
  /** DDF: Q counts members by slot number, P and Q as zeros. Else Q counts data only, starting behind Q. */
  readonly ddf?: true;
  /** ddf-N-restart starts one row later in the walk of P. */
  readonly rowShift?: 1;
}

const RAID5_LAYOUTS: ReadonlyMap<number, LayoutRule> = new Map([
  // left-asymmetric
  [0, { parity: "left", data: "asymmetric", q: "none" }],
  // right-asymmetric
  [1, { parity: "right", data: "asymmetric", q: "none" }],
  // left-symmetric
  [2, { parity: "left", data: "symmetric", q: "none" }],
  // right-symmetric
  [3, { parity: "right", data: "symmetric", q: "none" }],
  // parity-first
  [4, { parity: "first", data: "asymmetric", q: "none" }],
  // parity-last
  [5, { parity: "last", data: "asymmetric", q: "none" }],
] as const);

const RAID6_LAYOUTS: ReadonlyMap<number, LayoutRule> = new Map<number, LayoutRule>([
  // left-asymmetric
  [0, { parity: "left", data: "asymmetric", q: "after-p" }],
  // right-asymmetric
  [1, { parity: "right", data: "asymmetric", q: "after-p" }],
  // left-symmetric
  [2, { parity: "left", data: "symmetric", q: "after-p" }],
  // right-symmetric
  [3, { parity: "right", data: "symmetric", q: "after-p" }],
  // parity-first
  [4, { parity: "first", data: "asymmetric", q: "after-p" }],
  // parity-last
  [5, { parity: "last", data: "asymmetric", q: "after-p" }],
  // ddf-zero-restart
  [8, { parity: "right", data: "asymmetric", q: "after-p", ddf: true }],
  // ddf-N-restart
  [9, { parity: "left", data: "asymmetric", q: "after-p", ddf: true, rowShift: 1 }],
  // ddf-N-continue
  [10, { parity: "left", data: "symmetric", q: "before-p", ddf: true }],
  // left-asymmetric-6
  [16, { parity: "left", data: "asymmetric", q: "last-member" }],
  // right-asymmetric-6
  [17, { parity: "right", data: "asymmetric", q: "last-member" }],
  // left-symmetric-6
  [18, { parity: "left", data: "symmetric", q: "last-member" }],
  // right-symmetric-6
  [19, { parity: "right", data: "symmetric", q: "last-member" }],
  // parity-first-6
  [20, { parity: "first", data: "asymmetric", q: "last-member" }],
]);

/** raid4 is parity-last, whatever layout number its superblock carries. */
const RAID4_RULE: LayoutRule = RAID5_LAYOUTS.get(5)!;

function ruleOf(level: StripeLevel, layout: number): LayoutRule | undefined {
  switch (level) {
    case "raid4":
      return RAID4_RULE;
    case "raid5":
      return RAID5_LAYOUTS.get(layout);
    case "raid6":
      return RAID6_LAYOUTS.get(layout);
  }
}

/** Role numbers in `RowLayout.roles`; data roles are the data index, 0 and up. */
export const ROLE_P = -1;
export const ROLE_Q = -2;

/** Who holds what in a row. Frozen; shared by all rows a period apart. */
export interface RowLayout {
  /** All slots, 0..raidDisks-1. */
  readonly slots: readonly number[];
  readonly p: number;
  readonly q: number | null;
  /** Slots of the data chunks, in volume order. */
  readonly data: readonly number[];
  /** For each of `data`: the power of 2 it has in Q. Empty without Q. */
  readonly coefficients: readonly number[];
  /** By slot: data index, ROLE_P or ROLE_Q. */
  readonly roles: readonly number[];
}

function parityColumn(walk: ParityWalk, row: number, columns: number): number {
  switch (walk) {
    case "left":
      return columns - 1 - (row % columns);
    case "right":
      return row % columns;
    case "first":
      return 0;
    case "last":
      return columns - 1;
  }
}

/** P and Q of a row. `parity-last` with Q behind P means the last two. */
function placeParity(
  rule: LayoutRule,
  row: number,
  disks: number,
): { p: number; q: number | null } {
  const columns = rule.q === "last-member" ? disks - 1 : disks;
  const shifted = row + (rule.rowShift ?? 0);
  const p = parityColumn(rule.parity, shifted, columns);
  switch (rule.q) {
    case "none":
      return { p, q: null };
    case "after-p":
      return rule.parity === "last" ? { p: disks - 2, q: disks - 1 } : { p, q: (p + 1) % disks };
    case "before-p":
      return { p, q: (p + disks - 1) % disks };
    case "last-member":
      return { p, q: disks - 1 };
  }
}

/** All slots but P and Q, starting with `first` and wrapping around. */
function othersFrom(first: number, disks: number, p: number, q: number | null): number[] {
  const slots = Array.from({ length: disks }, (_unused, i) => (first + i) % disks);
  return slots.filter((slot) => slot !== p && slot !== q);
}

/** By slot: its place in `order`; `absent` for those that are not in it. */
function ranks(order: readonly number[], disks: number, absent: number): number[] {
  const result = Array.from({ length: disks }, () => absent);
  for (const [rank, slot] of order.entries()) result[slot] = rank;
  return result;
}

function makeRow(rule: LayoutRule, row: number, slots: readonly number[]): RowLayout {
  const disks = slots.length;
  const { p, q } = placeParity(rule, row, disks);
  const data = othersFrom(rule.data === "symmetric" ? p + 1 : 0, disks, p, q);
  const roles = ranks(data, disks, ROLE_P);
  let coefficients: number[] = [];
  if (q !== null) {
    roles[q] = ROLE_Q;
    const counted = ranks(othersFrom(q + 1, disks, p, q), disks, 0);
    coefficients = data.map((slot) => (rule.ddf ? slot : counted[slot]!));
  }
  return Object.freeze({
    slots,
    p,
    q,
    data: Object.freeze(data),
    coefficients: Object.freeze(coefficients),
    roles: Object.freeze(roles),
  });
}

/** The rows of one layout: made when first asked for, one period of them kept. */
export class RowTable {
  readonly periodRows: number;
  readonly #rule: LayoutRule;
  readonly #slots: readonly number[];
  readonly #rows: (RowLayout | undefined)[];

  /** The layout must exist (`shapeProblem`). */
  constructor(level: StripeLevel, layout: number, disks: number) {
    const rule = ruleOf(level, layout);
    assert(rule !== undefined, `${level} has a layout ${layout}`);
    const moves = rule.parity === "left" || rule.parity === "right";
    this.periodRows = moves ? (rule.q === "last-member" ? disks - 1 : disks) : 1;
    this.#rule = rule;
    this.#slots = Object.freeze(Array.from({ length: disks }, (_unused, slot) => slot));
    this.#rows = Array.from({ length: this.periodRows }, () => undefined);
  }

  row(row: number): RowLayout {
    const index = row - quotient(row, this.periodRows) * this.periodRows;
    return (this.#rows[index] ??= makeRow(this.#rule, index, this.#slots));
  }
}
