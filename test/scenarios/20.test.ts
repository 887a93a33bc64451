/** mdadm's test 20raid5journal: a raid5 with a write journal, and what it does without it. */
import { expect, it } from "vitest";
import { Machine } from "./machine.ts";

/** Made, in sync, written to, and stopped. */
async function stoppedWithJournal(): Promise<{ m: Machine; data: Buffer }> {
  const m = new Machine();
  await m.ok("-CR $md0 -l5 -n4 $*3 --write-journal $4");
  await m.wait();
  const data = await m.fill(3, "md0", 8192);
  await m.ok("--action=check $md0");
  await m.wait();
  expect(await m.sysfs("mismatch_cnt")).toBe("0");
  expect((await m.ok("-D $md0")).stdout).toContain("journal");
  expect((await m.ok("-E $4")).stdout).toContain("Journal");
  await m.ok("-S $md0");
  return { m, data };
}

it("20raid5journal", async () => {
  const { m, data } = await stoppedWithJournal();
  await m.fails("-A $md0 $*3");
  expect(await m.host.arrays()).toEqual([]);
  await m.ok("-A $md0 $*3 --force");
  await m.shows(/read-only/);
  await m.contains(data);
  await m.ok("-S $md0");
  // One device at a time: it waits for the journal.
  for (const n of [0, 1, 2, 3]) await m.ok(`-I $${n}`);
  await m.shows(/inactive/);
  await m.ok("-I $4");
  await m.level("raid5");
  await m.contains(data, "md/0");
  await m.ok("-S $md0");
  for (const n of [0, 1, 2, 3]) await m.ok(`-I $${n}`);
  await m.ok("-R $md0");
  await m.shows(/read-only/);
  await m.contains(data, "md/0");
  await m.ok("-S $md0");
});

it("20raid5journal: another journal takes the place of one that is missing", async () => {
  const { m, data } = await stoppedWithJournal();
  await m.ok("-A $md0 $*3 --force");
  await expect(m.fill(5)).rejects.toThrow("read-only");
  await m.fails("-w $md0");
  await m.ok("$md0 --add-journal $5");
  await m.ok("-w $md0");
  await m.wait();
  await m.contains(data);
  const fresh = await m.fill(5);
  expect((await m.ok("-E $5")).stdout).toContain("Journal");
  await m.ok("-S $md0");
  await m.ok("-A $md0 $*3 $5");
  await m.contains(fresh);
  await m.ok("--action=check $md0");
  await m.wait();
  expect(await m.sysfs("mismatch_cnt")).toBe("0");
});

it("20raid5journal: nothing is written once the journal failed, until there is another", async () => {
  const { m } = await stoppedWithJournal();
  await m.ok("-A $md0 $*3 $4");
  const data = await m.fill(5);
  await m.ok("$md0 --fail $4");
  await expect(m.fill(7)).rejects.toThrow("journal");
  await m.contains(data);
  await m.ok("$md0 --remove $4");
  await m.ok("-o $md0");
  await m.ok("$md0 --add-journal $5");
  await m.ok("-w $md0");
  await m.wait();
  await m.contains(data);
  await m.contains(await m.fill(9));
});
