/** A host of arrays on disks in memory, in virtual time. */
import { HoldfastError } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import type { Env } from "../../src/env/env.ts";
import type {
  AssembleCall,
  AssembleOutcome,
  CreateCall,
  CreateOutcome,
  HostEvent,
} from "../../src/host/array-host.ts";
import type { ServedArray } from "../../src/host/listener.ts";
import { LocalArrayHost } from "../../src/host/local-host.ts";
import type { ArrayView } from "../../src/md/view/array-view.ts";
import { createParityEngine } from "../../src/parity/engine.ts";
import type { ParityEngine } from "../../src/parity/engine.ts";
import { ArrayDevice } from "./array-device.ts";
import { randomBytes } from "./bytes.ts";
import { sha256 } from "./golden.ts";
import { VirtualTime } from "./virtual-time.ts";

let engine: ParityEngine | undefined;

export class HostWorld {
  readonly time = new VirtualTime();
  readonly disks = new Map<string, ArrayDevice>();
  /** Paths that may only be read. */
  readonly readable = new Set<string>();
  readonly systemLimits = { minKiBps: 1000, maxKiBps: 200_000 };
  readonly env: Env;
  host: LocalArrayHost;

  constructor(seed = 1) {
    const prng = new Prng(seed);
    const { time, disks } = this;
    this.env = {
      clock: time,
      timers: time,
      random: { bytes: (count: number) => randomBytes(prng, count) },
      files: {
        stat: (path: string) => {
          const disk = disks.get(path);
          if (disk === undefined) return Promise.resolve(null);
          return Promise.resolve({ kind: "file", sizeBytes: disk.sectors * 512, identity: path });
        },
      },
    } as unknown as Env;
    this.host = this.#newHost();
  }

  #newHost(): LocalArrayHost {
    return new LocalArrayHost(this.env, {
      parity: () => (engine ??= createParityEngine()),
      systemLimits: this.systemLimits,
      openDevice: (_env, path, { readOnly }) => {
        const disk = this.disks.get(path);
        if (disk === undefined)
          return Promise.reject(new HoldfastError("not-found", `there is no ${path}`));
        if (!readOnly && this.readable.has(path))
          return Promise.reject(new HoldfastError("permission", `${path} may not be written`));
        if (!readOnly) return Promise.resolve(disk);
        const shown = new ArrayDevice(0, { readOnly: true }, path);
        return Promise.resolve(Object.assign(shown, { sectors: disk.sectors, bytes: disk.bytes }));
      },
    });
  }

  /** Paths of new disks, empty. */
  addDisks(count: number, sectors = 8 * 2048): string[] {
    return Array.from({ length: count }, () => {
      const path = `/disks/d${this.disks.size}`;
      this.disks.set(path, new ArrayDevice(sectors, {}, path));
      return path;
    });
  }

  addDisk(path: string, bytes: Uint8Array): void {
    const disk = new ArrayDevice(bytes.length / 512, {}, path);
    disk.bytes.set(bytes);
    this.disks.set(path, disk);
  }

  /** The process ends without a word; another one has the same disks. */
  crash(): void {
    for (const [path, { sectors, bytes }] of this.disks) {
      const disk = new ArrayDevice(sectors, {}, path);
      disk.bytes.set(bytes);
      this.disks.set(path, disk);
    }
    this.time.clear();
    this.host = this.#newHost();
  }

  bytesOf(path: string): Uint8Array {
    return this.disks.get(path)!.bytes;
  }

  /** What is on all disks, to be compared. */
  snapshot(): string[] {
    return [...this.disks.values()].map(({ bytes }) => sha256(bytes));
  }

  do<T>(promise: Promise<T>): Promise<T> {
    return this.time.until(promise);
  }

  create(
    devices: readonly (string | null)[],
    more: Partial<CreateCall> = {},
  ): Promise<CreateOutcome> {
    return this.do(this.host.create(createCall(devices, more)));
  }

  assemble(devices: readonly string[], more: Partial<AssembleCall> = {}): Promise<AssembleOutcome> {
    return this.do(this.host.assemble(assembleCall(devices, more)));
  }

  view(array = "md0"): Promise<ArrayView> {
    return this.host.array(array);
  }

  /** So much time passes, and what is to be done in it is done. */
  idle(ms: number): Promise<void> {
    return this.do(
      new Promise((resolve) => {
        this.time.set(ms, resolve);
      }),
    );
  }

  /** Until nothing is to be done in the background. */
  async quiet(array = "md0"): Promise<ArrayView> {
    await this.do(this.host.wait(array));
    return this.view(array);
  }

  /** Of the array that appeared last. */
  volume(): BlockDevice {
    const served: ServedArray[] = [];
    const end = this.host.listen({
      appeared: (one) => served.push(one),
      leaving: () => Promise.resolve(),
    });
    end();
    return served.at(-1)!.volume;
  }

  async stop(array = "md0"): Promise<void> {
    await this.do(this.host.stop({ array, force: false }));
  }

  async events(after = 0): Promise<readonly HostEvent[]> {
    await Promise.resolve();
    return this.host.events({ after, waitMs: 0 });
  }

  /** "KIND" or "KIND device", without those that only say that something changed. */
  async told(after = 0): Promise<string[]> {
    const events = await this.events(after);
    return events
      .filter(({ kind }) => kind !== "Changed")
      .map(({ kind, device }) => (device === null ? kind : `${kind} ${device}`));
  }
}

export function createCall(
  devices: readonly (string | null)[],
  more: Partial<CreateCall> = {},
): CreateCall {
  return {
    names: { kernelName: null, path: "/dev/md0" },
    devices: devices.map((path) =>
      path === null ? null : { path, writeMostly: false, failFast: false, dataOffsetSectors: null },
    ),
    journal: null,
    version: "1.2",
    level: "raid1",
    layout: null,
    chunkSectors: null,
    raidDisks: devices.length - (more.spareDisks ?? 0),
    spareDisks: 0,
    componentSectors: null,
    dataOffsetSectors: null,
    bitmap: null,
    consistencyPolicy: null,
    assumeClean: false,
    force: false,
    name: "data",
    homehost: "host",
    uuid: null,
    readOnly: false,
    writeZeroes: false,
    dryRun: false,
    ...more,
  };
}

export function assembleCall(
  devices: readonly string[],
  more: Partial<AssembleCall> = {},
): AssembleCall {
  return {
    names: { kernelName: null, path: "/dev/md0" },
    devices,
    mode: "read-write",
    force: false,
    run: false,
    noDegraded: false,
    update: null,
    ...more,
  };
}
