/** Arrays to run in tests: small members with real superblocks, and a mirror that is as simple as can be. */
import type { HoldfastError } from "../../src/base/errors.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { aim, ownBio } from "../../src/block/bio.ts";
import type { Bio, BioEnd } from "../../src/block/bio.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { fanOut } from "../../src/block/fan-out.ts";
import {
  FEATURE,
  MD_MAGIC,
  ROLES_OFFSET,
  superblock1,
  superblock1Checksum,
} from "../../src/formats/md/superblock-1-layout.ts";
import { decodeSuperblock1 } from "../../src/formats/md/superblock-1.ts";
import type { MdShape, MdSuperblock } from "../../src/formats/md/superblock.ts";
import { MD_LEVEL_BY_NUMBER } from "../../src/formats/md/superblock.ts";
import { planAssembly } from "../../src/md/plan.ts";
import type { AssemblyPlan, PlanOptions } from "../../src/md/plan.ts";
import { assemble } from "../../src/md/running/assemble.ts";
import type { AssembleOptions } from "../../src/md/running/assemble.ts";
import type { RunningArray } from "../../src/md/running/array.ts";
import type { ArrayCore, RunningLevel } from "../../src/md/running/core.ts";
import { PlainLevel } from "../../src/md/running/levels/plain.ts";
import { openLog } from "../../src/md/running/levels/stripes/open-log.ts";
import type { Member } from "../../src/md/running/member.ts";
import { plainEngine } from "../../src/parity/engine.ts";
import type { VirtualTime } from "./virtual-time.ts";

export const SUPER_SECTOR = 8;
export const LOG_SECTOR = 16;
export const DATA_OFFSET = 24;
export const COMPONENT = 16;
const MAX_DEV = 128;

export const MIRROR: MdShape = { level: "raid1", layout: 0, chunkSectors: 0, raidDisks: 2 };

export interface ImageOptions {
  readonly shape: MdShape;
  readonly number: number;
  /** By device number; all others are spares. */
  readonly roles: readonly number[];
  readonly events?: number;
  readonly resyncOffset?: bigint;
  readonly recoveryOffset?: bigint;
  readonly hasLog?: boolean;
  readonly hasBitmap?: boolean;
  readonly isReplacement?: boolean;
  readonly component?: number;
  /** A partial parity log of so many sectors, between superblock and data. */
  readonly pplSectors?: number;
  /** By member sector 0; otherwise all zeros. */
  readonly data?: Uint8Array;
}

/** A member with a 1.2 superblock, its data all zeros. */
export function memberImage(options: ImageOptions): Uint8Array {
  const { shape, number, roles, events = 10, component = COMPONENT, pplSectors } = options;
  const dataOffset = pplSectors === undefined ? DATA_OFFSET : LOG_SECTOR + pplSectors;
  const level = [...MD_LEVEL_BY_NUMBER].find(([, name]) => name === shape.level)![0];
  const superblock = new Uint8Array(4096);
  const deviceUuid = new Uint8Array(16).fill(0xd0 + number);
  superblock1.encodeInto(superblock, 0, {
    magic: MD_MAGIC,
    majorVersion: 1,
    featureMap:
      (options.recoveryOffset === undefined ? 0 : FEATURE.recoveryOffset) |
      ((options.hasBitmap ?? false) ? FEATURE.bitmap : 0) |
      ((options.isReplacement ?? false) ? FEATURE.replacement : 0) |
      (pplSectors === undefined ? 0 : FEATURE.ppl),
    bitmapOffset:
      (options.hasBitmap ?? false) || pplSectors !== undefined
        ? ((pplSectors ?? 0) << 16) | (LOG_SECTOR - SUPER_SECTOR)
        : 0,
    recoveryOffset: options.recoveryOffset ?? 0n,
    setUuid: new Uint8Array(16).fill(7),
    ctime: 1_700_000_000n,
    utime: 1_700_000_000n,
    level,
    layout: shape.layout,
    // linear and raid0 use of each member what it has.
    size: level <= 0 ? 0n : BigInt(component),
    chunksize: shape.chunkSectors,
    raidDisks: shape.raidDisks,
    dataOffset: BigInt(dataOffset),
    dataSize: BigInt(component),
    superOffset: BigInt(SUPER_SECTOR),
    devNumber: number,
    deviceUuid,
    bblogSize: (options.hasLog ?? false) ? 8 : 0,
    bblogOffset: (options.hasLog ?? false) ? LOG_SECTOR - SUPER_SECTOR : 0,
    events: BigInt(events),
    resyncOffset: options.resyncOffset ?? 0xffff_ffff_ffff_ffffn,
    maxDev: MAX_DEV,
  });
  const view = new DataView(superblock.buffer);
  for (let one = 0; one < MAX_DEV; one += 1)
    view.setUint16(ROLES_OFFSET + 2 * one, roles[one] ?? 0xffff, true);
  superblock1.encodeInto(superblock, 0, { sbCsum: superblock1Checksum(superblock, MAX_DEV) });
  const image = new Uint8Array((dataOffset + component) * SECTOR_BYTES);
  image.set(superblock, SUPER_SECTOR * SECTOR_BYTES);
  if (options.data !== undefined) image.set(options.data, dataOffset * SECTOR_BYTES);
  return image;
}

/** The superblock in a member's image; null when it is torn. */
export function superblockIn(image: Uint8Array): MdSuperblock | null {
  const from = SUPER_SECTOR * SECTOR_BYTES;
  const place = { sector: SUPER_SECTOR, deviceSectors: image.length / SECTOR_BYTES };
  const decoded = decodeSuperblock1(image.subarray(from, from + 4096), "1.2", place);
  return decoded.kind === "ok" ? decoded.superblock : null;
}

export function planFor(
  devices: readonly BlockDevice[],
  images: readonly Uint8Array[],
  options: Partial<PlanOptions> = {},
): AssemblyPlan {
  const set = devices.flatMap((device, i) => {
    const superblock = superblockIn(images[i]!);
    return superblock === null ? [] : [{ path: device.name, device, superblock }];
  });
  const plan = planAssembly(set, { force: false, backupGiven: false, ...options });
  if (plan === null) throw new Error("no superblock can be believed");
  return plan;
}

export function runPlan(
  plan: AssemblyPlan,
  time: VirtualTime,
  changes: Partial<AssembleOptions> = {},
): Promise<RunningArray> {
  return assemble(plan, {
    name: "array",
    mode: "read-auto",
    clock: time,
    timers: time,
    parity: () => plainEngine,
    openBitmap: () => Promise.reject(new Error("no bitmap")),
    openLog,
    makeLevel: (core, geometry) => {
      if (geometry.level === "raid0" || geometry.level === "linear")
        return new PlainLevel(core, geometry);
      return new SimpleMirror(core);
    },
    ...changes,
  });
}

/** Reads from the first member that is in sync, writes to all that are in a slot. */
export class SimpleMirror implements RunningLevel {
  readonly #core: ArrayCore;
  readonly #recordsBlocks: boolean;

  /** @param recordsBlocks where a write fails is listed; otherwise the member fails */
  constructor(core: ArrayCore, recordsBlocks = false) {
    this.#core = core;
    this.#recordsBlocks = recordsBlocks;
  }

  run(bio: Bio, end: BioEnd): void {
    const { attached } = this.#core.members;
    if (bio.op === "read") {
      this.#submit(
        attached.find((one) => one.isInSync)!,
        bio,
        end,
      );
      return;
    }
    const targets = attached.filter(({ slot }) => slot !== null);
    const part = fanOut(targets.length, end);
    for (const member of targets) {
      this.#submit(member, bio, (error) => {
        if (error === null) part(null);
        else this.#failed(member, bio, error, part);
      });
    }
  }

  #failed(member: Member, bio: Bio, error: HoldfastError, recorded: BioEnd): void {
    const { sector, sectors } = bio;
    if (this.#recordsBlocks)
      this.#core.blocksFailed(member, member.dataOffset + sector, sectors, error, recorded);
    else this.#core.memberFailed(member, error, recorded);
  }

  #submit(member: Member, bio: Bio, end: BioEnd): void {
    const own = ownBio(end);
    const at = member.dataOffset + bio.sector;
    member.device.submit(aim(own, bio.op, at, bio.sectors, bio.data, bio.flags));
  }

  syncWork(): null {
    return null;
  }
}
