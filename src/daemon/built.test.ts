/** Arrays without superblocks: the state file alone can tell a daemon that starts again of them. */
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { testFolder } from "../../test/support/temp.ts";
import { readSectors, writeSectors } from "../block/promises.ts";
import { openDevice } from "../devices/open.ts";
import { nodeEnv } from "../env/node/env.ts";
import type { BuildCall } from "../host/array-host.ts";
import type { ServedArray } from "../host/listener.ts";
import { makeHost } from "../host/make-host.ts";
import { createParityEngine } from "../parity/engine.ts";
import { recordingHost } from "./recording-host.ts";
import { StateKeeper } from "./state-keeper.ts";

const env = nodeEnv({ log: { write: () => {} } });
const DISK_BYTES = 256 * 1024;
const LARGE_BYTES = 64 * DISK_BYTES;

const CHUNK = { raid0: { chunkSectors: 64 }, raid1: {} };

class Lab {
  readonly limits = { minKiBps: 1000, maxKiBps: 200_000 };
  readonly folder = testFolder("built");
  readonly disks = ["a", "b", "c"].map((name) => join(this.folder, name));

  constructor() {
    for (const path of this.disks) {
      writeFileSync(path, "");
      truncateSync(path, DISK_BYTES);
    }
  }

  get state(): string {
    return readFileSync(join(this.folder, "state.json"), "utf8");
  }

  set state(text: string) {
    writeFileSync(join(this.folder, "state.json"), text);
  }

  call(level: BuildCall["level"], more: Partial<BuildCall> = {}): BuildCall {
    const flags = { writeMostly: false, failFast: false, dataOffsetSectors: null };
    return {
      names: { kernelName: "md3", path: "/dev/md/plain" },
      devices: this.disks.slice(0, 2).map((path) => ({ path, ...flags })),
      level,
      layout: null,
      chunkSectors: null,
      componentSectors: null,
      assumeClean: true,
      ...more,
    };
  }

  /** What a daemon does from its start to its end. */
  async start() {
    const local = makeHost(env, {
      parity: createParityEngine,
      openDevice,
      systemLimits: this.limits,
    });
    const served = new Map<string, ServedArray>();
    local.listen({
      appeared: (one) => void served.set(one.kernelName, one),
      leaving: () => Promise.resolve(),
    });
    const keeper = new StateKeeper(env, this.folder, local);
    await keeper.restore();
    const stop = async (): Promise<void> => {
      await keeper.freeze();
      await keeper.settle(await local.close());
    };
    onTestFinished(() => void local.close());
    return {
      host: recordingHost(local, keeper),
      keeper,
      stop,
      volume: () => served.get("md3")!.volume,
    };
  }
}

const block = (fill: number): Uint8Array => new Uint8Array(512).fill(fill);

it.each(["linear", "raid0", "raid1", "raid10"] as const)(
  "a %s is built again as it was",
  async (level) => {
    const lab = new Lab();
    const first = await lab.start();
    const before = await first.host.build(
      lab.call(level, { chunkSectors: level === "raid1" ? null : 64 }),
    );
    await writeSectors(first.volume(), 300, block(7));
    await first.stop();
    // What has become longer stays unused.
    if (level === "raid1") for (const path of lab.disks) truncateSync(path, 2 * DISK_BYTES);
    const second = await lab.start();
    expect(second.keeper.problems).toEqual([]);
    const after = await second.host.array("/dev/md/plain");
    const { arrayKib, chunkBytes, layout, degraded } = before;
    expect(after).toMatchObject({
      kernelName: "md3",
      arrayKib,
      chunkBytes,
      layout,
      degraded,
      metadata: "none",
    });
    expect(after.resyncStartSectors).toBeNull();
    expect(await readSectors(second.volume(), 300, 1)).toEqual(block(7));
    await second.stop();
  },
);

it("a mirror comes back without the member that failed, which has missed writes", async () => {
  const lab = new Lab();
  const first = await lab.start();
  await first.host.build(lab.call("raid1"));
  await first.host.fail({ array: "md3", device: lab.disks[0]! });
  await writeSectors(first.volume(), 0, block(9));
  await first.stop();
  const second = await lab.start();
  expect(await second.host.array("md3")).toMatchObject({ degraded: 1, raidDisks: 2 });
  expect(await readSectors(second.volume(), 0, 1)).toEqual(block(9));
  await second.host.stop({ array: "md3", force: false });
  await second.stop();
  expect(await (await lab.start()).host.arrays()).toEqual([]);
});

it("a mirror that was to be synced is synced", async () => {
  const lab = new Lab();
  const first = await lab.start();
  for (const path of lab.disks) truncateSync(path, LARGE_BYTES);
  Object.assign(lab.limits, { minKiBps: 1, maxKiBps: 1 });
  await first.host.build(lab.call("raid1", { assumeClean: false }));
  await writeSectors(first.volume(), 8, block(3));
  await first.stop();
  Object.assign(lab.limits, { maxKiBps: 200_000 });
  writeFileSync(lab.disks[1]!, new Uint8Array(LARGE_BYTES));
  const second = await lab.start();
  await second.host.wait("md3");
  expect((await second.host.array("md3")).lastSyncAction).toBe("resync");
  await second.stop();
  expect(readFileSync(lab.disks[1]!).equals(readFileSync(lab.disks[0]!))).toBe(true);
});

it.each(["raid0", "raid1"] as const)(
  "after a crash nobody can tell which copies are whole: %s",
  async (level) => {
    const lab = new Lab();
    const first = await lab.start();
    await first.host.build(lab.call(level, CHUNK[level]));
    const running = lab.state;
    await first.stop();
    const settled = lab.state;
    // While it runs again, the file does not call it whole.
    const second = await lab.start();
    expect(JSON.parse(lab.state)).toEqual(JSON.parse(running));
    await second.stop();
    expect(lab.state).toBe(settled);
    lab.state = running;
    const third = await lab.start();
    if (level === "raid0") {
      expect(await third.host.arrays()).toHaveLength(1);
      return;
    }
    expect(third.keeper.problems).toEqual([expect.stringContaining("did not end in order")]);
    expect(await third.host.arrays()).toEqual([]);
    // Somebody who knows builds it.
    await third.host.build(lab.call(level, CHUNK[level]));
    expect(third.keeper.problems).toEqual([]);
    await third.stop();
    expect(JSON.parse(lab.state)).toEqual(JSON.parse(settled));
  },
);

it("is not built of fewer devices than it had, and is built once they are there", async () => {
  const lab = new Lab();
  const first = await lab.start();
  await first.host.build(lab.call("raid1"));
  await first.stop();
  const content = readFileSync(lab.disks[1]!);
  rmSync(lab.disks[1]!);
  const settled = lab.state;
  const second = await lab.start();
  expect(second.keeper.problems).toEqual([
    expect.stringContaining("/dev/md/plain was not started"),
  ]);
  await second.stop();
  expect(JSON.parse(lab.state)).toEqual(JSON.parse(settled));
  writeFileSync(lab.disks[1]!, content);
  const third = await lab.start();
  expect(await third.host.array("md3")).toMatchObject({ degraded: 0 });
  await third.stop();
});
