/**
 * A machine to try mdadm's scenarios on: fourteen disks in memory, arrays that run in this process in virtual time, and mdadm's words to
 * administer them. What mdadm's own tests call "check" and "testdev" is here.
 */
import { expect } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { readSectors, writeSectors } from "../../src/block/promises.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { openDevice } from "../../src/devices/open.ts";
import type { Env } from "../../src/env/env.ts";
import { levelText } from "../../src/formats/md/layout-names.ts";
import { LocalArrayHost } from "../../src/host/local-host.ts";
import type { ArrayView } from "../../src/md/view/array-view.ts";
import { mdstatText } from "../../src/md/view/mdstat-text.ts";
import { readSysfs } from "../../src/md/view/sysfs-text.ts";
import { parseSysfsWrite } from "../../src/md/view/sysfs-write.ts";
import { createParityEngine } from "../../src/parity/engine.ts";
import type { ParityEngine } from "../../src/parity/engine.ts";
import { randomBytes } from "../support/bytes.ts";
import { runMdadmIn } from "../support/mdadm-run.ts";
import type { MdadmRun } from "../support/mdadm-run.ts";
import { MemoryFiles } from "../support/memory-files.ts";
import { VirtualTime } from "../support/virtual-time.ts";

const KIB = 1024;
const SMALL_KIB = 20_000;
const LARGE_KIB = 65_536;
const SMALL_DISKS = 8;
const DISKS = 14;
const SLOW = { minKiBps: 100, maxKiBps: 500 };
const FAST = { minKiBps: 200_000, maxKiBps: 2_000_000 };
/** So long something may take to begin. */
const PATIENCE_MS = 3000;
const STEP_MS = 100;

let parity: ParityEngine | undefined;

/** KiB that mdadm's tests expect a member of 20000 KiB to give, by version. */
export const MEMBER_KIB = { "0.90": 19_904, "1.0": 19_992, "1.1": 19_992, "1.2": 19_988 } as const;

export class Machine {
  readonly time = new VirtualTime();
  readonly files = new MemoryFiles();
  readonly env: Env;
  readonly host: LocalArrayHost;
  readonly #limits = { ...SLOW };
  readonly #volumes = new Map<string, BlockDevice>();

  constructor(seed = 1) {
    const prng = new Prng(seed);
    for (let n = 0; n < DISKS; n += 1)
      this.files.add(this.disk(n), (n < SMALL_DISKS ? SMALL_KIB : LARGE_KIB) * KIB);
    this.env = {
      clock: this.time,
      timers: this.time,
      random: { bytes: (count: number) => randomBytes(prng, count) },
      files: this.files,
      log: { write: () => {} },
    } as unknown as Env;
    this.host = new LocalArrayHost(this.env, {
      parity: () => (parity ??= createParityEngine()),
      openDevice,
      systemLimits: this.#limits,
    });
    this.host.listen({
      appeared: ({ path, volume }) => void this.#volumes.set(path, volume),
      leaving: ({ path }) => {
        this.#volumes.delete(path);
        return Promise.resolve();
      },
    });
  }

  disk(n: number): string {
    return `/disks/dev${n}`;
  }

  disks(first: number, last: number): string[] {
    return Array.from({ length: last - first + 1 }, (_unused, n) => this.disk(first + n));
  }

  /** Whatever it takes, time included. */
  do<T>(promise: Promise<T>): Promise<T> {
    return this.time.until(promise);
  }

  async pass(ms: number): Promise<void> {
    await this.do(new Promise<void>((resolve) => void this.time.set(ms, resolve)));
  }

  /**
   * A line of mdadm's words: $md0 is an array, $3 a disk, $*3 the disks 0 to 3. As in mdadm's tests, devices of new arrays are
   * zeroed first.
   */
  async mdadm(line: string): Promise<MdadmRun> {
    const words = line.split(/\s+/).flatMap((word) => this.#expand(word));
    if (/(?:^| )(?:-[BC]|-[a-zA-Z]*[BC][a-zA-Z]*|--create|--build)(?: |$)/.test(line))
      for (const word of words)
        if (word.startsWith("/disks/")) await this.#run(["--zero-superblock", "-q", word]);
    return this.#run(words);
  }

  #run(words: readonly string[]): Promise<MdadmRun> {
    const place = { folder: "/", host: this.host, env: this.env };
    return this.do(runMdadmIn(place, words));
  }

  #expand(word: string): string[] {
    const all = /^\$\*(\d+)$/.exec(word)?.[1];
    if (all !== undefined) return this.disks(0, Number(all));
    return [
      word
        .replaceAll(/\$md(\d+)/g, "/dev/md$1")
        .replaceAll(/\$(\d+)/g, (_all, n: string) => this.disk(Number(n))),
    ];
  }

  /** It must do; returns what was printed. */
  async ok(line: string): Promise<MdadmRun> {
    const run = await this.mdadm(line);
    expect({ line, code: run.code, stderr: run.code === 0 ? "" : run.stderr }).toEqual({
      line,
      code: 0,
      stderr: "",
    });
    return run;
  }

  /** It must not do. */
  async fails(line: string): Promise<MdadmRun> {
    const run = await this.mdadm(line);
    expect({ line, failed: run.code !== 0 }).toEqual({ line, failed: true });
    return run;
  }

  /** Done without a word on standard error. */
  async silently(line: string): Promise<MdadmRun> {
    const run = await this.ok(line);
    expect(run.stderr).toBe("");
    return run;
  }

  async mdstat(): Promise<string> {
    const views = await this.host.arrays();
    const names = new Set(views.map(({ level }) => levelText(level)));
    return mdstatText([...names], views.toReversed());
  }

  view(array = "md0"): Promise<ArrayView> {
    return this.host.array(array);
  }

  /** The kernel's file of an array, "sync_action" and the like. */
  async sysfs(name: string, array = "md0"): Promise<string> {
    return (readSysfs(await this.view(array), name) ?? "").trim();
  }

  async setSysfs(name: string, text: string, array = "md0"): Promise<void> {
    const parsed = parseSysfsWrite(name, text);
    if (parsed.kind === "refused") throw new Error(`${name} does not take ${text}`);
    await this.do(this.host.set({ array, action: parsed.action }));
  }

  /** /proc/mdstat says so, at the latest in a little while. */
  async shows(pattern: RegExp): Promise<void> {
    for (let waited = 0; waited < PATIENCE_MS; waited += STEP_MS) {
      if (pattern.test(await this.mdstat())) return;
      await this.pass(STEP_MS);
    }
    expect(await this.mdstat()).toMatch(pattern);
  }

  async level(name: string): Promise<void> {
    expect(await this.mdstat()).toContain(`active ${name} `);
  }

  async syncing(word: "resync" | "recovery" | "check" | "repair"): Promise<void> {
    await this.shows(new RegExp(`${word} *=`));
  }

  async noSync(): Promise<void> {
    await this.pass(PATIENCE_MS);
    expect(await this.mdstat()).not.toMatch(/(?:resync|recovery|reshape) *=/);
  }

  /** "UU_" */
  async state(slots: string): Promise<void> {
    const escaped = slots.replaceAll(/[[\]]/g, String.raw`\$&`);
    await this.shows(new RegExp(`blocks.*\\[${escaped}\\]$`, "m"));
  }

  /** What runs in the background may run fast, and is waited for. */
  async wait(array = "md0"): Promise<void> {
    Object.assign(this.#limits, FAST);
    await this.pass(STEP_MS);
    await this.do(this.host.wait(array));
    Object.assign(this.#limits, SLOW);
  }

  volume(array = "md0"): BlockDevice {
    const found = this.#volumes.get(`/dev/${array}`) ?? this.#volumes.get(array);
    if (found === undefined) throw new Error(`${array} is not there`);
    return found;
  }

  /** It is as large as so many members of a size allow, in whole chunks, and keeps what is written to it. */
  async holds(copies: number, memberKib: number, chunkKib: number, array = "md0"): Promise<void> {
    const kib = this.volume(array).sectors / 2;
    const most = copies * (memberKib - (memberKib % chunkKib));
    expect(kib).toBeLessThanOrEqual(most);
    expect(kib).toBeGreaterThanOrEqual((most * 4) / 5);
    await this.keeps(array);
  }

  async keeps(array = "md0"): Promise<void> {
    const volume = this.volume(array);
    const written = await this.fill(7, array);
    await this.contains(written, array);
    expect(written.length).toBeLessThanOrEqual(volume.sectors * 512);
  }

  /** Writes random bytes to its beginning. */
  async fill(seed: number, array = "md0", sectors = 1024): Promise<Buffer> {
    const bytes = randomBytes(new Prng(seed), sectors * 512);
    await this.do(writeSectors(this.volume(array), 0, bytes));
    return Buffer.from(bytes);
  }

  /** What is at its beginning. */
  async content(array = "md0", sectors = 1024): Promise<Buffer> {
    return Buffer.from(await this.do(readSectors(this.volume(array), 0, sectors)));
  }

  /** Its beginning is this. */
  async contains(bytes: Buffer, array = "md0"): Promise<void> {
    const found = await this.content(array, bytes.length / 512);
    // Comparing them as values would take seconds.
    expect(found.equals(bytes)).toBe(true);
  }

  bytesOf(n: number): Uint8Array {
    return this.files.bytes.get(this.disk(n))!;
  }

  /** Writes a configuration; its path. */
  config(text: string): string {
    return this.files.addText("/etc/test.conf", text);
  }
}
