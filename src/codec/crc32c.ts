/** CRC-32C (Castagnoli), as used by PPL, the r5 log, persistent-data and ext4; Slicing-by-8 over tables. */
const POLYNOMIAL = 0x82f63b78;

const TABLES = ((): Uint32Array[] => {
  const first = new Uint32Array(256);
  for (let i = 0; i < 256; i += 1) {
    let crc = i;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    first[i] = crc >>> 0;
  }
  const tables = [first];
  for (let t = 1; t < 8; t += 1) {
    const previous = tables[t - 1]!;
    tables.push(Uint32Array.from(previous, (crc) => (crc >>> 8) ^ first[crc & 0xff]!));
  }
  return tables;
})();

const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

/**
 * The raw register update: no inversion before or after. Linux's `crc32c_le(seed, ...)`.
 * The usual CRC-32C of a message is `~crc32cUpdate(~0, data)`.
 */
export function crc32cUpdate(seed: number, data: Uint8Array): number {
  let crc = seed | 0;
  let i = 0;
  const wholeEnd = data.length - (data.length % 8);
  for (; i < wholeEnd; i += 8) {
    const low =
      crc ^ (data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24));
    crc =
      T7[low & 0xff]! ^
      T6[(low >>> 8) & 0xff]! ^
      T5[(low >>> 16) & 0xff]! ^
      T4[low >>> 24]! ^
      T3[data[i + 4]!]! ^
      T2[data[i + 5]!]! ^
      T1[data[i + 6]!]! ^
      T0[data[i + 7]!]!;
  }
  for (; i < data.length; i += 1) crc = (crc >>> 8) ^ T0[(crc ^ data[i]!) & 0xff]!;
  return crc >>> 0;
}

/** CRC-32C of a message, standard form: crc32c("123456789") = 0xe3069283. */
export function crc32c(data: Uint8Array): number {
  return ~crc32cUpdate(0xffffffff, data) >>> 0;
}
