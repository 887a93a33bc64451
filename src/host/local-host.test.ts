import { describe, expect, it } from "vitest";
import { HostWorld } from "../../test/support/host-world.ts";
import { mdstatText } from "../md/view/mdstat-text.ts";

describe("an array from its making to its end", () => {
  it("is made, synced, stopped and assembled again", async () => {
    const world = new HostWorld();
    const disks = world.addDisks(3);
    const { array } = await world.create(disks, { spareDisks: 1 });
    expect(array).toMatchObject({
      kernelName: "md0",
      path: "/dev/md0",
      level: 1,
      raidDisks: 2,
      name: "host:data",
      state: "clean",
      consistencyPolicy: "resync",
    });
    const synced = await world.quiet();
    expect(synced).toMatchObject({ sync: null, resyncStartSectors: null, degraded: 0 });
    expect(mdstatText(["raid1"], [synced])).toContain("md0 : active raid1 d");
    await world.stop();
    expect(await world.host.arrays()).toEqual([]);
    const again = await world.assemble(disks);
    expect(again).toMatchObject({ kind: "started", active: 2, spares: 1, leftOut: [], forced: [] });
    expect(again.array.uuid).toBe(synced.uuid);
    expect(await world.told()).toEqual([
      "NewArray",
      "RebuildStarted",
      "RebuildFinished",
      "DeviceDisappeared",
      "NewArray",
    ]);
  });
});
