/** What must hold when all is over: contents as promised, copies and parity alike, nothing left behind. */
import { readSectors } from "../block/promises.ts";
import type { Life } from "./life.ts";

/** Read twice: what background sync has made of it does not come and go. */
export async function checkContent({ machine, oracle, world }: Life): Promise<string[]> {
  const { array } = machine.managed;
  const least = oracle.floors(0, oracle.sectors, "acknowledged");
  const wrong: string[] = [];
  let first: Uint8Array | null = null;
  for (const when of ["at the end", "read again"]) {
    const data = await world.until("reading", readSectors(array, 0, array.sectors));
    wrong.push(...oracle.wrongIn(0, data, least).map((text) => `${when}: ${text}`));
    if (first !== null && Buffer.compare(first, data) !== 0)
      wrong.push("two reads, and nobody wrote: not the same");
    first = data;
  }
  return wrong;
}

/** A check finds nothing, it can be stopped, and it leaves nothing behind. */
export async function checkAtRest({ machine, oracle, world }: Life): Promise<string[]> {
  const { managed } = machine;
  const { array, sync } = managed;
  const wrong: string[] = [];
  const pass = async (word: "check" | "repair"): Promise<void> => {
    // Asking makes it try again what failed before, and that comes first.
    for (let again = 0; again < 3 && (again === 0 || sync.last !== word); again += 1) {
      await world.until(word, sync.setAction(word));
      await world.until(`the end of ${word}`, sync.whenAtRest());
    }
  };
  // Started by force it was taken for clean: what parity has too much of may disagree, as after mdadm's.
  if (oracle.lost.size > 0) await pass("repair");
  await pass("check");
  if (sync.last !== "check" || sync.mismatches > 0)
    wrong.push(`the last ${sync.last} found ${sync.mismatches} sectors that differ`);
  if (array.broken !== null) wrong.push(array.broken.message);
  if (oracle.busy.size > 0) wrong.push("writes have not ended");
  await world.until("stopping", managed.close());
  if (array.locks.entries > 0) wrong.push(`${array.locks.entries} range locks are left`);
  if (!array.record.isClean) wrong.push("it was not marked clean");
  return wrong;
}
