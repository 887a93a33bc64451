/** What is done to the metadata of a set: changes that may break it, and changes that must not. */
import type { Prng } from "../../src/base/prng.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { superblock090 } from "../../src/formats/md/superblock-090.ts";
import { superblock1 } from "../../src/formats/md/superblock-1-layout.ts";
import { Prng as Generator } from "../../src/base/prng.ts";
import type { Area } from "./md-areas.ts";
import type { Disk, GoldenSet, SpoiltDisk } from "./md-sets.ts";
import { mutateBytes, mutateField } from "./mutate.ts";
import { PatchedDevice } from "./patched-device.ts";

/** A change to the bytes of an area; the same draws give the same change on every member. */
type Change = (prng: Prng, data: Uint8Array, area: Area, disk: Disk) => string;

function changed(area: Area, data: Uint8Array, spoilt: SpoiltDisk): void {
  spoilt.device.patch(area.sector, data);
}

const someField: Change = (prng, data, area) =>
  prng.chance(0.95)
    ? mutateField(prng, data, prng.pick(area.layouts), area.order)
    : mutateBytes(prng, data);

const shuffledRoles: Change = (prng, data, area, { superblock }) => {
  if (superblock.version === "0.90") return someField(prng, data, area, { superblock } as Disk);
  const roles = Array.from({ length: 8 }, () =>
    prng.pick([0, 1, 2, 3, 4, 0xffff, 0xfffe, 0xfffd, 7]),
  );
  const view = new DataView(data.buffer);
  for (const [i, role] of roles.entries()) view.setUint16(256 + 2 * i, role, true);
  return `roles ${roles.join(" ")}`;
};

const CHUNKS = [
  0,
  8,
  16,
  64,
  128,
  256,
  1024,
  8192,
  4_194_304 - 8,
  4_194_303,
  4_194_304,
  0x80000000,
];

/** A shape made up, mostly one that can be. */
const otherShape: Change = (prng, data, area, { superblock }) => {
  const shape = {
    level: prng.pick([superblock.levelNumber, -1, 0, 1, 4, 5, 6, 10, -4]),
    layout: prng.pick([0, 1, 2, 5, 16, 18, 0x102, 0x103, 0x201, 0x202, 0x10201, 0x20201, 0x40202]),
    raidDisks: prng.pick([1, 2, 3, 4, 5, 6, 27, 255, 256, 1919, 1920]),
  };
  if (superblock.version === "0.90")
    superblock090.encodeInto(data, 0, { ...shape, chunkSize: prng.pick(CHUNKS) * 512 }, area.order);
  else superblock1.encodeInto(data, 0, { ...shape, chunksize: prng.pick(CHUNKS) });
  return `shape ${JSON.stringify(shape)}`;
};

const ONES = 0xffff_ffff_ffff_ffffn;

const madeUpReshape: Change = (prng, data, area, { superblock }) => {
  const shape = superblock.shape ?? { layout: 0, chunkSectors: 0, raidDisks: 2 };
  const chunk = prng.pick([shape.chunkSectors, shape.chunkSectors, ...CHUNKS]);
  const width = prng.pick([8, shape.chunkSectors || 8, shape.chunkSectors * shape.raidDisks || 8]);
  const fields = {
    reshapePosition: prng.chance(0.9)
      ? BigInt(prng.below(300) * width)
      : prng.pick([ONES, 1n << 52n, 7n]),
    newLevel: prng.chance(0.8) ? superblock.levelNumber : prng.pick([0, 1, 4, 5, 6, 10]),
    deltaDisks: prng.pick([0, 0, 1, -1, 2, -2, shape.raidDisks - 1, -100]),
    newLayout: prng.chance(0.6) ? shape.layout : prng.pick([0, 2, 5, 16, 18, 0x102, 0x10201]),
  };
  if (superblock.version === "0.90") {
    const newChunk = chunk * 512;
    superblock090.encodeInto(data, 0, { ...fields, newChunk, minorVersion: 91 }, area.order);
  } else {
    const { featureMap } = superblock1.decode(data);
    superblock1.encodeInto(data, 0, {
      ...fields,
      newChunk: chunk,
      newOffset: prng.pick([0, 8, -8, 128, -2048, 0x7fffffff, -0x80000000]),
      featureMap: featureMap | 4 | prng.pick([0, 0, 32, 64, 96]),
    });
  }
  return `reshape ${JSON.stringify({ ...fields, reshapePosition: String(fields.reshapePosition), chunk })}`;
};

/** Sizes and places consistent enough to get far. */
const otherSizes: Change = (prng, data, area, { superblock, base }) => {
  if (superblock.version === "0.90") {
    superblock090.encodeInto(data, 0, { size: prng.below(base.sectors / 2 + 2) }, area.order);
    return "size";
  }
  const dataOffset = prng.pick([superblock.dataOffsetSectors, 16, 17, 2048]);
  const dataSize = prng.pick([superblock.dataSectors, 10, 11, base.sectors - dataOffset]);
  const size = prng.pick([superblock.componentSectors, 0, 8, 100, dataSize]);
  superblock1.encodeInto(data, 0, {
    dataOffset: BigInt(dataOffset),
    dataSize: BigInt(Math.max(0, dataSize)),
    size: BigInt(Math.max(0, size)),
  });
  return `sizes ${dataOffset} ${dataSize} ${size}`;
};

const otherHistory: Change = (prng, data, area, { superblock }) => {
  const events = BigInt(Math.max(0, superblock.events + prng.pick([-9, -2, -1, 0, 1, 2, 2 ** 50])));
  if (superblock.version === "0.90") {
    superblock090.encodeInto(data, 0, { events, state: prng.pick([0, 1, 2]) }, area.order);
    return `events ${events}`;
  }
  const { featureMap } = superblock1.decode(data);
  const bits = prng.pick([0, 2, 8, 16, 2 | 16, 128 | 2, 512, 1024, 2048, 4096]);
  superblock1.encodeInto(data, 0, {
    events,
    resyncOffset: prng.pick([0n, ONES, 4096n]),
    recoveryOffset: prng.pick([0n, 8n, 1001n, 4096n, ONES]),
    featureMap: featureMap ^ bits,
    devNumber: prng.chance(0.8) ? superblock.deviceNumber : prng.below(6),
  });
  return `events ${events} features ^${bits}`;
};

const SUPERBLOCK_CHANGES = [
  someField,
  someField,
  shuffledRoles,
  otherShape,
  madeUpReshape,
  otherSizes,
  otherHistory,
];

function changeArea(
  prng: Prng,
  set: GoldenSet,
  spoilt: readonly SpoiltDisk[],
  log: string[],
): void {
  const kinds = [...new Set(set.disks.flatMap(({ areas }) => areas.map((area) => area.kind)))];
  const kind = prng.chance(0.7) ? "superblock" : prng.pick(kinds);
  const changes = Array.from({ length: prng.pick([1, 1, 2, 3]) }, () =>
    kind === "superblock" ? prng.pick(SUPERBLOCK_CHANGES) : someField,
  );
  const isCommon = prng.chance(0.6);
  const seed = prng.u32();
  const isFixed = prng.chance(0.95);
  const which = isCommon ? spoilt : spoilt.filter(() => prng.chance(0.5));
  for (const [i, each] of which.entries()) {
    const own = new Generator(isCommon ? seed : seed + i);
    const areas = each.disk.areas.filter((area) => area.kind === kind);
    if (areas.length === 0) continue;
    const area = own.pick(areas);
    const data = area.data.slice();
    const done = changes.map((change) => change(own, data, area, each.disk));
    if (isFixed) area.fix(data);
    if (i === 0 || !isCommon) log.push(`${each.device.name}: ${done.join(", ")}`);
    changed(area, data, each);
  }
  if (isCommon) log.push("on all");
}

function swapSuperblocks(prng: Prng, spoilt: readonly SpoiltDisk[], log: string[]): void {
  const from = prng.pick(spoilt);
  const to = prng.pick(spoilt);
  changed(to.disk.areas[0]!, from.disk.areas[0]!.data.slice(), to);
  log.push(`superblock of ${from.device.name} on ${to.device.name}`);
}

function cutOff(prng: Prng, spoilt: readonly SpoiltDisk[], log: string[]): void {
  const one = prng.pick(spoilt);
  const whole = one.disk.base.sectors;
  const sectors = prng.pick([
    0,
    1,
    7,
    8,
    9,
    16,
    23,
    24,
    127,
    128,
    129,
    whole - 1,
    whole - 8,
    prng.below(whole),
  ]);
  one.device = new PatchedDevice(one.disk.base, sectors);
  log.push(`${one.device.name} cut to ${sectors} sectors`);
}

function failSome(prng: Prng, spoilt: readonly SpoiltDisk[], log: string[]): void {
  const one = prng.pick(spoilt);
  const count = prng.pick([1, 3, 40]);
  for (let i = 0; i < count; i += 1) {
    const sector = prng.chance(0.3) ? prng.below(64) : prng.below(one.disk.base.sectors);
    one.device.failReads({ sector, sectors: prng.pick([1, 1, 8, 1000]) });
  }
  log.push(`${count} unreadable ranges on ${one.device.name}`);
}

function freshDisks(set: GoldenSet): SpoiltDisk[] {
  return set.disks.map((disk) => ({ disk, device: new PatchedDevice(disk.base) }));
}

/** Anything may come of these. `strangers` are superblocks of other sets. */
export function spoil(
  prng: Prng,
  set: GoldenSet,
  strangers: readonly Uint8Array[],
  log: string[],
): SpoiltDisk[] {
  let spoilt = freshDisks(set);
  // Cutting replaces the device, so it comes before what lies over it.
  if (prng.chance(0.1)) cutOff(prng, spoilt, log);
  const count = prng.pick([1, 1, 1, 2]);
  for (let i = 0; i < count; i += 1) changeArea(prng, set, spoilt, log);
  if (prng.chance(0.08)) swapSuperblocks(prng, spoilt, log);
  if (prng.chance(0.05)) {
    const one = prng.pick(spoilt);
    one.device.patch(one.disk.superblock.superSector, prng.pick(strangers));
    log.push(`superblock of another set on ${one.device.name}`);
  }
  if (prng.chance(0.15)) failSome(prng, spoilt, log);
  if (prng.chance(0.2)) spoilt = prng.shuffle(spoilt).slice(0, prng.between(1, spoilt.length));
  if (prng.chance(0.05)) spoilt.push(prng.pick(spoilt));
  return spoilt;
}

type SafeChange = (prng: Prng, spoilt: SpoiltDisk[], log: string[]) => void;

function rewrite(one: SpoiltDisk, values: Parameters<typeof superblock1.encodeInto>[2]): void {
  const area = one.disk.areas[0]!;
  const data = area.data.slice();
  superblock1.encodeInto(data, 0, values);
  area.fix(data);
  one.device.patch(area.sector, data);
}

function rewrite090(one: SpoiltDisk, values: Parameters<typeof superblock090.encodeInto>[2]): void {
  const area = one.disk.areas[0]!;
  const data = area.data.slice();
  superblock090.encodeInto(data, 0, values, area.order);
  area.fix(data);
  one.device.patch(area.sector, data);
}

/** Of no meaning for what the volume holds, on any level and in any state. */
const meaningless: SafeChange = (prng, spoilt, log) => {
  const random = prng.u32();
  const isEveryone = prng.chance(0.5);
  log.push(`update time and unused bytes${isEveryone ? "" : " of some"}`);
  for (const one of spoilt) {
    if (!isEveryone && prng.chance(0.5)) continue;
    // A reshape's backup is believed by its age.
    const { reshape, version, updatedSeconds } = one.disk.superblock;
    const utime = reshape === null ? random : updatedSeconds;
    if (version === "0.90") {
      const pad = new Uint8Array(240);
      prng.fill(pad);
      rewrite090(one, {
        utime,
        pstateReserved: pad,
        mdMinor: prng.below(100),
        activeDisks: prng.u32(),
      });
    } else {
      const pad3 = new Uint8Array(28);
      prng.fill(pad3);
      rewrite(one, { utime: BigInt(utime), cntCorrectedRead: prng.u32(), pad3 });
    }
    const bitmap = one.disk.areas.find((area) => area.kind === "bitmap");
    if (bitmap === undefined) continue;
    const data = bitmap.data.slice();
    mutateField(prng, data, prng.pick(bitmap.layouts));
    one.device.patch(bitmap.sector, data);
  }
};

/** One member's superblock is nothing any more. */
const destroyed: SafeChange = (prng, spoilt, log) => {
  const one = prng.pick(spoilt);
  const data = new Uint8Array(4096);
  if (prng.chance(0.5)) prng.fill(data);
  one.device.patch(one.disk.superblock.superSector, data);
  log.push(`superblock of ${one.device.name} destroyed`);
};

const damaged: SafeChange = (prng, spoilt, log) => {
  const one = prng.pick(spoilt);
  const area = one.disk.areas[0]!;
  const data = area.data.slice();
  // Not where a change would be foreign to the sum, and by a bit that 0.90's folded sum sees.
  data[prng.between(128, 191)]! ^= 1 << prng.below(8);
  one.device.patch(area.sector, data);
  log.push(`superblock of ${one.device.name} damaged`);
};

const absent: SafeChange = (prng, spoilt, log) => {
  const [one] = spoilt.splice(prng.below(spoilt.length), 1);
  log.push(`${one!.device.name} missing`);
};

const cutAway: SafeChange = (prng, spoilt, log) => {
  const one = prng.pick(spoilt);
  const sectors = prng.pick([0, 1, 7, 8, 9, 23, 24, 128, prng.below(2000)]);
  one.device = new PatchedDevice(one.disk.base, sectors);
  log.push(`${one.device.name} cut to ${sectors} sectors`);
};

const leftBehind: SafeChange = (prng, spoilt, log) => {
  const one = prng.pick(spoilt);
  const by = prng.pick([1, 2, 3, 50]);
  const events = BigInt(Math.max(0, one.disk.superblock.events - by));
  if (one.disk.superblock.version === "0.90") rewrite090(one, { events });
  else rewrite(one, { events });
  log.push(`${one.device.name} ${by} events behind`);
};

const halfRecovered: SafeChange = (prng, spoilt, log) => {
  const one = prng.pick(spoilt);
  if (one.disk.superblock.version === "0.90") return;
  const { featureMap } = superblock1.decode(one.disk.areas[0]!.data);
  const recoveryOffset = BigInt(prng.below(one.disk.superblock.componentSectors));
  rewrite(one, { featureMap: featureMap | 2, recoveryOffset });
  log.push(`${one.device.name} recovered up to ${recoveryOffset}`);
};

const twice: SafeChange = (prng, spoilt, log) => {
  spoilt.push(prng.pick(spoilt));
  log.push("a member given twice");
};

/** Sectors behind the metadata fail on one member. */
const unreadable: SafeChange = (prng, spoilt, log) => {
  const one = prng.pick(spoilt);
  const { dataOffsetSectors, componentSectors } = one.disk.superblock;
  const count = prng.pick([1, 5, 60]);
  for (let i = 0; i < count; i += 1)
    one.device.failReads({
      sector: dataOffsetSectors + prng.below(Math.max(1, componentSectors - 9)),
      sectors: prng.pick([1, 2, 8]),
    });
  log.push(`${count} unreadable ranges on ${one.device.name}`);
};

const badBlocks: SafeChange = (prng, spoilt, log) => {
  const one = prng.pick(spoilt);
  const log1 = one.disk.superblock.badBlockLog;
  if (log1 === null) return;
  const { dataOffsetSectors, componentSectors } = one.disk.superblock;
  const data = new Uint8Array(log1.sectors * SECTOR_BYTES).fill(0xff);
  const view = new DataView(data.buffer);
  const count = prng.between(1, 60);
  for (let i = 0; i < count; i += 1) {
    const sector = dataOffsetSectors + prng.below(componentSectors);
    view.setBigUint64(i * 8, (BigInt(sector) << 10n) | BigInt(prng.between(1, 200)), true);
  }
  const { featureMap } = superblock1.decode(one.disk.areas[0]!.data);
  rewrite(one, { featureMap: featureMap | 8 });
  one.device.patch(log1.startSector, data);
  log.push(`${count} bad blocks listed by ${one.device.name}`);
};

const ONE_LOST: readonly SafeChange[] = [
  destroyed,
  damaged,
  absent,
  cutAway,
  leftBehind,
  halfRecovered,
  twice,
  unreadable,
  badBlocks,
];

/** May a member be lost without anything being in doubt? */
function isRedundantAndClean({ plan, golden }: GoldenSet): boolean {
  const { superblock, verdict } = plan;
  const level = superblock.shape?.level ?? "linear";
  return (
    golden.state === "clean" &&
    verdict.kind === "can-start" &&
    verdict.degradedBy === 0 &&
    superblock.reshape === null &&
    superblock.resyncOffsetSectors === Infinity &&
    level !== "linear" &&
    level !== "raid0"
  );
}

/** The volume must read as before. */
export function spoilSafely(prng: Prng, set: GoldenSet, log: string[]): SpoiltDisk[] {
  const spoilt = freshDisks(set);
  if (prng.chance(0.3)) meaningless(prng, spoilt, log);
  // The journal is not redundant: without it the set does not start by itself.
  const others = spoilt.filter(({ disk }) => disk.superblock.role.kind === "journal");
  const members = spoilt.filter(({ disk }) => disk.superblock.role.kind !== "journal");
  if (isRedundantAndClean(set) && prng.chance(0.9)) prng.pick(ONE_LOST)(prng, members, log);
  else if (log.length === 0) meaningless(prng, spoilt, log);
  return prng.shuffle([...members, ...others]);
}
