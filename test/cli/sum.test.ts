import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import { ArrayDevice } from "../support/array-device.ts";
import { runInProcess } from "../support/cli.ts";
import { openedVolume, openedVolumes, volumeReport } from "../support/volumes.ts";

function filled(sectors: number): ArrayDevice {
  const device = new ArrayDevice(sectors, { readOnly: true });
  new Prng(3).fill(device.bytes);
  return device;
}

function sumOf(device: ArrayDevice): string {
  return createHash("sha256").update(device.bytes).digest("hex");
}

/** Sectors 5, 6 and 40 cannot be read. */
function damaged(): ArrayDevice {
  const device = filled(100);
  device.fault = (bio) =>
    [5, 6, 40].some((bad) => bad >= bio.sector && bad < bio.sector + bio.sectors)
      ? new HoldfastError("io", "bad sector")
      : null;
  return device;
}

describe("holdfast sum", () => {
  it("prints one line for each volume", async () => {
    const [one, two] = [filled(5000), filled(10)];
    const opened = openedVolumes([
      openedVolume(one, { notes: ["the journal was replayed in memory"] }),
      openedVolume(two, { name: "two" }),
    ]);
    const { code, stdout, stderr } = await runInProcess(["sum", "d0.img"], {
      services: { open: () => Promise.resolve(opened) },
    });
    expect([code, stdout]).toEqual([0, `${sumOf(one)}  data\n${sumOf(two)}  two\n`]);
    expect(stderr).toBe("holdfast: note: data: the journal was replayed in memory.\n");
    expect(opened.isClosed).toBe(true);
  });

  it("sums what the device knows to be zero without reading it", async () => {
    const device = new ArrayDevice(5000, { readOnly: true });
    device.extents = (sector, sectors) => [{ sector, sectors, kind: "hole" }];
    const services = { open: () => Promise.resolve(openedVolumes([openedVolume(device)])) };
    const { stdout } = await runInProcess(["sum", "d0.img"], { services });
    expect(stdout).toBe(`${sumOf(device)}  data\n`);
    expect(device.seen).toEqual([]);
  });

  it("names the first range that cannot be read, and goes on with the next volume", async () => {
    const good = filled(20);
    const opened = openedVolumes([openedVolume(damaged()), openedVolume(good, { name: "good" })]);
    const { code, stdout, stderr } = await runInProcess(["sum", "d0.img"], {
      services: { open: () => Promise.resolve(opened) },
    });
    expect([code, stdout]).toEqual([1, `${sumOf(good)}  good\n`]);
    expect(stderr).toBe(
      "holdfast: data cannot be read in full: 1 KiB at byte 2560 first, 1.5 KiB in 2 ranges in all; it has no sum.\n",
    );
  });

  it("prints JSON", async () => {
    const good = filled(20);
    const opened = openedVolumes([openedVolume(damaged()), openedVolume(good, { name: "good" })]);
    const { code, stdout } = await runInProcess(["sum", "--json", "d0.img"], {
      services: { open: () => Promise.resolve(opened) },
    });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      volumes: [
        {
          name: "data",
          sha256: null,
          sizeBytes: 51200,
          unreadable: [
            { offsetBytes: 2560, lengthBytes: 1024 },
            { offsetBytes: 20480, lengthBytes: 512 },
          ],
        },
        { name: "good", sha256: sumOf(good), sizeBytes: 10240, unreadable: [] },
      ],
    });
  });

  it("warns of sets that cannot be opened beside those that can", async () => {
    const refused = volumeReport({
      name: "other",
      verdict: { kind: "cannot-start", reason: "too few", remedy: "find them" },
    });
    const opened = openedVolumes([openedVolume()], [refused]);
    const { code, stderr } = await runInProcess(["sum", "d0.img"], {
      services: { open: () => Promise.resolve(opened) },
    });
    expect([code, stderr]).toEqual([
      0,
      "holdfast: warning: other (raid5 of 3 disks) cannot be opened: too few; find them.\n",
    ]);
  });

  it("ends quietly when its reader has gone, and closes what it opened", async () => {
    const opened = openedVolumes();
    const { code, stderr } = await runInProcess(["sum", "d0.img"], {
      services: { open: () => Promise.resolve(opened) },
      closedAfter: 0,
    });
    expect([code, stderr, opened.isClosed]).toEqual([0, "", true]);
  });
});

describe("progress", () => {
  /** A clock that goes on by so much whenever it is asked. */
  const ticking = (stepMs: number) => {
    let nowMs = 0;
    return { wallMs: () => 0, monotonicMs: () => (nowMs += stepMs) };
  };
  const services = () => ({
    open: () => Promise.resolve(openedVolumes([openedVolume(filled(8192))])),
  });

  it("is a bar on a terminal, gone at the end", async () => {
    const { stdout, stderr } = await runInProcess(["sum", "d0.img"], {
      services: services(),
      stderrColumns: 80,
      env: { clock: ticking(1000) },
      variables: { NO_COLOR: "1" },
    });
    expect(stdout).toMatch(/^[0-9a-f]{64} {2}data\n$/);
    expect(stderr).toContain("━━━━━━━━━━ data: 25% of 4 MiB, 1 MiB/s, 0:03 left");
    expect(stderr.endsWith("\r\u001b[K")).toBe(true);
    for (const line of stderr.split("\r\u001b[K")) expect(line.length).toBeLessThan(80);
  });

  it("is a line now and then elsewhere", async () => {
    const { stderr } = await runInProcess(["sum", "d0.img"], {
      services: services(),
      env: { clock: ticking(3000) },
    });
    expect(stderr.split("\n")).toEqual([
      "holdfast: data: 50% of 4 MiB, 341.3 KiB/s, 0:06 left",
      "holdfast: data: 100% of 4 MiB, 341.3 KiB/s, 0:00 left",
      "",
    ]);
  });

  it("is nothing for what is done at once", async () => {
    const { stderr } = await runInProcess(["sum", "d0.img"], {
      services: services(),
      columns: 80,
      env: { clock: ticking(1) },
    });
    expect(stderr).toBe("");
  });
});
