/**
 * Arrays with a write journal that Holdfast was writing when the power failed, some without a member from then on: the kernel must replay
 * the journal, read what Holdfast reads after it has replayed it, and find no mismatch; and that must be what was promised.
 *
 * `HOLDFAST_SEED=N npx vitest run test/kernel/journal.test.ts` replays a run.
 */
import { expect, it } from "vitest";
import type { Prng } from "../../src/base/prng.ts";
import type { ArrayDevice } from "../support/array-device.ts";
import { peerDescribe } from "../support/peers.ts";
import { seedOfRun } from "../support/seed.ts";
import { createOnDisks } from "../support/written-array.ts";
import { goldenDevices, judgedCuts } from "./cut-log.ts";
import type { CutPlan } from "./cut-log.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";

const SEED = seedOfRun();
const DISK_SECTORS = 6 * 2048;

interface Plan extends CutPlan {
  readonly level: "raid4" | "raid5" | "raid6";
  /** Members; the journal is one more. */
  readonly disks: number;
  /** As Holdfast makes it, or as a kernel did that had crashed itself. */
  readonly from: "new" | "journal-raid5-3-writethrough" | "journal-raid5-3-writeback";
}

const SHAPES = [
  { level: "raid5", disks: 3, lost: [2] },
  { level: "raid5", disks: 4, lost: [0] },
  { level: "raid4", disks: 4, lost: [3] },
  { level: "raid6", disks: 4, lost: [1, 2] },
  { level: "raid6", disks: 5, lost: [3] },
] as const;

const GOLDEN = ["journal-raid5-3-writethrough", "journal-raid5-3-writeback"] as const;

const PLANS: readonly Plan[] = [
  ...SHAPES.flatMap(({ level, disks, lost }, i): Plan[] => {
    const shape = { level, disks, from: "new" } as const;
    return [
      { name: `whole${i}`, ...shape, isStopped: false, lost: [] },
      { name: `again${i}`, ...shape, isStopped: false, lost: [] },
      { name: `lost${i}`, ...shape, isStopped: false, lost },
      { name: `stopped${i}`, ...shape, isStopped: true, lost: [] },
    ];
  }),
  ...GOLDEN.flatMap((from, i): Plan[] => {
    const shape = { level: "raid5", disks: 3, from, isStopped: false } as const;
    return [
      { name: `golden${i}`, ...shape, lost: [] },
      { name: `goldenlost${i}`, ...shape, lost: [1] },
    ];
  }),
];

function newDevices(prng: Prng, { level, disks, from }: Plan): ArrayDevice[] {
  if (from !== "new") return goldenDevices(from);
  const layouts = level === "raid6" ? [0, 1, 2, 3, 4, 5, 8, 9, 10, 16, 18] : [0, 1, 2, 3, 4, 5];
  const version = (["1.0", "1.1", "1.2"] as const)[prng.below(3)]!;
  const request = {
    level,
    version,
    layout: level === "raid4" ? null : layouts[prng.below(layouts.length)]!,
    chunkSectors: [8, 16, 64, 128, 512][prng.below(5)]!,
    bitmap: null,
    assumeClean: true,
  };
  // Journals that go round, and some that do not.
  const journalSectors =
    version === "1.0" ? DISK_SECTORS : 2048 + [512, 1024, 8192][prng.below(3)]!;
  return createOnDisks(prng, disks, DISK_SECTORS, request, journalSectors);
}

function scriptOf(name: string, nodes: string): string[] {
  return [
    `mdadm -A --run /dev/md0 ${nodes}`,
    `echo "resync $(md_value md0 resync_start)"`,
    `echo "mode $(md_value md0 journal_mode)"`,
    `look /dev/md0 ${name}`,
    "md_wait md0",
    "echo check >/sys/block/md0/md/sync_action",
    "md_wait md0",
    `echo "mismatches $(md_value md0 mismatch_cnt)"`,
    `look /dev/md0 ${name}-after`,
    "md_stop md0",
  ];
}

peerDescribe(GUEST_PROGRAMS, `write journals written by Holdfast, seed ${SEED}`, () => {
  const judged = judgedCuts({
    seed: SEED,
    plans: PLANS,
    newDevices,
    judgesUnderWay: () => true,
    script: scriptOf,
  });

  it.each(PLANS.map((plan) => [plan.name, plan] as const))("%s", (name, plan) => {
    const { wrong, wanted, job } = judged.get(plan)!;
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(job.passed, job.log).toBe(true);
    expect(job.log).toContain("mode [write-through] write-back");
    expect(job.log).toContain("resync none");
    expect(job.look(name), job.log).toEqual(wanted);
    expect(job.log).toContain("mismatches 0");
    expect(job.look(`${name}-after`), job.log).toEqual(wanted);
  });
});
