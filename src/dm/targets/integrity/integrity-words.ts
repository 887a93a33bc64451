/** The words of an integrity target: `DEVICE START TAG-BYTES|- MODE COUNT OPTION...`. */
import { SECTOR_BYTES } from "../../../base/units.ts";
import { MAX_TAG_BYTES } from "../../../formats/dm-integrity.ts";
import type { TargetContext, TargetDevice } from "../../target.ts";
import type { Words } from "../../words.ts";
import { HASH_NAMES, hashBytes } from "./block-hash.ts";

/** journal: data goes to the journal first; direct: data and tags to their places; bitmap: the same, with bits for what may differ; recovery: tags are not looked at. */
export type IntegrityMode = "journal" | "direct" | "bitmap" | "recovery";

const MODES: Readonly<Record<string, IntegrityMode>> = {
  J: "journal",
  D: "direct",
  B: "bitmap",
  R: "recovery",
};

/** As the table and the table line say it. */
export function modeLetter(mode: IntegrityMode): string {
  return Object.entries(MODES).find(([, each]) => each === mode)![0];
}

const MAX_OPTIONS = 18;
const MAX_U32 = 2 ** 32 - 1;
const MAX_LOG_BUFFER_SECTORS = 22;
const BLOCK_BYTES = [512, 1024, 2048, 4096];
const DEFAULT_INTERLEAVE_SECTORS = 32_768;
const DEFAULT_BUFFER_SECTORS = 128;
const DEFAULT_WATERMARK_PERCENT = 50;
const DEFAULT_COMMIT_MS = 10_000;
const DEFAULT_BIT_SECTORS = 32_768;
const DEFAULT_BITMAP_FLUSH_MS = 10_000;

const SWITCHES = [
  "recalculate",
  "reset_recalculate",
  "allow_discards",
  "fix_padding",
  "fix_hmac",
  "legacy_recalculate",
] as const;

type Switch = (typeof SWITCHES)[number];

/** What stands behind the colon of an option. */
interface Values {
  /** Of a new device; 0: as many as usual. */
  journal_sectors: number;
  interleave_sectors: number;
  buffer_sectors: number;
  journal_watermark: number;
  commit_time: number;
  block_size: number;
  sectors_per_bit: number;
  bitmap_flush_interval: number;
}

const LARGEST: Readonly<Record<keyof Values, number>> = {
  journal_sectors: MAX_U32,
  interleave_sectors: MAX_U32,
  buffer_sectors: MAX_U32,
  journal_watermark: 100,
  commit_time: MAX_U32,
  block_size: MAX_U32,
  sectors_per_bit: Number.MAX_SAFE_INTEGER,
  bitmap_flush_interval: MAX_U32,
};

export interface IntegrityLine {
  readonly data: TargetDevice;
  /** For everything but data; null: the data device has it. */
  readonly meta: TargetDevice | null;
  readonly startSector: number;
  readonly mode: IntegrityMode;
  readonly tagBytes: number;
  readonly hash: string;
  readonly sectorsPerBlock: number;
  /** Of a new device; 0: as many as usual. */
  readonly journalSectors: number;
  readonly interleaveSectors: number;
  readonly bufferSectors: number;
  readonly watermarkPercent: number;
  readonly commitMs: number;
  readonly bitSectors: number;
  readonly bitmapFlushMs: number;
  readonly switches: ReadonlySet<Switch>;
}

class Options {
  readonly values: Values = {
    journal_sectors: 0,
    interleave_sectors: DEFAULT_INTERLEAVE_SECTORS,
    buffer_sectors: DEFAULT_BUFFER_SECTORS,
    journal_watermark: DEFAULT_WATERMARK_PERCENT,
    commit_time: DEFAULT_COMMIT_MS,
    block_size: SECTOR_BYTES,
    sectors_per_bit: DEFAULT_BIT_SECTORS,
    bitmap_flush_interval: DEFAULT_BITMAP_FLUSH_MS,
  };
  readonly switches = new Set<Switch>();
  hash: string | null = null;
  meta: string | null = null;

  read(words: Words): void {
    const option = words.word("an option");
    const colon = option.indexOf(":");
    const name = colon < 0 ? option : option.slice(0, colon);
    const value = colon < 0 ? null : option.slice(colon + 1);
    if (value === null && isSwitch(name)) this.switches.add(name);
    else if (value !== null && name in this.values)
      this.#setNumber(words, name as keyof Values, value);
    else if (value !== null && name === "meta_device") this.meta = value;
    else if (value !== null && name === "internal_hash") this.#setHash(words, value);
    else if (name === "journal_crypt" || name === "journal_mac")
      throw words.wrong("journals with keys are not supported");
    else
      throw words.wrong(
        `an option is one of ${[...SWITCHES, ...Object.keys(this.values).map(withColon), "meta_device:DEVICE", "internal_hash:NAME"].join(", ")}`,
      );
  }

  #setNumber(words: Words, name: keyof Values, text: string): void {
    const value = Number(text);
    const most = LARGEST[name];
    if (!/^\d+$/.test(text) || value > most)
      throw words.wrong(`${name} is a number from 0 to ${most}`);
    if (name === "block_size" && !BLOCK_BYTES.includes(value))
      throw words.wrong(`block_size is one of ${BLOCK_BYTES.join(", ")}`);
    this.values[name] = name === "journal_sectors" ? Math.max(1, value) : value;
  }

  #setHash(words: Words, name: string): void {
    if (name.includes(":") || name.startsWith("hmac("))
      throw words.wrong("hashes with keys are not supported");
    if (hashBytes(name) === null)
      throw words.wrong(`internal_hash is one of ${HASH_NAMES.join(", ")}`);
    this.hash = name;
  }
}

function withColon(name: string): string {
  return `${name}:N`;
}

function isSwitch(name: string): name is Switch {
  return SWITCHES.some((each) => each === name);
}

/** The largest power of 2 that is not larger; 1 for 0. */
function powerBelow(value: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, value)));
}

function readTagBytes(words: Words): number | null {
  if (words.peek !== "-") return words.number("the tag size", 1, MAX_TAG_BYTES);
  words.word("the tag size");
  return null;
}

function readMode(words: Words): IntegrityMode {
  const letter = words.word("the mode");
  if (letter === "I")
    throw words.wrong(
      "mode I needs a device with integrity data of its own, which there is none of",
    );
  const mode = MODES[letter];
  if (mode === undefined) throw words.wrong("the mode is one of J, B, D, R");
  return mode;
}

export async function readIntegrityLine(
  context: TargetContext,
  words: Words,
): Promise<IntegrityLine> {
  const deviceWord = words.word("the device");
  const startSector = words.number("the start");
  const givenTagBytes = readTagBytes(words);
  const mode = readMode(words);
  const options = new Options();
  for (let left = words.number("the number of options", 0, MAX_OPTIONS); left > 0; left -= 1)
    options.read(words);
  words.end();
  const { values, switches, hash } = options;
  if (hash === null)
    throw words.wrong("internal_hash is missing, and nobody else makes tags here", 4);
  const access = context.isReadOnly || mode === "recovery" ? "read-only" : "read-write";
  const data = await context.open(deviceWord, access);
  const meta = options.meta === null ? null : await context.open(options.meta, access);
  if (meta?.key === data.key) throw words.wrong("meta_device is another device than the data's", 1);
  const logBuffer = Math.min(MAX_LOG_BUFFER_SECTORS, Math.log2(powerBelow(values.buffer_sectors)));
  return {
    data,
    meta,
    startSector,
    mode,
    tagBytes: givenTagBytes ?? hashBytes(hash)!,
    hash,
    sectorsPerBlock: values.block_size / SECTOR_BYTES,
    journalSectors: values.journal_sectors,
    interleaveSectors: values.interleave_sectors,
    bufferSectors: 2 ** logBuffer,
    watermarkPercent: values.journal_watermark,
    commitMs: values.commit_time,
    bitSectors: powerBelow(values.sectors_per_bit),
    bitmapFlushMs: values.bitmap_flush_interval,
    switches,
  };
}
