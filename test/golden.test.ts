/**
 * Every md set of the golden images, opened the way its read-only views tell mdadm to: what Holdfast reads must have the
 * sha256 that the kernel read, what the kernel refused must be refused with a reason, the order of the disks must not matter, and no disk
 * may have changed by a byte. Where Holdfast means to differ, the table below says so and why.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  goldenCase,
  goldenCases,
  sha256,
  unpackToFolder,
  viewAssemblies,
} from "./support/golden.ts";
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
  readonly expected: (golden: GoldenCase) => GoldenRead;
}

/** By "case/view". */
const DIFFERENCES: Readonly<Record<string, Difference>> = {
  "reshape-raid10-4to5/ro": {
    why:
      "assembled read-only, the kernel reads the reshaped part of a raid10 at the old data offset; the right content " +
      "is what was read while the reshape ran",
    expected: readBeforeStop,
  },
  "bitmapfile-raid1-2/ro": {
    why:
      "mdadm refuses because it cannot write to the bitmap file's file system; a reader needs no bitmap, and without naming it " +
      "the kernel starts the set too",
    expected: (golden) => readOf(golden, "ro-no-bitmap-given"),
  },
};

function readOf(golden: GoldenCase, viewName: string): GoldenRead {
  const read = golden.views.find((view) => view.name === viewName)?.volumes["volume"];
  if (read === undefined) throw new Error(`${golden.name} has no view ${viewName} that was read`);
  return read;
}

function readBeforeStop(golden: GoldenCase): GoldenRead {
  const read = golden.read_before_stop?.["built"];
  if (read === undefined) throw new Error(`${golden.name} was not read before it was stopped`);
  return read;
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
    if (expected === null) expectRefused(sets);
    else expectRead(sets, expected);
  }
  expectUnchanged(golden, unpacked);
}

type Named<T> = readonly (readonly [string, T])[];

const CASES = goldenCases({ kind: "md" });
const named = (cases: readonly GoldenCase[]): Named<GoldenCase> =>
  cases.map((golden) => [golden.name, golden]);

function readOnlyViews(golden: GoldenCase): GoldenView[] {
  return golden.views.filter((view) => view.mode === "ro");
}

/** Unpacks a case for the tests of the describe block that calls it. */
function useDisks(golden: GoldenCase): () => UnpackedCase {
  let unpacked: UnpackedCase | null = null;
  beforeAll(() => {
    unpacked = unpackToFolder(golden);
  });
  afterAll(() => unpacked?.remove());
  return () => {
    if (unpacked === null) throw new Error(`${golden.name} is not unpacked`);
    return unpacked;
  };
}

describe.each(named(CASES))("%s reads as the kernel read it", (_name, golden) => {
  const disks = useDisks(golden);
  const views: Named<GoldenView> = readOnlyViews(golden).map((view) => [view.name, view]);
  it.each(views)("%s", (_view, view) => checkView(golden, view, disks()));
});

const FORCED = CASES.filter((golden) =>
  readOnlyViews(golden).some((view) => isDirtyAndDegraded(golden, view)),
);

describe.each(named(FORCED))("%s, dirty with a member missing, needs force", (_name, golden) => {
  const disks = useDisks(golden);
  const views: Named<GoldenView> = readOnlyViews(golden)
    .filter((view) => isDirtyAndDegraded(golden, view))
    .map((view) => [view.name, view]);
  it.each(views)("%s", (_view, view) => checkForced(golden, view, disks()));
});

describe("a reshape that was killed inside its critical section", () => {
  const golden = goldenCase("reshape-backupfile-raid5-chunk64to32");
  const disks = useDisks(golden);

  it("reads what it held before, given its backup file", async () => {
    const backupFile = disks().artefacts.get("backup.bin") ?? "";
    expectRead(await readSets(disks().disks, { backupFile }), readBeforeStop(golden));
    expectUnchanged(golden, disks());
  });
});

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
  const whole = readOnlyViews(golden).find((each) => each.refused === undefined);
  const complete = readOf(golden, whole?.name ?? "none");
  expect(sets.volumes, refusalsOf(sets)).toHaveLength(1);
  expect(sets.volumes[0]?.bytes).toBe(complete.bytes);
  // An array that was never synced has junk where the lost member was; one that was has it in the stripes being written only.
  if (golden.family === "crash") {
    const kinds = countKinds(sets.volumes[0]?.map ?? []);
    const sectors = complete.bytes / 512;
    expect(kinds.get("moved") ?? 0).toBe(0);
    expect(kinds.get("stamp") ?? 0).toBeGreaterThan(sectors * 0.97);
  }
  expectUnchanged(golden, unpacked);
}
