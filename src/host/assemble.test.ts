/** Who belongs to an array, whether it starts, and what is written on the way. */
import { describe, expect, it } from "vitest";
import { HostWorld } from "../../test/support/host-world.ts";
import type { AssemblyUpdate, CreateCall } from "./array-host.ts";

async function stopped(
  more: Partial<CreateCall> = {},
  count = 3,
  level: CreateCall["level"] = "raid5",
) {
  const world = new HostWorld();
  const disks = world.addDisks(count);
  await world.create(disks, { level, chunkSectors: level === "raid1" ? null : 128, ...more });
  await world.quiet();
  await world.stop();
  return { world, disks };
}

describe("assembling", () => {
  it("leaves out who does not belong to it, and says why", async () => {
    const { world, disks } = await stopped();
    const [blank] = world.addDisks(1);
    const others = world.addDisks(2);
    await world.create(others, { names: { kernelName: "md1", path: null } });
    await world.stop("md1");
    const paths = [...disks, blank!, others[0]!, "/disks/none", disks[0]!];
    const { kind, leftOut } = await world.assemble(paths);
    expect(kind).toBe("started");
    expect(leftOut.map(({ path }) => path)).toEqual([blank, "/disks/none", disks[0], others[0]]);
    expect(leftOut[0]!.why).toBe("has no md superblock");
    expect(leftOut[3]!.why).toBe("belongs to another array");
    // Who was left out is not held.
    await world.assemble(others, { names: { kernelName: "md1", path: null } });
  });

  it("without a member that was there waits, until it is told to run", async () => {
    const { world, disks } = await stopped();
    const before = world.snapshot();
    const waiting = await world.assemble(disks.slice(0, 2));
    expect(waiting).toMatchObject({ kind: "inactive", active: 2 });
    expect(waiting.reason).toContain("2 of the 3 members");
    expect(waiting.array).toMatchObject({ state: "inactive", arrayKib: 0 });
    expect(waiting.array.members).toHaveLength(2);
    expect(world.snapshot()).toEqual(before);
    const outcome = await world.do(world.host.run("md0"));
    expect(outcome).toMatchObject({ kind: "started", active: 2 });
    expect(outcome.array).toMatchObject({ degraded: 1 });
    expect(await world.told()).toContain("DegradedArray");
  });

  it("counts a spare that had just been given a slot, of which its own superblock does not tell yet", async () => {
    const { world, disks } = await stopped({ raidDisks: 3, spareDisks: 1, force: true }, 4);
    await world.assemble(disks);
    const [, , failing, spare] = disks;
    const before = world.bytesOf(spare!).slice();
    await world.do(world.host.fail({ array: "md0", device: failing! }));
    await world.quiet();
    await world.stop();
    // As a crash may leave it: the others' superblocks say what it is now, its own what it was.
    world.bytesOf(spare!).set(before);
    const outcome = await world.assemble([disks[0]!, disks[1]!, spare!]);
    expect(outcome).toMatchObject({ kind: "started", active: 2 });
    expect(await world.quiet()).toMatchObject({ degraded: 0 });
  });

  it("starts at once where it is told to, or nobody is missing", async () => {
    const { world, disks } = await stopped();
    expect(await world.assemble(disks.slice(1), { run: true })).toMatchObject({ kind: "started" });
    await world.stop();
    // It last ran without that one.
    expect(await world.assemble(disks.slice(1))).toMatchObject({ kind: "started" });
    await world.stop();
    const whole = await world.assemble(disks.slice(1), { noDegraded: true });
    expect(whole).toMatchObject({ kind: "inactive" });
    expect(whole.reason).toContain("not to be started degraded");
  });

  it("takes stale members back by force only", async () => {
    const { world, disks } = await stopped();
    await world.assemble(disks.slice(1), { run: true });
    await world.stop();
    const two = [disks[0]!, disks[1]!];
    const before = world.snapshot();
    const plain = await world.assemble(two);
    expect(plain).toMatchObject({ kind: "inactive" });
    await world.stop();
    expect(world.snapshot()).toEqual(before);
    const forced = await world.assemble(two, { force: true });
    expect(forced).toMatchObject({ kind: "started" });
    expect(forced.forced[0]).toContain("taken back by force");
  });

  it("with not one member is refused", async () => {
    const world = new HostWorld();
    const none = world.assemble(world.addDisks(2));
    await expect(none).rejects.toMatchObject({ code: "cannot-start" });
    expect(await world.host.arrays()).toEqual([]);
  });

  it("for reading writes nothing, also where nothing may be written", async () => {
    const { world, disks } = await stopped();
    const before = world.snapshot();
    for (const path of disks) world.readable.add(path);
    await expect(world.assemble(disks)).rejects.toMatchObject({ code: "cannot-start" });
    const { array } = await world.assemble(disks, { mode: "read-only" });
    expect(array.state).toBe("readonly");
    const active = world.host.set({
      array: "md0",
      action: { kind: "array-state", state: "active" },
    });
    await expect(world.do(active)).rejects.toMatchObject({ code: "read-only" });
    await world.stop();
    expect(world.snapshot()).toEqual(before);
  });

  it("chooses the names that superblocks have", async () => {
    const { world, disks } = await stopped();
    const { array } = await world.assemble(disks, { names: { kernelName: null, path: null } });
    expect(array).toMatchObject({ kernelName: "md127", path: "/dev/md/data" });
    expect(await world.view("/dev/md127")).toEqual(await world.view("/dev/md/data"));
  });
});

describe("updates at assembly", () => {
  const UUID = "01234567:89abcdef:fedcba98:76543210";

  async function after(update: AssemblyUpdate, more: Partial<CreateCall> = {}) {
    const { world, disks } = await stopped(more, 2, "raid1");
    const { array } = await world.assemble(disks, { update });
    return { world, disks, array };
  }

  it.each(["0.90", "1.0", "1.2"] as const)("of %s: uuid, with the bitmap's", async (version) => {
    const bitmap = { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 };
    const { world, disks, array } = await after({ kind: "uuid", value: UUID }, { version, bitmap });
    expect(array).toMatchObject({ uuid: UUID, consistencyPolicy: "bitmap" });
    await world.stop();
    const again = await world.assemble(disks);
    expect(again).toMatchObject({ kind: "started", active: 2 });
    expect(again.array.uuid).toBe(UUID);
  });

  it("name and homehost", async () => {
    const named = await after({ kind: "name", value: "other:fred" });
    expect(named.array.name).toBe("other:fred");
    expect((await after({ kind: "name", value: null })).array.name).toBe("md0");
    expect((await after({ kind: "homehost", value: "there" })).array.name).toBe("there:data");
  });

  it("resync", async () => {
    for (const version of ["0.90", "1.2"] as const) {
      const { world } = await after({ kind: "resync" }, { version, assumeClean: true });
      const { lastSyncAction, resyncStartSectors } = await world.quiet();
      expect({ lastSyncAction, resyncStartSectors }).toEqual({
        lastSyncAction: "resync",
        resyncStartSectors: null,
      });
    }
  });

  it("no-bitmap, flags and the list of bad blocks", async () => {
    const bitmap = { chunkSectors: null, delaySeconds: 5, writeBehind: 0 };
    expect((await after({ kind: "no-bitmap" }, { bitmap })).array.bitmap).toBeNull();
    expect((await after({ kind: "writemostly" })).array.members[0]!.writeMostly).toBe(true);
    const without = await after({ kind: "no-bbl" });
    await without.world.stop();
    const { array } = await without.world.assemble(without.disks, { update: { kind: "bbl" } });
    expect(array.state).toBe("clean");
  });

  it("of 0.90: minor, counts and byte order change no more than they should", async () => {
    for (const kind of ["super-minor", "summaries", "byteorder"] as const) {
      const { array, world } = await after({ kind }, { version: "0.90" });
      expect(array, kind).toMatchObject({ metadata: "0.90", degraded: 0 });
      expect(await world.quiet(), kind).toMatchObject({ sync: null });
    }
  });

  it("to version 1.0: data and members stay, the old superblocks go last", async () => {
    const { world, disks } = await stopped({ version: "0.90", spareDisks: 1 }, 3, "raid1");
    const data = disks.map((path) => world.bytesOf(path).slice(0, 4096));
    const sectors: number[] = [];
    for (const path of disks)
      world.disks.get(path)!.fault = ({ op, sector }) => {
        if (op === "write") sectors.push(sector);
        return null;
      };
    const { array } = await world.assemble(disks, {
      update: { kind: "metadata" },
      mode: "read-only",
    });
    expect(array).toMatchObject({ metadata: "1.0", degraded: 0, raidDisks: 2 });
    expect(new Set(array.members.map(({ slot }) => slot))).toEqual(new Set([0, 1, null]));
    expect(sectors).toEqual([16_368, 16_368, 16_368, 16_256, 16_256, 16_256]);
    expect(disks.map((path) => world.bytesOf(path).slice(0, 4096))).toEqual(data);
    await world.stop();
    expect(await world.assemble(disks)).toMatchObject({ kind: "started", active: 2, spares: 1 });
  });

  it("that a version does not know is refused, and nothing is written", async () => {
    const { world, disks } = await stopped({}, 2, "raid1");
    const before = world.snapshot();
    for (const kind of ["super-minor", "byteorder", "metadata", "ppl"] as const)
      await expect(world.assemble(disks, { update: { kind } })).rejects.toMatchObject({
        code: "unsupported",
      });
    await expect(
      world.assemble(disks, { update: { kind: "layout-original" } }),
    ).rejects.toMatchObject({ code: "usage" });
    expect(world.snapshot()).toEqual(before);
    expect(await world.host.arrays()).toEqual([]);
    expect(await world.assemble(disks)).toMatchObject({ kind: "started" });
  });
});
