/**
 * Mutated bytes straight into the md decoders: whatever they hold, there is a decoded value or a reason, and bounded work.
 */
import type { Prng } from "../../src/base/prng.ts";
import { mutateBytes, mutateField } from "./mutate.ts";
import type { FieldPlaces } from "./mutate.ts";
import { HoldfastError } from "../../src/base/errors.ts";
import { decodeDmRaid, dmRaidSuper } from "../../src/formats/dm-raid.ts";
import {
  backupChecksum,
  backupHeader,
  decodeBackupHeader,
  judgeBackup,
} from "../../src/formats/md/backup-file.ts";
import { decodeBadBlocks } from "../../src/formats/md/bad-blocks.ts";
import { bitmapSuper, clusterSlotOffset, decodeBitmap } from "../../src/formats/md/bitmap.ts";
import { bitmapRuns, countDirty, dirtyRanges } from "../../src/formats/md/bitmap-runs.ts";
import { decodePplHeader, findNewestPpl, pplExtent } from "../../src/formats/md/ppl.ts";
import { readR5Log } from "../../src/formats/md/r5-log.ts";
import {
  decodeSuperblock090,
  superblock090,
  superblock090Sector,
} from "../../src/formats/md/superblock-090.ts";
import { decodeSuperblock1 } from "../../src/formats/md/superblock-1.ts";
import { superblock1 } from "../../src/formats/md/superblock-1-layout.ts";
import { arrayUuidBytes } from "../../src/formats/md/superblock.ts";
import type { MdReshape, MdVersion, SuperblockDecode } from "../../src/formats/md/superblock.ts";
import { makeGeometry } from "../../src/md/geometry/geometry.ts";
import type { Area } from "./md-areas.ts";
import { fixSuperblock090, fixSuperblock1, ROLE_TABLE } from "./md-areas.ts";

/** A superblock of some member and where it was. */
export interface SuperblockSample {
  readonly version: MdVersion;
  readonly data: Uint8Array;
  readonly sector: number;
  readonly deviceSectors: number;
}

function mutateSome(
  prng: Prng,
  data: Uint8Array,
  layouts: readonly FieldPlaces[],
  order: "little" | "big",
  log: string[],
): void {
  const count = prng.pick([0, 1, 1, 1, 2, 3, 8]);
  for (let i = 0; i < count; i += 1)
    log.push(
      prng.chance(0.9)
        ? mutateField(prng, data, prng.pick(layouts), order)
        : mutateBytes(prng, data),
    );
}

/** What is believed must be possible. */
function checkDecoded(decoded: SuperblockDecode, deviceSectors: number): void {
  if (decoded.kind !== "ok") return;
  const { superblock } = decoded;
  const { role, dataOffsetSectors, componentSectors, dataSectors, shape, badBlockLog } = superblock;
  const finite = [dataOffsetSectors, componentSectors, dataSectors, superblock.events];
  if (!finite.every((value) => Number.isSafeInteger(value) && value >= 0))
    throw new Error(`numbers that cannot be: ${finite.join(", ")}`);
  if (superblock.roles.length > 1920) throw new Error(`${superblock.roles.length} roles`);
  // An image may be cut short in the middle of its data; where the metadata lies at the end, nothing can be cut off.
  const isAtStart = superblock.version === "1.1" || superblock.version === "1.2";
  const needed = dataOffsetSectors + (isAtStart ? Math.min(1, dataSectors) : dataSectors);
  if (role.kind === "active" && needed > deviceSectors)
    throw new Error("data lie behind the end of the device");
  if (badBlockLog?.inUse === true && badBlockLog.startSector + badBlockLog.sectors > deviceSectors)
    throw new Error("the bad-block log reaches behind the end of the device");
  arrayUuidBytes(superblock);
  if (shape !== null) tryGeometry(shape, componentSectors);
}

function tryGeometry(shape: MdReshape["after"], componentSectors: number): void {
  try {
    const geometry = makeGeometry(shape, {
      componentSectors,
      memberSectors: Array.from({ length: shape.raidDisks }, (_unused, i) => 1000 + (i % 3)),
      raid0Layout: "original",
    });
    if ("copies" in geometry) geometry.copies(geometry.arraySectors - 1);
    else geometry.locate(geometry.arraySectors - 1);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
  }
}

const ONES = 0xffff_ffff_ffff_ffffn;

/** Made-up reshape on top, so that its rules are reached. */
function addReshape(prng: Prng, data: Uint8Array, is1: boolean, order: "little" | "big"): void {
  const layout = is1 ? superblock1 : superblock090;
  if (is1) {
    const { featureMap } = superblock1.decode(data);
    superblock1.encodeInto(data, 0, { featureMap: featureMap | 4 | prng.pick([0, 32, 64, 96]) });
  } else superblock090.encodeInto(data, 0, { minorVersion: 91 }, order);
  const common = {
    reshapePosition: prng.pick([0n, 1n, 512n, 4096n, 1n << 40n, ONES]),
    newLevel: prng.pick([0, 1, 4, 5, 6, 10]),
    deltaDisks: prng.between(-3, 3),
    newLayout: prng.pick([0, 2, 16, 18, 0x102, 0x201, 0x10201]),
    newChunk: prng.pick([0, 8, 64, 128, 32768, 65536]),
  };
  layout.encodeInto(data, 0, common, order);
}

export function fuzzSuperblock(prng: Prng, samples: readonly SuperblockSample[], log: string[]) {
  const sample = prng.pick(samples);
  let data: Uint8Array = sample.data.slice();
  let { version } = sample;
  let sector = sample.sector;
  const deviceSectors = prng.chance(0.9)
    ? sample.deviceSectors
    : prng.pick([24, 128, 136, 1000, 2 ** 40]);
  log.push(`superblock ${version}, device of ${deviceSectors} sectors`);
  if (version === "0.90") {
    sector = superblock090Sector(deviceSectors) ?? 0;
    const order = prng.pick(["little", "big"] as const);
    if (order === "big") data = superblock090.encode(superblock090.decode(data), "big");
    if (prng.chance(0.3)) addReshape(prng, data, false, order);
    mutateSome(prng, data, [superblock090], order, log);
    if (prng.chance(0.85)) fixSuperblock090(data, order);
    checkDecoded(decodeSuperblock090(data, { sector, deviceSectors }), deviceSectors);
    return;
  }
  if (deviceSectors !== sample.deviceSectors || prng.chance(0.3)) {
    version = prng.pick(["1.0", "1.1", "1.2"] as const);
    sector = { "1.0": Math.max(0, deviceSectors - 16), "1.1": 0, "1.2": 8 }[version];
    superblock1.encodeInto(data, 0, { superOffset: BigInt(sector) });
  }
  if (prng.chance(0.3)) addReshape(prng, data, true, "little");
  mutateSome(prng, data, [superblock1, superblock1, ROLE_TABLE], "little", log);
  if (prng.chance(0.85)) fixSuperblock1(data);
  checkDecoded(decodeSuperblock1(data, version, { sector, deviceSectors }), deviceSectors);
}

const BITS = 8192;

/** A bitmap of any major, its bits included. */
function sampleBitmap(prng: Prng, samples: readonly Uint8Array[]): Uint8Array {
  const data = new Uint8Array(BITS);
  if (samples.length > 0 && prng.chance(0.5)) data.set(prng.pick(samples).subarray(0, BITS));
  else
    bitmapSuper.encodeInto(data, 0, {
      magic: 0x6d746962,
      version: prng.between(3, 6),
      events: 20n,
      eventsCleared: 18n,
      syncSize: BigInt(prng.pick([100, 16384, 100_000])),
      chunksize: prng.pick([8, 512, 4096, 65536]),
      nodes: prng.pick([0, 1, 4]),
    });
  if (prng.chance(0.2)) bitmapSuper.encodeInto(data, 0, { version: prng.between(3, 6) });
  if (prng.chance(0.5)) prng.fill(data.subarray(256, prng.between(256, 2000)));
  return data;
}

export async function fuzzBitmap(prng: Prng, samples: readonly Uint8Array[], log: string[]) {
  const data = sampleBitmap(prng, samples);
  mutateSome(prng, data, [bitmapSuper], "little", log);
  const decoded = decodeBitmap(data.subarray(0, prng.pick([BITS, 512, 256, 255, 0])));
  if (decoded.kind !== "ok") return;
  const { bitmap } = decoded;
  let calls = 0;
  const read = (offset: number, length: number): Promise<Uint8Array> => {
    calls += 1;
    return Promise.resolve(data.slice(offset, offset + length));
  };
  clusterSlotOffset(bitmap, 3);
  let next = 0;
  let runs = 0;
  for await (const run of bitmapRuns(bitmap, read)) {
    if (run.chunk !== next || run.chunks <= 0) throw new Error(`a gap at chunk ${next}`);
    next += run.chunks;
    runs += 1;
  }
  if (next !== bitmap.chunks) throw new Error(`runs end at ${next} of ${bitmap.chunks} chunks`);
  if (runs > 8 * BITS || calls > 2) throw new Error(`${runs} runs, ${calls} reads`);
  const dirty = await countDirty(bitmap, read);
  if (dirty > bitmap.chunks) throw new Error(`${dirty} dirty chunks of ${bitmap.chunks}`);
  let end = 0;
  for await (const range of dirtyRanges(bitmap, read)) {
    if (range.sector < end || range.sector + range.sectors > bitmap.syncSectors)
      throw new Error(`dirty range ${range.sector}+${range.sectors}`);
    end = range.sector + range.sectors;
  }
}

function fuzzBadBlocks(prng: Prng, log: string[]): void {
  const data = new Uint8Array(prng.pick([0, 8, 512, 4096, 4095]));
  prng.fill(data);
  if (prng.chance(0.7)) data.fill(0xff, prng.below(data.length + 1));
  const shift = prng.pick([0, 0, 1, 9, 53]);
  log.push(`bad blocks, shift ${shift}`);
  const decoded = decodeBadBlocks(data, shift);
  if (decoded.kind !== "ok") return;
  let end = -1;
  for (const range of decoded.ranges) {
    if (range.sector <= end || range.sectors <= 0) throw new Error("ranges overlap or touch");
    end = range.sector + range.sectors;
  }
}

async function fuzzPpl(prng: Prng, area: Area, log: string[]): Promise<void> {
  const bytes = new Uint8Array(64 * 512);
  const data = area.data.slice();
  mutateSome(prng, data, area.layouts, "little", log);
  if (prng.chance(0.9)) area.fix(data);
  const signature = new DataView(area.data.buffer).getUint32(512, true);
  for (let at = 0; at < bytes.length; at += 4096 * prng.between(1, 2)) bytes.set(data, at);
  const decoded = decodePplHeader(data, signature);
  let calls = 0;
  await findNewestPpl(
    (sector, sectors) => {
      calls += 1;
      if (sector + sectors > 64) throw new Error(`read of ${sector}+${sectors} in an area of 64`);
      return Promise.resolve(bytes.slice(sector * 512, (sector + sectors) * 512));
    },
    64,
    signature,
  );
  if (calls > 8) throw new Error(`${calls} reads`);
  if (decoded.kind !== "ok") return;
  for (const entry of decoded.log.entries) {
    const extent = pplExtent(entry, {
      chunkSectors: prng.pick([8, 128]),
      raidDisks: prng.between(2, 9),
    });
    if (extent !== null && extent.stripSectors > 128)
      throw new Error("a strip larger than a chunk");
  }
}

async function fuzzJournal(prng: Prng, areas: readonly Area[], log: string[]): Promise<void> {
  const sectors = prng.pick([64, 8, 16, 1024]);
  const bytes = new Uint8Array(sectors * 512);
  const area = prng.pick(areas);
  const data = area.data.slice();
  mutateSome(prng, data, area.layouts, "little", log);
  const position = prng.below(sectors / 8) * 8;
  r5Position(data, position);
  if (prng.chance(0.9)) area.fix(data);
  bytes.set(data, position * 512);
  let calls = 0;
  const read = (sector: number, count: number): Promise<Uint8Array> => {
    calls += 1;
    if (sector < 0 || sector + count > sectors) throw new Error(`read of ${sector}+${count}`);
    return Promise.resolve(bytes.slice(sector * 512, (sector + count) * 512));
  };
  const { seed = 0 } = area;
  for await (const meta of readR5Log(
    read,
    { sectors, seed },
    prng.pick([position, 0, 1, Infinity]),
  ))
    if (meta.payloads.length > 512) throw new Error("too many payloads for a block");
  if (calls > 2 * sectors) throw new Error(`${calls} reads`);
}

function r5Position(data: Uint8Array, position: number): void {
  new DataView(data.buffer).setBigUint64(24, BigInt(position), true);
}

const RESHAPE: MdReshape = {
  positionSectors: 4096,
  deltaDisks: 0,
  backwards: false,
  before: { level: "raid5", layout: 2, chunkSectors: 128, raidDisks: 3 },
  after: { level: "raid5", layout: 2, chunkSectors: 64, raidDisks: 3 },
  newOffsetDeltaSectors: 0,
};

function fuzzBackup(prng: Prng, log: string[]): void {
  const uuid = new Uint8Array(16).fill(7);
  const data = backupHeader.encode({
    magic: prng.pick(["md_backup_data-1", "md_backup_data-2"]),
    setUuid: uuid,
    mtime: 1000n,
    devstart: 8n,
    arraystart: 4096n,
    length: 512n,
    sbCsum: 0,
    pad1: 0,
    devstart2: 512n,
    arraystart2: 4608n,
    length2: 512n,
    sbCsum2: 0,
    pad: new Uint8Array(412),
  });
  mutateSome(prng, data, [backupHeader], "little", log);
  backupHeader.encodeInto(data, 0, { sbCsum: backupChecksum(data, 64) });
  backupHeader.encodeInto(data, 0, { sbCsum2: backupChecksum(data, 96) });
  const decoded = decodeBackupHeader(data);
  if (decoded.kind !== "ok") return;
  const reshape = { ...RESHAPE, backwards: prng.chance(0.5), positionSectors: prng.below(10000) };
  judgeBackup(decoded.backup, { uuid, updatedSeconds: 1000, reshape });
}

export function fuzzDmRaid(prng: Prng, samples: readonly Uint8Array[], log: string[]): void {
  const data = prng.pick(samples).slice();
  mutateSome(prng, data, [dmRaidSuper], "little", log);
  const decoded = decodeDmRaid(data);
  if (decoded.kind === "ok" && decoded.failed.some((position) => position > 255))
    throw new Error("a failed device that no bit stands for");
}

/** One of the smaller structures. */
export async function fuzzOther(prng: Prng, areas: readonly Area[], log: string[]): Promise<void> {
  const ppl = areas.filter((area) => area.kind === "ppl");
  const journal = areas.filter((area) => area.kind === "journal");
  if (ppl.length > 0 && prng.chance(0.7)) return fuzzPpl(prng, prng.pick(ppl), log);
  if (journal.length > 0 && prng.chance(0.7)) return fuzzJournal(prng, journal, log);
  if (prng.chance(0.5)) fuzzBadBlocks(prng, log);
  else fuzzBackup(prng, log);
}
