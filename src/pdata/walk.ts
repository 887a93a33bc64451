/** Walks a tree that may be damaged: every node is looked at once, and what is wrong is told, with the keys that are lost, instead of thrown. */
import { HoldfastError, toHoldfastError } from "../base/errors.ts";
import { BTREE_NODE } from "../formats/persistent-data.ts";
import type { BlockCache, CachedBlock } from "./block-cache.ts";
import { childAt, entriesOf, isLeaf, keyAt, nodeProblem, roomOf } from "./btree-node.ts";

/** Keys `from` up to, not including, `to` (null: to the end) cannot be had. */
export interface LostKeys {
  readonly from: number;
  readonly to: number | null;
  readonly why: string;
}

/** To whom damage is told that a dump leaves out; without one it is thrown. */
export interface DumpOptions {
  readonly lost?: (what: string) => void;
}

/** @throws `bad-metadata` from what it returns, when there is nobody to tell */
export function lossTeller(
  deviceName: string,
  { lost }: DumpOptions,
): (what: string, keys: LostKeys) => void {
  return (what, { from, to, why }) => {
    const text = `${what} [${from}, ${to ?? "-"}] cannot be read: ${why}`;
    if (lost === undefined) throw new HoldfastError("bad-metadata", `${deviceName}: ${text}.`);
    lost(text);
  };
}

/** For trees in which a node that comes twice leads in a circle. */
export function once(): (location: number) => boolean {
  const seen = new Set<number>();
  return (location) => {
    if (seen.has(location)) return false;
    seen.add(location);
    return true;
  };
}

export interface TreeWalk {
  readonly cache: BlockCache;
  readonly valueBytes: number;
  /** Called for every way to a node. False: it is not to be looked at, again. */
  enter(location: number): boolean;
  leaf(node: CachedBlock): void | Promise<void>;
  lost(keys: LostKeys): void;
}

interface Bounds {
  /** No key is below. Null for the root. */
  readonly from: number | null;
  readonly to: number | null;
}

export function walkTree(walk: TreeWalk, root: number): Promise<void> {
  return walkNode(walk, root, { from: null, to: null });
}

async function walkNode(walk: TreeWalk, location: number, bounds: Bounds): Promise<void> {
  if (!walk.enter(location)) return;
  const lose = (why: string): void => walk.lost({ from: bounds.from ?? 0, to: bounds.to, why });
  let node: CachedBlock;
  try {
    node = await walk.cache.read(location, BTREE_NODE);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    lose(readProblem(toHoldfastError(error), location));
    return;
  }
  const problem = nodeProblem(node, walk.valueBytes) ?? orderProblem(node, bounds);
  if (problem !== null) {
    lose(`${problem} (block ${location})`);
    return;
  }
  if (isLeaf(node)) {
    await walk.leaf(node);
    return;
  }
  const entries = entriesOf(node);
  for (let index = 0; index < entries; index += 1) {
    const to = index + 1 < entries ? keyAt(node, index + 1) : bounds.to;
    await walkNode(walk, childAt(node, index), { from: keyAt(node, index), to });
  }
}

function readProblem({ code, message }: HoldfastError, location: number): string {
  return code === "bad-metadata" && message.includes("checksum")
    ? `bad checksum in ${BTREE_NODE.name} (block ${location})`
    : message;
}

function orderProblem(node: CachedBlock, { from, to }: Bounds): string | null {
  const entries = entriesOf(node);
  if (from !== null && entries < roomOf(node) / 3)
    return `too few entries in ${BTREE_NODE.name}: ${entries}, expected at least ${roomOf(node) / 3}`;
  for (let index = 0; index < entries; index += 1) {
    const key = keyAt(node, index);
    const after = index === 0 ? from : keyAt(node, index - 1) + 1;
    if (after !== null && key < after) return `keys are out of order, ${key} comes too late`;
    if (to !== null && key >= to) return `keys are out of order, ${key} comes too early`;
  }
  return null;
}
