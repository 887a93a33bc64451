import { describe, expect, test } from "vitest";
import { VirtualTime } from "../../test/support/virtual-time.ts";
import { HoldfastError } from "../base/errors.ts";
import { flush, readSectors, writeSectors } from "../block/promises.ts";
import { MemoryDevice } from "../devices/memory.ts";
import { plainEngine } from "../parity/engine.ts";
import { SyncScheduler } from "../sync/scheduler.ts";
import { MappedDevices } from "./mapped-devices.ts";
import { parseTable } from "./table.ts";

describe("mapped devices", () => {
  test("a table of two disks is written, swapped under a held write, and removed", async () => {
    const disks = new Map([
      ["a", new MemoryDevice({ name: "a", sectors: 64 })],
      ["b", new MemoryDevice({ name: "b", sectors: 64 })],
    ]);
    const all = makeDevices(disks);
    const device = all.create({ name: "v", uuid: "", minor: null });
    await all.load(device, parseTable("0 8 linear ./a 8\n8 8 linear ./b 0\n16 4 zero"), false);
    await all.resume(device);
    expect(device.live?.table()).toEqual(["0 8 linear ./a 8", "8 8 linear ./b 0", "16 4 zero "]);
    const use = device.open({ readOnly: false });
    await writeSectors(use, 6, new Uint8Array(4 * 512).fill(7));
    expect((await readSectors(disks.get("b")!, 0, 2)).every((byte) => byte === 7)).toBe(true);
    await flush(use);
    await all.load(device, parseTable("0 16 linear ./b 16"), false);
    await all.suspend(device, "flush", true);
    const written = writeSectors(use, 0, new Uint8Array(512).fill(9));
    await all.resume(device);
    await written;
    expect((await readSectors(disks.get("b")!, 16, 1))[0]).toBe(9);
    expect(use.sectors).toBe(16);
    await expect(all.remove(device, { deferred: false })).rejects.toThrow(HoldfastError);
    await use.close();
    expect(await all.remove(device, { deferred: false })).toBe("removed");
    expect(all.all).toEqual([]);
  });
});

function makeDevices(disks: ReadonlyMap<string, MemoryDevice>): MappedDevices {
  const time = new VirtualTime();
  return new MappedDevices({
    env: { clock: time, timers: time } as never,
    parityEngine: () => plainEngine,
    scheduler: new SyncScheduler(),
    paths: {
      keyOf: (path) => Promise.resolve(path),
      open: (path) => {
        const device = disks.get(path.slice(2));
        if (device === undefined) throw new HoldfastError("not-found", `${path}: no such disk.`);
        return Promise.resolve({ device, id: path });
      },
    },
  });
}
