/** Metadata of mapped devices that kernels wrote, spoilt by chance; checksums are made right again most of the time, so that what lies behind them is reached. */
import type { Prng } from "../../src/base/prng.ts";
import { writeSectors } from "../../src/block/promises.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import { CLONE_SUPERBLOCK, cloneSuperblock } from "../../src/formats/dm-clone.ts";
import {
  ARRAY_BLOCK,
  BITMAP_BLOCK,
  BTREE_NODE,
  INDEX_BLOCK,
  METADATA_BLOCK_BYTES,
  METADATA_BLOCK_SECTORS,
  blockProblem,
  sealBlock,
} from "../../src/formats/persistent-data.ts";
import type { BlockKind } from "../../src/formats/persistent-data.ts";
import { THIN_SUPERBLOCK, thinSuperblock } from "../../src/formats/thin.ts";
import type { GoldenCase } from "../support/golden.ts";
import { unpackImage } from "../support/golden.ts";
import { mutateBytes, mutateField } from "./mutate.ts";
import type { FieldPlaces } from "./mutate.ts";

/** No metadata lie behind it in these cases; contents do not matter. */
const HEAD_BYTES = 1 << 20;

const KINDS: readonly BlockKind[] = [
  BTREE_NODE,
  BITMAP_BLOCK,
  INDEX_BLOCK,
  ARRAY_BLOCK,
  THIN_SUPERBLOCK,
  CLONE_SUPERBLOCK,
];

const WORDS: FieldPlaces = {
  name: "words",
  size: 256,
  fields: {
    words: { offset: 0, size: 256, type: "u32[64]" },
    longs: { offset: 0, size: 256, type: "u64[32]" },
  },
};

interface Block {
  readonly location: number;
  readonly data: Uint8Array;
  readonly kind: BlockKind | null;
}

interface Disk {
  readonly sectors: number;
  /** Those that are not zeros. */
  readonly blocks: readonly Block[];
}

export interface MetadataSample {
  readonly tables: readonly { readonly name: string; readonly table: string }[];
  readonly disks: readonly Disk[];
  /** Which disks have metadata. */
  readonly metadata: readonly number[];
}

/** "./d0" stands for disk 0. */
export function loadSample(golden: GoldenCase): MetadataSample {
  const view = golden.views.at(-1)!;
  const tables = view.commands.flatMap((command) => {
    const [, name, table] = /^mk (\S+) "([^"]*)"$/.exec(command) ?? [];
    if (name === undefined || table === undefined || /\$[^d]/.test(table)) return [];
    return [{ name, table: table.replaceAll("$d", "./d") }];
  });
  const metadata = [...golden.members.keys()].filter((index) =>
    /metadata|log|store/.test(golden.members[index]!.use ?? ""),
  );
  const disks = golden.members.map(({ bytes }, index) => ({
    sectors: bytes / 512,
    blocks: metadata.includes(index) ? blocksOf(unpackImage(golden, index)) : [],
  }));
  return { tables, disks, metadata };
}

function blocksOf(image: Uint8Array): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < Math.min(image.length, HEAD_BYTES); at += METADATA_BLOCK_BYTES) {
    const data = image.slice(at, at + METADATA_BLOCK_BYTES);
    if (data.every((byte) => byte === 0)) continue;
    const location = at / METADATA_BLOCK_BYTES;
    const kind = KINDS.find((each) => blockProblem(each, data, location) === null) ?? null;
    blocks.push({ location, data, kind });
  }
  return blocks;
}

function spoilt(prng: Prng, { location, data, kind }: Block, log: string[]): Uint8Array {
  const copy = data.slice();
  const layout =
    kind === THIN_SUPERBLOCK ? thinSuperblock : kind === CLONE_SUPERBLOCK ? cloneSuperblock : null;
  for (let left = prng.pick([1, 1, 2, 4]); left > 0; left -= 1) {
    if (prng.chance(0.2)) log.push(`block ${location}: ${mutateBytes(prng, copy)}`);
    else if (layout !== null && prng.chance(0.7)) log.push(mutateField(prng, copy, layout));
    else log.push(`block ${location}: ${mutateField(prng, copy, WORDS)}`);
  }
  if (kind !== null && prng.chance(0.85)) sealBlock(kind, copy, location);
  return copy;
}

/** Copies in memory, one to three blocks of metadata spoilt. */
export async function spoiltDisks(
  prng: Prng,
  { disks, metadata }: MetadataSample,
  log: string[],
): Promise<Record<string, BlockDevice>> {
  const worn = new Map<Block, Uint8Array>();
  for (let left = prng.pick([1, 1, 2, 3]); left > 0; left -= 1) {
    const disk = prng.pick(metadata);
    // Superblocks lead to all else.
    const { blocks } = disks[disk]!;
    const block: Block = prng.chance(0.3) ? blocks[0]! : prng.pick(blocks);
    log.push(`disk ${disk}`);
    worn.set(block, spoilt(prng, block, log));
  }
  const made: Record<string, BlockDevice> = {};
  for (const [index, { sectors, blocks }] of disks.entries()) {
    const name = `d${index}`;
    const device = new MemoryDevice({ name, sectors });
    for (const block of blocks)
      await writeSectors(
        device,
        block.location * METADATA_BLOCK_SECTORS,
        worn.get(block) ?? block.data,
      );
    made[name] = device;
  }
  return made;
}
