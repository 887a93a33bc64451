/** Measures the load cells of one array in one place: servers stay up for all of them, and take turns. */
import { closeSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import type { LoadCell, LoadVariant } from "./cells.ts";
import { MAPPED_DEVICE } from "./mapped.ts";
import type { MadeStack } from "./mapped.ts";
import { cpuUs, rssMiB } from "./measure.ts";
import { runChecked } from "./processes.ts";
import type { Run, Variant } from "./results.ts";
import { startServer } from "./servers.ts";
import type { RunningServer, ServerPlace } from "./servers.ts";
import { rounded } from "./stats.ts";
import { isWriting, runLoad } from "./workload.ts";
import type { Workload } from "./workload.ts";

/** Enough for V8 to compile what is hot. */
export const WARM_UP_SECONDS = 0.4;

export interface Effort {
  readonly repetitions: number;
  readonly seconds: number;
}

/** What a variant serves: files, or what makes a mapped device of them. */
export function filesOf(
  array: MadeStack,
  { files }: Pick<LoadVariant, "files">,
): readonly string[] {
  switch (files) {
    case "plain":
      return [array.plain];
    case "members":
      return array.members;
    case "members-but-one":
      return array.members.map((path, slot) => (slot === 1 ? "missing" : path));
    default:
      return [`--concise=${array.concise[files]}`, `--volume=${MAPPED_DEVICE}`];
  }
}

/** Arrays with redundancy are written to as they are, for that is what writing to them costs. */
export function writesOf({ name }: MadeStack, workload: Workload): ServerPlace["writes"] {
  if (!isWriting(workload)) return "none";
  return name === "linear" || name === "raid0-2" ? "overlay" : "members";
}

/** What earlier cells wrote into a file has to reach the disk first: dirty pages cannot be dropped. */
function writeBack(file: string): void {
  const fd = openSync(file, "r+");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** dd asks the kernel to drop the whole file when it is to read nothing of it without caching. */
async function dropFromCache(files: readonly string[]): Promise<void> {
  for (const file of files) {
    if (file === "missing") continue;
    writeBack(file);
    await runChecked("dd", [`if=${file}`, "iflag=nocache", "count=0"], 20);
  }
}

export class LoadBench {
  readonly #array: MadeStack;
  readonly #folder: string;
  readonly #servers = new Map<string, Promise<RunningServer>>();
  readonly #warm = new Set<string>();

  /** @param folder for sockets and overlays; exists */
  constructor(array: MadeStack, folder: string) {
    this.#array = array;
    this.#folder = folder;
  }

  /** One server for all cells that read, another for those that write. */
  #server(name: string, variant: LoadVariant, workload: Workload): Promise<RunningServer> {
    const key = `${name}-${isWriting(workload) ? "rw" : "ro"}`;
    const known = this.#servers.get(key);
    if (known !== undefined) return known;
    const folder = join(this.#folder, key);
    mkdirSync(folder);
    const files = filesOf(this.#array, variant);
    const starting = startServer(variant.server, {
      files,
      writes: writesOf(this.#array, workload),
      folder,
    });
    this.#servers.set(key, starting);
    return starting;
  }

  async #warmUp(server: RunningServer, workload: Workload): Promise<void> {
    const key = `${server.uri} ${workload.rw}`;
    if (this.#warm.has(key)) return;
    this.#warm.add(key);
    const load = { uri: server.uri, seconds: WARM_UP_SECONDS, seed: 99, folder: this.#folder };
    await runLoad({ ...workload, isCold: false }, load);
  }

  async #measure(
    cell: LoadCell,
    name: string,
    variant: LoadVariant,
    repetition: number,
    seconds: number,
  ): Promise<Run> {
    const server = await this.#server(name, variant, cell.workload);
    await this.#warmUp(server, cell.workload);
    if (cell.workload.isCold) await dropFromCache(filesOf(this.#array, variant));
    const before = cpuUs(server.pid);
    const { requests, run } = await runLoad(cell.workload, {
      uri: server.uri,
      seconds,
      seed: repetition + 1,
      folder: this.#folder,
    });
    const figures = {
      ...run,
      cpuUsPerRequest: (cpuUs(server.pid) - before) / requests,
      rssMiB: rssMiB(server.pid),
    };
    return Object.fromEntries(
      Object.entries(figures).map(([metric, value]) => [metric, rounded(value)]),
    );
  }

  /** All variants in turns: A B C, A B C, ... A variant that fails once is left out from then on, with what it said. */
  async measure(
    cell: LoadCell,
    skipped: ReadonlyMap<string, string>,
    { repetitions, seconds }: Effort,
  ): Promise<Record<string, Variant>> {
    const runs = new Map<string, Run[]>();
    const failed = new Map<string, string>(skipped);
    for (let repetition = 0; repetition < repetitions; repetition += 1) {
      for (const [name, variant] of Object.entries(cell.variants)) {
        if (failed.has(name)) continue;
        try {
          const run = await this.#measure(cell, name, variant, repetition, seconds);
          runs.set(name, [...(runs.get(name) ?? []), run]);
        } catch (error) {
          failed.set(name, error instanceof Error ? error.message : String(error));
        }
      }
    }
    return Object.fromEntries(
      Object.keys(cell.variants).map((name) => {
        const reason = failed.get(name);
        const variant: Variant =
          reason === undefined
            ? { kind: "measured", runs: runs.get(name) ?? [] }
            : { kind: "skipped", reason };
        return [name, variant];
      }),
    );
  }

  async close(): Promise<void> {
    for (const starting of this.#servers.values()) {
      const server = await starting.catch(() => null);
      await server?.stop();
    }
  }
}
