/**
 * The partial parity log of a raid5 that stopped in the middle of a write: two data blocks of a row of four were new on their
 * disks, parity was not.
 */
import { describe, expect, it } from "vitest";
import { sameBytes } from "../../../test/support/bytes.ts";
import {
  bytesOf,
  diskOf,
  geometryOf,
  layOut,
  memberOf,
  sectorsOf,
  startOf,
} from "../../../test/support/md-layout.ts";
import type { TestMember } from "../../../test/support/md-layout.ts";
import { readAll } from "../../../test/support/open.ts";
import { crc32c } from "../../codec/crc32c.ts";
import { FaultyDevice } from "../../devices/faulty.ts";
import {
  PPL_MAX_ENTRIES,
  pplHeader,
  pplHeaderChecksum,
  pplSignature,
} from "../../formats/md/ppl.ts";
import { arrayUuidBytes } from "../../formats/md/superblock.ts";
import type { MdShape } from "../../formats/md/superblock.ts";
import { oracleKernels } from "../../parity/oracle.ts";
import type { MdCandidate } from "../candidate.ts";
import { StripeGeometry } from "../geometry/raid456.ts";
import { planAssembly } from "../plan.ts";
import { recoverPpl } from "./ppl.ts";

const COMPONENT = 64;
const DATA_OFFSET = 64;
const AREA = { startSector: 8, sectors: 40, multiple: false };
const SHAPE: MdShape = { level: "raid5", layout: 2, chunkSectors: 8, raidDisks: 5 };
/** Row 1: its parity is on member 3, its data on 4, 0, 1 and 2. The write was of the first two. */
const ROW = 1;
const FIRST = ROW * 4 * 8;
const PARITY = 3;
/** Sectors by which the data of a replacement lie further behind. */
const FURTHER = 8;

interface EntryChanges {
  readonly ppSize?: number;
  readonly dataSector?: bigint;
  readonly checksum?: number;
}

/** @param partial null: a log without entries, as a member has whose parity nobody was writing */
function headerOf(partial: Uint8Array | null, changes: EntryChanges): Uint8Array {
  const entry = {
    dataSector: BigInt(FIRST),
    ppSize: partial?.length ?? 0,
    dataSize: 2 * 4096,
    parityDisk: PARITY,
    checksum: crc32c(partial ?? new Uint8Array(0)),
    ...changes,
  };
  const none = { dataSector: 0n, ppSize: 0, dataSize: 0, parityDisk: 0, checksum: 0 };
  const header = pplHeader.encode({
    reserved: new Uint8Array(512).fill(0xff),
    signature: pplSignature(arrayUuidBytes(memberOf(SHAPE, 0))),
    padding: 0,
    generation: 3n,
    entriesCount: partial === null ? 0 : 1,
    checksum: 0,
    entries: Array.from({ length: PPL_MAX_ENTRIES }, (_unused, i) => (i === 0 ? entry : none)),
  });
  pplHeader.encodeInto(header, 0, { checksum: pplHeaderChecksum(header) });
  return header;
}

interface World {
  /** With the new blocks. */
  readonly content: Uint8Array;
  readonly members: TestMember[];
}

async function makeWorld(changes: EntryChanges = {}): Promise<World> {
  const geometry = geometryOf(SHAPE, COMPONENT);
  if (!(geometry instanceof StripeGeometry)) throw new Error("raid5 has stripes");
  const before = bytesOf(1, geometry.arraySectors);
  const images = layOut(geometry, COMPONENT, before);
  const content = before.slice();
  content.set(bytesOf(2, 16), FIRST * 512);
  for (let sector = FIRST; sector < FIRST + 16; sector += 1) {
    const { slot, memberSector } = geometry.locate(sector);
    images[slot]!.set(sectorsOf(content, sector, 1), memberSector * 512);
  }
  const partial = new Uint8Array(4096);
  oracleKernels.xor(partial, [
    sectorsOf(content, FIRST + 16, 8),
    sectorsOf(content, FIRST + 24, 8),
  ]);
  const members = await Promise.all(
    images.map(async (data, slot): Promise<TestMember> => {
      const header = headerOf(slot === PARITY ? partial : null, changes);
      const parts = [
        { sector: DATA_OFFSET, data },
        { sector: AREA.startSector, data: header },
        { sector: AREA.startSector + 8, data: partial },
      ];
      const superblock = memberOf(SHAPE, slot, {
        componentSectors: COMPONENT,
        dataOffsetSectors: DATA_OFFSET,
        dataSectors: COMPONENT,
        ppl: AREA,
        resyncOffsetSectors: 0,
      });
      return { device: await diskOf(`m${slot}`, DATA_OFFSET + COMPONENT, parts), superblock };
    }),
  );
  return { content, members };
}

async function readWithout(members: readonly TestMember[], slot: number | null) {
  const { device, notes } = await startOf(members.filter((_one, i) => i !== slot));
  return { data: await readAll(device), notes: notes.join("; ") };
}

describe("a row that was being written", () => {
  it.each([null, 1, 2, PARITY])("reads right without member %s", async (slot) => {
    const { content, members } = await makeWorld();
    const { data, notes } = await readWithout(members, slot);
    expect(sameBytes(data, content)).toBe(true);
    if (slot !== PARITY) expect(notes).toContain("1 parity blocks made anew");
  });

  /** With a replacement of one member, which has everything below sector 32 of its data. */
  async function withReplacement(slot: number): Promise<{
    readonly world: World;
    readonly candidates: readonly MdCandidate[];
  }> {
    const world = await makeWorld();
    const { superblock: replaced } = world.members[slot]!;
    const joined = world.members.map((one) => ({
      ...one,
      superblock: { ...one.superblock, roles: [...one.superblock.roles, replaced.role] },
    }));
    const device = await diskOf("replacement", DATA_OFFSET + FURTHER + COMPONENT, []);
    const superblock = {
      ...joined[slot]!.superblock,
      deviceUuid: "the replacement",
      deviceNumber: SHAPE.raidDisks,
      replacement: true,
      recoveryOffsetSectors: 32,
      dataOffsetSectors: DATA_OFFSET + FURTHER,
    };
    const set = [...joined, { device, superblock }];
    return { world, candidates: set.map((one, i) => ({ path: `m${i}`, ...one })) };
  }

  async function recovered(
    candidates: readonly MdCandidate[],
  ): Promise<Awaited<ReturnType<typeof recoverPpl>>> {
    return recoverPpl(planAssembly(candidates, { force: false, backupGiven: false })!);
  }

  it("is mended on a member that is being replaced, and on its replacement, wherever that has its data", async () => {
    const { candidates } = await withReplacement(PARITY);
    const { replay, isMended } = await recovered(candidates);
    expect(isMended).toBe(true);
    const [onMember, onReplacement] = [PARITY, SHAPE.raidDisks].map((index) =>
      replay.members.get(candidates[index]!)!,
    );
    expect(onMember!.length).toBeGreaterThan(0);
    expect(onReplacement).toEqual(
      onMember!.map(({ sector, data }) => ({ sector: sector + FURTHER, data })),
    );
  });

  it("is the same on a replacement of a changed block's member afterwards", async () => {
    const { world, candidates } = await withReplacement(4);
    const { replay } = await recovered(candidates);
    expect(replay.members.get(candidates[SHAPE.raidDisks]!)).toEqual([
      { sector: DATA_OFFSET + FURTHER + 8, data: sectorsOf(world.content, FIRST, 8) },
    ]);
    expect(replay.members.get(candidates[4]!)).toBeUndefined();
  });

  it("is mended by the log of a replacement whose member has gone", async () => {
    const { world, candidates } = await withReplacement(PARITY);
    const replacement = candidates.at(-1)!;
    const { device } = world.members[PARITY]!;
    const taken = candidates.map((one) => (one === replacement ? { ...one, device } : one));
    const left = taken.filter((_one, index) => index !== PARITY);
    const { replay } = await recovered(left);
    const [patch, ...more] = replay.members.get(taken.at(-1)!)!;
    expect(more).toEqual([]);
    expect(patch!.sector).toBe(DATA_OFFSET + FURTHER + 8);
    const parity = new Uint8Array(4096);
    const blocks = [0, 8, 16, 24].map((at) => sectorsOf(world.content, FIRST + at, 8));
    oracleKernels.xor(parity, blocks);
    expect(sameBytes(patch!.data, parity)).toBe(true);
  });

  it("cannot be mended when a changed block is missing: parity stays, the other rows are right", async () => {
    const { content, members } = await makeWorld();
    const { data, notes } = await readWithout(members, 0);
    expect(notes).toContain("1 left as they are because a changed block is missing");
    // Member 0 held the second block of the row: sectors FIRST + 8 to FIRST + 15.
    const wrong = data.slice(FIRST * 512 + 4096, FIRST * 512 + 8192);
    expect(sameBytes(wrong, sectorsOf(content, FIRST + 8, 8))).toBe(false);
    data.set(sectorsOf(content, FIRST + 8, 8), (FIRST + 8) * 512);
    expect(sameBytes(data, content)).toBe(true);
  });
});

describe("an entry that cannot be believed is left out", () => {
  it.each<[string, EntryChanges]>([
    ["with a wrong checksum", { checksum: 1 }],
    ["with 4 GiB of partial parity", { ppSize: 0xffff_fe00 }],
    ["with partial parity behind the area", { ppSize: 512 * 64 }],
    ["for a row whose parity is elsewhere", { dataSector: 0n }],
    ["for sectors behind the array", { dataSector: 1n << 40n }],
  ])("%s", async (_name, changes) => {
    const { members } = await makeWorld(changes);
    const { notes } = await readWithout(members, 1);
    expect(notes).toContain("0 parity blocks made anew; 1 logs or entries could not be believed");
  });

  it("when its log cannot be read", async () => {
    const { content, members } = await makeWorld();
    const failing = new FaultyDevice(members[PARITY]!.device);
    failing.failReads(AREA.startSector, 1);
    members[PARITY] = { ...members[PARITY]!, device: failing };
    const { data, notes } = await readWithout(members, null);
    expect(notes).toContain("could not be believed");
    expect(sameBytes(data, content)).toBe(true);
  });
});
