/** Arrays as a killed daemon left them, given to the real kernel: copies of their images, and what may be read of them. */
import { copyFileSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { diskNode, runJobs } from "../kernel/slices.ts";
import type { DoneJob, Job } from "../kernel/slices.ts";
import type { CrashArray } from "./crash-array.ts";

export interface CrashedCopy {
  readonly name: string;
  readonly title: string;
  readonly images: readonly string[];
  readonly wrongIn: (content: Uint8Array) => string[];
}

/** Of version 1.2. */
function hasSuperblock(path: string): boolean {
  return readFileSync(path).readUInt32LE(4096) === 0xa92b4efc;
}

/** To be called before anything is started again. */
export function copyCrashed(array: CrashArray, round: number, folder: string): CrashedCopy {
  const name = `r${round}${array.shape.name}`;
  const own = join(folder, name);
  mkdirSync(own, { recursive: true });
  // mdadm takes no device that was never a member.
  const images = array.images.filter(hasSuperblock).map((path) => {
    const copy = join(own, basename(path));
    copyFileSync(path, copy);
    return copy;
  });
  const title = `${array.shape.title}, kill ${round + 1}`;
  return { name, title, images, wrongIn: array.judge() };
}

function jobOf({ name, images }: CrashedCopy): Job {
  const nodes = images.map((_path, disk) => diskNode(name, disk)).join(" ");
  const script = [
    `mdadm -A --run /dev/md0 ${nodes}`,
    `dd if=/dev/md0 of=$H/${name}.first bs=1M status=none`,
    "echo idle >/sys/block/md0/md/sync_action",
    "md_check md0",
    "blockdev --flushbufs /dev/md0",
    `dd if=/dev/md0 of=$H/${name}.synced bs=1M status=none`,
    "md_stop md0",
  ].join("\n");
  const diskSectors = images.map((path) => statSync(path).size / 512);
  return { name, diskSectors, from: images, script };
}

function judge({ name, title, wrongIn }: CrashedCopy, job: DoneJob, share: string): string[] {
  const wrong: string[] = [];
  if (!job.passed || !job.log.includes("mismatches 0\n")) wrong.push(`failed: ${job.log}`);
  else
    for (const when of ["first", "synced"])
      wrong.push(...wrongIn(readFileSync(join(share, `${name}.${when}`))).slice(0, 5));
  return wrong.map((line) => `${title}: ${line}`);
}

/** All in one guest. @param folder empty. @returns what is wrong, a text each */
export async function askKernel(
  copies: readonly CrashedCopy[],
  folder: string,
): Promise<readonly string[]> {
  mkdirSync(folder, { recursive: true });
  const done = await runJobs(copies.map(jobOf), [], folder);
  return copies.flatMap((copy, at) => judge(copy, done[at]!, join(folder, "share")));
}
