/**
 * struct(): one field list makes decode, encode and describe, so they cannot disagree.
 *
 * Offsets are written out and checked when the module loads: fields may not overlap or leave the structure.
 * Bytes that no field names are reserved: `encodeInto` leaves them as they are, so metadata written by a newer kernel
 * survives a round trip.
 */
import type { ByteOrder, Field } from "./fields.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- a field list mixes value types; inference needs the hole
type FieldList = Record<string, Field<any>>;

export type Decoded<F extends FieldList> = {
  [K in keyof F]: F[K] extends Field<infer T> ? T : never;
};

/** The value type of a struct: `type Superblock1 = ValueOf<typeof superblock1>`. */
export type ValueOf<S> = S extends Struct<infer F> ? Decoded<F> : never;

export interface DescribedField {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly type: string;
  readonly value: string;
}

export interface Struct<F extends FieldList> {
  readonly name: string;
  readonly size: number;
  readonly order: ByteOrder;
  readonly fields: F;
  /** Reads the structure at `base`; the caller has made sure that `size` bytes are there. */
  decode(data: Uint8Array, base?: number, order?: ByteOrder): Decoded<F>;
  /** A new structure; reserved bytes are zero. */
  encode(values: Decoded<F>, order?: ByteOrder): Uint8Array;
  /** Writes the given fields only; everything else in `data` stays. */
  encodeInto(data: Uint8Array, base: number, values: Partial<Decoded<F>>, order?: ByteOrder): void;
  /** Every field with its place and value, in order of offset. */
  describe(values: Decoded<F>): DescribedField[];
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

function checkLayout(name: string, size: number, sorted: [string, Field<unknown>][]): void {
  let end = 0;
  let previous = "the start";
  for (const [key, field] of sorted) {
    if (field.offset < end) throw new Error(`${name}.${key} overlaps ${previous}`);
    end = field.offset + field.size;
    previous = key;
  }
  if (end > size) throw new Error(`${name}.${previous} ends at ${end}, behind the size ${size}`);
}

/** A structure as a field of another: `array(nested(disk), 512, 27)`. */
export function nested<F extends FieldList>(
  inner: Struct<F>,
  show: (values: Decoded<F>) => string,
): (offset: number) => Field<Decoded<F>> {
  const entries = Object.entries(inner.fields) as [string, Field<unknown>][];
  return (offset) => ({
    offset,
    size: inner.size,
    type: inner.name,
    read: (view, base, order) =>
      Object.fromEntries(
        entries.map(([key, one]) => [key, one.read(view, base + offset, order)]),
      ) as Decoded<F>,
    write: (view, base, order, values) => {
      for (const [key, one] of entries) one.write(view, base + offset, order, values[key]);
    },
    show,
  });
}

/** @param size bytes, including reserved space at the end */
export function struct<F extends FieldList>(
  name: string,
  order: ByteOrder,
  size: number,
  fields: F,
): Struct<F> {
  const sorted = (Object.entries(fields) as [string, Field<unknown>][]).toSorted(
    (a, b) => a[1].offset - b[1].offset,
  );
  checkLayout(name, size, sorted);

  function encodeInto(
    data: Uint8Array,
    base: number,
    values: Partial<Decoded<F>>,
    as: ByteOrder = order,
  ): void {
    const view = viewOf(data);
    for (const [key, field] of sorted) {
      if (values[key] !== undefined) field.write(view, base, as, values[key]);
    }
  }

  return {
    name,
    size,
    order,
    fields,
    decode(data, base = 0, as = order) {
      const view = viewOf(data);
      const values: Record<string, unknown> = {};
      for (const [key, field] of sorted) values[key] = field.read(view, base, as);
      return values as Decoded<F>;
    },
    encode(values, as = order) {
      const data = new Uint8Array(size);
      encodeInto(data, 0, values, as);
      return data;
    },
    encodeInto,
    describe(values) {
      return sorted.map(([key, field]) => ({
        name: key,
        offset: field.offset,
        size: field.size,
        type: field.type,
        value: field.show(values[key]),
      }));
    },
  };
}
