/** mdadm's tests 03*: arrays are found again by what is said of them. */
import { describe, expect, it } from "vitest";
import { Machine } from "./machine.ts";

const DISKS = "/disks/dev*";

async function uuidOf(m: Machine, array = "md2"): Promise<string> {
  return (await m.view(array)).uuid ?? "";
}

describe("03r0assem", () => {
  it("is assembled by devices, uuid, name and configuration", async () => {
    const m = new Machine();
    await m.ok("-CR $md2 -l0 -n3 $0 $1 $2");
    const uuid = await uuidOf(m);
    const brief = (await m.ok("-Db $md2")).stdout;
    const data = await m.fill(3, "md2");
    const again = async (line: string): Promise<void> => {
      await m.ok("-S $md2");
      await m.ok(line);
      await m.level("raid0");
      await m.contains(data, "md2");
    };
    await again("-A $md2 $0 $1 $2");
    await again(`-A $md2 -u ${uuid} $*13`);
    await again("-A $md2 --name=2 $*13");
    m.config(`DEVICE ${DISKS}\nARRAY /dev/md2 UUID=${uuid}\n`);
    await again("-As -c /etc/test.conf $md2");
    m.config(`DEVICE ${DISKS}\nARRAY /dev/md2 devices=${m.disks(0, 2).join(",")}\n`);
    await again("-As -c /etc/test.conf $md2");
    m.config(`DEVICE ${DISKS}\n${brief}`);
    await again("-As -c /etc/test.conf $md2");
    m.config(`DEVICE ${DISKS}\n${brief}  metadata=1.0 devices=${m.disks(0, 2).join(",")}\n`);
    await again("-As -c /etc/test.conf $md2");
  });

  it("a linear one of 0.90 by its minor, and one device at a time", async () => {
    const m = new Machine();
    await m.ok("-CR $md2 -l linear -e0.90 -n3 $0 $1 $2");
    const uuid = await uuidOf(m);
    await m.ok("-S $md2");
    await m.ok("-A $md2 --super-minor=2 $*13");
    await m.level("linear");
    await m.ok("-S $md2");
    await m.ok(`-A $md2 -u ${uuid} $*13`);
    await m.ok("-S $md2");
    m.config(`DEVICE ${DISKS}\nARRAY /dev/md2 super-minor=2\n`);
    await m.silently("-As -c /etc/test.conf");
    await m.level("linear");
    await m.ok("-S $md2");
    for (const n of [0, 1, 2]) await m.ok(`--incremental --config=/etc/test.conf $${n}`);
    await m.level("linear");
    expect((await m.view("md2")).path).toBe("/dev/md2");
  });
});

describe("03r5assem", () => {
  it("is assembled whole, and without a member that was left behind", async () => {
    const m = new Machine();
    await m.ok("-CR $md1 -l5 -e0.90 -n3 $0 $1 $2");
    await m.wait("md1");
    const uuid = await uuidOf(m, "md1");
    const identified = `DEVICE ${DISKS}\nARRAY /dev/md1 UUID=${uuid}\n`;
    const listed = `DEVICE ${DISKS}\nARRAY /dev/md1 devices=${m.disks(0, 2).join(",")}\n`;
    for (const line of ["$0 $1 $2", `-u ${uuid} $*2`, "-m 1 $*2"]) {
      await m.ok("-S $md1");
      await m.silently(`-A $md1 ${line}`);
      await m.state("UUU");
    }
    for (const config of [identified, listed]) {
      m.config(config);
      await m.ok("-S $md1");
      await m.silently("-As -c /etc/test.conf $md1");
      await m.state("UUU");
    }
    // From now on the middle one is stale.
    await m.ok("-S $md1");
    await m.ok("-AR $md1 $0 $2");
    await m.state("U_U");
    await m.fill(3, "md1");
    await m.ok("-S $md1");
    await m.ok(`-A $md1 -u ${uuid} $*2`);
    await m.state("U_U");
    await m.ok("-S $md1");
    await m.ok("-A $md1 -m 1 $*2");
    await m.state("U_U");
    for (const config of [identified, listed]) {
      m.config(config);
      await m.ok("-S $md1");
      await m.ok("-As -c /etc/test.conf $md1");
      await m.state("U_U");
    }
  });
});

describe("03r5assemV1", () => {
  it("keeps its spares, and starts one device at a time", async () => {
    const m = new Machine();
    await m.ok("-CR $md1 -l5 -e1 --name one -n3 -x2 $*4");
    await m.wait("md1");
    const uuid = await uuidOf(m, "md1");
    const spares = async (count: number): Promise<void> => {
      expect((await m.mdstat()).split("(S)").length - 1).toBe(count);
    };
    m.config(`DEVICE ${DISKS}\nARRAY /dev/md1 UUID=${uuid}\n`);
    const lines = [
      "-A $md1 $0 $1 $2 $3 $4",
      `-A $md1 -u ${uuid} $*4`,
      "-A $md1 --name=one $*4",
      "-As -c /etc/test.conf $md1",
    ];
    for (const line of lines) {
      await m.ok("-S $md1");
      await m.silently(line);
      await m.state("UUU");
      await spares(2);
    }
    // Without a member one of the spares takes its place.
    await m.ok("$md1 --fail $1");
    await m.ok("$md1 --remove $1");
    await m.syncing("recovery");
    await m.state("U_U");
    await spares(1);
    await m.ok("-S $md1");
    await m.ok("-As -c /etc/test.conf $md1");
    await m.state("U_U");
    await spares(1);
    await m.wait("md1");
    await m.state("UUU");
    await m.ok("-Ss");
    expect(await m.host.arrays()).toEqual([]);
    for (const n of [0, 2, 3, 4]) await m.ok(`-I -c /etc/test.conf $${n}`);
    await m.level("raid5");
    await m.state("UUU");
  });

  it("takes the devices that are named, and no others", async () => {
    const m = new Machine();
    await m.ok("-CR $md1 -l1 -n2 --assume-clean $0 $1");
    await m.ok("-CR $md2 -l1 -n2 --assume-clean $2 $3");
    await m.ok("-Ss");
    const mixed = await m.fails("-A $md1 $0 $2");
    expect(mixed.stderr).toContain("doesn't match others - assembly aborted");
    const strange = await m.fails("-A $md1 $0 $5");
    expect(strange.stderr).toContain("has no superblock - assembly aborted");
    expect(await m.host.arrays()).toEqual([]);
  });
});

describe("a scan", () => {
  it("assembles what the configuration names, else whatever it finds", async () => {
    const m = new Machine();
    await m.ok("-CR /dev/md/data -l1 -n2 --assume-clean $0 $1");
    await m.ok("-CR /dev/md/more --homehost=elsewhere -l1 -n2 --assume-clean $2 $3");
    const brief = (await m.ok("-Ds")).stdout;
    expect(brief.match(/^ARRAY /gm)).toHaveLength(2);
    await m.ok("-Ss");
    m.config(`DEVICE ${DISKS}\n`);
    await m.ok("-As -c /etc/test.conf");
    const found = (await m.host.arrays()).map(({ path, state }) => `${path} ${state}`).toSorted();
    // An array of another host takes nobody's place, and is not written to before it is used.
    expect(found).toEqual(["/dev/md/data clean", "/dev/md/more_0 read-auto"]);
    await m.ok("-Ss");
    m.config(`DEVICE ${DISKS}\n${brief}`);
    await m.silently("-As -c /etc/test.conf");
    const named = (await m.host.arrays()).map(({ path }) => path).toSorted();
    expect(named).toEqual(["/dev/md/data", "/dev/md/more"]);
    // Once more: they run already.
    await m.silently("-As -c /etc/test.conf");
    await m.ok("-Ss");
    m.config(`DEVICE ${DISKS}\nAUTO -all\n`);
    const none = await m.fails("-As -c /etc/test.conf");
    expect(none.stderr).toContain("No arrays found in config file or automatically");
  });
});

describe("03assem-incr", () => {
  it.each(["linear", "0", "1", "5"])("-A completes what -I holds of a level %s", async (level) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -l ${level} -n5 --assume-clean $*4`);
    const data = await m.fill(3);
    await m.ok("-S $md0");
    await m.ok("-I $1");
    await m.ok("-I $3");
    expect((await m.view()).state).toBe("inactive");
    const { stderr } = await m.ok("-A $md0 $*4");
    expect(stderr).toContain("/disks/dev1 is busy - skipping");
    expect(await m.host.arrays()).toHaveLength(1);
    expect(await m.view()).toMatchObject({ path: "/dev/md/0", degraded: 0 });
    await m.contains(data, "md/0");
    await m.ok("-S $md0");
  });

  it("under the name that -I gave", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l5 -n3 -N data --assume-clean $0 $1 $2");
    await m.ok("-S $md0");
    await m.ok("-I $1");
    const { stdout, stderr } = await m.ok("-A $md5 $0 $2");
    expect(stderr).toContain("mdadm: Merging with already-assembled /dev/md/data\n");
    expect(stdout).toBe("mdadm: /dev/md/data has been started with 3 drives.\n");
    // What runs is left alone.
    await m.ok("-S /dev/md/data");
    await m.ok("-A --run $md0 $0 $1");
    const late = await m.fails("-A $md5 $2");
    expect(late.stderr).toBe(
      "mdadm: Found some drive for an array that is already active: /dev/md0\nmdadm: giving up.\n",
    );
    expect(await m.host.arrays()).toHaveLength(1);
  });

  it("by a scan; what is still not enough stays held", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l5 -n4 --assume-clean $0 $1 $2 $3");
    const uuid = await uuidOf(m, "md0");
    await m.ok("-S $md0");
    m.config(`DEVICE ${DISKS}\nARRAY /dev/md0 UUID=${uuid}\n`);
    await m.ok("-I -c /etc/test.conf $1");
    await m.fails("-A $md0 $2");
    expect((await m.view()).members).toHaveLength(2);
    expect((await m.view()).state).toBe("inactive");
    await m.ok("-As -c /etc/test.conf");
    await m.state("UUUU");
    await m.silently("-As -c /etc/test.conf");
    await m.ok("-S $md0");
  });
});
