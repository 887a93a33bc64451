/** Story: a run as a log that a person can follow, one line an event. */
import { EXPLORATION, MOST_OPERATIONS } from "./operations.ts";
import type { LogLine } from "./world.ts";
import type { Mutant } from "./mutant.ts";
import { isMapped } from "./script.ts";
import type { Script } from "./script.ts";
import { stackLine } from "./mapped/stack.ts";
import { dataOffsetOf } from "./shape.ts";
import type { Shape } from "./shape.ts";

/** What the words of a story mean. docs/TESTING.md says more. */
export const LEGEND: readonly string[] = [
  "MS                   virtual time since all was made, in milliseconds",
  "write N: S+C         a client writes C sectors from S on; in each of them it says N. Done: it was answered",
  "write N becomes M    the client changes its buffer while the write is under way",
  "write N is over      its connection was lost unanswered, and the server has nothing of it any more",
  "flush, flushed       a client's flush is asked for, and answered",
  "power cut, killed    all disks lose their caches; only the process dies. Behind it: whether superblocks say clean",
  "ail, bad-sector, ... an action of the script (src/sim/script.ts), with its arguments",
  "refused, left out    the array or the start says no, and why; nothing is wrong with that",
  "rest                 faults are over and background sync is waited for; what follows are the checks",
];

function shapeLine(shape: Shape): string {
  const layout = shape.layout === null ? "" : ` layout 0x${shape.layout.toString(16)}`;
  const chunk = shape.chunkSectors === 0 ? "" : `, chunks of ${shape.chunkSectors} sectors`;
  const extras = [
    shape.writeBehind > 0 ? `, write-behind ${shape.writeBehind}` : "",
    shape.badBlockLog ? ", bad block log" : "",
    shape.assumeClean ? "" : ", first sync to be done",
    shape.connections === undefined ? "" : `, clients on ${shape.connections} NBD connections`,
    shape.sharesBuffers ? ", buffers may change under way" : "",
  ];
  const spares = shape.spares === 0 ? "" : ` and ${shape.spares} spare`;
  return (
    `${shape.level}${layout} of ${shape.disks} disks${spares}, ${shape.consistency}${chunk}, ` +
    `${shape.componentSectors} sectors of data on each from sector ${dataOffsetOf(shape)} on${extras.join("")}`
  );
}

export function storyLines(script: Script, log: readonly LogLine[]): string[] {
  const lines = log.map(({ atUs, text }) => `${(atUs / 1000).toFixed(3).padStart(12)}  ${text}`);
  const first = isMapped(script) ? stackLine(script.stack) : shapeLine(script.shape);
  return [`${"MS".padStart(12)}  ${first}`, ...lines];
}

/** Plays the same seed again. */
export function replayCommand({ scenario, seed }: Script, mutant: Mutant | null): string {
  const broken = mutant === null ? "" : ` --mutant ${mutant.name}`;
  const which = scenario === EXPLORATION ? `explore ${MOST_OPERATIONS}` : `scenario ${scenario}`;
  return `holdfast sim --${which}${broken} --seed ${seed}`;
}
