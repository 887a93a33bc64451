/**
 * Slab: memory for what simulated disks hold is cut from one large piece after the other. A run needs hundreds of small ones, with which the
 * garbage collector is slow. The next run has the same pieces again: there is one at a time in a thread.
 */
const SLAB_BYTES = 1024 * 1024;
/** That are kept for the next run; those beyond live as long as anything that was cut from them. */
const MOST_KEPT = 16;

const kept: ArrayBuffer[] = [];
/** Of them, those that this run has begun. */
let begun = 0;
let slab = new ArrayBuffer(0);
let used = 0;

/** A run begins: nobody reads or writes what others had. */
export function beginSlabs(): void {
  begun = 0;
  slab = new ArrayBuffer(0);
  used = 0;
}

/** Where so many bytes are, all zero; a multiple of 4. */
export function cut(bytes: number): { readonly buffer: ArrayBuffer; readonly offset: number } {
  if (bytes > SLAB_BYTES) return { buffer: new ArrayBuffer(bytes), offset: 0 };
  if (used + bytes > slab.byteLength) {
    slab = nextSlab();
    used = 0;
  }
  used += bytes;
  return { buffer: slab, offset: used - bytes };
}

function nextSlab(): ArrayBuffer {
  const again = kept[begun];
  const next = again ?? new ArrayBuffer(SLAB_BYTES);
  if (again !== undefined) new Uint8Array(again).fill(0);
  else if (kept.length < MOST_KEPT) kept.push(next);
  begun += 1;
  return next;
}

export function copyOf(data: Uint8Array): Uint8Array {
  const { buffer, offset } = cut(data.length);
  const copy = new Uint8Array(buffer, offset, data.length);
  copy.set(data);
  return copy;
}
