/** What must hold when all is over: contents as promised, copies and parity alike, nothing left behind. */
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { BlockDevice } from "../block/device.ts";
import { readInto } from "../block/promises.ts";
import type { Life } from "./life.ts";
import type { Machine } from "./machine.ts";

const PIECE_SECTORS = 256;
const REST_MS = 10_000;
const REST_STEP_MS = 20;
/** For all runs of a thread, which come one after the other: what is read, and read again. */
const scratch = [new Uint8Array(0), new Uint8Array(0)];

/** @param which of the scratch buffers it is read into */
export async function readAll(device: BlockDevice, which: 0 | 1): Promise<Uint8Array> {
  const bytes = device.sectors * SECTOR_BYTES;
  if (scratch[which]!.length < bytes) scratch[which] = new Uint8Array(bytes);
  const data = scratch[which]!.subarray(0, bytes);
  for (let at = 0; at < device.sectors; at += PIECE_SECTORS) {
    const piece = data.subarray(at * SECTOR_BYTES, (at + PIECE_SECTORS) * SECTOR_BYTES);
    await readInto(device, at, piece);
  }
  return data;
}

/** Read twice: what background sync has made of it does not come and go. */
export async function checkContent({ machine, oracle, world }: Life): Promise<string[]> {
  const { array } = machine.managed;
  const least = oracle.floors(0, oracle.sectors, "acknowledged");
  const wrong: string[] = [];
  const first = await world.until("reading", readAll(array, 0));
  wrong.push(...oracle.wrongIn(0, first, least).map((text) => `at the end: ${text}`));
  const second = await world.until("reading again", readAll(array, 1));
  if (Buffer.compare(first, second) !== 0) {
    wrong.push("two reads, and nobody wrote: not the same");
    wrong.push(...oracle.wrongIn(0, second, least).map((text) => `read again: ${text}`));
  }
  return wrong;
}

/** Background work (marking it clean, clearing bits) takes a moment at a time and ends: what is out all the while is never given back. */
async function outAtRest({ process, world }: Machine): Promise<string[]> {
  for (let leftMs = REST_MS; process.books.out.length > 0 && leftMs > 0; leftMs -= REST_STEP_MS)
    await world.pass(REST_STEP_MS * 1000);
  return process.books.out;
}

/** A check finds nothing, it can be stopped, and it leaves nothing behind. */
export async function checkAtRest({ machine, oracle, world }: Life): Promise<string[]> {
  const { managed } = machine;
  const { array, sync } = managed;
  const wrong: string[] = [];
  const ask = async (word: "check" | "repair"): Promise<void> => {
    try {
      // All of it, also where somebody had interrupted one.
      sync.settings.setMin(0);
      await sync.setAction(word);
    } catch (error) {
      // A member that the last pass found bad has left, and a spare is being filled in its place.
      if (!(error instanceof HoldfastError) || error.code !== "busy") throw error;
    }
  };
  const pass = async (word: "check" | "repair"): Promise<void> => {
    // Asking makes it try again what failed before, and that comes first.
    for (let again = 0; again < 3 && (again === 0 || sync.last !== word); again += 1) {
      await world.until(word, ask(word));
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
  wrong.push(...(await outAtRest(machine)).map((line) => `at rest ${line}`));
  await world.until("stopping", managed.close());
  const { books } = machine.process;
  wrong.push(...books.out.map((line) => `after it was stopped ${line}`));
  if (array.locks.entries > 0) wrong.push(`${array.locks.entries} range locks are left`);
  if (!array.record.isClean) wrong.push("it was not marked clean");
  if (wrong.length === 0) {
    await world.until("a last look at the disks", machine.look());
    wrong.push(...machine.wrong);
  }
  await world.until("letting go of the disks", machine.letGo());
  if (books.timers > 0) wrong.push(`${books.timers} timers are left`);
  return wrong;
}
