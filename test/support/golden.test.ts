import { readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readSectors } from "../../src/block/promises.ts";
import {
  goldenCase,
  goldenCases,
  goldenDisk,
  sha256,
  unpackArtefact,
  unpackImage,
  unpackToFolder,
  viewAssemblies,
} from "./golden.ts";

describe("golden images", () => {
  it("are all there, each disk with the sha256 its case.json says", () => {
    const cases = goldenCases();
    expect(cases).toHaveLength(79);
    for (const golden of cases) {
      golden.members.forEach((member, index) => {
        expect(unpackImage(golden, index)).toHaveLength(member.bytes);
      });
      for (const name of Object.keys(golden.artefacts ?? {})) unpackArtefact(golden, name);
    }
  });

  it("become devices in memory with the same content", async () => {
    const golden = goldenCase("raid5-3-ra-c16-m10");
    const disk = await goldenDisk(golden, 1);
    const content = await readSectors(disk, 0, disk.sectors);
    expect(sha256(content)).toBe(golden.members[1]?.sha256);
  });

  it("unpack to sparse files with the same content", () => {
    const golden = goldenCase("reshape-backupfile-raid5-chunk64to32");
    const unpacked = unpackToFolder(golden);
    try {
      expect(unpacked.disks).toHaveLength(3);
      golden.members.forEach((member, index) => {
        const path = unpacked.disks[index] ?? "";
        expect(sha256(readFileSync(path))).toBe(member.sha256);
        expect(statSync(path).size).toBe(member.bytes);
      });
      const backup = unpacked.artefacts.get("backup.bin") ?? "";
      expect(sha256(readFileSync(backup))).toBe(golden.artefacts?.["backup.bin"]?.sha256);
    } finally {
      unpacked.remove();
    }
  });
});

describe("viewAssemblies", () => {
  it("finds one assembly with a label in every read-only md view", () => {
    for (const golden of goldenCases({ kind: "md" })) {
      for (const view of golden.views.filter((each) => each.mode === "ro")) {
        const found = viewAssemblies(golden, view);
        expect(found, `${golden.name} ${view.name}`).toHaveLength(1);
        expect(found[0]?.label).toBe("volume");
        expect(found[0]?.readonly).toBe(true);
        expect(found[0]?.devices.length).toBeGreaterThan(0);
        expect(found[0]?.refused).toBe(found[0]?.read === null);
      }
    }
  });

  it("reads order, missing members, options and labels", () => {
    const split = goldenCase("split-raid1");
    const d1First = split.views.find((view) => view.name === "d1-first");
    if (d1First === undefined) throw new Error("view d1-first is gone");
    expect(viewAssemblies(split, d1First)).toMatchObject([
      { devices: [1, 0], missing: [], run: true },
    ]);

    const backup = goldenCase("reshape-backupfile-raid5-chunk64to32");
    const finished = backup.views.find((view) => view.name === "finished");
    if (finished === undefined) throw new Error("view finished is gone");
    expect(viewAssemblies(backup, finished)).toMatchObject([
      { devices: [0, 1, 2], missing: [], readonly: false, backupFile: "/tmp/bk", label: "volume" },
      { devices: [1, 2], missing: [0], readonly: true, run: true, label: "without-d0" },
    ]);

    const bitmap = goldenCase("bitmapfile-raid1-2");
    const refused = bitmap.views.find((view) => view.name === "ro");
    if (refused === undefined) throw new Error("view ro is gone");
    expect(viewAssemblies(bitmap, refused)).toMatchObject([
      { devices: [0, 1], missing: [], bitmapFile: "/mnt/b/bm", refused: true, read: null },
    ]);
  });
});
