/** What writing to files of md/ does, text in and text out. */
import { describe, expect, it } from "vitest";
import { HostWorld } from "../../test/support/host-world.ts";
import type { HoldfastError } from "../base/errors.ts";
import { readSectors, writeSectors } from "../block/promises.ts";
import { readSysfs } from "../md/view/sysfs-text.ts";
import { parseSysfsWrite } from "../md/view/sysfs-write.ts";
import type { CreateCall } from "./array-host.ts";

class Sysfs {
  readonly world = new HostWorld();
  disks: string[] = [];

  async make(count: number, more: Partial<CreateCall> = {}): Promise<this> {
    this.disks = this.world.addDisks(count);
    await this.world.create(this.disks, more);
    await this.world.quiet();
    return this;
  }

  async write(name: string, text: string): Promise<void> {
    const parsed = parseSysfsWrite(name, text);
    if (parsed.kind === "refused") throw new Error(parsed.error);
    await this.world.do(this.world.host.set({ array: "md0", action: parsed.action }));
  }

  async read(name: string): Promise<string> {
    return readSysfs(await this.world.view(), name)!.trimEnd();
  }

  /** With which code it is refused. */
  async refusal(name: string, text: string): Promise<string> {
    const before = this.world.snapshot();
    try {
      await this.write(name, text);
    } catch (error) {
      const isSame = this.world.snapshot().join() === before.join();
      return isSame ? (error as HoldfastError).code : "refused, and written";
    }
    return "not refused";
  }
}

describe("files of an array", () => {
  it("are written and read", async () => {
    const sysfs = await new Sysfs().make(2);
    for (const [name, text, shown] of [
      ["sync_speed_min", "500", "500 (local)"],
      ["sync_speed_min", "system", "1000 (system)"],
      ["sync_speed_max", "90000", "90000 (local)"],
      ["sync_min", "128", "128"],
      ["sync_max", "4096", "4096"],
      ["sync_max", "max", "max"],
      ["safe_mode_delay", "0.5", "0.500"],
      ["max_read_errors", "7", "7"],
      ["fail_last_dev", "1", "1"],
      ["array_size", "default", "default"],
      ["suspend_hi", "64", "64"],
      ["suspend_hi", "0", "0"],
      ["dev-d0/errors", "3", "3"],
      ["dev-d0/state", "writemostly", "in_sync,write_mostly"],
      ["dev-d0/state", "-writemostly", "in_sync"],
      ["dev-d0/state", "write_error", "in_sync,write_error"],
      ["rd1/state", "want_replacement", "in_sync,want_replacement"],
      ["rd1/state", "-want_replacement", "in_sync"],
      ["dev-d1/bad_blocks", "4096 8", "4096 8"],
    ] as const) {
      await sysfs.write(name, text);
      expect(await sysfs.read(name), `${name} ${text}`).toBe(shown);
    }
  });

  it("that stand for what is not done are refused by name", async () => {
    const sysfs = await new Sysfs().make(3, { level: "raid5", chunkSectors: 128 });
    for (const [name, text] of [
      ["level", "raid6"],
      ["layout", "0"],
      ["chunk_size", "65536"],
      ["raid_disks", "4"],
      ["metadata_version", "1.0"],
      ["new_dev", "8:1"],
      ["resync_start", "0"],
      ["journal_mode", "write-back"],
      ["bitmap/location", "+8"],
      ["bitmap/chunksize", "65536"],
      ["bitmap/time_base", "5"],
      ["array_size", "100"],
      ["sync_action", "reshape"],
      ["dev-d0/slot", "1"],
      ["dev-d0/offset", "4096"],
      ["dev-d0/recovery_start", "0"],
      ["dev-d0/state", "insync"],
      ["dev-d0/state", "blocked"],
    ] as const)
      expect(await sysfs.refusal(name, text), `${name} ${text}`).toBe("unsupported");
    expect(await sysfs.refusal("dev-none/state", "faulty")).toBe("not-found");
    expect(await sysfs.refusal("dev-d0/state", "remove")).toBe("busy");
  });

  it("bitmap/location none takes the bitmap away", async () => {
    const bitmap = { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 };
    const sysfs = await new Sysfs().make(2, { bitmap });
    expect(await sysfs.read("bitmap/location")).toBe("+8");
    await sysfs.write("bitmap/location", "none");
    expect(await sysfs.read("bitmap/location")).toBe("none");
  });

  it("consistency_policy gives a raid5 a partial parity log, and takes it away", async () => {
    const raid5 = { level: "raid5", chunkSectors: 128, componentSectors: 8192 } as const;
    const sysfs = await new Sysfs().make(3, raid5);
    for (const policy of ["ppl", "resync"]) {
      await sysfs.write("consistency_policy", policy);
      expect(await sysfs.read("consistency_policy")).toBe(policy);
    }
    expect(await sysfs.refusal("consistency_policy", "resync")).toBe("usage");
  });

  it("component_size makes members larger", async () => {
    const sysfs = await new Sysfs().make(2, { componentSectors: 4096 });
    await sysfs.write("component_size", "4096");
    expect(await sysfs.read("component_size")).toBe("4096");
  });
});

describe("sync_action", () => {
  it("checks, finds what differs, and repairs it", async () => {
    const sysfs = await new Sysfs().make(2);
    const { world, disks } = sysfs;
    world.bytesOf(disks[1]!).fill(5, 4096 * 512, 4104 * 512);
    await sysfs.write("sync_action", "check");
    expect(await sysfs.read("sync_action")).toBe("check");
    expect(await world.do(world.host.wait("md0"))).toBe(true);
    expect(await world.do(world.host.wait("md0"))).toBe(false);
    expect(Number(await sysfs.read("mismatch_cnt"))).toBeGreaterThan(0);
    const finished = (await world.events()).filter(({ kind }) => kind === "RebuildFinished").at(-1);
    expect(finished!.detail).toMatch(/^ mismatches found: \d+ \(on raid level 1\)$/);
    expect((await world.do(world.host.mismatches("md0"))).total).toBeGreaterThan(0);
    await sysfs.write("sync_action", "repair");
    await world.quiet();
    await sysfs.write("sync_action", "check");
    await world.quiet();
    expect(await sysfs.read("mismatch_cnt")).toBe("0");
    expect(await sysfs.read("last_sync_action")).toBe("check");
  });

  it("freezes what is due until it is told to go on", async () => {
    const sysfs = await new Sysfs().make(2);
    await sysfs.write("sync_action", "frozen");
    expect(await sysfs.read("sync_action")).toBe("frozen");
    const { world, disks } = sysfs;
    const [fresh] = world.addDisks(1);
    await world.do(world.host.fail({ array: "md0", device: disks[0]! }));
    const none = { writeMostly: null, failFast: null, update: null };
    await world.do(world.host.add({ array: "md0", device: fresh!, as: "spare", ...none }));
    expect(await world.quiet()).toMatchObject({ degraded: 1 });
    await sysfs.write("sync_action", "idle");
    expect(await world.quiet()).toMatchObject({ degraded: 0 });
  });
});

describe("array_state", () => {
  it("goes to read-only and back, and to its end", async () => {
    const sysfs = await new Sysfs().make(2);
    const { world } = sysfs;
    const volume = world.volume();
    for (const word of ["readonly", "read-auto", "active", "clean"] as const) {
      await sysfs.write("array_state", word);
      const shown = await sysfs.read("array_state");
      expect(shown).toBe(word === "active" ? "clean" : word);
    }
    await sysfs.write("array_state", "readonly");
    await expect(world.do(writeSectors(volume, 0, new Uint8Array(512)))).rejects.toMatchObject({
      code: "read-only",
    });
    await sysfs.write("array_state", "read-auto");
    await world.do(writeSectors(volume, 0, new Uint8Array(512)));
    expect(["active", "active-idle", "clean"]).toContain(await sysfs.read("array_state"));
    const release = world.host.use("md0");
    expect(await sysfs.refusal("array_state", "readonly")).toBe("busy");
    expect(await sysfs.refusal("array_state", "clear")).toBe("busy");
    release();
    await sysfs.write("array_state", "clear");
    expect(await world.host.arrays()).toEqual([]);
    await expect(world.do(readSectors(volume, 0, 1))).rejects.toMatchObject({ code: "shutdown" });
  });

  it("starts an array that waits", async () => {
    const sysfs = await new Sysfs().make(2);
    const { world, disks } = sysfs;
    await world.stop();
    expect((await world.assemble([disks[0]!])).kind).toBe("inactive");
    await sysfs.write("array_state", "readonly");
    expect(await sysfs.read("array_state")).toBe("readonly");
    await world.host.array("md0");
  });
});
