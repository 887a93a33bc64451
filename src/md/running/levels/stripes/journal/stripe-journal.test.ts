/** What is written to a journal and when; and an array whose journal is full, fails, is missing, or is added. */
import { expect, it } from "vitest";
import { ArrayDevice } from "../../../../../../test/support/array-device.ts";
import { sameBytes } from "../../../../../../test/support/bytes.ts";
import { createRequest, newDevice } from "../../../../../../test/support/create-request.ts";
import { VirtualTime } from "../../../../../../test/support/virtual-time.ts";
import { createOnDisks, runArray } from "../../../../../../test/support/written-array.ts";
import { HoldfastError } from "../../../../../base/errors.ts";
import { Prng } from "../../../../../base/prng.ts";
import { flush, readSectors, writeSectors } from "../../../../../block/promises.ts";
import { R5_BLOCK_SECTORS, readR5Log } from "../../../../../formats/md/r5-log.ts";
import type { R5Meta } from "../../../../../formats/md/r5-log.ts";
import { planCreate } from "../../../../create/plan-create.ts";
import { probeMdSuperblocks } from "../../../../probe.ts";
import { journalLog } from "../../../../replay/journal.ts";
import type { RunningArray } from "../../../array.ts";
import { BadBlockTable } from "../../../bad-block-table.ts";
import { Member } from "../../../member.ts";
import { StripesLevel } from "../stripes.ts";

const DATA_OFFSET = 40;
const CHUNK = 16;
const JOURNAL = 3;
const DISK_SECTORS = DATA_OFFSET + 8 * CHUNK;
const REQUEST = {
  level: "raid5",
  layout: 2,
  chunkSectors: CHUNK,
  dataOffsetSectors: DATA_OFFSET,
  assumeClean: true,
} as const;

function disksOf(ringSectors = 1024): ArrayDevice[] {
  return createOnDisks(new Prng(5), 3, DISK_SECTORS, REQUEST, DATA_OFFSET + ringSectors);
}

function forget(disks: readonly ArrayDevice[]): void {
  for (const disk of disks) disk.seen.length = 0;
}

const isData = ({ op, sector }: { op: string; sector: number }): boolean =>
  op === "write" && sector >= DATA_OFFSET;

function dataWrites(disk: ArrayDevice): { sector: number; sectors: number }[] {
  return disk.seen
    .filter(isData)
    .map(({ sector, sectors }) => ({ sector: sector - DATA_OFFSET, sectors }));
}

async function logOn(disk: ArrayDevice): Promise<R5Meta[]> {
  const { primary } = await probeMdSuperblocks(disk);
  const read = (sector: number, sectors: number): Promise<Uint8Array> =>
    readSectors(disk, DATA_OFFSET + sector, sectors);
  const metas: R5Meta[] = [];
  const log = journalLog(primary!, primary!);
  for await (const meta of readR5Log(read, log, primary!.journalTailSectors!)) metas.push(meta);
  return metas;
}

function bytes(sectors: number, value: number): Uint8Array {
  return new Uint8Array(sectors * 512).fill(value);
}

it("logs changed data and parity of whole pages, then writes the members", async () => {
  const disks = disksOf();
  const array = await runArray(disks, new VirtualTime());
  await writeSectors(array, 3, bytes(1, 1));
  const stripes = (await logOn(disks[JOURNAL]!)).flatMap(({ payloads }) => payloads);
  expect(stripes).toMatchObject([
    { kind: "data", arraySector: 0 },
    { kind: "parity", memberSector: 0, q: null },
  ]);
  const page = [{ sector: 0, sectors: R5_BLOCK_SECTORS }];
  expect(disks.slice(0, 3).map(dataWrites)).toEqual([page, [], page]);
  expect(await readSectors(array, 2, 3)).toEqual(
    Uint8Array.from([...bytes(1, 0), ...bytes(1, 1), ...bytes(1, 0)]),
  );
});

it("writes no member before the journal is flushed, and what waits meanwhile together", async () => {
  const disks = disksOf();
  const array = await runArray(disks, new VirtualTime());
  const journal = disks[JOURNAL]!;
  await writeSectors(array, 0, bytes(8, 1));
  forget(disks);
  journal.held = true;
  const writes = [0, 1, 2, 3].map((row) =>
    writeSectors(array, row * 2 * CHUNK, bytes(2 * CHUNK, 2)),
  );
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  // The first went alone, the others wait for it.
  expect(journal.pending.map(({ op }) => op)).toEqual(["write"]);
  journal.finish();
  expect(journal.pending.map(({ op }) => op)).toEqual(["flush"]);
  expect(disks.slice(0, 3).flatMap(dataWrites)).toEqual([]);
  journal.held = false;
  while (journal.pending.length > 0) journal.finish();
  await Promise.all(writes);
  expect(journal.seen.map(({ op }) => op)).toEqual(["write", "flush", "write", "flush"]);
  const units = (await logOn(journal)).slice(-2);
  expect(units.map(({ payloads }) => payloads.length)).toEqual([6, 18]);
});

it("goes round and round in a ring that is as small as can be", async () => {
  const least = 4 * 4 * R5_BLOCK_SECTORS;
  const disks = disksOf(least);
  const array = await runArray(disks, new VirtualTime());
  const prng = new Prng(9);
  for (let round = 0; round < 5; round += 1) {
    const data = new Uint8Array(array.sectors * 512);
    prng.fill(data);
    await writeSectors(array, 0, data);
    expect(sameBytes(await readSectors(array, 0, array.sectors), data)).toBe(true);
  }
  await array.close();
  expect((await logOn(disks[JOURNAL]!)).map(({ payloads }) => payloads)).toEqual([[]]);
  const small = disksOf(least - R5_BLOCK_SECTORS);
  const refusing = await runArray(small, new VirtualTime());
  await expect(writeSectors(refusing, 0, bytes(1, 1))).rejects.toThrow("too small");
});

async function failingWrite(array: RunningArray): Promise<unknown> {
  return writeSectors(array, 0, bytes(8, 7)).then(
    () => "written",
    (error: unknown) => (error instanceof HoldfastError ? error.message : error),
  );
}

it("writes nothing any more when the journal has failed, and reads on", async () => {
  const disks = disksOf();
  const array = await runArray(disks, new VirtualTime());
  await writeSectors(array, 0, bytes(8, 1));
  await flush(array);
  forget(disks);
  disks[JOURNAL]!.fault = ({ op }) => (op === "read" ? null : new HoldfastError("io", "no more"));
  expect(await failingWrite(array)).toContain("its write journal d3 failed");
  expect(await failingWrite(array)).toContain("its write journal d3 failed");
  expect(disks.slice(0, 3).flatMap(dataWrites)).toEqual([]);
  expect(await readSectors(array, 0, 8)).toEqual(bytes(8, 1));
  expect([array.broken, array.degraded, array.members.journal]).toEqual([null, 0, null]);
  await array.close();
});

it("is read-only when it was started without its journal, until it has another one", async () => {
  const disks = disksOf();
  const first = await runArray(disks, new VirtualTime());
  await writeSectors(first, 0, bytes(8, 1));
  await first.close();
  const members = disks.slice(0, JOURNAL);
  await expect(runArray(members, new VirtualTime())).rejects.toThrow("cannot be started");
  const array = await runArray(members, new VirtualTime(), { force: true });
  expect([array.state, array.limits.readOnly]).toEqual(["readonly", true]);
  await expect(array.setState("active")).rejects.toThrow(
    "cannot be written without its write journal",
  );
  // Where power failed with the old journal, nobody knows which stripes are wrong.
  expect(array.record.resyncOffsetSectors).toBe(0);

  const spare = await newJournal(array);
  await array.attach(spare.member);
  await array.setState("active");
  await writeSectors(array, 0, bytes(8, 2));
  expect((await logOn(spare.disk)).flatMap(({ payloads }) => payloads)).toHaveLength(2);
  await expect(array.attach((await newJournal(array)).member)).rejects.toThrow(
    "no place for a journal",
  );
  await expect(array.detach(spare.member)).rejects.toThrow("in use");
  await array.close();

  const again = await runArray([...members, spare.disk], new VirtualTime());
  expect(await readSectors(again, 0, 8)).toEqual(bytes(8, 2));
  await again.close();
});

/** What somebody who adds a journal makes of a disk. */
async function newJournal(array: RunningArray): Promise<{ disk: ArrayDevice; member: Member }> {
  const disk = new ArrayDevice(DATA_OFFSET + 512, {}, "spare");
  const { superblock } = array.members.attached[0]!;
  const sizes = [DISK_SECTORS, DISK_SECTORS, DISK_SECTORS, DATA_OFFSET + 512];
  const devices = sizes.map((sectors, i) => newDevice(sectors, { isJournal: i === JOURNAL }));
  const arrayUuid = Buffer.from(superblock.arrayUuid.replaceAll(/[^0-9a-f]/g, ""), "hex");
  const decision = planCreate(
    createRequest(devices, { ...REQUEST, arrayUuid, createdSeconds: superblock.createdSeconds }),
  );
  if (decision.kind === "refused") throw new Error(decision.reason);
  for (const { sector, bytes: image, what } of decision.plan.devices[JOURNAL]!.writes)
    if (what !== "journal") disk.bytes.set(image, sector * 512);
  const { primary } = await probeMdSuperblocks(disk);
  const { superSector, dataOffsetSectors } = primary!;
  expect(dataOffsetSectors).toBe(DATA_OFFSET);
  const image = await readSectors(disk, superSector, 8);
  const badBlocks = new BadBlockTable(primary!.badBlockLog, []);
  const standing = { kind: "journal" } as const;
  return {
    disk,
    member: new Member({
      label: "spare",
      device: disk,
      superblock: primary!,
      image,
      standing,
      badBlocks,
    }),
  };
}

it("tells its mode, and refuses the other one by name", async () => {
  const { level } = await runArray(disksOf(), new VirtualTime());
  if (!(level instanceof StripesLevel)) throw new Error("raid5 has stripes");
  expect(level.journalMode).toBe("write-through");
  level.setJournalMode("write-through");
  expect(() => level.setJournalMode("write-back")).toThrow("write-back");
});
