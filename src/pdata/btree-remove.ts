/**
 * Taking entries out of a tree. On the way down every node is shadowed; on the way up a node that has fewer than a third of its entries left is
 * merged with a neighbour, or shares that one's entries evenly, and a root with one child gives way to it.
 */
import type { CachedBlock } from "./block-cache.ts";
import type { Btree } from "./btree.ts";
import {
  childAt,
  copyEntries,
  entriesOf,
  isLeaf,
  keyAt,
  lowerBound,
  removeEntries,
  roomOf,
  setChild,
  setEntries,
  setKey,
  valueOffset,
} from "./btree-node.ts";

export interface Removal {
  readonly root: number;
  readonly removed: number;
}

/** Entries with keys from `from` up to `to`, as many as the first leaf has that has any. */
export async function removeFrom(
  tree: Btree,
  root: number,
  from: number,
  to: number,
): Promise<Removal> {
  const first = await tree.next(root, from);
  if (first === null || first.key >= to) return { root, removed: 0 };
  const top = await tree.shadow(root);
  const removed = await removeBelow(tree, top, first.key, to);
  return { root: await lowered(tree, top), removed };
}

async function removeBelow(
  tree: Btree,
  node: CachedBlock,
  key: number,
  to: number,
): Promise<number> {
  const index = lowerBound(node, key);
  if (isLeaf(node)) {
    const end = lowerBound(node, to - 1) + 1;
    await tree.type.dec?.(node, valueOffset(node, index), end - index);
    removeEntries(node, index, end);
    return end - index;
  }
  const child = await tree.shadow(childAt(node, index));
  setChild(node, index, child.location);
  const removed = await removeBelow(tree, child, key, to);
  if (entriesOf(child) < roomOf(child) / 3) await rebalance(tree, node, index);
  return removed;
}

/** A child has too few entries; with no neighbour its parent is a root with one child, which gives way. */
async function rebalance(tree: Btree, parent: CachedBlock, index: number): Promise<void> {
  if (entriesOf(parent) < 2) return;
  const at = Math.max(index - 1, 0);
  const left = await tree.shadow(childAt(parent, at));
  setChild(parent, at, left.location);
  const right = await tree.shadow(childAt(parent, at + 1));
  setChild(parent, at + 1, right.location);
  const total = entriesOf(left) + entriesOf(right);
  if (total <= (roomOf(left) * 2) / 3) {
    copyEntries(right, 0, entriesOf(right), left, entriesOf(left));
    setEntries(left, total);
    removeEntries(parent, at + 1, at + 2);
    tree.transaction.dec(right.location);
    return;
  }
  share(left, right, total >> 1);
  setKey(parent, at + 1, keyAt(right, 0));
}

/** Moves entries until `wanted` are on the left. */
function share(left: CachedBlock, right: CachedBlock, wanted: number): void {
  const has = entriesOf(left);
  const hasRight = entriesOf(right);
  if (has < wanted) {
    copyEntries(right, 0, wanted - has, left, has);
    removeEntries(right, 0, wanted - has);
  } else {
    copyEntries(right, 0, hasRight, right, has - wanted);
    copyEntries(left, wanted, has, right, 0);
    setEntries(right, hasRight + has - wanted);
  }
  setEntries(left, wanted);
}

/** While the root has a single child, that is the root. */
async function lowered(tree: Btree, top: CachedBlock): Promise<number> {
  let node = top;
  while (!isLeaf(node) && entriesOf(node) === 1) {
    const child = childAt(node, 0);
    // Its user is now whoever held the root.
    tree.transaction.dec(node.location);
    node = await tree.read(child);
  }
  return node.location;
}
