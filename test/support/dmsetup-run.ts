/** runDmsetup in process, on a host of its own with disks in memory: what it printed, and its exit code. */
import { HoldfastError } from "../../src/base/errors.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { LentDevice } from "../../src/block/lent.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import { runDmsetup } from "../../src/dmsetup/run-dmsetup.ts";
import type { Env } from "../../src/env/env.ts";
import { nodeEnv } from "../../src/env/node/env.ts";
import { makeHost } from "../../src/host/make-host.ts";
import type { OwnedHost } from "../../src/host/owned-host.ts";
import { plainEngine } from "../../src/parity/engine.ts";

export interface DmsetupRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const MEMBERS_AND_TARGETS = { minKiBps: 1000, maxKiBps: 200_000 };

/** "/disks/d0" and so on; files are those of this machine. */
export class DmsetupMachine {
  readonly disks = new Map<string, MemoryDevice>();
  readonly env: Env;
  readonly host: OwnedHost;
  /** Programs that were to be run, with their words; only echo does what it does. */
  readonly programs: string[][] = [];

  /** Paths of the disks that somebody has open. */
  readonly open: string[] = [];

  /** @param parts instead of this machine's own */
  constructor(disks = 2, sectors = 8192, parts: Partial<Env> = {}) {
    for (let at = 0; at < disks; at += 1) {
      const name = `/disks/d${at}`;
      this.disks.set(name, new MemoryDevice({ name, sectors }));
    }
    const real = nodeEnv();
    const files = Object.create(real.files, {
      stat: {
        value: (path: string) => {
          const disk = this.disks.get(path);
          if (disk === undefined) return real.files.stat(path);
          const sizeBytes = disk.sectors * 512;
          return Promise.resolve({ kind: "file", sizeBytes, identity: path });
        },
      },
    }) as Env["files"];
    this.env = { ...real, files, ...parts };
    this.host = makeHost(this.env, {
      parity: () => plainEngine,
      systemLimits: MEMBERS_AND_TARGETS,
      openDevice: (_env, path) => {
        const disk = this.disks.get(path);
        if (disk !== undefined) return Promise.resolve(this.#opened(path, disk));
        throw new HoldfastError("not-found", `There is no ${path}.`);
      },
    });
  }

  #opened(path: string, disk: MemoryDevice): BlockDevice {
    this.open.push(path);
    return new LentDevice(disk, () => {
      this.open.splice(this.open.indexOf(path), 1);
      return Promise.resolve();
    });
  }

  /** @param input standard input */
  async run(words: readonly string[], input = ""): Promise<DmsetupRun> {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runDmsetup(words, {
      env: this.env,
      host: () => Promise.resolve(this.host),
      stdout: (text) => Promise.resolve(void out.push(text)),
      stderr: (text) => Promise.resolve(void err.push(text)),
      runProgram: (path, given) => {
        this.programs.push([path, ...given]);
        if (path === "echo") out.push(`${given.join(" ")}\n`);
        return path.startsWith("/no/")
          ? Promise.reject(new HoldfastError("not-found", `spawn ${path} ENOENT`))
          : Promise.resolve();
      },
      readInput: () => Promise.resolve(input),
      folder: "/disks",
    });
    return { code, stdout: out.join(""), stderr: err.join("") };
  }
}

/** The words of a line as a shell takes them, as far as quotes go. */
export function shellWords(line: string): string[] {
  return [...line.matchAll(/(?:"[^"]*"|'[^']*'|\S)+/g)].map(([word]) =>
    word.replaceAll(/"([^"]*)"|'([^']*)'/g, (_all, one?: string, two?: string) => one ?? two ?? ""),
  );
}
