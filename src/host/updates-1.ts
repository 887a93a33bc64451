/** What --update changes in a superblock of version 1. Facts: mdadm's words and what they do, docs/kernel/mdadm.md, section 1.4. */
import { HoldfastError } from "../base/errors.ts";
import { DEVFLAG, FEATURE, superblock1 } from "../formats/md/superblock-1-layout.ts";
import type { Superblock1 } from "../formats/md/superblock-1-layout.ts";
import { changeSuperblock1, pplFeature } from "../formats/md/superblock-update.ts";
import { paddedName, storedName } from "../md/create/images.ts";
import type { MdCandidate } from "../md/candidate.ts";
import type { AssemblyUpdate } from "./array-host.ts";
import { pplFields, whyNoPpl } from "./ppl-fields.ts";

export interface UpdateFacts {
  /** For --update=uuid: one for all members. */
  readonly uuid: Uint8Array;
  /** Of the array's path, for --update=name without a name. */
  readonly ownName: string;
  readonly minor: number;
}

const BAD_BLOCK_LOG_SECTORS = 8;
const RAID0 = 0;

function nameChange(name: string, homehost: string | null): Partial<Superblock1> {
  return { setName: paddedName(storedName(name, homehost)) };
}

/** The log lies right before the data or, where the superblock is behind them, right before that. */
function newLog({ path, superblock }: MdCandidate, raw: Superblock1): Partial<Superblock1> {
  if (raw.bblogSize !== 0 || raw.bblogOffset !== 0) return {};
  const { superSector, dataOffsetSectors, dataSectors, version } = superblock;
  const start =
    version === "1.0"
      ? superSector - BAD_BLOCK_LOG_SECTORS
      : dataOffsetSectors - BAD_BLOCK_LOG_SECTORS;
  const isFree =
    version === "1.0"
      ? start >= dataOffsetSectors + dataSectors && superblock.bitmapSector === null
      : start >= superSector + 8 + (superblock.bitmapSector === null ? 0 : 256);
  if (!isFree) throw new HoldfastError("no-space", `${path} has no room for a list of bad blocks`);
  return { bblogSize: BAD_BLOCK_LOG_SECTORS, bblogShift: 0, bblogOffset: start - superSector };
}

function noLog({ path }: MdCandidate, raw: Superblock1, force: boolean): Partial<Superblock1> {
  const isInUse = (raw.featureMap & FEATURE.badBlocks) !== 0;
  if (isInUse && !force) {
    const text = `${path} has sectors listed as bad, and without the list they would be read as if they were good`;
    throw new HoldfastError("busy", text);
  }
  const featureMap = raw.featureMap & ~FEATURE.badBlocks;
  return { bblogSize: 0, bblogShift: 0, bblogOffset: 0, featureMap };
}

/** Its place has an empty log already. A resync that was due stays so: what is in no log cannot be mended by one. */
function newPpl({ path, superblock }: MdCandidate, raw: Superblock1): Partial<Superblock1> {
  if (superblock.ppl !== null) return {};
  const why = whyNoPpl(superblock);
  if (why !== null) throw new HoldfastError("unsupported", `the array of ${path} ${why}`);
  const { fields } = pplFields(path, superblock);
  return { ...fields, featureMap: raw.featureMap | pplFeature(fields.bitmapOffset!) };
}

/** Where it was not stopped in order all of it is synced from then on. */
function noPpl(raw: Superblock1): Partial<Superblock1> {
  const all = FEATURE.ppl | FEATURE.multiplePpls;
  if ((raw.featureMap & all) === 0) return {};
  return { featureMap: raw.featureMap & ~all, bitmapOffset: 0 };
}

function raid0Layout(
  { path }: MdCandidate,
  raw: Superblock1,
  layout: 0 | 1 | 2,
): Partial<Superblock1> {
  if (raw.level !== RAID0) throw new HoldfastError("usage", `${path} is no member of a raid0`);
  const others = raw.featureMap & ~FEATURE.raid0Layout;
  return { layout, featureMap: layout === 0 ? others : others | FEATURE.raid0Layout };
}

/** @throws HoldfastError `unsupported` for words that version 1 does not know, others where the device does not allow it */
function changesOf(
  update: AssemblyUpdate,
  candidate: MdCandidate,
  raw: Superblock1,
  facts: UpdateFacts,
  deviceSectors: number,
): Partial<Superblock1> {
  const name = candidate.superblock.name ?? "";
  const shortName = name.slice(name.indexOf(":") + 1);
  const { devflags, featureMap } = raw;
  switch (update.kind) {
    case "name":
      return nameChange(update.value ?? facts.ownName, null);
    case "homehost":
      return nameChange(shortName, update.value);
    case "uuid":
      return { setUuid: facts.uuid };
    case "resync":
      return { resyncOffset: 0n };
    case "no-bitmap":
      return { featureMap: featureMap & ~FEATURE.bitmap };
    case "bbl":
      return newLog(candidate, raw);
    case "no-bbl":
    case "force-no-bbl":
      return noLog(candidate, raw, update.kind === "force-no-bbl");
    case "devicesize":
      return candidate.superblock.version === "1.0"
        ? {}
        : { dataSize: BigInt(deviceSectors) - raw.dataOffset };
    case "ppl":
      return newPpl(candidate, raw);
    case "no-ppl":
      return noPpl(raw);
    case "writemostly":
      return { devflags: devflags | DEVFLAG.writeMostly };
    case "readwrite":
      return { devflags: devflags & ~DEVFLAG.writeMostly };
    case "layout-original":
      return raid0Layout(candidate, raw, 1);
    case "layout-alternate":
      return raid0Layout(candidate, raw, 2);
    case "layout-unspecified":
      return raid0Layout(candidate, raw, 0);
    case "super-minor":
    case "summaries":
    case "byteorder":
    case "metadata": {
      const { version } = candidate.superblock;
      throw new HoldfastError(
        "unsupported",
        `--update=${update.kind} is not done for ${version} metadata`,
      );
    }
  }
}

/** @param image 4 KiB as they stand on the device */
export function updated1(
  update: AssemblyUpdate,
  candidate: MdCandidate,
  image: Uint8Array,
  facts: UpdateFacts,
): Uint8Array {
  const raw = superblock1.decode(image);
  return changeSuperblock1(
    image,
    changesOf(update, candidate, raw, facts, candidate.device.sectors),
  );
}
