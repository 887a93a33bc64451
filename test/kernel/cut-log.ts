/**
 * What tests of logs (partial parity, write journal) share: Holdfast writes an array until the power fails, some disks are gone from
 * then on, Holdfast reads what is left, and the kernel is asked for its own view of the same images.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { readSectors, writeSectors } from "../../src/block/promises.ts";
import { ArrayDevice } from "../support/array-device.ts";
import { contentsOf, History } from "../support/cut-history.ts";
import { goldenCase, sha256, unpackImage } from "../support/golden.ts";
import { VirtualTime } from "../support/virtual-time.ts";
import { runArray } from "../support/written-array.ts";
import { diskNode, runJobs, saveImages } from "./slices.ts";
import type { DoneJob, Job } from "./slices.ts";

export interface CutPlan {
  /** A shell word. */
  readonly name: string;
  /** These disks are gone after the crash. */
  readonly lost: readonly number[];
  /** The array was stopped in order before. */
  readonly isStopped: boolean;
}

export interface Cut {
  /** Without those that are lost. */
  readonly images: readonly Uint8Array[];
  /** What Holdfast reads. */
  readonly content: Uint8Array;
  /** By Holdfast's judgement no resync is due. */
  readonly isMended: boolean;
  readonly wrong: readonly string[];
}

/** How arrays of a kind are made and looked at. */
export interface CutKind<P extends CutPlan> {
  readonly seed: number;
  readonly plans: readonly P[];
  /** Disks of a new array, or of one that a kernel made. */
  readonly newDevices: (prng: Prng, plan: P) => ArrayDevice[];
  /** Sectors of which a write under way left several versions possible are judged too. */
  readonly judgesUnderWay: (plan: P) => boolean;
  /** What the guest does with the disks. */
  readonly script: (name: string, nodes: string) => readonly string[];
}

/** Disks that hold this. */
function onDevices(images: readonly Uint8Array[]): ArrayDevice[] {
  return images.map((image, i) => {
    const device = new ArrayDevice(image.length / 512, {}, `d${i}`);
    device.bytes.set(image);
    return device;
  });
}

/** The disks of a golden case. */
export function goldenDevices(name: string): ArrayDevice[] {
  const golden = goldenCase(name);
  return onDevices(golden.members.map((_one, i) => unpackImage(golden, i)));
}

/** Filled with sectors of version 0, and stopped. */
async function firstImages(devices: readonly ArrayDevice[]): Promise<Uint8Array[]> {
  const array = await runArray(devices, new VirtualTime());
  await writeSectors(array, 0, contentsOf(0, array.sectors, 0));
  await array.close();
  return devices.map(({ bytes }) => bytes);
}

/** Some of the writes under way are there, some not. */
function cutOff(prng: Prng, { disks }: History): Uint8Array[] {
  const end = disks.log.length;
  const { certain, possible } = disks.at(end);
  const there = new Set<unknown>(possible.filter(() => prng.chance(0.5)));
  return disks.imagesWith(end, (write) => certain.has(write) || there.has(write));
}

async function stop({ array, disks }: History): Promise<void> {
  let isStopped = false;
  const stopped = array.close().finally(() => (isStopped = true));
  while (!isStopped) await disks.pump();
  await stopped;
}

async function cut<P extends CutPlan>(kind: CutKind<P>, plan: P): Promise<Cut> {
  const prng = new Prng(kind.seed + kind.plans.indexOf(plan));
  const history = new History(await firstImages(kind.newDevices(prng, plan)));
  await history.start(runArray);
  const stripeSectors = history.array.limits.optimalIoBytes / 512;
  await history.random(prng, 30, Math.max(60, 2 * stripeSectors));
  if (plan.isStopped) await stop(history);
  const all = cutOff(prng, history);
  const images = all.filter((_image, disk) => !plan.lost.includes(disk));
  const array = await runArray(onDevices(images), new VirtualTime());
  const content = await readSectors(array, 0, array.sectors);
  const isMended = array.record.resyncOffsetSectors === Infinity;
  const end = history.disks.log.length;
  const wrong = history.wrongSectors(end, content, () => kind.judgesUnderWay(plan));
  return { images, content, isMended, wrong };
}

export interface JudgedCut extends Cut {
  readonly job: DoneJob;
  /** As a look at what Holdfast reads would be. */
  readonly wanted: { readonly bytes: number; readonly sha256: string };
}

/** To be called inside a `describe`: before its tests all arrays are written and cut off, and the kernel has looked at them. */
export function judgedCuts<P extends CutPlan>(kind: CutKind<P>): ReadonlyMap<P, JudgedCut> {
  const judged = new Map<P, JudgedCut>();
  let folder = "";

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-cut-log-"));
    const jobs: Job[] = [];
    const cuts: Cut[] = [];
    for (const plan of kind.plans) {
      const { name } = plan;
      const made = await cut(kind, plan);
      cuts.push(made);
      const from = saveImages(
        name,
        made.images.map((bytes) => ({ bytes })),
        folder,
      );
      const nodes = made.images.map((_bytes, disk) => diskNode(name, disk)).join(" ");
      jobs.push({
        name,
        diskSectors: made.images.map((bytes) => bytes.length / 512),
        from,
        script: kind.script(name, nodes).join("\n"),
      });
    }
    const guest = join(folder, "guest");
    mkdirSync(guest);
    const done = await runJobs(jobs, [], guest);
    kind.plans.forEach((plan, at) => {
      const made = cuts[at]!;
      const job = done.find(({ name }) => name === plan.name)!;
      const wanted = { bytes: made.content.length, sha256: sha256(made.content) };
      judged.set(plan, { ...made, job, wanted });
    });
  }, 300_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return judged;
}
