import { describe, expect, it } from "vitest";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import {
  active,
  candidateOf,
  faulty,
  spare,
  superblockOf,
} from "../../test/support/md-superblock.ts";
import type { AssemblyPlan } from "./plan.ts";
import { planAssembly } from "./plan.ts";

function plan(superblocks: MdSuperblock[], force = false): AssemblyPlan {
  const set = superblocks.map((superblock, i) => candidateOf(`d${i}`, superblock));
  return planAssembly(set, { force, backupGiven: false })!;
}

function fates(made: AssemblyPlan): string[] {
  return made.judged.map((one) => one.fate);
}

const mirror = {
  levelNumber: 1,
  shape: { level: "raid1", layout: 0, chunkSectors: 0, raidDisks: 2 },
} as const;

describe("planAssembly", () => {
  it("starts a whole array, members in any order", () => {
    const made = plan([3, 1, 0, 2].map((slot) => superblockOf(slot)));
    expect(made.verdict).toEqual({ kind: "can-start", degradedBy: 0 });
    expect(made.slots.map((slot) => slot.member?.candidate.path)).toEqual(["d2", "d1", "d3", "d0"]);
  });

  it("starts degraded with one member missing, refuses with two", () => {
    expect(plan([superblockOf(0), superblockOf(1), superblockOf(3)]).verdict).toEqual({
      kind: "can-start",
      degradedBy: 1,
    });
    const refused = plan([superblockOf(0), superblockOf(3)], true);
    expect(refused.verdict).toMatchObject({
      kind: "cannot-start",
      reason: expect.stringContaining("not there: member 1, member 2"),
    });
  });

  it("accepts one event behind and leaves out what is older", () => {
    const made = plan([
      superblockOf(0),
      superblockOf(1, { events: 99 }),
      superblockOf(2, { events: 98 }),
      superblockOf(3),
    ]);
    expect(fates(made)).toEqual(["in-sync", "in-sync", "stale", "in-sync"]);
    expect(made.judged[2]!.note).toContain("2 behind");
    expect(made.verdict).toEqual({ kind: "can-start", degradedBy: 1 });
  });

  it("believes the freshest role table over an event count that is only one behind", () => {
    const roles = [active(0), faulty, active(2), active(3)];
    const made = plan([
      superblockOf(0, { roles }),
      superblockOf(1, { events: 99 }),
      superblockOf(2, { roles }),
      superblockOf(3, { roles }),
    ]);
    expect(fates(made)).toEqual(["in-sync", "stale", "in-sync", "in-sync"]);
  });

  it("leaves out the other side of a split mirror even with equal events", () => {
    const made = plan([
      superblockOf(0, { ...mirror, roles: [active(0), faulty] }),
      superblockOf(1, { ...mirror, roles: [faulty, active(1)] }),
    ]);
    expect(fates(made)).toEqual(["in-sync", "stale"]);
    expect(made.judged[1]!.note).toMatch(/faulty|failed/);
  });

  it("needs force when too many are stale, and takes back only the freshest of them", () => {
    const set = [
      superblockOf(0),
      superblockOf(1),
      superblockOf(2, { events: 90 }),
      superblockOf(3, { events: 50 }),
    ];
    expect(plan(set).verdict.kind).toBe("needs-force");
    const forced = plan(set, true);
    expect(fates(forced)).toEqual(["in-sync", "in-sync", "in-sync", "stale"]);
    expect(forced.verdict).toEqual({ kind: "can-start", degradedBy: 1 });
    expect(forced.forced).toHaveLength(1);
    expect(forced.forced[0]).toContain("d2");
  });

  it("needs force for a dirty and degraded raid5, not for a dirty whole one, a raid1, or with PPL", () => {
    const dirty = { resyncOffsetSectors: 0 };
    const three = [0, 1, 2].map((slot) => superblockOf(slot, dirty));
    expect(plan(three).verdict.kind).toBe("needs-force");
    expect(plan(three, true).verdict).toEqual({ kind: "can-start", degradedBy: 1 });
    expect(plan([...three, superblockOf(3, dirty)]).verdict.kind).toBe("can-start");
    expect(plan([superblockOf(0, { ...mirror, ...dirty })]).verdict.kind).toBe("can-start");
    const ppl = { startSector: 100, sectors: 1024, multiple: false };
    const withPpl = [0, 1, 2].map((slot) => superblockOf(slot, { ...dirty, ppl }));
    expect(plan(withPpl).verdict.kind).toBe("can-start");
  });

  it("does not count a half-recovered member", () => {
    const made = plan([
      superblockOf(0),
      superblockOf(1),
      superblockOf(2, { recoveryOffsetSectors: 1000 }),
    ]);
    expect(made.verdict.kind).toBe("cannot-start");
    expect(fates(made)).toEqual(["in-sync", "in-sync", "recovering"]);
  });

  it("tells replacements, spares, journals and copies apart", () => {
    const roles = [active(0), active(1), active(2), active(3), active(0), spare];
    const made = plan([
      ...[0, 1, 2, 3].map((slot) => superblockOf(slot, { roles })),
      superblockOf(4, { roles, role: active(0), replacement: true, recoveryOffsetSectors: 512 }),
      superblockOf(5, { roles, role: spare }),
      superblockOf(2, { roles }),
    ]);
    expect(fates(made)).toEqual([
      "in-sync",
      "in-sync",
      "in-sync",
      "in-sync",
      "recovering",
      "spare",
      "duplicate",
    ]);
    expect(made.slots[0]!.replacement?.candidate.path).toBe("d4");
    expect(made.judged[6]!.note).toBe("a copy of d2, which is used");
  });

  it("takes one of the devices with one number: the member, else the spare that was written last", () => {
    const roles = [active(0), active(1), active(2), active(3), spare];
    const members = [0, 1, 2, 3].map((slot) => superblockOf(slot, { roles }));
    const stray = (deviceNumber: number, events: number, deviceUuid: string): MdSuperblock =>
      superblockOf(deviceNumber, { roles, role: spare, events, deviceUuid });
    const made = plan([stray(2, 120, "a"), stray(4, 90, "b"), ...members, stray(4, 95, "c")]);
    const inSync = ["in-sync", "in-sync", "in-sync", "in-sync"];
    expect(fates(made)).toEqual(["duplicate", "duplicate", ...inSync, "spare"]);
    expect(made.judged[1]!.note).toBe("d6 claims the same device number and is used");
  });

  it("keeps foreign superblocks out: another creation time, another shape, a wrong checksum", () => {
    const made = plan([
      superblockOf(0),
      superblockOf(1, { createdSeconds: 5 }),
      superblockOf(2, { componentSectors: 8192 }),
      superblockOf(3, { checksumOk: false }),
    ]);
    expect(fates(made)).toEqual(["in-sync", "foreign", "foreign", "foreign"]);
  });

  it("needs force when the journal is missing", () => {
    const set = [0, 1, 2, 3].map((slot) => superblockOf(slot, { hasJournal: true }));
    expect(plan(set).verdict.kind).toBe("needs-force");
    expect(plan(set, true).verdict.kind).toBe("can-start");
    const roles = [active(0), active(1), active(2), active(3), { kind: "journal" } as const];
    const whole = set.map((superblock) => ({ ...superblock, roles }));
    const journal = superblockOf(4, { hasJournal: true, role: { kind: "journal" }, roles });
    expect(plan([...whole, journal]).verdict.kind).toBe("can-start");
  });

  it("refuses unknown feature bits and unserved levels, also with force", () => {
    const unknown = [0, 1, 2, 3].map((slot) => superblockOf(slot, { unknownFeatures: 0x8000 }));
    expect(plan(unknown, true).verdict).toMatchObject({
      reason: expect.stringContaining("0x8000"),
    });
    const multipath = [superblockOf(0, { levelNumber: -4, shape: null })];
    expect(plan(multipath, true).verdict).toMatchObject({
      reason: expect.stringContaining("multipath"),
    });
  });

  it("says nothing when no superblock is intact", () => {
    expect(
      planAssembly([candidateOf("d0", superblockOf(0, { checksumOk: false }))], {
        force: true,
        backupGiven: false,
      }),
    ).toBeNull();
  });
});
