/**
 * Reshapes that no kernel is in the middle of: it refuses to start them, so what a superblock says of one is damaged, and reading
 * either side of its position would be a guess. Rules: raid5_run in drivers/md/raid5.c, setup_conf and setup_geo in raid10.c; of the
 * other levels none can be found in a reshape.
 */
import type { MdReshape, MdShape, MdSuperblock } from "../formats/md/superblock.ts";
import { dataDisks } from "./critical-section.ts";
import { parseRaid10Layout } from "./geometry/raid10.ts";

/** Why such a reshape cannot be, without a subject; null when nothing speaks against it. */
export function reshapeProblem({ reshape, hasJournal, ppl }: MdSuperblock): string | null {
  if (reshape === null) return null;
  const { before, after } = reshape;
  if (before.level !== after.level)
    return `from ${before.level} to ${after.level}, and levels change before a reshape or after it, never by it`;
  switch (before.level) {
    case "linear":
    case "raid0":
    case "raid1":
      return `of a ${before.level}, which is never reshaped`;
    case "raid4":
    case "raid5":
    case "raid6":
      if (hasJournal || ppl !== null)
        return "although it has a journal or a partial parity log, with which no array is reshaped";
      return parityProblem(reshape);
    case "raid10":
      return raid10Problem(before, after);
  }
}

function parityProblem({ before, after, positionSectors }: MdReshape): string | null {
  const stripe = Math.max(before.chunkSectors, after.chunkSectors) * dataDisks(after);
  if (positionSectors % stripe !== 0)
    return `at sector ${positionSectors}, which is inside a stripe of ${stripe} sectors`;
  return null;
}

function raid10Problem(before: MdShape, after: MdShape): string | null {
  const old = parseRaid10Layout(before.layout, before.raidDisks);
  const young = parseRaid10Layout(after.layout, after.raidDisks);
  if (old === null || young === null) return "of a layout that there is not";
  if (old.near * old.far !== young.near * young.far)
    return `from ${old.near * old.far} to ${young.near * young.far} copies, whose number never changes`;
  if ([old, young].some(({ far, offset }) => far > 1 && !offset))
    return "of a raid10 with far copies, which is never reshaped";
  return null;
}
