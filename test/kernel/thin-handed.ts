/** One pool on its way between the kernel and here. */
import { deepEqual, equal } from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Prng } from "../../src/base/prng.ts";
import { readSectors } from "../../src/block/promises.ts";
import { dumpPool } from "../../src/dm/thin/dump.ts";
import { XmlWriter } from "../../src/dm/thin/xml.ts";
import { sha256 } from "../support/golden.ts";
import { emptyDisk } from "../support/temp.ts";
import { ThinRig } from "../support/thin-rig.ts";
import type { ThinUse } from "../support/thin-rig.ts";
import { judge } from "../support/thin-tools.ts";
import { looksOf } from "./guest.ts";
import type { GuestRun } from "./guest.ts";
import { ThinPlan, playHere, shellOf } from "./thin-plan.ts";

/** Of a thin device. */
export const BLOCKS = 24;
const DATA_BLOCKS = 200;
const METADATA_BLOCKS = 256;
const STEPS = 25;
const FEATURES = "1 no_discard_passdown";

export class HandedPool {
  readonly blockSectors: number;
  readonly sectors: number;
  readonly plan: ThinPlan;
  readonly #meta: string;
  readonly #data: string;
  readonly #number: number;

  constructor(folder: string, number: number, blockSectors: number, prng: Prng) {
    this.blockSectors = blockSectors;
    this.sectors = BLOCKS * blockSectors;
    this.plan = new ThinPlan(prng, blockSectors, this.sectors);
    this.#number = number;
    this.#meta = emptyDisk(join(folder, `meta${number}.img`), METADATA_BLOCKS * 4096);
    this.#data = emptyDisk(join(folder, `data${number}.img`), DATA_BLOCKS * blockSectors * 512);
  }

  get disks(): string[] {
    return [this.#meta, this.#data];
  }

  /** Opens it here, compares everything with the model, goes on, and puts it back. @returns the status lines at the end */
  async here(): Promise<string[]> {
    const images = { meta: readFileSync(this.#meta), data: readFileSync(this.#data) };
    const rig = await ThinRig.make({
      dataBlocks: DATA_BLOCKS,
      metadataBlocks: METADATA_BLOCKS,
      blockSectors: this.blockSectors,
      features: FEATURES,
      images,
    });
    const open = new Map<number, ThinUse>();
    for (const id of this.plan.ids) open.set(id, await rig.thin(`t${id}`, id, BLOCKS));
    await this.#expectModel(open);
    await playHere(this.plan.steps(STEPS), rig, open, BLOCKS);
    await this.#expectModel(open);
    const lines = [await rig.status()];
    for (const { device, use } of open.values()) {
      lines.push(await rig.status(device));
      await use.close();
      await rig.world.all.remove(device, { deferred: false });
    }
    await rig.world.all.remove(rig.pool, { deferred: false });
    for (const [name, path] of [["meta", this.#meta] as const, ["data", this.#data] as const]) {
      const disk = rig.world.disk(name);
      writeFileSync(path, await readSectors(disk, 0, disk.sectors));
    }
    deepEqual(await rig.problems(), []);
    await this.expectSound(rig);
    return lines;
  }

  async #expectModel(open: ReadonlyMap<number, ThinUse>): Promise<void> {
    for (const [id, { use }] of open)
      equal(sha256(await readSectors(use, 0, use.sectors)), this.plan.digest(id), `device ${id}`);
  }

  /** Debian's tools find it sound, and dump what is dumped here. */
  async expectSound(rig: ThinRig): Promise<void> {
    const { check, dump } = judge(readFileSync(this.#meta));
    equal(check.code, 0, check.stderr);
    const lines: string[] = [];
    const writer = new XmlWriter((line) => {
      lines.push(line);
      return Promise.resolve();
    });
    await dumpPool(rig.world.disk("meta"), writer);
    equal(`${lines.join("\n")}\n`, dump.stdout);
  }

  /** What the kernel is to do with it. It writes status lines before and after into files. */
  script(): string {
    const [meta, data] = [`$d${this.#number * 2}`, `$d${this.#number * 2 + 1}`];
    const label = `p${this.#number}`;
    const pool = `0 ${DATA_BLOCKS * this.blockSectors} thin-pool ${meta} ${data} ${this.blockSectors} 0 ${FEATURES}`;
    const say = (name: string): string =>
      [
        `dmsetup status pool >>$H/${label}-${name}`,
        ...this.plan.ids.map((id) => `dmsetup status t${id} >>$H/${label}-${name}`),
        ...this.plan.ids.map((id) => `look /dev/mapper/t${id} ${label}-${name}-${id}`),
      ].join("\n");
    const begin = this.plan.ids.map(
      (id) => `mk t${id} "0 ${this.sectors} thin /dev/mapper/pool ${id}"`,
    );
    const before = say("before");
    this.#before = this.plan.ids.map((id) => [id, this.plan.digest(id)]);
    const steps = shellOf(this.plan.steps(STEPS), this.sectors);
    const end = this.plan.ids.map((id) => `dmsetup remove t${id}`);
    return [
      `mk pool "${pool}"`,
      ...begin,
      before,
      steps,
      say("after"),
      ...end,
      "dmsetup remove pool",
    ].join("\n");
  }

  #before: [number, string][] = [];

  /** The kernel found what was left to it, and left what the model says. @param status what was said here last */
  expectKernel(run: GuestRun, status: readonly string[] | null): void {
    const label = `p${this.#number}`;
    const looks = looksOf(run);
    for (const [id, digest] of this.#before)
      equal(looks.get(`${label}-before-${id}`)?.sha256, digest, `${id} before`);
    for (const id of this.plan.ids)
      equal(looks.get(`${label}-after-${id}`)?.sha256, this.plan.digest(id), `${id} after`);
    if (status === null) return;
    const lines = run.text(`${label}-before`).trim().split("\n");
    deepEqual(
      lines.map((line) => line.trim().split(" ").slice(3).join(" ")),
      status,
    );
  }
}
