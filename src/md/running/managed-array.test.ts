/** Whole arrays on disks in memory, with their bitmaps and background sync, over all levels with redundancy. */
import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../../test/support/array-device.ts";
import { randomBytes } from "../../../test/support/bytes.ts";
import { sha256 } from "../../../test/support/golden.ts";
import { seedOfRun } from "../../../test/support/seed.ts";
import { VirtualTime } from "../../../test/support/virtual-time.ts";
import { createOnDisks, runDisks, writeAllOver } from "../../../test/support/written-array.ts";
import { Prng } from "../../base/prng.ts";
import { HoldfastError } from "../../base/errors.ts";
import { readSectors, writeSectors } from "../../block/promises.ts";
import type { CreateRequest } from "../create/request.ts";
import type { ManagedArray } from "./managed-array.ts";
import type { SyncWord } from "./sync-control.ts";

const SEED = seedOfRun();
const SECTORS = 4 * 2048;
const BITMAP = { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 };
const PULLED = new HoldfastError("io", "pulled");

interface Shape {
  readonly name: string;
  readonly disks: number;
  readonly request: Partial<CreateRequest>;
}

const SHAPES: readonly Shape[] = [
  { name: "raid1 of 3", disks: 3, request: { level: "raid1", chunkSectors: null } },
  { name: "raid10 n2 of 4", disks: 4, request: { level: "raid10", layout: 0x102 } },
  { name: "raid10 f2 of 3", disks: 3, request: { level: "raid10", layout: 0x201 } },
  { name: "raid4 of 3", disks: 3, request: { level: "raid4" } },
  { name: "raid5 of 4", disks: 4, request: { level: "raid5" } },
  { name: "raid6 of 5", disks: 5, request: { level: "raid6" } },
].map((one) => ({ ...one, request: { chunkSectors: 64, ...one.request } }) as Shape);

const CASES = SHAPES.flatMap((shape) =>
  [null, BITMAP].map(
    (bitmap) =>
      [
        `${shape.name}, ${bitmap === null ? "no bitmap" : "bitmap"}`,
        { ...shape, request: { ...shape.request, bitmap } },
      ] as const,
  ),
);

class World {
  readonly shape: Shape;
  readonly prng: Prng;
  readonly time = new VirtualTime();
  devices: ArrayDevice[] = [];
  managed!: ManagedArray;

  constructor(shape: Shape, salt: number) {
    this.shape = shape;
    this.prng = new Prng(SEED + salt);
  }

  async start(more: Partial<CreateRequest> = {}): Promise<this> {
    const { disks, request } = this.shape;
    this.devices = createOnDisks(this.prng, disks + (more.spareDisks ?? 0), SECTORS, {
      ...request,
      raidDisks: disks,
      ...more,
    });
    await this.run();
    return this;
  }

  async run(devices: readonly ArrayDevice[] = this.devices): Promise<void> {
    this.managed = await this.time.until(runDisks(devices, this.time));
  }

  /** The power fails: what was running does not see these disks again. */
  cut(): void {
    this.devices = this.devices.map(({ sectors, bytes, name }) => {
      const disk = new ArrayDevice(sectors, {}, name);
      disk.bytes.set(bytes);
      return disk;
    });
    this.time.clear();
  }

  /** Until there is nothing to be done in the background. */
  async quiet(): Promise<void> {
    await this.time.until(this.managed.sync.whenAtRest());
  }

  async turn(): Promise<void> {
    await this.time.until(Promise.resolve());
    this.time.next();
  }

  async pass(word: SyncWord): Promise<number> {
    await this.time.until(this.managed.sync.setAction(word));
    await this.quiet();
    return this.managed.sync.mismatches;
  }

  async fill(): Promise<Uint8Array> {
    return this.time.until(writeAllOver(this.prng, this.managed.array, 40));
  }

  async content(): Promise<Uint8Array> {
    const { array } = this.managed;
    return this.time.until(readSectors(array, 0, array.sectors));
  }

  async close(): Promise<void> {
    await this.time.until(this.managed.close());
  }
}

describe.each(CASES)(`%s (seed ${SEED})`, (_name, shape) => {
  it("is resynced when it is new, and a check finds nothing then", async () => {
    const world = await new World(shape, 1).start({ force: true });
    for (const device of world.devices)
      device.bytes.set(randomBytes(world.prng, 4096), SECTORS * 256);
    await world.quiet();
    const { managed } = world;
    expect(managed.sync.last).toBe("resync");
    expect(managed.array.record.resyncOffsetSectors).toBe(Infinity);
    expect(await world.pass("check")).toBe(0);
    await world.close();
    await world.run();
    await world.quiet();
    expect(world.managed.sync.last).toBe("none");
  });

  it("fills a spare when a member fails, under way of writes", async () => {
    const world = await new World(shape, 2).start({ assumeClean: true, spareDisks: 1 });
    const before = await world.fill();
    const { managed } = world;
    const victim = managed.array.members.at(world.prng.below(shape.disks)).member!;
    await world.time.until(managed.failMember(victim, PULLED));
    expect(managed.array.degraded).toBe(1);
    const written = randomBytes(world.prng, 64 * 512);
    const writing = writeSectors(managed.array, 100, written);
    await world.quiet();
    await world.time.until(writing);
    before.set(written, 100 * 512);
    expect(managed.array.degraded).toBe(0);
    expect(managed.sync.last).toBe("recovery");
    expect(sha256(await world.content())).toBe(sha256(before));
    expect(await world.pass("check")).toBe(0);
    await world.time.until(managed.removeMember(victim));
    await world.close();
  });

  it("is whole again after a cut in the middle of writes", async () => {
    const world = await new World(shape, 3).start({ assumeClean: true });
    const content = await world.fill();
    const { array } = world.managed;
    const at = world.prng.below(array.sectors - 64);
    void writeSectors(array, at, randomBytes(world.prng, 64 * 512)).catch(() => {});
    await world.time.until(Promise.resolve());
    world.cut();
    await world.run();
    await world.quiet();
    expect(world.managed.sync.last).toBe("resync");
    expect(await world.pass("check")).toBe(0);
    const now = await world.content();
    for (const one of [now, content]) one.fill(0, at * 512, (at + 64) * 512);
    expect(sha256(now)).toBe(sha256(content));
  });

  it("is read-only when it was told, with a sync that ends first and goes on later", async () => {
    const world = await new World(shape, 4).start({ force: true });
    await world.turn();
    await world.time.until(world.managed.setState("readonly"));
    expect(world.managed.sync.action).toBe("idle");
    expect(world.managed.array.state).toBe("readonly");
    const before = world.devices.map(({ bytes }) => sha256(bytes));
    for (let turn = 0; turn < 20; turn += 1) await world.turn();
    expect(world.devices.map(({ bytes }) => sha256(bytes))).toEqual(before);
    await world.time.until(world.managed.setState("active"));
    await world.quiet();
    expect(world.managed.array.record.resyncOffsetSectors).toBe(Infinity);
    await world.close();
  });
});
