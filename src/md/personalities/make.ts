/** From a geometry to the personality that reads it: the one place to add a level. */
import { unreachable } from "../../base/assert.ts";
import type { ParityEngine } from "../../parity/engine.ts";
import type { Geometry } from "../geometry/geometry.ts";
import type { Slot } from "../slot.ts";
import { MirrorPersonality } from "./mirror.ts";
import { ParityPersonality } from "./parity.ts";
import type { Personality } from "./personality.ts";
import { PlainPersonality } from "./plain.ts";

/**
 * @param slots by slot number, as many as the geometry has disks
 * @param parityEngine asked for when there is something to rebuild
 * @param alikeSectors volume sectors below this have equal copies in a mirror, so that any may be read
 */
export function makePersonality(
  geometry: Geometry,
  slots: readonly Slot[],
  parityEngine: () => ParityEngine,
  alikeSectors = 0,
): Personality {
  switch (geometry.level) {
    case "linear":
    case "raid0":
      return new PlainPersonality(geometry, slots);
    case "raid1":
    case "raid10":
      return new MirrorPersonality(geometry, slots, () => alikeSectors);
    case "raid4":
    case "raid5":
    case "raid6":
      return new ParityPersonality(geometry, slots, parityEngine);
    default:
      return unreachable(geometry);
  }
}
