/**
 * The golden images (test/golden/README.md), typed.
 *
 * A case is read with `goldenCases` / `goldenCase`; its disks are unpacked (and checked against their sha256) into
 * memory with `unpackImage`, into sparse files with `unpackToFolder`. `viewAssemblies` turns the mdadm commands of a view into what
 * has to be opened to see the same volume, so that a test can redo what the kernel did.
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decompress } from "fzstd";
import type { BlockDevice } from "../../src/block/device.ts";
import { writeSectors } from "../../src/block/promises.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import { nonZeroBlocks, writeSparse } from "../../scripts/sparse.mjs";

const GOLDEN_FOLDER = fileURLToPath(new URL("../golden", import.meta.url));

export interface GoldenMember {
  /** File name inside the case's folder, "d0.img.zst". */
  readonly image: string;
  readonly bytes: number;
  /** Of the unpacked image. */
  readonly sha256: string;
  readonly dev: string;
  /** Slot, or "journal", "none" (a spare), "-" (the kernel did not take it). Absent in dm and lvm cases. */
  readonly role?: number | string;
  /** Sysfs files of the member, by name. */
  readonly kernel?: Readonly<Record<string, string>>;
  readonly superblock_role?: string;
  readonly examine?: string;
  readonly examine_bitmap?: string;
  readonly use?: string;
}

/** What was read from a volume. */
export interface GoldenRead {
  readonly bytes: number;
  readonly sha256: string;
  /** Number of runs; `map` has at most the first 120. */
  readonly runs: number;
  /** "START COUNT KIND", in sectors. */
  readonly map: readonly string[];
  readonly map_cut?: boolean;
  readonly detail?: string;
  readonly mdstat?: string;
  readonly sysfs?: Readonly<Record<string, string>>;
  readonly table?: string;
  readonly status?: string;
}

export interface GoldenTree {
  readonly sha256_of_list: string;
  readonly files?: Readonly<Record<string, string>>;
}

export interface GoldenView {
  readonly name: string;
  readonly mode: "ro" | "rw";
  readonly commands: readonly string[];
  readonly volumes: Readonly<Record<string, GoldenRead>>;
  readonly trees?: Readonly<Record<string, GoldenTree>>;
  /** Labels of which nothing could be read. */
  readonly refused?: readonly string[];
  readonly log: string;
  readonly members_changed_by_view: readonly number[];
  /** The kernel itself read different bytes from time to time. */
  readonly unstable?: boolean;
  readonly note?: string;
}

export interface GoldenArtefact {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface GoldenCase {
  readonly name: string;
  readonly kind: "md" | "dm" | "lvm";
  readonly family: string;
  readonly summary: string;
  readonly state: string;
  readonly level?: string;
  readonly layout?: string;
  readonly layout_number?: number;
  readonly chunk_kib?: number;
  readonly metadata?: string;
  /** As sysfs has it: "4", during a reshape "5 (4)". */
  readonly raid_disks?: string;
  readonly component_size_kib?: number;
  readonly array_bytes?: number;
  readonly resync_start?: string;
  readonly reshape_position?: string;
  readonly seeds?: readonly string[];
  readonly members: readonly GoldenMember[];
  readonly build: readonly {
    readonly commands: readonly string[];
    readonly log: string;
    readonly killed_after_ready_s?: number;
  }[];
  readonly read_before_stop?: Readonly<Record<string, GoldenRead>>;
  readonly trees?: Readonly<Record<string, GoldenTree>>;
  readonly views: readonly GoldenView[];
  readonly artefacts?: Readonly<Record<string, GoldenArtefact>>;
}

interface IndexEntry {
  readonly name: string;
  readonly kind: GoldenCase["kind"];
  readonly family: string;
}

export interface GoldenFilter {
  readonly kind?: GoldenCase["kind"];
  readonly family?: string;
  /** Whole name, or a pattern. */
  readonly name?: string | RegExp;
}

function matches(entry: IndexEntry, filter: GoldenFilter): boolean {
  if (filter.kind !== undefined && entry.kind !== filter.kind) return false;
  if (filter.family !== undefined && entry.family !== filter.family) return false;
  if (filter.name === undefined) return true;
  return typeof filter.name === "string"
    ? entry.name === filter.name
    : filter.name.test(entry.name);
}

/** The cases that match, in the index's order. Throws if none does: a filter that selects nothing tests nothing. */
export function goldenCases(filter: GoldenFilter = {}): GoldenCase[] {
  const index = JSON.parse(readFileSync(join(GOLDEN_FOLDER, "index.json"), "utf8")) as IndexEntry[];
  const chosen = index.filter((entry) => matches(entry, filter));
  if (chosen.length === 0) throw new Error(`no golden case matches ${JSON.stringify(filter)}`);
  return chosen.map((entry) => {
    const path = join(GOLDEN_FOLDER, entry.name, "case.json");
    return JSON.parse(readFileSync(path, "utf8")) as GoldenCase;
  });
}

export function goldenCase(name: string): GoldenCase {
  const found = goldenCases({ name })[0];
  if (found === undefined) throw new Error(`no golden case is called ${name}`);
  return found;
}

export function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function unpackChecked(
  golden: GoldenCase,
  file: string,
  bytes: number,
  digest: string,
): Uint8Array {
  // Without an output buffer of ours: fzstd is 14 times slower when it is given one.
  const data = decompress(readFileSync(join(GOLDEN_FOLDER, golden.name, file)));
  const found = sha256(data);
  if (data.length !== bytes || found !== digest) {
    throw new Error(`${golden.name}/${file} unpacks to ${data.length} bytes with sha256 ${found}`);
  }
  return data;
}

/** The bytes of disk `index`, a fresh buffer each time. Throws if they are not what case.json says. */
export function unpackImage(golden: GoldenCase, index: number): Uint8Array {
  const member = golden.members[index];
  if (member === undefined) throw new Error(`${golden.name} has no disk ${index}`);
  return unpackChecked(golden, member.image, member.bytes, member.sha256);
}

/** Disk `index` as a device in memory; what a test writes to it stays there. */
export async function goldenDisk(golden: GoldenCase, index: number): Promise<BlockDevice> {
  const data = unpackImage(golden, index);
  const name = `${golden.name}/d${index}`;
  const device = new MemoryDevice({ name, sectors: data.length / 512 });
  for (const { start, block } of nonZeroBlocks(data)) {
    await writeSectors(device, start / 512, block);
  }
  return device;
}

/** The bytes of an artefact, by its key in `artefacts` ("backup.bin"). */
export function unpackArtefact(golden: GoldenCase, name: string): Uint8Array {
  const artefact = golden.artefacts?.[name];
  if (artefact === undefined) throw new Error(`${golden.name} has no artefact ${name}`);
  return unpackChecked(golden, artefact.file, artefact.bytes, artefact.sha256);
}

export interface UnpackedCase {
  readonly folder: string;
  /** Path of each disk, by index: ".../d0.img". */
  readonly disks: readonly string[];
  /** Path of each artefact, by its key. */
  readonly artefacts: ReadonlyMap<string, string>;
  remove(): void;
}

/** Writes all disks and artefacts of a case as sparse files into a new temporary folder. */
export function unpackToFolder(golden: GoldenCase): UnpackedCase {
  const folder = mkdtempSync(join(tmpdir(), `holdfast-${golden.name}-`));
  const disks = golden.members.map((_, index) => {
    const path = join(folder, `d${index}.img`);
    writeSparse(path, unpackImage(golden, index));
    return path;
  });
  const artefacts = new Map<string, string>();
  for (const name of Object.keys(golden.artefacts ?? {})) {
    mkdirSync(join(folder, "artefacts"), { recursive: true });
    const path = join(folder, "artefacts", name);
    writeSparse(path, unpackArtefact(golden, name));
    artefacts.set(name, path);
  }
  return { folder, disks, artefacts, remove: () => rmSync(folder, { recursive: true }) };
}

/** One `mdadm -A` of a view and what was read from its array. */
export interface ViewAssembly {
  /** Indexes of the disks, in the order in which mdadm got them. */
  readonly devices: readonly number[];
  /** Indexes of the md disks of the case that it did not get. */
  readonly missing: readonly number[];
  /** -o: nothing may be written. */
  readonly readonly: boolean;
  /** --run: start although members are missing. */
  readonly run: boolean;
  readonly force: boolean;
  /** Path in the guest; the artefact has the same content. */
  readonly backupFile: string | null;
  /** Path in the guest of an external bitmap. */
  readonly bitmapFile: string | null;
  /** Key in the view's `volumes`, if the array was read. */
  readonly label: string | null;
  /** The kernel or mdadm declined, or what it started could not be read. */
  readonly refused: boolean;
  readonly read: GoldenRead | null;
}

function optionValue(words: readonly string[], short: string, long: string): string | null {
  const at = words.indexOf(short);
  if (at >= 0) return words[at + 1] ?? null;
  const word = words.find((each) => each.startsWith(`${long}=`));
  return word === undefined ? null : word.slice(long.length + 1);
}

/** `mdlook /dev/md0 resynced.without-d0` reads the label "without-d0"; one without a dot is "volume". */
function labelOf(view: GoldenView, word: string): string {
  return word === view.name ? "volume" : word.slice(word.indexOf(".") + 1);
}

function assembly(golden: GoldenCase, view: GoldenView, at: number): ViewAssembly {
  const words = (view.commands[at] ?? "").split(/\s+/);
  const devices = words.flatMap((word) => (/^\$d\d+$/.test(word) ? [Number(word.slice(2))] : []));
  const rest = view.commands.slice(at + 1);
  const next = rest.findIndex((command) => command.startsWith("mdadm -A"));
  const look = rest
    .slice(0, next < 0 ? rest.length : next)
    .find((command) => command.startsWith("mdlook "));
  const label = look === undefined ? null : labelOf(view, look.split(/\s+/)[2] ?? "");
  const isMember = (index: number): boolean =>
    (golden.members[index]?.use ?? "member") === "member";
  return {
    devices,
    missing: golden.members.map((_, i) => i).filter((i) => isMember(i) && !devices.includes(i)),
    readonly: words.includes("-o"),
    run: words.includes("--run") || words.includes("-R"),
    force: words.includes("--force") || words.includes("-f"),
    backupFile: optionValue(words, "--backup-file", "--backup-file"),
    bitmapFile: optionValue(words, "-b", "--bitmap"),
    label,
    refused: label !== null && (view.refused ?? []).includes(label),
    read: label === null ? null : (view.volumes[label] ?? null),
  };
}

/** The assemblies of an md view, in order; `ro` views have exactly one. */
export function viewAssemblies(golden: GoldenCase, view: GoldenView): ViewAssembly[] {
  return view.commands.flatMap((command, at) =>
    command.startsWith("mdadm -A") ? [assembly(golden, view, at)] : [],
  );
}
