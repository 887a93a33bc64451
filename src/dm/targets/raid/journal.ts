/**
 * The journal device of a raid4, raid5 or raid6: md's write journal on a device of its own, without a superblock. Nobody records where its log
 * begins: kernels look at 0, so there it begins always. Facts: docs/kernel/dm-raid.md.
 */
import { readSectors } from "../../../block/promises.ts";
import { R5_BLOCK_SECTORS, decodeR5Meta, r5Seed } from "../../../formats/md/r5-log.ts";
import type { MdCandidate } from "../../../md/candidate.ts";
import type { TargetDevice } from "../../target.ts";
import { asJournalSuperblock } from "./superblock.ts";
import type { SetState } from "./superblock.ts";

/** The kernel's MIN_RAID456_JOURNAL_SPACE. */
export const MIN_JOURNAL_SECTORS = 8192;

export function journalOf(set: SetState, { id, device }: TargetDevice): MdCandidate {
  return { path: id, device, superblock: asJournalSuperblock(set, device.sectors) };
}

/** Whether there is a log to replay, be it empty. */
export async function hasLog({ device }: TargetDevice): Promise<boolean> {
  const first = await readSectors(device, 0, R5_BLOCK_SECTORS);
  // The id of the set, of which the log's sums are made, is zeros.
  const log = { sectors: device.sectors, seed: r5Seed(new Uint8Array(16)) };
  return decodeR5Meta(first, log, 0, null).kind === "ok";
}
