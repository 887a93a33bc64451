import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import { ArrayDevice } from "../support/array-device.ts";
import { runInProcess, startInProcess } from "../support/cli.ts";
import type { RunOptions } from "../support/cli.ts";
import { testFolder } from "../support/temp.ts";
import {
  memberOf,
  openedVolume,
  openedVolumes,
  scanReport,
  volumeReport,
} from "../support/volumes.ts";

const SECTORS = 8192;
const nothingThere = () => Promise.resolve(scanReport({ devices: [], volumes: [] }));

/** Data at both ends, zeros between. */
function filled(): ArrayDevice {
  const device = new ArrayDevice(SECTORS, { readOnly: true });
  new Prng(5).fill(device.bytes.subarray(0, 300_000));
  new Prng(6).fill(device.bytes.subarray(-5000));
  return device;
}

function damagedAt(...bad: number[]): ArrayDevice {
  const device = filled();
  device.fault = (bio) =>
    bad.some((sector) => sector >= bio.sector && sector < bio.sector + bio.sectors)
      ? new HoldfastError("io", "bad sector")
      : null;
  return device;
}

function servicesFor(device: ArrayDevice): Required<RunOptions>["services"] {
  return { open: () => Promise.resolve(openedVolumes([openedVolume(device)])), scan: nothingThere };
}

describe("holdfast dump", () => {
  it("copies into a sparse file of the right size", async () => {
    const device = filled();
    const out = join(testFolder("dump"), "data.img");
    const { code, stdout, stderr } = await runInProcess(["dump", "d0.img", "-o", out], {
      services: servicesFor(device),
    });
    expect([code, stdout]).toEqual([0, ""]);
    expect(stderr).toBe(`holdfast: note: data was copied to ${out}: 4 MiB.\n`);
    expect(readFileSync(out).equals(device.bytes)).toBe(true);
    expect(statSync(out).blocks * 512).toBeLessThan(1024 * 1024);
  });

  it("copies into a pipe, with nothing else in it", async () => {
    const device = filled();
    device.extents = (sector, sectors) =>
      sector < 1000
        ? [{ sector, sectors: 1000 - sector, kind: "data" }]
        : sector < 7000
          ? [{ sector, sectors: 7000 - sector, kind: "hole" }]
          : [{ sector, sectors, kind: "data" }];
    const result = await runInProcess(["dump", "d0.img", "-o", "-"], {
      services: servicesFor(device),
    });
    expect(result.code).toBe(0);
    expect(Buffer.from(result.stdoutBytes).equals(device.bytes)).toBe(true);
  });

  it("ends quietly when its reader has gone", async () => {
    const result = await runInProcess(["dump", "d0.img", "-o", "-"], {
      services: servicesFor(filled()),
      closedAfter: 1,
    });
    expect([result.code, result.stderr]).toEqual([0, ""]);
  });

  it("prints no volume on a terminal", async () => {
    const result = await runInProcess(["dump", "d0.img", "-o", "-"], {
      services: servicesFor(filled()),
      columns: 80,
    });
    expect([result.code, result.stdout]).toEqual([2, ""]);
  });

  it("wants to know where to, and which volume of several", async () => {
    expect(await runInProcess(["dump", "d0.img"])).toMatchObject({
      code: 2,
      stderr:
        "holdfast: dump: -o OUT is missing: a file, or - for a pipe; see 'holdfast dump --help'.\n",
    });
    expect((await runInProcess(["dump", "d0.img", "--json", "-o", "-"])).code).toBe(2);
    const bad = await runInProcess(["dump", "d0.img", "-o", "x", "--unreadable", "guess"]);
    expect([bad.code, bad.stderr.includes("Allowed choices are stop, zero")]).toEqual([2, true]);
    const two = openedVolumes([openedVolume(), openedVolume(undefined, { name: "b" })]);
    const services = { open: () => Promise.resolve(two) };
    expect(await runInProcess(["dump", "d0.img", "-o", "x"], { services })).toMatchObject({
      code: 2,
      stderr: "holdfast: the disks hold several volumes: choose one with --volume, of data, b.\n",
    });
    expect(two.isClosed).toBe(true);
  });

  it("replaces a file only when told to", async () => {
    const out = join(testFolder("dump"), "data.img");
    writeFileSync(out, "x".repeat(SECTORS * 512 + 1000));
    const device = filled();
    const services = servicesFor(device);
    const refused = await runInProcess(["dump", "d0.img", "-o", out], { services });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      `${out} exists already; choose another file for -o, or add --overwrite.`,
    );
    expect(readFileSync(out, "utf8").startsWith("xxx")).toBe(true);
    const done = await runInProcess(["dump", "d0.img", "-o", out, "--overwrite"], { services });
    expect(done.code).toBe(0);
    expect(readFileSync(out).equals(device.bytes)).toBe(true);
  });

  it("does not copy into a folder", async () => {
    const folder = testFolder("dump");
    const { code, stderr } = await runInProcess(["dump", "d0.img", "-o", folder], {
      services: servicesFor(filled()),
    });
    expect([code, stderr]).toEqual([
      2,
      `holdfast: ${folder} is a folder; name a file in it for -o.\n`,
    ]);
  });
});

describe("holdfast dump never writes to a disk of the set", () => {
  /** Three disks in a folder, and names for the first one. */
  function disks() {
    const folder = testFolder("dump-guard");
    const disk = join(folder, "disks", "d0.img");
    mkdirSync(join(folder, "disks"));
    writeFileSync(disk, "precious");
    symlinkSync(disk, join(folder, "symbolic"));
    linkSync(disk, join(folder, "hard"));
    return { folder, disk };
  }

  async function expectRefused(
    paths: readonly string[],
    out: string,
    run: RunOptions,
    option = "-o",
  ) {
    const other = option === "-o" ? [] : ["-o", `${out}.new`];
    const args = ["dump", ...paths, ...other, option, out, "--overwrite"];
    const { code, stderr } = await runInProcess(args, run);
    expect([code, stderr.includes("is not written to")]).toEqual([1, true]);
    expect(readFileSync(out, "utf8")).toBe("precious");
    expect(existsSync(`${out}.new`)).toBe(false);
  }

  it("by whatever name it is called, for the map too", async () => {
    const { folder, disk } = disks();
    const run = { services: servicesFor(filled()) };
    for (const out of [disk, join(folder, "symbolic"), join(folder, "hard")]) {
      await expectRefused([disk], out, run);
      await expectRefused([disk], out, run, "--map");
    }
  });

  it("when it was found in a folder", async () => {
    const { folder, disk } = disks();
    await expectRefused([join(folder, "disks")], disk, { services: servicesFor(filled()) });
  });

  it("when only a partition of it is a member", async () => {
    const { disk } = disks();
    const opened = openedVolumes([
      openedVolume(filled(), { members: [memberOf(0, { path: `${disk}:p2` })] }),
    ]);
    const services = { open: () => Promise.resolve(opened), scan: nothingThere };
    await expectRefused(["missing"], disk, { services });
  });

  it("when it was not given, and holds a member all the same", async () => {
    const { disk } = disks();
    const scan = () => Promise.resolve(scanReport({ volumes: [volumeReport()] }));
    await expectRefused(["other.img"], disk, { services: { ...servicesFor(filled()), scan } });
  });
});

describe("holdfast dump of what cannot be read", () => {
  it("stops, and says how far it came", async () => {
    const folder = testFolder("dump-bad");
    const [out, map] = [join(folder, "data.img"), join(folder, "data.map")];
    const { code, stderr } = await runInProcess(["dump", "d0.img", "-o", out, "--map", map], {
      services: servicesFor(damagedAt(4096)),
    });
    expect(code).toBe(1);
    expect(stderr).toBe(
      `holdfast: data cannot be read in full: 512 bytes at byte 2097152; ${out} holds the first 2 MiB of 4 MiB; go on past it with --unreadable zero.\n`,
    );
    expect(readFileSync(map, "utf8")).toBe(`\
# Mapfile. Created by holdfast dump
# current_pos  current_status  current_pass
0x00200000     ?               1
#      pos        size  status
0x00000000  0x00200000  +
0x00200000  0x00000200  -
0x00200200  0x001FFE00  ?
`);
  });

  it("fills in zeros when told to, writes a map, and fails all the same", async () => {
    const folder = testFolder("dump-bad");
    const [out, map] = [join(folder, "data.img"), join(folder, "data.map")];
    const device = damagedAt(8, 9, 8191);
    const args = ["dump", "d0.img", "-o", out, "--unreadable", "zero", "--map", map, "--json"];
    const { code, stdout, stderr } = await runInProcess(args, { services: servicesFor(device) });
    expect(code).toBe(1);
    expect(stderr).toContain("1.5 KiB in 2 ranges in all");
    expect(JSON.parse(stdout)).toEqual({
      name: "data",
      output: out,
      sizeBytes: SECTORS * 512,
      copiedBytes: SECTORS * 512 - 1536,
      ending: "whole",
      unreadable: [
        { offsetBytes: 4096, lengthBytes: 1024 },
        { offsetBytes: 8191 * 512, lengthBytes: 512 },
      ],
    });
    const expected = device.bytes.slice();
    expected.fill(0, 4096, 5120);
    expected.fill(0, 8191 * 512);
    expect(readFileSync(out).equals(expected)).toBe(true);
    expect(readFileSync(map, "utf8")).toContain(`\
0x00400000     +               1
#      pos        size  status
0x00000000  0x00001000  +
0x00001000  0x00000400  -
0x00001400  0x003FEA00  +
0x003FFE00  0x00000200  -
`);
  });

  it("fills in zeros in a pipe", async () => {
    const device = damagedAt(8);
    const args = ["dump", "d0.img", "-o", "-", "--unreadable", "zero"];
    const { code, stdoutBytes } = await runInProcess(args, { services: servicesFor(device) });
    const expected = device.bytes.slice();
    expected.fill(0, 4096, 4608);
    expect(code).toBe(1);
    expect(Buffer.from(stdoutBytes).equals(expected)).toBe(true);
  });

  it("refuses one file for the map and the volume", async () => {
    const folder = testFolder("dump-bad");
    const out = join(folder, "x");
    writeFileSync(out, "");
    symlinkSync(out, join(folder, "y"));
    const args = ["dump", "d0.img", "--overwrite", "-o", out, "--map", join(folder, "y")];
    const { code, stderr } = await runInProcess(args, { services: servicesFor(filled()) });
    expect([code, stderr.includes("are the same file")]).toEqual([2, true]);
  });
});

describe("holdfast dump, interrupted", () => {
  it("says how far it came, and ends at once when interrupted again", async () => {
    const device = filled();
    device.held = true;
    const out = join(testFolder("dump"), "data.img");
    const { terminal, ended } = startInProcess(["dump", "d0.img", "-o", out], {
      services: servicesFor(device),
    });
    await expect.poll(() => device.pending.length).toBe(4);
    expect(terminal.interrupt()).toBe(true);
    expect(terminal.exitedWith).toBeNull();
    terminal.interrupt();
    expect(terminal.exitedWith).toBe(1);
    device.held = false;
    while (device.pending.length > 0) device.finish();
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([
      1,
      `holdfast: interrupted: ${out} holds the first 0 bytes of 4 MiB.\n`,
    ]);
  });
});
