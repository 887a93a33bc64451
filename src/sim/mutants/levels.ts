/** What levels do with reads and writes, and with what goes wrong. */
import type { HoldfastError } from "../../base/errors.ts";
import { Bio, BioFlags } from "../../block/bio.ts";
import type { BlockDevice } from "../../block/device.ts";
import type { ArrayCore } from "../../md/running/core.ts";
import type { RunningLevel } from "../../md/running/core.ts";
import { makeLevel } from "../../md/running/levels/make.ts";
import type { ArrayParts } from "../../md/running/parts.ts";
import type { Mutant } from "../mutant.ts";
import { standIn } from "../stand-in.ts";
import { changedOps, coreSeenThrough } from "./cores.ts";
import { rewritten } from "./devices.ts";

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

/** Reads that fail are answered with what is in the buffer. */
function unread(device: BlockDevice): BlockDevice {
  return rewritten(device, ({ op, sector, sectors, data, flags, end }) => {
    const ended = (error: HoldfastError | null): void =>
      end(op === "read" && sectors < 64 && sector >= 256 ? null : error);
    return new Bio(op, sector, sectors, data, flags, ended);
  });
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
    device: (disk) => unread(disk),
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
