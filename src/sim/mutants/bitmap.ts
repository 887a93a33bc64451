/** The write-intent bitmap: its bits too late, too early, or not at all. */
import { BioFlags } from "../../block/bio.ts";
import { alignDown, alignUp } from "../../base/units.ts";
import { ignore } from "../../base/nothing.ts";
import type { BioEnd } from "../../block/bio.ts";
import { BitmapTracker } from "../../regions/bitmap-tracker.ts";
import { MemberBitmapStore } from "../../md/running/bitmap-store.ts";
import type { MemberBitmapOptions } from "../../md/running/bitmap-store.ts";
import type { Mutant } from "../mutant.ts";
import { seenThrough, shown } from "../stand-in.ts";
import { withFlags } from "./devices.ts";

class BitAfterData extends BitmapTracker {
  override beginWrite(sector: number, sectors: number, begun: BioEnd): void {
    super.beginWrite(sector, sectors, ignore);
    begun(null);
  }
}

class ReturnedCopyBelieved extends BitmapTracker {
  override copyReturned(): void {}
}

/** Chunks whose sync has begun are done. */
class PartIsSynced extends BitmapTracker {
  override endSync(sector: number, sectors: number, isDone: boolean): void {
    const start = alignDown(sector, this.regionSectors);
    super.endSync(start, alignUp(sector + sectors, this.regionSectors) - start, isDone);
  }
}

/** Writes its superblock with the bits as they were at the start. */
class Rewinding extends MemberBitmapStore {
  readonly #asFound: MemberBitmapStore;

  constructor(options: MemberBitmapOptions) {
    super(options);
    this.#asFound = new MemberBitmapStore(options);
  }

  override writeSuperblock(events: number): ReturnType<MemberBitmapStore["writeSuperblock"]> {
    return this.#asFound.writeSuperblock(events);
  }
}

class BitsForgotten extends BitmapTracker {
  override load(): void {}
}

/** Clears bits whoever is away, and does not say up to when it has. */
class AgelessStore extends MemberBitmapStore {
  override clearing(): void {}
}

class UnflushedStore extends MemberBitmapStore {
  override flushData(): Promise<boolean> {
    return Promise.resolve(true);
  }
}

export const BITMAP_MUTANTS: readonly Mutant[] = [
  {
    name: "buffers-ignored",
    about:
      "a region is clean when its writes have ended, although their buffers were changed under way",
    law: 2,
    origin: "dm-devel: desynchronising dm-raid1",
    scenario: "buffers",
    ignoresUsers: true,
  },
  {
    name: "bit-after-data",
    about: "a write does not wait for its region's bit",
    law: 2,
    origin: null,
    scenario: "bitmap",
    parts: () => ({ tracker: (options) => new BitAfterData(options) }),
  },
  {
    name: "bit-cleared-unflushed",
    about: "bits are cleared while the data may be in a cache of one copy only",
    law: 1,
    origin: "dm-devel: dm-clone flushes before it commits",
    scenario: "bitmap-idle",
    ignoresUsers: true,
    parts: () => ({ bitmapStore: (options) => new UnflushedStore(options) }),
  },
  {
    name: "bit-cleared-degraded",
    about: "bits are cleared while a member is away, which is then taken back by them",
    law: 2,
    origin: "a0da84f35b25, d0a4bb492772: bits stay set while an array is degraded",
    scenario: "returns-idle",
    parts: () => ({
      bitmapStore: (options) => new AgelessStore(options),
      tracker: (options) => new BitmapTracker({ ...options, isWhole: () => true }),
    }),
  },
  {
    name: "returned-copy-believed",
    about: "who comes back is synced where it missed writes, not where it may have lost its cache",
    law: 2,
    origin: null,
    scenario: "returns",
    parts: () => ({ tracker: (options) => new ReturnedCopyBelieved(options) }),
  },
  {
    name: "bits-forgotten",
    about: "the bits that a crash left are not looked at",
    law: 2,
    origin: null,
    scenario: "bitmap",
    parts: () => ({ tracker: (options) => new BitsForgotten(options) }),
  },
  {
    name: "part-is-synced",
    about: "a region is clean when some of it was synced",
    law: 2,
    origin: null,
    scenario: "bitmap-resync",
    parts: () => ({ tracker: (options) => new PartIsSynced(options) }),
  },
  {
    name: "bits-rewound",
    about: "the bitmap's superblock is written with older bits beside it",
    law: 2,
    origin: "85c9ccd4f026: bitmap writes that are in flight at a time",
    scenario: "bitmap-clean",
    parts: () => ({ bitmapStore: (options) => new Rewinding(options) }),
  },
  {
    name: "bits-unrecorded",
    about: "data are written before it is on record who has not got their bits",
    law: 3,
    origin: null,
    scenario: "bitmap-failure",
    parts: () => ({
      bitmapStore: (options) =>
        new MemberBitmapStore({ ...options, whenRecorded: (recorded) => recorded(null) }),
    }),
  },
  {
    name: "bits-volatile",
    about: "bits are in a cache when the data are written",
    law: 2,
    origin: null,
    scenario: "bitmap",
    parts: () => ({
      bitmapStore: (options) =>
        new MemberBitmapStore({
          ...options,
          members: seenThrough(options.members, (attached) =>
            attached.map((member) =>
              shown(member, { device: withFlags(member.device, (flags) => flags & ~BioFlags.fua) }),
            ),
          ),
        }),
    }),
  },
];
