/** Whole lives of arrays, and what is to be said of each when it is over. */
import { flush, readSectors } from "../../src/block/promises.ts";
import { Life } from "./array-life.ts";
import type { LifeShape } from "./array-life.ts";

/** All faults are over, and nobody holds it up: it comes to rest. */
async function calm(life: Life): Promise<void> {
  const { managed, disks, wrong } = life;
  for (const disk of disks.failed) disks.recover(disk);
  await life.until(managed.array.suspendWrites({ sector: 0, sectors: 0 }));
  await life.until(managed.setState("active"));
  await life.until(managed.sync.setAction("idle"));
  await life.until(managed.sync.whenAtRest());
  await life.until(flush(managed.array));
  if (managed.array.broken !== null) wrong.push(managed.array.broken.message);
  if (life.content.busy.size > 0) wrong.push("writes have not ended");
}

async function stop(life: Life): Promise<void> {
  const { managed, wrong } = life;
  await life.until(managed.close());
  const { locks, record } = managed.array;
  if (locks.entries > 0) wrong.push(`${locks.entries} range locks are left`);
  if (!record.isClean) wrong.push("it was not marked clean");
}

/** What is wrong; empty when all is well. */
async function verify(life: Life): Promise<string[]> {
  const { managed, content, wrong } = life;
  const { array, sync } = managed;
  await life.until(sync.whenAtRest());
  const least = content.known.map(({ durable }) => durable);
  for (const when of ["at first", "again"]) {
    const data = await life.until(readSectors(array, 0, array.sectors));
    wrong.push(...content.problems(0, data, least).map((text) => `${when}: ${text}`));
  }
  // Started by force it was taken for clean: what a raid6 has too much of may disagree, as after mdadm's.
  if (content.holed.size > 0) await pass(life, "repair");
  await pass(life, "check");
  const { last, mismatches } = sync;
  if (last !== "check" || mismatches > 0) wrong.push(`the last ${last} found ${mismatches}`);
  await stop(life);
  return wrong.slice(0, 10);
}

async function pass(life: Life, word: "check" | "repair"): Promise<void> {
  const { sync } = life.managed;
  // Asking makes it try again what failed before, say a recovery that met a bad sector, and that comes first.
  for (let again = 0; again < 3 && (again === 0 || sync.last !== word); again += 1) {
    await life.until(sync.setAction(word));
    await life.until(sync.whenAtRest());
  }
}

/** Lives once. Null, or what was wrong, with the end of what happened. */
export async function liveOnce(shape: LifeShape, seed: number): Promise<string | null> {
  const life = new Life(shape, seed);
  const told = (what: string): string =>
    [`life ${seed} of ${shape.name}:`, what, ...life.log.slice(-60)].join("\n");
  try {
    await life.start();
    for (let cuts = life.prng.between(1, 3); cuts > 0; cuts -= 1) {
      await life.live(life.prng.between(20, 800));
      if (life.prng.chance(0.5)) await life.lull(life.prng.below(400));
      if (life.prng.chance(0.2)) {
        await calm(life);
        await stop(life);
      }
      life.cut();
      await life.startAgain();
    }
    const wrong = await verify(life);
    return wrong.length === 0 ? null : told(wrong.join("\n"));
  } catch (error) {
    return told(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}
