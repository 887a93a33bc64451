/**
 * Turns PATH arguments into opened and identified devices.
 *
 *   PATH = image file | block device | folder (every regular file in it, by name) | nbd URI | "missing"
 *        | PATH:pN, the Nth partition of PATH, where no file has that whole name
 *
 * A disk is opened once, however it was reached; given twice, the second time is reported and left out. Partitions that
 * hold md members become candidates of their own. What cannot be opened is reported, not fatal, since the rest may
 * do; `errors` lets a caller who disagrees throw. Everything is opened read-only unless asked otherwise, and belongs
 * to the collection: `close` releases it all.
 */
import { unreachable } from "../base/assert.ts";
import { HoldfastError, toHoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES, formatBytes } from "../base/units.ts";
import type { BlockDevice } from "../block/device.ts";
import { openDevice } from "../devices/open.ts";
import { SliceDevice } from "../devices/slice.ts";
import type { Env } from "../env/env.ts";
import type { MdCandidate } from "../md/candidate.ts";
import { deviceReport, identifyDevice } from "./identify.ts";
import type { DeviceIdentity } from "./identify.ts";
import { locateDevice } from "./locate.ts";
import type { DeviceReport } from "./report.ts";

/** How a path that names one device is opened (`openDevice` of src/devices/open.ts). */
export type DeviceOpener = (
  env: Env,
  path: string,
  options: { readonly readOnly: boolean },
) => Promise<BlockDevice & { readonly notes?: readonly string[] }>;

export interface CollectOptions {
  /** True unless told otherwise. */
  readonly readOnly?: boolean;
  readonly open?: DeviceOpener;
}

/** A device that was given, or a partition in one. */
export interface CollectedDevice {
  /** As it was given; in a folder "folder/name"; for a partition "disk.img:p2". */
  readonly path: string;
  readonly device: BlockDevice;
  readonly identity: DeviceIdentity;
  readonly notes: readonly string[];
}

export interface DeviceCollection {
  /** In the order given, each disk followed by its partitions. */
  readonly devices: readonly CollectedDevice[];
  /** One report for each path given or found in a folder, in order, those left out included. */
  readonly reports: readonly DeviceReport[];
  /** Devices and partitions that hold md members. */
  readonly candidates: readonly MdCandidate[];
  /** How often the word "missing" was given. */
  readonly missing: number;
  /** Why paths that were given by name could not be used. */
  readonly errors: readonly HoldfastError[];
  /** One sentence for each thing that was left out, could not be used or read, `errors` included. */
  readonly problems: readonly string[];
  close(): Promise<void>;
}

/** Smaller files in a folder are notes and logs, not disks; no md member is that small either. */
const MIN_IMAGE_BYTES = 64 * 1024;

interface OpenedBase {
  readonly device: BlockDevice & { readonly notes?: readonly string[] };
  readonly identity: DeviceIdentity;
}

/** What one path argument stands for. */
interface Wanted {
  readonly path: string;
  /** The file or URI to open. */
  readonly basePath: string;
  /** Equal for paths that lead to the same device. */
  readonly key: string;
  /** Partition numbers, from the outside in. */
  readonly partitions: readonly number[];
}

type Resolved =
  | { readonly kind: "device"; readonly wanted: Wanted }
  | {
      readonly kind: "left-out";
      readonly path: string;
      readonly sizeBytes: number;
      readonly problem: string;
    }
  | { readonly kind: "failed"; readonly path: string; readonly error: HoldfastError };

function leftOutReport(path: string, sizeBytes: number, problem: string): DeviceReport {
  return { path, sizeBytes, findings: [], partitions: [], problem };
}

async function resolveFolder(env: Env, folder: string): Promise<Resolved[]> {
  const resolved: Resolved[] = [];
  for (const name of await env.files.list(folder)) {
    const path = folder.endsWith("/") ? folder + name : `${folder}/${name}`;
    const stat = await env.files.stat(path);
    if (stat === null || stat.kind !== "file") continue;
    const { sizeBytes, identity } = stat;
    if (sizeBytes < MIN_IMAGE_BYTES) {
      const problem = `${formatBytes(sizeBytes)} are too few for a disk; left out.`;
      resolved.push({ kind: "left-out", path, sizeBytes, problem });
    } else {
      const wanted = { path, basePath: path, key: identity, partitions: [] };
      resolved.push({ kind: "device", wanted });
    }
  }
  return resolved;
}

async function resolvePath(env: Env, path: string): Promise<Resolved[]> {
  const { basePath, disk, partitions, isFolder } = await locateDevice(env, path);
  if (isFolder) return resolveFolder(env, path);
  return [{ kind: "device", wanted: { path, basePath, key: disk, partitions } }];
}

async function resolveAll(env: Env, paths: readonly string[]): Promise<Resolved[]> {
  const resolved: Resolved[] = [];
  for (const path of paths) {
    try {
      resolved.push(...(await resolvePath(env, path)));
    } catch (thrown) {
      resolved.push({ kind: "failed", path, error: toHoldfastError(thrown, path) });
    }
  }
  return resolved;
}

/** A device or a partition on the way into the collection. */
interface Place {
  readonly path: string;
  readonly key: string;
  readonly device: BlockDevice;
  readonly identity: DeviceIdentity;
}

class Collector {
  readonly #env: Env;
  readonly #options: CollectOptions;
  readonly #bases = new Map<string, Promise<OpenedBase>>();
  readonly #slices: BlockDevice[] = [];
  readonly #usedBy = new Map<string, string>();
  readonly devices: CollectedDevice[] = [];
  readonly reports: DeviceReport[] = [];
  readonly candidates: MdCandidate[] = [];
  readonly errors: HoldfastError[] = [];

  constructor(env: Env, options: CollectOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** Starts opening and identifying, all disks at the same time: a slow one delays no other. */
  prepare(resolved: readonly Resolved[]): void {
    for (const each of resolved) {
      if (each.kind !== "device" || this.#bases.has(each.wanted.key)) continue;
      const opening = this.#open(each.wanted.basePath);
      // Awaited in `add`, in order; a failure before that is not unhandled.
      opening.catch(() => undefined);
      this.#bases.set(each.wanted.key, opening);
    }
  }

  async #open(path: string): Promise<OpenedBase> {
    const readOnly = this.#options.readOnly ?? true;
    const device = await (this.#options.open ?? openDevice)(this.#env, path, { readOnly });
    return { device, identity: await identifyDevice(device) };
  }

  async add(resolved: Resolved): Promise<void> {
    switch (resolved.kind) {
      case "left-out":
        this.reports.push(leftOutReport(resolved.path, resolved.sizeBytes, resolved.problem));
        return;
      case "failed":
        this.#fail(resolved.path, resolved.error);
        return;
      case "device":
        try {
          await this.#addDevice(resolved.wanted);
        } catch (thrown) {
          this.#fail(resolved.wanted.path, toHoldfastError(thrown));
        }
        return;
      default:
        unreachable(resolved);
    }
  }

  #fail(path: string, error: HoldfastError): void {
    this.errors.push(error);
    this.reports.push(leftOutReport(path, 0, error.message));
  }

  async #addDevice(wanted: Wanted): Promise<void> {
    const base = await this.#bases.get(wanted.key)!;
    const place = this.#descend(wanted, base);
    const sizeBytes = place.device.sectors * SECTOR_BYTES;
    const before = this.#usedBy.get(place.key);
    if (before !== undefined) {
      const problem = `It is the same device as ${before}; used once.`;
      this.reports.push(leftOutReport(wanted.path, sizeBytes, problem));
      return;
    }
    this.reports.push(deviceReport(place.path, sizeBytes, place.identity));
    this.#claim(place, base.device.notes ?? []);
  }

  /** From the disk to the partition that was named. */
  #descend(wanted: Wanted, base: OpenedBase): Place {
    let place: Place = { path: wanted.basePath, key: wanted.key, ...base };
    for (const number of wanted.partitions) {
      const next = this.#partitionsOf(place).find((each) => each.number === number);
      if (next === undefined) {
        const what = `${place.path} has no partition ${number}; holdfast scan lists those there are.`;
        throw new HoldfastError("not-found", what);
      }
      place = next.open();
    }
    return { ...place, path: wanted.path };
  }

  #partitionsOf(place: Place): { readonly number: number; open(): Place }[] {
    return place.identity.partitions.map(({ partition, identity }) => ({
      number: partition.number,
      open: () => {
        const { number, startSector, sectors } = partition;
        const path = `${place.path}:p${number}`;
        const device = new SliceDevice(place.device, path, startSector, sectors);
        this.#slices.push(device);
        return { path, key: `${place.key}:p${number}`, device, identity };
      },
    }));
  }

  /** Takes the device and the partitions in it; each md member among them becomes a candidate. */
  #claim(place: Place, notes: readonly string[]): void {
    if (this.#usedBy.has(place.key)) return;
    this.#usedBy.set(place.key, place.path);
    const { path, device, identity } = place;
    this.devices.push({ path, device, identity, notes });
    if (identity.superblock !== null)
      this.candidates.push({ path, device, superblock: identity.superblock });
    for (const partition of this.#partitionsOf(place)) this.#claim(partition.open(), []);
  }

  /** Slices first: they borrow the disks. */
  async close(): Promise<void> {
    await Promise.all(this.#slices.map((slice) => slice.close()));
    const opened = await Promise.allSettled(this.#bases.values());
    const devices = opened.flatMap((each) =>
      each.status === "fulfilled" ? [each.value.device] : [],
    );
    await Promise.all(devices.map((device) => device.close()));
  }
}

/** With the path in front, unless it is there already. */
function problemsOf(report: DeviceReport): string[] {
  const { path, problem, partitions } = report;
  const own = problem === null ? [] : [problem.includes(path) ? problem : `${path}: ${problem}`];
  return [...own, ...partitions.flatMap(problemsOf)];
}

/** Rejects only for failures of ours; what is wrong with a path is in `reports` and `errors`. */
export async function collectDevices(
  env: Env,
  paths: readonly string[],
  options: CollectOptions = {},
): Promise<DeviceCollection> {
  const named = paths.filter((path) => path !== "missing");
  const resolved = await resolveAll(env, named);
  const collector = new Collector(env, options);
  collector.prepare(resolved);
  for (const each of resolved) await collector.add(each);
  return {
    devices: collector.devices,
    reports: collector.reports,
    candidates: collector.candidates,
    missing: paths.length - named.length,
    errors: collector.errors,
    problems: collector.reports.flatMap(problemsOf),
    close: () => collector.close(),
  };
}
