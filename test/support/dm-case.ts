/**
 * Plays a view of a golden case of kind `dm`: what its commands say is done with mapped devices that run here, on copies in memory, and noted as
 * the guest's shell noted it. Only the words that the cases use are known; any other fails.
 */
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { checked } from "../../src/block/checked.ts";
import type { BlockDevice, BlockLimits } from "../../src/block/device.ts";
import { readInto } from "../../src/block/promises.ts";
import { SliceDevice } from "../../src/devices/slice.ts";
import type { MappedDevice } from "../../src/dm/mapped-device.ts";
import { MappedDevices } from "../../src/dm/mapped-devices.ts";
import { parseTable } from "../../src/dm/table.ts";
import type { Env } from "../../src/env/env.ts";
import { createParityEngine } from "../../src/parity/engine.ts";
import type { ParityEngine } from "../../src/parity/engine.ts";
import { SyncScheduler } from "../../src/sync/scheduler.ts";
import { Prng } from "../../src/base/prng.ts";
import { randomBytes } from "./bytes.ts";
import { goldenDisk, sha256, unpackArtefact } from "./golden.ts";
import type { GoldenCase, GoldenView } from "./golden.ts";
import { VirtualTime } from "./virtual-time.ts";

/** ubd, in the guests; every disk has sixteen minor numbers. */
const UBD_MAJOR = 98;
const UBD_MINORS = 16;
const READ_SECTORS = 2048;
/** Turns of I/O or timers that background work may take. */
const MAX_TURNS = 1_000_000;

let parity: ParityEngine | undefined;

export interface DmLook {
  readonly bytes: number;
  readonly sha256: string;
  /** Of mapped devices, lines with their ends. */
  readonly table?: string;
  readonly status?: string;
}

/** The commands of a shell script: a newline within quotes does not end one. */
function shellCommands(lines: readonly string[]): string[] {
  const commands: string[] = [];
  let open: string | null = null;
  for (const line of lines) {
    const command: string = open === null ? line : `${open}\n${line}`;
    const isOpen = command.split('"').length % 2 === 0;
    open = isOpen ? command : null;
    if (!isOpen) commands.push(command);
  }
  if (open !== null) throw new Error(`a quote is not closed: ${open}`);
  return commands;
}

/** The words of one command, without the quotes around them. */
function shellWords(command: string): string[] {
  return [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
}

/** The types of the targets that a view's tables name. */
export function targetsOf(view: GoldenView): string[] {
  return shellCommands(view.commands)
    .filter((command) => command.startsWith("mk "))
    .flatMap((command) => parseTable(shellWords(command)[2]!.replaceAll("$n", "8")))
    .map(({ target }) => target);
}

/** Whether what a target does in the background is done, by its status line. */
function isDone(status: string): boolean {
  const words = status.split(" ");
  const isWhole = (word = ""): boolean => /^(\d+)\/\1$/.test(word);
  switch (words[2]) {
    case "mirror":
      return isWhole(words[4 + Number(words[3])]);
    case "raid":
      return isWhole(words[6]) && words[7] === "idle";
    case "clone":
      return isWhole(words[6]) && words[7] === "0";
    case "snapshot-merge":
      return words[3]!.split("/")[0] === words[4];
    default:
      throw new Error(`nobody waits for ${status}`);
  }
}

type Command = (words: readonly string[]) => Promise<void>;

/** The guests' disks discard at most 64 sectors at a time: less than a thin pool's block, so not at all for pools; enough for a clone's region. */
class PoolDisk extends SliceDevice {
  override get limits(): BlockLimits {
    return { ...super.limits, discard: false };
  }
}

export class DmCase {
  /** By label, as in `GoldenView.volumes`. */
  readonly looks = new Map<string, DmLook>();
  /** What the commands printed. */
  readonly log: string[] = [];
  readonly #time = new VirtualTime();
  readonly #golden: GoldenCase;
  readonly #disks: readonly BlockDevice[];
  readonly #mapped: MappedDevices;
  readonly #variables = new Map<string, string>();
  readonly #commands: Readonly<Record<string, Command>>;
  #view: GoldenView | null = null;

  private constructor(golden: GoldenCase, disks: readonly BlockDevice[]) {
    this.#golden = golden;
    this.#disks = disks;
    for (const index of disks.keys()) this.#variables.set(`d${index}`, `/dev/disk${index}`);
    const prng = new Prng(1);
    const env = {
      clock: this.#time,
      timers: this.#time,
      random: { bytes: (count: number) => randomBytes(prng, count) },
      log: { write: () => {} },
    } as unknown as Env;
    this.#mapped = new MappedDevices({
      env,
      parityEngine: () => (parity ??= createParityEngine()),
      scheduler: new SyncScheduler(),
      paths: {
        keyOf: (path) => Promise.resolve(String(this.#diskIndex(path))),
        open: (path) => {
          const index = this.#diskIndex(path);
          const disk = this.#disks[index]!;
          const Ubd = golden.family === "dm-clone" ? SliceDevice : PoolDisk;
          const device = checked(new Ubd(disk, disk.name, 0, disk.sectors));
          return Promise.resolve({ device, id: `${UBD_MAJOR}:${index * UBD_MINORS}` });
        },
      },
    });
    this.#commands = {
      mods: () => Promise.resolve(),
      mk: ([name, table]) => this.#make(name!, table!),
      rmdm: (names) => this.#remove(names),
      look: ([path, label]) => this.#look(this.#disks[this.#diskIndex(path!)]!, label!),
      dmlook: ([name, label]) => this.#lookMapped(name!, label!),
      dm_wait: ([name]) => this.#wait(name!),
      dmsetup: (words) => this.#dmsetup(words),
    };
  }

  static async of(golden: GoldenCase): Promise<DmCase> {
    const disks = golden.members.map((_, index) => goldenDisk(golden, index));
    return new DmCase(golden, await Promise.all(disks));
  }

  #diskIndex(path: string): number {
    const index = Number(/^\/dev\/disk(\d+)$/.exec(path)?.[1] ?? -1);
    if (this.#disks[index] === undefined) throw new Error(`there is no disk ${path}`);
    return index;
  }

  async run(view: GoldenView): Promise<void> {
    this.#view = view;
    const commands = shellCommands(view.commands);
    for (const [index, command] of commands.entries()) {
      // Asked in between, the kernel had always finished what is waited for next.
      const isAsked = command.startsWith("dmsetup status ");
      if (isAsked && commands[index + 1]?.startsWith("dm_wait "))
        await this.#run(commands[index + 1]!);
      await this.#run(command);
    }
    if (this.#mapped.all.length > 0) throw new Error("a view removes what it has made");
  }

  async #run(command: string): Promise<void> {
    const loop = /^i=0; while .*s=\$\(dmsetup status (\w+)\);.*; echo "\$s"$/.exec(command);
    const read = /^(\w+)=\$\(cat \/tmp\/host\/(\w+)\)$/.exec(command);
    if (loop !== null) {
      await this.#wait(loop[1]!);
      await this.#dmsetup(["status", loop[1]!]);
    } else if (read !== null) {
      const text = new TextDecoder().decode(unpackArtefact(this.#golden, read[2]!));
      this.#variables.set(read[1]!, text.trim());
    } else {
      const [word, ...rest] = shellWords(this.#expanded(command));
      const known = this.#commands[word!];
      if (known === undefined) throw new Error(`no such command here: ${command}`);
      await known(rest);
    }
  }

  #expanded(command: string): string {
    return command.replaceAll(/\$(\w+)/g, (_, name: string) => {
      const value = this.#variables.get(name);
      if (value === undefined) throw new Error(`${name} has no value: ${command}`);
      return value;
    });
  }

  #find(name: string): MappedDevice {
    return this.#mapped.find({ kind: "name", name });
  }

  async #make(name: string, table: string): Promise<void> {
    const device = this.#mapped.create({ name, uuid: "", minor: null });
    await this.#time.until(this.#mapped.load(device, parseTable(table), false));
    await this.#time.until(this.#mapped.resume(device));
  }

  async #remove(names: readonly string[]): Promise<void> {
    for (const name of names)
      await this.#time.until(this.#mapped.remove(this.#find(name), { deferred: false }));
  }

  async #dmsetup([verb, name, ...words]: readonly string[]): Promise<void> {
    const device = this.#find(name!);
    switch (verb) {
      case "message":
        await this.#time.until(this.#mapped.message(device, Number(words[0]), words.slice(1)));
        break;
      case "status":
        this.log.push(...(await this.#time.until(device.live!.status(true))));
        break;
      case "suspend":
        await this.#time.until(this.#mapped.suspend(device, "flush", true));
        break;
      case "resume":
        await this.#time.until(this.#mapped.resume(device));
        break;
      default:
        throw new Error(`no such command here: dmsetup ${verb}`);
    }
  }

  async #wait(name: string): Promise<void> {
    for (let turn = 0; turn < MAX_TURNS; turn += 1) {
      const [status] = await this.#find(name).live!.status(true);
      if (isDone(status!)) return;
      await new Promise((resolve) => setImmediate(resolve));
      this.#time.next();
    }
    throw new Error(`${name} does not come to an end`);
  }

  async #lookMapped(name: string, word: string): Promise<void> {
    const device = this.#find(name);
    const use = device.open({ readOnly: true });
    const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");
    await this.#look(checked(use), word, async () => ({
      table: text(device.live!.table()),
      status: text(await device.live!.status(true)),
    }));
    await use.close();
  }

  /** `dmlook t0 again.t0` of the view "again" has the label "t0"; one without a dot is "volume". */
  async #look(
    device: BlockDevice,
    word: string,
    more: () => Promise<Partial<DmLook>> = () => Promise.resolve({}),
  ): Promise<void> {
    const bytes = Buffer.alloc(device.sectors * SECTOR_BYTES);
    for (let at = 0; at < device.sectors; at += READ_SECTORS) {
      const end = Math.min(at + READ_SECTORS, device.sectors);
      const part = bytes.subarray(at * SECTOR_BYTES, end * SECTOR_BYTES);
      await this.#time.until(readInto(device, at, part));
    }
    const label = word === this.#view!.name ? "volume" : word.slice(word.indexOf(".") + 1);
    const digest = sha256(bytes);
    this.looks.set(label, { bytes: bytes.length, sha256: digest, ...(await more()) });
    this.log.push(`look ${word}: ${bytes.length} bytes ${digest}`);
  }

  /** Indexes of the disks that are not any more what they were. */
  async changedDisks(): Promise<number[]> {
    const changed: number[] = [];
    for (const [index, disk] of this.#disks.entries()) {
      const bytes = Buffer.alloc(disk.sectors * SECTOR_BYTES);
      await readInto(disk, 0, bytes);
      if (sha256(bytes) !== this.#golden.members[index]!.sha256) changed.push(index);
    }
    return changed;
  }
}
