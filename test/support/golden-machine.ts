/** Does what the commands of a golden view say with arrays that Holdfast runs, on copies in memory. */
import { HoldfastError } from "../../src/base/errors.ts";
import { readSectors } from "../../src/block/promises.ts";
import { startManaged } from "../../src/md/running/managed-array.ts";
import type { ManagedArray } from "../../src/md/running/managed-array.ts";
import type { SyncWord } from "../../src/md/running/sync-control.ts";
import { planAssembly } from "../../src/md/plan.ts";
import { probeMdSuperblocks } from "../../src/md/probe.ts";
import { createParityEngine } from "../../src/parity/engine.ts";
import { SyncScheduler } from "../../src/sync/scheduler.ts";
import { ArrayDevice } from "./array-device.ts";
import { sha256, unpackImage } from "./golden.ts";
import type { GoldenCase, GoldenView } from "./golden.ts";
import { VirtualTime } from "./virtual-time.ts";

const READ_SECTORS = 2048;

let engine: ReturnType<typeof createParityEngine> | undefined;

type Command = (words: RegExpExecArray) => Promise<void>;

export class GoldenMachine {
  /** sha256 by label, as in `GoldenView.volumes`. */
  readonly reads = new Map<string, string>();
  mismatches = 0;
  readonly #time = new VirtualTime();
  readonly #disks: readonly ArrayDevice[];
  readonly #commands: readonly (readonly [RegExp, Command])[];
  #array: ManagedArray | null = null;
  #view: GoldenView | null = null;

  constructor(golden: GoldenCase) {
    this.#disks = golden.members.map((_, index) => {
      const bytes = unpackImage(golden, index);
      const disk = new ArrayDevice(bytes.length / 512, {}, `$d${index}`);
      disk.bytes.set(bytes);
      return disk;
    });
    this.#commands = [
      [/^mdadm -A (.*)/, ([, words]) => this.#assemble(words!)],
      [/^mdadm \/dev\/md0 --re-add (\$d\d+) \|\| /, ([, disk]) => this.#add(disk!)],
      [/^mdadm --readwrite /, () => this.#running.setState("active")],
      [/^md_wait /, () => this.#running.sync.whenAtRest()],
      [/^held_at md0 (\d+)/, ([, sector]) => this.#held(Number(sector))],
      [/^mdlook \S+ (\S+)/, ([, label]) => this.#look(label!)],
      [/^md_stop |^mdadm -S /, () => this.#stop()],
      [/^echo (\w+) .*sync_action/, ([, word]) => this.#running.sync.setAction(word as SyncWord)],
      [/^hold_at md0 (\d+)/, ([, sector]) => this.#hold(Number(sector))],
      [/^cat \/sys.*mismatch_cnt/, () => this.#countMismatches()],
      [/^examine |^cat /, () => Promise.resolve()],
    ];
  }

  async run(view: GoldenView): Promise<void> {
    this.#view = view;
    for (const command of view.commands) {
      const known = this.#commands.find(([pattern]) => pattern.test(command));
      if (known === undefined) throw new Error(`no such command here: ${command}`);
      await this.#time.until(known[1](known[0].exec(command)!));
    }
  }

  get #running(): ManagedArray {
    if (this.#array === null) throw new Error("nothing is assembled");
    return this.#array;
  }

  async #assemble(words: string): Promise<void> {
    const disks = [...words.matchAll(/\$d\d+/g)].map(([name]) => this.#disk(name));
    const set = [];
    for (const device of disks) {
      const { primary } = await probeMdSuperblocks(device);
      if (primary !== null) set.push({ path: device.name, device, superblock: primary });
    }
    const plan = planAssembly(set, { force: false, backupGiven: false });
    this.#array = await startManaged(plan!, {
      name: "md0",
      mode: /(^| )-o /.test(words) ? "read-only" : "read-write",
      clock: this.#time,
      timers: this.#time,
      parity: () => (engine ??= createParityEngine()),
      scheduler: new SyncScheduler(),
      systemLimits: { minKiBps: 1000, maxKiBps: 200_000 },
      syncUsers: null,
    });
  }

  #disk(name: string): ArrayDevice {
    return this.#disks[Number(name.slice(2))]!;
  }

  #add(_name: string): Promise<void> {
    throw new HoldfastError("unsupported", "adding");
  }

  async #look(word: string): Promise<void> {
    const { name } = this.#view!;
    const label = word === name ? "volume" : word.slice(word.indexOf(".") + 1);
    const { array } = this.#running;
    const parts = [];
    for (let at = 0; at < array.sectors; at += READ_SECTORS)
      parts.push(await readSectors(array, at, Math.min(READ_SECTORS, array.sectors - at)));
    this.reads.set(label, sha256(Buffer.concat(parts)));
  }

  #hold(sector: number): Promise<void> {
    this.#running.sync.settings.setMax(sector);
    return Promise.resolve();
  }

  async #held(sector: number): Promise<void> {
    const completed = (): number => {
      const { state } = this.#running.sync;
      return state.kind === "running" ? state.completed : 0;
    };
    while (completed() < sector) await new Promise((resolve) => setImmediate(resolve));
  }

  #countMismatches(): Promise<void> {
    this.mismatches = this.#running.sync.mismatches;
    return Promise.resolve();
  }

  async #stop(): Promise<void> {
    await this.#running.close();
    this.#array = null;
  }
}
