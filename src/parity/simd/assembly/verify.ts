/**
 * Whether P and Q are those of their data, writing nothing: what they should be stays in registers, column by column of 16 bytes, and is only compared.
 * For rows as nearly all are: the sources come with falling powers of 2 without a gap, down to the 0th, and there are few of them.
 *
 * As in xor.ts there is a loop for each number of sources. For more than four it would be slower than making P and Q and comparing them: V8 has no registers left.
 */
import { double } from "./field.ts";
import { SOURCES } from "./layout.ts";

export const VERIFY_STEP: i32 = 128;
export const MAX_VERIFIED: i32 = 4;

// @ts-ignore: decorator
@inline
function addressOf(place: usize, at: usize): usize {
  return <usize>load<u32>(SOURCES + (place << 2)) + at;
}

/**
 * Sums of one column: with Q what P and Q are off by, put together, without it what P is off by. Inlined everywhere, with `count`, `hasQ` and
 * `offset` known.
 */
// @ts-ignore: decorator
@inline
function column(
  count: i32,
  hasQ: bool,
  p: usize,
  q: usize,
  a: usize,
  b: usize,
  c: usize,
  d: usize,
  offset: usize,
): v128 {
  let sumQ = v128.load(a + offset);
  let sumP = v128.xor(sumQ, v128.load(p + offset));
  const next = v128.load(b + offset);
  sumP = v128.xor(sumP, next);
  if (hasQ) sumQ = v128.xor(double(sumQ), next);
  if (count > 2) {
    const block = v128.load(c + offset);
    sumP = v128.xor(sumP, block);
    if (hasQ) sumQ = v128.xor(double(sumQ), block);
  }
  if (count > 3) {
    const block = v128.load(d + offset);
    sumP = v128.xor(sumP, block);
    if (hasQ) sumQ = v128.xor(double(sumQ), block);
  }
  return hasQ ? v128.or(sumP, v128.xor(sumQ, v128.load(q + offset))) : sumP;
}

/** `length` in whole steps. Inlined, with `count` and `hasQ` known. */
// @ts-ignore: decorator
@inline
function isRight(count: i32, hasQ: bool, p: usize, q: usize, length: usize): bool {
  let off = i8x16.splat(0);
  for (let at: usize = 0; at < length; at += VERIFY_STEP) {
    const a = addressOf(0, at);
    const b = addressOf(1, at);
    const c = count > 2 ? addressOf(2, at) : 0;
    const d = count > 3 ? addressOf(3, at) : 0;
    off = v128.or(off, column(count, hasQ, p + at, q + at, a, b, c, d, 0));
    off = v128.or(off, column(count, hasQ, p + at, q + at, a, b, c, d, 16));
    off = v128.or(off, column(count, hasQ, p + at, q + at, a, b, c, d, 32));
    off = v128.or(off, column(count, hasQ, p + at, q + at, a, b, c, d, 48));
    off = v128.or(off, column(count, hasQ, p + at, q + at, a, b, c, d, 64));
    off = v128.or(off, column(count, hasQ, p + at, q + at, a, b, c, d, 80));
    off = v128.or(off, column(count, hasQ, p + at, q + at, a, b, c, d, 96));
    off = v128.or(off, column(count, hasQ, p + at, q + at, a, b, c, d, 112));
  }
  return !v128.any_true(off);
}

// Functions of their own: V8 optimizes those that run.
function isRightP2(p: usize, length: usize): bool {
  return isRight(2, false, p, 0, length);
}

function isRightP3(p: usize, length: usize): bool {
  return isRight(3, false, p, 0, length);
}

function isRightP4(p: usize, length: usize): bool {
  return isRight(4, false, p, 0, length);
}

function isRightPQ2(p: usize, q: usize, length: usize): bool {
  return isRight(2, true, p, q, length);
}

function isRightPQ3(p: usize, q: usize, length: usize): bool {
  return isRight(3, true, p, q, length);
}

function isRightPQ4(p: usize, q: usize, length: usize): bool {
  return isRight(4, true, p, q, length);
}

/**
 * Are P and Q of 2 to MAX_VERIFIED sources right?
 * @param q 0: there is none, and the order of the sources does not matter
 * @param length a multiple of VERIFY_STEP
 */
export function verify(p: usize, q: usize, count: i32, length: usize): bool {
  if (q === 0) {
    if (count === 2) return isRightP2(p, length);
    if (count === 3) return isRightP3(p, length);
    return isRightP4(p, length);
  }
  if (count === 2) return isRightPQ2(p, q, length);
  if (count === 3) return isRightPQ3(p, q, length);
  return isRightPQ4(p, q, length);
}
