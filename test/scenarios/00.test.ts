/** mdadm's tests 00*: arrays of each level are made, are as large as they should be, and sync what is to be synced. */
import { describe, expect, it } from "vitest";
import { MEMBER_KIB, Machine } from "./machine.ts";

describe("00linear", () => {
  it.each([
    ["", 3, "1.2"],
    ["-e0.90", 4, "0.90"],
    ["-e1.0", 4, "1.0"],
  ] as const)("%s of %i", async (version, count, metadata) => {
    const m = new Machine();
    await m.ok(`-CR $md0 --level=linear -n${count} ${version} $*${count - 1}`);
    await m.level("linear");
    await m.holds(count, MEMBER_KIB[metadata], 1);
    await m.ok("-S $md0");
  });
});

describe("00raid0", () => {
  it("is made of three", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l raid0 -n3 $0 $1 $2");
    await m.level("raid0");
    await m.holds(3, MEMBER_KIB["1.2"], 512);
    await m.ok("-S $md0");
  });

  it("has no layout in 0.90", async () => {
    const m = new Machine();
    await m.fails("-CR $md0 -e0.90 -l0 -n4 --layout=original $0 $1 $2 $3");
  });

  it.each([4, 32, 256])("has chunks of %i KiB", async (chunk) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -l0 -e1.0 -c${chunk} -n4 $*3`);
    await m.level("raid0");
    await m.holds(4, MEMBER_KIB["1.0"], chunk);
  });
});

describe("00raid1", () => {
  it("is resynced", async () => {
    const m = new Machine();
    await m.fails("-CR $md0 -l1 -n2 missing missing");
    await m.ok("-CR $md0 -l1 -n2 $0 $1");
    await m.syncing("resync");
    await m.level("raid1");
    await m.holds(1, MEMBER_KIB["1.2"], 64);
    await m.ok("-S $md0");
  });

  it("rebuilds on spares what is missing", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l1 -n3 -e0.90 -x2 missing missing $0 $1 $2");
    await m.syncing("recovery");
    await m.holds(1, MEMBER_KIB["0.90"], 64);
  });
});

/** As "mdadm -D --export" tells of it: the kernel's name, the one below /dev/md, the superblock's. */
async function namesOf(m: Machine, array: string): Promise<(string | undefined)[]> {
  const { stdout } = await m.ok(`-D --export ${array}`);
  const { kernelName } = await m.view(array);
  const value = (key: string): string | undefined =>
    new RegExp(`^${key}=(.*)$`, "m").exec(stdout)?.[1];
  return [kernelName, value("MD_DEVNAME"), value("MD_NAME")];
}

describe("00names", () => {
  it.each(["linear", "raid0", "raid1", "raid4", "raid5", "raid6"])("%s", async (level) => {
    const m = new Machine();
    m.config("CREATE names=yes\n");
    await m.ok(`-CR --config /etc/test.conf /dev/md/${level} -l ${level} -n 4 $4 $3 $2 $1`);
    await m.level(level);
    expect((await namesOf(m, `md_${level}`)).slice(0, 2)).toEqual([`md_${level}`, level]);
    expect(await m.mdstat()).toContain(`\nmd_${level} : active ${level} `);
    await m.ok(`-S md_${level}`);
    await m.ok(`-A --config /etc/test.conf ${level} $1 $2 $3 $4`);
    await m.ok(`-S /dev/md_${level}`);
    await m.ok("-I --homehost=any --config /etc/test.conf $1");
    expect((await m.host.arrays())[0]!.kernelName).toMatch(new RegExp(`^md_${level}`));
  });

  it("numbers stay numbers, and what a kernel would not take gets one", async () => {
    const m = new Machine();
    m.config("CREATE names=yes\n");
    const long = "a-name-of-more-than-28-letters";
    for (const [name, kernelName] of [
      ["/dev/md/3", "md3"],
      ["/dev/md5", "md5"],
      [`/dev/md/${long}`, "md127"],
    ]) {
      await m.ok(`-CR --config /etc/test.conf ${name} -f -l0 -n1 $0`);
      expect((await m.host.arrays())[0]!.kernelName).toBe(kernelName);
      await m.ok(`-S ${name}`);
    }
  });
});

it.each([
  ["/dev/md/name", "", "md127", "name", "name"],
  ["name", "", "md127", "name", "name"],
  ["/dev/md/md0", "", "md127", "md0", "md0"],
  ["/dev/md/devnode", "name", "md127", "devnode", "name"],
  ["devnode", "name", "md127", "devnode", "name"],
  ["/dev/md0", "", "md0", undefined, "0"],
  ["/dev/md0", "name", "md0", undefined, "name"],
])("00createnames: %s, name %s", async (array, name, kernelName, link, own) => {
  const m = new Machine();
  const more = name === "" ? "" : `--name=${name} --metadata=1.2`;
  await m.ok(`-CR ${array} ${more} --homehost=here -l0 -n 1 $0 --force`);
  expect(await namesOf(m, `/dev/${kernelName}`)).toEqual([kernelName, link, `here:${own}`]);
  await m.ok(`-S /dev/${kernelName}`);
});

it("00createnames: <ignore> is no name", async () => {
  const { stderr } = await new Machine().fails("-CR <ignore> --name=name -l0 -n 1 $0 --force");
  expect(stderr).toContain("<ignore> is an invalid name for an md device.");
});

it.each([
  ["/dev/md/name", "md127", "name"],
  ["name", "md127", "name"],
  ["/dev/md/other", "md127", "other"],
  ["other", "md127", "other"],
  ["/dev/md4", "md4", undefined],
  ["", "md127", "name"],
])("00confnames: %s", async (device, kernelName, link) => {
  const m = new Machine();
  await m.ok("-CR /dev/md/name --homehost=here -l0 -n 1 $0 --force");
  const uuid = /^MD_UUID=(.*)$/m.exec((await m.ok("-D --export /dev/md127")).stdout)![1]!;
  await m.ok("-S /dev/md127");
  m.config(`HOMEHOST here\nDEVICE /disks/*\nARRAY metadata=1.2 UUID=${uuid} ${device}\n`);
  await m.ok("-I $0 --config=/etc/test.conf");
  expect(await namesOf(m, `/dev/${kernelName}`)).toEqual([kernelName, link, "here:name"]);
  await m.ok(`-S /dev/${kernelName}`);
});

describe("arrays that are built", () => {
  it("00raid0 of five", async () => {
    const m = new Machine();
    await m.ok("-B $md0 -n5 -l0 --chunk=512 $*4");
    await m.level("raid0");
    await m.holds(5, 20_000, 512);
  });

  it("00raid1 is resynced, unless it is taken for clean", async () => {
    const m = new Machine();
    await m.ok("-B $md0 -l mirror -n2 $0 $1");
    await m.syncing("resync");
    await m.holds(1, 20_000, 1);
    await m.ok("-S $md0");
    await m.ok("-B $md0 -l raid1 -n2 --assume-clean $0 $1");
    await m.noSync();
  });
});

describe("00raid10", () => {
  it.each(["n2", "n3", "f2", "f3"])("%s of six and a spare", async (layout) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -l10 -p ${layout} -n6 -x1 $*6`);
    await m.syncing("resync");
    await m.level("raid10");
    await m.holds(6 / Number(layout[1]), MEMBER_KIB["1.2"], 512);
  });
});

describe("00raid4", () => {
  it("is resynced by force, and recovered otherwise", async () => {
    const m = new Machine();
    await m.ok("-CfR $md0 -l4 -n3 $0 $1 $2");
    await m.syncing("resync");
    await m.level("raid4");
    await m.holds(2, MEMBER_KIB["1.2"], 512);
    await m.ok("-S $md0");
    await m.ok("-CR $md0 -e1 --level=raid4 -n4 $0 $1 $2 $3");
    await m.syncing("recovery");
    await m.holds(3, MEMBER_KIB["1.2"], 512);
  });
});

describe("00raid5", () => {
  it("is resynced by force, and recovered otherwise", async () => {
    const m = new Machine();
    await m.ok("-CfR $md0 -e0.90 -l5 -n3 $0 $1 $2");
    await m.syncing("resync");
    await m.holds(2, MEMBER_KIB["0.90"], 512);
    await m.ok("-S $md0");
    await m.ok("-CR $md0 -e1 --level=raid5 -n4 $0 $1 $2 $3");
    await m.syncing("recovery");
    await m.holds(3, MEMBER_KIB["1.2"], 512);
  });

  it.each([
    ["la", 0],
    ["ra", 1],
    ["left-symmetric", 2],
    ["right-symmetric", 3],
  ])("%s", async (layout, algorithm) => {
    const m = new Machine();
    await m.ok(`-CfR $md0 -l5 -p ${layout} -n4 $*3`);
    await m.syncing("resync");
    expect(await m.mdstat()).toContain(` algorithm ${algorithm} `);
    await m.holds(3, MEMBER_KIB["1.2"], 512);
    await m.ok("-S $md0");
    await m.ok(`-CR $md0 -l5 --layout=${layout} -n4 $*3`);
    await m.syncing("recovery");
    await m.holds(3, MEMBER_KIB["1.2"], 512);
  });
});

describe("00raid5-zero", () => {
  it("is in sync from the beginning when zeroes are written first", async () => {
    const m = new Machine();
    for (const n of [0, 1, 2]) m.bytesOf(n).fill(n + 1);
    await m.ok("-CR $md0 -l5 --write-zeroes -n3 $0 $1 $2");
    await m.noSync();
    await m.setSysfs("sync_action", "check");
    await m.wait();
    expect(await m.sysfs("mismatch_cnt")).toBe("0");
    await m.holds(2, MEMBER_KIB["1.2"], 512);
  });
});

describe("00raid6", () => {
  it("is resynced", async () => {
    const m = new Machine();
    await m.ok("-CfR $md0 -e0.90 -l6 -n4 $0 $1 $2 $3");
    await m.syncing("resync");
    await m.level("raid6");
    await m.holds(2, MEMBER_KIB["0.90"], 512);
    await m.ok("-S $md0");
    await m.ok("-CR $md0 --level=raid6 -n5 $0 $1 $2 $3 $4");
    await m.syncing("resync");
    await m.holds(3, MEMBER_KIB["1.2"], 512);
  });
});

describe("00readonly", () => {
  const shapes = ["0.90", "1.0", "1.1", "1.2"].flatMap((metadata) =>
    ["raid0", "raid1", "raid4", "raid5", "raid6", "raid10"]
      .filter((level) => metadata !== "0.90" || level !== "raid0")
      .map((level) => [metadata, level] as const),
  );
  it.each(shapes)("%s %s", async (metadata, level) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -l${level} -n4 -e${metadata} --assume-clean $0 $1 $2 $3`);
    await m.noSync();
    await m.ok("-ro $md0");
    expect(await m.mdstat()).toContain("read-only");
    expect(await m.sysfs("array_state")).toBe("readonly");
    await m.ok("-w $md0");
    expect(await m.mdstat()).not.toContain("read-only");
    await m.ok("-S $md0");
  });
});
