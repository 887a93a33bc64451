/** From a geometry to the level that runs it: the one place to add a level. */
import { unreachable } from "../../../base/assert.ts";
import type { MdShape } from "../../../formats/md/superblock.ts";
import type { Geometry } from "../../geometry/geometry.ts";
import type { ArrayCore, RunningLevel } from "../core.ts";
import { MirrorLevel } from "./mirror.ts";
import { PlainLevel } from "./plain.ts";
import type { FoundLog } from "./stripes/stripe-log.ts";
import { StripesLevel } from "./stripes/stripes.ts";

export function makeLevel(
  core: ArrayCore,
  geometry: Geometry,
  _shape: MdShape,
  log: FoundLog | null,
): RunningLevel {
  switch (geometry.level) {
    case "linear":
    case "raid0":
      return new PlainLevel(core, geometry);
    case "raid1":
    case "raid10":
      return new MirrorLevel(core, geometry);
    case "raid4":
    case "raid5":
    case "raid6":
      return new StripesLevel(core, geometry, log?.make(core, geometry));
    default:
      return unreachable(geometry);
  }
}
