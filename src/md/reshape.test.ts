/**
 * Reading a set in the middle of a reshape. Both shapes are laid out by the geometry code, each with the right content only on
 * its own side of the position and chance elsewhere, so a sector taken from the wrong side is found out.
 */
import { describe, expect, it } from "vitest";
import { readAll } from "../../test/support/open.ts";
import {
  bytesOf,
  diskOf,
  geometryOf,
  layOut,
  memberOf,
  startOf,
} from "../../test/support/md-layout.ts";
import type { TestMember } from "../../test/support/md-layout.ts";
import { sameBytes } from "../../test/support/bytes.ts";
import { readSectors } from "../block/promises.ts";
import type { MdReshape, MdShape } from "../formats/md/superblock.ts";

const COMPONENT = 192;
const DATA_OFFSET = 16;
const DELTA = 256;

interface Case {
  readonly before: MdShape;
  readonly after: MdShape;
  readonly backwards: boolean;
  readonly positions: readonly number[];
}

const raid5 = (raidDisks: number, chunkSectors = 16, layout = 2): MdShape => ({
  level: "raid5",
  layout,
  chunkSectors,
  raidDisks,
});
const raid6 = (layout: number): MdShape => ({
  level: "raid6",
  layout,
  chunkSectors: 16,
  raidDisks: 5,
});
const raid10 = (raidDisks: number, layout = 0x102, chunkSectors = 16): MdShape => ({
  level: "raid10",
  layout,
  chunkSectors,
  raidDisks,
});

const CASES: Readonly<Record<string, Case>> = {
  "raid5, a disk more": {
    before: raid5(3),
    after: raid5(4),
    backwards: false,
    positions: [0, 48, 192, 384],
  },
  "raid5, a disk less": {
    before: raid5(5),
    after: raid5(4),
    backwards: true,
    positions: [0, 96, 576],
  },
  "raid5, smaller chunks": {
    before: raid5(4, 32),
    after: raid5(4, 16),
    backwards: false,
    positions: [96, 480],
  },
  "raid5, another layout, from the end": {
    before: raid5(4),
    after: raid5(4, 16, 0),
    backwards: true,
    positions: [96, 480],
  },
  "raid6, Q goes round": {
    before: raid6(18),
    after: raid6(2),
    backwards: false,
    positions: [48, 144, 576],
  },
  "raid10, a disk more": {
    before: raid10(4),
    after: raid10(5),
    backwards: false,
    positions: [0, 8, 37, 200, 384],
  },
  "raid10, near to offset, from the end": {
    before: raid10(4),
    after: raid10(4, 0x10201),
    backwards: true,
    positions: [64, 101, 384],
  },
  "raid10, larger chunks": {
    before: raid10(4, 0x102, 8),
    after: raid10(4, 0x102, 32),
    backwards: false,
    positions: [64, 101],
  },
};

interface World {
  readonly content: Uint8Array;
  readonly members: readonly TestMember[];
}

async function makeWorld(one: Case, positionSectors: number): Promise<World> {
  const { before, after, backwards } = one;
  const old = geometryOf(before, COMPONENT);
  const young = geometryOf(after, COMPONENT);
  const sectors = Math.min(old.arraySectors, young.arraySectors);
  const content = bytesOf(7, sectors);
  const lower = { from: 0, to: Math.min(positionSectors, sectors) };
  const upper = { from: positionSectors, to: sectors };
  const oldImages = layOut(old, COMPONENT, content, { ...(backwards ? lower : upper), seed: 2 });
  const youngImages = layOut(young, COMPONENT, content, {
    ...(backwards ? upper : lower),
    seed: 3,
  });
  const reshape: MdReshape = {
    positionSectors,
    deltaDisks: after.raidDisks - before.raidDisks,
    backwards,
    before,
    after,
    newOffsetDeltaSectors: DELTA,
  };
  const disks = Math.max(before.raidDisks, after.raidDisks);
  const widest = before.raidDisks > after.raidDisks ? before : after;
  const members: TestMember[] = [];
  for (let slot = 0; slot < disks; slot += 1) {
    const parts = [
      { sector: DATA_OFFSET, data: oldImages[slot] },
      { sector: DATA_OFFSET + DELTA, data: youngImages[slot] },
    ].flatMap(({ sector, data }) => (data === undefined ? [] : [{ sector, data }]));
    const device = await diskOf(`m${slot}`, DATA_OFFSET + DELTA + COMPONENT, parts);
    const { roles } = memberOf(widest, slot);
    const superblock = memberOf(after, slot, {
      roles,
      reshape,
      componentSectors: COMPONENT,
      dataOffsetSectors: DATA_OFFSET,
      dataSectors: COMPONENT,
    });
    members.push({ device, superblock });
  }
  return { content, members };
}

async function expectContent(members: readonly TestMember[], content: Uint8Array): Promise<void> {
  const { device } = await startOf(members);
  expect(device.sectors * 512).toBe(content.length);
  expect(sameBytes(await readAll(device), content)).toBe(true);
}

const NAMED = Object.entries(CASES).flatMap(([name, one]) =>
  one.positions.map((position) => [name, position, one] as const),
);

describe.each(NAMED)("%s, at %d", (_name, position, one) => {
  it("reads each side in its shape", async () => {
    const { content, members } = await makeWorld(one, position);
    await expectContent(members, content);
  });

  it("reads each side without any one member", async () => {
    const { content, members } = await makeWorld(one, position);
    for (const lost of members)
      await expectContent(
        members.filter((member) => member !== lost),
        content,
      );
  });
});

describe("a member that the reshape fills", () => {
  const one = CASES["raid6, Q goes round"]!;
  const position = 144;

  /** Behind what it is filled up to it holds nothing of use. */
  async function halfFilled(recoveryOffsetSectors: number): Promise<World> {
    const world = await makeWorld(one, position);
    const members = await Promise.all(
      world.members.map(async (member, slot) => {
        if (slot !== 4) return member;
        const data = bytesOf(99, COMPONENT - recoveryOffsetSectors);
        const parts = [DATA_OFFSET, DATA_OFFSET + DELTA].map((offset) => ({
          sector: offset + recoveryOffsetSectors,
          data,
        }));
        const inNew = DATA_OFFSET + DELTA;
        const filled = await readSectors(member.device, inNew, recoveryOffsetSectors);
        const device = await diskOf("m4", DATA_OFFSET + DELTA + COMPONENT, [
          ...parts,
          { sector: DATA_OFFSET + DELTA, data: filled },
        ]);
        return { device, superblock: { ...member.superblock, recoveryOffsetSectors } };
      }),
    );
    return { content: world.content, members };
  }

  it.each([48, 16])(
    "is believed up to %d sectors only, with another member missing",
    async (to) => {
      const { content, members } = await halfFilled(to);
      await expectContent(members, content);
      for (const lost of [0, 1, 2, 3])
        await expectContent(
          members.filter((_member, slot) => slot !== lost),
          content,
        );
    },
  );
});
