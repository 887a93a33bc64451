/** Has a guest make planned arrays (array-plan.ts). */
import { stampedSectors, stampInto } from "../support/stamp.ts";
import { hasRedundancy, LARGEST_ARRAY_SECTORS, OVERWRITE_SEED, STAMP_SEEDS } from "./array-plan.ts";
import type { ArrayPlan } from "./array-plan.ts";
import type { Look } from "./guest.ts";
import { diskNode, runJobsInTwo } from "./slices.ts";
import type { DoneJob } from "./slices.ts";

const SPARE_SECTORS = 8 * 2048;

export interface MadeArray {
  readonly plan: ArrayPlan;
  /** What the kernel read before it stopped the array; null if the job failed. */
  readonly look: Look | null;
  readonly log: string;
  /** Path of the image by slot; null for the one absent from the start. */
  readonly images: readonly (string | null)[];
  readonly spareImage: string | null;
}

function device(plan: ArrayPlan, slot: number): string {
  return diskNode(plan.name, slot);
}

function deviceWords(plan: ArrayPlan): string {
  const words = plan.memberSectors.map((_, slot) => {
    if (slot === plan.absent) return "missing";
    const offset = plan.dataOffsetKib === null ? "" : `:${plan.dataOffsetKib[slot]}K`;
    const mostly = plan.writeMostly.includes(slot) ? "--write-mostly " : "";
    return `${mostly}${device(plan, slot)}${offset}`;
  });
  return words.join(" ");
}

function bitmapOption(plan: ArrayPlan): string {
  if (plan.bitmapChunkKib === null) return "--bitmap=none";
  return `--bitmap=internal --bitmap-chunk=${plan.bitmapChunkKib}K`;
}

function createCommand(plan: ArrayPlan): string {
  const options = [
    `-e ${plan.metadata} -l ${plan.level} -n ${plan.memberSectors.length}`,
    plan.metadata === "0.90" ? null : `--name=${plan.name}`,
    plan.chunkKib === null ? null : `-c ${plan.chunkKib}`,
    plan.layout === null ? null : `--layout=${plan.layout}`,
    hasRedundancy(plan.level) ? bitmapOption(plan) : null,
    plan.dataOffsetKib === null ? null : "--data-offset=variable",
    plan.assumeClean ? "--assume-clean" : null,
    plan.memberSectors.length === 1 ? "--force" : null,
    plan.spare ? "-x 1" : null,
    deviceWords(plan),
    plan.spare
      ? device(plan, plan.memberSectors.length) + (plan.dataOffsetKib === null ? "" : ":512K")
      : null,
  ];
  const given = options.filter((word) => word !== null).join(" ");
  return `mdadm -C /dev/md0 --run --homehost=holdfast ${given}`;
}

function jobOf(plan: ArrayPlan): string {
  const last = plan.overwrites.length - 1;
  const lines = [createCommand(plan), "md_wait md0", `stamp /dev/md0 ${plan.seed}`];
  plan.overwrites.forEach((over, i) => {
    if (i === last && plan.fails !== null)
      lines.push(`mdadm /dev/md0 -f ${device(plan, plan.fails)}`);
    lines.push(`overwrite /dev/md0 ${OVERWRITE_SEED} ${over.startPermille} ${over.sectors}`);
  });
  lines.push(`look /dev/md0 ${plan.name}`, "md_stop md0");
  if (!plan.badBlockLog) {
    const alive = plan.memberSectors.flatMap((_, slot) =>
      slot === plan.absent || slot === plan.fails ? [] : [device(plan, slot)],
    );
    lines.push(
      `mdadm -A --run --update=no-bbl /dev/md0 ${alive.join(" ")}`,
      "md_wait md0",
      "md_stop md0",
    );
  }
  return lines.join("\n");
}

function disksOf(plan: ArrayPlan): readonly number[] {
  return plan.spare ? [...plan.memberSectors, SPARE_SECTORS] : plan.memberSectors;
}

function madeArray(plan: ArrayPlan, done: DoneJob): MadeArray {
  const members = done.images.slice(0, plan.memberSectors.length);
  return {
    plan,
    look: done.passed ? done.look(plan.name) : null,
    log: done.log,
    images: members.map((path, slot) => (slot === plan.absent ? null : path)),
    spareImage: done.images[plan.memberSectors.length] ?? null,
  };
}

/** Makes all arrays, in two guests; `folder` gets the images and must be empty. */
export async function makeArrays(
  plans: readonly ArrayPlan[],
  folder: string,
): Promise<MadeArray[]> {
  const jobs = plans.map((plan) => ({
    name: plan.name,
    diskSectors: disksOf(plan),
    script: jobOf(plan),
  }));
  const stamps = [...STAMP_SEEDS, OVERWRITE_SEED].map((seed) => ({
    seed,
    sectors: LARGEST_ARRAY_SECTORS,
  }));
  const done = await runJobsInTwo(jobs, stamps, folder);
  return plans.flatMap((plan) => {
    const found = done.find((each) => each.name === plan.name);
    return found === undefined ? [] : [madeArray(plan, found)];
  });
}

/** What a planned array of that size holds when all its writes are done. */
export function expectedContent(plan: ArrayPlan, bytes: number): Uint8Array {
  const sectors = bytes / 512;
  const content = stampedSectors(plan.seed, 0, sectors);
  for (const over of plan.overwrites) {
    const start = Math.floor((sectors * over.startPermille) / 1000);
    const end = Math.min(sectors, start + over.sectors);
    stampInto(content.subarray(start * 512, end * 512), OVERWRITE_SEED, start);
  }
  return content;
}
