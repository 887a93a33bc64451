/** Medians and spreads: what a few repetitions on a shared machine can say. */

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Median of the distances to the median. */
  readonly mad: number;
}

/** @param values at least one */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new Error("the median of nothing");
  return sorted.length % 2 === 1 ? upper : (sorted[middle - 1]! + upper) / 2;
}

/** @param values at least one */
export function summarize(values: readonly number[]): Summary {
  const middle = median(values);
  return {
    median: middle,
    min: Math.min(...values),
    max: Math.max(...values),
    mad: median(values.map((value) => Math.abs(value - middle))),
  };
}

/** Four digits are more than any of these figures deserves. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
