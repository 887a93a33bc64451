/**
 * What becomes of a member that could not take a write. Where it has a log of bad blocks the request is written again block by
 * block, and only blocks that fail are lost to it: they are listed. Without a log, or without room in it, it leaves the array. So does a
 * replacement, which nobody needs yet, and a member that is to fail fast. Until that is recorded nobody is told of success (law 3).
 */
import type { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import type { Bio, BioEnd } from "../../../block/bio.ts";
import { fanOut, inRuns } from "../../../block/fan-out.ts";
import type { ArrayCore } from "../core.ts";
import type { Member } from "../member.ts";
import { writePart } from "./mirror-write-parts.ts";

interface FailedRun {
  sector: number;
  sectors: number;
  readonly why: HoldfastError;
}

export class WriteFailures {
  readonly #core: ArrayCore;

  constructor(core: ArrayCore) {
    this.#core = core;
  }

  /**
   * @param request what failed, at a device sector; its data are looked at until `recorded`
   * @param recorded what failed is durably known; with an error if it cannot be
   */
  record(
    member: Member,
    request: Pick<Bio, "op" | "sector" | "sectors" | "data" | "flags">,
    why: HoldfastError,
    recorded: BioEnd,
  ): void {
    if (member.isFaulty) {
      this.#core.whenRecorded(recorded);
      return;
    }
    member.hasWriteErrors = true;
    const failsAtOnce =
      member.isReplacement ||
      member.superblock.badBlockLog === null ||
      (member.failFast && !member.writeMostly && this.#core.canMiss(member));
    if (failsAtOnce) {
      this.#core.memberFailed(member, why, recorded);
      return;
    }
    member.wantsReplacement = true;
    this.#narrow(member, request, recorded);
  }

  #narrow(
    member: Member,
    request: Pick<Bio, "op" | "sector" | "sectors" | "data" | "flags">,
    recorded: BioEnd,
  ): void {
    const { sector, sectors } = request;
    const block = blockSectors(member);
    const failed: FailedRun[] = [];
    const writeBlock = (at: number, ended: BioEnd): number => {
      const toBoundary = block - ((sector + at) % block);
      const part = Math.min(toBoundary, sectors - at);
      const known = member.badBlocks.run(sector + at, part);
      if (member.isFaulty || known === -part) {
        ended(null);
        return member.isFaulty ? sectors - at : part;
      }
      return writePart(member, request, at, part, (error) => {
        if (error !== null) append(failed, sector + at, part, error);
        ended(null);
      });
    };
    inRuns(sectors, writeBlock, () => this.#list(member, failed, recorded));
  }

  #list(member: Member, failed: readonly FailedRun[], recorded: BioEnd): void {
    // One more than there are runs: all may have gone well this time, or been listed by another write.
    const end = fanOut(failed.length + 1, recorded);
    for (const { sector, sectors, why } of failed) {
      if (member.isFaulty) this.#core.whenRecorded(end);
      else this.#core.blocksFailed(member, sector, sectors, why, end);
    }
    this.#core.whenRecorded(end);
  }
}

/** What is written, or listed, at a time. */
function blockSectors({ superblock, device }: Member): number {
  const unit = 2 ** (superblock.badBlockLog?.shift ?? 0);
  return Math.max(unit, device.limits.logicalBlockBytes / SECTOR_BYTES);
}

function append(runs: FailedRun[], sector: number, sectors: number, why: HoldfastError): void {
  const last = runs.at(-1);
  if (last !== undefined && last.sector + last.sectors === sector) last.sectors += sectors;
  else runs.push({ sector, sectors, why });
}
