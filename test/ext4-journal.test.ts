/**
 * File systems whose journal holds changes: what Holdfast shows of them must be what is there once e2fsck has replayed
 * the journal of a copy. debugfs makes them: it changes a copy, and writes the blocks that differ into the journal.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { HoldfastError } from "../src/base/errors.ts";
import { Prng } from "../src/base/prng.ts";
import { openFileDevice } from "../src/devices/file.ts";
import { nodeEnv } from "../src/env/node/env.ts";
import { openExt4 } from "../src/filesystems/ext4.ts";
import {
  JBD2_MAGIC,
  Jbd2BlockType,
  jbd2Commit,
  jbd2Header,
  jbd2Revoke,
  jbd2Superblock,
  jbd2Tag,
  jbd2Tag3,
} from "../src/formats/jbd2.ts";
import { mutateBytes, mutateField } from "./fuzz/mutate.ts";
import { ArrayDevice } from "./support/array-device.ts";
import { randomBytes } from "./support/bytes.ts";
import { contentsOf, readTree, treeOf } from "./support/ext4.ts";
import { peerDescribe } from "./support/peers.ts";
import { emptyDisk, testFolder } from "./support/temp.ts";

const env = nodeEnv();
const PROGRAMS = ["mke2fs", "debugfs", "e2fsck"];
const DISK_BYTES = 16 * 2 ** 20;

interface Flavour {
  readonly blockBytes: number;
  readonly make: readonly string[];
  /** Options of debugfs' journal_open. */
  readonly journal: string;
  /** debugfs gives revoke blocks no checksum of version 2, so the log is damaged from the revoking transaction on. */
  readonly isDamaged?: true;
}

const FLAVOURS: readonly Flavour[] = [
  { blockBytes: 4096, make: ["-t", "ext4"], journal: "-c -v 3" },
  { blockBytes: 4096, make: ["-t", "ext4", "-O", "^64bit,^metadata_csum"], journal: "" },
  { blockBytes: 4096, make: ["-t", "ext4", "-O", "^64bit"], journal: "-c -v 3" },
  { blockBytes: 4096, make: ["-t", "ext4", "-O", "64bit,^metadata_csum"], journal: "" },
  { blockBytes: 1024, make: ["-t", "ext4"], journal: "-c -v 3" },
  {
    blockBytes: 1024,
    make: ["-t", "ext4", "-O", "^64bit,^metadata_csum"],
    journal: "-c -v 2",
    isDamaged: true,
  },
  {
    blockBytes: 1024,
    make: ["-t", "ext4", "-O", "64bit,^metadata_csum"],
    journal: "-c -v 2",
    isDamaged: true,
  },
  { blockBytes: 1024, make: ["-t", "ext3"], journal: "" },
];

/** What a transaction changes: commands for debugfs. The files are beside the disk. */
const STAGES: readonly (readonly string[])[] = [
  ["mkdir d", "write one d/new", "rm a", "set_inode_field b mode 0100600"],
  ["write magic escaped", "ln d/new second", "unlink d/new", "rm c"],
  ["mkdir d/e", "write two d/e/two", "symlink link d/e/two"],
];
const UNCOMMITTED = ["write one never", "rm escaped"];

function debugfs(disk: string, commands: readonly string[], folder: string): void {
  const script = join(folder, "commands");
  writeFileSync(script, `${commands.join("\n")}\n`);
  execFileSync("debugfs", ["-w", "-f", script, disk], { cwd: folder, stdio: "pipe" });
}

/** The blocks that differ, as debugfs wants to be told of them, and what `after` has there. */
function difference(
  before: Uint8Array,
  after: Uint8Array,
  size: number,
): { readonly list: string; readonly data: Buffer } {
  const same = (i: number): boolean =>
    Buffer.compare(before.subarray(i, i + size), after.subarray(i, i + size)) === 0;
  const at: number[] = [];
  for (let i = 0; i < before.length; i += size) if (!same(i)) at.push(i);
  const data = Buffer.concat(at.map((i) => after.subarray(i, i + size)));
  return { list: at.map((i) => i / size).join(","), data };
}

/** The first blocks of file "b": revoked; revoked and written again. */
function revokingScript(folder: string, first: number, blockBytes: number): string[] {
  const file = (name: string, value: number, blocks: number): string => {
    writeFileSync(join(folder, name), new Uint8Array(blocks * blockBytes).fill(value));
    return name;
  };
  return [
    `journal_write -b ${first},${first + 1} ${file("old", 0xaa, 2)}`,
    // Without blocks: debugfs would write over the commit of a transaction that has both.
    `journal_write -r ${first},${first + 1}`,
    `journal_write -b ${first + 1} ${file("new", 0xcc, 1)}`,
  ];
}

interface Held {
  /** Its journal holds a transaction for each stage, three more, and one that was not committed. */
  readonly disk: string;
  readonly folder: string;
  /** As they were before, and must be seen again, save for the blocks written into the journal. */
  readonly b: Uint8Array;
}

function holdChanges(flavour: Flavour): Held {
  const folder = testFolder("ext4-journal");
  const prng = new Prng(5);
  const tree = join(folder, "tree");
  mkdirSync(tree);
  for (const name of ["a", "b", "c"]) writeFileSync(join(tree, name), randomBytes(prng, 20_000));
  writeFileSync(join(folder, "one"), randomBytes(prng, 30_000));
  writeFileSync(join(folder, "two"), randomBytes(prng, 10_000));
  const magic = randomBytes(prng, 9000);
  magic.set([0xc0, 0x3b, 0x39, 0x98]);
  writeFileSync(join(folder, "magic"), magic);
  const disk = emptyDisk(join(folder, "disk.img"), DISK_BYTES);
  const size = ["-b", String(flavour.blockBytes)];
  execFileSync("mke2fs", ["-q", "-F", "-d", tree, ...flavour.make, ...size, disk]);
  const first = Number(
    execFileSync("debugfs", ["-R", "bmap b 0", disk], { encoding: "utf8", stdio: "pipe" }),
  );
  const changed = join(folder, "changed.img");
  copyFileSync(disk, changed);
  const script: string[] = [];
  for (const [i, commands] of [...STAGES, UNCOMMITTED].entries()) {
    const before = readFileSync(changed);
    debugfs(changed, commands, folder);
    const { list, data } = difference(before, readFileSync(changed), flavour.blockBytes);
    writeFileSync(join(folder, `blocks${i}`), data);
    const isLast = i === STAGES.length;
    if (isLast) script.push(...revokingScript(folder, first, flavour.blockBytes));
    script.push(`journal_write -b ${list} ${isLast ? "-c" : ""} blocks${i}`);
  }
  const open = `journal_open ${flavour.journal}`;
  debugfs(disk, [open, ...script, "journal_close"], folder);
  return { disk, folder, b: readFileSync(join(tree, "b")) };
}

/** e2fsck ends with 1 when it changed something. */
function replayWithE2fsck(disk: string): void {
  try {
    execFileSync("e2fsck", ["-fy", disk], { stdio: "pipe" });
  } catch (error) {
    if ((error as { readonly status?: number }).status !== 1) throw error;
  }
}

peerDescribe(PROGRAMS, "a journal that debugfs wrote", () => {
  for (const flavour of FLAVOURS) {
    const title = `${flavour.make.join(" ")} ${flavour.blockBytes} ${flavour.journal}`;
    it(`shows what e2fsck makes of it: ${title}`, async () => {
      const { disk, folder, b } = holdChanges(flavour);
      const bytes = readFileSync(disk);
      const shown = await readTree(disk);
      const damaged = expect.stringContaining("Transaction 5 in the journal is damaged") as string;
      expect(shown.notes).toEqual([
        `The file system was not unmounted cleanly: the journal held ${flavour.isDamaged ? 4 : 6} transactions, replayed in memory.`,
        ...(flavour.isDamaged ? [damaged] : []),
      ]);
      expect(readFileSync(disk).equals(bytes)).toBe(true);
      const checked = join(folder, "checked.img");
      copyFileSync(disk, checked);
      replayWithE2fsck(checked);
      const expected = await readTree(checked, { journal: "ignore" });
      expect(expected.notes).toEqual([]);
      expect(shown.tree).toEqual(expected.tree);
      expect([...shown.tree.keys()]).toEqual(
        ["/b", "/d", "/d/e", "/d/e/two", "/escaped", "/link", "/lost+found", "/second"].sort(),
      );
      const device = await openFileDevice(env, disk, { readOnly: true });
      const fs = await openExt4(device);
      expect(await contentsOf(fs, "/escaped")).toEqual(readFileSync(join(folder, "magic")));
      const wanted = Uint8Array.from(b);
      if (flavour.isDamaged) wanted.fill(0xaa, 0, 2 * flavour.blockBytes);
      else wanted.fill(0xcc, flavour.blockBytes, 2 * flavour.blockBytes);
      expect(await contentsOf(fs, "/b")).toEqual(Buffer.from(wanted));
      await device.close();

      const ignored = await readTree(disk, { journal: "ignore" });
      expect([...ignored.tree.keys()]).toEqual(["/a", "/b", "/c", "/lost+found"]);
      expect(ignored.notes).toEqual([expect.stringContaining("are not shown here")]);
      const limited = await readTree(disk, { replayLimitBytes: 5 * 4096 });
      expect(limited.tree).toEqual(ignored.tree);
      expect(limited.notes).toEqual([expect.stringMatching(/more than .* of changes, the limit/)]);
    });
  }

  const CASES = 250;
  for (const flavour of [FLAVOURS[0]!, FLAVOURS[1]!, FLAVOURS[5]!, FLAVOURS[7]!]) {
    const title = `${flavour.make.join(" ")} ${flavour.blockBytes}`;
    it(`ends in a result or a known error whatever is broken in it: ${title}`, async () => {
      const { disk } = holdChanges(flavour);
      const bytes = new Uint8Array(readFileSync(disk));
      const blocks = journalBlocks(bytes, flavour.blockBytes);
      expect(blocks.length).toBeGreaterThan(12);
      const outcomes = new Set<string>();
      for (let seed = 0; seed < CASES; seed += 1) {
        const device = new ArrayDevice(bytes.length / 512, { readOnly: true });
        device.bytes.set(bytes);
        const log = breakJournal(new Prng(seed), device.bytes, blocks, flavour.blockBytes);
        outcomes.add(await outcomeOf(device, `seed ${seed}: ${log.join("; ")}`));
      }
      for (const outcome of ["replayed", "ignored"]) expect([...outcomes]).toContain(outcome);
    });
  }

  it("says where the journal is if it is on another device, or damaged", async () => {
    const { disk, folder } = holdChanges(FLAVOURS[1]!);
    const notesAfter = async (change: string): Promise<string> => {
      const copy = join(folder, "copy.img");
      copyFileSync(disk, copy);
      debugfs(copy, [change], folder);
      const { notes, tree } = await readTree(copy);
      expect([...tree.keys()]).toEqual(["/a", "/b", "/c", "/lost+found"]);
      return notes.join("\n");
    };
    const uuid = "0a1b2c3d-0000-4000-8000-00000000beef";
    execFileSync("debugfs", ["-w", "-R", `set_super_value journal_uuid ${uuid}`, disk], {
      stdio: "pipe",
    });
    const outside = await notesAfter("set_super_value journal_inum 0");
    expect(outside).toContain(`the journal is on another device, the one with the UUID ${uuid}.`);
    const folderInstead = await notesAfter("set_super_value journal_inum 2");
    expect(folderInstead).toContain("the journal is damaged: its inode is not that of a file.");
    const short = await notesAfter("set_inode_field <8> size 8192");
    expect(short).toContain("the journal is damaged: its file is too short.");
    const none = await notesAfter("set_inode_field <8> size 0");
    expect(none).toContain("the journal is damaged: its file is empty.");
    const twice = await notesAfter("set_inode_field <8> block[3] 1");
    expect(twice).toMatch(/journal is damaged|file system is damaged/);
  });
});

/** Offsets of the blocks of the journal that begin with its magic number, the superblock first. */
function journalBlocks(bytes: Uint8Array, blockBytes: number): number[] {
  const found: number[] = [];
  for (let at = 0; at + blockBytes <= bytes.length; at += blockBytes)
    if (jbd2Header.decode(bytes, at).magic === JBD2_MAGIC) found.push(at);
  return found;
}

/** Changes one to four places in the journal's own blocks, in a way that code tends to trip over. */
function breakJournal(
  prng: Prng,
  bytes: Uint8Array,
  blocks: readonly number[],
  blockBytes: number,
): string[] {
  return Array.from({ length: prng.between(1, 4) }, () => {
    const at = prng.chance(0.15) ? blocks[0]! : prng.pick(blocks);
    const block = bytes.subarray(at, at + blockBytes);
    if (prng.chance(0.1)) return `${at}: ${mutateBytes(prng, block)}`;
    const { blockType } = jbd2Header.decode(block);
    const tagAt = 12 + prng.pick([0, 24, 28, 32, 36, 40, 44, 48]);
    switch (blockType) {
      case Jbd2BlockType.superblockV2:
        return `superblock ${mutateField(prng, block, jbd2Superblock, "big")}`;
      case Jbd2BlockType.commit:
        return `${at}: ${mutateField(prng, block, jbd2Commit, "big")}`;
      case Jbd2BlockType.revoke:
        return `${at}: ${mutateField(prng, block, jbd2Revoke, "big")}`;
      case Jbd2BlockType.descriptor:
        if (prng.chance(0.2)) return `${at}: ${mutateField(prng, block, jbd2Header, "big")}`;
        return `${at + tagAt}: ${mutateField(prng, block.subarray(tagAt), prng.pick([jbd2Tag, jbd2Tag3]), "big")}`;
      default:
        return `${at}: ${mutateBytes(prng, block)}`;
    }
  });
}

async function outcomeOf(device: ArrayDevice, what: string): Promise<string> {
  let outcome = "";
  try {
    const fs = await openExt4(device);
    outcome = fs.notes[0]?.includes("in memory") === true ? "replayed" : "ignored";
    await treeOf(fs);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw new Error(what, { cause: error });
    expect(["bad-metadata", "unsupported", "usage"], what).toContain(error.code);
    outcome = "refused";
  }
  const isInside = device.seen.every(
    (bio) => bio.op === "read" && bio.sector + bio.sectors <= device.sectors,
  );
  expect(isInside, what).toBe(true);
  expect(device.seen.length, what).toBeLessThan(2000);
  return outcome;
}
