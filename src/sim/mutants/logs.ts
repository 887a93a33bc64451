/** Partial parity log and write journal. */
import { ignore } from "../../base/nothing.ts";
import { openLog } from "../../md/running/levels/stripes/open-log.ts";
import type { FoundLog, StripeLog } from "../../md/running/levels/stripes/stripe-log.ts";
import type { ArrayParts } from "../../md/running/parts.ts";
import type { Mutant } from "../mutant.ts";
import { ROUND_WRITER } from "../../md/running/member-images.ts";
import { Metadata } from "../../md/running/metadata.ts";
import { standIn } from "../stand-in.ts";
import { coreSeenThrough } from "./cores.ts";
import { unflushed } from "./devices.ts";

function changedFound(change: (found: FoundLog) => Partial<FoundLog>): Partial<ArrayParts> {
  return {
    openLog: async (plan) => {
      const found = await openLog(plan);
      return found === null ? null : standIn(found, change(found));
    },
  };
}

function changedLog(change: (log: StripeLog) => Partial<StripeLog>): Partial<ArrayParts> {
  return changedFound((found) => ({
    make: (core, geometry) => {
      const log = found.make(core, geometry);
      return standIn(log, change(log));
    },
  }));
}

const afterData = (log: StripeLog): Partial<StripeLog> => ({
  log: (write, logged) => {
    log.log(write, ignore);
    logged(null);
  },
});

const withoutFlush = (found: FoundLog): Partial<FoundLog> => ({
  make: (core, geometry) =>
    found.make(
      coreSeenThrough(core, ({ device }) => ({ device: unflushed(device) })),
      geometry,
    ),
});

const withoutRecords = (found: FoundLog): Partial<FoundLog> => ({
  make: (core, geometry) =>
    found.make(standIn(core, { whenRecorded: (recorded) => recorded(null) }), geometry),
});

export const LOG_MUTANTS: readonly Mutant[] = [
  {
    name: "ppl-after-data",
    about: "a stripe is written before its partial parity is logged",
    law: 1,
    origin: "3418d036c81d: partial parity is logged first",
    scenario: "ppl",
    parts: () => changedLog(afterData),
  },
  {
    name: "ppl-unflushed",
    about: "partial parity counts as logged when it is in a cache",
    law: 1,
    origin: "1532d9e87e8b: PPL and disks with a write-back cache",
    scenario: "ppl",
    parts: () => changedFound(withoutFlush),
  },
  {
    name: "ppl-unrecorded",
    about: "what no log tells of is written before it is on record that its parity is gone",
    law: 3,
    origin: null,
    scenario: "ppl-failure",
    parts: () => changedFound(withoutRecords),
  },
  {
    name: "ppl-forgotten",
    about: "what a crash left in the partial parity log is not looked at",
    law: 1,
    origin: null,
    scenario: "ppl",
    parts: () => ({ openLog: () => Promise.resolve(null) }),
  },
  {
    name: "journal-after-data",
    about: "a stripe is written before the journal has it",
    law: 1,
    origin: "f6bed0ef0a80: the journal comes first",
    scenario: "journal",
    parts: () => changedLog(afterData),
  },
  {
    name: "journal-unflushed",
    about: "a stripe counts as logged when it is in the journal's cache",
    law: 1,
    origin: "f6bed0ef0a80: the journal comes first",
    scenario: "journal",
    parts: () => changedFound(withoutFlush),
  },
  {
    name: "journal-reclaimed-unflushed",
    about: "the journal's tail goes past stripes that are in the members' caches",
    law: 1,
    origin: "0576b1c618ef: members are flushed before the log is reclaimed",
    scenario: "journal-idle",
    parts: () => ({
      metadata: (options) =>
        new Metadata({
          ...options,
          writer: { ...ROUND_WRITER, flush: () => Promise.resolve() },
        }),
    }),
  },
  {
    name: "ppl-stale-joins",
    about: "a member that joins keeps the partial parity that it had when it left",
    law: 3,
    origin: null,
    scenario: "ppl-returns",
    parts: () => changedLog(() => ({ join: (_member, joined) => joined(null) })),
  },
];
