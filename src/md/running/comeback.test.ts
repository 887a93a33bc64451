/** Devices that come, and come back, to whole arrays: what they are filled with, and how much of it. */
import { describe, expect, it } from "vitest";
import { sameBytes } from "../../../test/support/bytes.ts";
import { sha256 } from "../../../test/support/golden.ts";
import { LEVELS, ManagedWorld } from "../../../test/support/managed-world.ts";
import type { FailingDisk, LevelCase } from "../../../test/support/managed-world.ts";
import { seedOfRun } from "../../../test/support/seed.ts";
import { HoldfastError } from "../../base/errors.ts";
import { writeSectors } from "../../block/promises.ts";
import type { MdVersion } from "../../formats/md/superblock.ts";
import { revive } from "./rejoin.ts";

const SEED = seedOfRun();
const PULLED = new HoldfastError("io", "pulled");
const BITMAP = { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 };

async function filled(
  level: LevelCase,
  hasBitmap: boolean,
  version: MdVersion = "1.2",
): Promise<ManagedWorld> {
  const world = new ManagedWorld(SEED);
  await world.create(level, { version, bitmap: hasBitmap ? BITMAP : null });
  await world.fill();
  // Then its bitmap is clean.
  await world.close();
  await world.run();
  return world;
}

/** Bytes of data written to it since it was last asked. */
function writtenTo({ disk }: FailingDisk, dataOffset: number): number {
  const writes = disk.seen.filter(({ op, sector }) => op === "write" && sector >= dataOffset);
  disk.seen.length = 0;
  return writes.reduce((sum, { sectors }) => sum + sectors, 0);
}

/** Each member alone, or as many as the level can do without, has its part: all of it is read without the others. */
async function isWholeWithout(world: ManagedWorld, slot: number, wanted: string): Promise<void> {
  expect(world.managed.array.degraded).toBe(0);
  expect(await world.pass("check")).toBe(0);
  expect(sha256(await world.content())).toBe(wanted);
  const other = (slot + 1) % world.managed.array.members.slots;
  await world.leave(other);
  expect(sha256(await world.content())).toBe(wanted);
}

describe.each(LEVELS.map((level) => [level.name, level] as const))(
  `%s (seed ${SEED})`,
  (_name, level) => {
    const slot = 1;

    it.each(["0.90", "1.2"] as const)("gets a member back by its %s bitmap", async (version) => {
      const world = await filled(level, true, version);
      const { array } = world.managed;
      const left = await world.leave(slot);
      const fresh = new Uint8Array(512 * 700).fill(0x42);
      await world.time.until(writeSectors(array, 1000, fresh));
      const wanted = sha256(await world.content());
      const verdict = await world.judged(left);
      expect(verdict).toEqual({ kind: "by-bitmap", slot });
      writtenTo(left, array.members.attached[0]!.dataOffset);
      await world.comeBack(left, verdict);
      const written = writtenTo(left, array.members.attached[0]!.dataOffset);
      expect(written).toBeGreaterThan(0);
      expect(written).toBeLessThan(3000);
      await isWholeWithout(world, slot, wanted);
    });

    it("takes one back as new when a spare has had its place meanwhile, or without a bitmap", async () => {
      const world = await filled(level, true);
      const left = await world.leave(slot);
      await world.addNew(world.emptyDisk(left.disk.sectors, "new"));
      expect(world.managed.array.degraded).toBe(0);
      expect(await world.judged(left)).toMatchObject({ kind: "as-new" });
      const plain = await filled(level, false);
      const gone = await plain.leave(slot);
      expect(await plain.judged(gone)).toMatchObject({ kind: "as-new" });
    });

    it("fills a new device, of an array with a bitmap or without", async () => {
      for (const hasBitmap of [true, false]) {
        const world = await filled(level, hasBitmap);
        const left = await world.leave(slot);
        const wanted = sha256(await world.content());
        const fresh = world.emptyDisk(left.disk.sectors + 64, "new");
        await world.addNew(fresh);
        await isWholeWithout(world, slot, wanted);
        await world.close();
        const there = [...world.disks.filter((one) => one !== left), fresh];
        await world.run(there);
        expect(world.managed.array.members.attached.map(({ label }) => label)).toContain("new");
        expect(sha256(await world.content())).toBe(wanted);
      }
    });

    it("never reads what came back before it was filled", async () => {
      const world = await filled(level, true);
      const { array, sync } = world.managed;
      const left = await world.leave(slot);
      const fresh = new Uint8Array(512 * 700).fill(0x42);
      await world.time.until(writeSectors(array, 1000, fresh));
      const wanted = await world.content();
      await world.time.until(sync.setAction("frozen"));
      const verdict = await world.judged(left);
      await world.comeBack(left, verdict);
      expect(array.degraded).toBe(1);
      left.disk.seen.length = 0;
      expect(sameBytes(await world.content(), wanted)).toBe(true);
      expect(left.disk.seen.filter(({ op }) => op === "read")).toEqual([]);
    });

    it("replaces a member by a spare once a write to it has failed, and reads it meanwhile", async () => {
      const world = new ManagedWorld(SEED);
      await world.create(level, { spareDisks: 1 });
      const content = await world.fill();
      const { array } = world.managed;
      const member = array.members.at(slot).member!;
      const sector = member.dataOffset + 32;
      world.disks.find(({ faults }) => faults === member.device)!.faults.failWrites(sector, 1);
      for (let at = 0; at < 512; at += 64) {
        const fresh = new Uint8Array(512 * 64).fill(at / 64);
        await world.time.until(writeSectors(array, at, fresh));
        content.set(fresh, at * 512);
      }
      expect(member.badBlocks.isEmpty).toBe(false);
      await world.quiet();
      expect(member.isFaulty).toBe(true);
      expect(array.members.at(slot).member!.badBlocks.isEmpty).toBe(true);
      await isWholeWithout(world, slot, sha256(content));
    });

    it("tries a faulty member again that was not removed, by bitmap", async () => {
      const world = await filled(level, true);
      const { managed, time } = world;
      const member = managed.array.members.at(slot).member!;
      await time.until(managed.failMember(member, PULLED));
      await time.until(writeSectors(managed.array, 1000, new Uint8Array(512 * 100).fill(1)));
      const wanted = sha256(await world.content());
      writtenTo(world.disks[slot]!, member.dataOffset);
      revive(member, true);
      managed.sync.changed();
      await world.quiet();
      expect(member.isInSync).toBe(true);
      expect(writtenTo(world.disks[slot]!, member.dataOffset)).toBeLessThan(2000);
      await isWholeWithout(world, slot, wanted);
    });
  },
);

it("in 0.90 a member that is back stands among the spares until it is filled, and has its number again then", async () => {
  const world = new ManagedWorld(SEED);
  await world.create(LEVELS[0]!, { bitmap: BITMAP, version: "0.90" });
  await world.fill();
  const left = await world.leave(1);
  await world.time.until(world.managed.sync.setAction("frozen"));
  await world.comeBack(left, await world.judged(left));
  const numbers = (): number[] => world.managed.array.members.attached.map(({ number }) => number);
  expect(numbers()).toEqual([0, 2, 3]);
  await world.time.until(world.managed.sync.setAction("idle"));
  world.managed.sync.changed();
  await world.quiet();
  expect(numbers()).toEqual([0, 2, 1]);
});
