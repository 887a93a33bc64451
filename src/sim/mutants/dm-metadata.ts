/** Targets that keep on a device of their own where data are: that metadata before the data, or in the wrong order. */
import { ignore } from "../../base/nothing.ts";
import { BioFlags } from "../../block/bio.ts";
import type { BioEnd } from "../../block/bio.ts";
import type { BlockDevice } from "../../block/device.ts";
import { cloneType } from "../../dm/targets/clone/clone.ts";
import { CLONE_PARTS } from "../../dm/targets/clone/parts.ts";
import { Copier } from "../../dm/targets/clone/copier.ts";
import type { Mutant } from "../mutant.ts";
import { withFlags } from "./devices.ts";
import { FlushedLate, instead, wrapped } from "./dm-targets.ts";

type Mapped = NonNullable<Mutant["mapped"]>;

/** A region counts as hydrated when its copy has begun. */
class HastyCopier extends Copier {
  override copy(sector: number, sectors: number, end: BioEnd): void {
    super.copy(sector, sectors, ignore);
    end(null);
  }
}

/** One type, which never flushes that device before it commits. */
function unflushed(name: string, word: string): Mapped {
  return instead(() => {
    const late = new FlushedLate();
    return [wrapped(name, late.opening(word), late.served)];
  });
}

/** A pool that does not flush that device as it means to; flushes of its thin volumes are made good. */
function pool(word: string, asSeen?: (device: BlockDevice) => BlockDevice): Mapped {
  return instead(() => {
    const late = new FlushedLate(asSeen);
    return [wrapped("thin-pool", late.opening(word)), wrapped("thin", () => ({}), late.served)];
  });
}

export const DM_METADATA_MUTANTS: readonly Mutant[] = [
  {
    name: "clone-commit-unflushed",
    about: "a clone's metadata is committed while the destination has the data in its cache",
    law: 1,
    origin: "dm-devel: dm-clone flushes before it commits",
    scenario: "dm-clone-crash",
    mapped: unflushed("clone", "/destination"),
  },
  {
    name: "clone-region-hydrated-early",
    about: "a region counts as hydrated when its copy has begun",
    law: 1,
    origin: null,
    scenario: "dm-clone-crash",
    mapped: instead(() => [
      cloneType({ ...CLONE_PARTS, copier: (...devices) => new HastyCopier(...devices) }),
    ]),
  },
  {
    name: "thin-commit-unflushed",
    about: "a pool's metadata is committed while the data device has new blocks in its cache",
    law: 1,
    origin: "dm-devel: dm-thin flushes before it commits",
    scenario: "dm-thin-crash",
    mapped: pool("/data"),
  },
  {
    name: "thin-discard-before-commit",
    about:
      "a block that a discard has freed is used again before the commit that freed it is durable",
    law: 1,
    origin: null,
    scenario: "dm-thin-space",
    mapped: pool("/metadata", (device) => withFlags(device, (flags) => flags & ~BioFlags.fua)),
  },
  {
    name: "snapshot-exception-unflushed",
    about: "an exception is written while the chunk's data is in the cache of the COW device",
    law: 1,
    origin: null,
    scenario: "dm-snapshot-crash",
    mapped: unflushed("snapshot", "/cow"),
  },
  {
    name: "merge-exception-removed-early",
    about: "exceptions go while the merged data is in the cache of the origin",
    law: 1,
    origin: null,
    scenario: "dm-snapshot-merge",
    mapped: unflushed("snapshot-merge", "/origin"),
  },
];
