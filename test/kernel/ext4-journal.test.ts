/**
 * File systems that were mounted when power failed: the kernel's own journals, in every form it writes them. What Holdfast
 * shows must be what is there after e2fsck has replayed the journal of a copy.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readTree } from "../support/ext4.ts";
import { peerDescribe } from "../support/peers.ts";
import { emptyDisk, testFolder } from "../support/temp.ts";
import { bootGuest } from "./guest.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";

const MIB = 1024 * 1024;

interface Mounted {
  readonly make: string;
  /** Mount options. */
  readonly mount: string;
  /** Rounds of changes; many of them make the log go round its ring. */
  readonly rounds: number;
}

/**
 * Beside the others: its last changes are not blocks. Its log goes round its ring, which ends before the fast commits; e2fsck 1.47
 * looks for the rest behind them and loses it, so it cannot be asked.
 */
const WITH_FAST_COMMITS: Mounted = {
  make: "-t ext4 -b 1024 -O fast_commit -J size=1,fast_commit_size=64",
  mount: "",
  rounds: 17,
};

/** Forms that the journals above must have among them. */
const FORMS = [
  "journal_64bit",
  "journal_checksum_v3",
  "journal_checksum",
  "journal_async_commit",
  "revoke table",
];

const MOUNTED: readonly Mounted[] = [
  { make: "-t ext4 -b 4096", mount: "", rounds: 3 },
  { make: "-t ext4 -b 4096 -O ^64bit,^metadata_csum", mount: "", rounds: 3 },
  { make: "-t ext4 -b 1024 -J size=1", mount: "", rounds: 40 },
  { make: "-t ext4 -b 1024 -O ^metadata_csum", mount: "journal_checksum", rounds: 3 },
  { make: "-t ext4 -b 1024 -O ^64bit", mount: "journal_async_commit,data=writeback", rounds: 3 },
  { make: "-t ext4 -b 4096", mount: "data=journal", rounds: 3 },
  { make: "-t ext3 -b 1024", mount: "data=journal", rounds: 3 },
  {
    make: "-t ext4 -b 4096 -O ^metadata_csum",
    mount: "journal_async_commit,data=writeback",
    rounds: 3,
  },
];

/**
 * `fill DIR ROUNDS`: makes files, links and folders and removes some, so that blocks of folders become blocks of files
 * (revokes); some files look like blocks of a journal (escapes). Writing through with fsync commits to the journal and leaves
 * the blocks themselves for later.
 */
const FILL = `fill() {
  head -c 70000 /dev/urandom >/tmp/noise
  printf '\\300;9\\230' >/tmp/magic
  head -c 4092 /dev/zero >>/tmp/magic
  round=0
  while [ $round -lt $2 ]; do
    r=$1/round$round
    mkdir -p $r/below/deep $r/crowd || return 1
    i=0
    while [ $i -lt 60 ]; do echo $i >$r/crowd/a-rather-long-name-for-a-file-number-$i; i=$((i + 1)); done
    dd if=/tmp/noise of=$r/noise bs=10000 conv=fsync status=none || return 1
    cat /tmp/magic /tmp/magic /tmp/magic >$r/magic
    ln $r/noise $r/below/hard
    ln -s ../noise $r/below/soft
    chmod 4751 $r/below/hard
    [ $round -eq 0 ] || rm -r $1/round$((round - 1))/crowd
    dd if=/tmp/noise of=$r/more bs=7000 count=9 conv=fsync status=none || return 1
    [ $round -lt 2 ] || rm -r $1/round$((round - 2))
    dd if=/tmp/magic of=$r/last bs=4096 conv=fsync status=none || return 1
    round=$((round + 1))
  done
  # Small enough for a fast commit, where there are such.
  dd if=/tmp/noise of=$1/tail bs=3000 count=1 conv=fsync status=none || return 1
  echo not committed >$1/lost
}`;

function guestScript(): string {
  const mounts = [...MOUNTED, WITH_FAST_COMMITS].map(({ make, mount, rounds }, i) => {
    const type = make.includes("ext3") ? "ext3" : "ext4";
    const options = ["noatime", "commit=300", ...(mount === "" ? [] : [mount])].join(",");
    return `mkdir /tmp/m${i}
      mount -t ${type} -o ${options} $d${i} /tmp/m${i}
      fill /tmp/m${i} ${rounds}`;
  });
  // However slow the machine is, what was committed must not be written to its place.
  const hold = "echo 0 >/proc/sys/vm/dirty_writeback_centisecs";
  return ["set -e", FILL, hold, ...mounts, "ready"].join("\n");
}

/** What e2fsck says; it ends with 1 when it changed something. */
function e2fsck(disk: string): string {
  try {
    return execFileSync("e2fsck", ["-fy", disk], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    const { status, stdout } = error as { readonly status?: number; readonly stdout: string };
    if (status !== 1) throw error;
    return stdout;
  }
}

peerDescribe(
  [...GUEST_PROGRAMS, "e2fsck", "debugfs"],
  "ext4 that was mounted when power failed",
  () => {
    it("shows what e2fsck makes of it, and is not written to", { timeout: 300_000 }, async () => {
      const folder = testFolder("ext4-crash");
      const disks = [...MOUNTED, WITH_FAST_COMMITS].map(({ make }, i) => {
        const disk = emptyDisk(join(folder, `disk${i}.img`), 24 * MIB);
        execFileSync("mke2fs", ["-q", "-F", ...make.split(" "), disk]);
        return disk;
      });
      await bootGuest({
        disks,
        shareDir: folder,
        script: guestScript(),
        killAfterReadyMs: 0,
        timeoutMs: 240_000,
      });
      let forms = "";
      for (const [i, { make, mount, rounds }] of MOUNTED.entries()) {
        const disk = disks[i]!;
        const what = `${make} ${mount}`;
        const dump = ["-R", "logdump -S", disk];
        forms += execFileSync("debugfs", dump, { encoding: "utf8", stdio: "pipe" });
        const before = readFileSync(disk);
        const shown = await readTree(disk);
        expect(shown.notes, what).toEqual([
          expect.stringMatching(/the journal held \d+ transactions, replayed in memory\.$/),
        ]);
        expect(shown.tree.get(`/round${rounds - 1}/last`), what).toBeDefined();
        expect(readFileSync(disk).equals(before), what).toBe(true);
        const checked = join(folder, "checked.img");
        copyFileSync(disk, checked);
        const said = e2fsck(checked);
        expect(said, what).toContain("recovering journal");
        const expected = await readTree(checked, { journal: "ignore" });
        expect(shown.tree, `${what}\n${said}`).toEqual(expected.tree);
        // Without the journal much is missing, or this would prove nothing.
        const raw = await readTree(disk, { journal: "ignore" }).then(
          ({ tree }) => tree,
          () => new Map<string, string>(),
        );
        expect(raw, what).not.toEqual(expected.tree);
      }
      for (const form of FORMS) expect(forms).toMatch(new RegExp(`\\b${form}\\b`));
      const fast = await readTree(disks[MOUNTED.length]!);
      expect(fast.notes).toEqual([
        expect.stringMatching(/the journal held \d+ transactions, replayed in memory\.$/),
        expect.stringMatching(/^The journal also holds \d+ fast commits?, .* not shown here/),
      ]);
      expect(fast.tree.get("/round16/last")).toBeDefined();
      expect(fast.tree.get("/tail")).toBeUndefined();
    });
  },
);
