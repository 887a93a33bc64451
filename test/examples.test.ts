/** The bundled examples: `npm start` shows them, so they must be whole, small, and readable to the last byte. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { build } from "../scripts/build.mjs";
import { listExamples, unpackExample } from "../scripts/examples.mjs";

const EXAMPLES = fileURLToPath(new URL("../examples", import.meta.url));
const HOLDFAST = fileURLToPath(new URL("../bin/holdfast", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "examples-"));
beforeAll(async () => {
  await build();
});
afterAll(() => rmSync(folder, { recursive: true }));

function sumOf(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function sha256Of(path: string): string {
  return sumOf(readFileSync(path));
}

/** What the program prints; it must succeed. */
function holdfast(...args: readonly string[]): Buffer {
  const { status, stdout, stderr } = spawnSync(HOLDFAST, args, { maxBuffer: 1e8 });
  expect(stderr.toString()).toBe("");
  expect(status).toBe(0);
  return stdout;
}

it("are a RAID5 that is well and a RAID6 that lost two disks, each below 1 MiB", () => {
  expect(listExamples().map(({ name, disks }) => [name, disks.length])).toEqual([
    ["archive", 4],
    ["nas", 4],
  ]);
  for (const { name, disks } of listExamples()) {
    const packed = readdirSync(join(EXAMPLES, name));
    expect(packed).toEqual(disks.map(({ image }) => `${image}.br`));
    const sizes = packed.map((image) => statSync(join(EXAMPLES, name, image)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(1024 * 1024);
  }
});

describe.each(listExamples())("$name", (example) => {
  const target = join(folder, example.name);

  it("unpacks to the disks that the kernel wrote", () => {
    const paths = unpackExample(example, target);
    expect(paths.map(sha256Of)).toEqual(example.disks.map(({ sha256 }) => sha256));
  });

  it("is unpacked again where it was altered, and only there", () => {
    const [first = "", second = ""] = unpackExample(example, target);
    const untouched = statSync(second).ino;
    writeFileSync(first, "not a disk");
    unpackExample(example, target);
    expect(sha256Of(first)).toBe(example.disks[0]?.sha256);
    expect(statSync(second).ino).toBe(untouched);
  });

  it("is read as the kernel read it, and is not altered by that", () => {
    const paths = unpackExample(example, target);
    const { name, sha256 } = example.volume;
    expect(holdfast("sum", target).toString()).toBe(`${sha256}  ${name}\n`);
    expect(paths.map(sha256Of)).toEqual(example.disks.map((disk) => disk.sha256));
  });

  it("gives out every file that the kernel found in it", () => {
    unpackExample(example, target);
    const files = Object.keys(example.files);
    const read = files.map((file) => [
      file,
      sumOf(holdfast("cat", target, "--volume", example.name, `/${file}`)),
    ]);
    expect(Object.fromEntries(read)).toEqual(example.files);
  });
});
