/**
 * Slab: memory for what simulated disks hold is cut from one large piece after the other. A run needs hundreds of small ones, with which the
 * garbage collector is slow. A piece lives as long as anything that was cut from it.
 */
const SLAB_BYTES = 1024 * 1024;

let slab = new ArrayBuffer(0);
let used = 0;

/** Where so many bytes are, all zero; a multiple of 4. */
export function cut(bytes: number): { readonly buffer: ArrayBuffer; readonly offset: number } {
  if (bytes > SLAB_BYTES) return { buffer: new ArrayBuffer(bytes), offset: 0 };
  if (used + bytes > slab.byteLength) {
    slab = new ArrayBuffer(SLAB_BYTES);
    used = 0;
  }
  used += bytes;
  return { buffer: slab, offset: used - bytes };
}

export function copyOf(data: Uint8Array): Uint8Array {
  const { buffer, offset } = cut(data.length);
  const copy = new Uint8Array(buffer, offset, data.length);
  copy.set(data);
  return copy;
}
