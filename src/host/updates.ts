/** --update at assembly: superblocks are changed before the array is started. */
import { HoldfastError } from "../base/errors.ts";
import { flush, readSectors, writeSectors } from "../block/promises.ts";
import { bitmapSuper } from "../formats/md/bitmap.ts";
import { superblockPart } from "../formats/md/superblock-update.ts";
import type { MdCandidate } from "../md/candidate.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import type { AssemblyUpdate } from "./array-host.ts";
import type { HostContext } from "./context.ts";
import { convertTo1 } from "./convert-090.ts";
import { uuidBytes } from "./create.ts";
import type { ChosenNames } from "./names.ts";
import { updated090 } from "./updates-090.ts";
import { updated1 } from "./updates-1.ts";
import type { UpdateFacts } from "./updates-1.ts";

const SUPERBLOCK_SECTORS = 8;

interface Write {
  readonly candidate: MdCandidate;
  readonly sector: number;
  readonly bytes: Uint8Array;
}

/** Those that will be in the array. */
function parts({ judged }: AssemblyPlan): MdCandidate[] {
  return judged.flatMap(({ fate, candidate }) => {
    const isPart =
      fate === "in-sync" || fate === "recovering" || fate === "spare" || fate === "journal";
    return isPart ? [candidate] : [];
  });
}

/** @throws HoldfastError what the words do not allow: nothing is written then */
async function superblockWrite(
  update: AssemblyUpdate,
  candidate: MdCandidate,
  facts: UpdateFacts,
): Promise<Write> {
  const { superblock, device } = candidate;
  const image = await readSectors(device, superblock.superSector, SUPERBLOCK_SECTORS);
  const make = superblock.version === "0.90" ? updated090 : updated1;
  const bytes = superblockPart(superblock, make(update, candidate, image, facts));
  return { candidate, sector: superblock.superSector, bytes };
}

/** Of a device that comes back. @throws as applyUpdate */
export async function updateOne(
  { env }: HostContext,
  update: AssemblyUpdate,
  candidate: MdCandidate,
): Promise<void> {
  const facts = { uuid: env.random.bytes(16), ownName: "", minor: 0 };
  await writeAll([await superblockWrite(update, candidate, facts)]);
}

/** The bitmap says to which array it belongs: with another UUID nobody would believe it. */
async function bitmapWrite(candidate: MdCandidate, { uuid }: UpdateFacts): Promise<Write[]> {
  const { superblock, device } = candidate;
  const sector = superblock.bitmapSector;
  if (sector === null) return [];
  const bytes = await readSectors(device, sector, 1);
  const isWords = superblock.version === "0.90" && superblock.byteOrder === "little";
  const own = isWords ? uuid.map((_byte, at) => uuid[(at & ~3) + 3 - (at & 3)]!) : uuid;
  bitmapSuper.encodeInto(bytes, 0, { uuid: own });
  return [{ candidate, sector, bytes }];
}

async function writeAll(writes: readonly Write[]): Promise<void> {
  for (const { candidate, sector, bytes } of writes)
    await writeSectors(candidate.device, sector, bytes);
  await Promise.all(writes.map(({ candidate }) => flush(candidate.device)));
}

/**
 * All images are made before the first is written: what one device refuses changes none. The order: 1 bitmaps, flush, 2 superblocks, flush. A crash
 * in between leaves devices of which some say the old and some the new thing: the same --update, given all of them, ends it.
 * @throws HoldfastError `unsupported` for words that are not done
 */
export async function applyUpdate(
  context: HostContext,
  update: AssemblyUpdate,
  plan: AssemblyPlan,
  names: ChosenNames,
): Promise<void> {
  if (update.kind === "uuid" && (plan.superblock.hasJournal || plan.superblock.ppl !== null)) {
    const text =
      "the UUID cannot be changed: it stands in the journal or the partial parity log too";
    throw new HoldfastError("unsupported", text);
  }
  const given = update.kind === "uuid" ? update.value : null;
  const facts: UpdateFacts = {
    uuid: given === null ? context.env.random.bytes(16).slice() : uuidBytes(given),
    ownName: names.path.slice(names.path.lastIndexOf("/") + 1),
    minor: names.minor,
  };
  const candidates = parts(plan);
  for (const { path, device } of candidates)
    if (device.limits.readOnly)
      throw new HoldfastError("read-only", `${path} can only be read, so nothing can be updated`);
  if (update.kind === "metadata") return convertTo1(context, candidates);
  const superblocks = await Promise.all(
    candidates.map((candidate) => superblockWrite(update, candidate, facts)),
  );
  const bitmaps =
    update.kind === "uuid"
      ? await Promise.all(candidates.map((candidate) => bitmapWrite(candidate, facts)))
      : [];
  await writeAll(bitmaps.flat());
  await writeAll(superblocks);
}
