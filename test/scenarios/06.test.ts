/** mdadm's tests 06*: names, and members that are read last. */
import { expect, it } from "vitest";
import { MEMBER_KIB, Machine } from "./machine.ts";

it("06name", async () => {
  const m = new Machine();
  for (const level of ["0", "1"]) {
    await m.ok(`-CR $md0 -l${level} -n2 --metadata=1 --homehost=here --name=Fred $0 $1`);
    expect((await m.ok("-E $0")).stdout).toContain("Name : here:Fred");
    expect((await m.ok("-D $md0")).stdout).toContain("Name : here:Fred");
    await m.ok("-S $md0");
    await m.ok("-A $md0 --homehost=here --name=Fred $*13");
    expect((await m.ok("-Db $md0")).stdout).toContain("name=here:Fred");
    await m.ok("-S $md0");
  }
  // Where the two are too long the name stands alone.
  const host = "a-host-with-a-very-long-name-indeed";
  await m.ok(`-CR $md0 -l1 -n2 --homehost=${host} --name=Fred $0 $1`);
  expect((await m.ok("-E $0")).stdout).toMatch(/Name : Fred$/m);
});

it("06name: a name that is given at assembly belongs to this host as a new one does", async () => {
  const m = new Machine();
  await m.ok("-CR $md0 -l1 -n2 --assume-clean --homehost=there --name=Fred $0 $1");
  for (const [words, name] of [
    ["--homehost=here --name=Flo", "here:Flo"],
    ["--homehost=here", "here:0"],
    ["--homehost=here --name=there:Fred", "there:Fred"],
    ["--homehost=<none> --name=Fred", "Fred"],
  ]) {
    await m.ok("-S $md0");
    await m.ok(`-A --update=name ${words} $md0 $0 $1`);
    expect((await m.ok("-Db $md0")).stdout).toContain(` name=${name} `);
  }
});

it("06wrmostly", async () => {
  const m = new Machine();
  await m.ok("-CR $md0 --level=1 -n3 $0 $1 --write-mostly $2");
  await m.holds(1, MEMBER_KIB["1.2"], 64);
  expect(await m.mdstat()).toContain("(W)");
  await m.ok("-S $md0");
  await m.ok(
    "-CR $md0 -l1 -n3 --write-behind --bitmap=internal --bitmap-chunk=4 $0 $1 --write-mostly $2",
  );
  await m.holds(1, MEMBER_KIB["1.2"], 64);
  await m.ok("-S $md0");
});
