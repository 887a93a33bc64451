/**
 * Makes examples/ anew: the real kernel (user-mode-linux) creates the arrays and the file systems and says what it reads from them. Run it
 * by hand (`node scripts/make-examples.mjs [NAME]`), as seldom as possible: UUIDs and times differ each time. It needs the
 * programs of test/kernel/rootfs.ts.
 *
 * An example is examples/NAME.json and the disks examples/NAME/*.img.br (brotli).
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { ARCHIVE_FILES, ARCHIVE_FILES_LATER, NAS_FILES, writeTree } from "./example-files.mjs";
import { ROOT } from "./setup.mjs";
import "./ts-hook.mjs";

const { bootGuest, looksOf } = await import("../test/kernel/guest.ts");

const MIB = 1024 * 1024;
const EXAMPLES = join(ROOT, "examples");

/**
 * @typedef {object} Recipe
 * @property {string} summary One line.
 * @property {number} diskCount
 * @property {number} diskBytes
 * @property {readonly number[]} lost Disks that are not kept.
 * @property {Readonly<Record<string, import("./example-files.mjs").Tree>>} trees Folders in the share.
 * @property {string} script Leaves the array stopped.
 */

// By its path, since busybox has one of that name, too.
const MKFS = "/sbin/mke2fs -q -t ext4 -m 0 -J size=1 -E lazy_itable_init=0,lazy_journal_init=0";

/** @type {Readonly<Record<string, Recipe>>} */
const RECIPES = {
  nas: {
    summary: "Four disks of a NAS: RAID5, 64 KiB chunks, ext4. All of them are well.",
    diskCount: 4,
    diskBytes: 8 * MIB,
    lost: [],
    trees: { files: NAS_FILES },
    script: `
      mdadm -C /dev/md0 --run --homehost=attic --name=nas -e 1.2 -l raid5 -n 4 -c 64 \\
        --data-offset=1M --bitmap=none --assume-clean $d0 $d1 $d2 $d3
      ${MKFS} -L nas -d $H/files /dev/md0
      md_stop md0`,
  },
  archive: {
    summary: "Four of the six disks of a RAID6: two are lost, and nothing else is.",
    diskCount: 6,
    diskBytes: 8 * MIB,
    lost: [1, 4],
    trees: { files: ARCHIVE_FILES, later: ARCHIVE_FILES_LATER },
    script: `
      mdadm -C /dev/md0 --run --homehost=attic --name=archive -e 1.2 -l raid6 -n 6 -c 64 \\
        --data-offset=1M --bitmap=none --assume-clean $d0 $d1 $d2 $d3 $d4 $d5
      ${MKFS} -L archive -d $H/files /dev/md0
      mdadm /dev/md0 --fail $d1 --fail $d4
      mount -t ext4 /dev/md0 /mnt
      cp $H/later/* /mnt/
      umount /mnt
      md_stop md0`,
  },
};

/**
 * @param {string} name
 * @param {Recipe} recipe
 */
async function make(name, recipe) {
  const work = mkdtempSync(join(tmpdir(), `example-${name}-`));
  try {
    for (const [folder, tree] of Object.entries(recipe.trees)) writeTree(join(work, folder), tree);
    const disks = Array.from({ length: recipe.diskCount }, (_, index) => {
      const path = join(work, `d${index}.img`);
      writeFileSync(path, "");
      truncateSync(path, recipe.diskBytes);
      return path;
    });
    const share = { shareDir: work, timeoutMs: 120_000 };
    const mods = "mods raid456\n set -e";
    await bootGuest({ ...share, disks, script: `${mods}\n${recipe.script}` });
    // A second kernel, which was never told what is on the disks, reads what counts.
    const kept = disks.filter((_, index) => !recipe.lost.includes(index));
    const ubds = kept.map((_, index) => `$d${index}`).join(" ");
    const run = await bootGuest({
      ...share,
      disks: kept,
      script: `${mods}
        uname -r >$H/kernel
        mdadm --version 2>$H/mdadm
        mdadm -A -o --run /dev/md0 ${ubds}
        look /dev/md0 volume
        mount -t ext4 -o ro,noload /dev/md0 /mnt
        (cd /mnt; find * -type f -exec sha256sum {} +) >$H/sums
        umount /mnt
        md_stop md0`,
    });
    writeExample(name, recipe, kept, run);
  } finally {
    rmSync(work, { recursive: true });
  }
}

/**
 * @param {string} name
 * @param {Recipe} recipe
 * @param {readonly string[]} kept
 * @param {import("../test/kernel/guest.ts").GuestRun} run
 */
function writeExample(name, recipe, kept, run) {
  const folder = join(EXAMPLES, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const disks = kept.map((path) => {
    const data = readFileSync(path);
    const image = path.slice(path.lastIndexOf("/") + 1);
    const params = { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 11 };
    writeFileSync(join(folder, `${image}.br`), brotliCompressSync(data, { params }));
    return { image, bytes: data.length, sha256: createHash("sha256").update(data).digest("hex") };
  });
  const volume = looksOf(run).get("volume");
  if (volume === undefined) throw new Error(`the guest did not read ${name}`);
  // sha256sum's lines: the sum, two spaces, the path.
  const sums = run.text("sums").trimEnd().split("\n");
  const byPath = new Map(sums.map((line) => [line.slice(66), line.slice(0, 64)]));
  const files = Object.fromEntries(
    [...byPath.keys()].toSorted().map((path) => [path, byPath.get(path)]),
  );
  const madeBy = `Linux ${run.text("kernel").trim()}, ${run.text("mdadm").trim()}`;
  const example = {
    name,
    summary: recipe.summary,
    madeBy,
    disks,
    volume: { name, ...volume },
    files,
  };
  writeFileSync(join(EXAMPLES, `${name}.json`), `${JSON.stringify(example, null, 2)}\n`);
  console.log(`made ${name}: ${volume.bytes} bytes, sha256 ${volume.sha256}`);
}

const wanted = process.argv.slice(2);
for (const [name, recipe] of Object.entries(RECIPES)) {
  if (wanted.length === 0 || wanted.includes(name)) await make(name, recipe);
}
