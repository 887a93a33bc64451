/** Members that come and go. */
import { describe, expect, it } from "vitest";
import { HostWorld } from "../../test/support/host-world.ts";
import { writeSectors, readSectors } from "../block/promises.ts";
import type { AddCall, CreateCall } from "./array-host.ts";

const BITMAP = { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 };

function addCall(device: string, more: Partial<AddCall> = {}): AddCall {
  const plain = { writeMostly: null, failFast: null, update: null };
  return { array: "/dev/md0", device, as: "member", ...plain, ...more };
}

async function mirror(more: Partial<CreateCall> = {}, count = 2) {
  const world = new HostWorld();
  const disks = world.addDisks(count);
  await world.create(disks, more);
  await world.quiet();
  return { world, disks, volume: world.volume(), host: world.host };
}

const block = (fill: number): Uint8Array => new Uint8Array(4096).fill(fill);

describe("members", () => {
  it("fail, are removed, and a new device is filled in their place", async () => {
    const { world, disks, host } = await mirror();
    const [fresh] = world.addDisks(1);
    const { number: after } = (await world.events()).at(-1)!;
    await world.do(host.fail({ array: "md0", device: disks[1]! }));
    const failed = await world.view();
    expect(failed).toMatchObject({ degraded: 1 });
    expect(failed.members.find(({ path }) => path === disks[1])).toMatchObject({ faulty: true });
    await world.do(host.remove({ array: "md0", device: disks[1]! }));
    const added = await world.do(host.add(addCall(fresh!)));
    expect(added.kind).toBe("added");
    const whole = await world.quiet();
    expect(whole).toMatchObject({ degraded: 0, lastSyncAction: "recovery" });
    expect(whole.members.map(({ path }) => path)).toEqual([fresh, disks[0]]);
    expect(await world.told(after)).toEqual([
      `Fail ${disks[1]}`,
      "RebuildStarted",
      `SpareActive ${fresh}`,
      "RebuildFinished",
    ]);
    await world.stop();
    expect(await world.assemble([disks[0]!, fresh!])).toMatchObject({ kind: "started", active: 2 });
  });

  it("come back by the bitmap, with what they missed and nothing else", async () => {
    const { world, disks, host, volume } = await mirror({ bitmap: BITMAP });
    await world.do(writeSectors(volume, 0, block(1)));
    // The bitmap is clean again.
    await world.idle(60_000);
    await world.do(host.fail({ array: "md0", device: disks[1]! }));
    await world.do(host.remove({ array: "md0", device: disks[1]! }));
    await world.do(writeSectors(volume, 2048, block(2)));
    const before = world.disks.get(disks[1]!)!.seen.length;
    expect((await world.do(host.add(addCall(disks[1]!, { as: "re-add" })))).kind).toBe("re-added");
    expect(await world.quiet()).toMatchObject({ degraded: 0 });
    const { seen } = world.disks.get(disks[1]!)!;
    const copied = seen
      .slice(before)
      .filter(({ op, sector }) => op === "write" && sector >= 2048)
      .reduce((sum, { sectors }) => sum + sectors, 0);
    // One chunk, not the disk.
    expect(copied).toBeGreaterThan(0);
    expect(copied).toBeLessThan(1024);
    await world.do(host.fail({ array: "md0", device: disks[0]! }));
    expect(await world.do(readSectors(volume, 2048, 8))).toEqual(block(2));
  });

  it("that hold nothing of use are spares, or refused where only coming back was asked for", async () => {
    const { world, disks, host, volume } = await mirror();
    await world.do(host.fail({ array: "md0", device: disks[1]! }));
    await world.do(host.remove({ array: "md0", device: disks[1]! }));
    await world.do(writeSectors(volume, 0, block(3)));
    const before = world.snapshot();
    await expect(world.do(host.add(addCall(disks[1]!, { as: "re-add" })))).rejects.toMatchObject({
      code: "usage",
    });
    expect(world.snapshot()).toEqual(before);
    expect((await world.do(host.add(addCall(disks[1]!)))).kind).toBe("added");
    expect(await world.quiet()).toMatchObject({ degraded: 0 });
  });

  it("are replaced by the spare that was chosen", async () => {
    const { world, disks, host } = await mirror({ spareDisks: 2 }, 4);
    const [first, , , chosen] = disks as [string, string, string, string];
    await world.do(host.replace({ array: "md0", device: first, with: chosen }));
    const replaced = await world.quiet();
    expect(replaced.members.find(({ path }) => path === chosen)).toMatchObject({
      slot: 0,
      inSync: true,
    });
    expect(replaced.members.find(({ path }) => path === first)).toMatchObject({ faulty: true });
    await expect(
      world.do(host.replace({ array: "md0", device: chosen, with: disks[1]! })),
    ).rejects.toThrow("is no spare");
  });

  it("that cannot be missed stay, and whoever is in use is not removed", async () => {
    const { world, disks, host } = await mirror();
    const remove = host.remove({ array: "md0", device: disks[0]! });
    await expect(world.do(remove)).rejects.toMatchObject({ code: "busy" });
    await world.do(host.fail({ array: "md0", device: disks[1]! }));
    const before = world.snapshot();
    const last = host.fail({ array: "md0", device: disks[0]! });
    await expect(world.do(last)).rejects.toThrow("cannot do without");
    expect(world.snapshot()).toEqual(before);
    const unknown = host.fail({ array: "md0", device: "/disks/none" });
    await expect(world.do(unknown)).rejects.toMatchObject({ code: "not-found" });
  });

  it("are found by path, by name and by number", async () => {
    const { world, host } = await mirror({ spareDisks: 2 }, 4);
    const spares = (await world.view()).members.filter(({ slot }) => slot === null);
    await world.do(host.remove({ array: "md0", device: spares[0]!.device }));
    await world.do(host.remove({ array: "md0", device: String(spares[1]!.number) }));
    expect((await world.view()).members).toHaveLength(2);
  });

  it("too small, busy or already there are refused and stay as they are", async () => {
    const { world, disks, host } = await mirror();
    const [small] = world.addDisks(1, 2048);
    const [other] = world.addDisks(1);
    await world.create([other!, null], { names: { kernelName: null, path: "/dev/md1" } });
    const before = world.snapshot();
    await expect(world.do(host.add(addCall(small!)))).rejects.toThrow("too small");
    await expect(world.do(host.add(addCall(disks[0]!)))).rejects.toThrow("in use by /dev/md0");
    await expect(world.do(host.add(addCall(other!)))).rejects.toThrow("in use by /dev/md1");
    expect(world.snapshot()).toEqual(before);
    // And nothing of it is held: it may be zeroed.
    expect(await world.do(host.zeroSuperblock({ device: small!, force: false }))).toBe(false);
  });

  it("take flags and lists of bad blocks that last", async () => {
    const { world, disks, host } = await mirror({ bitmap: BITMAP });
    const folder = "dev-d1";
    const state = (word: "writemostly" | "failfast") =>
      host.set({
        array: "md0",
        action: { kind: "member", folder, action: { kind: "state", word, on: true } },
      });
    await world.do(state("writemostly"));
    await world.do(state("failfast"));
    const action = { kind: "bad-block", acknowledged: true, sector: 4096, sectors: 8 } as const;
    await world.do(host.set({ array: "md0", action: { kind: "member", folder, action } }));
    world.crash();
    const { array } = await world.assemble(disks);
    expect(array.members.find(({ path }) => path === disks[1])).toMatchObject({
      writeMostly: true,
      failFast: true,
      badBlocks: [{ sector: 4096, sectors: 8 }],
    });
  });
});
