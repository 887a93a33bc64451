/** Arrays without superblocks: members have data, and nothing else. */
import { describe, expect, it } from "vitest";
import { HostWorld } from "../../test/support/host-world.ts";
import { readSectors, writeSectors } from "../block/promises.ts";
import type { BuildCall } from "./array-host.ts";

function buildCall(paths: readonly (string | null)[], more: Partial<BuildCall> = {}): BuildCall {
  return {
    names: { kernelName: null, path: "/dev/md0" },
    devices: paths.map((path) =>
      path === null ? null : { path, writeMostly: false, failFast: false, dataOffsetSectors: null },
    ),
    level: "raid1",
    layout: null,
    chunkSectors: null,
    componentSectors: null,
    assumeClean: false,
    ...more,
  };
}

describe("an array without superblocks", () => {
  it.each([
    ["linear", 2, 2],
    ["raid0", 2, 2],
    ["raid1", 2, 1],
    ["raid10", 4, 2],
  ] as const)("of level %s has all of its devices for data", async (level, count, times) => {
    const world = new HostWorld();
    const disks = world.addDisks(count);
    const view = await world.do(world.host.build(buildCall(disks, { level })));
    expect(view).toMatchObject({
      metadata: "none",
      uuid: null,
      state: "clean",
      arrayKib: 8192 * times,
    });
    const redundant = level === "raid1" || level === "raid10";
    expect((await world.quiet()).lastSyncAction).toBe(redundant ? "resync" : "none");
    const volume = world.volume();
    await world.do(writeSectors(volume, 0, new Uint8Array(512).fill(1)));
    await world.do(writeSectors(volume, volume.sectors - 1, new Uint8Array(512).fill(2)));
    if (redundant) {
      await world.do(world.host.fail({ array: "md0", device: disks[1]! }));
      await world.do(world.host.remove({ array: "md0", device: disks[1]! }));
    }
    await world.stop();
    // Two sectors of data, as often as they are kept; the member that left is not written to any more, nor before.
    const written = disks.reduce(
      (sum, path) => sum + world.bytesOf(path).filter((byte) => byte !== 0).length,
      0,
    );
    expect(written).toBe(redundant ? 4 * 512 : 2 * 512);
    await world.do(world.host.build(buildCall(disks, { level, assumeClean: true })));
    const first = await world.do(readSectors(world.volume(), 0, 1));
    expect(first[0]).toBe(1);
  });

  it("is not made where it makes no sense, nor given members that nobody would remember", async () => {
    const world = new HostWorld();
    const disks = world.addDisks(3);
    const build = (call: BuildCall) => world.do(world.host.build(call));
    const code = (one: string) => expect.objectContaining({ code: one }) as Error;
    await expect(build(buildCall(disks, { level: "raid5" }))).rejects.toEqual(code("unsupported"));
    await expect(build(buildCall([disks[0]!, null], { level: "raid0" }))).rejects.toEqual(
      code("cannot-start"),
    );
    await expect(build(buildCall(disks, { componentSectors: 1e9 }))).rejects.toEqual(
      code("no-space"),
    );
    await build(buildCall([disks[0]!, null], { assumeClean: true }));
    const plain = { writeMostly: null, failFast: null, update: null };
    const add = world.host.add({ array: "md0", device: disks[1]!, as: "member", ...plain });
    await expect(world.do(add)).rejects.toEqual(code("unsupported"));
    const grow = world.host.grow({ kind: "raid-disks", array: "md0", raidDisks: 3 });
    await expect(world.do(grow)).rejects.toEqual(code("unsupported"));
  });
});
