/**
 * Mapped devices to measure with, and what they are compared with: files of one size, and for each variant the line for `--concise` that makes a
 * device named "bench" of them. Each variant has files of its own, since files that are written to are had by one server alone.
 */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { join } from "node:path";
import { formatConcise } from "../src/dm/concise.ts";
import { quoteWord } from "../src/dm/table.ts";
import { openDevice } from "../src/devices/open.ts";
import { nodeEnv } from "../src/env/node/env.ts";
import { makeArray, makePlain } from "./arrays.ts";
import type { ArrayName, MadeArray } from "./arrays.ts";
import { provision, REGION_SECTORS, THIN_BLOCK_SECTORS } from "./mapped-stack.mjs";

/** Groups of cells. */
export const MAPPED_NAMES = ["dm-linear", "dm-mirror", "dm-thin", "dm-clone"] as const;
export type MappedName = (typeof MAPPED_NAMES)[number];

/** Variants that are mapped devices. */
export type MappedKind = "linear" | "striped" | "mirror" | "thin";

/** The name of the device that is served. */
export const MAPPED_DEVICE = "bench";

const MIB = 1024 * 1024;
const METADATA_BYTES = 16 * MIB;
const CHUNK_SECTORS = 128;

export type MadeStack = Omit<MadeArray, "name"> & {
  readonly name: ArrayName | MappedName;
  /** By variant. */
  readonly concise: Readonly<Partial<Record<MappedKind, string>>>;
};

function described(name: string, line: string): string {
  return formatConcise({ name, uuid: "", minor: null, readOnly: false, lines: [line] });
}

function device(line: string): string {
  return described(MAPPED_DEVICE, line);
}

function makeEmpty(path: string, bytes: number): string {
  const fd = openSync(path, "w");
  ftruncateSync(fd, bytes);
  closeSync(fd);
  return path;
}

function linear(path: string, sectors: number): string {
  return device(`0 ${sectors} linear ${quoteWord(path)} 0`);
}

/** Both stripes on one file, so that nothing but the target is between it and what it is compared with. */
function striped(path: string, sectors: number): string {
  const word = quoteWord(path);
  const stripes = `${word} 0 ${word} ${sectors / 2}`;
  return device(`0 ${sectors} striped 2 ${CHUNK_SECTORS} ${stripes}`);
}

/** Regions as large as the bitmap's of the array beside it, if the device is as large. */
function mirror(legs: readonly string[], log: string, sectors: number): string {
  const words = legs.map((leg) => `${quoteWord(leg)} 0`).join(" ");
  const regionSectors = Math.min(REGION_SECTORS, 2 ** Math.floor(Math.log2(sectors)));
  const logWords = `disk 3 ${quoteWord(log)} ${regionSectors} nosync`;
  return device(`0 ${sectors} mirror ${logWords} ${legs.length} ${words}`);
}

/** A pool with one device that has all its blocks. */
async function thin(data: string, metadata: string, sectors: number): Promise<string> {
  const opened = await openDevice(nodeEnv(), metadata, { readOnly: false });
  await provision(opened, sectors / THIN_BLOCK_SECTORS);
  await opened.close();
  const words = `${quoteWord(metadata)} ${quoteWord(data)} ${THIN_BLOCK_SECTORS} 0`;
  const pool = described("pool", `0 ${sectors} thin-pool ${words}`);
  return `${pool};${device(`0 ${sectors} thin pool 0`)}`;
}

async function makeMapped(folder: string, name: MappedName, sizeMiB: number): Promise<MadeStack> {
  const sizeBytes = sizeMiB * MIB;
  const sectors = sizeBytes / 512;
  const [plain, first, second] = ["plain", "first", "second"].map((each) =>
    join(folder, `${name}-${each}.img`),
  ) as [string, string, string];
  const metadata = join(folder, `${name}-metadata.img`);
  const made = { name, members: [], plain, sizeBytes };
  switch (name) {
    case "dm-linear":
      makePlain([plain, first, second], sizeBytes);
      return {
        ...made,
        concise: { linear: linear(first, sectors), striped: striped(second, sectors) },
      };
    case "dm-mirror": {
      const { members } = makeArray(folder, "raid1-2", sizeMiB);
      makePlain([first, second], sizeBytes);
      const log = makeEmpty(metadata, MIB);
      return { ...made, members, concise: { mirror: mirror([first, second], log, sectors) } };
    }
    case "dm-thin": {
      makePlain([first, second], sizeBytes);
      const pool = await thin(second, makeEmpty(metadata, METADATA_BYTES), sectors);
      return { ...made, concise: { linear: linear(first, sectors), thin: pool } };
    }
    case "dm-clone":
      makePlain([plain], sizeBytes);
      return { ...made, concise: {} };
  }
}

/** Makes an array, or what mapped devices are made of. @param sizeMiB a multiple of 6 */
export async function makeStack(
  folder: string,
  name: MadeStack["name"],
  sizeMiB: number,
): Promise<MadeStack> {
  return isMapped(name)
    ? makeMapped(folder, name, sizeMiB)
    : { ...makeArray(folder, name, sizeMiB), concise: {} };
}

function isMapped(name: string): name is MappedName {
  return (MAPPED_NAMES as readonly string[]).includes(name);
}

/** New files for a clone of the stack's plain file: its metadata and its destination. */
export function makeCloneFiles(folder: string, { sizeBytes }: MadeStack): [string, string] {
  return [
    makeEmpty(join(folder, "clone-metadata.img"), METADATA_BYTES),
    makeEmpty(join(folder, "clone-destination.img"), sizeBytes),
  ];
}
