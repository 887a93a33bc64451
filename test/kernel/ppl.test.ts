/**
 * raid5 arrays with a partial parity log that Holdfast was writing when the power failed, some without a member from then on: the kernel
 * must start them, need no resync where Holdfast needs none, find no mismatch, and read what Holdfast reads; and that must be what was
 * promised, with all else untouched. Some were made by Holdfast, some by a kernel that had crashed itself.
 *
 * `HOLDFAST_SEED=N npx vitest run test/kernel/ppl.test.ts` replays a run.
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

interface Plan extends CutPlan {
  readonly disks: number;
  readonly isGolden: boolean;
}

const PLANS: readonly Plan[] = [
  ...[3, 3, 4, 4, 5].flatMap((disks, i): Plan[] => {
    const shape = { disks, isGolden: false, isStopped: false };
    return [
      { name: `whole${i}`, ...shape, lost: [] },
      { name: `lost${i}`, ...shape, lost: [i % disks] },
    ];
  }),
  { name: "golden", disks: 3, isGolden: true, isStopped: false, lost: [] },
  { name: "goldenlost", disks: 3, isGolden: true, isStopped: false, lost: [1] },
];

function newDevices(prng: Prng, { disks, isGolden }: Plan): ArrayDevice[] {
  if (isGolden) return goldenDevices("ppl-raid5-3");
  return createOnDisks(prng, disks, 8 * 2048, {
    level: "raid5",
    layout: prng.below(6),
    version: (["1.0", "1.1", "1.2"] as const)[prng.below(3)]!,
    chunkSectors: [8, 16, 64, 128, 512][prng.below(5)]!,
    consistencyPolicy: "ppl",
    bitmap: null,
    assumeClean: true,
  });
}

function scriptOf(name: string, nodes: string): string[] {
  const speed = (kib: number): string =>
    `for end in min max; do echo ${kib} >/proc/sys/dev/raid/speed_limit_$end; done`;
  return [
    // A resync that is due must not be over before it is seen.
    speed(1),
    `mdadm -A --run /dev/md0 ${nodes}`,
    `echo "resync $(md_value md0 resync_start)"`,
    `echo "policy $(md_value md0 consistency_policy)"`,
    `look /dev/md0 ${name}`,
    speed(1_000_000),
    "md_wait md0",
    "echo check >/sys/block/md0/md/sync_action",
    "md_wait md0",
    `echo "mismatches $(md_value md0 mismatch_cnt)"`,
    "md_stop md0",
  ];
}

peerDescribe(GUEST_PROGRAMS, `partial parity logs written by Holdfast, seed ${SEED}`, () => {
  const judged = judgedCuts({
    seed: SEED,
    plans: PLANS,
    newDevices,
    judgesUnderWay: ({ lost }) => lost.length === 0,
    script: scriptOf,
  });

  it.each(PLANS.map((plan) => [plan.name, plan] as const))("%s", (name, plan) => {
    const { wrong, wanted, isMended, job } = judged.get(plan)!;
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(job.passed, job.log).toBe(true);
    expect(job.log).toContain("policy ppl");
    expect(job.look(name), job.log).toEqual(wanted);
    expect(job.log).toContain("mismatches 0");
    // A resync that is due may have come some way already. Without a member there is none, which the kernel finds out in its own time.
    const needsNone = job.log.includes("resync none");
    expect(needsNone || plan.lost.length > 0, job.log).toBe(isMended || plan.lost.length > 0);
  });

  it("make a resync needless where the last log is not torn", () => {
    const mended = [...judged.values()].filter((one) => one.isMended);
    expect(mended.length).toBeGreaterThan(PLANS.length / 4);
  });
});
