import { describe, expect, it } from "vitest";
import type { ScanReport } from "../../src/volume/report.ts";
import { HoldfastError } from "../../src/base/errors.ts";
import { runInProcess } from "../support/cli.ts";
import type { RunOptions, RunResult } from "../support/cli.ts";
import { memberOf, scanReport, volumeReport } from "../support/volumes.ts";

function scan(report: ScanReport, options: RunOptions = {}, args: string[] = []) {
  const services = { scan: () => Promise.resolve(report) };
  return runInProcess(["scan", ...args, "d0.img", "d1.img", "d2.img"], { services, ...options });
}

describe("holdfast scan", () => {
  it("shows devices, sets, and what to type next", async () => {
    const { code, stdout, stderr } = await scan(scanReport());
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toBe(`\
DEVICE  SIZE   CONTENT
d0.img  8 MiB  member 0 of raid5 data (3 disks), metadata 1.2, clean
d1.img  8 MiB  member 1 of raid5 data (3 disks), metadata 1.2, clean
d2.img  8 MiB  member 2 of raid5 data (3 disks), metadata 1.2, clean

SET   LEVEL  LAYOUT          CHUNK   DISKS  SIZE    STATE
data  raid5  left-symmetric  64 KiB  3/3    32 KiB  clean

data can be opened.
  Next: holdfast open d0.img d1.img d2.img
`);
  });

  it("passes the paths on, and prints the report as JSON", async () => {
    const report = scanReport();
    const given: (readonly string[])[] = [];
    const scanned = (_env: unknown, paths: readonly string[]): Promise<ScanReport> => {
      given.push(paths);
      return Promise.resolve(report);
    };
    const { stdout } = await runInProcess(["scan", "--json", "a", "b"], {
      services: { scan: scanned },
    });
    expect(given).toEqual([["a", "b"]]);
    expect(JSON.parse(stdout)).toEqual(report);
  });

  it("says what is missing, stale and risky", async () => {
    const report = scanReport({
      volumes: [
        volumeReport({
          name: "my data",
          state: "degraded by 1, dirty",
          members: [
            memberOf(0),
            memberOf(1, { state: "stale", note: "its event count is 7 behind" }),
            memberOf(1, { path: null, state: "missing" }),
            memberOf(2, { path: null, state: "missing" }),
          ],
          verdict: {
            kind: "needs-force",
            reason: "it was not stopped cleanly",
            risk: "some stripes may hold wrong data.",
          },
          notes: ["the bitmap says 3 chunks are dirty."],
        }),
        volumeReport({
          verdict: { kind: "cannot-start", reason: "2 of 4 are there", remedy: "find the others" },
        }),
        volumeReport({ name: "two", verdict: { kind: "can-start", degradedBy: 1 } }),
      ],
    });
    const { stdout } = await scan(report);
    expect(stdout).toContain("my data  raid5  left-symmetric  64 KiB  1/3 ");
    expect(stdout).toContain(`
my data needs --force: it was not stopped cleanly; the risk: some stripes may hold wrong data.
  d1.img (member 1) is stale: its event count is 7 behind.
  member 2 is missing.
  Note: the bitmap says 3 chunks are dirty.
  Next: holdfast examine --explain d0.img d1.img d2.img

data cannot be opened: 2 of 4 are there; find the others.

two can be opened with 1 of 3 members missing.
  Next: holdfast open d0.img d1.img d2.img --volume two
`);
  });

  it("shows partitions below their disk and problems in their place, and fails then", async () => {
    const [disk] = scanReport().devices;
    const report = scanReport({
      devices: [
        {
          ...disk!,
          findings: [{ ...disk!.findings[0]!, text: "GPT partition table" }],
          partitions: [{ ...disk!, path: "d0.img:p2" }],
        },
        {
          ...disk!,
          path: "e.img",
          sizeBytes: 0,
          findings: [],
          problem: "e.img does not exist; check the path.",
        },
      ],
      volumes: [],
    });
    const { code, stdout, stderr } = await scan(report);
    expect(code).toBe(1);
    expect(stderr).toBe("holdfast: e.img does not exist; check the path.\n");
    expect(stdout).toBe(`\
DEVICE  SIZE   CONTENT
d0.img  8 MiB  GPT partition table
  p2    8 MiB  member 0 of raid5 data (3 disks), metadata 1.2, clean
e.img   -      e.img does not exist; check the path.

No RAID sets were found.
`);
  });

  it("does not let names from a disk speak to the terminal", async () => {
    const report = scanReport({ volumes: [volumeReport({ name: "a\u001b[2J" })] });
    const { stdout } = await scan(report, { columns: 80, variables: { NO_COLOR: "1" } });
    expect(stdout).toContain("a\\x1b[2J");
    expect(stdout).not.toContain("\u001b");
  });

  it.each([60, 80, 120])("fits a terminal of %i columns", async (columns) => {
    const { stdout } = await scan(scanReport(), { columns, variables: { NO_COLOR: "1" } });
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(columns);
  });

  it("colours on a terminal", async () => {
    expect((await scan(scanReport(), { columns: 80 })).stdout).toContain("\u001b[32mclean");
  });

  it("ends quietly when its reader has gone", async () => {
    const ended: RunResult = await scan(scanReport(), { closedAfter: 0 });
    expect(ended).toMatchObject({ code: 0, stdout: "", stderr: "" });
  });

  it("says what went wrong in one line, and leaves bugs to the caller", async () => {
    const failing = (error: Error): RunOptions => ({
      services: { scan: () => Promise.reject(error) },
    });
    const failed = new HoldfastError("io", "d0.img cannot\nbe read");
    expect(await runInProcess(["scan", "x"], failing(failed))).toMatchObject({
      code: 1,
      stderr: "holdfast: d0.img cannot be read.\n",
    });
    const bug = new TypeError("x is undefined");
    await expect(runInProcess(["scan", "x"], failing(bug))).rejects.toBe(bug);
  });
});
