/** Comparison of two blocks. */
import { DIFFERENCE } from "./layout.ts";

/** Do 64 bytes of two blocks differ? */
function differ(left: usize, right: usize): bool {
  const a = v128.xor(v128.load(left), v128.load(right));
  const b = v128.xor(v128.load(left, 16), v128.load(right, 16));
  const c = v128.xor(v128.load(left, 32), v128.load(right, 32));
  const d = v128.xor(v128.load(left, 48), v128.load(right, 48));
  return v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)));
}

/**
 * Where two blocks differ: writes the first differing byte and the one behind the last to DIFFERENCE.
 * Returns whether they differ; DIFFERENCE is left alone if not.
 */
export function compare(left: usize, right: usize, length: i32): bool {
  const wideEnd = length & ~63;
  let first = -1;
  let end = -1;
  for (let at = 0; at < length; at += 64) {
    if (at < wideEnd && !differ(left + at, right + at)) continue;
    const stop = min(at + 64, length);
    for (let i = at; i < stop; i += 1) {
      if (load<u8>(left + i) === load<u8>(right + i)) continue;
      if (first < 0) first = i;
      end = i + 1;
    }
  }
  if (first < 0) return false;
  store<i32>(DIFFERENCE, first);
  store<i32>(DIFFERENCE, end, 4);
  return true;
}
