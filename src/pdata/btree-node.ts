/**
 * The nodes of a tree, as they lie in their blocks:
 *
 *   header | keys, room for maxEntries | values, room for maxEntries
 *
 * Keys ascend. In an internal node a value is the block of a child, and the key is not above the child's first. Keys are numbers here: devices,
 * blocks and regions stay below 2^53.
 */
import {
  BTREE_NODE,
  KEY_BYTES,
  METADATA_BLOCK_BYTES,
  NODE_HEADER_BYTES,
  NodeFlags,
  maxEntriesOf,
  nodeHeader,
} from "../formats/persistent-data.ts";
import { HoldfastError } from "../base/errors.ts";
import type { CachedBlock } from "./block-cache.ts";

/** Of an internal node. */
export const CHILD_BYTES = 8;

export function isLeaf({ view }: CachedBlock): boolean {
  return (view.getUint32(4, true) & NodeFlags.leaf) !== 0;
}

export function entriesOf({ view }: CachedBlock): number {
  return view.getUint32(16, true);
}

export function setEntries({ view }: CachedBlock, entries: number): void {
  view.setUint32(16, entries, true);
}

export function roomOf({ view }: CachedBlock): number {
  return view.getUint32(20, true);
}

export function valueBytesOf({ view }: CachedBlock): number {
  return view.getUint32(24, true);
}

export function keyAt({ view }: CachedBlock, index: number): number {
  const at = NODE_HEADER_BYTES + index * KEY_BYTES;
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

export function setKey({ view }: CachedBlock, index: number, key: number): void {
  putU64(view, NODE_HEADER_BYTES + index * KEY_BYTES, key);
}

export function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 0x1_0000_0000, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

export function getU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

/** Where in its block a value is. */
export function valueOffset(node: CachedBlock, index: number): number {
  return NODE_HEADER_BYTES + roomOf(node) * KEY_BYTES + index * valueBytesOf(node);
}

export function childAt(node: CachedBlock, index: number): number {
  return getU64(node.view, valueOffset(node, index));
}

export function setChild(node: CachedBlock, index: number, location: number): void {
  putU64(node.view, valueOffset(node, index), location);
}

/** Index of the last key that is not above `key`; -1: all are. */
export function lowerBound(node: CachedBlock, key: number): number {
  let low = -1;
  let high = entriesOf(node);
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (keyAt(node, middle) <= key) low = middle;
    else high = middle;
  }
  return low;
}

export function initNode(node: CachedBlock, kind: "internal" | "leaf", valueBytes: number): void {
  nodeHeader.encodeInto(node.data, 0, {
    flags: NodeFlags[kind],
    entries: 0,
    maxEntries: maxEntriesOf(valueBytes),
    valueBytes,
  });
}

/** Makes room for an entry and fills it in. */
export function insertEntry(
  node: CachedBlock,
  index: number,
  key: number,
  value: Uint8Array,
): void {
  const entries = entriesOf(node);
  moveWithin(node, index, entries, index + 1);
  setEntries(node, entries + 1);
  setKey(node, index, key);
  node.data.set(value, valueOffset(node, index));
}

export function insertChild(node: CachedBlock, index: number, key: number, child: number): void {
  const value = new Uint8Array(CHILD_BYTES);
  putU64(new DataView(value.buffer), 0, child);
  insertEntry(node, index, key, value);
}

/** Takes out the entries `from` up to, not including, `to`. */
export function removeEntries(node: CachedBlock, from: number, to: number): void {
  const entries = entriesOf(node);
  moveWithin(node, to, entries, from);
  setEntries(node, entries - (to - from));
}

function moveWithin(node: CachedBlock, from: number, to: number, target: number): void {
  const { data } = node;
  const keys = (index: number): number => NODE_HEADER_BYTES + index * KEY_BYTES;
  data.copyWithin(keys(target), keys(from), keys(to));
  const values = (index: number): number => valueOffset(node, index);
  data.copyWithin(values(target), values(from), values(to));
}

/** Copies entries `from` up to `to` of one node over those from `at` on of another of the same kind. */
export function copyEntries(
  source: CachedBlock,
  from: number,
  to: number,
  target: CachedBlock,
  at: number,
): void {
  const keys = source.data.subarray(
    NODE_HEADER_BYTES + from * KEY_BYTES,
    NODE_HEADER_BYTES + to * KEY_BYTES,
  );
  target.data.set(keys, NODE_HEADER_BYTES + at * KEY_BYTES);
  const values = source.data.subarray(valueOffset(source, from), valueOffset(source, to));
  target.data.set(values, valueOffset(target, at));
}

/**
 * What is wrong with a node beside its checksum: its numbers would lead out of the block.
 * @param leafValueBytes of the tree's values
 */
export function nodeProblem(node: CachedBlock, leafValueBytes: number): string | null {
  const { flags, entries, maxEntries, valueBytes } = nodeHeader.decode(node.data);
  if (flags !== NodeFlags.internal && flags !== NodeFlags.leaf) return `its flags are ${flags}`;
  const wanted = flags === NodeFlags.leaf ? leafValueBytes : CHILD_BYTES;
  if (valueBytes !== wanted) return `its values have ${valueBytes} bytes, and ${wanted} is right`;
  const fits =
    NODE_HEADER_BYTES + maxEntries * (KEY_BYTES + valueBytes) <= METADATA_BLOCK_BYTES &&
    maxEntries % 3 === 0;
  if (!fits || maxEntries === 0) return `it has room for ${maxEntries} entries, which cannot be`;
  if (entries > maxEntries) return `it has ${entries} entries and room for ${maxEntries}`;
  return flags === NodeFlags.internal && entries === 0 ? "it has no children" : null;
}

/** @throws `bad-metadata` */
export function checkNode(node: CachedBlock, leafValueBytes: number): void {
  const problem = nodeProblem(node, leafValueBytes);
  if (problem === null) return;
  throw new HoldfastError(
    "bad-metadata",
    `Metadata block ${node.location}, a ${BTREE_NODE.name}, is wrong: ${problem}.`,
  );
}
