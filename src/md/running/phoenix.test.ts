/**
 * A disk answers a read after it has left the array, and after it lost what was in its cache: nobody gets what it says, and it is not
 * written over what the others have (law 3).
 */
import { describe, expect, it } from "vitest";
import { settled } from "../../../test/support/crash-disks.ts";
import { CutDisks } from "../../../test/support/cut-disks.ts";
import type { CutDisk } from "../../../test/support/cut-disks.ts";
import { seedOfRun } from "../../../test/support/seed.ts";
import { VirtualTime } from "../../../test/support/virtual-time.ts";
import { createOnDisks, runDisks } from "../../../test/support/written-array.ts";
import { HoldfastError } from "../../base/errors.ts";
import { Prng } from "../../base/prng.ts";
import { readSectors, writeSectors } from "../../block/promises.ts";
import type { CreateRequest } from "../create/request.ts";
import type { ManagedArray } from "./managed-array.ts";

const SEED = seedOfRun();

const LEVELS: readonly (readonly [string, number, Partial<CreateRequest>])[] = [
  ["raid1", 2, { level: "raid1" }],
  ["raid10", 3, { level: "raid10", layout: 0x201, chunkSectors: 16 }],
  ["raid5", 3, { level: "raid5", chunkSectors: 16 }],
  ["raid6", 4, { level: "raid6", chunkSectors: 16 }],
];

class World {
  readonly #prng: Prng;
  readonly #time = new VirtualTime();
  readonly disks: CutDisks;
  managed!: ManagedArray;

  constructor(seed: number, count: number, request: Partial<CreateRequest>) {
    this.#prng = new Prng(seed);
    const all = { ...request, dataOffsetSectors: 256, force: true };
    const made = createOnDisks(this.#prng, count, 512, all);
    const images = made.map(({ bytes }) => bytes);
    this.disks = new CutDisks(this.#prng, images);
  }

  async start(): Promise<void> {
    this.managed = await this.until(runDisks(this.disks.disks, this.#time));
  }

  /** I/O goes on, and time too where it may. */
  async until<T>(promise: Promise<T>, mayPass = false): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    for (let turn = 0; turn < 100_000 && !isSettled; turn += 1) {
      if (!this.disks.step() && mayPass) this.#time.next();
      await settled();
    }
    if (!isSettled) throw new Error("it never ends");
    return promise;
  }

  /** Background sync gets its turn. */
  async beginSync(): Promise<void> {
    this.#time.pass(0);
    await settled();
  }

  /** What it is asked now it answers when it is out of the array, and has lost its cache. */
  async dieAndAnswer(disk: CutDisk): Promise<void> {
    const { array } = this.managed;
    const member = array.members.attached.find(({ device }) => device === disk)!;
    await this.until(this.managed.failMember(member, new HoldfastError("io", "pulled")));
    disk.loseCache();
    disk.answer();
  }
}

describe.each(LEVELS)(`%s (seed ${SEED})`, (_name, count, request) => {
  it("is not read when it answers late", async () => {
    const world = new World(SEED, count, { ...request, assumeClean: true });
    await world.start();
    const { array } = world.managed;
    const data = new Uint8Array(array.sectors * 512).fill(0x5a);
    await world.until(writeSectors(array, 0, data));
    const [disk] = world.disks.disks;
    disk!.isHung = true;
    const reading = readSectors(array, 0, array.sectors);
    await world.dieAndAnswer(disk!);
    expect((await world.until(reading)).every((byte) => byte === 0x5a)).toBe(true);
  });

  it("is not what the others are made alike to", async () => {
    const world = new World(SEED, count, { ...request, assumeClean: false });
    await world.start();
    const { array, sync } = world.managed;
    const data = new Uint8Array(array.sectors * 512).fill(0x5a);
    await world.until(writeSectors(array, 0, data));
    const [disk] = world.disks.disks;
    disk!.isHung = true;
    await world.beginSync();
    await world.dieAndAnswer(disk!);
    await world.until(sync.whenAtRest(), true);
    const content = await world.until(readSectors(array, 0, array.sectors));
    expect(content.every((byte) => byte === 0x5a)).toBe(true);
  });
});
