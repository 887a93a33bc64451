import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { goldenCase, unpackImage } from "../../test/support/golden.ts";
import { writeSparse } from "../../scripts/sparse.mjs";
import { testFolder } from "../../test/support/temp.ts";
import { HoldfastError } from "../base/errors.ts";
import type { BlockDevice } from "../block/device.ts";
import { MemoryDevice } from "../devices/memory.ts";
import { nodeEnv } from "../env/node/env.ts";
import { mbrSector, mbrSlot } from "../formats/partitions/mbr.ts";
import { collectDevices } from "./devices.ts";
import type { DeviceCollection } from "./devices.ts";

const env = nodeEnv();

function member(index: number): Uint8Array {
  return unpackImage(goldenCase("raid1-2-bitmap"), index);
}

/** A disk with two members of one array in partitions 1 and 3. */
function partitionedDisk(): Uint8Array {
  const parts = [member(0), member(1)];
  const starts = [2048, 2048 + parts[0]!.length / 512];
  const disk = new Uint8Array(starts[1]! * 512 + parts[1]!.length);
  const slots = new Uint8Array(64);
  parts.forEach((part, i) => {
    disk.set(part, starts[i]! * 512);
    const values = { type: 0xfd, firstBlock: starts[i]!, blocks: part.length / 512 };
    mbrSlot.encodeInto(slots, i * 32, values);
  });
  mbrSector.encodeInto(disk, 0, { slots, bootSignature: 0xaa55 });
  return disk;
}

async function collected(
  paths: readonly string[],
  check: (collection: DeviceCollection) => void,
): Promise<void> {
  const collection = await collectDevices(env, paths);
  try {
    check(collection);
  } finally {
    await collection.close();
  }
}

function candidatePaths(collection: DeviceCollection): string[] {
  return collection.candidates.map((candidate) => candidate.path);
}

describe("collectDevices", () => {
  it("takes a folder's files by name, and says what it leaves out", async () => {
    const folder = testFolder("collect");
    writeSparse(join(folder, "b.img"), member(1));
    writeSparse(join(folder, "a.img"), member(0));
    writeFileSync(join(folder, "notes.txt"), "md0");
    mkdirSync(join(folder, "more"));
    writeSparse(join(folder, "more", "c.img"), member(0));
    await collected([folder], (collection) => {
      expect(candidatePaths(collection)).toEqual([join(folder, "a.img"), join(folder, "b.img")]);
      expect(collection.reports.map((report) => report.path)).toEqual(
        ["a.img", "b.img", "notes.txt"].map((name) => join(folder, name)),
      );
      const [problem, ...more] = collection.problems;
      expect(problem).toContain("notes.txt: 3 bytes are too few for a disk");
      expect(more).toEqual([]);
      expect(collection.errors).toEqual([]);
      expect(collection.devices.every(({ device }) => device.limits.readOnly)).toBe(true);
    });
  });

  it("uses a disk once, however often and by whatever name it is given", async () => {
    const folder = testFolder("collect");
    const path = join(folder, "a.img");
    writeSparse(path, member(0));
    linkSync(path, join(folder, "hard.img"));
    symlinkSync(path, join(folder, "soft.img"));
    await collected([path, path, folder], (collection) => {
      expect(candidatePaths(collection)).toEqual([path]);
      expect(collection.problems).toHaveLength(4);
      for (const problem of collection.problems)
        expect(problem).toContain(`It is the same device as ${path}; used once.`);
    });
  });

  it("makes a candidate of each partition that holds a member", async () => {
    const path = join(testFolder("collect"), "disk.img");
    writeSparse(path, partitionedDisk());
    await collected([path], (collection) => {
      expect(candidatePaths(collection)).toEqual([`${path}:p1`, `${path}:p3`]);
      expect(collection.devices.map((each) => each.path)).toEqual([
        path,
        `${path}:p1`,
        `${path}:p3`,
      ]);
      expect(collection.reports).toHaveLength(1);
      expect(collection.reports[0]?.partitions.map((each) => each.path)).toEqual([
        `${path}:p1`,
        `${path}:p3`,
      ]);
    });
  });

  it("takes a partition by name, unless a file is called so", async () => {
    const path = join(testFolder("collect"), "disk.img");
    writeSparse(path, partitionedDisk());
    await collected([`${path}:p3`, path], (collection) => {
      expect(candidatePaths(collection)).toEqual([`${path}:p3`, `${path}:p1`]);
      expect(collection.devices[0]?.device.sectors).toBe(member(1).length / 512);
    });
    await collected([path, `${path}:p1`], (collection) => {
      expect(candidatePaths(collection)).toEqual([`${path}:p1`, `${path}:p3`]);
      expect(collection.problems.join()).toContain("used once");
    });
    await collected([`${path}:p2`], (collection) => {
      expect(collection.errors[0]?.code).toBe("not-found");
      expect(collection.errors[0]?.message).toContain(`${path} has no partition 2`);
    });
    writeSparse(`${path}:p3`, member(0));
    await collected([`${path}:p3`], (collection) => {
      expect(collection.candidates[0]?.superblock.role).toEqual({ kind: "active", slot: 0 });
    });
  });

  it("goes on when a path cannot be opened, and tells", async () => {
    const folder = testFolder("collect");
    const path = join(folder, "a.img");
    writeSparse(path, member(0));
    const lost = join(folder, "lost.img");
    await collected([lost, "missing", path, "missing"], (collection) => {
      expect(candidatePaths(collection)).toEqual([path]);
      expect(collection.missing).toBe(2);
      expect(collection.errors.map((error) => error.code)).toEqual(["not-found"]);
      expect(collection.reports[0]).toMatchObject({ path: lost, findings: [] });
      expect(collection.problems.join()).toContain(lost);
    });
  });

  it("hands URIs to the opener and closes everything it opened", async () => {
    const opened: [string, boolean][] = [];
    let closed = 0;
    const open = (_env: unknown, path: string, { readOnly }: { readOnly: boolean }) => {
      opened.push([path, readOnly]);
      if (path.includes("gone")) return Promise.reject(new HoldfastError("io", "Nobody there."));
      const device: BlockDevice = new MemoryDevice({ name: path, sectors: 4096 });
      device.close = () => Promise.resolve(void (closed += 1));
      return Promise.resolve(device);
    };
    const paths = ["nbd://a/x", "nbd+unix:///x:p1?socket=/s", "nbd://a/x", "nbd://gone/"];
    const collection = await collectDevices(env, paths, { open, readOnly: false });
    expect(opened).toEqual([
      ["nbd://a/x", false],
      ["nbd+unix:///x:p1?socket=/s", false],
      ["nbd://gone/", false],
    ]);
    expect(collection.problems).toHaveLength(2);
    expect(collection.errors.map((error) => error.message)).toEqual(["Nobody there."]);
    await collection.close();
    expect(closed).toBe(2);
  });
});
