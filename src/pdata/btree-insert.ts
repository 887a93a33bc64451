/**
 * Putting an entry into a tree, from the root down: every node on the way is shadowed, its parent pointed to the shadow, and split if it is full, so
 * there is room in the parent whenever a child splits. A root that splits stays where it is and gets two children.
 */
import { assert } from "../base/assert.ts";
import { BTREE_NODE } from "../formats/persistent-data.ts";
import type { CachedBlock } from "./block-cache.ts";
import type { Btree } from "./btree.ts";
import {
  CHILD_BYTES,
  childAt,
  copyEntries,
  entriesOf,
  initNode,
  insertChild,
  insertEntry,
  isLeaf,
  keyAt,
  lowerBound,
  roomOf,
  setChild,
  setEntries,
  setKey,
  valueBytesOf,
  valueOffset,
} from "./btree-node.ts";

/** @returns the new root */
export async function insertInto(
  tree: Btree,
  root: number,
  key: number,
  value: Uint8Array,
): Promise<number> {
  const top = await tree.shadow(root);
  if (isFull(top) && lookAt(top, key) === null) splitRoot(tree, top, key);
  let node = top;
  while (!isLeaf(node)) node = await step(tree, node, key);
  const present = lookAt(node, key);
  if (present === null) insertEntry(node, lowerBound(node, key) + 1, key, value);
  else {
    const offset = valueOffset(node, present);
    await tree.type.dec?.(node, offset, 1);
    node.data.set(value, offset);
  }
  return top.location;
}

/**
 * Shadows the way to an entry that is there, to be changed in place by `change`, which sees to all counts itself: a value that is the root of a tree
 * is shadowed in its turn, when what leads to it is the changer's own. @returns the new root
 */
export async function changeAt(
  tree: Btree,
  root: number,
  key: number,
  change: (leaf: CachedBlock, offset: number) => Promise<void>,
): Promise<number> {
  const top = await tree.shadow(root);
  let node = top;
  while (!isLeaf(node)) {
    const index = lowerBound(node, key);
    assert(index >= 0, "what is changed is there");
    const child = await tree.shadow(childAt(node, index));
    setChild(node, index, child.location);
    node = child;
  }
  const index = lookAt(node, key);
  assert(index !== null, "what is changed is there");
  await change(node, valueOffset(node, index));
  return top.location;
}

function isFull(node: CachedBlock): boolean {
  return entriesOf(node) === roomOf(node);
}

/** The index of the key if this is a leaf that has it. */
function lookAt(node: CachedBlock, key: number): number | null {
  if (!isLeaf(node)) return null;
  const index = lowerBound(node, key);
  return index >= 0 && keyAt(node, index) === key ? index : null;
}

/** Down to the child that the key belongs to. The parent has room. */
async function step(tree: Btree, parent: CachedBlock, key: number): Promise<CachedBlock> {
  const found = lowerBound(parent, key);
  // A key below all others moves the bound of the first child.
  if (found < 0) setKey(parent, 0, key);
  const index = Math.max(found, 0);
  const child = await tree.shadow(childAt(parent, index));
  setChild(parent, index, child.location);
  if (!isFull(child) || lookAt(child, key) !== null) return child;
  const right = newLike(tree, child);
  moveUpper(child, right, leftPart(child, key));
  insertChild(parent, index + 1, keyAt(right, 0), right.location);
  return key < keyAt(right, 0) ? child : right;
}

function newLike(tree: Btree, node: CachedBlock): CachedBlock {
  const fresh = tree.transaction.newBlock(BTREE_NODE);
  initNode(fresh, isLeaf(node) ? "leaf" : "internal", valueBytesOf(node));
  fresh.checkedFor = tree.type.bytes;
  return fresh;
}

/** Halves; where keys come in order two thirds, which then stay as full. No node has less than a third. */
function leftPart(node: CachedBlock, key: number): number {
  const entries = entriesOf(node);
  return key > keyAt(node, entries - 1) ? entries - roomOf(node) / 3 : entries >> 1;
}

function moveUpper(from: CachedBlock, to: CachedBlock, stay: number): void {
  const entries = entriesOf(from);
  copyEntries(from, stay, entries, to, 0);
  setEntries(to, entries - stay);
  setEntries(from, stay);
}

function splitRoot(tree: Btree, root: CachedBlock, key: number): void {
  const left = newLike(tree, root);
  const right = newLike(tree, root);
  copyEntries(root, 0, entriesOf(root), left, 0);
  setEntries(left, entriesOf(root));
  moveUpper(left, right, leftPart(left, key));
  initNode(root, "internal", CHILD_BYTES);
  insertChild(root, 0, keyAt(left, 0), left.location);
  insertChild(root, 1, keyAt(right, 0), right.location);
}
