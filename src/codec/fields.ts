/**
 * Field types of on-disk and wire structures. A field knows its offset, its size and how to read, write and
 * show its value; `struct()` (struct.ts) puts fields together.
 *
 * Integers up to 32 bits and `u64n` are numbers, `u64` is a bigint. `u64n` is for sector counts and the like
 * that are numbers everywhere else: values of 2^53 or more come out as Infinity (md's MaxSector, "none").
 */

export type ByteOrder = "little" | "big";

export interface Field<T> {
  readonly offset: number;
  readonly size: number;
  /** Type name for byte tables: "u32", "bytes[16]". */
  readonly type: string;
  read(view: DataView, base: number, order: ByteOrder): T;
  write(view: DataView, base: number, order: ByteOrder, value: T): void;
  /** The value as text for `examine`. */
  show(value: T): string;
}

function field<T>(
  type: string,
  offset: number,
  size: number,
  read: (view: DataView, at: number, little: boolean) => T,
  write: (view: DataView, at: number, little: boolean, value: T) => void,
  show: (value: T) => string = String,
): Field<T> {
  return {
    offset,
    size,
    type,
    read: (view, base, order) => read(view, base + offset, order === "little"),
    write: (view, base, order, value) => write(view, base + offset, order === "little", value),
    show,
  };
}

export function u8(offset: number): Field<number> {
  return field(
    "u8",
    offset,
    1,
    (view, at) => view.getUint8(at),
    (view, at, _little, value) => view.setUint8(at, value),
  );
}

export function u16(offset: number): Field<number> {
  return field(
    "u16",
    offset,
    2,
    (view, at, little) => view.getUint16(at, little),
    (view, at, little, value) => view.setUint16(at, value, little),
  );
}

export function u32(offset: number): Field<number> {
  return field(
    "u32",
    offset,
    4,
    (view, at, little) => view.getUint32(at, little),
    (view, at, little, value) => view.setUint32(at, value, little),
  );
}

export function i32(offset: number): Field<number> {
  return field(
    "i32",
    offset,
    4,
    (view, at, little) => view.getInt32(at, little),
    (view, at, little, value) => view.setInt32(at, value, little),
  );
}

export function u64(offset: number): Field<bigint> {
  return field(
    "u64",
    offset,
    8,
    (view, at, little) => view.getBigUint64(at, little),
    (view, at, little, value) => view.setBigUint64(at, value, little),
  );
}

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** Unsigned 64 bits as a number. Infinity stands for every value from 2^53 on and is written as all ones. */
export function u64n(offset: number): Field<number> {
  return field(
    "u64",
    offset,
    8,
    (view, at, little) => {
      const value = view.getBigUint64(at, little);
      return value > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(value);
    },
    (view, at, little, value) =>
      view.setBigUint64(at, value === Infinity ? ALL_ONES : BigInt(value), little),
    (value) => (value === Infinity ? "none" : String(value)),
  );
}

function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Raw bytes; decoded as a copy. */
export function bytes(offset: number, size: number): Field<Uint8Array> {
  return field(
    `bytes[${size}]`,
    offset,
    size,
    (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, size).slice(),
    (view, at, _little, value) => {
      if (value.length !== size)
        throw new Error(`field of ${size} bytes was given ${value.length} bytes`);
      new Uint8Array(view.buffer, view.byteOffset + at, size).set(value);
    },
    hex,
  );
}

/** Text in a fixed space, padded with NULs; bytes that are not UTF-8 come out as U+FFFD. */
export function text(offset: number, size: number): Field<string> {
  return field(
    `text[${size}]`,
    offset,
    size,
    (view, at) => {
      const raw = new Uint8Array(view.buffer, view.byteOffset + at, size);
      const end = raw.indexOf(0);
      return new TextDecoder().decode(end < 0 ? raw : raw.subarray(0, end));
    },
    (view, at, _little, value) => {
      const encoded = new TextEncoder().encode(value);
      if (encoded.length > size)
        throw new Error(`text field of ${size} bytes was given ${encoded.length} bytes`);
      const raw = new Uint8Array(view.buffer, view.byteOffset + at, size);
      raw.fill(0);
      raw.set(encoded);
    },
    (value) => JSON.stringify(value),
  );
}

/** "0 1 2 spare 3 spare (123 times)": long runs of the same are told, not repeated. */
export function showList(words: readonly string[]): string {
  const parts: string[] = [];
  for (let start = 0, end = 0; start < words.length; start = end) {
    while (words[end] === words[start] && end < words.length) end += 1;
    const word = words[start]!;
    if (end - start > 3) parts.push(`${word} (${end - start} times)`);
    else parts.push(...words.slice(start, end));
  }
  return parts.join(" ");
}

/** The same field with another text form: `shownAs(u32(8), hex32)`. */
export function shownAs<T>(plain: Field<T>, show: (value: T) => string): Field<T> {
  return { ...plain, show };
}

/** For flags and checksums: "0x1f". */
export function asHex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

/** `count` elements of one field type, one after the other: `array(u16, 256, 384)`. */
export function array<T>(
  element: (offset: number) => Field<T>,
  offset: number,
  count: number,
): Field<T[]> {
  const one = element(0);
  return {
    offset,
    size: one.size * count,
    type: `${one.type}[${count}]`,
    read(view, base, order) {
      return Array.from({ length: count }, (_unused, i) =>
        one.read(view, base + offset + i * one.size, order),
      );
    },
    write(view, base, order, values) {
      if (values.length !== count)
        throw new Error(`array of ${count} was given ${values.length} elements`);
      values.forEach((value, i) => one.write(view, base + offset + i * one.size, order, value));
    },
    show: (values) => showList(values.map((value) => one.show(value))),
  };
}
