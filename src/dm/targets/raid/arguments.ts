/**
 * The words of a raid's table line: TYPE COUNT CHUNK [PARAMETER [VALUE]]... DEVICES (METADATA DATA)..., with `-` for what is not there.
 * Parameters come in any order; `table` shows them in the kernel's.
 */
import { isPowerOfTwo } from "../../../formats/md/shape-check.ts";
import { quoteWord } from "../../table.ts";
import type { Words } from "../../words.ts";
import { RAID10_FORMATS, RAID_TYPE_NAMES, raid10Layout, raidType } from "./types.ts";
import type { Raid10Format, RaidType } from "./types.ts";

/** md's limit for the target. */
const MAX_DEVICES = 253;
const MAX_VALUE = 0x7fff_ffff;

/** In the order of `table`. */
const NUMBERS = [
  "daemon_sleep",
  "min_recovery_rate",
  "max_recovery_rate",
  "max_write_behind",
  "stripe_cache",
  "region_size",
  "raid10_copies",
  "data_offset",
] as const;
type NumberName = (typeof NUMBERS)[number];

const JOURNAL_MODES = ["writethrough", "writeback"] as const;

/** What a set without redundancy takes; the kernel's RAID0_VALID_FLAGS. */
const RAID0_PARAMETERS: readonly string[] = ["data_offset"];

export interface RaidArguments {
  readonly type: RaidType;
  readonly chunkSectors: number;
  readonly sync: "as-recorded" | "sync" | "nosync";
  readonly nearSets: boolean;
  readonly rebuild: ReadonlySet<number>;
  readonly writeMostly: ReadonlySet<number>;
  readonly numbers: ReadonlyMap<NumberName, number>;
  readonly format: Raid10Format | null;
  readonly journal: RaidJournal | null;
  /** md's. */
  readonly layout: number;
  readonly devices: readonly { readonly metadata: string | null; readonly data: string | null }[];
}

/** The device that stripe writes go to first. */
export interface RaidJournal {
  readonly device: string;
  /** As the table says it; null: it does not, which is writethrough. */
  readonly mode: (typeof JOURNAL_MODES)[number] | null;
}

interface Parameters {
  sync: RaidArguments["sync"];
  nearSets: boolean;
  readonly rebuild: Set<number>;
  readonly writeMostly: Set<number>;
  readonly numbers: Map<NumberName, number>;
  format: Raid10Format | null;
  journal: RaidJournal | null;
}

/** @throws HoldfastError `usage` naming the word, `unsupported` what kernels can do and this cannot */
export function parseRaid(words: Words): RaidArguments {
  const type = raidType(words.choice("the raid type", RAID_TYPE_NAMES));
  const group = words.group("raid parameters");
  const chunkSectors = parseChunk(group, type);
  const parameters = parseParameters(group, type);
  const devices = parseDevices(words, type);
  words.end();
  for (const index of [...parameters.rebuild, ...parameters.writeMostly])
    if (index >= devices.length)
      throw words.wrong(`rebuild and write_mostly name a device below ${devices.length}`);
  if (parameters.writeMostly.size >= devices.length)
    throw words.wrong("write_mostly cannot be said of all devices");
  if (parameters.rebuild.size > 0 && parameters.sync !== "as-recorded")
    throw words.wrong("rebuild and sync or nosync exclude each other");
  const { nearSets, numbers, format } = parameters;
  const copies = numbers.get("raid10_copies") ?? 2;
  if (type.level === "raid10" && copies > devices.length)
    throw words.wrong(`${copies} copies do not fit on ${devices.length} devices`);
  if (type.level === "raid10" && nearSets && (format ?? "near") === "near")
    throw words.wrong("raid10_use_near_sets is not for the format near");
  const layout =
    type.level === "raid10" ? raid10Layout(format ?? "near", copies, nearSets) : type.layout;
  return { type, chunkSectors, layout, devices, ...parameters };
}

function parseChunk(group: Words, { level }: RaidType): number {
  const chunk = group.number("the chunk size in sectors", 0, MAX_VALUE);
  if (level === "raid1") return 0;
  if (chunk < 8 || !isPowerOfTwo(chunk))
    throw group.wrong("the chunk size is a power of two from 8 on");
  return chunk;
}

function parseParameters(group: Words, type: RaidType): Parameters {
  const found: Parameters = {
    sync: "as-recorded",
    nearSets: false,
    rebuild: new Set(),
    writeMostly: new Set(),
    numbers: new Map(),
    format: null,
    journal: null,
  };
  while (group.left > 0) parseParameter(group, type, found);
  const { numbers } = found;
  const most = numbers.get("max_recovery_rate") ?? 0;
  if (most > 0 && (numbers.get("min_recovery_rate") ?? 0) > most)
    throw group.wrong("min_recovery_rate lies above max_recovery_rate");
  return found;
}

function parseParameter(group: Words, type: RaidType, found: Parameters): void {
  const name = group.word("a parameter").toLowerCase();
  if (type.level === "raid0" && !RAID0_PARAMETERS.includes(name) && isKnown(name))
    throw group.wrong(`it is not for ${type.name}`);
  switch (name) {
    case "sync":
    case "nosync":
      if (found.sync !== "as-recorded") throw group.wrong("sync or nosync is said once");
      if (name === "nosync" && type.level === "raid6")
        throw group.wrong("the parity of a raid6 is always made");
      found.sync = name;
      return;
    case "raid10_use_near_sets":
      if (type.level !== "raid10") throw group.wrong("it is only for raid10");
      found.nearSets = true;
      return;
    case "delta_disks":
      throw group.wrong("a set that is reshaped to another number of devices is not served");
    case "journal_dev":
    case "journal_mode":
      found.journal = parseJournal(group, type, name, found.journal);
      return;
    case "rebuild": {
      const index = group.number("the index of the device", 0, MAX_DEVICES - 1);
      if (found.rebuild.has(index)) throw group.wrong("it is said once of a device");
      found.rebuild.add(index);
      return;
    }
    case "write_mostly":
      if (type.level !== "raid1") throw group.wrong("it is only for raid1");
      found.writeMostly.add(group.number("the index of the device", 0, MAX_DEVICES - 1));
      return;
    case "raid10_format":
      if (type.level !== "raid10") throw group.wrong("it is only for raid10");
      found.format = group.choice("the format", RAID10_FORMATS);
      return;
    default:
      parseNumber(group, type, name, found.numbers);
  }
}

function isKnown(name: string): boolean {
  return (
    NUMBERS.some((each) => each === name) ||
    ["sync", "nosync", "rebuild", "write_mostly", "journal_dev", "journal_mode"].includes(name)
  );
}

/** The device first, as kernels want it. */
function parseJournal(
  group: Words,
  type: RaidType,
  name: "journal_dev" | "journal_mode",
  journal: RaidJournal | null,
): RaidJournal {
  if (type.parityDevices === 0) throw group.wrong("it is only for raid4, raid5 and raid6");
  if (name === "journal_dev") {
    if (journal !== null) throw group.wrong("it is said once");
    return { device: group.word("the journal device"), mode: null };
  }
  if (journal === null) throw group.wrong("journal_dev is to be said before it");
  if (journal.mode !== null) throw group.wrong("it is said once");
  return { ...journal, mode: group.choice("the journal's mode", JOURNAL_MODES) };
}

const ONLY_FOR: Partial<Record<NumberName, readonly string[]>> = {
  max_write_behind: ["raid1"],
  stripe_cache: ["raid5", "raid6"],
  raid10_copies: ["raid10"],
};

function parseNumber(
  group: Words,
  type: RaidType,
  word: string,
  numbers: Map<NumberName, number>,
): void {
  const name = NUMBERS.find((each) => each === word);
  if (name === undefined) throw group.wrong("no such parameter is known");
  if (numbers.has(name)) throw group.wrong("it is said once");
  const levels = ONLY_FOR[name];
  if (levels !== undefined && !levels.includes(type.level))
    throw group.wrong(`it is not for ${type.name}`);
  const value = group.number(`the value of ${name}`, name === "raid10_copies" ? 2 : 0, MAX_VALUE);
  if (name === "data_offset" && value !== 0)
    throw group.wrong("a set whose data are moved to another offset is not served");
  if (name === "region_size" && value !== 0 && !isPowerOfTwo(value))
    throw group.wrong("the region size is a power of two");
  numbers.set(name, value);
}

function parseDevices(words: Words, type: RaidType): RaidArguments["devices"] {
  const count = words.number("the number of devices", type.parityDevices + 1, MAX_DEVICES);
  return Array.from({ length: count }, (_unused, index) => {
    const metadata = orNone(words.word(`the metadata device ${index}`));
    const data = orNone(words.word(`the data device ${index}`));
    if (metadata !== null && data === null)
      throw words.wrong("without a data device there is no metadata device");
    return { metadata, data };
  });
}

function orNone(word: string): string | null {
  return word === "-" ? null : word;
}

export interface RaidIds {
  readonly places: readonly { readonly metadata: string | null; readonly data: string | null }[];
  readonly journal: string | null;
}

/** As `dmsetup table` shows it. @param ids of the devices, null: none @param regionSectors in use */
export function raidTable(
  raid: RaidArguments,
  { places, journal }: RaidIds,
  regionSectors: number,
): string {
  const { type, chunkSectors, sync, rebuild, writeMostly, numbers, format, nearSets } = raid;
  const mode = raid.journal?.mode ?? null;
  const number = (name: NumberName): (string | number)[] => {
    const value = numbers.get(name);
    return value === undefined ? [] : [name, value];
  };
  const ascending = (set: ReadonlySet<number>): number[] => [...set].sort((a, b) => a - b);
  const parameters = [
    chunkSectors,
    ...(sync === "as-recorded" ? [] : [sync]),
    ...ascending(rebuild).flatMap((index) => ["rebuild", index]),
    ...number("daemon_sleep"),
    ...number("min_recovery_rate"),
    ...number("max_recovery_rate"),
    ...ascending(writeMostly).flatMap((index) => ["write_mostly", index]),
    ...number("max_write_behind"),
    ...number("stripe_cache"),
    ...(numbers.has("region_size") ? ["region_size", regionSectors] : []),
    ...number("raid10_copies"),
    ...(format === null ? [] : ["raid10_format", format]),
    ...(nearSets ? ["raid10_use_near_sets"] : []),
    ...number("data_offset"),
    ...(journal === null ? [] : ["journal_dev", quoteWord(journal)]),
    ...(mode === null ? [] : ["journal_mode", mode]),
  ];
  const shown = (id: string | null): string => (id === null ? "-" : quoteWord(id));
  const devices = places.flatMap(({ metadata, data }) => [shown(metadata), shown(data)]);
  return [type.name, parameters.length, ...parameters, places.length, ...devices].join(" ");
}
