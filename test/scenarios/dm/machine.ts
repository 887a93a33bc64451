/**
 * A machine to try device-mapper's scenarios on: disks in memory that can fail, mapped devices that run in this process in virtual time, and
 * dmsetup's words to administer them.
 */
import { expect } from "vitest";
import { HoldfastError } from "../../../src/base/errors.ts";
import { Prng } from "../../../src/base/prng.ts";
import type { BlockDevice } from "../../../src/block/device.ts";
import * as io from "../../../src/block/promises.ts";
import { FaultyDevice } from "../../../src/devices/faulty.ts";
import { MemoryDevice } from "../../../src/devices/memory.ts";
import { SliceDevice } from "../../../src/devices/slice.ts";
import { runDmsetup } from "../../../src/dmsetup/run-dmsetup.ts";
import type { Env } from "../../../src/env/env.ts";
import { makeHost } from "../../../src/host/make-host.ts";
import type { OwnedHost } from "../../../src/host/owned-host.ts";
import { createParityEngine } from "../../../src/parity/engine.ts";
import type { ParityEngine } from "../../../src/parity/engine.ts";
import { randomBytes } from "../../support/bytes.ts";
import { shellWords } from "../../support/dmsetup-run.ts";
import type { DmsetupRun } from "../../support/dmsetup-run.ts";
import { VirtualTime } from "../../support/virtual-time.ts";

const SECTOR_BYTES = 512;
/** What a read or a write of many sectors is made of. */
const STEP_SECTORS = 2048;
/** Turns of the event loop in which all that needs no timer is over. */
const TURNS = 20;

let parity: ParityEngine | undefined;

export class Machine {
  readonly time = new VirtualTime();
  readonly env: Env;
  readonly host: OwnedHost;
  /** "info: ..." */
  readonly log: string[] = [];
  /** Of background work, as /proc/sys/dev/raid has them. */
  readonly speedLimits = { minKiBps: 200_000, maxKiBps: 2_000_000 };
  readonly #disks = new Map<string, FaultyDevice>();
  /** By path, from their first table on. */
  readonly #volumes = new Map<
    string,
    { readonly kernelName: string; readonly volume: BlockDevice }
  >();

  /** @param disks by name, sectors; tables name them "/disks/NAME" */
  constructor(disks: Readonly<Record<string, number | BlockDevice>>) {
    for (const [name, disk] of Object.entries(disks)) this.addDisk(name, disk);
    const prng = new Prng(1);
    this.env = {
      clock: this.time,
      timers: this.time,
      random: { bytes: (count: number) => randomBytes(prng, count) },
      log: { write: (level: string, text: string) => this.log.push(`${level}: ${text}`) },
      files: {
        stat: (path: string) => {
          const disk = this.#disks.get(path);
          const sizeBytes = (disk?.sectors ?? 0) * SECTOR_BYTES;
          return Promise.resolve(
            disk === undefined ? null : { kind: "file", sizeBytes, identity: path },
          );
        },
      },
    } as unknown as Env;
    this.host = makeHost(this.env, {
      parity: () => (parity ??= createParityEngine()),
      openDevice: (_env, path) => this.#open(path),
      // A disk that holds requests for a test is not given up.
      memberTimeoutMs: null,
      systemLimits: this.speedLimits,
    });
    this.host.listen({
      appeared: (served) => void this.#volumes.set(served.path, served),
      renamed: (served) => {
        for (const [path, { kernelName }] of this.#volumes)
          if (kernelName === served.kernelName) this.#volumes.delete(path);
        this.#volumes.set(served.path, served);
      },
      leaving: ({ path }) => {
        this.#volumes.delete(path);
        return Promise.resolve();
      },
    });
  }

  #open(path: string): Promise<BlockDevice> {
    const disk = this.#disks.get(path);
    if (disk === undefined)
      return Promise.reject(new HoldfastError("not-found", `There is no ${path}.`));
    return Promise.resolve(new SliceDevice(disk, path, 0, disk.sectors));
  }

  addDisk(name: string, disk: number | BlockDevice): void {
    const path = `/disks/${name}`;
    const device =
      typeof disk === "number" ? new MemoryDevice({ name: path, sectors: disk }) : disk;
    this.#disks.set(path, new FaultyDevice(device));
  }

  /** What is on it stays when tables that named it go. */
  disk(name: string): FaultyDevice {
    const disk = this.#disks.get(`/disks/${name}`);
    if (disk === undefined) throw new Error(`there is no disk ${name}`);
    return disk;
  }

  /** Whatever it takes, time included. */
  do<T>(promise: Promise<T>): Promise<T> {
    return this.time.until(promise);
  }

  /** What can happen without a timer has happened. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn += 1)
      await new Promise((resolve) => setImmediate(resolve));
  }

  async pass(ms: number): Promise<void> {
    await this.settle();
    await this.do(new Promise<void>((resolve) => void this.time.set(ms, resolve)));
    await this.settle();
  }

  /** A line of dmsetup's words, quotes as a shell takes them. It may wait for somebody: time passes elsewhere. @param input standard input */
  async start(line: string, input = ""): Promise<DmsetupRun> {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runDmsetup(shellWords(line), {
      env: this.env,
      host: () => Promise.resolve(this.host),
      stdout: (text) => Promise.resolve(void out.push(text)),
      stderr: (text) => Promise.resolve(void err.push(text)),
      readInput: () => Promise.resolve(input),
      runProgram: (path) => Promise.reject(new Error(`${path} is not run here`)),
      folder: "/disks",
    });
    return { code, stdout: out.join(""), stderr: err.join("") };
  }

  dmsetup(line: string, input = ""): Promise<DmsetupRun> {
    return this.do(this.start(line, input));
  }

  /** It must do. @returns what was printed, without the line's end */
  async ok(line: string, input = ""): Promise<string> {
    const { code, stdout, stderr } = await this.dmsetup(line, input);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trimEnd();
  }

  /** It must not do. @returns why not */
  async refused(line: string): Promise<string> {
    const { code, stderr } = await this.dmsetup(line);
    expect({ line, failed: code !== 0 }).toEqual({ line, failed: true });
    return stderr;
  }

  async create(name: string, table: string): Promise<void> {
    await this.ok(`create ${name} --table "${table}"`);
  }

  /** Another table for it, which counts at once. */
  async reload(name: string, table: string): Promise<void> {
    await this.ok(`load ${name} --table "${table}"`);
    await this.ok(`resume ${name}`);
  }

  async message(name: string, words: string): Promise<string> {
    return this.ok(`message ${name} 0 ${words}`);
  }

  /** One after the other: those on top first. */
  async remove(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.ok(`remove ${name}`);
  }

  /** While `work` is done the device is suspended. */
  async suspended(name: string, work: () => Promise<unknown>, how = ""): Promise<void> {
    await this.ok(`suspend ${name} ${how}`);
    await work();
    await this.ok(`resume ${name}`);
  }

  /** The words behind the target's name, of the one target. */
  async status(name: string): Promise<string> {
    return behindTarget(await this.ok(`status ${name}`));
  }

  async table(name: string): Promise<string> {
    return behindTarget(await this.ok(`table ${name}`));
  }

  async events(name: string): Promise<number> {
    return Number(await this.ok(`info -c --noheadings -o events ${name}`));
  }

  /** A client opens /dev/mapper/NAME. @returns what closes it */
  hold(name: string): () => void {
    return this.host.use(this.#served(name).kernelName);
  }

  #served(name: string): { readonly kernelName: string; readonly volume: BlockDevice } {
    const served = this.#volumes.get(`/dev/mapper/${name}`);
    if (served === undefined) throw new Error(`there is no /dev/mapper/${name}`);
    return served;
  }

  /** /dev/mapper/NAME, or a disk. */
  volume(name: string): BlockDevice {
    return this.#disks.get(`/disks/${name}`) ?? this.#served(name).volume;
  }

  write(name: string, sector: number, data: Uint8Array, flags = 0): Promise<void> {
    return this.do(io.writeSectors(this.volume(name), sector, data, flags));
  }

  async read(name: string, sector: number, sectors: number): Promise<Uint8Array> {
    return this.do(io.readSectors(this.volume(name), sector, sectors));
  }

  flush(name: string): Promise<void> {
    return this.do(io.flush(this.volume(name)));
  }

  discard(name: string, sector: number, sectors: number): Promise<void> {
    return this.do(io.discard(this.volume(name), sector, sectors));
  }

  /** Every byte of it, or of a range. */
  async fill(
    name: string,
    byte: number,
    sector = 0,
    sectors = this.volume(name).sectors - sector,
  ): Promise<void> {
    const data = new Uint8Array(Math.min(sectors, STEP_SECTORS) * SECTOR_BYTES).fill(byte);
    for (let at = 0; at < sectors; at += STEP_SECTORS) {
      const part = Math.min(STEP_SECTORS, sectors - at);
      await this.write(name, sector + at, data.subarray(0, part * SECTOR_BYTES));
    }
  }

  /** The content as runs of equal bytes, counted in sectors: "128x7 128x0". */
  async runs(
    name: string,
    sector = 0,
    sectors = this.volume(name).sectors - sector,
  ): Promise<string> {
    const runs: { byte: number; sectors: number }[] = [];
    for (let at = 0; at < sectors; at += STEP_SECTORS) {
      const part = Math.min(STEP_SECTORS, sectors - at);
      const data = await this.read(name, sector + at, part);
      for (let each = 0; each < part; each += 1) {
        const bytes = data.subarray(each * SECTOR_BYTES, (each + 1) * SECTOR_BYTES);
        const byte = bytes[0]!;
        if (bytes.some((other) => other !== byte))
          throw new Error(`sector ${sector + at + each} is mixed`);
        const last = runs.at(-1);
        if (last?.byte === byte) last.sectors += 1;
        else runs.push({ byte, sectors: 1 });
      }
    }
    return runs.map(({ byte, sectors: length }) => `${length}x${byte}`).join(" ");
  }
}

function behindTarget(line: string): string {
  return line.split(" ").slice(3).join(" ");
}
