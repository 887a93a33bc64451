/** Rules of assembly that take two superblocks to disagree, one by one. */
import { describe, expect, it } from "vitest";
import type { MdReshape, MdRole, MdShape, MdSuperblock } from "../formats/md/superblock.ts";
import {
  active,
  candidateOf,
  faulty,
  spare,
  superblockOf,
} from "../../test/support/md-superblock.ts";
import type { AssemblyPlan } from "./plan.ts";
import { planAssembly } from "./plan.ts";

function plan(superblocks: readonly MdSuperblock[], force = false): AssemblyPlan {
  const set = superblocks.map((superblock, i) => candidateOf(`d${i}`, superblock));
  return planAssembly(set, { force, backupGiven: false })!;
}

function fates(made: AssemblyPlan): string[] {
  return made.judged.map((one) => one.fate);
}

const WHOLE = [0, 1, 2, 3].map((slot) => superblockOf(slot));
const RAID5: MdShape = { level: "raid5", layout: 2, chunkSectors: 128, raidDisks: 4 };

describe("spares and event counts", () => {
  it("never let a spare speak for the array, however far ahead it is", () => {
    const lost: MdRole[] = [faulty, faulty, active(2), active(3), spare];
    const ahead = superblockOf(4, { role: spare, events: 105, roles: lost });
    const made = plan([ahead, ...WHOLE]);
    expect(made.freshest.path).toBe("d1");
    expect(fates(made)).toEqual(["spare", "in-sync", "in-sync", "in-sync", "in-sync"]);
    expect(made.verdict).toEqual({ kind: "can-start", degradedBy: 0 });
  });

  it("take a spare whose superblock was not written for long for a spare", () => {
    const behind = superblockOf(4, { role: spare, events: 3 });
    expect(fates(plan([...WHOLE, behind]))[4]).toBe("spare");
  });

  it("tell event counts apart where halves are lost to rounding", () => {
    const most = Number.MAX_SAFE_INTEGER;
    const old = superblockOf(0, { events: most - 1 });
    const set = [old, superblockOf(1, { events: most }), superblockOf(2, { events: most })];
    expect(plan(set).freshest.path).toBe("d1");
  });
});

describe("a change of all superblocks that a crash has stopped", () => {
  const long: MdShape = { level: "raid1", layout: 0, chunkSectors: 0, raidDisks: 3 };
  const short: MdShape = { ...long, raidDisks: 2 };
  const mirror = { levelNumber: 1, shape: long, roles: [active(0), active(1), active(2)] } as const;

  it("has whoever is one event behind in it, with the new size", () => {
    const told = superblockOf(0, { events: 101, componentSectors: 8192 });
    const made = plan([told, ...WHOLE.slice(1)]);
    expect(fates(made)).toEqual(["in-sync", "in-sync", "in-sync", "in-sync"]);
    expect(made.superblock.componentSectors).toBe(8192);
    expect(made.verdict).toEqual({ kind: "can-start", degradedBy: 0 });
  });

  it("has nobody in it who is two events behind, or as old as those who tell of it", () => {
    const told = superblockOf(0, { events: 102, componentSectors: 8192 });
    expect(fates(plan([told, ...WHOLE.slice(1)]))).toEqual(["in-sync", "stale", "stale", "stale"]);
    const other = superblockOf(0, { componentSectors: 8192 });
    const fate = fates(plan([other, ...WHOLE.slice(1)]));
    expect(fate).toEqual(["in-sync", "foreign", "foreign", "foreign"]);
  });

  it("gives members of a mirror that gets shorter the slots that it says", () => {
    const told = superblockOf(1, {
      ...mirror,
      shape: short,
      events: 101,
      role: active(0),
      roles: [faulty, active(0), active(1)],
    });
    const before = { ...mirror, roles: [faulty, active(1), active(2)] };
    const made = plan([told, superblockOf(2, before)]);
    expect(made.judged.map(({ fate, slot }) => ({ fate, slot }))).toEqual([
      { fate: "in-sync", slot: 0 },
      { fate: "in-sync", slot: 1 },
    ]);
    // It had failed before: one event behind, it is no member for that.
    const gone = superblockOf(0, mirror);
    expect(fates(plan([told, superblockOf(2, before), gone]))[2]).toBe("stale");
  });

  it("is one of size, or of the members of a raid1 or linear, and no other", () => {
    const others: Partial<MdSuperblock>[] = [
      { shape: { ...RAID5, raidDisks: 5 } },
      { shape: { ...RAID5, chunkSectors: 64 } },
      { shape: { ...RAID5, layout: 0 } },
      { shape: { ...RAID5, level: "raid4" }, levelNumber: 4 },
      { componentSectors: 8192, reshape: reshapeOf({}) },
    ];
    for (const change of others) {
      const made = plan([superblockOf(0, { events: 101, ...change }), ...WHOLE.slice(1)]);
      expect(fates(made).slice(1), JSON.stringify(change)).toEqual(Array(3).fill("foreign"));
    }
    const linear: MdShape = { level: "linear", layout: 0, chunkSectors: 128, raidDisks: 2 };
    const told = superblockOf(2, {
      levelNumber: -1,
      shape: { ...linear, raidDisks: 3 },
      events: 101,
      roles: [active(0), active(1), active(2)],
    });
    const before = { levelNumber: -1, shape: linear, roles: [active(0), active(1)] };
    const made = plan([superblockOf(0, before), superblockOf(1, before), told]);
    expect(fates(made)).toEqual(["in-sync", "in-sync", "in-sync"]);
  });
});

describe("who reports whom as failed", () => {
  const mirror = {
    levelNumber: 1,
    shape: { level: "raid1", layout: 0, chunkSectors: 0, raidDisks: 2 },
  } as const;

  it("asks for the freshest member's place, not for its device: another one may have had it before", () => {
    const now = [faulty, active(1), active(0)];
    const fresh = superblockOf(2, { ...mirror, role: active(0), roles: now });
    const other = superblockOf(1, { ...mirror, events: 99, roles: [active(0), active(1), spare] });
    expect(fates(plan([fresh, other]))).toEqual(["in-sync", "in-sync"]);
  });

  it("leaves out one that holds the place for empty", () => {
    const fresh = superblockOf(0, { ...mirror, roles: [active(0), active(1)] });
    const other = superblockOf(1, { ...mirror, roles: [faulty, active(1)] });
    expect(fates(plan([fresh, other]))).toEqual(["in-sync", "stale"]);
  });

  it("takes those whose superblocks do not tell yet of who has joined", () => {
    const joined = superblockOf(2, {
      ...mirror,
      role: active(0),
      events: 101,
      recoveryOffsetSectors: 0,
      roles: [faulty, active(1), active(0)],
    });
    const roles = [faulty, active(1), spare];
    const filling = superblockOf(1, { ...mirror, events: 100, roles });
    const made = plan([joined, filling]);
    expect(fates(made)).toEqual(["recovering", "in-sync"]);
    expect(made.verdict).toEqual({ kind: "can-start", degradedBy: 1 });
  });
});

describe("a journal", () => {
  it("is not replayed once the array has none any more", () => {
    const journal = superblockOf(4, { hasJournal: true, role: { kind: "journal" } });
    const made = plan([...WHOLE, journal]);
    expect(fates(made)[4]).toBe("foreign");
    expect(made.journal).toBeNull();
  });
});

describe("members that --force takes back", () => {
  const short = [superblockOf(0), superblockOf(1)];

  it("are not those that were still being rebuilt", () => {
    const half = superblockOf(2, { events: 90, recoveryOffsetSectors: 64 });
    const whole = superblockOf(3, { events: 50 });
    const made = plan([...short, half, whole], true);
    expect(fates(made)).toEqual(["in-sync", "in-sync", "stale", "in-sync"]);
    expect(plan([...short, half], true).verdict.kind).toBe("cannot-start");
  });

  it("are not those whose data lie in another place", () => {
    const changes: Partial<MdSuperblock>[] = [
      { shape: { ...RAID5, chunkSectors: 64 } },
      { shape: { ...RAID5, layout: 0 } },
      { componentSectors: 2048 },
      { reshape: reshapeOf({}) },
    ];
    for (const change of changes) {
      const made = plan([...short, superblockOf(2, { events: 90, ...change })], true);
      expect(made.verdict.kind, JSON.stringify(change)).toBe("cannot-start");
    }
  });

  it("are one a slot", () => {
    const twin = { events: 90 };
    const made = plan([...short, superblockOf(2, twin), superblockOf(2, twin)], true);
    expect(made.verdict.kind).toBe("can-start");
    expect(fates(made)).toEqual(["in-sync", "in-sync", "in-sync", "stale"]);
    expect(made.forced).toHaveLength(1);
  });
});

function reshapeOf(changes: Partial<MdReshape>): MdReshape {
  return {
    positionSectors: 128 * 3 * 5,
    deltaDisks: 0,
    backwards: false,
    before: RAID5,
    after: { ...RAID5, layout: 0 },
    newOffsetDeltaSectors: 2048,
    ...changes,
  };
}

function reshaping(reshape: MdReshape, more: Partial<MdSuperblock> = {}): AssemblyPlan {
  const { raidDisks } = reshape.after;
  const roles = Array.from({ length: raidDisks }, (_unused, slot) => active(slot));
  const changes = { roles, reshape, shape: reshape.after, ...more };
  return plan(roles.map((_role, slot) => superblockOf(slot, changes)));
}

describe("a reshape", () => {
  it("starts where a kernel would", () => {
    expect(reshaping(reshapeOf({})).verdict.kind).toBe("can-start");
  });

  const raid6: MdShape = { level: "raid6", layout: 2, chunkSectors: 128, raidDisks: 5 };
  const raid10: MdShape = { level: "raid10", layout: 0x102, chunkSectors: 128, raidDisks: 4 };
  const raid1: MdShape = { level: "raid1", layout: 0, chunkSectors: 0, raidDisks: 4 };
  it.each<[string, Partial<MdReshape>, Partial<MdSuperblock>, string]>([
    ["that changes the level", { after: raid6, deltaDisks: 1 }, {}, "from raid5 to raid6"],
    ["of a raid1", { before: raid1, after: raid1 }, { levelNumber: 1 }, "never reshaped"],
    ["inside a stripe", { positionSectors: 128 * 3 + 8 }, {}, "inside a stripe of 384 sectors"],
    ["with a journal", {}, { hasJournal: true }, "journal"],
    [
      "that changes the number of copies",
      { before: raid10, after: { ...raid10, layout: 0x103 } },
      { levelNumber: 10 },
      "from 2 to 3 copies",
    ],
    [
      "of far copies",
      { before: { ...raid10, layout: 0x201 }, after: raid10 },
      { levelNumber: 10 },
      "far copies",
    ],
  ])("is refused: one %s", (_name, changes, more, reason) => {
    const { verdict } = reshaping(reshapeOf(changes), more);
    expect(verdict).toMatchObject({
      kind: "cannot-start",
      reason: expect.stringContaining(reason),
    });
  });
});

describe("dirty and degraded", () => {
  const half: MdShape = { level: "raid6", layout: 18, chunkSectors: 128, raidDisks: 4 };
  const dirty = { levelNumber: 6, shape: half, resyncOffsetSectors: 0 };

  function withRecovering(slot: number, shape: MdShape): AssemblyPlan {
    return plan(
      [0, 1, 2, 3].map((one) =>
        superblockOf(one, {
          ...dirty,
          shape,
          recoveryOffsetSectors: one === slot ? 512 : Infinity,
        }),
      ),
    );
  }

  it("does not count a member that is being filled with parity only", () => {
    expect(withRecovering(3, half).verdict).toEqual({ kind: "can-start", degradedBy: 1 });
  });

  it("counts one that holds data, too", () => {
    expect(withRecovering(2, half).verdict.kind).toBe("needs-force");
    expect(withRecovering(3, { ...half, layout: 2 }).verdict.kind).toBe("needs-force");
  });
});
