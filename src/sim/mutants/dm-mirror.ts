/** Mirrors of device-mapper: their regions, and who is known to have everything. */
import { ignore } from "../../base/nothing.ts";
import type { BioEnd } from "../../block/bio.ts";
import { DiskLog } from "../../dm/targets/mirror/disk-log.ts";
import { Legs } from "../../dm/targets/mirror/legs.ts";
import type { Leg } from "../../dm/targets/mirror/legs.ts";
import { mirrorType } from "../../dm/targets/mirror/mirror.ts";
import { MIRROR_PARTS } from "../../dm/targets/mirror/parts.ts";
import type { MirrorParts } from "../../dm/targets/mirror/parts.ts";
import { BitmapTracker } from "../../regions/bitmap-tracker.ts";
import type { Mutant } from "../mutant.ts";
import { instead, wrapped } from "./dm-targets.ts";

/** Mirrors with other parts. */
function mirrors(parts: Partial<MirrorParts>): NonNullable<Mutant["mapped"]> {
  return instead(() => [mirrorType({ ...MIRROR_PARTS, ...parts })]);
}

class BitAfterData extends BitmapTracker {
  override beginWrite(sector: number, sectors: number, begun: BioEnd): void {
    super.beginWrite(sector, sectors, ignore);
    begun(null);
  }
}

/** Who is left, and who of them has everything, is known in memory alone. */
class ForgetfulLog extends DiskLog {
  override record(): Promise<void> {
    return Promise.resolve();
  }
}

/** Any leg in use is read, also before what it missed was copied to it. */
class LegsAlike extends Legs {
  override take(): void {}

  override choose(_isAlike: boolean, tried: number): Leg | null {
    return super.choose(true, tried);
  }
}

export const DM_MIRROR_MUTANTS: readonly Mutant[] = [
  {
    name: "mirror-region-cleaned-on-drain",
    about:
      "a mirror's region is clean when its writes have ended, although buffers were changed under way",
    law: 2,
    origin: "dm-devel: desynchronising dm-raid1",
    scenario: "dm-mirror-buffers",
    mapped: instead(() => [wrapped("mirror", () => ({ syncUsers: () => Promise.resolve(true) }))]),
  },
  {
    name: "mirror-region-clean-unflushed",
    about: "a mirror's region is clean while what was written is in the cache of one leg only",
    law: 1,
    origin: "dm-devel: dm-clone flushes before it commits",
    scenario: "dm-mirror-idle",
    mapped: mirrors({
      diskLog: (options) => new DiskLog({ ...options, flushData: () => Promise.resolve(true) }),
    }),
  },
  {
    name: "mirror-region-set-after-data",
    about: "a mirror's legs are written before the log says that the region is dirty",
    law: 2,
    origin: null,
    scenario: "dm-mirror-crash",
    mapped: mirrors({ tracker: (options) => new BitAfterData(options) }),
  },
  {
    name: "default-mirror-not-recorded",
    about: "a mirror's write ends before it is on record which legs have it",
    law: 3,
    origin: "dm-devel: device failure tolerance of dm-mirror",
    scenario: "dm-mirror-fail",
    mapped: mirrors({ diskLog: (options) => new ForgetfulLog(options) }),
  },
  {
    name: "phoenix-leg-read",
    about: "a leg that has come back is read before it has what it missed",
    law: 3,
    origin: "dm-devel: device failure tolerance of dm-mirror",
    scenario: "dm-mirror-fail",
    mapped: mirrors({ legs: (places) => new LegsAlike(places) }),
  },
];
