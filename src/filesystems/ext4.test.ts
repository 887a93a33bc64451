import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
  closeSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { randomBytes } from "../../test/support/bytes.ts";
import { contentsOf } from "../../test/support/ext4.ts";
import { goldenCase, unpackImage } from "../../test/support/golden.ts";
import { peerTest } from "../../test/support/peers.ts";
import { emptyDisk, testFolder } from "../../test/support/temp.ts";
import { HoldfastError } from "../base/errors.ts";
import { Prng } from "../base/prng.ts";
import type { BlockDevice } from "../block/device.ts";
import { counted } from "../block/stats.ts";
import { FaultyDevice } from "../devices/faulty.ts";
import { openFileDevice } from "../devices/file.ts";
import { openOverlay } from "../devices/overlay.ts";
import { SliceDevice } from "../devices/slice.ts";
import { nodeEnv } from "../env/node/env.ts";
import { openExt4 } from "./ext4.ts";
import { nameToText, textToName } from "./names.ts";

const env = nodeEnv();

function arrayOf(bytes: Uint8Array): ArrayDevice {
  const device = new ArrayDevice(bytes.length / 512, { readOnly: true });
  device.bytes.set(bytes);
  return device;
}

function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

interface Image {
  readonly device: BlockDevice;
  readonly tree: string;
  readonly path: string;
}

/** An image of `bytes` made by mke2fs with these options out of the folder that `fill` fills. */
async function image(
  bytes: number,
  options: readonly string[],
  fill: (tree: string) => void,
): Promise<Image> {
  const folder = testFolder("ext4");
  const tree = join(folder, "tree");
  mkdirSync(tree);
  fill(tree);
  const path = emptyDisk(join(folder, "disk.img"), bytes);
  execFileSync("mke2fs", ["-q", "-F", "-d", tree, ...options, path]);
  return { device: await openFileDevice(env, path, { readOnly: true }), tree, path };
}

function fillTree(tree: string): void {
  const prng = new Prng(3);
  for (const [name, length] of [
    ["empty", 0],
    ["small", 20],
    ["inline", 130],
    ["block", 4096],
    ["many", 300_001],
    ["large", 3_000_000],
  ] as const)
    writeFileSync(join(tree, name), randomBytes(prng, length));
  mkdirSync(join(tree, "folder/below"), { recursive: true });
  writeFileSync(join(tree, "folder/below/deep"), "deep");
  for (let i = 0; i < 400; i += 1) writeFileSync(join(tree, `folder/file ${i}`), `${i}`);
  linkSync(join(tree, "small"), join(tree, "folder/hard"));
  symlinkSync("folder/below", join(tree, "short"));
  symlinkSync(`/folder/${"./".repeat(60)}below/deep`, join(tree, "long"));
  symlinkSync("../../../../../../small", join(tree, "out"));
  symlinkSync("circle", join(tree, "circle"));
  const sparse = openSync(join(tree, "sparse"), "w");
  writeSync(sparse, "start", 0);
  writeSync(sparse, "middle", 1_000_000);
  // A hole at the end is another test: mke2fs cuts it off with inline_data.
  writeSync(sparse, "end", 1_999_997);
  closeSync(sparse);
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0x66, 0xff, 0xfe])]), "raw");
  chmodSync(join(tree, "small"), 0o4711);
  utimesSync(join(tree, "small"), 1e9, 1234567890);
}

const FLAVOURS: readonly (readonly string[])[] = [
  ["-t", "ext2", "-b", "1024"],
  ["-t", "ext2", "-b", "4096", "-r", "0", "-I", "128"],
  ["-t", "ext3", "-b", "1024"],
  ["-t", "ext4", "-b", "1024"],
  ["-t", "ext4", "-b", "4096", "-O", "inline_data"],
  ["-t", "ext4", "-b", "2048", "-O", "^64bit,^metadata_csum"],
  ["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode", "-g", "1024"],
  ["-t", "ext4", "-b", "4096", "-O", "bigalloc", "-C", "16384"],
];

describe("openExt4", () => {
  for (const options of FLAVOURS) {
    peerTest(["mke2fs"], `reads all that mke2fs ${options.join(" ")} wrote`, async () => {
      const { device, tree } = await image(24 * 2 ** 20, options, fillTree);
      const fs = await openExt4(device);
      expect(fs.notes).toEqual([]);
      for (const name of ["empty", "small", "inline", "block", "many", "large", "sparse"]) {
        const expected = readFileSync(join(tree, name));
        expect([name, (await contentsOf(fs, `/${name}`)).equals(expected)]).toEqual([name, true]);
        expect((await fs.stat(name)).sizeBytes).toBe(expected.length);
      }
      expect(await fs.stat("/small")).toMatchObject({
        kind: "file",
        mode: 0o4711,
        links: 2,
        modifiedSeconds: 1234567890,
        linkTarget: null,
      });
      expect((await contentsOf(fs, "/short/deep")).toString()).toBe("deep");
      expect((await contentsOf(fs, "/long")).toString()).toBe("deep");
      expect(await contentsOf(fs, "/out")).toEqual(await contentsOf(fs, "/folder/hard"));
      expect(await fs.readLink("/out")).toBe("../../../../../../small");
      expect(await fs.stat("/short")).toMatchObject({ kind: "link", linkTarget: "folder/below" });
      await expect(contentsOf(fs, "/circle")).rejects.toMatchObject({ code: "usage" });
      await expect(fs.stat("/folder/none")).rejects.toMatchObject({ code: "not-found" });
      await expect(fs.list("/small")).rejects.toMatchObject({ code: "usage" });
      await expect(contentsOf(fs, "/folder")).rejects.toMatchObject({ code: "usage" });
      await expect(fs.readLink("/small")).rejects.toMatchObject({ code: "usage" });
      expect((await contentsOf(fs, "/f\udcff\udcfe")).toString()).toBe("raw");
      const names = (await fs.list("/folder")).map((entry) => entry.name);
      expect(new Set(names).size).toBe(402);
      const walked: string[] = [];
      for await (const { path } of fs.walk("/")) walked.push(path);
      expect(walked).toContain("/folder/below/deep");
      expect(walked.length).toBe(14 + 402 + 1);
      await fs.close();
      await device.close();
    });
  }

  peerTest(["mke2fs"], "reads beyond 4 GiB of a sparse file, chunk by chunk", async () => {
    const far = 5 * 2 ** 30 + 4096;
    for (const type of ["ext2", "ext4"]) {
      const { device } = await image(16 * 2 ** 20, ["-t", type, "-b", "4096"], (tree) => {
        const file = openSync(join(tree, "huge"), "w");
        writeSync(file, "far away", far);
        closeSync(file);
        writeFileSync(join(tree, "tail"), new Uint8Array(4096).fill(5));
        truncateSync(join(tree, "tail"), 100_000);
      });
      const fs = await openExt4(device);
      const chunks = [];
      for await (const chunk of fs.readFile("/tail")) chunks.push(chunk);
      expect(chunks.splice(0)).toEqual([
        { kind: "data", offsetBytes: 0, data: new Uint8Array(4096).fill(5) },
        { kind: "hole", offsetBytes: 4096, lengthBytes: 95_904 },
      ]);
      for await (const chunk of fs.readFile("/huge")) chunks.push(chunk);
      expect(chunks).toEqual([
        { kind: "hole", offsetBytes: 0, lengthBytes: far },
        { kind: "data", offsetBytes: far, data: new TextEncoder().encode("far away") },
      ]);
      await device.close();
    }
  });

  peerTest(["mke2fs"], "reads little of a volume of 9 TiB, through an overlay too", async () => {
    const features = "^has_journal,meta_bg,^resize_inode,sparse_super2";
    const options = ["-t", "ext4", "-O", features, "-N", "80000", "-E", "lazy_itable_init=1"];
    const { device } = await image(9 * 2 ** 40, options, (tree) => {
      mkdirSync(join(tree, "a/b"), { recursive: true });
      writeFileSync(join(tree, "a/b/file"), new Uint8Array(100_000).fill(8));
    });
    const overlay = await openOverlay(env, device, { kind: "memory", limitBytes: 2 ** 20 });
    const reads = counted(overlay);
    const fs = await openExt4(reads);
    expect(await contentsOf(fs, "/a/b/file")).toEqual(Buffer.alloc(100_000, 8));
    expect(reads.stats.ops.read.bytes).toBeLessThan(2 ** 20);
    await reads.close();
    await device.close();
  });

  peerTest(["mke2fs"], "lists a folder of 60,000 entries in bounded reads", async () => {
    const count = 60_000;
    const options = ["-t", "ext4", "-b", "4096", "-N", "16", "-O", "^has_journal,^metadata_csum"];
    const { path } = await image(8 * 2 ** 20, options, (tree) => {
      mkdirSync(join(tree, "crowd"));
      writeFileSync(join(tree, "crowd/one"), "1");
      // Room for the entries, to be overwritten: 16 bytes each, 256 a block.
      writeFileSync(join(tree, "room"), new Uint8Array(Math.ceil(count / 256) * 4096).fill(1));
    });
    const bytes = new Uint8Array(readFileSync(path));
    crowdFolder(bytes, count);
    const device = arrayOf(bytes);
    const fs = await openExt4(device);
    device.seen.length = 0;
    const entries = await fs.list("/room");
    expect(entries.length).toBe(count);
    expect(entries.at(-1)).toMatchObject({ name: "059999", kind: "file", sizeBytes: 1 });
    expect(device.seen.length).toBeLessThan(64);
    expect((await contentsOf(fs, "/room/031234")).toString()).toBe("1");
  });

  it("reads the files that the kernel wrote to a mirror", async () => {
    const golden = goldenCase("raid1-2-ext4");
    const leg = arrayOf(unpackImage(golden, 0));
    const start = Number(golden.members[0]!.kernel!["offset"]);
    const fs = await openExt4(new SliceDevice(leg, "md0", start, golden.array_bytes! / 512));
    const files = Object.values(golden.trees ?? {}).find((tree) => tree.files)?.files ?? {};
    expect(Object.keys(files).length).toBeGreaterThan(3);
    const found: Record<string, string> = {};
    for await (const { path, entry } of fs.walk("/"))
      if (entry.kind === "file") found[`.${path}`] = sha256(await contentsOf(fs, path));
    expect(found).toEqual(files);
    expect(leg.seen.every((bio) => bio.op === "read")).toBe(true);
  });

  peerTest(["mke2fs", "debugfs"], "says what is wrong with the whole", async () => {
    const { path, device } = await image(4 * 2 ** 20, ["-t", "ext4", "-b", "1024"], () => {});
    execFileSync("debugfs", ["-w", "-R", "feature needs_recovery", path], { stdio: "pipe" });
    const unclean = await openExt4(device);
    expect(unclean.notes).toEqual([expect.stringContaining("held no complete transaction")]);
    const half = await openExt4(new SliceDevice(device, "half", 0, device.sectors / 2));
    expect(half.notes.at(-1)).toContain("larger than the device");
    const bytes = new Uint8Array(readFileSync(path));
    bytes[1024 + 50]! ^= 1;
    await expect(openExt4(arrayOf(bytes))).rejects.toThrow("checksum of its superblock");
    await expect(openExt4(arrayOf(new Uint8Array(1024)))).rejects.toMatchObject({
      code: "bad-metadata",
    });
    await expect(openExt4(arrayOf(new Uint8Array(1 << 20)))).rejects.toThrow("there is no ext2");
    await device.close();
  });

  peerTest(["mke2fs"], "passes read errors on and can go on afterwards", async () => {
    const { device } = await image(4 * 2 ** 20, ["-t", "ext4", "-b", "1024"], (tree) => {
      writeFileSync(join(tree, "a"), "a");
    });
    const faulty = new FaultyDevice(device);
    const fs = await openExt4(faulty);
    faulty.failReads(0, device.sectors);
    await expect(fs.list("/")).rejects.toMatchObject({ code: "io" });
    faulty.heal();
    expect((await fs.list("/")).map((entry) => entry.name).sort()).toEqual(["a", "lost+found"]);
    await faulty.close();
  });

  for (const type of ["ext2", "ext4"]) {
    peerTest(["mke2fs"], `ends in an error or a result whatever is broken in ${type}`, async () => {
      const options = ["-t", type, "-b", "1024", "-O", "^metadata_csum"];
      const { path, device } = await image(2 * 2 ** 20, options, (tree) => {
        mkdirSync(join(tree, "folder"));
        for (let i = 0; i < 30; i += 1)
          writeFileSync(join(tree, `folder/${i}`), new Uint8Array(i * 1000).fill(i + 1));
        symlinkSync("folder", join(tree, "link"));
      });
      await device.close();
      const bytes = new Uint8Array(readFileSync(path));
      let failures = 0;
      for (let seed = 0; seed < 300; seed += 1) {
        if (await survives(brokenCopy(bytes, seed))) failures += 1;
      }
      expect(failures).toBeGreaterThan(20);
    });
  }
});

/** Turns the file "/room" into a folder of hard links to "/crowd/one". */
function crowdFolder(bytes: Uint8Array, count: number): void {
  const buffer = Buffer.from(bytes.buffer);
  const table = buffer.readUInt32LE(4096 + 8) * 4096;
  const inodeBytes = buffer.readUInt16LE(1024 + 88);
  const inodes = Array.from({ length: 16 }, (_unused, i) => table + i * inodeBytes);
  const isFile = (at: number): boolean => buffer.readUInt16LE(at) >>> 12 === 8;
  const one = inodes.findIndex((at) => isFile(at) && buffer.readUInt32LE(at + 4) === 1) + 1;
  // The first ten are the file system's own.
  const room = inodes.slice(10).find((at) => isFile(at) && buffer.readUInt32LE(at + 4) > 100_000)!;
  buffer.writeUInt16LE(0o040755, room);
  const blocks: number[] = [];
  for (let i = 1; i <= buffer.readUInt16LE(room + 40 + 2); i += 1) {
    const extent = room + 40 + i * 12;
    const start = buffer.readUInt32LE(extent + 8);
    for (let k = 0; k < buffer.readUInt16LE(extent + 4); k += 1) blocks.push(start + k);
  }
  expect(blocks.length).toBe(Math.ceil(count / 256));
  for (let i = 0; i < blocks.length * 256; i += 1) {
    const at = blocks[i >>> 8]! * 4096 + (i & 255) * 16;
    buffer.writeUInt32LE(i < count ? one : 0, at);
    buffer.writeUInt16LE(16, at + 4);
    buffer.writeUInt16LE(6 + 256, at + 6);
    buffer.write(String(i).padStart(6, "0"), at + 8, "latin1");
  }
}

/** A few bytes of what is not zero get other values. */
function brokenCopy(bytes: Uint8Array, seed: number): Uint8Array {
  const prng = new Prng(seed);
  const copy = bytes.slice();
  for (let i = 0; i < 150; i += 1) {
    // Most metadata of such a small file system lies in its first part.
    const at = prng.below(prng.chance(0.8) ? 120_000 : copy.length);
    if (copy[at] !== 0 || prng.chance(0.05))
      copy[at] = prng.pick([0, 1, 0x7f, 0xff, prng.u32() & 255]);
  }
  return copy;
}

/** Reads all there is; whether it ended in an error (which must be a HoldfastError with a known code). */
async function survives(bytes: Uint8Array): Promise<boolean> {
  try {
    const fs = await openExt4(arrayOf(bytes));
    let steps = 0;
    for await (const { path, entry } of fs.walk("/")) {
      expect((steps += 1)).toBeLessThan(10_000);
      if (entry.kind !== "file") continue;
      for await (const chunk of fs.readFile(path)) {
        expect(chunk.offsetBytes).toBeGreaterThanOrEqual(0);
        expect((steps += 1)).toBeLessThan(100_000);
      }
    }
    return false;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    expect(["bad-metadata", "unsupported", "usage"]).toContain(error.code);
    return true;
  }
}

describe("file names", () => {
  it("go from bytes to text and back without loss", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(textToName(nameToText(bytes))).toEqual(bytes);
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(nameToText(textToName(text))).toBe(text);
      }),
    );
  });
});
