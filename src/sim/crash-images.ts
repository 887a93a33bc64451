/**
 * Crash images: what a power cut in the middle of a story leaves on the disks, and what may be read of the array that somebody else,
 * a kernel above all, starts from them.
 */
import { SECTOR_BYTES } from "../base/units.ts";
import type { MdLevel } from "../formats/md/superblock.ts";
import { decodeSuperblock1 } from "../formats/md/superblock-1.ts";
import { Life } from "./life.ts";
import type { Mutant } from "./mutant.ts";
import type { ArrayScript } from "./script.ts";
import { mayNeedForce } from "./shape.ts";

/** Superblocks 1.2 lie here. */
const SUPER_SECTOR = 8;
const SUPER_BYTES = 4096;

export interface MemberImage {
  /** Of the disk; journal and spares come last. */
  readonly number: number;
  readonly content: Uint8Array;
}

/** Sectors that may hold the write `least`, `newest`, and whatever was written there between them. 0: nobody wrote. Least -1: anything. */
export interface Held {
  readonly sector: number;
  readonly sectors: number;
  readonly least: number;
  readonly newest: number;
}

export interface CrashImages {
  readonly level: MdLevel;
  /** Disks that had failed are there again. Left out are those whose superblock is torn or says nothing yet: mdadm does not take them. */
  readonly members: readonly MemberImage[];
  /** Parity was short of a member: it may be that nobody starts the array but by force. */
  readonly needsForce: boolean;
  /** In order; sectors between them were never written. */
  readonly held: readonly Held[];
  /** What is wrong with the volume as it was read, a line each. */
  readonly wrongIn: (content: Uint8Array) => readonly string[];
}

/** The story up to its last power cut; null: there is none, it was never told so far, or disks did there what nobody survives. */
export async function crashImages(
  script: ArrayScript,
  mutant: Mutant | null,
): Promise<CrashImages | null> {
  const { shape, steps } = script;
  const last = steps.findLastIndex(({ action }) => action.do === "cut");
  if (last < 0) return null;
  const life = await Life.begin(script, mutant);
  for (const { action, events } of steps.slice(0, last)) {
    await life.act(action);
    await life.world.steps(events);
  }
  const isShort = life.crash(true);
  const { machine, oracle } = life;
  if (machine.wrong.length > 0 || machine.wasForced || !machine.isHonest) return null;
  const floors = oracle.floors(0, oracle.sectors, "durable");
  return {
    level: shape.level,
    members: machine.disks
      .map((disk, number) => ({ number, content: disk.image() }))
      .filter(({ content }) => hasSuperblock(content)),
    needsForce: isShort && mayNeedForce(shape),
    held: heldRuns(floors, oracle.newest()),
    wrongIn: (content) =>
      content.length < oracle.sectors * SECTOR_BYTES
        ? [`${content.length} bytes could be read, and there are ${oracle.sectors} sectors`]
        : oracle.wrongIn(0, content, floors),
  };
}

function hasSuperblock(image: Uint8Array): boolean {
  const from = SUPER_SECTOR * SECTOR_BYTES;
  const place = { sector: SUPER_SECTOR, deviceSectors: image.length / SECTOR_BYTES };
  return decodeSuperblock1(image.subarray(from, from + SUPER_BYTES), "1.2", place).kind === "ok";
}

function heldRuns(floors: Int32Array, newest: Int32Array): Held[] {
  const runs: Held[] = [];
  for (let start = 0; start < floors.length;) {
    let end = start + 1;
    while (end < floors.length && floors[end] === floors[start] && newest[end] === newest[start])
      end += 1;
    const [least, most] = [floors[start]!, newest[start]!];
    if (least !== 0 || most !== 0)
      runs.push({ sector: start, sectors: end - start, least, newest: most });
    start = end;
  }
  return runs;
}
