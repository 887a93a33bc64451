/**
 * Xor of any number of blocks, and their comparison.
 *
 * Each step takes 128 bytes from every source into eight registers; the rest goes byte by byte, and is less than a sector always.
 */
import { DIFFERENCE, SOURCES } from "./layout.ts";

const STEP: usize = 128;

/**
 * target = the xor of `count` >= 1 sources of `length` bytes, read from `start` on. The target may be a source.
 */
export function xor(target: usize, count: i32, start: usize, length: usize): void {
  const tableEnd = SOURCES + ((<usize>count) << 2);
  const wideEnd = start + (length & ~(STEP - 1));
  const end = start + length;
  let out = target;
  let at = start;
  for (; at < wideEnd; at += STEP) {
    const first = <usize>load<u32>(SOURCES) + at;
    let a = v128.load(first);
    let b = v128.load(first, 16);
    let c = v128.load(first, 32);
    let d = v128.load(first, 48);
    let e = v128.load(first, 64);
    let f = v128.load(first, 80);
    let g = v128.load(first, 96);
    let h = v128.load(first, 112);
    for (let entry = SOURCES + 4; entry < tableEnd; entry += 4) {
      const source = <usize>load<u32>(entry) + at;
      a = v128.xor(a, v128.load(source));
      b = v128.xor(b, v128.load(source, 16));
      c = v128.xor(c, v128.load(source, 32));
      d = v128.xor(d, v128.load(source, 48));
      e = v128.xor(e, v128.load(source, 64));
      f = v128.xor(f, v128.load(source, 80));
      g = v128.xor(g, v128.load(source, 96));
      h = v128.xor(h, v128.load(source, 112));
    }
    v128.store(out, a);
    v128.store(out, b, 16);
    v128.store(out, c, 32);
    v128.store(out, d, 48);
    v128.store(out, e, 64);
    v128.store(out, f, 80);
    v128.store(out, g, 96);
    v128.store(out, h, 112);
    out += STEP;
  }
  for (; at < end; at += 1) {
    let sum: u8 = 0;
    for (let entry = SOURCES; entry < tableEnd; entry += 4) {
      sum ^= load<u8>(<usize>load<u32>(entry) + at);
    }
    store<u8>(out, sum);
    out += 1;
  }
}

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
