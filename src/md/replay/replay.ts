/**
 * What a kernel would write to the members before the first read, laid over them in memory instead:
 *
 *   partial parity log   parity blocks of stripes that were being written    over members
 *   write journal        stripes that it holds complete                      over members
 *                        data whose parity was not made yet                  over the volume
 *   reshape backup       the stripes right at the reshape position           over the volume, and the position moves
 *
 * Data without parity goes over the volume and not over the member: the members still hold a consistent old stripe, from
 * which a missing block can be rebuilt only as long as nothing of it is replaced.
 */
import { SECTOR_BYTES } from "../../base/units.ts";
import type { BlockDevice } from "../../block/device.ts";
import { layOver } from "../../devices/patched.ts";
import type { Patch } from "../../devices/patched.ts";
import type { MdReshape } from "../../formats/md/superblock.ts";
import type { MdCandidate } from "../candidate.ts";
import type { AssemblyPlan } from "../plan.ts";
import { replayBackup } from "./backup.ts";
import { replayJournal } from "./journal.ts";
import { replayPpl } from "./ppl.ts";

export interface ReplayOptions {
  readonly backup: BlockDevice | null;
  readonly replayLimitBytes: number;
}

export interface ReplayResult {
  readonly notes: readonly string[];
  /** The reshape as it stands after the backup was taken into account. */
  readonly reshape: MdReshape | null;
  /** The member's device with what was replayed over it. */
  deviceOf(candidate: MdCandidate): BlockDevice;
  overVolume(volume: BlockDevice): Promise<BlockDevice>;
}

export async function replayLogs(
  plan: AssemblyPlan,
  options: ReplayOptions,
): Promise<ReplayResult> {
  const backup = await replayBackup(plan, options.backup, options.replayLimitBytes);
  const ppl = await replayPpl(plan);
  const journal = await replayJournal(plan, options.replayLimitBytes);
  const replays = [backup.replay, ppl, journal];

  const patched = new Map<MdCandidate, BlockDevice>();
  for (const replay of replays) {
    for (const [candidate, patches] of replay.members) {
      const base = patched.get(candidate) ?? candidate.device;
      patched.set(candidate, await layOver(base, insideOf(base, patches)));
    }
  }
  const volumePatches = replays.flatMap((replay) => replay.volume);
  return {
    notes: replays.flatMap((replay) => replay.notes),
    reshape: backup.reshape,
    deviceOf: (candidate) => patched.get(candidate) ?? candidate.device,
    overVolume: (volume) => layOver(volume, insideOf(volume, volumePatches)),
  };
}

/**
 * A backup of whole stripes may reach behind the end of a volume that has the size of the smaller shape, and a log behind the end of
 * a member that was cut off; there nothing is read from it.
 */
function insideOf(device: BlockDevice, patches: readonly Patch[]): Patch[] {
  return patches
    .filter((patch) => patch.sector < device.sectors)
    .map(({ sector, data }) => ({
      sector,
      data: data.subarray(0, (device.sectors - sector) * SECTOR_BYTES),
    }));
}
