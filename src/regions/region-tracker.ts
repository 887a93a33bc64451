/**
 * Which regions of a redundant device may differ between its copies: marked durably before the first write to a region is issued, and
 * unmarked some time after the last one, once every copy is known to have it (law 2). Sectors are those that sync positions have.
 *
 *           first write             last write ended everywhere, and time has passed
 *   clean  ------------->  dirty  ---------------------------------------------------->  clean
 *                            |  a write ended, but not everywhere; or a crash
 *                            v
 *                        needs sync  --- synced --> dirty, to be cleaned
 */
import type { BioEnd } from "../block/bio.ts";

export interface RegionTracker {
  /** `begun` once all regions of the range are durably dirty, perhaps at once. With an error nothing has begun, and no `endWrite` follows. */
  beginWrite(sector: number, sectors: number, begun: BioEnd): void;
  /** @param isEverywhere every copy has it; otherwise the regions stay dirty until they are synced */
  endWrite(sector: number, sectors: number, isEverywhere: boolean): void;
  /**
   * For background sync, which holds the range exclusively: +n when the next n sectors (at most `max`) are to be synced, -n when
   * they are known to be alike. A run that is to be synced counts as being synced until `endSync`.
   * @param mayClean no copy is missing: what is synced may be cleaned
   */
  beginSync(sector: number, max: number, mayClean: boolean): number;
  endSync(sector: number, sectors: number, isDone: boolean): void;
  /**
   * Sectors from here on, at most `max`, that background sync has nothing to do with, 0 if it has: nobody need hold them. What a write
   * leaves to be synced meanwhile is for the next pass, as if it had come behind this one. Nothing: ask `beginSync`.
   */
  alikeRun?(sector: number, max: number): number;
  /**
   * The pass is over, and none of its steps is under way: a region that it has synced only in part needs sync again. So a pass starts at
   * the start of a region (at a multiple of `regionSectors`), or what it starts in stays to be synced.
   */
  closeSync(): void;
  readonly regionSectors: number;
}

/** Of a device that keeps no such record: everything always needs sync. */
export const noRegions: RegionTracker = {
  beginWrite: (_sector, _sectors, begun) => begun(null),
  endWrite: () => {},
  beginSync: (_sector, max) => max,
  endSync: () => {},
  closeSync: () => {},
  regionSectors: 1,
};
