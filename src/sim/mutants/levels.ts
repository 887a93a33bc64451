/** What levels do with reads and writes, and with what goes wrong. */
import { HoldfastError } from "../../base/errors.ts";
import { Bio, BioFlags } from "../../block/bio.ts";
import type { BlockDevice } from "../../block/device.ts";
import type { ArrayCore } from "../../md/running/core.ts";
import type { RunningLevel } from "../../md/running/core.ts";
import { makeLevel } from "../../md/running/levels/make.ts";
import type { ArrayParts } from "../../md/running/parts.ts";
import type { Mutant } from "../mutant.ts";
import { shown, standIn } from "../stand-in.ts";
import { changedOps, coreSeeing, coreSeenThrough } from "./cores.ts";
import { rewritten, unread } from "./devices.ts";

function changedLevel(change: (level: RunningLevel) => Partial<RunningLevel>): Partial<ArrayParts> {
  return {
    level: (...options) => {
      const level = makeLevel(...options);
      return standIn(level, change(level));
    },
  };
}

function changedCore(change: (core: ArrayCore) => ArrayCore): Partial<ArrayParts> {
  return { level: (core, ...rest) => makeLevel(change(core), ...rest) };
}

/** What is missing reads as zeros, and takes what is written. */
function nowhere(device: BlockDevice): BlockDevice {
  return rewritten(device, ({ op, data, end }) => {
    if (op === "read") data.fill(0);
    queueMicrotask(() => end(null));
    return null;
  });
}

/** A member is another one each time, so that nothing is kept in order by it. */
function strangers(core: ArrayCore): ArrayCore {
  return coreSeeing(core, (member) => (member.writeMostly ? shown(member, {}) : member));
}

/** While nothing may be written, a read that one member fails at has failed. */
function failsReadOnly(): Pick<Mutant, "device" | "parts"> {
  let failures = 0;
  return {
    device: (disk) =>
      rewritten(disk, ({ op, sector, sectors, data, flags, end }) => {
        const ended = (error: HoldfastError | null): void => {
          if (error !== null && op === "read") failures += 1;
          end(error);
        };
        return new Bio(op, sector, sectors, data, flags, ended);
      }),
    parts: () => ({
      level: (core, ...rest) => {
        const level = makeLevel(core, ...rest);
        const run: typeof level.run = (bio, end) => {
          const before = failures;
          const isRetried = bio.op !== "read" || core.isWritable;
          level.run(bio, (error) => {
            const isFailed = !isRetried && failures > before;
            end(error ?? (isFailed ? new HoldfastError("io", "a member cannot read that") : null));
          });
        };
        return standIn(level, { run });
      },
    }),
  };
}

export const LEVEL_MUTANTS: readonly Mutant[] = [
  {
    name: "missing-block-is-zeros",
    about: "the parity of a degraded write is made with nothing in the place of the missing block",
    law: 8,
    origin: "67f455486d2e, a40687ff73a5: writes of degraded stripes",
    scenario: "degraded",
    parts: () =>
      changedOps("write", (core) =>
        coreSeenThrough(core, (member) =>
          member.isFaulty && member.savedSlot !== null
            ? {
                standing: { kind: "in-sync", slot: member.savedSlot },
                slot: member.savedSlot,
                isInSync: true,
                isFaulty: false,
                goodEnd: Infinity,
                device: nowhere(member.device),
              }
            : null,
        ),
      ),
  },
  {
    name: "parity-believed",
    about: "the parity of a stripe that is not synced yet is taken for right, and modified",
    law: 8,
    origin: "md: a dirty raid5 is reconstruct-written",
    scenario: "unsynced",
    parts: () =>
      changedCore((core) =>
        standIn(core, { record: standIn(core.record, { resyncOffsetSectors: Infinity }) }),
      ),
  },
  {
    name: "behind-unordered",
    about: "writes behind of the same sectors overtake each other",
    law: 2,
    origin: "3e148a320979: data inconsistency with write behind",
    scenario: "behind",
    parts: () => changedCore(strangers),
  },
  {
    name: "read-only-errors",
    about: "a read of a read-only array fails where one member cannot read",
    law: 8,
    origin: "7449f699b2fb: read errors in read-only mode",
    scenario: "read-only",
    ...failsReadOnly(),
  },
  {
    name: "fua-is-plain",
    about: "a durable write is answered when it is in a cache",
    law: 8,
    origin: "e9c7469bb4f5: FUA of raid1, raid5 and raid10",
    scenario: "durable",
    parts: () =>
      changedLevel((level) => ({
        run: ({ op, sector, sectors, data, flags, end }, ended) =>
          level.run(new Bio(op, sector, sectors, data, flags & ~BioFlags.fua, end), ended),
      })),
  },
  {
    name: "stale-read",
    about: "a read that fails is answered with what was in the buffer",
    law: 8,
    origin: null,
    scenario: "bad-blocks",
    // Short ones of data: metadata that cannot be read is another story.
    device: (disk) => unread(disk, (sector, sectors) => sectors < 64 && sector >= 256),
  },
  {
    name: "ends-twice",
    about: "a write is ended twice",
    law: 7,
    origin: null,
    scenario: "durable",
    parts: () =>
      changedLevel((level) => ({
        run: (bio, ended) => {
          const isWrite = bio.op === "write";
          level.run(bio, (error) => {
            ended(error);
            if (isWrite) ended(error);
          });
        },
      })),
  },
  {
    name: "never-ends",
    about: "a write of 4 KiB or more is never answered",
    law: 7,
    origin: null,
    scenario: "stop",
    parts: () =>
      changedLevel((level) => ({
        run: (bio, ended) => {
          const isLong = bio.op === "write" && bio.sectors > 7;
          level.run(bio, (error) => {
            if (!isLong) ended(error);
          });
        },
      })),
  },
  {
    name: "bad-block-unlisted",
    about: "a write is acknowledged without the sectors listed as bad that it could not write",
    law: 3,
    origin: "de393cdea66c: bad blocks are acknowledged first",
    scenario: "bad-blocks",
    parts: () =>
      changedCore((core) =>
        standIn(core, {
          blocksFailed: (_member, _sector, _sectors, _why, recorded) => recorded(null),
        }),
      ),
  },
  {
    name: "failure-swallowed",
    about: "a member that cannot be written stays in the array",
    law: 3,
    origin: null,
    scenario: "phoenix",
    parts: () =>
      changedCore((core) =>
        standIn(core, {
          memberFailed: (_member, _why, recorded) => recorded(null),
          blocksFailed: (_member, _sector, _sectors, _why, recorded) => recorded(null),
        }),
      ),
  },
];
