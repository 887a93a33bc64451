/** Members that hang, vanish or are slow, in whole arrays: everything goes on in bounded time, and nothing is lost. */
import { describe, expect, it } from "vitest";
import { sameBytes } from "../../../test/support/bytes.ts";
import { LEVELS, ManagedWorld } from "../../../test/support/managed-world.ts";
import type { FailingDisk, LevelCase } from "../../../test/support/managed-world.ts";
import { seedOfRun } from "../../../test/support/seed.ts";
import { HoldfastError } from "../../base/errors.ts";
import { flush, writeSectors } from "../../block/promises.ts";
import { DeadlineDevice } from "../../devices/deadline.ts";
import type { Member } from "./member.ts";

const SEED = seedOfRun();
const TIMEOUT_MS = 30_000;
const VICTIM = 1;

async function filled(level: LevelCase): Promise<{ world: ManagedWorld; content: Uint8Array }> {
  const world = new ManagedWorld(SEED);
  world.deviceOf = ({ faults }: FailingDisk) =>
    new DeadlineDevice(faults, {
      clock: world.time,
      timers: world.time,
      timeoutMs: TIMEOUT_MS,
      slowMs: 1000,
    });
  await world.create(level);
  return { world, content: await world.fill() };
}

function victimOf({ managed }: ManagedWorld): Member {
  return managed.array.members.attached.find(({ label }) => label === `d${VICTIM}`)!;
}

/** Writes the same all over it, in pieces, and keeps it in mind. */
async function overwrite(world: ManagedWorld, content: Uint8Array): Promise<void> {
  const { array } = world.managed;
  content.fill(0x3d, 0, 256 * 512);
  const writes = [0, 100, 200].map((sector) =>
    writeSectors(array, sector, new Uint8Array(56 * 512).fill(0x3d)),
  );
  const rest = [56, 156].map((sector) =>
    writeSectors(array, sector, new Uint8Array(44 * 512).fill(0x3d)),
  );
  await world.time.until(Promise.all([...writes, ...rest]));
  await world.time.until(flush(array));
}

describe.each(LEVELS.map((level) => [level.name, level] as const))(
  `%s (seed ${SEED})`,
  (_name, level) => {
    it("goes on without a member that hangs, after one time-out, and late answers change nothing", async () => {
      const { world, content } = await filled(level);
      const { faults } = world.disks[VICTIM]!;
      faults.hold();
      const startMs = world.time.monotonicMs();
      await overwrite(world, content);
      expect(sameBytes(await world.content(), content)).toBe(true);
      expect(world.time.monotonicMs() - startMs).toBeLessThan(2 * TIMEOUT_MS);
      expect(victimOf(world).isFaulty).toBe(true);
      expect(victimOf(world).badBlocks.isEmpty).toBe(true);
      const asked = faults.held.length;
      await overwrite(world, content);
      expect(faults.held).toHaveLength(asked);
      faults.release();
      expect(sameBytes(await world.content(), content)).toBe(true);
      await world.close();
    });

    it("is read while one hangs", async () => {
      const { world, content } = await filled(level);
      world.disks[VICTIM]!.faults.hold(({ op }) => op === "read");
      expect(sameBytes(await world.content(), content)).toBe(true);
      expect(sameBytes(await world.content(), content)).toBe(true);
    });

    it("ends a check that one of them hangs in, and checks without it", async () => {
      const { world, content } = await filled(level);
      await world.quiet();
      world.disks[VICTIM]!.faults.hold();
      expect(await world.pass("check")).toBe(0);
      expect(await world.pass("check")).toBe(0);
      expect(victimOf(world).isFaulty).toBe(true);
      expect(sameBytes(await world.content(), content)).toBe(true);
    });

    it("stops while a member hangs", async () => {
      const { world } = await filled(level);
      world.disks[VICTIM]!.faults.hold();
      await world.close();
      expect(world.managed.array.mode).toBe("stopped");
    });

    it("lists nothing as bad on a member that vanished, and lets it go at once", async () => {
      const { world, content } = await filled(level);
      const gone = new HoldfastError("not-found", "it is not there");
      world.disks[VICTIM]!.disk.fault = () => gone;
      await overwrite(world, content);
      expect(victimOf(world).isFaulty).toBe(true);
      expect(victimOf(world).badBlocks.isEmpty).toBe(true);
      expect(sameBytes(await world.content(), content)).toBe(true);
    });

    it("keeps a member that is slow", async () => {
      const { world, content } = await filled(level);
      const { faults } = world.disks[VICTIM]!;
      faults.hold();
      const dripping = (): void => {
        faults.releaseOne(0);
        world.time.set(faults.held.length > 0 ? 500 : TIMEOUT_MS / 10, dripping);
      };
      dripping();
      await overwrite(world, content);
      expect(victimOf(world).isInSync).toBe(true);
      const { slowness } = victimOf(world).device as DeadlineDevice;
      expect(slowness.slowestMs).toBeGreaterThan(1000);
    });
  },
);
