/**
 * Power cuts at every moment of short histories of a mirror, with everything that may be on the disks then, put together by the
 * project's own assembler. Laws 1 to 3 and 8 of docs/ARCHITECTURE.md, as far as a mirror and its superblocks go.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import "../../../test/support/seed-properties.ts";
import { CrashDisks } from "../../../test/support/crash-disks.ts";
import { VirtualTime } from "../../../test/support/virtual-time.ts";
import {
  COMPONENT,
  DATA_OFFSET,
  LOG_SECTOR,
  MIRROR,
  SUPER_SECTOR,
  SimpleMirror,
  memberImage,
  planFor,
  runPlan,
  superblockIn,
} from "../../../test/support/running-array.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { BioFlags, flushBio, writeBio } from "../../block/bio.ts";
import type { Bio } from "../../block/bio.ts";
import { decodeBadBlocks } from "../../formats/md/bad-blocks.ts";
import type { AssemblyPlan } from "../plan.ts";
import type { RunningArray } from "./array.ts";

interface World {
  readonly disks: CrashDisks;
  readonly time: VirtualTime;
  readonly array: RunningArray;
  /** Submits a write of one sector, and `pump`s the disks. */
  readonly write: (sector: number, version: number, flags?: number) => Promise<void>;
  /** Only submits it. */
  readonly submit: (sector: number, version: number, flags?: number) => void;
  readonly flush: () => Promise<void>;
  /** Passes the time until the array is marked clean. */
  readonly becomeIdle: () => Promise<void>;
}

interface Scenario {
  readonly name: string;
  readonly members: number;
  /** A disk more, which is a spare. */
  readonly spare?: true;
  /** Disks that were away when the array was assembled; they are there after the cut. */
  readonly away?: readonly number[];
  readonly recordsBlocks?: true;
  /** Disks that fail: only these may be missing from the array afterwards. */
  readonly failing: readonly number[];
  run(world: World): Promise<void>;
}

const isData = (bio: Bio): boolean => bio.op === "write" && bio.sector >= DATA_OFFSET;
const isSuperblock = (bio: Bio): boolean => bio.op === "write" && bio.sector === SUPER_SECTOR;

const SCENARIOS: readonly Scenario[] = [
  {
    name: "writes, becomes idle, writes again and stops",
    members: 2,
    spare: true,
    failing: [],
    async run({ write, becomeIdle, array, disks }) {
      await write(0, 1);
      await becomeIdle();
      await write(1, 2);
      await write(0, 3);
      const closed = array.close();
      await disks.pump();
      await closed;
    },
  },
  {
    name: "loses a member at a write",
    members: 2,
    failing: [1],
    async run({ write, becomeIdle, disks }) {
      await write(0, 1);
      disks.disks[1]!.fails = isData;
      await write(1, 2);
      await write(0, 3);
      await becomeIdle();
      await write(1, 4);
    },
  },
  {
    name: "loses the first member at a write",
    members: 3,
    failing: [0],
    async run({ write, becomeIdle, disks }) {
      await write(0, 1);
      await becomeIdle();
      disks.disks[0]!.fails = isData;
      await write(0, 2);
      await write(1, 3);
      await becomeIdle();
    },
  },
  {
    name: "loses a member while it is marked clean",
    members: 3,
    failing: [1],
    async run({ write, becomeIdle, disks }) {
      await write(0, 1);
      disks.disks[1]!.fails = isSuperblock;
      await becomeIdle();
      await write(0, 2);
      await write(1, 3);
    },
  },
  {
    name: "loses a member that cannot be flushed while it is marked clean",
    members: 2,
    failing: [0],
    async run({ write, becomeIdle, disks }) {
      await write(0, 1);
      disks.disks[0]!.fails = (bio) => bio.op === "flush";
      await becomeIdle();
      await write(0, 2);
    },
  },
  {
    name: "loses a member while it is marked dirty",
    members: 3,
    spare: true,
    failing: [2],
    async run({ write, becomeIdle, disks }) {
      await write(0, 1);
      await becomeIdle();
      disks.disks[2]!.fails = isSuperblock;
      await write(0, 2);
      await becomeIdle();
    },
  },
  {
    name: "loses two of three members one after the other",
    members: 3,
    failing: [1, 2],
    async run({ write, disks }) {
      await write(0, 1);
      disks.disks[1]!.fails = isData;
      disks.disks[2]!.fails = isSuperblock;
      await write(0, 2);
      await write(1, 3);
    },
  },
  {
    name: "loses a member that another write then leaves out",
    members: 2,
    failing: [1],
    async run({ write, submit, array, disks }) {
      await write(0, 1);
      disks.disks[1]!.fails = isData;
      array.listen((event) => {
        if (event.kind === "failed") submit(1, 3);
      });
      await write(0, 2);
    },
  },
  {
    name: "is written while it is being marked clean",
    members: 2,
    spare: true,
    failing: [],
    async run({ write, submit, time, disks, array }) {
      await write(0, 1);
      time.pass(array.safeModeDelayMs);
      submit(1, 2);
      submit(0, 3);
      await disks.pump();
      time.pass(array.safeModeDelayMs);
      await disks.pump();
    },
  },
  {
    name: "is written without FUA, and flushed now and then",
    members: 2,
    failing: [],
    async run({ write, flush, becomeIdle }) {
      await write(0, 1, BioFlags.none);
      await write(1, 2, BioFlags.none);
      await flush();
      await write(0, 3, BioFlags.none);
      await write(2, 4, BioFlags.preflush);
      await becomeIdle();
    },
  },
  {
    name: "loses a member at a flush",
    members: 2,
    failing: [0],
    async run({ write, flush, disks }) {
      await write(0, 1, BioFlags.none);
      disks.disks[0]!.fails = (bio) => bio.op === "flush";
      await flush();
      await write(1, 2);
    },
  },
  {
    name: "lists blocks that cannot be written",
    members: 2,
    recordsBlocks: true,
    failing: [],
    async run({ write, disks, becomeIdle }) {
      await write(0, 1);
      disks.disks[1]!.fails = (bio) => isData(bio) && bio.sector === DATA_OFFSET;
      await write(0, 2);
      await write(1, 3);
      await becomeIdle();
    },
  },
  {
    name: "cannot write its list of bad blocks",
    members: 2,
    recordsBlocks: true,
    failing: [1],
    async run({ write, disks, becomeIdle }) {
      await write(0, 1);
      await becomeIdle();
      disks.disks[1]!.fails = (bio) => bio.op === "write" && bio.sector >= LOG_SECTOR;
      await write(0, 2);
      await write(1, 3);
    },
  },
  {
    name: "is written while a member is away",
    members: 2,
    away: [0],
    failing: [0],
    async run({ write, becomeIdle }) {
      await write(0, 1);
      await becomeIdle();
    },
  },
];

const ORDERS = (count: number): number[][] => {
  const forwards = Array.from({ length: count }, (_unused, i) => i);
  return [forwards, forwards.toReversed()];
};

async function history(scenario: Scenario): Promise<CrashDisks> {
  const { members, away = [] } = scenario;
  const shape = { ...MIRROR, raidDisks: members };
  const roles = Array.from({ length: members }, (_unused, slot) => slot);
  const count = members + (scenario.spare === true ? 1 : 0);
  const images = Array.from({ length: count }, (_unused, number) =>
    memberImage({ shape, number, roles, hasLog: scenario.recordsBlocks ?? false }),
  );
  const disks = new CrashDisks(images);
  const time = new VirtualTime();
  const isHere = (_unused: unknown, i: number): boolean => !away.includes(i);
  const running = runPlan(planFor(disks.disks.filter(isHere), images.filter(isHere)), time, {
    makeLevel: (core) => new SimpleMirror(core, scenario.recordsBlocks ?? false),
  });
  await disks.pump();
  const array = await running;
  const cached = new Map<number, number>();
  const submit = (sector: number, version: number, flags: number = BioFlags.fua): void => {
    const data = new Uint8Array(SECTOR_BYTES).fill(version);
    const end: Bio["end"] = (error) => {
      if (error !== null) return;
      if (flags === BioFlags.fua) disks.mark(`${sector}=${version}`);
      else cached.set(sector, version);
    };
    array.submit(writeBio(sector, data, flags, end));
  };
  const flush = async (): Promise<void> => {
    const before = [...cached];
    const end: Bio["end"] = (error) => {
      if (error !== null) return;
      for (const [sector, version] of before) disks.mark(`${sector}=${version}`);
    };
    array.submit(flushBio(end));
    await disks.pump();
  };
  await scenario.run({
    disks,
    time,
    array,
    submit,
    flush,
    write: async (sector, version, flags) => {
      submit(sector, version, flags);
      await disks.pump();
    },
    becomeIdle: async () => {
      time.pass(array.safeModeDelayMs);
      await disks.pump();
    },
  });
  return disks;
}

/** By sector, the version that had been acknowledged. Versions grow. */
function acknowledged(disks: CrashDisks, cut: number): Map<number, number> {
  const versions = new Map<number, number>();
  for (const entry of disks.log.slice(0, cut)) {
    if (entry.kind !== "mark") continue;
    const [sector, version] = entry.what.split("=").map(Number);
    versions.set(sector!, version!);
  }
  return versions;
}

/** By volume sector, the version that the member has; null where its bad-block log says that it has none. */
function versionsOn(image: Uint8Array): (number | null)[] {
  const { badBlockLog } = superblockIn(image)!;
  const logBytes = image.subarray(LOG_SECTOR * SECTOR_BYTES, (LOG_SECTOR + 8) * SECTOR_BYTES);
  const decoded = decodeBadBlocks(logBytes, 0);
  const bad = badBlockLog?.inUse === true && decoded.kind === "ok" ? decoded.ranges : [];
  return Array.from({ length: COMPONENT }, (_unused, sector) => {
    const at = DATA_OFFSET + sector;
    const isBad = bad.some((range) => range.sector <= at && at < range.sector + range.sectors);
    return isBad ? null : image[at * SECTOR_BYTES]!;
  });
}

/** What is wrong with what was found after a cut; empty when all is well. */
function complaints(
  scenario: Scenario,
  plan: AssemblyPlan,
  images: readonly Uint8Array[],
  known: ReadonlyMap<number, number>,
): string[] {
  if (plan.verdict.kind !== "can-start") return [`does not start: ${plan.verdict.kind}`];
  const found: string[] = [];
  const inSync = plan.judged.flatMap(({ fate, candidate }) =>
    fate === "in-sync" ? [Number(candidate.path.slice(4))] : [],
  );
  for (let disk = 0; disk < scenario.members; disk += 1) {
    if (!inSync.includes(disk) && !scenario.failing.includes(disk))
      found.push(`disk${disk} is out, and never failed`);
  }
  const versions = inSync.map((disk) => versionsOn(images[disk]!));
  versions.forEach((has, index) => {
    for (const [sector, version] of known) {
      if ((has[sector] ?? Infinity) < version)
        found.push(`disk${inSync[index]} is in sync with ${sector}=${has[sector]}, not ${version}`);
    }
  });
  const isClean = plan.superblock.resyncOffsetSectors === Infinity;
  const areAlike = versions.every((has) =>
    has.every((one, i) => one === null || versions.every((other) => (other[i] ?? one) === one)),
  );
  if (isClean && !areAlike) found.push("is clean, and its members differ");
  return found;
}

function allSubsets(possible: number): number[] {
  expect(possible).toBeLessThan(11);
  return Array.from({ length: 2 ** possible }, (_unused, subset) => subset);
}

/** None, all, one alone, all but one, the older ones and the younger ones. */
function someSubsets(possible: number): Set<number> {
  const all = 2 ** possible - 1;
  const some = new Set([0, all]);
  for (let i = 0; i < possible; i += 1) {
    const older = 2 ** i - 1;
    for (const subset of [2 ** i, all - 2 ** i, older, all - older]) some.add(subset);
  }
  return some;
}

/** Every cut of a history with every set of writes that may be there: how many there were, and what was wrong, with its place. */
function cutEverywhere(
  scenario: Scenario,
  disks: CrashDisks,
  subsetsOf: (possible: number) => Iterable<number> = allSubsets,
): { cuts: number; wrong: string[] } {
  const wrong: string[] = [];
  let cuts = 0;
  for (let cut = 0; cut <= disks.log.length; cut += 1) {
    const { certain, possible } = disks.at(cut);
    expect(possible.length).toBeLessThan(31);
    const known = acknowledged(disks, cut);
    for (const subset of subsetsOf(possible.length)) {
      const there = new Set<unknown>(possible.filter((_one, i) => (subset >> i) & 1));
      const images = disks.imagesWith(cut, (write) => certain.has(write) || there.has(write));
      for (const order of ORDERS(images.length)) {
        const plan = planFor(
          order.map((i) => disks.disks[i]!),
          order.map((i) => images[i]!),
        );
        cuts += 1;
        for (const what of complaints(scenario, plan, images, known))
          wrong.push(`cut ${cut}, writes ${subset.toString(2)}, order ${order.join()}: ${what}`);
      }
    }
  }
  return { cuts, wrong };
}

const ACTIONS = [
  "write",
  "write two",
  "write without FUA",
  "flush",
  "become idle",
  "data fails",
  "superblock fails",
  "flush fails",
  "log fails",
] as const;

const FAULTS: Partial<Record<(typeof ACTIONS)[number], (bio: Bio) => boolean>> = {
  "data fails": isData,
  "superblock fails": isSuperblock,
  "flush fails": (bio) => bio.op === "flush",
  "log fails": (bio) => bio.op === "write" && bio.sector >= LOG_SECTOR,
};

/** All but the first member may fail, or all but the last; which one, the versions decide. */
async function act(
  { write, submit, flush, becomeIdle, disks, array }: World,
  action: (typeof ACTIONS)[number],
  version: number,
  failing: number[],
): Promise<void> {
  const fault = FAULTS[action];
  if (fault !== undefined) {
    const count = array.members.slots;
    const disk =
      (failing[0] ?? version % count) === 0 ? failing.length : count - 1 - failing.length;
    if (failing.length === count - 1 || failing.includes(disk)) return;
    failing.push(disk);
    disks.disks[disk]!.fails = fault;
    return;
  }
  if (action === "flush") await flush();
  else if (action === "become idle") await becomeIdle();
  else {
    if (action === "write two") submit((version + 1) % 3, version);
    await write(version % 3, version, action === "write without FUA" ? BioFlags.none : undefined);
  }
}

describe("a mirror that loses power at any moment", () => {
  it.each(SCENARIOS)("when it $name", async (scenario) => {
    const disks = await history(scenario);
    const { cuts, wrong } = cutEverywhere(scenario, disks);
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(cuts).toBeGreaterThan(30);
    // It was not for nothing.
    expect(acknowledged(disks, disks.log.length).size).toBeGreaterThan(0);
  });

  it("in histories that chance makes", async () => {
    const law = fc.asyncProperty(
      fc.integer({ min: 2, max: 3 }),
      fc.boolean(),
      fc.array(fc.constantFrom(...ACTIONS), { minLength: 2, maxLength: 7 }),
      async (members, recordsBlocks, actions) => {
        const failing: number[] = [];
        const scenario: Scenario = {
          name: "random",
          members,
          failing,
          ...(recordsBlocks ? { recordsBlocks } : {}),
          async run(world) {
            for (const [i, action] of actions.entries()) await act(world, action, i + 1, failing);
          },
        };
        const disks = await history(scenario);
        const { wrong } = cutEverywhere(scenario, disks, someSubsets);
        expect(wrong.slice(0, 5)).toEqual([]);
      },
    );
    await fc.assert(law, { numRuns: 25 });
  });
});
