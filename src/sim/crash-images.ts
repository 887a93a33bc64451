/**
 * Crash images: what a power cut in the middle of a story leaves on the disks, and what may be read of the array that somebody else,
 * a kernel above all, starts from them.
 */
import { Life } from "./life.ts";
import type { Script } from "./script.ts";
import { mayNeedForce } from "./shape.ts";

export interface CrashImages {
  /** Of all disks, by their numbers; journal and spares come last. Those that had failed are there again. */
  readonly disks: readonly Uint8Array[];
  /** Parity was short of a member: it may be that nobody starts the array but by force. */
  readonly needsForce: boolean;
  /** What is wrong with the volume as it was read, a line each. */
  readonly wrongIn: (content: Uint8Array) => readonly string[];
}

/** The story up to its last power cut; null: there is none, or it was never told so far. */
export async function crashImages(script: Script): Promise<CrashImages | null> {
  const { shape, steps } = script;
  const last = steps.findLastIndex(({ action }) => action.do === "cut");
  if (last < 0) return null;
  const life = await Life.begin(script, null);
  for (const { action, events } of steps.slice(0, last)) {
    await life.act(action);
    await life.world.steps(events);
  }
  const isShort = life.crash(true);
  const { machine, oracle } = life;
  if (machine.wrong.length > 0 || machine.wasForced) return null;
  const floors = oracle.floors(0, oracle.sectors, "durable");
  return {
    disks: machine.disks.map((disk) => disk.image()),
    needsForce: isShort && mayNeedForce(shape),
    wrongIn: (content) => oracle.wrongIn(0, content, floors),
  };
}
