/** What is explained of the kernel's own arrays, held against what mdadm, the kernel and the bitmaps' bytes say of them. */
import { describe, expect, it } from "vitest";
import type { BlockDevice } from "../src/block/device.ts";
import { readSectors } from "../src/block/promises.ts";
import { nodeEnv } from "../src/env/node/env.ts";
import type { MdCandidate } from "../src/md/candidate.ts";
import { explainSet } from "../src/md/explain.ts";
import type { ExplainedWay, SetExplanation, WayKind } from "../src/md/explanation.ts";
import { probeMdSuperblocks } from "../src/md/probe.ts";
import { explainPaths } from "../src/volume/explain.ts";
import { openVolumes } from "../src/volume/open.ts";
import { goldenCase, goldenCases, goldenDisk, unpackToFolder } from "./support/golden.ts";
import type { GoldenCase } from "./support/golden.ts";

async function candidatesOf(golden: GoldenCase, disks: readonly number[]): Promise<MdCandidate[]> {
  const set: MdCandidate[] = [];
  for (const index of disks) {
    const device = await goldenDisk(golden, index);
    const { primary } = await probeMdSuperblocks(device);
    if (primary !== null) set.push({ path: `d${index}`, device, superblock: primary });
  }
  return set;
}

/** @param disks all of them if left out */
async function explain(name: string, disks?: readonly number[]): Promise<SetExplanation> {
  const golden = goldenCase(name);
  const chosen = disks ?? golden.members.map((_member, index) => index);
  return (await explainSet(name, await candidatesOf(golden, chosen)))!;
}

function wayOf({ ways }: SetExplanation, kind: WayKind): ExplainedWay {
  const found = ways.find((way) => way.kind === kind);
  if (found === undefined) throw new Error(`there is no way of kind ${kind}`);
  return found;
}

const memberOf = ({ members }: SetExplanation, path: string) =>
  members.find((one) => one.path === path)!;

/** The bits of a bitmap whose superblock is at a sector of a member, by the plainest reading: major 4. */
async function setBits(device: BlockDevice, sector: number): Promise<Set<number>> {
  const data = await readSectors(device, sector, 8);
  const view = new DataView(data.buffer, data.byteOffset);
  const chunks = Math.ceil(Number(view.getBigUint64(40, true)) / (view.getUint32(52, true) / 512));
  const bits = Array.from({ length: chunks }, (_unused, bit) => bit);
  return new Set(bits.filter((bit) => (data[256 + (bit >> 3)]! >> (bit & 7)) & 1));
}

/** mdadm -E and -X, by label. */
function mdadmSays(text: string | undefined, label: string): string | undefined {
  return text?.match(new RegExp(`^ *${label} : (.*)$`, "m"))?.[1]?.trim();
}

describe("the matrix", () => {
  const cases = goldenCases({ kind: "md" }).map((golden) => [golden.name, golden] as const);
  it.each(cases)("of %s says what mdadm says of each disk", async (name, golden) => {
    const told = await explain(name);
    let compared = 0;
    for (const [index, member] of golden.members.entries()) {
      const row = told.members.find((one) => one.path === `d${index}`);
      if (row === undefined) continue;
      compared += 1;
      const { examine, examine_bitmap: bitmap } = member;
      expect(row.events).toBe(Number(mdadmSays(examine, "Events")));
      // 0.90 has a table instead.
      const state = mdadmSays(examine, "Array State")?.split(" ")[0];
      if (state !== undefined) expect(row.sees).toBe(state);
      const recovered = mdadmSays(examine, "Recovery Offset")?.split(" ")[0];
      expect(row.recoveryOffsetSectors).toBe(recovered === undefined ? null : Number(recovered));
      if (row.bitmap === null) continue;
      const dirty = mdadmSays(bitmap, "Bitmap")?.match(/(\d+) dirty/)?.[1];
      expect(row.bitmap.dirtyChunks).toBe(Number(dirty));
      expect(row.bitmap.eventsCleared).toBe(Number(mdadmSays(bitmap, "Events Cleared")));
    }
    expect(compared).toBeGreaterThan(0);
  });
});

describe("a crash", () => {
  it("of raid5 with a bitmap and a member missing needs force, and counts the stripes of the dirty chunks", async () => {
    const golden = goldenCase("crash-raid5-4-bitmap");
    const present = [0, 2, 3];
    const told = await explain(golden.name, present);
    const dirty = new Set<number>();
    for (const index of present) {
      const bits = await setBits(await goldenDisk(golden, index), 16);
      for (const bit of bits) dirty.add(bit);
    }
    expect(dirty.size).toBe(12);
    expect(wayOf(told, "as-it-is").verdict.kind).toBe("needs-force");
    expect(wayOf(told, "force")).toMatchObject({
      verdict: { kind: "can-start", degradedBy: 1 },
      members: ["d0", "d2", "d3"],
      // Bitmap chunks and array chunks are both of 64 KiB; one member's data is computed.
      stripesAtRisk: dirty.size,
      bytesAtRisk: dirty.size * 65536,
      upperBound: false,
    });
    expect(told.kernels.refusedBy.join()).toContain("dirty and degraded");
  });

  it("of raid6 counts a stripe once, however many bitmap chunks lie in it", async () => {
    const golden = goldenCase("crash-raid6-4-bitmap");
    const told = await explain(golden.name, [2, 3]);
    const stripes = new Set<number>();
    for (const index of [2, 3]) {
      const bits = await setBits(await goldenDisk(golden, index), 16);
      // Two bitmap chunks of 32 KiB to an array chunk of 64 KiB.
      for (const bit of bits) stripes.add(bit >> 1);
    }
    expect(wayOf(told, "force")).toMatchObject({
      degradedBy: 2,
      stripesAtRisk: stripes.size,
      bytesAtRisk: stripes.size * 2 * 65536,
    });
  });

  it("of a whole array puts no data at risk, only redundancy", async () => {
    for (const name of ["crash-raid5-4-bitmap", "crash-raid6-4-bitmap", "crash-raid1-2-bitmap"]) {
      const way = wayOf(await explain(name), "as-it-is");
      expect(way).toMatchObject({ stripesAtRisk: 0, bytesAtRisk: 0, degradedBy: 0 });
      expect(way.stripesToSync).toBeGreaterThan(10);
    }
  });

  it("without a bitmap may have hit every stripe", async () => {
    const told = await explain("crash-raid5-3-nobitmap", [0, 1]);
    expect(wayOf(told, "force")).toMatchObject({ stripesAtRisk: told.stripes, upperBound: true });
    expect(told.stripes).toBe(7168 / 32);
  });

  it("of one with a partial parity log puts nothing at risk, with a member missing too", async () => {
    for (const disks of [
      [0, 1, 2],
      [1, 2],
    ]) {
      const told = await explain("ppl-raid5-3", disks);
      expect(wayOf(told, "as-it-is")).toMatchObject({
        verdict: { kind: "can-start" },
        stripesAtRisk: 0,
        stripesToSync: 0,
      });
      expect(told.kernels).toMatchObject({ oldest: "4.14" });
      expect(memberOf(told, "d1").log).toBe("multiple-ppls");
    }
  });

  it("with a write journal is mended by it, and nobody can tell what a missing one held", async () => {
    const whole = await explain("journal-raid5-3-writeback");
    expect(wayOf(whole, "as-it-is")).toMatchObject({
      members: ["d0", "d1", "d2", "d3"],
      stripesAtRisk: 0,
    });
    expect(memberOf(whole, "d3")).toMatchObject({ role: "journal", state: "journal", slot: null });
    const without = await explain("journal-raid5-3-writeback", [0, 1, 2]);
    expect(wayOf(without, "force")).toMatchObject({ stripesAtRisk: null, bytesAtRisk: null });
    expect(without.kernels).toMatchObject({ oldest: "4.4", because: "the write journal" });
  });
});

describe("members that were left behind", () => {
  it("phoenix: says how far behind, leaves it out, and offers its old state", async () => {
    const told = await explain("phoenix-raid1");
    expect(told.splitBrain).toBe(false);
    expect(memberOf(told, "d1")).toMatchObject({ eventsBehind: 5, state: "stale", sees: "AA" });
    expect(wayOf(told, "as-it-is")).toMatchObject({ members: ["d0"], stripesAtRisk: 0 });
    expect(wayOf(told, "other-half")).toMatchObject({
      command: "holdfast open d1",
      stripesAtRisk: told.stripes,
      upperBound: true,
    });
  });

  it("split brain: offers both halves", async () => {
    const told = await explain("split-raid1");
    expect(told.splitBrain).toBe(true);
    expect(memberOf(told, "d0").sees).toBe("A.");
    expect(memberOf(told, "d1").sees).toBe(".A");
    expect(wayOf(told, "as-it-is")).toMatchObject({ members: ["d0"], degradedBy: 1 });
    expect(wayOf(told, "other-half")).toMatchObject({ members: ["d1"], degradedBy: 1 });
  });

  it("a raid1 leg with a bitmap beside it is old only where the bitmap says", async () => {
    const golden = goldenCase("degraded-raid1-2-bitmap");
    const told = await explain(golden.name);
    const bits = await setBits(await goldenDisk(golden, 0), 16);
    expect(wayOf(told, "other-half")).toMatchObject({
      members: ["d1"],
      stripesAtRisk: bits.size,
      bytesAtRisk: bits.size * 131_072,
      upperBound: false,
    });
  });

  it("taken back by force, is old only where the bitmap of those that stayed says", async () => {
    const golden = goldenCase("degraded-raid5-3-bitmap");
    const told = await explain(golden.name, [0, 2]);
    const bits = await setBits(await goldenDisk(golden, 2), 16);
    expect(wayOf(told, "force")).toMatchObject({
      members: ["d0", "d2"],
      degradedBy: 1,
      // Two array chunks of 32 KiB to a bitmap chunk of 64 KiB.
      stripesAtRisk: bits.size * 2,
      upperBound: false,
    });
  });

  it("are taken back in mdadm's order: the freshest first, and only as many as are needed", async () => {
    const told = await explain("degraded-raid6-5-two", [0, 2, 1, 4]);
    expect(wayOf(told, "as-it-is").verdict.kind).toBe("needs-force");
    expect(wayOf(told, "force").members).toEqual(["d0", "d2", "d4"]);
  });
});

describe("members in doubt", () => {
  it("a half rebuilt one may be left out", async () => {
    const told = await explain("recovery-raid5-4", [0, 2, 3, 4]);
    expect(memberOf(told, "d4")).toMatchObject({
      state: "recovering",
      recoveryOffsetSectors: 4096,
    });
    expect(wayOf(told, "without")).toMatchObject({
      command: "holdfast open d0 d2 d3",
      degradedBy: 1,
    });
  });

  it("of a replacement either may be left out", async () => {
    const told = await explain("replace-raid5-3");
    const commands = told.ways.filter((way) => way.kind === "without").map((way) => way.command);
    expect(commands).toEqual(["holdfast open d1 d2 d3", "holdfast open d0 d1 d2"]);
    expect(told.kernels).toMatchObject({ oldest: "3.3", because: "hot replacement" });
  });

  it("bad blocks are counted, and ask for a kernel that knows them", async () => {
    const told = await explain("badblocks-raid5-3");
    expect(told.members.map((one) => one.badBlockSectors)).toEqual([0, 64, 8]);
    expect(told.kernels.oldest).toBe("3.1");
  });
});

describe("an interrupted reshape", () => {
  it("in place wants its backup file, and without it the critical section is at risk", async () => {
    const told = await explain("reshape-backupfile-raid5-chunk64to32");
    expect(wayOf(told, "as-it-is").verdict.kind).toBe("needs-force");
    expect(wayOf(told, "backup-file")).toMatchObject({
      command: "holdfast open --backup-file BACKUP_FILE d0 d1 d2",
      verdict: { kind: "can-start", degradedBy: 0 },
      stripesAtRisk: 0,
    });
    // The backup file has a header of 4 KiB and room for two sections: as much may be in doubt without it.
    const backup = goldenCase(told.name).artefacts!["backup.bin"]!;
    expect(wayOf(told, "force")).toMatchObject({
      bytesAtRisk: backup.bytes - 4096,
      stripesAtRisk: (backup.bytes - 4096) / told.stripeBytes,
      upperBound: true,
    });
  });

  it("that moves the data offset needs none", async () => {
    for (const name of [
      "reshape-raid5-chunk64to128",
      "reshape-raid5-3to4",
      "reshape-raid10-4to5",
    ]) {
      const told = await explain(name);
      expect(told.ways.map((way) => way.kind)).toEqual(["as-it-is", "overlay"]);
      expect(told.kernels.oldest).toBe("3.5");
    }
  });
});

describe("explainPaths", () => {
  it("gives commands that do what is said of them", async () => {
    const unpacked = unpackToFolder(goldenCase("crash-raid5-4-bitmap"));
    try {
      const env = nodeEnv();
      const [told, ...others] = await explainPaths(
        env,
        [0, 2, 3].map((i) => unpacked.disks[i]!),
      );
      expect(others).toEqual([]);
      for (const way of told!.ways) {
        const words = way.command!.split(" ").slice(2);
        const paths = words.filter((word) => !word.startsWith("--"));
        const opened = await openVolumes(env, { paths, force: words.includes("--force") });
        const reports = [...opened.volumes.map((volume) => volume.report), ...opened.refused];
        await opened.close();
        expect(reports.map((report) => report.verdict)).toEqual([way.verdict]);
      }
    } finally {
      unpacked.remove();
    }
  });

  it("fails for a path that is not there", async () => {
    await expect(explainPaths(nodeEnv(), ["/nowhere/disk.img"])).rejects.toMatchObject({
      code: "not-found",
    });
  });
});
