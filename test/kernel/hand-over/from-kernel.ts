/** Holdfast takes over what the kernel left in the middle of something, and carries on. */
import { Prng } from "../../../src/base/prng.ts";
import type { ArrayDevice } from "../../support/array-device.ts";
import { writeScattered } from "../../support/written-array.ts";
import { checked, loadDisks, lookAt } from "../taken-over.ts";
import type { Look } from "../guest.ts";
import { RunningSubject, checkpointOf, dirtyIn } from "./holdfast-side.ts";
import type { Runs, Touched } from "./holdfast-side.ts";
import type { Subject } from "./plan.ts";

const WRITES = 24;

export interface CarriedOn {
  readonly disks: readonly ArrayDevice[];
  /** What it did by itself: md's last_sync_action. */
  readonly synced: string;
  /** The recorded place from which it had to go on; null: none. */
  readonly checkpoint: number | null;
  /** By background sync. */
  readonly touched: readonly Touched[];
  /** As found. */
  readonly dirty: Runs | null;
  readonly componentSectors: number;
  readonly arraySectors: number;
  readonly degraded: number;
  readonly mismatches: number;
  readonly content: Uint8Array;
  /** After Holdfast's own writes. */
  readonly after: Look;
}

export async function carryOn(subject: Subject, images: readonly string[]): Promise<CarriedOn> {
  const prng = new Prng(subject.seed ^ 1);
  const disks = loadDisks(images);
  const { state, slots, lost } = subject;
  const dirty = await dirtyIn(disks.filter((_disk, slot) => state !== "re-added" || slot !== lost));
  const running = await new RunningSubject(disks).start(
    state === "degraded" ? disks.slice(0, slots) : disks,
  );
  const checkpoint = checkpointOf(running);
  if (state === "degraded") await running.add(disks[slots]!, prng);
  if (state === "re-added") await running.takeBack(disks[lost]!);
  await running.rest();
  const { managed, time } = running;
  const { degraded, record } = managed.array;
  const { componentSectors } = record;
  const touched = running.touched();
  const arraySectors = managed.array.sectors;
  const found = { checkpoint, dirty, componentSectors, arraySectors };
  const common = { ...found, disks, touched, synced: managed.sync.last };
  const content = await running.content();
  const mismatches = await checked(managed, time);
  const written = content.slice();
  await time.until(writeScattered(prng, managed.array, written, WRITES));
  await running.close();
  return { ...common, degraded, content, mismatches, after: lookAt(written) };
}
