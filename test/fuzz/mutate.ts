/**
 * Structure-aware mutation: a field of a codec struct gets a value that code tends to trip over, by its place and
 * type, whatever its meaning.
 */
import type { Prng } from "../../src/base/prng.ts";
import type { ByteOrder } from "../../src/codec/fields.ts";

/** The part of a Struct that mutation needs. */
export interface FieldPlaces {
  readonly name: string;
  readonly size: number;
  readonly fields: Readonly<
    Record<string, { readonly offset: number; readonly size: number; readonly type: string }>
  >;
}

const SIZES: Readonly<Record<string, number>> = { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8, i64: 8 };

function read(view: DataView, at: number, size: number, little: boolean): bigint {
  switch (size) {
    case 1:
      return BigInt(view.getUint8(at));
    case 2:
      return BigInt(view.getUint16(at, little));
    case 4:
      return BigInt(view.getUint32(at, little));
    default:
      return view.getBigUint64(at, little);
  }
}

function write(view: DataView, at: number, size: number, little: boolean, value: bigint): void {
  switch (size) {
    case 1:
      return view.setUint8(at, Number(value & 0xffn));
    case 2:
      return view.setUint16(at, Number(value & 0xffffn), little);
    case 4:
      return view.setUint32(at, Number(value & 0xffff_ffffn), little);
    default:
      return view.setBigUint64(at, value & 0xffff_ffff_ffff_ffffn, little);
  }
}

/** A value for a field of `size` bytes that holds `old`. */
function troubleValue(prng: Prng, old: bigint, size: number): bigint {
  const bits = BigInt(8 * size);
  const all = (1n << bits) - 1n;
  const sign = 1n << (bits - 1n);
  switch (prng.below(14)) {
    case 0:
      return 0n;
    case 1:
      return 1n;
    case 2:
      return all;
    case 3:
      return all - 1n;
    case 4:
      return sign;
    case 5:
      return sign - 1n;
    case 6:
      return old ^ sign;
    case 7:
      return old + 1n;
    case 8:
      return old - 1n;
    case 9:
      return old * 2n;
    case 10:
      return old / 2n;
    case 11:
      return 1n << BigInt(prng.below(8 * size));
    case 12:
      return BigInt(prng.below(300));
    default:
      return (BigInt(prng.u32()) << 32n) | BigInt(prng.u32());
  }
}

function unitOf(prng: Prng, field: FieldPlaces["fields"][string]): { at: number; size: number } {
  const plain = SIZES[field.type];
  if (plain !== undefined) return { at: field.offset, size: plain };
  const element = SIZES[field.type.replace(/\[.*/s, "")] ?? prng.pick([1, 2, 4, 8]);
  const size = Math.min(element, field.size);
  return { at: field.offset + size * prng.below(Math.floor(field.size / size)), size };
}

/** Changes one field, chosen at random or by name, in place. Returns what it did. */
export function mutateField(
  prng: Prng,
  data: Uint8Array,
  layout: FieldPlaces,
  order: ByteOrder = "little",
  only: readonly string[] = Object.keys(layout.fields),
): string {
  const name = prng.pick(only);
  const field = layout.fields[name]!;
  const { at, size } = unitOf(prng, field);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (at + size > data.length) return `${name} is not there`;
  const old = read(view, at, size, order === "little");
  const value = troubleValue(prng, old, size);
  write(view, at, size, order === "little", value);
  return `${layout.name}.${name}@${at}/${size} ${old} -> ${read(view, at, size, order === "little")}`;
}

/** Changes bits and bytes without regard to structure. */
export function mutateBytes(prng: Prng, data: Uint8Array): string {
  if (data.length === 0) return "nothing to change";
  const count = prng.pick([1, 1, 2, 8, 64]);
  for (let i = 0; i < count; i += 1) {
    const at = prng.below(data.length);
    data[at] = prng.chance(0.5) ? data[at]! ^ (1 << prng.below(8)) : prng.u32();
  }
  return `${count} bytes changed at random`;
}
