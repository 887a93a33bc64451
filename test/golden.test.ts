/**
 * Every md set of the golden images, opened the way its read-only views tell mdadm to: what Holdfast reads must have the
 * sha256 that the kernel read, what the kernel refused must be refused with a reason, the order of the disks must not matter, and no disk
 * may have changed by a byte. Where Holdfast means to differ, the table below says so and why.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { goldenCases, sha256, unpackToFolder, viewAssemblies } from "./support/golden.ts";
import type {
  GoldenCase,
  GoldenRead,
  GoldenView,
  UnpackedCase,
  ViewAssembly,
} from "./support/golden.ts";
import { readSets, refusalsOf } from "./support/open.ts";
import type { ReadSets } from "./support/open.ts";

interface Difference {
  readonly why: string;
  /** What has to be read instead of what the kernel's view has. */
  readonly expected: (golden: GoldenCase) => GoldenRead | undefined;
}

/** By "case/view". */
const DIFFERENCES: Readonly<Record<string, Difference>> = {
  "reshape-raid10-4to5/ro": {
    why:
      "assembled read-only, the kernel reads the reshaped part of a raid10 at the old data offset; the right content " +
      "is what was read while the reshape ran",
    expected: (golden) => golden.read_before_stop?.["built"],
  },
  "bitmapfile-raid1-2/ro": {
    why:
      "mdadm refuses because it cannot write to the bitmap file's file system; a reader needs no bitmap, and without naming it " +
      "the kernel starts the set too",
    expected: (golden) => readOf(golden, "ro-no-bitmap-given"),
  },
};

function readOf(golden: GoldenCase, viewName: string): GoldenRead | undefined {
  return golden.views.find((view) => view.name === viewName)?.volumes["volume"];
}

function pathsOf(unpacked: UnpackedCase, assembly: ViewAssembly): string[] {
  return assembly.devices.map((index) => unpacked.disks[index] ?? "");
}

function expectRead(sets: ReadSets, expected: GoldenRead): void {
  expect(sets.volumes, refusalsOf(sets)).toHaveLength(1);
  expect(sets.refused, refusalsOf(sets)).toHaveLength(0);
  const volume = sets.volumes[0];
  expect(volume?.bytes).toBe(expected.bytes);
  // The map first: it tells which sectors are wrong.
  if (volume?.sha256 !== expected.sha256) {
    expect(volume?.map.slice(0, expected.map.length)).toEqual(expected.map);
  }
  expect(volume?.sha256).toBe(expected.sha256);
}

function expectRefused(sets: ReadSets): void {
  expect(sets.volumes).toHaveLength(0);
  expect(sets.refused).toHaveLength(1);
  const verdict = sets.refused[0]?.verdict;
  expect(verdict?.kind).not.toBe("can-start");
  if (verdict === undefined || verdict.kind === "can-start") return;
  expect(verdict.reason.length).toBeGreaterThan(20);
  const advice = verdict.kind === "needs-force" ? verdict.risk : verdict.remedy;
  expect(advice.length).toBeGreaterThan(20);
}

function expectUnchanged(golden: GoldenCase, unpacked: UnpackedCase): void {
  const digests = unpacked.disks.map((path) => sha256(readFileSync(path)));
  expect(digests).toEqual(golden.members.map((member) => member.sha256));
}

async function checkView(golden: GoldenCase, view: GoldenView, unpacked: UnpackedCase) {
  const [assembly] = viewAssemblies(golden, view);
  if (assembly === undefined) throw new Error(`${golden.name} ${view.name} assembles nothing`);
  const difference = DIFFERENCES[`${golden.name}/${view.name}`];
  const expected = difference === undefined ? assembly.read : difference.expected(golden);
  const paths = pathsOf(unpacked, assembly);
  for (const order of [paths, paths.toReversed()]) {
    const sets = await readSets(order, { force: assembly.force });
    if (expected === null || expected === undefined) expectRefused(sets);
    else expectRead(sets, expected);
  }
  expectUnchanged(golden, unpacked);
}

describe.each(goldenCases({ kind: "md" }).map((golden) => [golden.name, golden] as const))(
  "%s",
  (_name, golden) => {
    let unpacked: UnpackedCase | null = null;

    function disks(): UnpackedCase {
      if (unpacked === null) throw new Error("not unpacked");
      return unpacked;
    }

    beforeAll(() => {
      unpacked = unpackToFolder(golden);
    });
    afterAll(() => unpacked?.remove());

    const views = golden.views.filter((view) => view.mode === "ro");
    it.each(views.map((view) => [view.name, view] as const))("%s", (_view, view) =>
      checkView(golden, view, disks()),
    );

    if (golden.name === "reshape-backupfile-raid5-chunk64to32") {
      it("with its backup file reads what it held before the kill", async () => {
        const backupFile = disks().artefacts.get("backup.bin") ?? "";
        const expected = golden.read_before_stop?.["built"];
        if (expected === undefined) throw new Error("nothing to compare with");
        expectRead(await readSets(disks().disks, { backupFile }), expected);
        expectUnchanged(golden, disks());
      });
    }

    const forced = views.filter((view) => isDirtyAndDegraded(golden, view));
    if (forced.length > 0) {
      it.each(forced.map((view) => [view.name, view] as const))(
        "%s needs force, and with it reads the present members as they are",
        (_view, view) => checkForced(golden, view, disks()),
      );
    }
  },
);

/** The kernel refused it because parity cannot be trusted while a member is missing. */
function isDirtyAndDegraded(golden: GoldenCase, view: GoldenView): boolean {
  const [assembly] = viewAssemblies(golden, view);
  return assembly?.refused === true && /not clean - consider --force/.test(view.log);
}

/** Kinds of sectors in a map and how many there are of each, moved stamps apart. */
function countKinds(map: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const run of map) {
    const [, count, ...words] = run.split(" ");
    const kind = words.includes("moved") ? "moved" : (words[0] ?? "");
    counts.set(kind, (counts.get(kind) ?? 0) + Number(count));
  }
  return counts;
}

async function checkForced(golden: GoldenCase, view: GoldenView, unpacked: UnpackedCase) {
  const [assembly] = viewAssemblies(golden, view);
  if (assembly === undefined) throw new Error(`${golden.name} ${view.name} assembles nothing`);
  const paths = pathsOf(unpacked, assembly);
  const refused = await readSets(paths);
  expect(refused.refused.map((report) => report.verdict.kind)).toEqual(["needs-force"]);

  const sets = await readSets(paths, { force: true });
  const whole = golden.views.find((each) => each.mode === "ro" && each.refused === undefined);
  const complete = whole?.volumes["volume"];
  expect(sets.volumes, refusalsOf(sets)).toHaveLength(1);
  expect(sets.volumes[0]?.bytes).toBe(complete?.bytes);
  const kinds = countKinds(sets.volumes[0]?.map ?? []);
  // Nothing is ever found in a wrong place; what the lost member held is right but for the stripes that were being written.
  expect(kinds.get("moved") ?? 0).toBe(0);
  if (golden.family === "crash") {
    const sectors = (complete?.bytes ?? 0) / 512;
    expect(kinds.get("stamp") ?? 0).toBeGreaterThan(sectors * 0.97);
  }
  expectUnchanged(golden, unpacked);
}
