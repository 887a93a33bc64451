/**
 * Xor of any number of blocks.
 *
 * A processor loads at most two registers a cycle, 16 bytes each in WebAssembly, so whatever else it has to load costs speed. Hence the
 * shape: for each number of sources up to eight there is a loop of its own that takes 256 bytes from all of them a step, and finishes one
 * column of 16 bytes before it begins the next. V8 puts each sum right before the store that needs it: columns keep a sum in one register, while
 * several sums side by side run out of registers and wait for memory.
 *
 * More sources go in groups, each adding to what the one before has left in the target, strip by strip so that this stays in the first-level cache.
 */
import { GROUP, SOURCES } from "./layout.ts";

const STEP: usize = 256;
const STRIP: usize = 8192;
const MAX_GROUP: usize = 8;

/** One column: the sum of 16 bytes of `count` blocks. Inlined everywhere, with `count` and `offset` known. */
// @ts-ignore: decorator
@inline
function column(
  out: usize,
  count: i32,
  a: usize,
  b: usize,
  c: usize,
  d: usize,
  e: usize,
  f: usize,
  g: usize,
  h: usize,
  offset: usize,
): void {
  let sum = v128.xor(v128.load(a + offset), v128.load(b + offset));
  if (count > 2) sum = v128.xor(sum, v128.load(c + offset));
  if (count > 3) sum = v128.xor(sum, v128.load(d + offset));
  if (count > 4) sum = v128.xor(sum, v128.load(e + offset));
  if (count > 5) sum = v128.xor(sum, v128.load(f + offset));
  if (count > 6) sum = v128.xor(sum, v128.load(g + offset));
  if (count > 7) sum = v128.xor(sum, v128.load(h + offset));
  v128.store(out + offset, sum);
}

// @ts-ignore: decorator
@inline
function addressOf(place: usize): usize {
  return <usize>load<u32>(GROUP + (place << 2));
}

/** out = the sum of the first `count` blocks of GROUP; `length` in whole steps. Inlined, with `count` known. */
// @ts-ignore: decorator
@inline
function sumOf(count: i32, out: usize, length: usize): void {
  for (let at: usize = 0; at < length; at += STEP) {
    const a = addressOf(0) + at;
    const b = addressOf(1) + at;
    const c = count > 2 ? addressOf(2) + at : 0;
    const d = count > 3 ? addressOf(3) + at : 0;
    const e = count > 4 ? addressOf(4) + at : 0;
    const f = count > 5 ? addressOf(5) + at : 0;
    const g = count > 6 ? addressOf(6) + at : 0;
    const h = count > 7 ? addressOf(7) + at : 0;
    column(out, count, a, b, c, d, e, f, g, h, 0);
    column(out, count, a, b, c, d, e, f, g, h, 16);
    column(out, count, a, b, c, d, e, f, g, h, 32);
    column(out, count, a, b, c, d, e, f, g, h, 48);
    column(out, count, a, b, c, d, e, f, g, h, 64);
    column(out, count, a, b, c, d, e, f, g, h, 80);
    column(out, count, a, b, c, d, e, f, g, h, 96);
    column(out, count, a, b, c, d, e, f, g, h, 112);
    column(out, count, a, b, c, d, e, f, g, h, 128);
    column(out, count, a, b, c, d, e, f, g, h, 144);
    column(out, count, a, b, c, d, e, f, g, h, 160);
    column(out, count, a, b, c, d, e, f, g, h, 176);
    column(out, count, a, b, c, d, e, f, g, h, 192);
    column(out, count, a, b, c, d, e, f, g, h, 208);
    column(out, count, a, b, c, d, e, f, g, h, 224);
    column(out, count, a, b, c, d, e, f, g, h, 240);
    out += STEP;
  }
}

// Functions of their own: V8 optimizes those that run.
function sumOf2(out: usize, length: usize): void {
  sumOf(2, out, length);
}

function sumOf3(out: usize, length: usize): void {
  sumOf(3, out, length);
}

function sumOf4(out: usize, length: usize): void {
  sumOf(4, out, length);
}

function sumOf5(out: usize, length: usize): void {
  sumOf(5, out, length);
}

function sumOf6(out: usize, length: usize): void {
  sumOf(6, out, length);
}

function sumOf7(out: usize, length: usize): void {
  sumOf(7, out, length);
}

function sumOf8(out: usize, length: usize): void {
  sumOf(8, out, length);
}

function sumGroup(count: i32, out: usize, length: usize): void {
  if (count === 1) memory.copy(out, addressOf(0), length);
  else if (count === 2) sumOf2(out, length);
  else if (count === 3) sumOf3(out, length);
  else if (count === 4) sumOf4(out, length);
  else if (count === 5) sumOf5(out, length);
  else if (count === 6) sumOf6(out, length);
  else if (count === 7) sumOf7(out, length);
  else sumOf8(out, length);
}

/** out = the sum of all `count` sources, read from `at` on. */
function sumStrip(count: i32, out: usize, at: usize, length: usize): void {
  let size: usize = 0;
  for (let next = 0; next < count; next += 1) {
    store<u32>(GROUP + (size << 2), load<u32>(SOURCES + ((<usize>next) << 2)) + <u32>at);
    size += 1;
    if (size < MAX_GROUP && next + 1 < count) continue;
    sumGroup(<i32>size, out, length);
    // The sum so far is the next group's first block.
    store<u32>(GROUP, <u32>out);
    size = 1;
  }
}

/**
 * target = the xor of `count` >= 1 sources of `length` bytes, read from `start` on. The target may be the first source.
 * What is left behind the last whole step goes byte by byte, and is less than a sector always.
 */
export function xor(target: usize, count: i32, start: usize, length: usize): void {
  const wideLength = length & ~(STEP - 1);
  const strip = <usize>count > MAX_GROUP ? STRIP : wideLength;
  for (let done: usize = 0; done < wideLength; done += strip) {
    sumStrip(count, target + done, start + done, min(strip, wideLength - done));
  }
  const tableEnd = SOURCES + ((<usize>count) << 2);
  for (let at = wideLength; at < length; at += 1) {
    let sum: u8 = 0;
    for (let entry = SOURCES; entry < tableEnd; entry += 4) {
      sum ^= load<u8>(<usize>load<u32>(entry) + start + at);
    }
    store<u8>(target + at, sum);
  }
}
