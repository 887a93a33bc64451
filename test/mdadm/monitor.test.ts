/** mdadm --monitor: what is told, to whom, and spares that move. */
import { describe, expect, it } from "vitest";
import { runMdadmIn } from "../support/mdadm-run.ts";
import type { MdadmRun } from "../support/mdadm-run.ts";
import { Machine } from "../scenarios/machine.ts";

// Loading it takes real time, and what happens meanwhile would be missed.
await import("../../src/mdadm/run/monitor.ts");

interface Watching {
  readonly told: string[];
  readonly end: () => Promise<MdadmRun>;
}

/** Starts to monitor with a program; what it is called with. */
function watch(m: Machine, words: readonly string[]): Watching {
  const told: string[] = [];
  let interrupt = (): void => {};
  const interrupted = new Promise<void>((resolve) => {
    interrupt = resolve;
  });
  const run = runMdadmIn(
    {
      folder: "/",
      host: m.host,
      env: m.env,
      interrupted,
      program: ([, ...given]) => void told.push(given.join(" ")),
    },
    ["--monitor", "--program=/bin/tell", ...words],
  );
  return {
    told,
    end: async () => {
      interrupt();
      return m.do(run);
    },
  };
}

describe("monitor", () => {
  it("tells a program of failures, rebuilds and their ends", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l1 -n2 -x1 --assume-clean $0 $1 $2");
    const { told, end } = watch(m, ["-d", "1", "-r", "20", "--config=none", "/dev/md0"]);
    await m.pass(100);
    await m.ok("$md0 --fail $0");
    await m.syncing("recovery");
    await m.pass(20_000);
    await m.wait();
    await m.pass(3000);
    expect((await end()).code).toBe(0);
    expect(told[0]).toBe("Fail /dev/md0 /disks/dev0");
    expect(told).toContain("RebuildStarted /dev/md0");
    expect(told.some((line) => /^Rebuild[2-9]\d \/dev\/md0$/.test(line))).toBe(true);
    expect(told).toContain("RebuildFinished /dev/md0");
    expect(told).toContain("SpareActive /dev/md0 /disks/dev2");
  });

  it("tells of arrays that come, go and are degraded", async () => {
    const m = new Machine();
    const { told, end } = watch(m, ["--scan", "-d", "1", "--config=none"]);
    await m.pass(100);
    await m.ok("-CR $md0 -l1 -n2 $0 missing");
    await m.pass(2500);
    await m.ok("-S $md0");
    await m.pass(2500);
    expect((await end()).code).toBe(0);
    expect(told).toEqual([
      "NewArray /dev/md0",
      "DegradedArray /dev/md0",
      "DeviceDisappeared /dev/md0",
    ]);
  });

  it("looks once, and prints where nobody else is to hear of it", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l1 -n2 $0 missing");
    await m.ok("-CR $md6 -l0 -n2 $2 $3");
    const { code, stdout } = await m.mdadm("--monitor -1 -t --config=none $md0 $md5 $md6");
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    for (const line of lines) expect(line).toMatch(/^\w{3} [ \d]\d \d\d:\d\d:\d\d: /);
    expect(lines.map((line) => line.slice(17)).toSorted()).toEqual([
      "DegradedArray on /dev/md0 unknown device",
      "DeviceDisappeared on /dev/md5 unknown device",
      "DeviceDisappeared on /dev/md6  Wrong-Level",
      "TestMessage on /dev/md0 unknown device",
      "TestMessage on /dev/md5 unknown device",
      "TestMessage on /dev/md6 unknown device",
    ]);
  });

  it("moves a spare to an array of its group that needs one", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l1 -n2 --assume-clean $0 $1");
    await m.ok("-CR $md1 -l1 -n2 -x1 --assume-clean $2 $3 $4");
    const views = await m.host.arrays();
    const lines = views.map(({ path, uuid }) => `ARRAY ${path} UUID=${uuid} spare-group=one\n`);
    m.config(lines.join(""));
    const { told, end } = watch(m, ["--scan", "-d", "1", "--config=/etc/test.conf"]);
    await m.pass(100);
    await m.ok("$md0 --fail $0");
    await m.pass(3000);
    await m.wait("md0");
    await end();
    expect(told).toContain("MoveSpare /dev/md0 /dev/md1");
    expect((await m.view("md0")).members.map(({ path }) => path)).toContain("/disks/dev4");
    expect((await m.view("md0")).degraded).toBe(0);
  });

  it.each([
    ["--monitor --scan --config=none", "No mail address or alert command - not monitoring."],
    ["--monitor --daemonise --scan --config=none", "--daemonise is not done here"],
    ["--monitor --mail=root --config=none $md0", "not to root either"],
  ])("refuses %s", async (line, text) => {
    const m = new Machine();
    const { stderr } = await m.fails(line);
    expect(stderr).toContain(text);
  });
});
