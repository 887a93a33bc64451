/** An explanation made by hand, for tests of what shows it. */
import type { ExplainedMember, SetExplanation } from "../../src/md/explanation.ts";

function memberOf(slot: number, changes: Partial<ExplainedMember> = {}): ExplainedMember {
  return {
    path: `d${slot}.img`,
    deviceNumber: slot,
    role: `member ${slot}`,
    slot,
    replacement: false,
    events: 100,
    eventsBehind: 0,
    updated: "2026-11-21T02:36:44Z",
    state: "in-sync",
    sees: "AAA",
    checksumOk: true,
    clean: true,
    resyncOffsetSectors: null,
    recoveryOffsetSectors: null,
    bitmap: null,
    badBlockSectors: 0,
    log: null,
    note: null,
    ...changes,
  };
}

/** A raid5 of three whose last member left. */
export function explanationOf(): SetExplanation {
  const bitmap = {
    events: 100,
    eventsCleared: 93,
    chunkSectors: 131072,
    chunks: 128,
    dirtyChunks: 3,
    distrust: null,
  };
  return {
    name: "data",
    uuid: "00000001:00000002:00000003:00000004",
    level: "raid5",
    layout: "left-symmetric",
    raidDisks: 3,
    metadata: "1.2",
    stripeBytes: 131072,
    stripes: 160,
    splitBrain: false,
    members: [
      memberOf(0, { sees: "AA.", clean: false, bitmap }),
      memberOf(1, { sees: "AA.", clean: false, bitmap, badBlockSectors: 8 }),
      memberOf(2, {
        events: 93,
        eventsBehind: 7,
        state: "stale",
        updated: "2026-11-21T02:30:00Z",
        note: "its event count is 7 behind: it missed the writes since",
      }),
    ],
    ways: [
      {
        kind: "as-it-is",
        way: "as it is",
        command: "holdfast open d0.img d1.img d2.img",
        verdict: {
          kind: "needs-force",
          reason: "it was not stopped cleanly and a member is missing",
          risk: "some stripes may hold wrong parity",
        },
        degradedBy: null,
        members: [],
        stripesAtRisk: 0,
        bytesAtRisk: 0,
        upperBound: false,
        stripesToSync: null,
        consequences: ["this is what the kernel does at boot"],
      },
      {
        kind: "force",
        way: "with --force",
        command: "holdfast open --force d0.img d1.img d2.img",
        verdict: { kind: "can-start", degradedBy: 1 },
        degradedBy: 1,
        members: ["d0.img", "d1.img"],
        stripesAtRisk: 12,
        bytesAtRisk: 786432,
        upperBound: true,
        stripesToSync: 4,
        consequences: ["the array starts degraded."],
      },
    ],
    kernels: {
      accepts: "Linux 3.1 and later",
      reasons: ["the bad-block log needs Linux 3.1 and later"],
      oldest: "3.1",
      because: "the bad-block log",
      ranges: [{ from: "3.1", to: null }],
      refusedBy: ["A kernel without raid456 refuses it"],
    },
  };
}
