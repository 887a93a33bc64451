/**
 * Replay of the write journal, payload by payload: what comes of every order in which data, parity and flush of one stripe can stand
 * in the log, with all members and with one missing. Facts: drivers/md/raid5-cache.c.
 */
import { describe, expect, it } from "vitest";
import { sameBytes } from "../../../test/support/bytes.ts";
import {
  bytesOf,
  diskOf,
  geometryOf,
  layOut,
  memberOf,
  planOf,
  sectorsOf,
} from "../../../test/support/md-layout.ts";
import type { TestMember } from "../../../test/support/md-layout.ts";
import { readAll } from "../../../test/support/open.ts";
import {
  r5BlockChecksum,
  r5DataParity,
  r5Flush,
  r5MetaBlock,
  r5MetaChecksum,
  r5Seed,
} from "../../formats/md/r5-log.ts";
import { arrayUuidBytes } from "../../formats/md/superblock.ts";
import type { MdShape, MdSuperblock } from "../../formats/md/superblock.ts";
import { oracleKernels } from "../../parity/oracle.ts";
import { StripeGeometry } from "../geometry/raid456.ts";
import { startArray } from "../start.ts";

const COMPONENT = 64;
const DATA_OFFSET = 16;
const LOG_SECTORS = 512;
const SHAPE: MdShape = { level: "raid5", layout: 2, chunkSectors: 8, raidDisks: 3 };
const SEED = r5Seed(arrayUuidBytes(memberOf(SHAPE, 0)));
/** Row 2: parity on member 0, data on 1 and 2. */
const ROW = 2;
const FIRST = ROW * 2 * 8;
const MEMBER_SECTOR = ROW * 8;

/** Blocks of the stripe, in three generations: 0 is on the members. */
const A = [1, 2, 3].map((seed) => bytesOf(seed, 8));
const B = [4, 5, 6].map((seed) => bytesOf(seed, 8));

type Step =
  | { readonly data: "a" | "b"; readonly generation: number }
  | { readonly parityOf: readonly [number, number] }
  | { readonly flush: true };

const a = (generation: number): Step => ({ data: "a", generation });
const b = (generation: number): Step => ({ data: "b", generation });
const parityOf = (ofA: number, ofB: number): Step => ({ parityOf: [ofA, ofB] });
const flush: Step = { flush: true };

function xor(x: Uint8Array, y: Uint8Array): Uint8Array {
  const out = new Uint8Array(x.length);
  oracleKernels.xor(out, [x, y]);
  return out;
}

/** One meta block with one payload, and its block. */
function payloadOf(step: Step): { head: Uint8Array; block: Uint8Array | null } {
  if ("flush" in step) {
    const head = new Uint8Array(16);
    r5Flush.encodeInto(head, 0, { type: 2, flags: 0, size: 8 });
    new DataView(head.buffer).setBigUint64(8, BigInt(MEMBER_SECTOR), true);
    return { head, block: null };
  }
  const isData = "data" in step;
  const block = isData
    ? (step.data === "a" ? A : B)[step.generation]!
    : xor(A[step.parityOf[0]]!, B[step.parityOf[1]]!);
  const location = isData ? FIRST + (step.data === "a" ? 0 : 8) : MEMBER_SECTOR;
  const head = new Uint8Array(20);
  const type = isData ? 0 : 1;
  r5DataParity.encodeInto(head, 0, { type, flags: 0, size: 8, location: BigInt(location) });
  new DataView(head.buffer).setUint32(16, r5BlockChecksum(SEED, block), true);
  return { head, block };
}

/** The log: a meta block a step, from `tail` on, around the end of the ring if need be. */
function logOf(steps: readonly Step[], tail: number): Uint8Array {
  const log = new Uint8Array(LOG_SECTORS * 512);
  let position = tail;
  for (const [i, step] of steps.entries()) {
    const { head, block } = payloadOf(step);
    const meta = new Uint8Array(4096);
    r5MetaBlock.encodeInto(meta, 0, {
      magic: 0x6433c509,
      version: 1,
      metaSize: 32 + head.length,
      seq: BigInt(7 + i),
      position: BigInt(position),
    });
    meta.set(head, 32);
    r5MetaBlock.encodeInto(meta, 0, { checksum: r5MetaChecksum(SEED, meta) });
    for (const part of block === null ? [meta] : [meta, block]) {
      log.set(part, position * 512);
      position = (position + 8) % LOG_SECTORS;
    }
  }
  return log;
}

interface World {
  readonly content: Uint8Array;
  readonly members: TestMember[];
}

/** @param onDisk generations of a and b on the members, and which parity lies with them */
async function makeWorld(
  steps: readonly Step[],
  onDisk: { a: number; b: number; parity: readonly [number, number] },
  tail = 0,
): Promise<World> {
  const geometry = geometryOf(SHAPE, COMPONENT);
  if (!(geometry instanceof StripeGeometry)) throw new Error("raid5 has stripes");
  const content = bytesOf(50, geometry.arraySectors);
  const images = layOut(geometry, COMPONENT, content);
  const put = (slot: number, block: Uint8Array): void =>
    images[slot]!.set(block, MEMBER_SECTOR * 512);
  put(geometry.locate(FIRST).slot, A[onDisk.a]!);
  put(geometry.locate(FIRST + 8).slot, B[onDisk.b]!);
  put(geometry.rowLayout(ROW).p, xor(A[onDisk.parity[0]]!, B[onDisk.parity[1]]!));
  const common: Partial<MdSuperblock> = {
    componentSectors: COMPONENT,
    dataOffsetSectors: DATA_OFFSET,
    dataSectors: COMPONENT,
    hasJournal: true,
  };
  const members = await Promise.all(
    images.map(async (data, slot): Promise<TestMember> => {
      const parts = [{ sector: DATA_OFFSET, data }];
      const device = await diskOf(`m${slot}`, DATA_OFFSET + COMPONENT, parts);
      return { device, superblock: memberOf(SHAPE, slot, common) };
    }),
  );
  const parts = [{ sector: DATA_OFFSET, data: logOf(steps, tail) }];
  members.push({
    device: await diskOf("journal", DATA_OFFSET + LOG_SECTORS, parts),
    superblock: memberOf(SHAPE, 3, {
      ...common,
      role: { kind: "journal" },
      dataSectors: LOG_SECTORS,
      journalTailSectors: tail,
    }),
  });
  return { content, members };
}

/** Generations of a and b as read, and whether everything else is as it was. */
async function readStripe(
  { content, members }: World,
  without: number | null,
): Promise<readonly [number, number] | string> {
  const plan = planOf(members.filter((_one, i) => i !== without));
  if (plan.verdict.kind !== "can-start") return plan.verdict.reason;
  const options = { name: "array", backup: null, replayLimitBytes: 2 ** 20 };
  const data = await readAll((await startArray(plan, options)).device);
  const readA = A.findIndex((block) => sameBytes(block, sectorsOf(data, FIRST, 8)));
  const readB = B.findIndex((block) => sameBytes(block, sectorsOf(data, FIRST + 8, 8)));
  data.set(sectorsOf(content, FIRST, 16), FIRST * 512);
  return sameBytes(data, content) ? [readA, readB] : "another stripe changed";
}

const OLD = { a: 0, b: 0, parity: [0, 0] } as const;

describe("a stripe comes out with these generations of its two blocks", () => {
  it.each<[string, readonly Step[], typeof OLD | object, readonly [number, number]]>([
    ["nothing in the log", [], OLD, [0, 0]],
    ["data only: over the volume, old parity still fits", [a(1)], OLD, [1, 0]],
    ["data twice: the later one", [a(1), a(2)], OLD, [2, 0]],
    ["both blocks, no parity", [a(1), b(2)], OLD, [1, 2]],
    ["data and parity: complete", [a(1), parityOf(1, 0)], OLD, [1, 0]],
    [
      "complete, but only some of it is on the members",
      [a(1), b(1), parityOf(1, 1)],
      { a: 1, b: 0, parity: [0, 0] },
      [1, 1],
    ],
    [
      "complete, parity is on its member, data is not",
      [a(1), parityOf(1, 0)],
      { a: 0, b: 0, parity: [1, 0] },
      [1, 0],
    ],
    ["complete, then new data", [a(1), parityOf(1, 0), b(2)], OLD, [1, 2]],
    ["complete twice", [a(1), parityOf(1, 0), b(1), parityOf(1, 1)], OLD, [1, 1]],
    ["flushed", [a(1), parityOf(1, 0), flush], { a: 1, b: 0, parity: [1, 0] }, [1, 0]],
    [
      "flushed, then new data",
      [a(1), parityOf(1, 0), flush, b(1)],
      { a: 1, b: 0, parity: [1, 0] },
      [1, 1],
    ],
    ["parity without data: it is on the members", [parityOf(2, 2)], OLD, [0, 0]],
    ["flush of what was not there", [flush, a(2)], OLD, [2, 0]],
  ])("%s", async (_name, steps, onDisk, expected) => {
    const world = await makeWorld(steps, onDisk as typeof OLD);
    for (const without of [null, 0, 1, 2])
      expect(await readStripe(world, without), `without ${without}`).toEqual(expected);
  });
});

describe("the log", () => {
  it("goes on at its start behind its end", async () => {
    const steps = [a(1), parityOf(1, 0), b(2), parityOf(1, 2)];
    for (const tail of [LOG_SECTORS - 8, LOG_SECTORS - 16, LOG_SECTORS - 24])
      expect(await readStripe(await makeWorld(steps, OLD, tail), 1)).toEqual([1, 2]);
  });

  it("ends before a payload that is torn", async () => {
    const world = await makeWorld([a(1), parityOf(1, 0), a(2), parityOf(2, 0)], OLD);
    const torn = bytesOf(0, 1);
    // The second block of data: behind three meta blocks and two blocks.
    const journal = world.members[3]!;
    const sector = DATA_OFFSET + 5 * 8;
    const log = await readAll(journal.device);
    log.set(torn, sector * 512);
    const device = await diskOf("journal", journal.device.sectors, [{ sector: 0, data: log }]);
    world.members[3] = { ...journal, device };
    for (const without of [null, 0, 1, 2]) expect(await readStripe(world, without)).toEqual([1, 0]);
  });

  it("is refused when it holds more than memory is allowed for", async () => {
    const { members } = await makeWorld([a(1), parityOf(1, 0)], OLD);
    const options = { name: "array", backup: null, replayLimitBytes: 4096 };
    await expect(startArray(planOf(members), options)).rejects.toThrow("raise the limit");
  });
});
