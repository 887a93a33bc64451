/** `holdfast clone check|dump` of metadata that kernels wrote, whole and damaged. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkClone } from "../../src/dm/targets/clone/check.ts";
import { CLONE_SUPERBLOCK, cloneSuperblock } from "../../src/formats/dm-clone.ts";
import {
  ARRAY_BLOCK,
  BITMAP_BLOCK,
  BTREE_NODE,
  METADATA_BLOCK_BYTES,
  arrayHeader,
  nodeHeader,
  sealBlock,
  spaceMapRoot,
} from "../../src/formats/persistent-data.ts";
import type { BlockKind } from "../../src/formats/persistent-data.ts";
import { valuesPerBlock } from "../../src/pdata/array.ts";
import { runInProcess } from "../support/cli.ts";
import { DmWorld } from "../support/dm-world.ts";
import { goldenCase, unpackImage } from "../support/golden.ts";
import { schemaProblems } from "../support/json-schema.ts";
import { testFolder } from "../support/temp.ts";

function metadata(name = "dm-clone-r8"): Buffer {
  return Buffer.from(unpackImage(goldenCase(name), 0));
}

function onDisk(image: Uint8Array): string {
  const path = join(testFolder("clone-tools"), "meta.img");
  writeFileSync(path, image);
  return path;
}

/** Runs it, and sees that nothing was written. */
async function run(image: Uint8Array, ...words: string[]) {
  const path = onDisk(image);
  const result = await runInProcess(["clone", ...words, path]);
  expect(Buffer.compare(readFileSync(path), image)).toBe(0);
  return result;
}

function block(image: Buffer, location: number): Buffer {
  return image.subarray(location * METADATA_BLOCK_BYTES, (location + 1) * METADATA_BLOCK_BYTES);
}

function reseal(image: Buffer, location: number, kind: BlockKind): void {
  sealBlock(kind, block(image, location), location);
}

function bitsetRoot(image: Buffer): number {
  return cloneSuperblock.decode(image).bitsetRoot;
}

/** Of the array of words. */
function firstPart(image: Buffer): number {
  const root = block(image, bitsetRoot(image));
  return Number(root.readBigUInt64LE(32 + nodeHeader.decode(root).maxEntries * 8));
}

describe("clone metadata of kernels", () => {
  it("is good, and dumped", async () => {
    const check = await run(metadata(), "check");
    expect(check).toMatchObject({
      code: 0,
      stdout: "REGIONS=2048\nHYDRATED_REGIONS=349\n",
      stderr: "examining superblock\nexamining region bitset\nchecking space map counts\n",
    });
    const dump = await run(metadata(), "dump");
    expect(dump).toMatchObject({ code: 0, stderr: "" });
    // As the case's destination has them: 2768 sectors at the start, and the regions of the 17 sectors from 9001 on.
    expect(dump.stdout).toMatchInlineSnapshot(`
      "<superblock uuid="" flags="0" version="1" region_size="8" target_size="16384" nr_regions="2048">
        <range_region region_begin="0" length="346"/>
        <range_region region_begin="1125" length="3"/>
      </superblock>
      "
    `);
  });

  it("without hydration has the regions that were written to", async () => {
    const image = metadata("dm-clone-r64-nohydration");
    expect((await run(image, "check")).code).toBe(0);
    const { stdout } = await run(image, "dump");
    expect(stdout).toMatchInlineSnapshot(`
      "<superblock uuid="" flags="0" version="1" region_size="64" target_size="16384" nr_regions="256">
        <single_region region="0"/>
        <range_region region_begin="78" length="12"/>
        <single_region region="192"/>
      </superblock>
      "
    `);
  });

  it("is told as JSON", async () => {
    const { code, stdout, stderr } = await run(metadata(), "check", "--json");
    expect([code, stderr]).toEqual([0, ""]);
    const said: unknown = JSON.parse(stdout);
    expect(schemaProblems("clone", said)).toEqual([]);
    expect(said).toMatchObject({ verdict: "clean", problems: [] });
    expect(await run(metadata(), "dump", "--json")).toMatchObject({ code: 2, stdout: "" });
  });
});

interface Damage {
  readonly what: string;
  readonly change: (image: Buffer) => void;
  readonly says: string;
  readonly code?: 0;
}

const DAMAGES: readonly Damage[] = [
  {
    what: "another kind of superblock",
    change: (image) => image.fill(0, 0, METADATA_BLOCK_BYTES),
    says: "it has no superblock of a clone",
  },
  {
    what: "a damaged superblock",
    change: (image) => image.writeUInt8(1, 100),
    says: "its superblock is damaged: its checksum is",
  },
  {
    what: "a superblock of impossible sizes",
    change: (image) => {
      cloneSuperblock.encodeInto(image, 0, { regionSectors: 0 });
      reseal(image, 0, CLONE_SUPERBLOCK);
    },
    says: "16384 sectors in regions of 0, which cannot be",
  },
  {
    what: "a damaged tree of the bitset",
    change: (image) => void (block(image, bitsetRoot(image))[40]! ^= 1),
    says: "missing regions [0, 2048]\n    bad checksum in btree node",
  },
  {
    what: "a damaged part of the bitset",
    change: (image) => void (block(image, firstPart(image))[40]! ^= 1),
    says: "missing regions [0, 2048]",
  },
  {
    what: "a part that is too short",
    change: (image) => {
      const at = firstPart(image);
      arrayHeader.encodeInto(block(image, at), 0, { entries: 30 });
      reseal(image, at, ARRAY_BLOCK);
    },
    says: `it has 30 of ${valuesPerBlock(8)} values of 8 bytes, and 32 of 8 bytes were expected`,
  },
  {
    what: "a bitset without its first part",
    change: (image) => {
      const at = bitsetRoot(image);
      block(image, at).writeBigUInt64LE(1n, 32);
      reseal(image, at, BTREE_NODE);
    },
    says: "missing regions [0, 2048]\n    the array has no such part",
  },
  {
    what: "a bitset of nothing",
    change: (image) => {
      const at = bitsetRoot(image);
      nodeHeader.encodeInto(block(image, at), 0, { entries: 0 });
      reseal(image, at, BTREE_NODE);
    },
    says: "the array ends before",
  },
];

describe("damaged clone metadata", () => {
  it.each(DAMAGES)("$what is found", async ({ change, says }) => {
    const image = metadata();
    change(image);
    const check = await run(image, "check");
    expect(check.code).toBe(1);
    expect(check.stderr).toContain(says);
    const dump = await run(image, "dump");
    expect(dump.code).toBe(1);
    expect(dump.stderr).toMatch(/^holdfast: .*\.\n$/);
  });

  it("is dumped as far as it can be read", async () => {
    const image = metadata();
    block(image, firstPart(image))[40]! ^= 1;
    const { code, stdout, stderr } = await run(image, "dump", "--repair");
    expect(code).toBe(0);
    expect(stdout).not.toContain("region_begin");
    expect(stderr).toContain("warning: regions [0, 2048] cannot be read");
  });

  it("with a count too high leaks, with one too low is dangerous", async () => {
    for (const [count, verdict] of [
      [0b10, "leaks"],
      [0, "fatal"],
    ] as const) {
      const image = metadata();
      const { index } = spaceMapRoot.decode(cloneSuperblock.decode(image).metadataSpaceMap);
      const bitmap = Number(block(image, index).readBigUInt64LE(16));
      // Block 200 of 256 is free; that of the bitset is not.
      const of = verdict === "leaks" ? 200 : bitsetRoot(image);
      const at = 16 + (of >> 2);
      const old = block(image, bitmap)[at]! & ~(3 << ((of & 3) * 2));
      block(image, bitmap)[at] = old | (count << ((of & 3) * 2));
      reseal(image, bitmap, BITMAP_BLOCK);
      const { code, stdout } = await run(image, "check", "--json");
      expect(code).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({
        verdict,
        problems: [{ text: expect.stringContaining(`differ for block ${of}`) as string }],
      });
      const ignoring = await run(image, "check", "--ignore-non-fatal-errors");
      expect(ignoring.code).toBe(verdict === "leaks" ? 0 : 1);
    }
  });
});

describe("holdfast clone", () => {
  it("has two actions for one device", async () => {
    expect((await runInProcess(["clone", "mend", "x"])).stderr).toContain(
      '"mend" is none of check, dump',
    );
    expect(await runInProcess(["clone", "check"])).toMatchObject({ code: 2 });
    expect(await runInProcess(["clone", "check", "a", "b"])).toMatchObject({ code: 2 });
    expect(await runInProcess(["clone", "check", "/nowhere.img"])).toMatchObject({ code: 1 });
  });

  it("finds good what is made here, in a device that is smaller than a block too", async () => {
    const world = new DmWorld({ meta: 1024, tiny: 4 });
    const said: string[] = [];
    const check = await checkClone(world.disk("tiny"), (line) => {
      if (line.kind === "problem") said.push(line.detail ?? "");
    });
    expect(check.verdict).toBe("fatal");
    expect(said.join()).toContain("too small for metadata of a clone");
  });
});
