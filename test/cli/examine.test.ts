import { describe, expect, it } from "vitest";
import type { ExamineReport } from "../../src/volume/report.ts";
import { explanationOf } from "../support/explanations.ts";
import { runInProcess } from "../support/cli.ts";

const REPORT: ExamineReport = {
  path: "d0.img",
  format: "md superblock 1.2",
  offsetBytes: 4096,
  fields: [
    { name: "magic", offset: 0, size: 4, type: "u32", value: "0xa92b4efc" },
    { name: "setName", offset: 32, size: 32, type: "bytes[32]", value: "host:\u001bdata" },
  ],
  problems: ["the checksum is 0x1, and should be 0x2"],
};

const examine = () => Promise.resolve([REPORT]);

describe("holdfast examine", () => {
  it("shows every field, and what is wrong first", async () => {
    const { code, stdout } = await runInProcess(["examine", "d0.img"], { services: { examine } });
    expect(code).toBe(0);
    expect(stdout).toBe(`\
d0.img: md superblock 1.2 at byte 4096
  Problem: the checksum is 0x1, and should be 0x2.
  OFFSET  SIZE  TYPE       FIELD    VALUE
       0     4  u32        magic    0xa92b4efc
      32    32  bytes[32]  setName  host:\\x1bdata
`);
  });

  it("prints JSON", async () => {
    const { stdout } = await runInProcess(["examine", "--json", "d0.img"], {
      services: { examine },
    });
    expect(JSON.parse(stdout)).toEqual({ superblocks: [REPORT] });
  });

  it("fails when there is nothing to show", async () => {
    const services = { examine: () => Promise.resolve([]), explain: () => Promise.resolve([]) };
    for (const args of [
      ["a", "b", "c", "d"],
      ["--explain", "a"],
    ]) {
      const { code, stdout, stderr } = await runInProcess(["examine", ...args], { services });
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/^holdfast: no RAID superblock was found on a.*holdfast scan.*\.\n$/);
    }
  });

  it("explains: who says what, what each way would do, which kernels take it", async () => {
    const explanation = explanationOf();
    const services = { explain: () => Promise.resolve([explanation]) };
    const { code, stdout } = await runInProcess(["examine", "--explain", "d0.img"], { services });
    expect(code).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "data: raid5 of 3 disks, left-symmetric, 160 stripes of 128 KiB, metadata 1.2, UUID 00000001:00000002:00000003:00000004
        MEMBER  #  ROLE      EVENTS  BEHIND  UPDATED               SEES  STATE
        d0.img  0  member 0     100       -  2026-11-21 02:36:44Z  AA.   in-sync
        d1.img  1  member 1     100       -  2026-11-21 02:36:44Z  AA.   in-sync
        d2.img  2  member 2      93       7  2026-11-21 02:30:00Z  AAA   stale

        MEMBER  CLEAN  SYNCED TO  BITMAP                                 BAD BLOCKS  LOG  CHECKSUM
        d0.img  no     -          3 of 128 chunks dirty, since event 93  0 bytes     -    ok
        d1.img  no     -          3 of 128 chunks dirty, since event 93  4 KiB       -    ok
        d2.img  yes    -          -                                      0 bytes     -    ok
        d2.img: its event count is 7 behind: it missed the writes since.

        Ways to put it together
        as it is: needs --force: it was not stopped cleanly and a member is missing; the risk: some stripes may hold wrong parity.
            holdfast open d0.img d1.img d2.img
            This is what the kernel does at boot.
        with --force: can be opened with 1 of 3 members missing.
            holdfast open --force d0.img d1.img d2.img
            It uses d0.img, d1.img.
            The array starts degraded.
            What is read may be wrong in at most 12 stripes (768 KiB).
            The redundancy of 4 stripes has to be made anew.

        Kernels
        Linux 3.1 and later.
        The bad-block log needs Linux 3.1 and later.
        A kernel without raid456 refuses it.
      "
    `);
    const json = await runInProcess(["examine", "--explain", "--json", "d0.img"], { services });
    expect(JSON.parse(json.stdout)).toEqual({ sets: [explanation] });
  });

  it.each([80, 120])("explains within %i columns", async (columns) => {
    const services = { explain: () => Promise.resolve([explanationOf()]) };
    const { stdout } = await runInProcess(["examine", "--explain", "d0.img"], {
      services,
      columns,
      variables: { NO_COLOR: "1" },
    });
    for (const line of stdout.split("\n")) expect(line.length, line).toBeLessThanOrEqual(columns);
  });
});
