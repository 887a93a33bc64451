/**
 * Sets that lost power in the middle of writes, their members out of step: with a PPL, a journal, a bitmap, nothing.
 * The kernel is asked to read copies of them in many ways; whatever it reads Holdfast must read, and what it refuses
 * Holdfast must refuse. The same for the golden sets that need --force.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { goldenCases, sha256, unpackToFolder, viewAssemblies } from "../support/golden.ts";
import type { UnpackedCase } from "../support/golden.ts";
import { readSets, refusalsOf } from "../support/open.ts";
import { peerDescribe } from "../support/peers.ts";
import { stampedSectors, writeStampFile } from "../support/stamp.ts";
import { bootGuest } from "./guest.ts";
import type { Look } from "./guest.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";
import { diskNode, runJobs } from "./slices.ts";
import type { Job } from "./slices.ts";

const MEMBER_SECTORS = 8 * 2048;
const STAMP_SECTORS = 4 * MEMBER_SECTORS;

interface CrashSet {
  readonly name: string;
  readonly disks: number;
  /** mdadm's words before the device nodes. */
  readonly create: string;
  /** The disk that lags behind; null: none. */
  readonly slow: number | null;
  readonly views: readonly View[];
}

/** A way to assemble. */
interface View {
  readonly leftOut: readonly number[];
  readonly force: boolean;
}

const all: View = { leftOut: [], force: false };
const without = (...leftOut: number[]): View => ({ leftOut, force: false });
const forced = (...leftOut: number[]): View => ({ leftOut, force: true });

/** 16 disks: as many as a guest takes. */
const SETS: readonly CrashSet[] = [
  {
    name: "ppl",
    disks: 3,
    create: "-e 1.2 -l raid5 -n 3 -c 32 --bitmap=none --consistency-policy=ppl",
    slow: 1,
    views: [all, without(0), without(1), without(2)],
  },
  {
    name: "journal",
    disks: 4,
    create: "-e 1.2 -l raid5 -n 3 -c 64 --bitmap=none --write-journal",
    slow: 2,
    views: [all, without(1), without(2)],
  },
  {
    name: "mirror",
    disks: 2,
    create: "-e 1.0 -l raid1 -n 2 --bitmap=internal --bitmap-chunk=64K",
    slow: 1,
    views: [all, without(0), without(1)],
  },
  {
    name: "raid5",
    disks: 3,
    create: "-e 0.90 -l raid5 -n 3 -c 16 --bitmap=internal --bitmap-chunk=16K",
    slow: 0,
    views: [all, without(2), forced(2), forced(0)],
  },
  {
    name: "raid6",
    disks: 4,
    create: "-e 1.1 -l raid6 -n 4 -c 64 --bitmap=none",
    slow: 3,
    views: [all, without(1), without(0, 3), forced(1), forced(0, 3)],
  },
];

const titleOf = (view: View): string =>
  `${view.leftOut.length === 0 ? "whole" : `without ${view.leftOut.join(" and ")}`}${view.force ? ", forced" : ""}`;

const VIEWS = SETS.flatMap((set) => set.views.map((view) => ({ set, view })));

let folder = "";
/** By set. */
const images = new Map<string, readonly string[]>();

function imagesOf(set: CrashSet): readonly string[] {
  return images.get(set.name) ?? [];
}

function subfolder(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

function makeJob(set: CrashSet): Job {
  const nodes = Array.from({ length: set.disks }, (_, disk) => diskNode(set.name, disk));
  // The journal's device comes before the members, and is the last disk of the set.
  const ordered = set.create.endsWith("--write-journal")
    ? [nodes.at(-1), ...nodes.slice(0, -1)]
    : nodes;
  return {
    name: set.name,
    diskSectors: nodes.map(() => MEMBER_SECTORS),
    script: `mdadm -C /dev/md0 --run --homehost=holdfast ${set.create} ${ordered.join(" ")}
      md_wait md0
      stamp /dev/md0 before
      md_stop md0`,
  };
}

/** Assembles all sets at once, one disk of each slowed down, and writes to them until the power fails. */
function crashScript(): string {
  let first = 0;
  const lines = ["mods raid1 raid456 dm-delay"];
  SETS.forEach((set, at) => {
    const nodes = Array.from({ length: set.disks }, (_, disk) => `$d${first + disk}`);
    if (set.slow !== null) {
      const node = nodes[set.slow] ?? "";
      const table = `0 ${MEMBER_SECTORS} delay ${node} 0 0 ${node} 0 300`;
      lines.push(`dmsetup create slow${at} --table "${table}"`);
      nodes[set.slow] = `/dev/mapper/slow${at}`;
    }
    lines.push(`mdadm -A /dev/md${at} ${nodes.join(" ")}`);
    for (const writer of [1, 2, 3]) {
      lines.push(`stamp_scattered /dev/md${at} after 16 0 ${writer * 7919 + at} &`);
    }
    first += set.disks;
  });
  return [...lines, "sleep 3", "ready"].join("\n");
}

async function makeAndCrash(): Promise<void> {
  const own = subfolder("made");
  const done = await runJobs(SETS.map(makeJob), [{ seed: "before", sectors: STAMP_SECTORS }], own);
  for (const job of done) {
    expect(job.passed, job.log).toBe(true);
    images.set(job.name, job.images);
  }
  const share = subfolder("crash");
  writeStampFile(join(share, "stamp-after"), "after", STAMP_SECTORS);
  await bootGuest({
    disks: SETS.flatMap(imagesOf),
    shareDir: share,
    script: crashScript(),
    killAfterReadyMs: 400,
    timeoutMs: 90_000,
  });
}

/** A job that reads copies of the given disks. */
function viewJob(name: string, from: readonly string[], force: boolean): Job {
  const nodes = from.map((_, disk) => diskNode(name, disk)).join(" ");
  return {
    name,
    from,
    diskSectors: from.map((path) => statSync(path).size / 512),
    script: `mdadm -A -o --run ${force ? "--force" : ""} /dev/md0 ${nodes}
      look /dev/md0 ${name}
      md_stop md0`,
  };
}

/** What the kernel reads in each way; null where it refuses. */
async function askKernel(jobs: readonly Job[], own: string): Promise<(Look | null)[]> {
  const done = await runJobs(jobs, [], own);
  return done.map((job) => {
    const look = job.look(job.name);
    return look === null || look.sha256 === "unreadable" ? null : look;
  });
}

async function expectSame(
  paths: readonly string[],
  force: boolean,
  kernel: Look | null | undefined,
): Promise<void> {
  const sets = await readSets(paths, { force });
  if (kernel === null || kernel === undefined) {
    expect(sets.volumes).toHaveLength(0);
    expect(sets.refused).toHaveLength(1);
    return;
  }
  expect(sets.volumes, refusalsOf(sets)).toHaveLength(1);
  const read = sets.volumes[0];
  const context = read?.map.join("\n");
  expect({ bytes: read?.bytes, sha256: read?.sha256 }, context).toEqual(kernel);
}

peerDescribe(GUEST_PROGRAMS, "sets that lost power", () => {
  let kernel: readonly (Look | null)[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-crashed-"));
    await makeAndCrash();
    const jobs = VIEWS.map(({ set, view }, i) => {
      const from = imagesOf(set).filter((_, disk) => !view.leftOut.includes(disk));
      return viewJob(`v${i}`, from, view.force);
    });
    kernel = await askKernel(jobs, subfolder("views"));
  }, 600_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("were written to until the end, and are read by the kernel in most ways", () => {
    expect(kernel.filter((look) => look !== null).length).toBeGreaterThan(VIEWS.length / 2);
    for (const set of SETS) {
      const whole = kernel[VIEWS.findIndex((each) => each.set === set)];
      const before = sha256(stampedSectors("before", 0, (whole?.bytes ?? 0) / 512));
      expect(whole?.sha256, `${set.name} holds nothing new`).not.toBe(before);
    }
  });

  describe.each(SETS)("$name", (set) => {
    it.each(set.views.map((view) => [titleOf(view), view] as const))("%s", async (_title, view) => {
      const at = VIEWS.findIndex((each) => each.set === set && each.view === view);
      const paths = imagesOf(set).filter((_, disk) => !view.leftOut.includes(disk));
      await expectSame(paths, view.force, kernel[at]);
    });
  });
});

interface ForcedView {
  readonly title: string;
  readonly name: string;
  readonly disks: readonly number[];
}

const FORCED_VIEWS: readonly ForcedView[] = goldenCases({ kind: "md" }).flatMap((golden) =>
  golden.views
    .filter((view) => view.mode === "ro" && /not clean - consider --force/.test(view.log))
    .map((view) => ({
      title: `${golden.name} ${view.name}`,
      name: golden.name,
      disks: viewAssemblies(golden, view)[0]?.devices ?? [],
    })),
);

peerDescribe(GUEST_PROGRAMS, "golden sets that need --force", () => {
  const unpacked = new Map<string, UnpackedCase>();
  let own = "";
  let kernel: readonly (Look | null)[] = [];

  function pathsOf(view: ForcedView): string[] {
    return view.disks.map((disk) => unpacked.get(view.name)?.disks[disk] ?? "");
  }

  beforeAll(async () => {
    own = mkdtempSync(join(tmpdir(), "holdfast-forced-"));
    for (const golden of goldenCases({ kind: "md" })) {
      if (FORCED_VIEWS.some((view) => view.name === golden.name)) {
        unpacked.set(golden.name, unpackToFolder(golden));
      }
    }
    kernel = await askKernel(
      FORCED_VIEWS.map((view, i) => viewJob(`f${i}`, pathsOf(view), true)),
      own,
    );
  }, 300_000);

  afterAll(() => {
    for (const each of unpacked.values()) each.remove();
    rmSync(own, { recursive: true, force: true });
  });

  it.each(FORCED_VIEWS.map((view, i) => [view.title, view, i] as const))(
    "%s",
    async (_title, view, i) => {
      expect(kernel[i]).not.toBeNull();
      await expectSame(pathsOf(view), true, kernel[i]);
    },
  );
});
