/**
 * Arithmetic in the field of 256 elements (../../gf256.ts), 16 bytes at a time.
 *
 * Doubling is a shift and, where a bit falls out, the reduction: 1.3 to 3 times as fast in V8 as looking the products of the nibbles up, so
 * P and Q are made of doublings alone. Any other factor is looked up: a byte's product is that of its low nibble plus that of its high one.
 */
import { MORE_DOUBLINGS, PRODUCTS, SOURCES } from "./layout.ts";

const STEP: usize = 64;

export function double(x: v128): v128 {
  const carry = i8x16.gt_s(i8x16.splat(0), x);
  return v128.xor(i8x16.add(x, x), v128.and(carry, i8x16.splat(0x1d)));
}

function doubleByte(x: u32): u32 {
  return ((x << 1) ^ ((x >> 7) * 0x1d)) & 0xff;
}

/**
 * p = the sum of `count` >= 1 sources of `length` bytes, read from `start` on; q = the sum of their multiples by powers of 2, by
 * Horner's rule: the sources come in order of falling powers, and q is doubled before each but the first as often as its power
 * is smaller than the last one's (once, and as often more as the table says), and `finalDoublings` times at the end.
 * @param p 0: not wanted
 * @param resumed p and q hold the sums of sources that came before
 */
export function pq(
  p: usize,
  q: usize,
  count: i32,
  start: usize,
  length: usize,
  finalDoublings: u32,
  resumed: bool,
): void {
  const tableEnd = SOURCES + ((<usize>count) << 2);
  const wideEnd = length & ~(STEP - 1);
  const toDoublings = MORE_DOUBLINGS - SOURCES;
  const firstEntry = resumed ? SOURCES : SOURCES + 4;
  let at: usize = 0;
  for (; at < wideEnd; at += STEP) {
    const firstQ = resumed ? q + at : <usize>load<u32>(SOURCES) + start + at;
    let q0 = v128.load(firstQ);
    let q1 = v128.load(firstQ, 16);
    let q2 = v128.load(firstQ, 32);
    let q3 = v128.load(firstQ, 48);
    let p0 = q0;
    let p1 = q1;
    let p2 = q2;
    let p3 = q3;
    if (resumed && p !== 0) {
      p0 = v128.load(p + at);
      p1 = v128.load(p + at, 16);
      p2 = v128.load(p + at, 32);
      p3 = v128.load(p + at, 48);
    }
    for (let entry = firstEntry; entry < tableEnd; entry += 4) {
      const source = <usize>load<u32>(entry) + start + at;
      q0 = double(q0);
      q1 = double(q1);
      q2 = double(q2);
      q3 = double(q3);
      for (let more = load<u32>(entry + toDoublings); more !== 0; more -= 1) {
        q0 = double(q0);
        q1 = double(q1);
        q2 = double(q2);
        q3 = double(q3);
      }
      const d0 = v128.load(source);
      const d1 = v128.load(source, 16);
      const d2 = v128.load(source, 32);
      const d3 = v128.load(source, 48);
      p0 = v128.xor(p0, d0);
      p1 = v128.xor(p1, d1);
      p2 = v128.xor(p2, d2);
      p3 = v128.xor(p3, d3);
      q0 = v128.xor(q0, d0);
      q1 = v128.xor(q1, d1);
      q2 = v128.xor(q2, d2);
      q3 = v128.xor(q3, d3);
    }
    for (let more = finalDoublings; more !== 0; more -= 1) {
      q0 = double(q0);
      q1 = double(q1);
      q2 = double(q2);
      q3 = double(q3);
    }
    if (p !== 0) {
      v128.store(p + at, p0);
      v128.store(p + at, p1, 16);
      v128.store(p + at, p2, 32);
      v128.store(p + at, p3, 48);
    }
    v128.store(q + at, q0);
    v128.store(q + at, q1, 16);
    v128.store(q + at, q2, 32);
    v128.store(q + at, q3, 48);
  }
  for (; at < length; at += 1) {
    const firstQ = resumed ? q + at : <usize>load<u32>(SOURCES) + start + at;
    let sumQ: u32 = load<u8>(firstQ);
    let sumP = resumed && p !== 0 ? <u32>load<u8>(p + at) : sumQ;
    for (let entry = firstEntry; entry < tableEnd; entry += 4) {
      sumQ = doubleByte(sumQ);
      for (let more = load<u32>(entry + toDoublings); more !== 0; more -= 1) {
        sumQ = doubleByte(sumQ);
      }
      const byte = <u32>load<u8>(<usize>load<u32>(entry) + start + at);
      sumP ^= byte;
      sumQ ^= byte;
    }
    for (let more = finalDoublings; more !== 0; more -= 1) sumQ = doubleByte(sumQ);
    if (p !== 0) store<u8>(p + at, sumP);
    store<u8>(q + at, sumQ);
  }
}

/** x times the factor whose products are `low` and `high`. */
function multiply(x: v128, low: v128, high: v128): v128 {
  return v128.xor(
    i8x16.swizzle(low, v128.and(x, i8x16.splat(0x0f))),
    i8x16.swizzle(high, i8x16.shr_u(x, 4)),
  );
}

function multiplyByte(x: u32, products: usize): u32 {
  return load<u8>(products + (x & 15)) ^ load<u8>(products + (x >> 4), 16);
}

/** target = factor * source, plus what the target was if `added`; the factor's products are in PRODUCTS. */
export function mul(target: usize, source: usize, length: usize, added: bool): void {
  const low = v128.load(PRODUCTS);
  const high = v128.load(PRODUCTS, 16);
  const wideEnd = length & ~15;
  let at: usize = 0;
  if (added) {
    for (; at < wideEnd; at += 16) {
      const product = multiply(v128.load(source + at), low, high);
      v128.store(target + at, v128.xor(v128.load(target + at), product));
    }
  } else {
    for (; at < wideEnd; at += 16) {
      v128.store(target + at, multiply(v128.load(source + at), low, high));
    }
  }
  for (; at < length; at += 1) {
    const product = multiplyByte(load<u8>(source + at), PRODUCTS);
    store<u8>(target + at, added ? load<u8>(target + at) ^ product : product);
  }
}

/** x = f * x + g * y, y = old x + new x; the products of f are in PRODUCTS, those of g behind them. */
export function solveTwo(x: usize, y: usize, length: usize): void {
  const lowX = v128.load(PRODUCTS);
  const highX = v128.load(PRODUCTS, 16);
  const lowY = v128.load(PRODUCTS, 32);
  const highY = v128.load(PRODUCTS, 48);
  const wideEnd = length & ~15;
  let at: usize = 0;
  for (; at < wideEnd; at += 16) {
    const before = v128.load(x + at);
    const after = v128.xor(multiply(before, lowX, highX), multiply(v128.load(y + at), lowY, highY));
    v128.store(x + at, after);
    v128.store(y + at, v128.xor(before, after));
  }
  for (; at < length; at += 1) {
    const before: u32 = load<u8>(x + at);
    const after = multiplyByte(before, PRODUCTS) ^ multiplyByte(load<u8>(y + at), PRODUCTS + 32);
    store<u8>(x + at, after);
    store<u8>(y + at, before ^ after);
  }
}
