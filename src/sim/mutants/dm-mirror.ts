/** Mirrors of device-mapper: their regions, and who is known to have everything. */
import { ignore } from "../../base/nothing.ts";
import type { BioEnd } from "../../block/bio.ts";
import { targetType } from "../../dm/targets/index.ts";
import { mirrorType } from "../../dm/targets/mirror/mirror.ts";
import { MIRROR_PARTS } from "../../dm/targets/mirror/parts.ts";
import type { MirrorParts } from "../../dm/targets/mirror/parts.ts";
import { BitmapTracker } from "../../regions/bitmap-tracker.ts";
import type { Mutant } from "../mutant.ts";

/** Mirrors with other parts. */
function mirrors(parts: Partial<MirrorParts>): NonNullable<Mutant["mapped"]> {
  const type = mirrorType({ ...MIRROR_PARTS, ...parts });
  return () => ({ targetType: (name) => (name === "mirror" ? type : targetType(name)) });
}

class BitAfterData extends BitmapTracker {
  override beginWrite(sector: number, sectors: number, begun: BioEnd): void {
    super.beginWrite(sector, sectors, ignore);
    begun(null);
  }
}

export const DM_MIRROR_MUTANTS: readonly Mutant[] = [
  {
    name: "mirror-region-set-after-data",
    about: "a mirror's legs are written before the log says that the region is dirty",
    law: 2,
    origin: null,
    scenario: "dm-mirror-crash",
    mapped: mirrors({ tracker: (options) => new BitAfterData(options) }),
  },
];
