/** Copies of one range against each other: where they differ, which of them is the odd one out, and what a repair goes by. */
import { SECTOR_BYTES } from "../../../base/units.ts";
import type { Mismatch } from "../mismatches.ts";
import type { ArraySettings } from "../settings.ts";
import type { Copy } from "./mirror-copies.ts";

/** Good copies of the same range, in the order in which they are preferred. */
export interface HeldCopy {
  readonly copy: Copy;
  readonly data: Uint8Array;
}

export interface Comparison {
  /** Runs of sectors that differ in the same way. */
  readonly mismatches: readonly Mismatch[];
  /** What all of them should have. */
  readonly data: Uint8Array;
  /** Those that have something else. */
  readonly differing: readonly Copy[];
}

/** @param sector of the array */
export function compareCopies(
  sector: number,
  held: readonly HeldCopy[],
  repairsBy: ArraySettings["repairsBy"],
): Comparison {
  const first = held[0]!.data;
  if (held.every(({ data }) => Buffer.compare(first, data) === 0))
    return { mismatches: [], data: first, differing: [] };
  const mismatches: Mismatch[] = [];
  const differing = new Set<HeldCopy>();
  let data = first;
  let lastKey = "";
  for (let at = 0; at * SECTOR_BYTES < first.length; at += 1) {
    const variants = variantsAt(held, at);
    const key = variants === null ? "" : variants.join();
    if (variants !== null) {
      const odd = majorityOf(variants);
      const right = repairsBy === "evidence" ? (odd ?? 0) : 0;
      if (right !== 0) {
        if (data === first) data = first.slice();
        data.set(sectorOf(held[variants.indexOf(right)]!.data, at), at * SECTOR_BYTES);
      }
      held.forEach((one, index) => {
        if (variants[index] !== right) differing.add(one);
      });
      const last = key === lastKey ? mismatches.pop() : undefined;
      const from = last?.sector ?? sector + at;
      mismatches.push(mismatchOf(held, variants, from, sector + at + 1, sector));
    }
    lastKey = key;
  }
  return { mismatches, data, differing: [...differing].map(({ copy }) => copy) };
}

/** For each copy what it is like; null: all are alike. */
function variantsAt(held: readonly HeldCopy[], at: number): number[] | null {
  const kinds: Uint8Array[] = [];
  const variants = held.map(({ data }) => {
    const known = kinds.findIndex((kind) => areAlike(kind, data, at));
    return known >= 0 ? known : kinds.push(data) - 1;
  });
  return kinds.length === 1 ? null : variants;
}

/** What more than half of three or more copies have; null: there is no such thing. */
function majorityOf(variants: readonly number[]): number | null {
  const votes = (variant: number): number => variants.filter((one) => one === variant).length;
  return variants.find((one) => votes(one) * 2 > variants.length) ?? null;
}

/** @param from, to of the array @param start of the copies, of the array */
function mismatchOf(
  held: readonly HeldCopy[],
  variants: readonly number[],
  from: number,
  to: number,
  start: number,
): Mismatch {
  const majority = majorityOf(variants);
  const parts = held.map(({ copy: { member, memberSector } }, index) => {
    const variant = variants[index]!;
    return {
      slot: member.slot ?? -1,
      member: member.label,
      memberSector: memberSector + from - start,
      holds: "copy",
      variant,
      isWrong: majority !== null && variant !== majority,
    } as const;
  });
  return { sector: from, sectors: to - from, row: null, parts };
}

function sectorOf(data: Uint8Array, at: number): Uint8Array {
  return data.subarray(at * SECTOR_BYTES, (at + 1) * SECTOR_BYTES);
}

function areAlike(a: Uint8Array, b: Uint8Array, sector: number): boolean {
  return Buffer.compare(sectorOf(a, sector), sectorOf(b, sector)) === 0;
}
