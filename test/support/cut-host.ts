/** A host of arrays on disks whose power can be cut at any request, and the next host on what they hold then. */
import { HoldfastError } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import type { Env } from "../../src/env/env.ts";
import type { AssembleCall, AssembleOutcome, CreateCall } from "../../src/host/array-host.ts";
import { LocalArrayHost } from "../../src/host/local-host.ts";
import type { ServedArray } from "../../src/host/listener.ts";
import { createParityEngine } from "../../src/parity/engine.ts";
import type { ParityEngine } from "../../src/parity/engine.ts";
import { randomBytes } from "./bytes.ts";
import { settled } from "./crash-disks.ts";
import { CutDisks } from "./cut-disks.ts";
import { assembleCall, createCall } from "./host-world.ts";
import { VirtualTime } from "./virtual-time.ts";

let engine: ParityEngine | undefined;
const TURNS = 200_000;

export class CutHost {
  readonly host: LocalArrayHost;
  /** Requests ended so far. */
  steps = 0;
  /** After these a cut would leave more than one possible content. */
  readonly writing: number[] = [];
  readonly #disks: CutDisks;
  readonly #time = new VirtualTime();

  /** Its disks write 4 KiB as a whole, as a superblock of version 0.90 needs it. */
  constructor(seed: number, images: readonly Uint8Array[]) {
    const prng = new Prng(seed);
    this.#disks = new CutDisks(prng, images, 8);
    const at = (path: string) => this.#disks.disks[Number(path.slice("/disks/d".length))];
    const env = {
      clock: this.#time,
      timers: this.#time,
      random: { bytes: (count: number) => randomBytes(prng, count) },
      files: {
        stat: (path: string) => {
          const sizeBytes = (at(path)?.sectors ?? 0) * 512;
          return Promise.resolve({ kind: "file", sizeBytes, identity: path });
        },
      },
    } as unknown as Env;
    this.host = new LocalArrayHost(env, {
      parity: () => (engine ??= createParityEngine()),
      systemLimits: { minKiBps: 1000, maxKiBps: 200_000 },
      openDevice: (_env, path) => {
        const disk = at(path);
        return disk === undefined
          ? Promise.reject(new HoldfastError("not-found", `there is no ${path}`))
          : Promise.resolve(disk);
      },
    });
  }

  get paths(): string[] {
    return this.#disks.disks.map((_disk, index) => `/disks/d${index}`);
  }

  /** I/O and time go on until the promise is settled. */
  async do<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    for (let turn = 0; turn < TURNS; turn += 1) {
      await settled();
      if (this.#disks.isWriting) this.writing.push(this.steps);
      if (isSettled) return promise;
      if (this.#disks.step()) this.steps += 1;
      else this.#time.next();
    }
    throw new Error("it never ends");
  }

  /** So many requests have ended since it all began, or the promise is settled, and then the power is cut: what the disks hold. */
  async cutAt(promise: Promise<unknown>, steps: number, prng: Prng): Promise<Uint8Array[]> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    for (let turn = 0; turn < TURNS; turn += 1) {
      await settled();
      if (isSettled || this.steps >= steps) break;
      if (this.#disks.step()) this.steps += 1;
      else this.#time.next();
    }
    return this.cut(prng);
  }

  cut(prng?: Prng): Uint8Array[] {
    this.#time.clear();
    return this.#disks.cut(prng);
  }

  create(count: number, more: Partial<CreateCall>): Promise<unknown> {
    return this.do(this.host.create(createCall(this.paths.slice(0, count), more)));
  }

  assemble(more: Partial<AssembleCall> = {}): Promise<AssembleOutcome> {
    return this.do(this.host.assemble(assembleCall(this.paths, more)));
  }

  /** Of the array that appeared last. */
  volume(): BlockDevice {
    const served: ServedArray[] = [];
    this.host.listen({
      appeared: (one) => served.push(one),
      leaving: () => Promise.resolve(),
    })();
    return served.at(-1)!.volume;
  }
}
