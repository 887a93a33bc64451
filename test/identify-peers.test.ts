/** What outside programs make is recognised, and blkid agrees about type, UUID and label. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { identifyDevice } from "../src/volume/identify.ts";
import type { Finding } from "../src/volume/report.ts";
import { ArrayDevice } from "./support/array-device.ts";
import { peerTest } from "./support/peers.ts";
import { emptyDisk, testFolder } from "./support/temp.ts";

const MIB = 1024 * 1024;

interface Made {
  readonly type: string;
  readonly mib: number;
  /** The programs that make it; `$D` is the image. */
  readonly commands: readonly (readonly string[])[];
  /** What blkid gets from deeper inside than a probe looks. */
  readonly without?: readonly ("LABEL" | "UUID")[];
  /** Sizes are not told, or not comparable with the device's. */
  readonly sizeBytes: number | null;
  readonly text: string | RegExp;
}

const LUKS = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--batch-mode"];

const MADE: Readonly<Record<string, Made>> = {
  ext2: {
    type: "ext2",
    mib: 8,
    commands: [["mke2fs", "-q", "-t", "ext2", "-L", "two", "$D"]],
    sizeBytes: 8 * MIB,
    text: "ext2 file system",
  },
  ext3: {
    type: "ext3",
    mib: 16,
    commands: [["mke2fs", "-q", "-t", "ext3", "-L", "three", "$D"]],
    sizeBytes: 16 * MIB,
    text: "ext3 file system",
  },
  "ext4 with checksums and 64 bits": {
    type: "ext4",
    mib: 16,
    commands: [["mke2fs", "-q", "-t", "ext4", "-O", "64bit,metadata_csum", "-L", "four", "$D"]],
    sizeBytes: 16 * MIB,
    text: "ext4 file system",
  },
  "ext4 without checksums, 1 KiB blocks": {
    type: "ext4",
    mib: 16,
    commands: [["mke2fs", "-q", "-t", "ext4", "-b", "1024", "-O", "^metadata_csum", "$D"]],
    sizeBytes: 16 * MIB,
    text: "ext4 file system",
  },
  "external journal": {
    type: "jbd",
    mib: 8,
    commands: [["mke2fs", "-q", "-O", "journal_dev", "-b", "4096", "$D"]],
    sizeBytes: 8 * MIB,
    text: /journal/,
  },
  xfs: {
    type: "xfs",
    mib: 320,
    commands: [["mkfs.xfs", "-q", "-L", "xlabel", "$D"]],
    sizeBytes: 320 * MIB,
    text: "xfs file system",
  },
  btrfs: {
    type: "btrfs",
    mib: 128,
    commands: [["mkfs.btrfs", "-q", "-L", "blabel", "$D"]],
    sizeBytes: 128 * MIB,
    text: "btrfs file system",
  },
  "btrfs with sha256": {
    type: "btrfs",
    mib: 128,
    commands: [["mkfs.btrfs", "-q", "--csum", "sha256", "$D"]],
    sizeBytes: 128 * MIB,
    text: "btrfs file system",
  },
  "btrfs with xxhash": {
    type: "btrfs",
    mib: 128,
    commands: [["mkfs.btrfs", "-q", "--csum", "xxhash", "$D"]],
    sizeBytes: 128 * MIB,
    text: "btrfs file system",
  },
  swap: {
    type: "swap",
    mib: 2,
    commands: [["mkswap", "-q", "-L", "sw", "$D"]],
    sizeBytes: 2 * MIB,
    text: "swap space",
  },
  "swap with pages of 64 KiB": {
    type: "swap",
    mib: 2,
    commands: [["mkswap", "-q", "-p", "65536", "$D"]],
    sizeBytes: 2 * MIB,
    text: "swap space",
  },
  luks1: {
    type: "crypto_LUKS",
    mib: 8,
    commands: [["cryptsetup", "luksFormat", "--type", "luks1", ...LUKS, "$D", "$KEY"]],
    sizeBytes: null,
    text: /^LUKS1 encrypted volume, aes-xts-plain64, 512-bit key/,
  },
  luks2: {
    type: "crypto_LUKS",
    mib: 32,
    commands: [
      ["cryptsetup", "luksFormat", "--type", "luks2", "--label", "lk", ...LUKS, "$D", "$KEY"],
    ],
    sizeBytes: null,
    text: "LUKS2 encrypted volume",
  },
  "luks2 with its first header gone": {
    type: "crypto_LUKS",
    mib: 32,
    commands: [
      ["cryptsetup", "luksFormat", "--type", "luks2", "--label", "lk", ...LUKS, "$D", "$KEY"],
      ["dd", "if=/dev/zero", "of=$D", "bs=4096", "count=1", "conv=notrunc", "status=none"],
    ],
    sizeBytes: null,
    text: /second header/,
  },
  fat12: {
    type: "vfat",
    mib: 2,
    commands: [["mkfs.fat", "-F", "12", "-n", "TWELVE", "$D"]],
    sizeBytes: 2 * MIB,
    text: "FAT12 file system",
  },
  fat16: {
    type: "vfat",
    mib: 32,
    commands: [["mkfs.fat", "-F", "16", "-n", "SIXTEEN", "$D"]],
    sizeBytes: 32 * MIB,
    text: "FAT16 file system",
  },
  fat32: {
    type: "vfat",
    mib: 64,
    commands: [["mkfs.fat", "-F", "32", "$D"]],
    sizeBytes: 64 * MIB,
    text: "FAT32 file system",
  },
  exfat: {
    type: "exfat",
    mib: 16,
    commands: [["mkfs.exfat", "-L", "exlabel", "$D"]],
    without: ["LABEL"],
    sizeBytes: 16 * MIB,
    text: "exfat file system",
  },
  ntfs: {
    type: "ntfs",
    mib: 16,
    commands: [["mkntfs", "-q", "-F", "-Q", "-L", "nlabel", "$D"]],
    without: ["LABEL"],
    sizeBytes: 16 * MIB,
    text: "ntfs file system",
  },
  f2fs: {
    type: "f2fs",
    mib: 64,
    commands: [["mkfs.f2fs", "-q", "-l", "flash", "$D"]],
    sizeBytes: 64 * MIB,
    text: "f2fs file system",
  },
  squashfs: {
    type: "squashfs",
    mib: 1,
    commands: [["mksquashfs", "$FOLDER", "$D", "-noappend", "-quiet", "-no-progress"]],
    sizeBytes: null,
    text: /^squashfs file system, version 4/,
  },
  iso9660: {
    type: "iso9660",
    mib: 1,
    commands: [["genisoimage", "-quiet", "-V", "ISOLABEL", "-o", "$D", "$FOLDER"]],
    sizeBytes: null,
    text: "iso9660 file system",
  },
  bcache: {
    type: "bcache",
    mib: 16,
    commands: [["make-bcache", "-B", "$D"]],
    sizeBytes: null,
    text: /^bcache backing device/,
  },
};

function run(command: readonly string[], disk: string, folder: string): void {
  const content = join(folder, "content");
  const words = command.map((word) =>
    word.replace("$D", disk).replace("$FOLDER", content).replace("$KEY", join(folder, "key")),
  );
  execFileSync(words[0]!, words.slice(1), { stdio: "pipe", env: pathed() });
}

/** Administrators' programs are not always on the PATH. */
function pathed(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env["PATH"]}:/usr/local/sbin:/usr/sbin:/sbin` };
}

function blkid(disk: string): ReadonlyMap<string, string> {
  const out = execFileSync("blkid", ["-p", "-o", "export", disk], { env: pathed() }).toString();
  return new Map(
    out.split("\n").flatMap((line): [string, string][] => {
      const at = line.indexOf("=");
      return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1).replaceAll("\\", "")]];
    }),
  );
}

function deviceOf(path: string): ArrayDevice {
  const data = readFileSync(path);
  const device = new ArrayDevice(Math.floor(data.length / 512), { readOnly: true }, path);
  device.bytes.set(data.subarray(0, device.bytes.length));
  return device;
}

function makeDisk(made: Made): string {
  const folder = testFolder("made");
  mkdirSync(join(folder, "content"));
  writeFileSync(join(folder, "content", "file"), new Uint8Array(100_000).fill(7));
  writeFileSync(join(folder, "key"), "a key for tests");
  const disk = emptyDisk(join(folder, "disk.img"), made.mib * MIB);
  for (const command of made.commands) run(command, disk, folder);
  return disk;
}

async function checkMade(made: Made): Promise<void> {
  const disk = makeDisk(made);
  const device = deviceOf(disk);
  const { findings, problem, partitions } = await identifyDevice(device);
  expect(problem).toBeNull();
  expect(partitions).toEqual([]);
  expect(findings.map((finding) => finding.type)).toEqual([made.type]);
  const [finding] = findings;
  if (typeof made.text === "string") expect(finding?.text).toBe(made.text);
  else expect(finding?.text).toMatch(made.text);
  if (made.sizeBytes !== null) expect(finding?.sizeBytes).toBe(made.sizeBytes);
  // Few reads: some hundred small ones would make a scan of slow disks slow.
  expect(device.seen.length).toBeLessThanOrEqual(6);
  checkAgainstBlkid(made, finding, blkid(disk));
}

function checkAgainstBlkid(
  made: Made,
  finding: Finding | undefined,
  told: ReadonlyMap<string, string>,
): void {
  const without = made.without ?? [];
  expect(told.get("TYPE")).toBe(made.type);
  if (!without.includes("UUID")) expect(finding?.uuid).toBe(told.get("UUID") ?? null);
  if (!without.includes("LABEL")) expect(finding?.label).toBe(told.get("LABEL") ?? null);
}

describe("what outside programs make", () => {
  for (const [name, made] of Object.entries(MADE)) {
    const programs = made.commands.map((command) => command[0]!).filter((word) => word !== "dd");
    peerTest([...new Set(programs), "blkid"], name, () => checkMade(made));
  }

  it("a file of noise is nothing", async () => {
    const device = new ArrayDevice(4096);
    for (let i = 0; i < device.bytes.length; i += 1) device.bytes[i] = (i * 7919) >>> 3;
    expect((await identifyDevice(device)).findings).toEqual([]);
  });
});
