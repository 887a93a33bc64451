/** --consistency-policy of an array that is there already. */
import { expect, it } from "vitest";
import { Machine } from "./machine.ts";

async function raid5(): Promise<{ m: Machine; data: Buffer }> {
  const m = new Machine();
  await m.ok("-CR $md0 -l5 -n3 -z 8M $*2");
  await m.wait();
  return { m, data: await m.fill(3) };
}

async function checked(m: Machine, data: Buffer): Promise<void> {
  await m.contains(data);
  await m.ok("--action=check $md0");
  await m.wait();
  expect(await m.sysfs("mismatch_cnt")).toBe("0");
}

it("a raid5 gets a partial parity log while it runs, and loses it", async () => {
  const { m, data } = await raid5();
  await m.ok("--grow $md0 --consistency-policy=ppl");
  expect(await m.sysfs("consistency_policy")).toBe("ppl");
  expect((await m.ok("-E $0")).stdout).toMatch(/PPL : \d+ sectors at offset 24 sectors/);
  await m.fails("--grow $md0 --consistency-policy=ppl");
  await m.fails("--grow $md0 --bitmap=internal");
  await checked(m, data);
  await m.ok("--grow $md0 --consistency-policy=resync");
  expect(await m.sysfs("consistency_policy")).toBe("resync");
  await m.fails("--grow $md0 --consistency-policy=resync");
  await checked(m, data);
});

it("a raid5 gets a partial parity log before it is started, and loses it", async () => {
  const { m, data } = await raid5();
  for (const [word, policy] of [
    ["ppl", "ppl"],
    ["ppl", "ppl"],
    ["no-ppl", "resync"],
  ]) {
    await m.ok("-S $md0");
    await m.ok(`-A $md0 $*2 --update=${word}`);
    expect(await m.sysfs("consistency_policy")).toBe(policy);
    await checked(m, data);
  }
});
