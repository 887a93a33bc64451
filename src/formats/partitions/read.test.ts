import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../../test/support/array-device.ts";
import { HoldfastError } from "../../base/errors.ts";
import type { BlockLimits } from "../../block/device.ts";
import { crc32 } from "../../codec/crc32.ts";
import { gptEntry, gptHeader } from "./gpt.ts";
import { mbrSector, mbrSlot } from "./mbr.ts";
import { readPartitionTable } from "./read.ts";
import type { PartitionTable } from "./table.ts";

const SECTORS = 2048;
const LINUX_RAID = "0f889da1fc053b4da006743f0f84911e";

type SlotValues = { status?: number; type: number; firstBlock: number; blocks: number };

function putMbr(device: ArrayDevice, sector: number, slots: readonly SlotValues[]): void {
  const packed = new Uint8Array(64);
  slots.forEach((slot, i) => mbrSlot.encodeInto(packed, i * 16, { status: 0, ...slot }));
  const values = { diskSignature: 0x1a2b3c4d, slots: packed, bootSignature: 0xaa55 };
  mbrSector.encodeInto(device.bytes, sector * 512, values);
}

interface GptValues {
  readonly blockBytes?: number;
  /** What the headers say; there are always 128 entries of 128 bytes. */
  readonly entryCount?: number;
  readonly entryBytes?: number;
  readonly first?: number;
  readonly last?: number;
}

/** Entry 3 of both copies is a partition; the protective MBR is there. */
function putGpt(device: ArrayDevice, values: GptValues = {}): void {
  const { blockBytes = 512, first = 40, last = 79 } = values;
  const { entryCount = 128, entryBytes = 128 } = values;
  const blocks = (device.sectors * 512) / blockBytes;
  const entries = new Uint8Array(128 * 128);
  const entryBlocks = Math.ceil(entries.length / blockBytes);
  const name = new Uint8Array(72);
  name.set(new TextEncoder().encode("d\0a\0t\0a\0"));
  gptEntry.encodeInto(entries, 2 * 128, {
    typeGuid: Buffer.from(LINUX_RAID, "hex"),
    guid: new Uint8Array(16).fill(0x11),
    firstBlock: first,
    lastBlock: last,
    attributes: 4n,
    name,
  });
  for (const [at, other, entriesBlock] of [
    [1, blocks - 1, 2],
    [blocks - 1, 1, blocks - 1 - entryBlocks],
  ] as const) {
    const header = gptHeader.encode({
      signature: "EFI PART",
      revision: 0x10000,
      headerBytes: 92,
      headerCrc: 0,
      myBlock: at,
      alternateBlock: other,
      firstUsableBlock: 34,
      lastUsableBlock: blocks - 34,
      diskGuid: new Uint8Array(16).fill(0x22),
      entriesBlock,
      entryCount,
      entryBytes,
      entriesCrc: crc32(entries),
    });
    gptHeader.encodeInto(header, 0, { headerCrc: crc32(header) });
    device.bytes.set(header, at * blockBytes);
    device.bytes.set(entries, entriesBlock * blockBytes);
  }
  putMbr(device, 0, [{ type: 0xee, firstBlock: 1, blocks: blocks - 1 }]);
}

function disk(limits: Partial<BlockLimits> = {}): ArrayDevice {
  return new ArrayDevice(SECTORS, { readOnly: true, ...limits }, "disk");
}

function ranges(table: PartitionTable | null): (readonly [number, number, number])[] {
  const partitions = table?.partitions ?? [];
  return partitions.map((each) => [each.number, each.startSector, each.sectors]);
}

describe("a GPT", () => {
  it.each([512, 1024, 2048, 4096])("with blocks of %d bytes is read", async (blockBytes) => {
    const device = disk();
    putGpt(device, { blockBytes });
    const scale = blockBytes / 512;
    const table = await readPartitionTable(device);
    expect(table).toEqual({
      kind: "gpt",
      uuid: "22222222-2222-2222-2222-222222222222",
      logicalBlockBytes: blockBytes,
      notes: [],
      partitions: [
        {
          number: 3,
          startSector: 40 * scale,
          sectors: 40 * scale,
          typeName: "Linux RAID",
          label: "data",
          uuid: "11111111-1111-1111-1111-111111111111",
          bootable: true,
          extended: false,
        },
      ],
    });
  });

  it("is read from its backup when the primary or its entries are damaged", async () => {
    for (const at of [512 + 60, 512, 1024 + 300]) {
      const device = disk();
      putGpt(device);
      device.bytes[at]! ^= 0xff;
      const table = await readPartitionTable(device);
      expect(ranges(table)).toEqual([[3, 40, 40]]);
      expect(table?.notes.join()).toMatch(/^The primary GPT is (damaged|gone).*this is the backup/);
    }
  });

  it("is read from its backup when the primary cannot be read", async () => {
    const device = disk();
    putGpt(device);
    device.fault = (bio) => (bio.sector === 1 ? new HoldfastError("io", "Bad sector.") : null);
    const table = await readPartitionTable(device);
    expect(ranges(table)).toEqual([[3, 40, 40]]);
    expect(table?.notes).toEqual([
      "The primary GPT is unreadable (Bad sector); this is the backup.",
    ]);
  });

  it("says when its backup is damaged, gone or elsewhere", async () => {
    const device = disk();
    putGpt(device);
    device.bytes[(SECTORS - 1) * 512 + 60]! ^= 1;
    expect((await readPartitionTable(device))?.notes[0]).toMatch(/backup GPT .* is damaged/);
    device.bytes.fill(0, (SECTORS - 1) * 512);
    expect((await readPartitionTable(device))?.notes[0]).toMatch(/backup GPT .* is gone/);
  });

  it("with both copies damaged is an error that says so", async () => {
    const device = disk();
    putGpt(device);
    device.bytes[512 + 60]! ^= 1;
    device.bytes[(SECTORS - 1) * 512 + 60]! ^= 1;
    const error = await readPartitionTable(device).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(HoldfastError);
    expect((error as HoldfastError).code).toBe("bad-metadata");
    expect((error as HoldfastError).message).toContain("the primary is damaged (its checksum");
  });

  it("without its protective MBR is told, with a note that Linux does not see it", async () => {
    const device = disk();
    putGpt(device);
    device.bytes.fill(0, 0, 512);
    const table = await readPartitionTable(device);
    expect(ranges(table)).toEqual([[3, 40, 40]]);
    expect(table?.notes[0]).toContain("protective MBR is gone");
  });

  it("leaves out partitions that do not lie on the device", async () => {
    for (const [first, last] of [
      [40, SECTORS],
      [80, 40],
      [Infinity, Infinity],
    ] as const) {
      const device = disk();
      putGpt(device, { first, last });
      const table = await readPartitionTable(device);
      expect(table?.partitions).toEqual([]);
      expect(table?.notes).toEqual(["Partition 3 does not lie on the device and is left out."]);
    }
  });

  it.each([
    { entryCount: 0xffffffff },
    { entryBytes: 0 },
    { entryBytes: 120 },
    { entryBytes: 0x80000000, entryCount: 1 },
  ])("with absurd entries (%o) is refused", async (values) => {
    const device = disk();
    putGpt(device, values);
    await expect(readPartitionTable(device)).rejects.toThrow("cannot be used");
  });
});

describe("an MBR", () => {
  it("has primary, extended and logical partitions with Linux's numbers", async () => {
    const device = disk();
    putMbr(device, 0, [
      { status: 0x80, type: 0xfd, firstBlock: 64, blocks: 100 },
      { type: 0, firstBlock: 0, blocks: 0 },
      { type: 0x05, firstBlock: 200, blocks: 1000 },
    ]);
    putMbr(device, 200, [
      { type: 0x83, firstBlock: 8, blocks: 50 },
      { type: 0x05, firstBlock: 100, blocks: 200 },
    ]);
    putMbr(device, 300, [{ type: 0x8e, firstBlock: 8, blocks: 60 }]);
    const table = await readPartitionTable(device);
    expect(ranges(table)).toEqual([
      [1, 64, 100],
      [3, 200, 1000],
      [5, 208, 50],
      [6, 308, 60],
    ]);
    expect(table?.partitions.map((each) => each.typeName)).toEqual([
      "Linux RAID autodetect",
      "Extended",
      "Linux",
      "Linux LVM",
    ]);
    expect(table?.partitions[0]?.bootable).toBe(true);
    expect(table?.partitions[3]?.uuid).toBe("1a2b3c4d-06");
    expect(table?.notes).toEqual([]);
  });

  it.each([
    ["in a circle of one", 0, "runs in a circle"],
    ["out of the extended partition", 5000, "leaves its partition"],
    ["to a sector that is no link", 50, "is broken at sector 250"],
  ])("whose chain leads %s ends, with what was found before", async (_what, next, note) => {
    const device = disk();
    putMbr(device, 0, [{ type: 0x0f, firstBlock: 200, blocks: 1000 }]);
    putMbr(device, 200, [
      { type: 0x83, firstBlock: 8, blocks: 5 },
      { type: 0x05, firstBlock: next, blocks: 10 },
    ]);
    const table = await readPartitionTable(device);
    expect(ranges(table)).toEqual([
      [1, 200, 1000],
      [5, 208, 5],
    ]);
    expect(table?.notes.join()).toContain(note);
    expect(device.seen.length).toBeLessThan(10);
  });

  it("whose chain is endless is followed for 100 links", async () => {
    const device = disk();
    putMbr(device, 0, [{ type: 0x05, firstBlock: 100, blocks: 1900 }]);
    for (let i = 0; i < 1000; i += 1)
      putMbr(device, 100 + i, [
        { type: 0x83, firstBlock: 1, blocks: 1 },
        { type: 0x05, firstBlock: i + 1, blocks: 1 },
      ]);
    const table = await readPartitionTable(device);
    expect(table?.partitions).toHaveLength(101);
    expect(table?.notes.join()).toContain("more than 100 links");
  });

  it("on a device of 4 KiB blocks counts in those", async () => {
    const device = disk({ logicalBlockBytes: 4096 });
    putMbr(device, 0, [{ type: 0x83, firstBlock: 8, blocks: 16 }]);
    expect(ranges(await readPartitionTable(device))).toEqual([[1, 64, 128]]);
  });

  it.each([
    [[{ status: 0x17, type: 0x83, firstBlock: 8, blocks: 16 }]],
    [[{ type: 0x83, firstBlock: 0, blocks: 16 }]],
    [[{ type: 0x83, firstBlock: SECTORS, blocks: 16 }]],
    [
      [
        { type: 0x83, firstBlock: 8, blocks: 16 },
        { type: 0x83, firstBlock: 20, blocks: 16 },
      ],
    ],
    [[]],
  ])("that makes no sense is none: %j", async (slots) => {
    const device = disk();
    putMbr(device, 0, slots);
    expect(await readPartitionTable(device)).toBeNull();
  });
});

it("random damage ends in a table, none, or a typed error, never outside the device", async () => {
  const damage = fc.array(
    fc.tuple(
      fc.oneof(
        fc.nat(4096),
        fc.nat(32_768).map((back) => SECTORS * 512 - 1 - back),
      ),
      fc.nat(255),
    ),
    { maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(fc.boolean(), damage, async (isGpt, changes) => {
      const device = disk();
      if (isGpt) putGpt(device);
      else putMbr(device, 0, [{ type: 0x05, firstBlock: 1, blocks: 1900 }]);
      for (const [at, value] of changes) device.bytes[at] = value;
      try {
        const table = await readPartitionTable(device);
        for (const [, start, sectors] of ranges(table)) {
          expect(start).toBeGreaterThan(0);
          expect(sectors).toBeGreaterThan(0);
          expect(start + sectors).toBeLessThanOrEqual(SECTORS);
        }
      } catch (thrown) {
        if (!(thrown instanceof HoldfastError) || thrown.code === "usage") throw thrown;
      }
      expect(device.seen.length).toBeLessThan(250);
    }),
  );
});
