/** More is lost than the level bears: what can be answered is, the rest ends with errors, nothing is invented, and the array says "broken". */
import { describe, expect, it } from "vitest";
import { sameBytes } from "../../../test/support/bytes.ts";
import { LEVELS, ManagedWorld } from "../../../test/support/managed-world.ts";
import type { LevelCase } from "../../../test/support/managed-world.ts";
import { seedOfRun } from "../../../test/support/seed.ts";
import { HoldfastError } from "../../base/errors.ts";
import { flush, readSectors, writeSectors } from "../../block/promises.ts";
import type { ArrayEvent } from "./array-events.ts";
import type { Member } from "./member.ts";

const SEED = seedOfRun();
const PULLED = new HoldfastError("io", "pulled");
const STEP = 16;

async function filled(level: LevelCase): Promise<{ world: ManagedWorld; content: Uint8Array }> {
  const world = new ManagedWorld(SEED);
  await world.create(level);
  return { world, content: await world.fill() };
}

function outcome(world: ManagedWorld, work: Promise<unknown>): Promise<unknown> {
  return world.time.until(work.then(() => "ok").catch((error: unknown) => error));
}

/** Sectors that can be read; each of them must be right, each other end with an error. */
async function readable({ managed, time }: ManagedWorld, content: Uint8Array): Promise<number> {
  const { array } = managed;
  let count = 0;
  for (let sector = 0; sector < array.sectors; sector += STEP) {
    const read = readSectors(array, sector, STEP).catch((error: unknown) => error);
    const data = await time.until(read);
    if (data instanceof Uint8Array) {
      const wanted = content.subarray(sector * 512, (sector + STEP) * 512);
      expect(sameBytes(data, wanted), `sector ${sector}`).toBe(true);
      count += STEP;
    } else
      expect(data).toMatchObject({ code: expect.stringMatching(/^(io|data-lost)$/) as unknown });
  }
  return count;
}

/** Pulls them one after the other, and the array finds out by itself as it writes. */
async function pull(world: ManagedWorld, victims: readonly number[]): Promise<void> {
  for (const victim of victims) {
    world.disks[victim]!.faults.vanish();
    await outcome(world, flush(world.managed.array));
  }
}

function inSync({ managed }: ManagedWorld): readonly Member[] {
  return managed.array.members.attached.filter((member) => member.isInSync);
}

/** How much of the volume can be read without the first `lost` members; the first one that goes too far stays if a mirror keeps it. */
const LEFT: Readonly<Record<string, number>> = {
  // The last copy, on a disk that is gone.
  "raid1 of 3": 0,
  "raid10 n2 of 4": 1 / 2,
  "raid10 f2 of 3": 2 / 3,
  "raid4 of 3": 0,
  "raid5 of 4": 2 / 4,
  "raid6 of 5": 2 / 5,
};

describe.each(LEVELS.map((level) => [level.name, level] as const))(
  `%s (seed ${SEED})`,
  (name, level) => {
    const tooMany = Array.from({ length: level.bears + 1 }, (_unused, at) => at);

    it("reads and writes as long as it bears what is lost", async () => {
      const { world, content } = await filled(level);
      await pull(world, tooMany.slice(0, -1));
      const { array } = world.managed;
      expect(array.broken).toBeNull();
      expect(array.degraded).toBe(level.bears);
      const fresh = new Uint8Array(512 * STEP).fill(0x77);
      expect(await outcome(world, writeSectors(array, 64, fresh))).toBe("ok");
      content.set(fresh, 64 * 512);
      expect(await readable(world, content)).toBe(array.sectors);
    });

    it("then refuses all writes, reads what is there, and is broken", async () => {
      const { world, content } = await filled(level);
      const { array } = world.managed;
      const events: ArrayEvent["kind"][] = [];
      array.listen(({ kind }) => events.push(kind));
      await pull(world, tooMany);
      expect(array.broken).not.toBeNull();
      expect(events.filter((kind) => kind === "broken")).toHaveLength(1);
      expect(array.state).toBe("broken");
      const before = world.disks.map(({ disk }) => disk.bytes.slice());
      for (const sector of [0, 64, array.sectors - STEP])
        expect(
          await outcome(world, writeSectors(array, sector, new Uint8Array(512))),
        ).toMatchObject({
          code: "io",
        });
      expect(await outcome(world, flush(array))).toMatchObject({ code: "io" });
      expect((await readable(world, content)) / array.sectors).toBeCloseTo(LEFT[name]!, 1);
      await world.quiet();
      world.disks.forEach(({ disk }, at) => expect(sameBytes(disk.bytes, before[at]!)).toBe(true));
      await world.close();
      world.disks.forEach(({ disk }, at) => expect(sameBytes(disk.bytes, before[at]!)).toBe(true));
    });

    it("does not come back to life when the disks do", async () => {
      const { world, content } = await filled(level);
      const { array } = world.managed;
      await pull(world, tooMany);
      for (const { faults } of world.disks) faults.comeBack();
      expect(await outcome(world, writeSectors(array, 0, new Uint8Array(512)))).toMatchObject({
        code: "io",
      });
      await readable(world, content);
      await world.quiet();
      expect(world.managed.sync.action).toBe("idle");
      const keeps = ["raid1", "raid10"].includes(level.request.level!);
      expect(inSync(world)).toHaveLength(level.disks - level.bears - (keeps ? 0 : 1));
    });

    it("is not filled up by a spare that comes too late", async () => {
      const world = new ManagedWorld(SEED);
      await world.create(level, { spareDisks: 1 });
      const { array } = world.managed;
      await world.fill();
      for (const slot of tooMany)
        array.memberFailed(array.members.at(slot).member!, PULLED, () => {});
      await world.quiet();
      expect(array.broken).not.toBeNull();
      expect(array.members.attached.at(-1)!.isInSync).toBe(false);
    });
  },
);

it("a mirror's last member leaves as well where it is to, and then nothing can be read", async () => {
  const { world, content } = await filled(LEVELS[0]!);
  const { array } = world.managed;
  array.settings.failsLast = true;
  await pull(world, [0, 1, 2]);
  for (const { faults } of world.disks) faults.comeBack();
  expect(array.state).toBe("broken");
  expect(inSync(world)).toEqual([]);
  expect(await readable(world, content)).toBe(0);
});
