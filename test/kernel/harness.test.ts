/** The harness that other tests stand on, itself tested: guests boot, see their disks, end, and can be ended. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { sha256 } from "../support/golden.ts";
import { stampedSectors, stampRuns, writeStampFile } from "../support/stamp.ts";
import { peerDescribe } from "../support/peers.ts";
import { emptyDisk, testFolder } from "../support/temp.ts";
import { bootGuest, GuestError, looksOf } from "./guest.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";

const MIB = 1024 * 1024;
const LIMIT_MS = 60_000;
/** Waiting for a slot counts for vitest, not for the guest. */
const TEST_MS = 300_000;

/** Process ids that have `word` in their command line. */
function processesWith(word: string): string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, "latin1").includes(word);
    } catch {
      return false;
    }
  });
}

peerDescribe(GUEST_PROGRAMS, "a guest", () => {
  it("makes a raid1 whose legs and reads are what was written", { timeout: TEST_MS }, async () => {
    const folder = testFolder("guest");
    const disks = [0, 1].map((i) => emptyDisk(join(folder, `d${i}.img`), 4 * MIB));
    writeStampFile(join(folder, "stamp-one"), "one", 8192);
    writeStampFile(join(folder, "stamp-two"), "two", 8192);
    const run = await bootGuest({
      disks,
      shareDir: folder,
      timeoutMs: LIMIT_MS,
      script: `set -e
        mods raid1
        mdadm -C /dev/md0 --run --homehost=holdfast --name=first -e 1.0 -l raid1 -n 2 --bitmap=none $d0 $d1
        md_wait md0
        stamp /dev/md0 one
        stamp /dev/md0 two 1000 24
        look /dev/md0 made
        md_stop md0
        mdadm -A -o --run /dev/md0 $d1
        look /dev/md0 second-leg
        md_stop md0`,
    });
    const looks = looksOf(run);
    const made = looks.get("made");
    const expected = stampedSectors("one", 0, (made?.bytes ?? 0) / 512);
    expected.set(stampedSectors("two", 1000, 24), 1000 * 512);
    expect(made?.bytes).toBeGreaterThan(3 * MIB);
    expect(made?.sha256).toBe(sha256(expected));
    expect(looks.get("second-leg")).toEqual(made);
    for (const disk of disks) {
      // Metadata 1.0 lies at the end, data begins at sector 0.
      const leg = readFileSync(disk).subarray(0, expected.length);
      expect(stampRuns(leg)).toEqual(stampRuns(expected));
    }
    expect(run.files).toContain("looks");
    expect(processesWith(folder)).toEqual([]);
  });

  it("whose script fails is an error that shows the console", { timeout: TEST_MS }, async () => {
    const folder = testFolder("guest");
    const run = bootGuest({
      shareDir: folder,
      timeoutMs: LIMIT_MS,
      script: "echo what went wrong; false",
    });
    await expect(run).rejects.toThrow(/exit code 1[^]*what went wrong/);
  });

  it(
    "that hangs is killed at its time limit, with all its processes",
    { timeout: TEST_MS },
    async () => {
      const folder = testFolder("guest");
      const run = bootGuest({
        shareDir: folder,
        timeoutMs: 5000,
        script: "echo going to sleep; sleep 1000 & sleep 1000",
      });
      const error: unknown = await run.catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(GuestError);
      expect(String(error)).toMatch(/did not end in 5000 ms[^]*going to sleep/);
      expect(processesWith(folder)).toEqual([]);
    },
  );

  it(
    "can be killed once it is ready: writes to disks stay, its page cache is lost",
    { timeout: TEST_MS },
    async () => {
      const folder = testFolder("guest");
      const disk = emptyDisk(join(folder, "d0.img"), MIB);
      writeStampFile(join(folder, "stamp-one"), "one", 2048);
      await bootGuest({
        disks: [disk],
        shareDir: folder,
        timeoutMs: LIMIT_MS,
        killAfterReadyMs: 100,
        script: `stamp $d0 one 0 16
        exec 3>$d0 # Closing a disk would write its cache out.
        dd if=/tmp/host/stamp-one bs=512 skip=1024 seek=1024 count=16 status=none >&3
        ready`,
      });
      expect(stampRuns(readFileSync(disk))).toEqual(["0 16 stamp one", "16 2032 zero"]);
      expect(processesWith(folder)).toEqual([]);
    },
  );

  it("that ends although it was to be killed is an error", { timeout: TEST_MS }, async () => {
    const folder = testFolder("guest");
    const run = bootGuest({
      shareDir: folder,
      timeoutMs: LIMIT_MS,
      killAfterReadyMs: 0,
      script: "true",
    });
    await expect(run).rejects.toThrow("ended before it was ready");
  });
});
