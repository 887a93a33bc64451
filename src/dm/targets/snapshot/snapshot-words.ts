/** The words of snapshot and snapshot-merge: `ORIGIN COW-DEVICE P|PO|N CHUNK-SECTORS [COUNT FEATURE...]`. */
import { SECTOR_BYTES } from "../../../base/units.ts";
import { isChunkSize } from "../../../formats/dm-snapshot.ts";
import { checkRange } from "../../one-device-target.ts";
import { quoteWord } from "../../table.ts";
import type { TargetContext, TargetDevice } from "../../target.ts";
import type { Words } from "../../words.ts";

const KINDS = ["P", "PO", "N"] as const;
const DEFAULT_CHUNK_SECTORS = 32;
const FEATURES = ["discard_zeroes_cow", "discard_passdown_origin"] as const;

export type StoreKind = (typeof KINDS)[number];
type Feature = (typeof FEATURES)[number];

export interface SnapshotLine {
  readonly origin: TargetDevice;
  readonly cow: TargetDevice;
  readonly kind: StoreKind;
  readonly chunkSectors: number;
  readonly features: ReadonlySet<Feature>;
}

/**
 * The COW device is written also when the table is loaded for reading only: that is about the snapshot's users, and the exceptions are the origin's.
 * @param writesOrigin whatever the features say
 */
export async function readSnapshotLine(
  context: TargetContext,
  words: Words,
  writesOrigin: boolean,
): Promise<SnapshotLine> {
  const originWord = words.word("the origin");
  const cowWord = words.word("the COW device");
  const kind = words.choice("the kind of exception store", KINDS);
  const chunkSectors = words.number("the chunk size in sectors") || DEFAULT_CHUNK_SECTORS;
  if (!isChunkSize(chunkSectors)) throw words.wrong("a chunk has a power of 2 of sectors");
  const features = new Set<Feature>();
  const group = words.left === 0 ? null : words.group("features", FEATURES.length);
  while (group !== null && group.left > 0) features.add(group.choice("a feature", FEATURES));
  words.end();
  const passesDown = features.has("discard_passdown_origin");
  if (passesDown && !features.has("discard_zeroes_cow"))
    throw words.wrong("discard_passdown_origin needs discard_zeroes_cow");
  const mode = writesOrigin || passesDown ? "read-write" : "read-only";
  const origin = await context.open(originWord, mode);
  const cow = await context.open(cowWord, "read-write");
  checkRange(origin, 0, context.sectors, (why) => words.wrong(why, 1));
  if (cow.key === origin.key) throw words.wrong("origin and COW device are the same", 2);
  for (const { device, id } of [origin, cow])
    if ((chunkSectors * SECTOR_BYTES) % device.limits.logicalBlockBytes !== 0)
      throw words.wrong(`a chunk is not a multiple of the blocks of ${id}`, 4);
  return { origin, cow, kind, chunkSectors, features };
}

export function snapshotTable(
  { origin, cow, features }: SnapshotLine,
  kind: string,
  chunkSectors: number,
): string {
  const head = `${quoteWord(origin.id)} ${quoteWord(cow.id)} ${kind} ${chunkSectors}`;
  return features.size === 0 ? head : `${head} ${features.size} ${[...features].join(" ")}`;
}
