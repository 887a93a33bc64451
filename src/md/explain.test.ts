import { describe, expect, it } from "vitest";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import {
  active,
  candidateOf,
  faulty,
  spare,
  superblockOf,
} from "../../test/support/md-superblock.ts";
import { explainSet } from "./explain.ts";
import type { ExplainedWay, SetExplanation, WayKind } from "./explanation.ts";

async function explain(superblocks: readonly MdSuperblock[]): Promise<SetExplanation> {
  const set = superblocks.map((superblock, i) => candidateOf(`d${i}`, superblock));
  return (await explainSet("data", set))!;
}

function wayOf({ ways }: SetExplanation, kind: WayKind): ExplainedWay {
  const found = ways.find((way) => way.kind === kind);
  if (found === undefined)
    throw new Error(`no way ${kind} among ${ways.map((way) => way.way).join(", ")}`);
  return found;
}

const kinds = ({ ways }: SetExplanation): string[] => ways.map((way) => way.kind);

const four = (changes: Partial<MdSuperblock> = {}): MdSuperblock[] =>
  [0, 1, 2, 3].map((slot) => superblockOf(slot, changes));

const mirror = {
  levelNumber: 1,
  shape: { level: "raid1", layout: 0, chunkSectors: 0, raidDisks: 2 },
} as const;

describe("explainSet", () => {
  it("offers a whole array as it is, and with an overlay", async () => {
    const told = await explain(four());
    expect(kinds(told)).toEqual(["as-it-is", "overlay"]);
    expect(wayOf(told, "as-it-is")).toMatchObject({
      command: "holdfast open d0 d1 d2 d3",
      verdict: { kind: "can-start", degradedBy: 0 },
      degradedBy: 0,
      members: ["d0", "d1", "d2", "d3"],
      stripesAtRisk: 0,
      stripesToSync: 0,
    });
    expect(wayOf(told, "overlay").command).toBe("holdfast open d0 d1 d2 d3 --overlay");
    // 4096 sectors of each member, in chunks of 128; three of four members hold data.
    expect(told).toMatchObject({ stripes: 32, stripeBytes: 3 * 65536, splitBrain: false });
  });

  it("gives each member's own words, freshest first", async () => {
    const told = await explain([
      superblockOf(1, { events: 90, resyncOffsetSectors: 0 }),
      superblockOf(0, { roles: [active(0), faulty, active(2), active(3)] }),
      superblockOf(2, { recoveryOffsetSectors: 512 }),
      superblockOf(3, {
        deviceNumber: 4,
        roles: [active(0), active(1), active(2), spare, active(3)],
      }),
    ]);
    expect(told.members.map((one) => one.path)).toEqual(["d1", "d2", "d3", "d0"]);
    expect(told.members[0]).toMatchObject({ sees: "A.AA", state: "in-sync", eventsBehind: 0 });
    expect(told.members[2]).toMatchObject({ deviceNumber: 4, role: "member 3", sees: "AAAA" });
    expect(told.members[3]).toMatchObject({
      role: "member 1",
      slot: 1,
      events: 90,
      eventsBehind: 10,
      state: "stale",
      clean: false,
      resyncOffsetSectors: 0,
      note: expect.stringContaining("10 behind"),
    });
    expect(JSON.parse(JSON.stringify(told))).toEqual(told);
  });

  it("takes back by force only as many stale members as it must, the freshest first", async () => {
    const set = four().slice(0, 2);
    const told = await explain([
      ...set,
      superblockOf(2, { events: 90 }),
      superblockOf(3, { events: 50 }),
    ]);
    expect(kinds(told)).toEqual(["as-it-is", "force", "overlay"]);
    const asItIs = wayOf(told, "as-it-is");
    expect(asItIs.verdict.kind).toBe("needs-force");
    expect(asItIs).toMatchObject({ degradedBy: null, stripesAtRisk: 0, bytesAtRisk: 0 });
    const force = wayOf(told, "force");
    expect(force).toMatchObject({
      command: "holdfast open --force d0 d1 d2 d3",
      members: ["d0", "d1", "d2"],
      degradedBy: 1,
      upperBound: true,
      // Without a bitmap everything may be old: what the stale member has, and what is computed from it.
      stripesAtRisk: 32,
      bytesAtRisk: 32 * 2 * 65536,
    });
    expect(force.consequences.join()).toContain("d2 is taken back by force, 10 events behind");
    expect(wayOf(told, "overlay").command).toBe("holdfast open --force d0 d1 d2 d3 --overlay");
  });

  it("counts everything behind the resync offset of a dirty array without a bitmap", async () => {
    const dirty = { resyncOffsetSectors: 1000 };
    const wholeArray = wayOf(await explain(four(dirty)), "as-it-is");
    expect(wholeArray).toMatchObject({ stripesAtRisk: 0, bytesAtRisk: 0, stripesToSync: 32 - 7 });
    const told = await explain(four(dirty).slice(1));
    expect(wayOf(told, "force")).toMatchObject({
      stripesAtRisk: 25,
      bytesAtRisk: 25 * 65536,
      upperBound: true,
      stripesToSync: 25,
    });
  });

  it("offers to leave out what is doubtful, one way a member", async () => {
    const roles = [active(0), active(1), active(2), active(3), active(0)];
    const told = await explain([
      superblockOf(0, { roles }),
      superblockOf(1, { roles, events: 99 }),
      superblockOf(2, { roles }),
      superblockOf(3, { roles }),
      superblockOf(4, { roles, role: active(0), replacement: true, recoveryOffsetSectors: 512 }),
    ]);
    const without = told.ways.filter((way) => way.kind === "without");
    expect(without.map((way) => way.command)).toEqual([
      "holdfast open d1 d2 d3 d4",
      "holdfast open d0 d2 d3 d4",
      "holdfast open d0 d1 d2 d3",
    ]);
    expect(without.map((way) => way.degradedBy)).toEqual([1, 1, 0]);
    expect(told.members.find((one) => one.path === "d4")).toMatchObject({
      role: "member 0 (replacement)",
      sees: "RAAA",
    });
  });

  it("does not offer to leave out what cannot be done without", async () => {
    const told = await explain([...four().slice(0, 2), superblockOf(2, { events: 99 })]);
    expect(kinds(told)).toEqual(["as-it-is", "overlay"]);
  });

  it("sees a split brain, with equal events too, and offers both halves", async () => {
    const told = await explain([
      superblockOf(0, { ...mirror, roles: [active(0), faulty] }),
      superblockOf(1, { ...mirror, roles: [faulty, active(1)] }),
    ]);
    expect(told.splitBrain).toBe(true);
    expect(wayOf(told, "as-it-is").members).toEqual(["d0"]);
    expect(wayOf(told, "other-half")).toMatchObject({
      command: "holdfast open d1",
      members: ["d1"],
      degradedBy: 1,
    });
    expect(told.members[1]!.note).toContain("split brain");
  });

  it("takes a member that only left for no split brain, nor one whose place somebody new has", async () => {
    const left = await explain([
      superblockOf(0, { ...mirror, roles: [active(0), faulty] }),
      superblockOf(1, { ...mirror, events: 90, roles: [active(0), active(1)] }),
    ]);
    expect(left.splitBrain).toBe(false);
    expect(wayOf(left, "other-half").members).toEqual(["d1"]);
    // Device 2 took slot 0 after device 0 had gone; device 0 does not know it.
    const replaced = await explain([
      superblockOf(2, {
        ...mirror,
        role: active(0),
        roles: [faulty, active(1), active(0)],
      }),
      superblockOf(0, { ...mirror, events: 90, roles: [active(0), active(1)] }),
    ]);
    expect(replaced.splitBrain).toBe(false);
  });

  it("sees a split of more than two members", async () => {
    const striped = {
      levelNumber: 10,
      shape: { level: "raid10", layout: 0x102, chunkSectors: 128, raidDisks: 4 },
    } as const;
    const one = { ...striped, roles: [active(0), faulty, active(2), faulty] };
    const other = { ...striped, events: 95, roles: [faulty, active(1), faulty, active(3)] };
    const told = await explain([
      superblockOf(0, one),
      superblockOf(1, other),
      superblockOf(2, one),
      superblockOf(3, other),
    ]);
    expect(told.splitBrain).toBe(true);
    expect(wayOf(told, "as-it-is").members).toEqual(["d0", "d2"]);
    expect(wayOf(told, "other-half")).toMatchObject({
      command: "holdfast open d1 d3",
      verdict: { kind: "can-start", degradedBy: 2 },
    });
  });

  it("offers what each generation of left members would be", async () => {
    const three = { levelNumber: 1, shape: { ...mirror.shape, raidDisks: 3 } } as const;
    const told = await explain([
      superblockOf(0, { ...three, roles: [active(0), faulty, faulty] }),
      superblockOf(1, { ...three, events: 90, roles: [active(0), active(1), faulty] }),
      superblockOf(2, { ...three, events: 50, roles: [active(0), active(1), active(2)] }),
    ]);
    const halves = told.ways.filter((way) => way.kind === "other-half");
    expect(halves.map((way) => way.command)).toEqual(["holdfast open d1", "holdfast open d2"]);
  });

  it("does not know what a missing journal held", async () => {
    const told = await explain(four({ hasJournal: true }));
    expect(wayOf(told, "force")).toMatchObject({
      stripesAtRisk: null,
      bytesAtRisk: null,
      degradedBy: 0,
    });
  });

  it("counts the first stripes of a growing reshape without spare room, until they are safe", async () => {
    const growing = (positionSectors: number): MdSuperblock[] =>
      four({
        reshape: {
          positionSectors,
          deltaDisks: 1,
          backwards: false,
          before: { level: "raid5", layout: 2, chunkSectors: 128, raidDisks: 3 },
          after: { level: "raid5", layout: 2, chunkSectors: 128, raidDisks: 4 },
          newOffsetDeltaSectors: 0,
        },
      });
    // Writing row n of the new shape needs rows up to 3n / 2 of the old one: safe once row 2 is written.
    const early = await explain(growing(0));
    expect(kinds(early)).toEqual(["as-it-is", "backup-file", "overlay"]);
    expect(wayOf(early, "as-it-is")).toMatchObject({
      verdict: { kind: "can-start" },
      stripesAtRisk: 2,
      bytesAtRisk: 2 * 3 * 65536,
      upperBound: true,
    });
    expect(wayOf(early, "backup-file").stripesAtRisk).toBe(0);
    const later = await explain(growing(2 * 3 * 128));
    expect(kinds(later)).toEqual(["as-it-is", "overlay"]);
    expect(wayOf(later, "as-it-is").stripesAtRisk).toBe(0);
  });

  it("says what cannot be opened, and offers nothing else", async () => {
    const told = await explain(four({ unknownFeatures: 0x8000 }));
    expect(kinds(told)).toEqual(["as-it-is"]);
    expect(told.ways[0]!.verdict.kind).toBe("cannot-start");
    expect(told.kernels.oldest).toBeNull();
    const multipath = await explain([superblockOf(0, { levelNumber: -4, shape: null })]);
    expect(multipath).toMatchObject({ level: "multipath", layout: "-", stripes: 0 });
  });

  it("quotes paths for the shell", async () => {
    const set = [0, 1, 2, 3].map((slot) => candidateOf(`my disk ${slot}`, superblockOf(slot)));
    const told = (await explainSet("data", set))!;
    expect(told.ways[0]!.command).toContain("'my disk 0' 'my disk 1'");
  });

  it("has nothing to say when no superblock is intact", async () => {
    const damaged = candidateOf("d0", superblockOf(0, { checksumOk: false }));
    expect(await explainSet("data", [damaged])).toBeNull();
  });
});
