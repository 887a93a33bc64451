/** Sets with doubtful members, from the plan to the bytes. */
import { describe, expect, it } from "vitest";
import { sameBytes } from "../../test/support/bytes.ts";
import {
  bytesOf,
  diskOf,
  geometryOf,
  layOut,
  memberOf,
  sectorsOf,
  startOf,
} from "../../test/support/md-layout.ts";
import type { TestMember } from "../../test/support/md-layout.ts";
import { active } from "../../test/support/md-superblock.ts";
import { readAll } from "../../test/support/open.ts";
import { readInto } from "../block/promises.ts";
import { FaultyDevice } from "../devices/faulty.ts";
import { encodeBadBlocks } from "../formats/md/bad-blocks.ts";
import type { MdShape, MdSuperblock } from "../formats/md/superblock.ts";

const COMPONENT = 192;
const DATA_OFFSET = 32;
const RAID5: MdShape = { level: "raid5", layout: 2, chunkSectors: 16, raidDisks: 4 };
const RAID0: MdShape = { level: "raid0", layout: 0, chunkSectors: 16, raidDisks: 3 };
const PLACES = {
  componentSectors: COMPONENT,
  dataOffsetSectors: DATA_OFFSET,
  dataSectors: COMPONENT,
};

interface World {
  readonly content: Uint8Array;
  readonly images: readonly Uint8Array[];
  readonly members: TestMember[];
}

async function makeWorld(shape: MdShape, changes: Partial<MdSuperblock> = {}): Promise<World> {
  const geometry = geometryOf(shape, COMPONENT);
  const content = bytesOf(5, geometry.arraySectors);
  const images = layOut(geometry, COMPONENT, content);
  const members = await Promise.all(
    images.map((data, slot) =>
      member(`m${slot}`, data, memberOf(shape, slot, { ...PLACES, ...changes })),
    ),
  );
  return { content, images, members };
}

async function member(
  name: string,
  data: Uint8Array,
  superblock: MdSuperblock,
  sectors = DATA_OFFSET + COMPONENT,
): Promise<TestMember> {
  const inside = sectorsOf(data, 0, Math.min(data.length / 512, sectors - DATA_OFFSET));
  const device = await diskOf(name, sectors, [{ sector: DATA_OFFSET, data: inside }]);
  return { device, superblock };
}

describe("a member that is being replaced", () => {
  const roles = [active(0), active(1), active(2), active(3), active(1)];

  async function replacing(recoveryOffsetSectors: number): Promise<World> {
    const world = await makeWorld(RAID5, { roles });
    const superblock = memberOf(RAID5, 1, {
      ...PLACES,
      roles,
      deviceNumber: 4,
      replacement: true,
      recoveryOffsetSectors,
    });
    const data = world.images[1]!.slice();
    const filled = Math.min(recoveryOffsetSectors, COMPONENT);
    data.set(bytesOf(77, COMPONENT - filled), filled * 512);
    world.members.push(await member("replacement", data, superblock));
    return world;
  }

  it("is read from itself, and from its replacement where it fails, with another member missing", async () => {
    const { content, members } = await replacing(96);
    const failing = new FaultyDevice(members[1]!.device);
    failing.failReads(DATA_OFFSET + 10, 40);
    members[1] = { ...members[1]!, device: failing };
    const { device } = await startOf(members.slice(1));
    expect(sameBytes(await readAll(device), content)).toBe(true);
  });

  it("is not read from its replacement behind what that was filled up to", async () => {
    const { members } = await replacing(96);
    const failing = new FaultyDevice(members[1]!.device);
    failing.failReads(DATA_OFFSET + 128, 8);
    members[1] = { ...members[1]!, device: failing };
    const { device } = await startOf(members.slice(1));
    await expect(readAll(device)).rejects.toThrow("is gone");
  });

  it("may be gone when its replacement is complete", async () => {
    const { content, members } = await replacing(Infinity);
    const { device } = await startOf(members.filter((_one, i) => i !== 1 && i !== 3));
    expect(sameBytes(await readAll(device), content)).toBe(true);
  });
});

describe("an image that was cut off", () => {
  const CUT = DATA_OFFSET + 100;

  it("is believed as far as it goes, the rest is rebuilt, and that is said", async () => {
    const { content, images, members } = await makeWorld(RAID5);
    members[2] = await member("m2", images[2]!, members[2]!.superblock, CUT);
    const { device, notes } = await startOf(members);
    expect(notes.join()).toContain("m2 is cut off");
    expect(sameBytes(await readAll(device), content)).toBe(true);
  });

  it("may end before its data start", async () => {
    const { content, members } = await makeWorld(RAID5);
    members[2] = { ...members[2]!, device: await diskOf("m2", 7, []) };
    const { device } = await startOf(members);
    expect(sameBytes(await readAll(device), content)).toBe(true);
  });

  it("loses what only it had, and nothing else", async () => {
    const { content, images, members } = await makeWorld(RAID0);
    members[2] = await member("m2", images[2]!, members[2]!.superblock, CUT);
    const { device } = await startOf(members);
    const data = new Uint8Array(48 * 6 * 512);
    await readInto(device, 0, data);
    expect(sameBytes(data, sectorsOf(content, 0, 48 * 6))).toBe(true);
    // Member sector 100 is the fifth of row 6, in the row's last chunk.
    await expect(readInto(device, 48 * 6 + 32 + 4, new Uint8Array(512))).rejects.toThrow("is gone");
    await expect(readInto(device, 48 * 6 + 32 + 3, new Uint8Array(512))).resolves.toBeUndefined();
  });
});

describe("a bad-block log", () => {
  const LOG = { startSector: 0, sectors: 8, shift: 0, inUse: true };

  it("that cannot be read is named, with what to do about it", async () => {
    const { members } = await makeWorld(RAID5);
    const failing = new FaultyDevice(members[1]!.device);
    failing.failReads(0, 8);
    const superblock = { ...members[1]!.superblock, badBlockLog: LOG };
    members[1] = { device: failing, superblock };
    await expect(startOf(members)).rejects.toThrow(
      /bad-block log of m1 cannot be read .*leave this member out/,
    );
  });

  it("counts from the start of the device", async () => {
    const { content, members } = await makeWorld(RAID5);
    const { device, superblock } = members[1]!;
    const range = { sector: DATA_OFFSET + 20, sectors: 9 };
    const table = { sector: 0, data: encodeBadBlocks([range], 0, 4096)! };
    const junk = { sector: range.sector, data: bytesOf(9, range.sectors) };
    const data = new Uint8Array(COMPONENT * 512);
    await readInto(device, DATA_OFFSET, data);
    const disk = await diskOf("m1", DATA_OFFSET + COMPONENT, [
      table,
      { sector: DATA_OFFSET, data },
      junk,
    ]);
    members[1] = { device: disk, superblock: { ...superblock, badBlockLog: LOG } };
    expect(sameBytes(await readAll((await startOf(members)).device), content)).toBe(true);
  });
});
