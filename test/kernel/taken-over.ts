/** Has Holdfast run an array of the kernel's, for writing, on copies of its disks in memory, and the kernel take it back. */
import { readFileSync } from "node:fs";
import type { Prng } from "../../src/base/prng.ts";
import { readSectors } from "../../src/block/promises.ts";
import type { ManagedArray } from "../../src/md/running/managed-array.ts";
import { ArrayDevice } from "../support/array-device.ts";
import { sha256 } from "../support/golden.ts";
import { VirtualTime } from "../support/virtual-time.ts";
import { runDisks, writeAllOver } from "../support/written-array.ts";
import { hasRedundancy } from "./array-plan.ts";
import type { MadeArray } from "./array-jobs.ts";
import { diskNode, saveImages } from "./slices.ts";
import type { Job } from "./slices.ts";
import type { Look } from "./guest.ts";

const WRITES = 40;

export interface TakenOver {
  /** What Holdfast read before it wrote. */
  readonly before: Look;
  /** Found by Holdfast's check, sectors. */
  readonly mismatches: number;
  /** What the array holds when Holdfast has written. */
  readonly after: Look;
  /** For the kernel to take it back. */
  readonly job: Job;
}

export function loadDisks(paths: readonly string[]): ArrayDevice[] {
  return paths.map((path, i) => {
    const bytes = readFileSync(path);
    const device = new ArrayDevice(bytes.length / 512, {}, `d${i}`);
    device.bytes.set(bytes);
    return device;
  });
}

/** What Holdfast's own check finds, sectors. */
export async function checked(managed: ManagedArray, time: VirtualTime): Promise<number> {
  const { sync } = managed;
  await time.until(sync.whenAtRest());
  await time.until(sync.setAction("check"));
  await time.until(sync.whenAtRest());
  return sync.mismatches;
}

export function lookAt(content: Uint8Array): Look {
  return { bytes: content.length, sha256: sha256(content) };
}

export async function takeOver(
  prng: Prng,
  array: MadeArray,
  folder: string,
  isStopped: boolean,
): Promise<TakenOver> {
  const { plan, images, spareImage } = array;
  const present = [...images, spareImage].filter((path) => path !== null);
  const disks = loadDisks(present);
  const time = new VirtualTime();
  const managed = await runDisks(prng.shuffle(disks), time);
  const running = managed.array;
  const before = lookAt(await readSectors(running, 0, running.sectors));
  const mismatches = await checked(managed, time);
  const after = lookAt(await time.until(writeAllOver(prng, running, WRITES)));
  if (isStopped) await time.until(managed.close());
  const name = `${plan.name}back`;
  const nodes = disks.map((_disk, i) => diskNode(name, i)).join(" ");
  const check = ["md_wait md0", "md_check md0", `look /dev/md0 ${name}-after`];
  const job = {
    name,
    diskSectors: disks.map(({ sectors }) => sectors),
    from: saveImages(name, disks, folder),
    script: [
      `mdadm -A /dev/md0 ${nodes}`,
      `look /dev/md0 ${name}`,
      ...(hasRedundancy(plan.level) ? check : []),
      "md_stop md0",
    ].join("\n"),
  };
  return { before, mismatches, after, job };
}
