/** mdadm's tests 20* and 21*: a raid5 with a journal. */
import { describe, expect, it } from "vitest";
import { Machine } from "./machine.ts";

describe("20raid5journal", () => {
  it("is assembled with its journal, and without it read-only by force", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l5 -n4 --write-journal $4 $0 $1 $2 $3");
    await m.level("raid5");
    await m.wait();
    expect((await m.ok("-D $md0")).stdout).toContain("journal");
    expect((await m.ok("-E $4")).stdout).toContain("Journal");
    const data = await m.fill(3);
    await m.ok("-S $md0");
    await m.ok("-A $md0 $0 $1 $2 $3 $4");
    await m.contains(data);
    await m.ok("-S $md0");
    await m.fails("-A $md0 $0 $1 $2 $3");
    expect(await m.host.arrays()).toEqual([]);
    await m.ok("-A $md0 $0 $1 $2 $3 --force");
    expect(await m.mdstat()).toContain("read-only");
    await m.contains(data);
    await m.ok("-S $md0");
    // One device at a time: it waits for the journal.
    for (const n of [0, 1, 2, 3]) await m.ok(`-I $${n}`);
    expect(await m.mdstat()).toContain("inactive");
    await m.ok("-I $4");
    await m.level("raid5");
  });
});

describe("21raid5cache", () => {
  it("gives back what was written, also without a member, and after a stop", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -c4 -l5 -n4 --write-journal $4 $0 $1 $2 $3");
    await m.wait();
    expect(await m.sysfs("journal_mode")).toMatch(/write-/);
    const whole = await m.fill(3, "md0", 8);
    await m.contains(whole);
    await m.ok("$md0 --fail $1");
    const degraded = await m.fill(5, "md0", 8);
    await m.contains(degraded);
    await m.ok("-S $md0");
    await m.ok("-A $md0 $0 $2 $3 $4 --run");
    await m.contains(degraded);
  });
});
