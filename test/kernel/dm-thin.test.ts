/**
 * Thin pools handed over: begun here, gone on with by the kernel, and here again, and the reverse. Each finds what the other left, as a model says;
 * status lines are the same; Debian's thin_check finds nothing wrong after either.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { readSectors } from "../../src/block/promises.ts";
import { dumpPool } from "../../src/dm/thin/dump.ts";
import { XmlWriter } from "../../src/dm/thin/xml.ts";
import { sha256 } from "../support/golden.ts";
import { peerDescribe } from "../support/peers.ts";
import { seedOfRun } from "../support/seed.ts";
import { writeStampFile } from "../support/stamp.ts";
import { emptyDisk, testFolder } from "../support/temp.ts";
import { ThinRig } from "../support/thin-rig.ts";
import type { ThinUse } from "../support/thin-rig.ts";
import { judge } from "../support/thin-tools.ts";
import { bootGuest, looksOf } from "./guest.ts";
import type { GuestRun } from "./guest.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";
import { SEEDS, ThinPlan, playHere, shellOf } from "./thin-plan.ts";

const TEST_MS = 300_000;
/** Of a thin device. */
const BLOCKS = 24;
const DATA_BLOCKS = 200;
const METADATA_BLOCKS = 256;
const STEPS = 25;
const FEATURES = "1 no_discard_passdown";

/** Everything that is to be known of one pool on its way. */
class Handed {
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
    expect(await rig.problems()).toEqual([]);
    await this.expectSound(rig);
    return lines;
  }

  async #expectModel(open: ReadonlyMap<number, ThinUse>): Promise<void> {
    for (const [id, { use }] of open)
      expect(sha256(await readSectors(use, 0, use.sectors)), `device ${id}`).toBe(
        this.plan.digest(id),
      );
  }

  /** Debian's tools find it sound, and dump what is dumped here. */
  async expectSound(rig: ThinRig): Promise<void> {
    const { check, dump } = judge(readFileSync(this.#meta));
    expect(check, check.stderr).toMatchObject({ code: 0 });
    const lines: string[] = [];
    const writer = new XmlWriter((line) => {
      lines.push(line);
      return Promise.resolve();
    });
    await dumpPool(rig.world.disk("meta"), writer);
    expect(`${lines.join("\n")}\n`).toBe(dump.stdout);
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
      expect(looks.get(`${label}-before-${id}`)?.sha256, `${id} before`).toBe(digest);
    for (const id of this.plan.ids)
      expect(looks.get(`${label}-after-${id}`)?.sha256, `${id} after`).toBe(this.plan.digest(id));
    if (status === null) return;
    const lines = run.text(`${label}-before`).trim().split("\n");
    expect(lines.map((line) => line.trim().split(" ").slice(3).join(" "))).toEqual(status);
  }
}

async function boot(folder: string, pools: readonly Handed[]): Promise<GuestRun> {
  const script = `set -e
    mods dm-mod dm-thin-pool
    mk() { dmsetup create $1 --table "$2"; dmsetup mknodes $1; }
    ${pools.map((pool) => pool.script()).join("\n")}`;
  return bootGuest({
    disks: pools.flatMap(({ disks }) => disks),
    shareDir: folder,
    script,
    timeoutMs: 200_000,
  });
}

const seed = seedOfRun();

peerDescribe([...GUEST_PROGRAMS, "thin_check", "thin_dump"], `thin pools, seed ${seed},`, () => {
  it("are gone on with by the kernel and here, whoever began", { timeout: TEST_MS }, async () => {
    const folder = testFolder("dm-thin");
    for (const each of SEEDS) writeStampFile(join(folder, `stamp-${each}`), each, BLOCKS * 384);
    // The first two are begun here, the last by the kernel.
    const pools = [128, 384, 256].map(
      (size, index) => new Handed(folder, index, size, new Prng(seed + index)),
    );
    const status = [await pools[0]!.here(), await pools[1]!.here(), null];
    const first = await boot(folder, pools);
    pools.forEach((pool, index) => pool.expectKernel(first, status[index]!));
    const later: string[][] = [];
    for (const pool of pools) later.push(await pool.here());
    const second = await boot(testFolder2(folder), pools);
    pools.forEach((pool, index) => pool.expectKernel(second, later[index]!));
  });
});

/** Another share, with the same stamps. */
function testFolder2(first: string): string {
  const folder = testFolder("dm-thin-again");
  for (const each of SEEDS)
    writeFileSync(join(folder, `stamp-${each}`), readFileSync(join(first, `stamp-${each}`)));
  return folder;
}
