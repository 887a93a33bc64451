/** mdadm's tests 02*: arrays that become larger without a reshape. */
import { describe, expect, it } from "vitest";
import { readSectors, writeSectors } from "../../src/block/promises.ts";
import { MEMBER_KIB, Machine } from "./machine.ts";

it("02lineargrow", async () => {
  for (const metadata of ["0.90", "1.0", "1.1", "1.2"] as const) {
    const m = new Machine();
    await m.ok(`-CRf $md0 --level linear -e ${metadata} --raid-disks=1 $1`);
    await m.holds(1, MEMBER_KIB[metadata], 1);
    const data = await m.fill(3, "md0", 4096);
    await m.ok("--grow $md0 --add $2");
    await m.contains(data);
    await m.holds(2, MEMBER_KIB[metadata], 1);
    await m.ok("--grow $md0 --add $3");
    await m.holds(3, MEMBER_KIB[metadata], 1);
    const end = m.volume().sectors - 8;
    await m.do(writeSectors(m.volume(), end, new Uint8Array(4096).fill(7)));
    await m.ok("-S $md0");
    await m.ok("-A $md0 $1 $2 $3");
    expect((await m.do(readSectors(m.volume(), end, 8)))[0]).toBe(7);
    await m.ok("-S $md0");
  }
});

describe("02r1add", () => {
  it.each(["", "-e1.2 --name one"])("%s", async (more) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -l1 -n2 -x1 ${more} $0 $1 $2`);
    await m.wait();
    await m.state("UU");
    await m.ok("--grow $md0 -n 3");
    await m.syncing("recovery");
    await m.wait();
    await m.state("UUU");
    await m.ok("$md0 --fail $0");
    await m.state("_UU");
    await m.ok("--grow $md0 -n 2");
    await m.state("UU");
    // What has failed is still there, to be taken out.
    expect(await m.mdstat()).toContain("dev0[0](F)");
    await m.ok("$md0 --remove $0");
    await m.ok("-S $md0");
    await m.ok("-A $md0 $1 $2");
    await m.state("UU");
  });
});

describe("02r1grow", () => {
  it.each(["0.90", "1.1"] as const)("%s", async (metadata) => {
    const m = new Machine();
    await m.ok(`-CR $md0 --level raid1 --metadata=${metadata} --raid-disks 3 --size 9984 $0 $1 $2`);
    await m.wait();
    await m.state("UUU");
    await m.holds(1, 9984, 64);
    await m.ok("--grow $md0 --size max");
    await m.syncing("resync");
    await m.wait();
    await m.holds(1, MEMBER_KIB[metadata], 64);
    await m.ok("--grow $md0 --size 9984");
    await m.noSync();
    await m.holds(1, 9984, 64);
  });
});

describe("what would need a reshape", () => {
  it.each(["-n 4", "--level 6", "--layout ra", "--chunk 64", "--size 4096 --level 0"])(
    "%s is refused by name",
    async (words) => {
      const m = new Machine();
      await m.ok("-CR $md0 -l5 -n3 --assume-clean $0 $1 $2");
      const before = await m.mdstat();
      const { stderr } = await m.fails(`--grow $md0 ${words}`);
      expect(stderr).toContain("reshape");
      expect(await m.mdstat()).toBe(before);
    },
  );
});
