/** `holdfast thin`: what it prints is what Debian's tools print, of metadata that kernels wrote; what it writes they find good. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import {
  BITMAP_BLOCK,
  METADATA_BLOCK_BYTES,
  sealBlock,
  spaceMapRoot,
} from "../../src/formats/persistent-data.ts";
import type { BlockKind } from "../../src/formats/persistent-data.ts";
import { THIN_NEEDS_CHECK, THIN_SUPERBLOCK, thinSuperblock } from "../../src/formats/thin.ts";
import { runInProcess } from "../support/cli.ts";
import { goldenCase, unpackArtefact, unpackImage } from "../support/golden.ts";
import { peerDescribe } from "../support/peers.ts";
import { testFolder } from "../support/temp.ts";
import { judge, runTool } from "../support/thin-tools.ts";

const GOLDEN = ["dm-thin-2-snap", "dm-thin-discard"];

function onDisk(name: string, image: Uint8Array): string {
  const path = join(testFolder("thin-tools"), name);
  writeFileSync(path, image);
  return path;
}

function artefact(name: string, file: string): string {
  return Buffer.from(unpackArtefact(goldenCase(name), file)).toString();
}

function metadataOf(name: string): Uint8Array {
  return unpackImage(goldenCase(name), 0).slice();
}

describe("thin metadata of kernels", () => {
  it.for(GOLDEN)("%s is dumped and checked as by thin_dump and thin_check", async (name) => {
    const path = onDisk("meta.img", metadataOf(name));
    const dump = await runInProcess(["thin", "dump", path]);
    expect(dump).toMatchObject({ code: 0, stderr: "", stdout: artefact(name, "thin_dump.xml") });
    const check = await runInProcess(["thin", "check", path]);
    const all = artefact(name, "thin_check.txt").split("\n");
    const facts = all.filter((line) => line.includes("="));
    const progress = all.filter((line) => !line.includes("=") && line !== "" && line !== "rc 0");
    expect(check.code).toBe(0);
    expect(check.stdout).toBe(`${facts.join("\n")}\n`);
    expect(check.stderr).toBe(`${progress.join("\n")}\n`);
  });

  it("is not repaired onto itself", async () => {
    const image = metadataOf("dm-thin-2-snap");
    const path = onDisk("meta.img", image);
    const { code, stderr } = await runInProcess(["thin", "repair", path, path]);
    expect(code).toBe(1);
    expect(stderr).toContain("in use");
    expect(Buffer.compare(readFileSync(path), image)).toBe(0);
  });

  it("is not taken for metadata when it is something else", async () => {
    const path = onDisk("zero.img", new Uint8Array(1 << 20));
    expect(await runInProcess(["thin", "dump", path])).toMatchObject({ code: 1, stdout: "" });
    const check = await runInProcess(["thin", "check", path]);
    expect(check).toMatchObject({ code: 1, stdout: "" });
    expect(check.stderr).toContain("superblock is corrupt");
    const words = await runInProcess(["thin", "mend", path]);
    expect(words).toMatchObject({ code: 2 });
    expect(words.stderr).toContain('"mend" is none of check, dump, restore, repair');
    expect((await runInProcess(["thin", "restore", path])).stderr).toContain("takes 2 paths");
  });
});

interface Damage {
  readonly what: string;
  readonly change: (image: Uint8Array) => void;
}

function change(
  image: Uint8Array,
  location: number,
  kind: BlockKind | null,
  at: number,
  mask: number,
): void {
  const block = image.subarray(location * METADATA_BLOCK_BYTES).subarray(0, METADATA_BLOCK_BYTES);
  block[at]! ^= mask;
  if (kind !== null) sealBlock(kind, block, location);
}

function child(image: Uint8Array, node: number, index: number): number {
  const view = new DataView(image.buffer, image.byteOffset + node * METADATA_BLOCK_BYTES);
  const room = view.getUint32(20, true);
  return Number(view.getBigUint64(32 + room * 8 + index * 8, true));
}

const DAMAGES: readonly Damage[] = [
  {
    what: "a damaged tree of devices",
    change: (image) => change(image, thinSuperblock.decode(image).deviceDetailsRoot, null, 50, 1),
  },
  {
    what: "a damaged tree of mappings",
    change: (image) => change(image, thinSuperblock.decode(image).dataMappingRoot, null, 100, 1),
  },
  {
    what: "a damaged device",
    change: (image) =>
      change(image, child(image, thinSuperblock.decode(image).dataMappingRoot, 0), null, 50, 1),
  },
  {
    what: "a metadata block that is counted and used by nobody",
    change: (image) => {
      const { index } = spaceMapRoot.decode(thinSuperblock.decode(image).metadataSpaceMap);
      const view = new DataView(image.buffer, image.byteOffset + index * METADATA_BLOCK_BYTES);
      change(image, Number(view.getBigUint64(16, true)), BITMAP_BLOCK, 16 + 125, 2);
    },
  },
  {
    what: "the mark that a check is needed",
    change: (image) => {
      thinSuperblock.encodeInto(image, 0, { flags: THIN_NEEDS_CHECK });
      sealBlock(THIN_SUPERBLOCK, image.subarray(0, METADATA_BLOCK_BYTES), 0);
    },
  },
];

peerDescribe(
  ["thin_check", "thin_dump", "thin_restore"],
  "thin metadata and Debian's tools",
  () => {
    it.for(DAMAGES)("$what is told as thin_check tells it", async ({ change: damage }) => {
      const image = metadataOf("dm-thin-2-snap");
      damage(image);
      const { check } = judge(image);
      const own = await runInProcess(["thin", "check", onDisk("damaged.img", image)]);
      expect(own).toMatchObject({ code: check.code, stdout: check.stdout, stderr: check.stderr });
    });

    it.for(GOLDEN)("%s is restored from its dump, and good", async (name) => {
      const xml = join(testFolder("thin-xml"), "dump.xml");
      writeFileSync(xml, artefact(name, "thin_dump.xml"));
      const path = onDisk("new.img", new Uint8Array(4 << 20));
      expect(await runInProcess(["thin", "restore", xml, path])).toMatchObject({ code: 0 });
      const { check, dump } = judge(readFileSync(path));
      expect(check).toMatchObject({ code: 0 });
      expect(dump.stdout).toBe(artefact(name, "thin_dump.xml"));
      expect((await runInProcess(["thin", "check", path])).code).toBe(0);
    });

    test("what is left of damaged metadata is repaired onto another device", async () => {
      const image = metadataOf("dm-thin-2-snap");
      DAMAGES[2]!.change(image);
      const damaged = onDisk("damaged.img", image);
      const path = onDisk("new.img", new Uint8Array(4 << 20));
      const repaired = await runInProcess(["thin", "repair", damaged, path]);
      expect(repaired.code).toBe(0);
      expect(repaired.stderr).toContain("mappings of device 0");
      const { check, dump } = judge(readFileSync(path));
      expect(check).toMatchObject({ code: 0 });
      const wanted = runTool("thin_dump", "--repair", damaged).stdout;
      // It counts what there is.
      expect(dump.stdout).toBe(wanted.replace('mapped_blocks="47"', 'mapped_blocks="0"'));
    });

    test("a mark that a check is needed goes when all is well", async () => {
      const image = metadataOf("dm-thin-discard");
      DAMAGES[4]!.change(image);
      const path = onDisk("marked.img", image);
      const args = ["thin", "check", "--clear-needs-check-flag", path];
      expect(await runInProcess(args)).toMatchObject({ code: 0 });
      expect(thinSuperblock.decode(readFileSync(path)).flags).toBe(0);
      expect(judge(readFileSync(path)).check.code).toBe(0);
    });
  },
);
