/**
 * Has a guest make planned arrays. All members are slices of one big sparse disk (dm-linear), so that one
 * boot makes dozens of arrays, one job after the other; afterwards each slice is copied out into an image of its own.
 */
import { closeSync, mkdirSync, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { emptyDisk } from "../support/temp.ts";
import { writeSparse } from "../../scripts/sparse.mjs";
import { stampedSectors, stampInto, writeStampFile } from "../support/stamp.ts";
import { hasRedundancy, LARGEST_ARRAY_SECTORS, OVERWRITE_SEED, STAMP_SEEDS } from "./array-plan.ts";
import type { ArrayPlan } from "./array-plan.ts";
import { bootGuest, looksOf } from "./guest.ts";
import type { Look } from "./guest.ts";

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

/** A member's slice of the big disk. */
interface Slice {
  readonly name: string;
  readonly start: number;
  readonly sectors: number;
}

function device(plan: ArrayPlan, slot: number): string {
  return `/dev/mapper/${plan.name}m${slot}`;
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

function slicesOf(plans: readonly ArrayPlan[]): Slice[] {
  const slices: Slice[] = [];
  let start = 0;
  for (const plan of plans) {
    const sizes = plan.spare ? [...plan.memberSectors, SPARE_SECTORS] : plan.memberSectors;
    sizes.forEach((sectors, slot) => {
      slices.push({ name: `${plan.name}m${slot}`, start, sectors });
      start += Math.ceil(sectors / 8) * 8;
    });
  }
  return slices;
}

function copyOut(disk: number, slice: Slice, folder: string): string {
  const data = new Uint8Array(slice.sectors * 512);
  readSync(disk, data, 0, data.length, slice.start * 512);
  const path = join(folder, `${slice.name}.img`);
  writeSparse(path, data);
  return path;
}

const SCRIPT = `set -e
mods dm-mod linear raid0 raid1 raid10 raid456
echo 1000000 >/proc/sys/dev/raid/speed_limit_min
`;

/** Makes all arrays in one guest; `folder` gets the images and must outlive them. */
export async function makeArrays(
  plans: readonly ArrayPlan[],
  folder: string,
): Promise<MadeArray[]> {
  const share = join(folder, "share");
  mkdirSync(share);
  const slices = slicesOf(plans);
  const end = slices.reduce((most, each) => Math.max(most, each.start + each.sectors), 0);
  const disk = emptyDisk(join(folder, "disk.img"), Math.ceil(end / 8) * 4096);
  for (const seed of [...STAMP_SEEDS, OVERWRITE_SEED]) {
    writeStampFile(join(share, `stamp-${seed}`), seed, LARGEST_ARRAY_SECTORS);
  }
  for (const plan of plans) writeFileSync(join(share, `${plan.name}.job`), `${jobOf(plan)}\n`);
  const words = slices.map((each) => `${each.name}:${each.start}:${each.sectors}`).join(" ");
  const names = plans.map((plan) => plan.name).join(" ");
  const run = await bootGuest({
    disks: [disk],
    shareDir: share,
    timeoutMs: 240_000,
    script: `${SCRIPT}\nslices $d0 ${words}\njobs_of ${names}`,
  });
  const looks = looksOf(run);
  const passed = new Set(
    run
      .text("jobs")
      .split("\n")
      .filter((line) => line.endsWith(" 0")),
  );
  const file = openSync(disk, "r");
  try {
    return plans.map((plan) => ({
      plan,
      look: passed.has(`${plan.name} 0`) ? (looks.get(plan.name) ?? null) : null,
      log: run.text(`${plan.name}.log`),
      ...imagesOf(plan, slices, file, folder),
    }));
  } finally {
    closeSync(file);
  }
}

function imagesOf(
  plan: ArrayPlan,
  slices: readonly Slice[],
  disk: number,
  folder: string,
): Pick<MadeArray, "images" | "spareImage"> {
  const own = slices.filter((each) => each.name.startsWith(`${plan.name}m`));
  const paths = own.map((slice, slot) =>
    slot === plan.absent ? null : copyOut(disk, slice, folder),
  );
  return {
    images: paths.slice(0, plan.memberSectors.length),
    spareImage: paths[plan.memberSectors.length] ?? null,
  };
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
