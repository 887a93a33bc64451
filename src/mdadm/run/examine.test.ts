/** What is done without a daemon, and what the real mdadm does with the same words and files. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { goldenCases, unpackToFolder } from "../../../test/support/golden.ts";
import { runMdadmIn } from "../../../test/support/mdadm-run.ts";
import { askMdadm } from "../../../test/support/mdadm.ts";
import { peerDescribe } from "../../../test/support/peers.ts";
import { emptyDisk, testFolder } from "../../../test/support/temp.ts";

const MIB = 1024 * 1024;
const CASES = goldenCases({ kind: "md" });

function membersOf(name: string): { readonly folder: string; readonly members: readonly string[] } {
  const folder = testFolder("mdadm");
  const golden = CASES.find((each) => each.name === name)!;
  const unpacked = unpackToFolder(golden);
  const members = golden.members.map((_member, index) => `d${index}.img`);
  for (const member of members) copyFileSync(join(unpacked.folder, member), join(folder, member));
  unpacked.remove();
  return { folder, members };
}

/** Words with files of the folder, none of which changes anything. */
const QUESTIONS: readonly (readonly string[])[] = [
  ["-E"],
  ["-Eb"],
  ["-Ebv"],
  ["-EY"],
  ["-E", "--homehost=holdfast"],
  ["-Q"],
  ["-E", "-e", "1"],
  ["-E", "-e", "0.90"],
];

peerDescribe(["mdadm"], "mdadm prints the same, and ends with the same code", () => {
  const shapes = [
    "raid1-2-bitmap",
    "raid1-3-m090",
    "raid5-3-spare-dataoffset2m",
    "raid10-4-f2-c32",
  ];
  it.each(shapes.flatMap((name) => QUESTIONS.map((words) => [name, words] as const)))(
    "%s: %j",
    async (name, words) => {
      const { folder, members } = membersOf(name);
      const all = [...words, "--config=none", ...members].filter(
        (word) => !(word === "--config=none" && words[0] === "-Q"),
      );
      const theirs = askMdadm(all, folder);
      const ours = await runMdadmIn({ folder, hostName: "elsewhere" }, all);
      // Paths of block devices by number are this machine's business.
      expect(ours.stdout).toBe(theirs.text.replaceAll(/ {3}\/dev\/\S+/g, ""));
      expect(ours.code).toBe(theirs.exitCode);
    },
  );

  it.each([
    [["-E", "empty.img"]],
    [["-E", "absent.img"]],
    [["-Eb", "empty.img"]],
    [["-Q", "empty.img"]],
    [["-Q", "absent.img"]],
    [["--examine-badblocks", "empty.img"]],
    [["--examine-badblocks", "absent.img"]],
    [["--zero-superblock", "empty.img"]],
    [["--zero-superblock", "absent.img"]],
    [["--dump=nowhere", "empty.img"]],
    [["--dump=.", "absent.img"]],
    [["-A", "--no-degraded", "/dev/md77", "empty.img"]],
    [["-S"]],
    [["-D", "--scan", "x", "--nonsense"]],
    [["-C", "/dev/md77", "-l5", "-n3", "empty.img"]],
    [["-C", "/dev/md77", "-l1", "-n2", "-z10", "empty.img", "missing"]],
    [["-B", "/dev/md77", "-l5", "-n3", "a", "b", "c"]],
    [["--monitor", "--scan", "--config=none"]],
    [["--monitor", "-1", "--scan", "--config=none"]],
  ])("%j", async (words) => {
    const folder = testFolder("mdadm");
    emptyDisk(join(folder, "empty.img"), MIB);
    const theirs = askMdadm(words, folder);
    const ours = await runMdadmIn({ folder }, words);
    expect(ours.code).toBe(theirs.exitCode);
    expect(ours.stdout).toBe(theirs.text);
    expect(ours.stderr.startsWith("mdadm: ") || theirs.exitCode === 0).toBe(true);
  });
});

describe("without a daemon", () => {
  it("says so where an array is needed", async () => {
    const folder = testFolder("mdadm");
    for (const words of [
      ["-D", "/dev/md0"],
      ["-S", "/dev/md0"],
      ["-Ds"],
      ["/dev/md0", "-f", "x"],
    ]) {
      const { code, stdout, stderr } = await runMdadmIn({ folder }, words);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/^mdadm: no daemon runs; start one/);
    }
  });

  it("zeroes superblocks, until there are none", async () => {
    const { folder } = membersOf("raid1-2-bitmap");
    const first = await runMdadmIn({ folder }, ["--zero-superblock", "d0.img"]);
    expect([first.code, first.stdout, first.stderr]).toEqual([0, "", ""]);
    expect((await runMdadmIn({ folder }, ["-E", "d0.img"])).code).toBe(1);
    const again = await runMdadmIn({ folder }, ["--zero-superblock", "d0.img"]);
    expect([again.code, again.stderr]).toEqual([
      0,
      "mdadm: Unrecognised md component device - d0.img\n",
    ]);
  });

  it("puts metadata aside and brings it back", async () => {
    const { folder } = membersOf("raid1-2-bitmap");
    mkdirSync(join(folder, "aside"));
    const before = readFileSync(join(folder, "d0.img"));
    const dumped = await runMdadmIn({ folder }, ["--dump=aside", "d0.img"]);
    expect([dumped.code, dumped.stderr]).toEqual([0, ""]);
    const shown = (await runMdadmIn({ folder }, ["-E", "aside/d0.img"])).stdout;
    expect(shown).toBe(
      (await runMdadmIn({ folder }, ["-E", "d0.img"])).stdout.replace("d0.img", "aside/d0.img"),
    );
    await runMdadmIn({ folder }, ["--zero-superblock", "d0.img"]);
    const restored = await runMdadmIn({ folder }, ["--restore=aside", "d0.img"]);
    expect([restored.code, restored.stderr]).toEqual([0, ""]);
    expect(readFileSync(join(folder, "d0.img")).equals(before)).toBe(true);
    // What is there is not overwritten.
    expect((await runMdadmIn({ folder }, ["--dump=aside", "d0.img"])).code).toBe(1);
  });

  it("shows bitmaps of members and of files", async () => {
    const { folder } = membersOf("raid1-2-bitmap");
    const { code, stdout } = await runMdadmIn({ folder }, ["-X", "d0.img"]);
    expect(code).toBe(0);
    expect(stdout).toContain("        Filename : d0.img");
    expect(stdout).toMatch(/Bitmap : \d+ bits \(chunks\), \d+ dirty/);
    writeFileSync(join(folder, "bits"), readFileSync(join(folder, "d0.img")).subarray(8192, 65536));
    const file = await runMdadmIn({ folder }, ["-X", "bits"]);
    expect(file.stdout).toContain("Magic : 6d746962");
    await runMdadmIn({ folder }, ["--zero-superblock", "d1.img"]);
    const none = await runMdadmIn({ folder }, ["-X", "d1.img"]);
    expect([none.code, none.stdout]).toEqual([1, ""]);
  });

  it("scans what the configuration names", async () => {
    const { folder } = membersOf("raid1-2-bitmap");
    const config = join(folder, "mdadm.conf");
    writeFileSync(config, `DEVICE ${folder}/d*.img\n`);
    const { code, stdout } = await runMdadmIn({ folder }, ["-Es", `--config=${config}`]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ARRAY \/dev\/md\/\w+ {2}metadata=1.2 UUID=\S+ name=\S+\n$/);
  });

  it("takes an unreadable configuration for an empty one, and says so", async () => {
    const folder = testFolder("mdadm");
    const { stderr } = await runMdadmIn({ folder }, ["-Es", "--config=/nowhere/mdadm.conf"]);
    expect(stderr).toMatch(/^mdadm: the configuration is read without \/nowhere\/mdadm.conf: /);
  });

  it("prints one document with --json", async () => {
    const { folder } = membersOf("raid1-2-bitmap");
    const { code, stdout } = await runMdadmIn({ folder }, ["--json", "-E", "d0.img", "absent"]);
    const document = JSON.parse(stdout) as {
      exitCode: number;
      messages: { kind: string; text: string }[];
      results: { path: string; superblock: { version: string } }[];
    };
    expect(code).toBe(1);
    expect(document.exitCode).toBe(1);
    expect(document.messages).toEqual([
      { kind: "error", text: "cannot open absent: No such file or directory" },
    ]);
    expect(document.results.map(({ path, superblock }) => [path, superblock.version])).toEqual([
      ["d0.img", "1.2"],
    ]);
  });

  it("helps, and tells its version on standard error", async () => {
    const folder = testFolder("mdadm");
    const help = await runMdadmIn({ folder }, ["--help"]);
    expect([help.code, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toContain("--create ARRAY");
    const mode = await runMdadmIn({ folder }, ["--create", "--help"]);
    expect(mode.stdout).toContain("--assume-clean");
    expect(mode.stdout).not.toContain("--increment");
    const version = await runMdadmIn({ folder }, ["--version"]);
    expect(version.stderr).toMatch(/^mdadm - v4\.\d+ - holdfast /);
    expect(existsSync(join(folder, "aside"))).toBe(false);
  });
});
