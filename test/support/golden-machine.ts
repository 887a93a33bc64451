/** Does what the commands of a golden view say, with mdadm's words and arrays that run here, on copies in memory. */
import { readSectors } from "../../src/block/promises.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { openDevice } from "../../src/devices/open.ts";
import type { Env } from "../../src/env/env.ts";
import { LocalArrayHost } from "../../src/host/local-host.ts";
import { readSysfs } from "../../src/md/view/sysfs-text.ts";
import { parseSysfsWrite } from "../../src/md/view/sysfs-write.ts";
import { createParityEngine } from "../../src/parity/engine.ts";
import type { ParityEngine } from "../../src/parity/engine.ts";
import { Prng } from "../../src/base/prng.ts";
import { randomBytes } from "./bytes.ts";
import { sha256, unpackImage } from "./golden.ts";
import type { GoldenCase, GoldenView } from "./golden.ts";
import { runMdadmIn } from "./mdadm-run.ts";
import { MemoryFiles } from "./memory-files.ts";
import { VirtualTime } from "./virtual-time.ts";

const READ_SECTORS = 2048;

let parity: ParityEngine | undefined;

type Command = (words: RegExpExecArray) => Promise<void>;

export class GoldenMachine {
  /** sha256 by label, as in `GoldenView.volumes`. */
  readonly reads = new Map<string, string>();
  mismatches = 0;
  readonly #time = new VirtualTime();
  readonly #files = new MemoryFiles();
  readonly #env: Env;
  readonly #host: LocalArrayHost;
  readonly #commands: readonly (readonly [RegExp, Command])[];
  #volume: BlockDevice | null = null;
  #view: GoldenView | null = null;
  #rule = "kernel";

  constructor(golden: GoldenCase) {
    golden.members.forEach((_, index) => {
      const bytes = unpackImage(golden, index);
      this.#files.add(`/disks/d${index}`, bytes.length);
      this.#files.bytes.get(`/disks/d${index}`)!.set(bytes);
    });
    const prng = new Prng(1);
    this.#env = {
      clock: this.#time,
      timers: this.#time,
      random: { bytes: (count: number) => randomBytes(prng, count) },
      files: this.#files,
      log: { write: () => {} },
    } as unknown as Env;
    this.#host = new LocalArrayHost(this.#env, {
      parity: () => (parity ??= createParityEngine()),
      openDevice,
      systemLimits: { minKiBps: 1000, maxKiBps: 200_000 },
    });
    this.#host.listen({
      appeared: ({ volume }) => {
        this.#volume = volume;
      },
      leaving: () => {
        this.#volume = null;
        return Promise.resolve();
      },
    });
    this.#commands = [
      // A bitmap in a file is not used here: everything is resynced, and the result is the same.
      [/^mdadm .*/, ([line]) => this.#mdadm(line.replace(/-b \S+ /, ""))],
      [/^(?:u)?mount /, () => Promise.resolve()],
      [/^md_wait /, () => this.#wait()],
      [/^held_at md0 (\d+)/, ([, sector]) => this.#held(Number(sector))],
      [/^mdlook \S+ (\S+)/, ([, label]) => this.#look(label!)],
      [/^md_stop /, () => this.#mdadm("mdadm -S /dev/md0")],
      [/^echo (\w+) .*sync_action/, ([, word]) => this.#write("sync_action", word!)],
      [/^hold_at md0 (\d+)/, ([, sector]) => this.#write("sync_max", sector!)],
      [/^cat \/sys.*mismatch_cnt/, () => this.#countMismatches()],
      [/^examine |^cat /, () => Promise.resolve()],
    ];
  }

  /** @param rule of repairs */
  async run(view: GoldenView, rule: "kernel" | "evidence" = "kernel"): Promise<void> {
    this.#view = view;
    this.#rule = rule;
    for (const command of view.commands) {
      const known = this.#commands.find(([pattern]) => pattern.test(command));
      if (known === undefined) throw new Error(`no such command here: ${command}`);
      await known[1](known[0].exec(command)!);
    }
  }

  /** "A || B": B only if A fails. */
  async #mdadm(line: string): Promise<void> {
    let told = "";
    for (const one of line.split(" || ")) {
      const words = one
        .replaceAll(/\$d(\d+)/g, "/disks/d$1")
        .split(" ")
        .slice(1);
      const place = { folder: "/", host: this.#host, env: this.#env };
      const run = await this.#time.until(runMdadmIn(place, words));
      told += `${one}: ${run.stderr}`;
      if (run.code === 0) return;
    }
    throw new Error(told);
  }

  async #wait(): Promise<void> {
    await this.#time.until(this.#host.wait("md0"));
  }

  async #look(word: string): Promise<void> {
    const { name } = this.#view!;
    const label = word === name ? "volume" : word.slice(word.indexOf(".") + 1);
    const volume = this.#volume!;
    const parts = [];
    for (let at = 0; at < volume.sectors; at += READ_SECTORS) {
      const sectors = Math.min(READ_SECTORS, volume.sectors - at);
      parts.push(await this.#time.until(readSectors(volume, at, sectors)));
    }
    this.reads.set(label, sha256(Buffer.concat(parts)));
  }

  async #write(name: string, text: string): Promise<void> {
    if (text === "repair") await this.#write("repair_rule", this.#rule);
    const parsed = parseSysfsWrite(name, text);
    if (parsed.kind === "refused") throw new Error(`${name} does not take ${text}`);
    await this.#time.until(this.#host.set({ array: "md0", action: parsed.action }));
  }

  async #sysfs(name: string): Promise<string> {
    return (readSysfs(await this.#host.array("md0"), name) ?? "").trim();
  }

  async #held(sector: number): Promise<void> {
    const completed = async (): Promise<number> =>
      Number.parseInt(await this.#sysfs("sync_completed"), 10) || 0;
    while ((await completed()) < sector) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#time.next();
    }
  }

  async #countMismatches(): Promise<void> {
    this.mismatches = Number(await this.#sysfs("mismatch_cnt"));
  }
}
