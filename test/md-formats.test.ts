/**
 * Every md set of the golden corpus: what mdadm (-E, -X) and the kernel (sysfs) said of each member must be what the
 * decoders say, and encoding what was decoded must give back every byte.
 */
import { describe, expect, it } from "vitest";
import { utcText } from "../src/base/dates.ts";
import { ArrayDevice } from "./support/array-device.ts";
import { sameBytes } from "./support/bytes.ts";
import { goldenCases, unpackArtefact, unpackImage } from "./support/golden.ts";
import type { GoldenCase, GoldenMember } from "./support/golden.ts";
import { bitmapSuper, decodeBitmap } from "../src/formats/md/bitmap.ts";
import type { MdBitmap } from "../src/formats/md/bitmap.ts";
import { countDirty, dirtyRanges } from "../src/formats/md/bitmap-runs.ts";
import type { BitmapReader } from "../src/formats/md/bitmap-runs.ts";
import { decodeBackupHeader, judgeBackup } from "../src/formats/md/backup-file.ts";
import { decodeDmRaid, dmRaidSuper } from "../src/formats/dm-raid.ts";
import { layoutName } from "../src/formats/md/layout-names.ts";
import { findNewestPpl, pplExtent, pplSignature } from "../src/formats/md/ppl.ts";
import { r5Seed, readR5Log } from "../src/formats/md/r5-log.ts";
import type { R5Meta } from "../src/formats/md/r5-log.ts";
import { superblock090, superblock090Checksum } from "../src/formats/md/superblock-090.ts";
import { superblock1, superblock1Checksum } from "../src/formats/md/superblock-1-layout.ts";
import { arrayUuidBytes } from "../src/formats/md/superblock.ts";
import type { MdRole, MdSuperblock } from "../src/formats/md/superblock.ts";
import { probeMdSuperblocks, readBadBlocks, readMemberBitmap } from "../src/md/probe.ts";
import { crc32c } from "../src/codec/crc32c.ts";
import { mdUuid } from "../src/codec/uuid.ts";
import { readSectors } from "../src/block/promises.ts";

const MD_CASES = goldenCases({ kind: "md" });

interface Member {
  readonly device: ArrayDevice;
  readonly superblock: MdSuperblock;
  readonly golden: GoldenMember;
}

/** "Key : value" lines of mdadm's output. */
function facts(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^\s*([A-Z][A-Za-z' -]*?)\s* : ?(.*)$/.exec(line);
    if (match) found.set(match[1]!, match[2]!.trim());
  }
  return found;
}

function firstNumber(text: string | undefined): number {
  return Number(/-?\d+/.exec(text ?? "")?.[0]);
}

/** mdadm prints local time of the guest, which was UTC: "Sat Nov 21 02:28:45 2026". */
function mdadmTime(seconds: number): string {
  return new Date(utcText(seconds))
    .toUTCString()
    .replace(
      /^(\w+), (\d+) (\w+) (\d+) (\S+) GMT$/,
      (_all, week: string, day: string, month: string, year: string, time: string) =>
        `${week} ${month} ${String(Number(day)).padStart(2, " ")} ${time} ${year}`,
    );
}

async function membersOf(golden: GoldenCase): Promise<Member[]> {
  const members: Member[] = [];
  for (const [index, member] of golden.members.entries()) {
    const device = new ArrayDevice(member.bytes / 512, {}, member.image);
    device.bytes.set(unpackImage(golden, index));
    const { primary, bad } = await probeMdSuperblocks(device);
    expect(bad, `${golden.name} ${member.image}`).toEqual([]);
    if (primary === null) {
      expect(member.examine ?? "", `${golden.name} ${member.image}`).not.toContain("a92b4efc");
      continue;
    }
    members.push({ device, superblock: primary, golden: member });
  }
  return members;
}

function field(superblock: MdSuperblock, name: string): string {
  const found = superblock.fields.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no field ${name}`);
  return found.value;
}

function roleText(superblock: MdSuperblock, role: MdRole): string {
  switch (role.kind) {
    case "active":
      return `${superblock.replacement ? "Replacement" : "Active"} device ${role.slot}`;
    case "journal":
      return "Journal";
    case "spare":
    case "faulty":
      return "spare";
  }
}

/** mdadm's "AA.A". */
function arrayState(superblock: MdSuperblock): string {
  const slots = Math.max(
    superblock.shape!.raidDisks,
    superblock.reshape?.before.raidDisks ?? 0,
    superblock.reshape?.after.raidDisks ?? 0,
  );
  return Array.from({ length: slots }, (_unused, slot) => {
    const count = superblock.roles.filter((r) => r.kind === "active" && r.slot === slot).length;
    return count === 0 ? "." : count === 1 ? "A" : "R";
  }).join("");
}

/** What of mdadm's text this decode would print; only keys that mdadm printed are compared. */
function expected1(superblock: MdSuperblock): Record<string, string | number> {
  const shape = superblock.shape!;
  const old = superblock.reshape?.before ?? shape;
  const log = superblock.badBlockLog;
  const distance = (sector: number): number => sector - superblock.superSector;
  return {
    Magic: "a92b4efc",
    Version: superblock.version,
    "Array UUID": superblock.arrayUuid,
    Name: superblock.name!,
    "Creation Time": mdadmTime(superblock.createdSeconds),
    "Raid Level": shape.level,
    "Raid Devices": shape.raidDisks,
    "Avail Dev Size": superblock.dataSectors,
    "Used Dev Size": superblock.componentSectors,
    "Data Offset": superblock.dataOffsetSectors,
    "New Offset": superblock.dataOffsetSectors + (superblock.reshape?.newOffsetDeltaSectors ?? 0),
    "Super Offset": superblock.superSector,
    "Recovery Offset": superblock.recoveryOffsetSectors,
    State: superblock.resyncOffsetSectors === Infinity ? "clean" : "active",
    "Device UUID": superblock.deviceUuid!,
    "Internal Bitmap": distance(superblock.bitmapSector ?? 0),
    PPL: `${superblock.ppl?.sectors} sectors at offset ${distance(superblock.ppl?.startSector ?? 0)} sectors from superblock`,
    "Reshape pos'n": (superblock.reshape?.positionSectors ?? 0) / 2,
    "Delta Devices": superblock.reshape?.deltaDisks ?? 0,
    "New Layout": layoutName(shape.level, shape.layout),
    "New Chunksize": shape.chunkSectors / 2,
    Flags: superblock.writeMostly ? "write-mostly" : "",
    "Update Time": mdadmTime(superblock.updatedSeconds),
    "Bad Block Log": `${(log?.sectors ?? 0) * 64} entries available at offset ${distance(log?.startSector ?? 0)} sectors${log?.inUse ? " - bad blocks present." : ""}`,
    Events: superblock.events,
    Layout: layoutName(old.level, old.layout),
    "Chunk Size": old.chunkSectors / 2,
    Rounding: old.chunkSectors / 2,
    "Device Role": roleText(superblock, superblock.role),
    "Array State": arrayState(superblock),
  };
}

function expected090(superblock: MdSuperblock): Record<string, string | number> {
  const { reshape } = superblock;
  const shape = reshape?.before ?? superblock.shape!;
  return {
    Magic: "a92b4efc",
    Version: `0.${field(superblock, "minorVersion")}.00`,
    UUID: superblock.arrayUuid,
    "Creation Time": mdadmTime(superblock.createdSeconds),
    "Raid Level": shape.level,
    "Used Dev Size": superblock.componentSectors / 2,
    "Raid Devices": shape.raidDisks,
    "Total Devices": Number(field(superblock, "nrDisks")),
    "Preferred Minor": superblock.preferredMinor!,
    "Update Time": mdadmTime(superblock.updatedSeconds),
    State: superblock.resyncOffsetSectors === Infinity ? "clean" : "active",
    "Active Devices": Number(field(superblock, "activeDisks")),
    "Working Devices": Number(field(superblock, "workingDisks")),
    "Failed Devices": Number(field(superblock, "failedDisks")),
    "Spare Devices": Number(field(superblock, "spareDisks")),
    Events: superblock.events,
    "Reshape pos'n": (reshape?.positionSectors ?? 0) / 2,
    "New Chunksize": (reshape?.after.chunkSectors ?? 0) * 512,
    Layout: layoutName(shape.level, shape.layout),
    "Chunk Size": shape.chunkSectors / 2,
  };
}

/** Numbers are compared as the first number of mdadm's text, words as its beginning. */
function compareFacts(
  said: Map<string, string>,
  ours: Record<string, string | number>,
  where: string,
): number {
  let compared = 0;
  for (const [key, value] of Object.entries(ours)) {
    const text = said.get(key);
    if (text === undefined) continue;
    compared += 1;
    if (typeof value === "number") expect(firstNumber(text), `${where} ${key}`).toBe(value);
    else expect(text.slice(0, value.length), `${where} ${key}`).toBe(value);
  }
  return compared;
}

function compareExamine({ superblock, golden }: Member, where: string): void {
  const said = facts(golden.examine!);
  const ours = superblock.version === "0.90" ? expected090(superblock) : expected1(superblock);
  expect(compareFacts(said, ours, where)).toBeGreaterThan(14);
  expect(superblock.checksumOk, where).toBe(said.get("Checksum")!.endsWith("- correct"));
  expect(field(superblock, "sbCsum"), where).toBe(`0x${said.get("Checksum")!.split(" ")[0]}`);
  if (superblock.version !== "0.90") {
    expect(field(superblock, "featureMap").split(" ")[0], where).toBe(said.get("Feature Map"));
    // Each of these lines is there exactly when the decode has the thing.
    expect(said.has("Internal Bitmap"), where).toBe(superblock.bitmapSector !== null);
    expect(said.has("PPL"), where).toBe(superblock.ppl !== null);
    expect(said.has("Reshape pos'n"), where).toBe(superblock.reshape !== null);
    expect(said.has("Recovery Offset"), where).toBe(superblock.recoveryOffsetSectors !== Infinity);
    expect(said.has("Bad Block Log"), where).toBe(superblock.badBlockLog !== null);
    expect(superblock.unknownFeatures, where).toBe(0);
    expect(superblock.reservedBytesSet, where).toBe(false);
  }
}

function compareTable090({ superblock, golden }: Member): void {
  const rows = golden.examine!.matchAll(/^ +(\d+) +(\d+) +\d+ +\d+ +(-?\d+) +(.*)$/gm);
  let compared = 0;
  for (const [, index, , slot, words] of rows) {
    const role = superblock.roles[Number(index)]!;
    const state = words!.split("/")[0]!.trim();
    if (state.startsWith("active sync"))
      expect(role).toEqual({ kind: "active", slot: Number(slot) });
    else expect(role.kind).toBe(state.startsWith("faulty") ? "faulty" : "spare");
    compared += 1;
  }
  expect(compared).toBeGreaterThan(0);
}

const KERNEL_ROLE: Record<MdRole["kind"], string> = {
  active: "number",
  spare: "none",
  faulty: "none",
  journal: "journal",
};

/** Facts of the member's sysfs folder as the kernel had them in the first view. */
async function compareKernel(member: Member, golden: GoldenCase, where: string): Promise<void> {
  const kernel = member.golden.kernel;
  if (kernel === undefined) return;
  const { superblock } = member;
  const { role } = superblock;
  // Views without some members start with others' word on who is in.
  if (role.kind !== "active" || member.golden.role === role.slot) {
    const slot = role.kind === "active" ? String(role.slot) : KERNEL_ROLE[role.kind];
    expect(kernel["slot"], where).toBe(slot);
  }
  expect(kernel["offset"], where).toBe(String(superblock.dataOffsetSectors));
  const moved = superblock.reshape?.newOffsetDeltaSectors ?? 0;
  expect(kernel["new_offset"], where).toBe(String(superblock.dataOffsetSectors + moved));
  if (role.kind === "active" && superblock.componentSectors > 0)
    expect(kernel["size"], where).toBe(String(Math.floor(superblock.dataSectors / 2)));
  const recovered = superblock.recoveryOffsetSectors;
  if (golden.level !== "raid0" && kernel["recovery_start"] !== undefined && role.kind === "active")
    expect(kernel["recovery_start"], where).toBe(
      recovered === Infinity ? "none" : String(recovered),
    );
  if (superblock.ppl !== null) {
    expect(kernel["ppl_sector"], where).toBe(String(superblock.ppl.startSector));
    expect(kernel["ppl_size"], where).toBe(String(superblock.ppl.sectors));
  }
  const bad = await readBadBlocks(member.device, superblock);
  const ranges = bad.kind === "ok" ? bad.ranges : [];
  const text = ranges.map(({ sector, sectors }) => `${sector} ${sectors}`).join("\n");
  expect(kernel["bad_blocks"] ?? "", where).toBe(text);
}

async function compareBitmap(
  said: Map<string, string>,
  bitmap: MdBitmap,
  read: BitmapReader,
  uuid: string,
  where: string,
): Promise<void> {
  const [bits, dirty] = /(\d+) bits \(chunks\), (\d+) dirty/.exec(said.get("Bitmap")!)!.slice(1);
  const units: Record<string, number> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };
  const [size, unit] = said.get("Chunksize")!.split(" ");
  expect(Number(said.get("Version")), where).toBe(bitmap.major);
  expect(said.get("UUID"), where).toBe(uuid);
  expect(Number(said.get("Events")), where).toBe(bitmap.events);
  expect(Number(said.get("Events Cleared")), where).toBe(bitmap.eventsCleared);
  expect(said.get("State"), where).toBe(bitmap.untrustworthy ? "Out of date" : "OK");
  expect(bitmap.chunkSectors * 512, where).toBe(Number(size) * units[unit!]!);
  expect(firstNumber(said.get("Daemon")), where).toBe(bitmap.daemonSleepSeconds);
  expect(firstNumber(said.get("Sync Size")), where).toBe(bitmap.syncSectors / 2);
  expect(bitmap.chunks, where).toBe(Number(bits));
  expect(await countDirty(bitmap, read), where).toBe(Number(dirty));
  let covered = 0;
  for await (const range of dirtyRanges(bitmap, read)) covered += range.sectors;
  expect(Math.ceil(covered / bitmap.chunkSectors), where).toBe(Number(dirty));
}

async function checkRoundTrip({ device, superblock }: Member, where: string): Promise<void> {
  const data = await readSectors(device, superblock.superSector, 8);
  const copy = new Uint8Array(data);
  if (superblock.version === "0.90") {
    superblock090.encodeInto(copy, 0, superblock090.decode(data));
    const fresh = superblock090.encode(superblock090.decode(data));
    expect(sameBytes(fresh, data), where).toBe(true);
    expect(superblock090Checksum(data, "little"), where).toBe(superblock090.decode(data).sbCsum);
  } else {
    const raw = superblock1.decode(data);
    superblock1.encodeInto(copy, 0, raw);
    expect(superblock1.encode(raw).subarray(0, 256), where).toEqual(data.subarray(0, 256));
    expect(superblock1Checksum(data, raw.maxDev), where).toBe(raw.sbCsum);
  }
  expect(sameBytes(copy, data), where).toBe(true);
}

describe.each(MD_CASES.map((golden) => [golden.name, golden] as const))("%s", (name, golden) => {
  it("reads as mdadm and the kernel read it", async () => {
    const members = await membersOf(golden);
    expect(members.length).toBeGreaterThan(0);
    for (const member of members) {
      const where = `${name} ${member.golden.image}`;
      if (member.golden.examine?.includes("a92b4efc")) compareExamine(member, where);
      if (member.superblock.version === "0.90") compareTable090(member);
      await compareKernel(member, golden, where);
      await checkRoundTrip(member, where);
      const bitmap = await readMemberBitmap(member.device, member.superblock);
      if (bitmap === null || member.golden.examine_bitmap === undefined) continue;
      if (bitmap.decoded.kind !== "ok") throw new Error(`${where}: bitmap ${bitmap.decoded.kind}`);
      const said = facts(member.golden.examine_bitmap);
      const { uuid } = bitmap.decoded.bitmap;
      expect(uuid, where).toEqual(arrayUuidBytes(member.superblock));
      await compareBitmap(
        said,
        bitmap.decoded.bitmap,
        bitmap.read,
        member.superblock.arrayUuid,
        where,
      );
    }
  });

  it("has the shape that the kernel's sysfs shows", async () => {
    const [first] = await membersOf(golden);
    const { shape, reshape } = first!.superblock;
    expect(golden.level).toBe(shape!.level);
    const before = reshape?.before.raidDisks ?? shape!.raidDisks;
    const both = before === shape!.raidDisks ? `${before}` : `${shape!.raidDisks} (${before})`;
    expect(golden.raid_disks).toBe(both);
    // Where the first view was refused, sysfs is from a later one, in which the reshape went on.
    if (golden.views[0]!.refused !== undefined) return;
    const position = reshape === null ? "none" : String(reshape.positionSectors);
    expect(golden.reshape_position).toBe(position);
    if (reshape === null) {
      if (shape!.level !== "linear") expect(golden.chunk_kib).toBe(shape!.chunkSectors / 2);
      // mdadm's --detail has no word for raid0's layouts.
      if (golden.layout !== undefined && golden.layout !== "-unknown-") {
        expect(golden.layout).toBe(layoutName(shape!.level, shape!.layout));
        expect(golden.layout_number).toBe(shape!.layout);
      }
    }
  });
});

describe("what else lies on members and beside them", () => {
  it("finds bitmaps in files", async () => {
    const golden = MD_CASES.find((one) => one.name === "bitmapfile-raid1-2")!;
    const file = unpackArtefact(golden, "bitmap.bin");
    const [member] = await membersOf(golden);
    const decoded = decodeBitmap(file);
    if (decoded.kind !== "ok") throw new Error(decoded.kind);
    expect(mdUuid(decoded.bitmap.uuid)).toBe(member!.superblock.arrayUuid);
    expect(bitmapSuper.encode(bitmapSuper.decode(file))).toEqual(file.subarray(0, 256));
    const read: BitmapReader = (offset, length) =>
      Promise.resolve(file.subarray(offset, offset + length));
    expect(decoded.bitmap).toMatchObject({ chunks: 112, chunkSectors: 128, syncSectors: 14336 });
    expect(await countDirty(decoded.bitmap, read)).toBe(0);
  });

  it("finds the newest partial parity log of each member, with sound entries after a crash", async () => {
    let entries = 0;
    for (const golden of goldenCases({ family: "ppl" })) {
      for (const { device, superblock } of await membersOf(golden)) {
        const { ppl, shape, role } = superblock;
        const found = await findNewestPpl(
          (sector, sectors) => readSectors(device, ppl!.startSector + sector, sectors),
          ppl!.sectors,
          pplSignature(arrayUuidBytes(superblock)),
        );
        expect(found).not.toBeNull();
        for (const entry of found!.log.entries) {
          expect(role).toEqual({ kind: "active", slot: entry.parityDisk });
          expect(pplExtent(entry, shape!)).not.toBeNull();
          const at = ppl!.startSector + found!.sector + entry.ppSector;
          const partial = await readSectors(device, at, entry.ppBytes / 512);
          expect(crc32c(partial)).toBe(entry.checksum);
          entries += 1;
        }
      }
    }
    expect(entries).toBeGreaterThan(0);
  });

  it("walks the journal from its tail", async () => {
    for (const golden of goldenCases({ family: "journal" })) {
      const members = await membersOf(golden);
      const { device, superblock } = members.find((one) => one.superblock.role.kind === "journal")!;
      const log = {
        sectors: superblock.dataSectors - (superblock.dataSectors % 8),
        seed: r5Seed(arrayUuidBytes(superblock)),
      };
      const metas: R5Meta[] = [];
      const read = (sector: number, sectors: number): Promise<Uint8Array> =>
        readSectors(device, superblock.dataOffsetSectors + sector, sectors);
      for await (const meta of readR5Log(read, log, superblock.journalTailSectors!))
        metas.push(meta);
      expect(metas.length, golden.name).toBeGreaterThan(0);
      const kinds = metas.flatMap((meta) => meta.payloads.map((payload) => payload.kind));
      expect(kinds, golden.name).toContain("data");
      // Write-through logs parity with its data; write-back was killed with data that had none yet.
      const withParity = kinds.filter((kind) => kind === "parity").length;
      const data = kinds.filter((kind) => kind === "data").length;
      if (golden.name.endsWith("writeback")) expect(data).toBeGreaterThan(withParity);
      metas.slice(1).forEach((meta, i) => expect(meta.seq).toBe(metas[i]!.seq + 1n));
    }
  });

  it("believes the backup file of an interrupted reshape", async () => {
    const golden = MD_CASES.find((one) => one.name === "reshape-backupfile-raid5-chunk64to32")!;
    const [member] = await membersOf(golden);
    const { superblock } = member!;
    const file = unpackArtefact(golden, "backup.bin");
    const decoded = decodeBackupHeader(file.subarray(0, 512));
    if (decoded.kind !== "ok") throw new Error(decoded.kind);
    expect(decoded.backup.copySector).toBe(0);
    const verdict = judgeBackup(decoded.backup, {
      uuid: arrayUuidBytes(superblock),
      updatedSeconds: superblock.updatedSeconds,
      reshape: superblock.reshape!,
    });
    const { positionSectors } = superblock.reshape!;
    expect(positionSectors).toBe(8192);
    // The kernel was held at 8192 with the next part of the array backed up.
    expect(verdict).toMatchObject({ kind: "use" });
    if (verdict.kind === "use") expect(verdict.positionSectors).toBeGreaterThan(positionSectors);
  });

  it("reads dm-raid's superblocks", async () => {
    for (const golden of goldenCases({ kind: "dm", name: /^dm-raid/ })) {
      const found = golden.members.flatMap((_unused, index) => {
        const data = unpackImage(golden, index).subarray(0, 512);
        const decoded = decodeDmRaid(data);
        if (decoded.kind !== "ok") return [];
        expect(dmRaidSuper.encode(decoded.superblock)).toEqual(data.slice());
        return [decoded];
      });
      const { numDevices, level } = found[0]!.superblock;
      expect(golden.name).toContain(`raid${level}`);
      expect(found).toHaveLength(numDevices);
      expect(found.map((one) => one.superblock.arrayPosition).toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: numDevices }, (_unused, i) => i),
      );
      expect(found.every((one) => one.extended && one.failed.length === 0)).toBe(true);
    }
  });
});
