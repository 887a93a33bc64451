/** What each mode says and ends with, with arrays that run: words as mdadm has them where scripts look for them. */
import { describe, expect, it } from "vitest";
import { runMdadmIn } from "../support/mdadm-run.ts";
import { Machine } from "../scenarios/machine.ts";

/** Code, standard output, standard error. */
async function told(m: Machine, line: string): Promise<[number, string, string]> {
  const { code, stdout, stderr } = await m.mdadm(line);
  return [code, stdout, stderr];
}

async function mirror(more = ""): Promise<Machine> {
  const m = new Machine();
  await m.ok(`-CR $md0 -l1 -n2 -e1.0 --assume-clean ${more} $0 $1`);
  return m;
}

describe("create", () => {
  it("says what it takes by default, and that it started", async () => {
    const m = new Machine();
    expect(await told(m, "-CR $md0 -l5 -n3 -v $0 $1 $2")).toEqual([
      0,
      "mdadm: Defaulting to version 1.2 metadata\nmdadm: array /dev/md0 started.\n",
      "mdadm: layout defaults to left-symmetric\nmdadm: chunk size defaults to 512K\nmdadm: size set to 17920K\n",
    ]);
  });

  it("asks before it takes what is in use, and does nothing without a yes", async () => {
    const m = await mirror();
    await m.ok("-S $md0");
    const before = Buffer.from(m.bytesOf(0));
    const words = ["-C", "/dev/md0", "-e1.0", "-l1", "-n2", m.disk(0), m.disk(3)];
    const place = { folder: "/", host: m.host, env: m.env };
    const aborted = await m.do(runMdadmIn(place, words));
    expect(aborted.code).toBe(1);
    expect(aborted.stderr).toMatch(
      /^mdadm: \/disks\/dev0 appears to be part of a raid array:\n {7}level=raid1 devices=2 ctime=\w{3} .*\nContinue creating array\? mdadm: create aborted\.\n$/,
    );
    expect(before.equals(m.bytesOf(0))).toBe(true);
    const no = await m.do(runMdadmIn({ ...place, input: ["n"] }, words));
    expect(no.code).toBe(1);
    const yes = await m.do(runMdadmIn({ ...place, input: ["y"] }, words));
    expect([yes.code, yes.stdout]).toEqual([0, "mdadm: array /dev/md0 started.\n"]);
  });

  it.each([
    [
      "-CR /dev/foo -l0 -n2 $2 $3",
      1,
      "/dev/foo is an invalid name for an md device.  Try /dev/md/foo",
    ],
    ["-CR $md5 -l0 -n2 $2 /disks/none", 2, "cannot open /disks/none: No such file or directory"],
    ["-CR $md5 -l1 -n2 -z 10 $2 $3", 2, "Given size must be greater than 1M."],
    ["-CR $md5 -l6 -n3 $2 $3 /disks/none", 1, "at least 4 raid-devices needed for level 6"],
    ["-CR $md5 -l5 -n1 -f $2", 1, "at least 2 raid-devices needed for level 5"],
    ["-CR $md5 -l0 -n2 -b internal $2 $3", 1, "bitmaps not meaningful with level raid0"],
    ["-CR $md5 -l10 -p n4 -n3 $2 $3 $4", 1, "that layout requires at least 4 devices"],
    [
      "-CR $md5 -l1 -n2 --write-journal $4 $2 $3",
      2,
      "--write-journal is only supported for RAID level 4/5/6.",
    ],
    ["-As -U name", 1, "--update not meaningful with a --scan assembly."],
    ["-CR $md5 -l1 -n2 -b /var/bits $2 $3", 1, "bitmaps in files cannot be made here"],
    ["-CR $md5 -l1 -n2 -e ddf $2 $3", 1, "ddf metadata is not handled here"],
    ["-CR $md5 -l multipath -n2 $2 $3", 1, "arrays of level multipath cannot be made here"],
    ["-CR $md0 -l1 -n2 $2 $3", 1, "there is an array /dev/md0 (md0) already"],
  ])("refuses %s", async (line, code, text) => {
    const m = await mirror();
    const [got, stdout, stderr] = await told(m, line);
    expect([got, stdout]).toEqual([code, ""]);
    expect(stderr).toContain(`mdadm: ${text}`);
    expect(await m.host.arrays()).toHaveLength(1);
  });
});

describe("words that nobody understands", () => {
  it.each([
    ["", ""],
    ["--bogus", "mdadm: unrecognized option '--bogus'\n"],
    ["-Z", "mdadm: option requires an argument -- 'Z'\n"],
  ])("%s", async (line, text) => {
    const { code, stdout, stderr } = await runMdadmIn(
      { folder: "/", host: new Machine().host, env: new Machine().env },
      line === "" ? [] : [line],
    );
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toBe(`${text}Usage: mdadm --help\n  for help\n`);
  });
});

describe("manage", () => {
  it("adds, fails, removes", async () => {
    const m = await mirror();
    expect(await told(m, "$md0 -a $2")).toEqual([0, "", "mdadm: added /disks/dev2\n"]);
    expect(await told(m, "$md0 --fail $1")).toEqual([
      0,
      "",
      "mdadm: set /disks/dev1 faulty in /dev/md0\n",
    ]);
    await m.wait();
    expect(await told(m, "$md0 --remove $1")).toEqual([
      0,
      "",
      "mdadm: hot removed /disks/dev1 from /dev/md0\n",
    ]);
    expect(await told(m, "-q $md0 -a $1")).toEqual([0, "", ""]);
  });

  it("takes names without a path, and words for several", async () => {
    const m = await mirror();
    await m.ok("$md0 -a $2");
    await m.ok("md0 --fail dev1");
    await m.wait();
    expect(await told(m, "md0 --remove failed")).toEqual([
      0,
      "",
      "mdadm: hot removed /disks/dev1 from md0\n",
    ]);
    expect(await told(m, "md0 --remove failed")).toEqual([0, "", ""]);
    expect((await m.mdadm("--test md0 --remove failed")).code).toBe(2);
  });

  it.each([
    ["$md0 --fail $5", 1, "set device faulty failed for /disks/dev5:  No such device"],
    ["$md0 --remove $5", 1, "hot remove failed for /disks/dev5: No such device or address"],
    ["$md0 --remove $0", 1, "hot remove failed for /disks/dev0: Device or resource busy"],
    ["$md0 -a $0", 1, "Cannot open /disks/dev0: Device or resource busy"],
    ["$md0 -a /disks/none", 1, "Cannot open /disks/none: No such file or directory"],
    ["$md0 --re-add $5", 1, "--re-add for /disks/dev5 to /dev/md0 is not possible"],
    ["$md0 --replace $5", 1, "/disks/dev5 not found in /dev/md0 so cannot --replace it"],
    [
      "$md0 --replace $0 --with $5",
      1,
      "/disks/dev5 not found in /dev/md0 so cannot make it preferred replacement",
    ],
    ["/dev/md7 --fail $0", 1, "error opening /dev/md7: No such file or directory"],
    ["/dev/md7 --add $5", 1, "error opening /dev/md7: No such file or directory"],
    ["/dev/md7 --add", 1, "error opening /dev/md7: No such file or directory"],
    ["/dev/md7 --replace $0", 1, "error opening /dev/md7: No such file or directory"],
    ["/dev/md7 --remove failed", 1, "error opening /dev/md7: No such file or directory"],
    ["--re-add /dev/md7", 1, "error opening /dev/md7: No such file or directory"],
    ["--re-add $5", 1, "/disks/dev5 is an invalid name for an md device."],
  ])("refuses %s", async (line, code, text) => {
    const m = await mirror();
    const before = await m.mdstat();
    const [got, stdout, stderr] = await told(m, line);
    expect([got, stdout]).toEqual([code, ""]);
    expect(stderr).toContain(`mdadm: ${text}\n`);
    expect(await m.mdstat()).toBe(before);
  });

  it("adds what has failed only when it was taken out, and re-adds it where it stands", async () => {
    const m = await mirror("-b internal");
    await m.ok("$md0 -f $1");
    const [code, , busy] = await told(m, "$md0 -a $1");
    expect(code).toBe(1);
    expect(busy).toContain("mdadm: Cannot open /disks/dev1: Device or resource busy\n");
    expect(await told(m, "$md0 --re-add $1")).toEqual([
      0,
      "",
      "mdadm: re-add /disks/dev1 to md0 succeed\n",
    ]);
    await m.wait();
    await m.state("UU");
    await m.ok("$md0 -f $1");
    const [, , back] = await told(m, "$md0 --re-add faulty");
    expect(back).toBe("mdadm: re-add /disks/dev1 to md0 succeed\n");
    await m.wait();
    await m.state("UU");
    expect(await told(m, "$md0 --re-add faulty")).toEqual([0, "", ""]);
  });

  it("takes out, and adds as new, what cannot come back where it stands, when all that failed are meant", async () => {
    const m = await mirror();
    await m.ok("$md0 -a $2");
    await m.ok("$md0 -f $2");
    expect(await told(m, "$md0 --re-add failed")).toEqual([
      0,
      "",
      "mdadm: hot removed /disks/dev2 from /dev/md0\nmdadm: added /disks/dev2\n",
    ]);
  });

  it("does not fail the last one that is good", async () => {
    const m = await mirror();
    await m.ok("$md0 --fail $1");
    const [code, , stderr] = await told(m, "$md0 --fail $0");
    expect(code).toBe(2);
    expect(stderr).toContain("set device faulty failed for /disks/dev0:  Device or resource busy");
  });

  it("says what replaces what", async () => {
    const m = await mirror();
    await m.ok("$md0 -a $2 $3");
    expect(await told(m, "$md0 --replace $0 $1 --with $2 $3")).toEqual([
      0,
      "",
      "mdadm: Marked /disks/dev0 (device 0 in /dev/md0) for replacement\n" +
        "mdadm: Marked /disks/dev2 in /dev/md0 as replacement for device 0\n" +
        "mdadm: Marked /disks/dev1 (device 1 in /dev/md0) for replacement\n" +
        "mdadm: Marked /disks/dev3 in /dev/md0 as replacement for device 1\n",
    ]);
  });
});

describe("misc", () => {
  it("stops, waits, makes read-only, with mdadm's codes", async () => {
    const m = await mirror();
    await m.wait();
    expect((await m.mdadm("-W $md0")).code).toBe(1);
    await m.ok("-o $md0");
    await m.ok("-w $md0");
    expect(await told(m, "-w $md0")).toEqual([
      1,
      "",
      "mdadm: failed to set writable for /dev/md0: Device or resource busy\n",
    ]);
    await m.ok("--action=check $md0");
    expect((await m.mdadm("--wait $md0")).code).toBe(0);
    expect(await told(m, "-S $md0")).toEqual([0, "mdadm: stopped /dev/md0\n", ""]);
    for (const line of ["-S $md0", "-R $md0", "-o $md0", "--action=check $md0"])
      expect(await told(m, line)).toEqual([
        1,
        "",
        "mdadm: error opening /dev/md0: No such file or directory\n",
      ]);
    expect((await m.mdadm("--wait $md0")).code).toBe(2);
  });

  it("has details, and codes for scripts that test", async () => {
    const m = await mirror();
    expect((await m.ok("-D $md0")).stdout).toContain("     Raid Devices : 2\n");
    expect((await m.mdadm("-D --test $md0")).code).toBe(0);
    await m.ok("$md0 --fail $1");
    expect((await m.mdadm("-D --test $md0")).code).toBe(1);
    expect((await m.ok("-D $md0")).stdout).toMatch(/State : clean, degraded \n/);
    expect(await told(m, "-D /dev/md9")).toEqual([
      1,
      "",
      "mdadm: cannot open /dev/md9: No such file or directory\n",
    ]);
    expect((await m.mdadm("-D --test /dev/md9")).code).toBe(4);
    expect((await told(m, "-D $0"))[2]).toBe(
      "mdadm: /disks/dev0 does not appear to be an md device\n",
    );
    expect((await m.ok("-Ds")).stdout).toMatch(
      /^ARRAY \/dev\/md0 metadata=1.0 name=\S+ UUID=\S+\n$/,
    );
    expect((await m.ok("-Q $md0")).stdout).toBe(
      "/dev/md0: 19.50MiB raid1 2 devices, 0 spares. Use mdadm --detail for more detail.\n",
    );
    expect((await m.ok("-Q $0")).stdout).toContain("device 0 in 2 device active raid1 /dev/md0.");
    expect((await m.ok("-Q $5")).stdout).toBe("/disks/dev5: is not an md array\n");
  });

  it("zeroes no superblock that is in use", async () => {
    const m = await mirror();
    const [code, , stderr] = await told(m, "--zero-superblock $0");
    expect(code).toBe(2);
    expect(stderr).toContain("Couldn't open /disks/dev0 for write - not zeroing");
  });
});

describe("assemble", () => {
  it("says with how many it started, and why it did not", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l5 -n3 -x1 --assume-clean $*3");
    await m.ok("-S $md0");
    expect(await told(m, "-A $md0 $*3")).toEqual([
      0,
      "mdadm: /dev/md0 has been started with 3 drives and 1 spare.\n",
      "",
    ]);
    expect((await told(m, "-A $md1 $0"))[2]).toContain("/disks/dev0 is busy - skipping");
    await m.ok("-S $md0");
    expect(await told(m, "-A $md0 $0")).toEqual([
      1,
      "",
      "mdadm: /dev/md0 assembled from 1 drive - not enough to start the array.\n",
    ]);
    expect(await told(m, "-A $md0 $0 $1")).toEqual([
      1,
      "",
      "mdadm: /dev/md0 assembled from 2 drives - need all 3 to start it (use --run to insist).\n",
    ]);
    expect(await m.host.arrays()).toEqual([]);
    expect((await told(m, "-A --run $md0 $0 $1"))[1]).toBe(
      "mdadm: /dev/md0 has been started with 2 drives (out of 3).\n",
    );
  });

  it("is careful with what is dirty and lacks a member", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l5 -n3 --force $0 $1 $2");
    await m.syncing("resync");
    await m.ok("-S $md0");
    expect((await told(m, "-A $md0 $0 $1"))[2]).toBe(
      "mdadm: /dev/md0 assembled from 2 drives - not enough to start the array while not clean - consider --force.\n",
    );
    expect((await told(m, "-A --force $md0 $0 $1"))[1]).toContain("has been started with 2 drives");
  });

  it.each([
    ["-A $md3", 1, "/dev/md3 not identified in config file."],
    ["-A --update=name -U x $md0 $0", 2, "Can only update one aspect of superblock"],
    ["-A --update=byteorder $md0 $0 $1", 1, "--update=byteorder not understood for 1.x metadata"],
    ["-A $md0 -u 00000000:00000000:00000000:00000001 $0", 2, "no devices found for /dev/md0"],
    ["-A $md0 /disks/none", 1, "/disks/none has no superblock - assembly aborted"],
  ])("refuses %s", async (line, code, text) => {
    const m = await mirror();
    await m.ok("-S $md0");
    m.config("");
    const [got, , stderr] = await told(m, `${line} --config=none`);
    expect(got).toBe(code);
    expect(stderr).toContain(text);
    expect(await m.host.arrays()).toEqual([]);
  });
});

describe("incremental", () => {
  it("says how far it is", async () => {
    const m = new Machine();
    await m.ok("-CR /dev/md/inc -l5 -n3 --homehost=machine --assume-clean $0 $1 $2");
    await m.ok("-Ss");
    expect((await told(m, "-I --config=none $0"))[2]).toBe(
      "mdadm: /disks/dev0 attached to /dev/md/inc, not enough to start (1).\n",
    );
    expect((await told(m, "-I --config=none $1"))[2]).toBe(
      "mdadm: /disks/dev1 attached to /dev/md/inc, not enough to start safely.\n",
    );
    expect((await told(m, "-I --config=none $2"))[2]).toBe(
      "mdadm: /disks/dev2 attached to /dev/md/inc, which has been started.\n",
    );
    expect((await told(m, "-I --config=none $2"))[2]).toContain(
      "cannot reopen /disks/dev2: Device or resource busy.",
    );
    expect((await told(m, "-I --config=none $5"))[2]).toBe(
      "mdadm: no RAID superblock on /disks/dev5.\n",
    );
    expect((await told(m, "-If dev1"))[2]).toContain("set dev1 faulty in /dev/md/inc");
    expect((await told(m, "-If dev9"))[2]).toContain(
      "dev9 does not appear to be a component of any array",
    );
  });

  it("tells udev with --export", async () => {
    const m = await mirror("--homehost=machine");
    await m.ok("-S $md0");
    expect((await m.ok("-I --export --config=none $0")).stdout).toBe(
      "MD_DEVICE=md0\nMD_DEVNAME=0\nMD_FOREIGN=no\nMD_STARTED=unsafe\n",
    );
    expect((await m.ok("-I --export --config=none $1")).stdout).toContain("MD_STARTED=yes\n");
  });
});

describe("grow", () => {
  it("says what it did, and what it does not do", async () => {
    const m = await mirror();
    await m.ok("-Gb internal $md0");
    expect((await told(m, "-Gb internal $md0"))[2]).toBe(
      "mdadm: bitmap already present on /dev/md0\n",
    );
    await m.ok("-Gb none $md0");
    expect((await told(m, "-Gb none $md0"))[2]).toBe("mdadm: no bitmap found on /dev/md0\n");
    expect(await told(m, "-G $md0 -z 10240")).toEqual([
      0,
      "mdadm: component size of /dev/md0 has been set to 10240K\n",
      "",
    ]);
    expect((await told(m, "-G $md0"))[1]).toBe("mdadm: no changes to --grow\n");
    expect((await told(m, "-G $md0 -n4"))[2]).toBe(
      "mdadm: Need 2 spares to avoid degraded array, and only have 0.\n       Use --force to over-ride this check.\n",
    );
    expect((await told(m, "-G $md7 -n4"))[2]).toBe(
      "mdadm: error opening /dev/md7: No such file or directory\n",
    );
  });
});

describe("--json", () => {
  it("has the array that was made, and what was said", async () => {
    const m = new Machine();
    const { code, stdout, stderr } = await m.mdadm("--json -CR $md0 -l1 -n2 -e1.0 $0 $1");
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject({
      exitCode: 0,
      messages: [{ kind: "info", text: "array /dev/md0 started." }],
      results: [{ array: { path: "/dev/md0", level: 1, raidDisks: 2 } }],
    });
    const failed = await m.mdadm("--json $md0 --fail $0 --fail $5");
    expect(failed.code).toBe(1);
    expect(JSON.parse(failed.stdout)).toMatchObject({
      exitCode: 1,
      results: [{ failed: "/disks/dev0", array: "/dev/md0" }],
    });
  });
});
