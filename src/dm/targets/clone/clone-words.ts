/** The words of a clone: `METADATA DESTINATION SOURCE REGION-SECTORS [COUNT FEATURE... [COUNT (NAME VALUE)...]]`, and of its messages. */
import { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import { MAX_REGIONS, MAX_REGION_SECTORS, MIN_REGION_SECTORS } from "../../../formats/dm-clone.ts";
import { METADATA_BLOCK_SECTORS } from "../../../formats/persistent-data.ts";
import { checkRange } from "../../one-device-target.ts";
import type { TargetContext, TargetDevice, TargetLimits } from "../../target.ts";
import { Words } from "../../words.ts";

const MAX_U32 = 2 ** 32 - 1;
const MAX_FEATURES = 2;
const MAX_CORE_WORDS = 4;

/** What messages may change. */
export interface Tuning {
  isEnabled: boolean;
  /** Regions under way at a time beyond which none is begun in the background. */
  thresholdRegions: number;
  /** Neighbours that are copied as one. */
  batchRegions: number;
}

export interface CloneLine {
  readonly metadata: TargetDevice;
  readonly destination: TargetDevice;
  readonly source: TargetDevice;
  readonly regionSectors: number;
  readonly tuning: Tuning;
  readonly passesDiscardsDown: boolean;
  /** What came behind the devices. */
  readonly options: readonly string[];
}

/** Keeps what it reads, for `dmsetup table`; the kernel takes words in any case. */
class KeptWords {
  readonly kept: string[] = [];
  readonly #words: Words;

  constructor(words: Words) {
    this.#words = words;
  }

  number(what: string, min: number, max: number): number {
    const value = this.#words.number(what, min, max);
    this.kept.push(String(value));
    return value;
  }

  word(what: string): string {
    const word = this.#words.word(what);
    this.kept.push(word);
    return word.toLowerCase();
  }
}

export async function readCloneLine(context: TargetContext, words: Words): Promise<CloneLine> {
  const places = ["the metadata device", "the destination", "the source"] as const;
  const [metadataWord, destinationWord, sourceWord] = places.map((what) => words.word(what));
  const kept = new KeptWords(words);
  const regionSectors = kept.number("the region size", MIN_REGION_SECTORS, MAX_REGION_SECTORS);
  if (!Number.isInteger(Math.log2(regionSectors)))
    throw words.wrong("a region has a power of 2 of sectors");
  if (context.sectors / regionSectors > MAX_REGIONS)
    throw words.wrong(`there would be more than ${MAX_REGIONS} regions: they must be larger`);
  const tuning: Tuning = { isEnabled: true, thresholdRegions: 1, batchRegions: 1 };
  const passesDiscardsDown = words.left === 0 || readFeatures(words, kept, tuning);
  if (words.left > 0) readCoreWords(words, kept, tuning);
  words.end();
  const mode = context.isReadOnly ? "read-only" : "read-write";
  const metadata = await context.open(metadataWord!, mode);
  const destination = await context.open(destinationWord!, mode);
  const source = await context.open(sourceWord!, "read-only");
  if (metadata.device.sectors < METADATA_BLOCK_SECTORS)
    throw words.wrong(`${metadata.id} is too small for metadata`, 1);
  if (new Set([metadata.key, destination.key, source.key]).size < 3)
    throw words.wrong("metadata, destination and source are three devices", 3);
  for (const [at, on] of [destination, source].entries()) {
    checkRange(on, 0, context.sectors, (why) => words.wrong(why, at + 2));
    if ((regionSectors * SECTOR_BYTES) % on.device.limits.logicalBlockBytes !== 0)
      throw words.wrong(`a region is not a multiple of the blocks of ${on.id}`, 4);
  }
  const options = kept.kept;
  return { metadata, destination, source, regionSectors, tuning, passesDiscardsDown, options };
}

/** Discards are always taken: what they cover need not be copied. */
export function cloneLimits({ source, destination, regionSectors }: CloneLine): TargetLimits {
  const all = [source.device.limits, destination.device.limits];
  const optimal = Math.max(...all.map((each) => each.optimalIoBytes));
  const regionBytes = regionSectors * SECTOR_BYTES;
  return {
    logicalBlockBytes: Math.max(...all.map((each) => each.logicalBlockBytes)),
    optimalIoBytes: optimal > 0 && optimal % regionBytes === 0 ? optimal : regionBytes,
    discard: true,
    writeZeroes: false,
  };
}

/** @returns whether discards are passed down */
function readFeatures(words: Words, kept: KeptWords, tuning: Tuning): boolean {
  let passesDown = true;
  for (let left = kept.number("the number of features", 0, MAX_FEATURES); left > 0; left -= 1) {
    const feature = kept.word("a feature");
    if (feature === "no_hydration") tuning.isEnabled = false;
    else if (feature === "no_discard_passdown") passesDown = false;
    else throw words.wrong("a feature is one of no_hydration, no_discard_passdown");
  }
  return passesDown;
}

function readCoreWords(words: Words, kept: KeptWords, tuning: Tuning): void {
  const count = kept.number("the number of core arguments", 0, MAX_CORE_WORDS);
  if (count % 2 !== 0) throw words.wrong("core arguments come in pairs");
  for (let left = count; left > 0; left -= 2) {
    const name = kept.word("a core argument");
    if (!isTuningName(name))
      throw words.wrong("a core argument is one of hydration_threshold, hydration_batch_size");
    tune(tuning, name, kept.number(name, 0, MAX_U32));
  }
}

type TuningName = "hydration_threshold" | "hydration_batch_size";

function isTuningName(name: string): name is TuningName {
  return name === "hydration_threshold" || name === "hydration_batch_size";
}

function tune(tuning: Tuning, name: TuningName, regions: number): void {
  if (name === "hydration_threshold") tuning.thresholdRegions = regions;
  else tuning.batchRegions = regions;
}

/** Changes what a message says. @throws `usage` */
export function readCloneMessage(message: readonly string[], tuning: Tuning): void {
  const words = new Words("clone", message);
  const name = words.word("the message").toLowerCase();
  if (isTuningName(name)) tune(tuning, name, words.number(name, 0, MAX_U32));
  else if (name === "enable_hydration") tuning.isEnabled = true;
  else if (name === "disable_hydration") tuning.isEnabled = false;
  else
    throw new HoldfastError(
      "usage",
      `clone: there is no message "${name}"; there are enable_hydration, disable_hydration, hydration_threshold REGIONS and hydration_batch_size REGIONS.`,
    );
  words.end();
}
