/** The power fails at any moment: the snapshot is as it was or as it was written, and the origin has what was durable on it; also while it is merged. */
import { expect, test } from "vitest";
import { CrashDisks } from "../../../../test/support/crash-disks.ts";
import { DmWorld } from "../../../../test/support/dm-world.ts";
import { Prng } from "../../../base/prng.ts";
import { BioFlags } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { readSectors, writeSectors } from "../../../block/promises.ts";
import { FaultyDevice } from "../../../devices/faulty.ts";

const SECTORS = 64;
const COW_SECTORS = 128;
const ORIGIN = `0 ${SECTORS} snapshot-origin ./a`;
const snapshot = (target = "snapshot"): string => `0 ${SECTORS} ${target} ./a ./cow P 1`;

interface Write {
  readonly value: number;
  readonly begun: number;
  ended: number;
}

/** What the sectors of a device may hold. */
class Model {
  readonly #writes: Write[][];

  constructor() {
    this.#writes = Array.from({ length: SECTORS }, () => [{ value: 0, begun: -1, ended: -1 }]);
  }

  begin(at: number, sector: number, value: number): Write {
    const write = { value, begun: at, ended: Infinity };
    this.#writes[sector]!.push(write);
    return write;
  }

  /** @param cut of the log */
  allowed(sector: number, cut: number): number[] {
    const writes = this.#writes[sector]!.filter(({ begun }) => begun < cut);
    return writes
      .filter((one) => !writes.some((later) => later.begun > one.ended && later.ended < cut))
      .map(({ value }) => value);
  }
}

async function expectAllowed(device: BlockDevice, model: Model, cut: number): Promise<void> {
  const bytes = await readSectors(device, 0, SECTORS);
  for (let sector = 0; sector < SECTORS; sector += 1)
    expect(model.allowed(sector, cut), `cut ${cut}, sector ${sector}`).toContain(
      bytes[sector * 512],
    );
}

/** A world in which the power has come back. */
async function worldOf(images: readonly Uint8Array[]): Promise<DmWorld> {
  const world = new DmWorld({ a: SECTORS, cow: COW_SECTORS });
  await writeSectors(world.disk("a"), 0, images[0]!);
  await writeSectors(world.disk("cow"), 0, images[1]!);
  return world;
}

interface Running {
  readonly crash: CrashDisks;
  readonly world: DmWorld;
  readonly run: <T>(work: Promise<T>) => Promise<T>;
}

function running(images: readonly Uint8Array[]): Running {
  const crash = new CrashDisks(images);
  const world = new DmWorld({});
  world.disks.set("a", new FaultyDevice(crash.disks[0]!));
  world.disks.set("cow", new FaultyDevice(crash.disks[1]!));
  const run = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false;
    void work.then(() => (isDone = true));
    while (!isDone) await crash.pump();
    return work;
  };
  return { crash, world, run };
}

/** Calls `look` with what may be on the disks at every cut from `first` on. */
async function atAllCuts(
  crash: CrashDisks,
  first: number,
  look: (images: readonly Uint8Array[], cut: number) => Promise<void>,
): Promise<void> {
  const prng = new Prng(7);
  for (let cut = first; cut <= crash.log.length; cut += 1) {
    const certain: ReadonlySet<object> = crash.at(cut).certain;
    // Nothing, half or all of what may be there.
    const chance = cut % 3;
    const isThere = (write: object): boolean => prng.below(2) < chance || certain.has(write);
    await look(crash.imagesWith(cut, isThere), cut);
  }
}

test("at any cut the snapshot is whole and the origin has lost nothing, and so it is merged", async () => {
  const { crash, world, run } = running([
    new Uint8Array(SECTORS * 512),
    new Uint8Array(COW_SECTORS * 512),
  ]);
  const { use: origin, device: o } = await run(world.make("o", ORIGIN));
  const { use: snap, device: s } = await run(world.make("s", snapshot()));
  const first = crash.log.length;
  const models = { origin: new Model(), snap: new Model() };
  const prng = new Prng(3);
  const put = async (side: "origin" | "snap", sector: number, value: number): Promise<void> => {
    const write = models[side].begin(crash.log.length, sector, value);
    const data = new Uint8Array(512).fill(value);
    await writeSectors(side === "origin" ? origin : snap, sector, data, BioFlags.fua);
    write.ended = crash.log.length;
    crash.mark("written");
  };
  // More than an area of 32 exceptions.
  for (let value = 1; value < 72; value += 4)
    await run(
      Promise.all(
        [0, 1, 2, 3].map((one) =>
          put(
            one < 2 ? "origin" : "snap",
            (prng.below(16) * 4 + one + value) % SECTORS,
            value + one,
          ),
        ),
      ),
    );
  await atAllCuts(crash, first, async (images, cut) => {
    const after = await worldOf(images);
    const { use, device } = await after.make("s", snapshot());
    expect(await device.live!.status(true)).not.toContain("Invalid");
    await expectAllowed(use, models.snap, cut);
    await expectAllowed(after.disk("a"), models.origin, cut);
  });
  const last = crash.log.length;
  for (const use of [origin, snap]) await run(use.close());
  for (const device of [s, o]) await run(world.all.remove(device, { deferred: false }));
  await expectMerges(
    crash.imagesWith(last, () => true),
    models.snap,
    last,
  );
});

async function merged(world: DmWorld): Promise<void> {
  const device = world.all.all.find(({ name }) => name === "m")!;
  for (let turn = 0; turn < 10_000; turn += 1) {
    const words = (await device.live!.status(true))[0]!.split(" ");
    if (words[3]!.split("/")[0] === words[4]) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("the merge does not end");
}

async function expectMerges(
  images: readonly Uint8Array[],
  model: Model,
  cut: number,
): Promise<void> {
  const { crash, world, run } = running(images);
  const { use } = await run(world.make("m", snapshot("snapshot-merge")));
  await run(merged(world));
  await run(expectAllowed(use, model, cut));
  await run(use.close());
  await atAllCuts(crash, 0, async (then) => {
    const after = await worldOf(then);
    const { use: again } = await after.make("m", snapshot("snapshot-merge"));
    await expectAllowed(again, model, cut);
    await merged(after);
    await expectAllowed(after.disk("a"), model, cut);
  });
}
