/** --update at assembly: superblocks are changed before the array is started. */
import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { flush, readSectors, writeSectors } from "../block/promises.ts";
import { bitmapSuper } from "../formats/md/bitmap.ts";
import { decodeSuperblock090 } from "../formats/md/superblock-090.ts";
import { decodeSuperblock1 } from "../formats/md/superblock-1.ts";
import { superblockPart } from "../formats/md/superblock-update.ts";
import { arrayUuidBytes } from "../formats/md/superblock.ts";
import type { MdSuperblock, MdVersion } from "../formats/md/superblock.ts";
import type { MdCandidate } from "../md/candidate.ts";
import { emptyPplStart } from "../md/create/ppl-area.ts";
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
async function bitmapWrite(candidate: MdCandidate, uuid: Uint8Array): Promise<Write[]> {
  const { superblock, device } = candidate;
  const sector = superblock.bitmapSector;
  if (sector === null) return [];
  const bytes = await readSectors(device, sector, 1);
  bitmapSuper.encodeInto(bytes, 0, { uuid });
  return [{ candidate, sector, bytes }];
}

/** The log that a superblock is about to tell of: empty. None: it tells of none, or did so before. */
function pplWrite({ candidate }: Write, next: MdSuperblock): Write[] {
  const { ppl } = next;
  if (ppl === null || candidate.superblock.ppl !== null) return [];
  const bytes = emptyPplStart(arrayUuidBytes(next));
  return [{ candidate, sector: ppl.startSector, bytes }];
}

/** One device after the other, each durable before the next: bitmaps and superblocks of a device fit together on all but one. */
async function writeAll(writes: readonly Write[]): Promise<void> {
  for (const { candidate, sector, bytes } of writes) {
    await writeSectors(candidate.device, sector, bytes);
    await flush(candidate.device);
  }
}

/** In 0.90 half of the UUID is made of the host's name. */
export function changesUuid({ kind }: AssemblyUpdate, version: MdVersion): boolean {
  return kind === "uuid" || (kind === "homehost" && version === "0.90");
}

/** What is about to be written. */
function decoded({ candidate, bytes }: Write): MdSuperblock {
  const { superblock, device } = candidate;
  const { version, superSector } = superblock;
  const image = new Uint8Array(SUPERBLOCK_SECTORS * SECTOR_BYTES);
  image.set(bytes);
  const place = { sector: superSector, deviceSectors: device.sectors };
  const found =
    version === "0.90"
      ? decodeSuperblock090(image, place)
      : decodeSuperblock1(image, version, place);
  assert(found.kind === "ok", "it can be read");
  return found.superblock;
}

/**
 * All images are made before the first is written: what one device refuses changes none. Then, device by device: bitmap or PPL, flush, superblock, flush.
 * A crash in between leaves devices of which some say the old and some the new thing: the same --update, given all of them, ends it, as it takes
 * devices that differ in nothing but what it changes for one array (gather).
 * @throws HoldfastError `unsupported` for words that are not done
 */
export async function applyUpdate(
  context: HostContext,
  update: AssemblyUpdate,
  plan: AssemblyPlan,
  names: ChosenNames,
): Promise<void> {
  const { version, hasJournal, ppl } = plan.superblock;
  const isOther = changesUuid(update, version);
  if (isOther && (hasJournal || ppl !== null)) {
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
  const writes: Write[] = [];
  for (const candidate of candidates) {
    const write = await superblockWrite(update, candidate, facts);
    const next = decoded(write);
    if (isOther) writes.push(...(await bitmapWrite(candidate, arrayUuidBytes(next))));
    writes.push(...pplWrite(write, next));
    writes.push(write);
  }
  await writeAll(writes);
}
