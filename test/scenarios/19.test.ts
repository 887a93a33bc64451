/** mdadm's tests 19*: what a check finds in a raid6, and what a repair does about it. */
import { describe, expect, it } from "vitest";
import { Machine } from "./machine.ts";

const LAYOUTS = [
  "ls rs la ra parity-first parity-last",
  "ddf-zero-restart ddf-N-restart ddf-N-continue",
  "left-asymmetric-6 right-asymmetric-6 left-symmetric-6 right-symmetric-6 parity-first-6",
].flatMap((line) => line.split(" "));

async function check(m: Machine, action: "check" | "repair"): Promise<string> {
  await m.ok(`--action=${action} $md0`);
  await m.wait();
  return m.sysfs("mismatch_cnt");
}

describe("19raid6check", () => {
  it.each(LAYOUTS)("%s has no mismatch", async (layout) => {
    for (const disks of [4, 5]) {
      const m = new Machine();
      await m.ok(`-CR $md0 -l6 --layout ${layout} -n${disks} -c 64 --size 2048 $*${disks - 1}`);
      await m.wait();
      await m.fill(3, "md0", 4096);
      expect(await check(m, "check")).toBe("0");
    }
  });
});

describe("19raid6repair", () => {
  it.each(LAYOUTS)("%s: a spoilt chunk is found, and the data comes back", async (layout) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -l6 --layout ${layout} -n5 -c 64 --size 2048 --data-offset=1M $*4`);
    await m.wait();
    const data = await m.fill(3, "md0", 4096);
    // One chunk of one member, wherever its data or parity stands.
    const start = 1024 * 1024 + 64 * 1024;
    m.bytesOf(2).fill(0x5a, start, start + 64 * 1024);
    expect(Number(await check(m, "check"))).toBeGreaterThan(0);
    // The member that is wrong is left out and rebuilt: the others know better.
    await m.ok("$md0 --fail $2 --remove $2");
    await m.contains(data);
    await m.ok("--zero-superblock $2");
    await m.ok("$md0 --add $2");
    await m.wait();
    expect(await check(m, "check")).toBe("0");
    await m.contains(data);
  });
});

describe("19repair-does-not-destroy", () => {
  it("leaves what is right as it is", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l6 -n7 -c 64 --size 2048 $*6");
    await m.wait();
    const data = await m.fill(3, "md0", 8192);
    await m.pass(10_000);
    const from = 2 * 1024 * 1024;
    const before = [0, 1, 2, 3, 4, 5, 6].map((n) => Buffer.from(m.bytesOf(n).slice(from)));
    expect(await check(m, "repair")).toBe("0");
    await m.contains(data);
    for (const [n, bytes] of before.entries())
      expect(bytes.equals(m.bytesOf(n).subarray(from))).toBe(true);
  });
});
