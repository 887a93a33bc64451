import { describe, expect, it, test } from "vitest";
import { goldenCase } from "../../../test/support/golden.ts";
import { goldenArray } from "../../../test/support/golden-array.ts";
import { goldenMembers } from "../../../test/support/golden-members.ts";
import {
  active,
  candidateOf,
  faulty,
  spare,
  superblockOf,
} from "../../../test/support/md-superblock.ts";
import { MIRROR, memberImage, planFor, runPlan } from "../../../test/support/running-array.ts";
import { VirtualTime } from "../../../test/support/virtual-time.ts";
import { writeSectors } from "../../block/promises.ts";
import { HoldfastError } from "../../base/errors.ts";
import { MemoryDevice } from "../../devices/memory.ts";
import type { MdSuperblock } from "../../formats/md/superblock.ts";
import type { MdCandidate } from "../candidate.ts";
import { probeMdSuperblocks } from "../probe.ts";
import { BadBlockTable } from "./bad-block-table.ts";
import { Member } from "./member.ts";
import type { Standing } from "./member.ts";
import { Members } from "./members.ts";
import { judgeReturn, rejoin, revive } from "./rejoin.ts";
import type { Rejoin, RejoinRequest } from "./rejoin.ts";
import { fillSlots } from "./sync-slots.ts";

const SECTORS = 2048 + 4096;

function deviceOf(sectors = SECTORS): MemoryDevice {
  return new MemoryDevice({ name: "back", sectors });
}

function memberAt(number: number, standing: Standing): Member {
  return new Member({
    label: `disk${number}`,
    device: deviceOf(),
    superblock: superblockOf(number % 4, {
      deviceNumber: number,
      deviceUuid: `0000000${number}:00000000:00000000:00000000`,
    }),
    image: new Uint8Array(4096),
    standing,
    badBlocks: new BadBlockTable(null, []),
  });
}

/** A raid5 of 4 with 110 events that slot 3 left at 100. */
function running(...more: readonly Member[]): RejoinRequest["array"] {
  const inSync = [0, 1, 2].map((slot) => memberAt(slot, { kind: "in-sync", slot }));
  const members = new Members(4, [...inSync, ...more]);
  const record = {
    raidDisks: 4,
    componentSectors: 4096,
    hasPpl: false,
    events: 110,
    isClean: true,
    resyncOffsetSectors: Infinity,
  };
  return { name: "md0", members, record };
}

interface Case {
  readonly own?: Partial<MdSuperblock>;
  readonly array?: RejoinRequest["array"];
  readonly eventsCleared?: number | null;
  readonly sectors?: number;
}

function judged({ own, array = running(), eventsCleared = 95, sectors }: Case): Rejoin {
  const superblock = superblockOf(3, own);
  const candidate = { ...candidateOf("back", superblock), device: deviceOf(sectors) };
  return judgeReturn({ array, eventsCleared, candidate });
}

function why(rejoined: Rejoin): string {
  return "why" in rejoined ? `${rejoined.kind}: ${rejoined.why}` : rejoined.kind;
}

const IN_PLACE = { kind: "by-bitmap", slot: 3 };

describe("it comes back by bitmap", () => {
  it("when nothing that it missed has been forgotten", () => {
    expect(judged({})).toEqual(IN_PLACE);
    expect(judged({ eventsCleared: 100 })).toEqual(IN_PLACE);
    expect(why(judged({ eventsCleared: 101 }))).toBe(
      "as-new: What back holds counts for nothing: its event count is 10 behind, and what it missed is not known.",
    );
  });

  it("when it missed nothing", () => {
    expect(judged({ own: { events: 110 }, eventsCleared: 110 })).toEqual(IN_PLACE);
  });

  it("when it was coming back by bitmap before; whole, when it was being filled", () => {
    const own = { recoveryOffsetSectors: 128 };
    expect(judged({ own: { ...own, recoveryByBitmap: true } })).toEqual(IN_PLACE);
    expect(judged({ own })).toEqual({ kind: "whole", slot: 3 });
  });
});

describe("without a bitmap", () => {
  it("it keeps its place only if nothing was written since, and is filled all the same", () => {
    const eventsCleared = null;
    expect(judged({ own: { events: 110 }, eventsCleared })).toEqual({ kind: "whole", slot: 3 });
    expect(why(judged({ eventsCleared }))).toMatch(/^as-new: .* 10 behind/);
    expect(why(judged({ own: { events: 109 }, eventsCleared }))).toMatch(/^as-new: .* 1 behind/);
  });
});

describe("what it holds counts for nothing", () => {
  const reasons: readonly (readonly [string, Case, RegExp])[] = [
    ["newer than the array", { own: { events: 111 } }, /1 ahead: it was part of the array else/],
    [
      "written apart from the array",
      { own: { roles: [active(0), faulty, active(2), active(3)] } },
      /knows of nobody in slot 1, and may have been written apart/,
    ],
    [
      "written apart, and as far as the array",
      { own: { events: 110, roles: [spare, spare, spare, active(3)] }, eventsCleared: 110 },
      /knows of nobody in slot 0/,
    ],
    ["another array's", { own: { arrayUuid: "9:9:9:9" } }, /belongs to another array/],
    ["of an array made anew", { own: { createdSeconds: 7 } }, /belongs to another array/],
    ["damaged", { own: { checksumOk: false } }, /its superblock is damaged/],
    ["of another size", { own: { componentSectors: 2048 } }, /another level, size or layout/],
    ["a spare", { own: { role: spare } }, /calls it spare/],
    ["a replacement", { own: { replacement: true } }, /calls it a replacement/],
    ["cut off", { sectors: SECTORS - 1 }, /it is cut off/],
    [
      "without a place, as another one has it",
      { array: running(memberAt(4, { kind: "recovering", slot: 3, recoveredSectors: 0 })) },
      /its place has been taken by disk4/,
    ],
  ];
  for (const [name, one, reason] of reasons) {
    test(name, () => {
      const rejoined = judged(one);
      expect(rejoined.kind).toBe("as-new");
      expect(why(rejoined)).toMatch(reason);
    });
  }
});

test("nobody comes back to an array that has failed: made a spare, its superblock could not help any more", () => {
  const array = running();
  array.members.withNumber(0)!.standing = { kind: "faulty" };
  expect(why(judged({ array }))).toMatch(/^refused: md0 has failed: as a spare back could not/);
});

test("who has not been removed cannot come back", () => {
  const array = running(memberAt(3, { kind: "faulty" }));
  expect(why(judged({ array }))).toBe(
    "refused: back is in md0 already, as device 3; remove it there first.",
  );
});

describe("devices that a kernel left behind", () => {
  async function goldenReturn(name: string, index: number): Promise<Rejoin> {
    const all = await goldenMembers(goldenCase(name));
    const left = all[index]!;
    const { members, record, bitmap } = goldenArray(all.filter((one) => one !== left));
    const device = new MemoryDevice({ name: "back", sectors: left.disk.length / 512 });
    const candidate: MdCandidate = { path: "back", device, superblock: left.superblock };
    const array = { name: "md0", members, record };
    return judgeReturn({ array, eventsCleared: bitmap?.eventsCleared ?? null, candidate });
  }

  test("with a bitmap they come back by it", async () => {
    expect(await goldenReturn("degraded-raid1-2-bitmap", 1)).toEqual({
      kind: "by-bitmap",
      slot: 1,
    });
    expect(await goldenReturn("degraded-raid5-3-bitmap", 0)).toEqual({
      kind: "by-bitmap",
      slot: 0,
    });
  });

  test("a phoenix without a bitmap, and both halves of a split, do not", async () => {
    expect(why(await goldenReturn("phoenix-raid1", 1))).toMatch(/^as-new: .*behind/);
    expect(why(await goldenReturn("split-raid1", 1))).toMatch(/^as-new: .*nobody in slot 0/);
    expect(why(await goldenReturn("split-raid1", 0))).toMatch(/^as-new: .*ahead/);
  });
});

/** A mirror whose second member failed; `disks` hold superblocks and data. */
async function mirrorThatLost(): Promise<{
  readonly array: Awaited<ReturnType<typeof runPlan>>;
  readonly left: Member;
}> {
  const images = [0, 1].map((number) => memberImage({ shape: MIRROR, number, roles: [0, 1] }));
  const disks = images.map(
    (image, at) => new MemoryDevice({ name: `d${at}`, sectors: image.length / 512 }),
  );
  for (const [at, disk] of disks.entries()) await writeSectors(disk, 0, images[at]!);
  const array = await runPlan(planFor(disks, images), new VirtualTime());
  await array.startWriting();
  const left = array.members.withNumber(1)!;
  await new Promise<void>((resolve) =>
    array.memberFailed(left, new HoldfastError("io", "it is gone"), () => resolve()),
  );
  return { array, left };
}

test("it joins under its old number and is put into its old slot, with what it missed known by the bitmap", async () => {
  const { array, left } = await mirrorThatLost();
  await array.detach(left);
  const { primary } = await probeMdSuperblocks(left.device);
  const candidate = { path: "back", device: left.device, superblock: primary! };
  const verdict = judgeReturn({ array, eventsCleared: 10, candidate });
  expect(verdict).toEqual({ kind: "by-bitmap", slot: 1 });
  const member = await rejoin(candidate, verdict as Extract<Rejoin, { kind: "by-bitmap" }>);
  await array.attach(member);
  expect(member).toMatchObject({ number: 1, savedSlot: 1, standing: { kind: "spare" } });
  // Until it is put there nobody may take it for a member.
  const said = (await probeMdSuperblocks(left.device)).primary!;
  expect(said).toMatchObject({ role: { kind: "spare" }, events: array.record.events });
  expect(fillSlots(array.members)).toBe(true);
  await new Promise<void>((resolve) => array.commit("members", resolve));
  expect(member).toMatchObject({ savedSlot: 1, standing: { kind: "recovering", slot: 1 } });
});

test("a faulty one that was not removed is tried again, by bitmap if there is one", async () => {
  const { left } = await mirrorThatLost();
  revive(left, true);
  expect(left).toMatchObject({ standing: { kind: "spare" }, savedSlot: 1 });
  expect(() => revive(left, true)).toThrow(/is not faulty/);
  left.standing = { kind: "faulty" };
  revive(left, false);
  expect(left).toMatchObject({ standing: { kind: "spare" }, savedSlot: null });
  left.standing = { kind: "faulty" };
  expect(() => revive(left, true)).toThrow(/was not in sync when it failed/);
});
