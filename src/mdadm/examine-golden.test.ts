/** What mdadm printed of every golden member in the guest, and what it prints of the images here. */
import { levelText } from "../formats/md/layout-names.ts";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { goldenCases, unpackImage, unpackToFolder } from "../../test/support/golden.ts";
import type { GoldenCase } from "../../test/support/golden.ts";
import {
  examinedBadBlocks,
  examinedBitmap,
  examinedImage,
} from "../../test/support/mdadm-members.ts";
import { askMdadm } from "../../test/support/mdadm.ts";
import { peerDescribe } from "../../test/support/peers.ts";
import { NO_BAD_BLOCKS_IN_090, badBlocksText } from "./badblocks-text.ts";
import { examineBitmapText } from "./examine-bitmap-text.ts";
import { examineBriefText, examineExportText } from "./examine-brief-text.ts";
import { examineText } from "./examine-text.ts";
import { queryText } from "./query-text.ts";

const CASES = goldenCases({ kind: "md" });

/** User-mode-linux numbers its disks 98:0, 98:16, ... */
function guestPath(major: number, minor: number): string | null {
  return major === 98 ? `/dev/ubd${String.fromCodePoint(97 + minor / 16)}` : null;
}

describe("what was recorded with the golden images", () => {
  it.each(CASES.map((golden): [string, GoldenCase] => [golden.name, golden]))(
    "%s",
    async (_name, golden) => {
      for (const [index, member] of golden.members.entries()) {
        const image = unpackImage(golden, index);
        const examined = examinedImage(member.dev, image, guestPath);
        if (member.examine === undefined) continue;
        if (examined === null) {
          expect(member.examine).not.toContain("Magic");
          continue;
        }
        expect(`${examineText(examined).trimEnd()}\n`).toBe(`${member.examine.trimEnd()}\n`);
        const bitmap = await examinedBitmap(examined, image);
        if (member.examine_bitmap === undefined || bitmap === null) continue;
        expect(examineBitmapText(bitmap).trimEnd()).toBe(member.examine_bitmap.trimEnd());
      }
    },
  );
});

peerDescribe(["mdadm"], "what the real mdadm prints of the golden images", () => {
  it.each(CASES.map((golden): [string, GoldenCase] => [golden.name, golden]))(
    "%s",
    async (_name, golden) => {
      const unpacked = unpackToFolder(golden);
      try {
        for (const index of golden.members.keys()) await expectSame(golden, index, unpacked.folder);
      } finally {
        unpacked.remove();
      }
    },
  );
});

async function expectSame(golden: GoldenCase, index: number, folder: string): Promise<void> {
  const path = `d${index}.img`;
  const image = unpackImage(golden, index);
  const examined = examinedImage(path, image, () => null);
  const ask = (option: string): string => askMdadm([option, path], folder).text;
  if (examined === null) {
    expect(ask("-Eb")).toBe("");
    return;
  }
  const { superblock } = examined;
  // Paths of block devices by number are this machine's business.
  expect(ask("-E").replaceAll(/ {3}\/dev\/\S+/g, "")).toBe(examineText(examined));
  const local = askMdadm(["-E", "--homehost=holdfast", path], folder).text;
  if (superblock.version !== "0.90")
    expect(local).toBe(examineText({ ...examined, homehost: "holdfast" }));
  const isSpare = superblock.role.kind !== "active" || superblock.replacement;
  const array = { superblock, spares: isSpare ? 1 : 0, paths: [path] };
  expect(ask("-Eb")).toBe(examineBriefText(array, false));
  expect(ask("-Ebv")).toBe(examineBriefText(array, true));
  expect(ask("-EY")).toBe(examineExportText(superblock));
  const bitmap = await examinedBitmap(examined, image);
  if (bitmap !== null && superblock.bitmapSector !== null) {
    // Of an image it would take the first bytes for the bitmap: only members that are devices are looked into.
    const file = "bitmap.bin";
    writeFileSync(join(folder, file), image.subarray(superblock.bitmapSector * 512));
    const printed = askMdadm(["-X", file], folder).text;
    expect(printed).toBe(examineBitmapText({ ...bitmap, path: file, nativeUuid: false }));
    const brief = askMdadm(["-Xb", file], folder).text;
    expect(brief).toBe(
      examineBitmapText({ ...bitmap, path: file, nativeUuid: false, dirtyChunks: null }),
    );
  }
  const badBlocks = askMdadm(["--examine-badblocks", path], folder);
  if (superblock.version === "0.90") expect(badBlocks.lines[0]).toContain(NO_BAD_BLOCKS_IN_090);
  else expect(badBlocks.text).toBe(badBlocksText(examinedBadBlocks(examined, image)));
  if (superblock.role.kind !== "active" || superblock.reshape !== null) return;
  const member = {
    number: superblock.deviceNumber,
    raidDisks: superblock.shape!.raidDisks,
    level: levelText(superblock.levelNumber),
    activity: "inactive" as const,
    arrayPath: null,
  };
  expect(ask("-Q")).toBe(queryText(path, { kind: "none" }, member));
}
