/** The md superblocks of a golden case, with the bytes that the kernel wrote. */
import { probeMdSuperblocks } from "../../src/md/probe.ts";
import type { MdRole, MdSuperblock } from "../../src/formats/md/superblock.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import { writeSectors } from "../../src/block/promises.ts";
import { nonZeroBlocks } from "../../scripts/sparse.mjs";
import { unpackImage } from "./golden.ts";
import type { GoldenCase } from "./golden.ts";
import { superblock090 } from "../../src/formats/md/superblock-090.ts";
import { superblock1 } from "../../src/formats/md/superblock-1-layout.ts";
import { ownNode } from "../../src/formats/md/superblock-update.ts";
import type { ArrayImage, DeviceImage } from "../../src/formats/md/superblock-update.ts";

export interface GoldenMemberImage {
  /** Of the disk in the case. */
  readonly index: number;
  readonly superblock: MdSuperblock;
  /** 4 KiB. */
  readonly image: Uint8Array;
  /** The whole disk. */
  readonly disk: Uint8Array;
}

/** Those disks of a case that are members, in their order. */
export async function goldenMembers(golden: GoldenCase): Promise<GoldenMemberImage[]> {
  const members: GoldenMemberImage[] = [];
  for (const index of golden.members.keys()) {
    const disk = unpackImage(golden, index);
    const device = new MemoryDevice({ name: `d${index}`, sectors: disk.length / 512 });
    for (const { start, block } of nonZeroBlocks(disk)) {
      await writeSectors(device, start / 512, block);
    }
    const { primary } = await probeMdSuperblocks(device);
    if (primary === null) continue;
    const start = primary.superSector * 512;
    members.push({ index, superblock: primary, image: disk.slice(start, start + 4096), disk });
  }
  return members;
}

/** What most superblocks say of most devices. */
export const NOBODY = {
  node: null,
  recoveryOffsetSectors: null,
  recoveryByBitmap: false,
  isReplacement: false,
  writeMostly: false,
  failFast: false,
  hasBadBlocks: false,
  correctedSectors: 0,
  journalTailSectors: null,
};

function correctedSectors({ superblock, image }: GoldenMemberImage): number {
  return superblock.version === "0.90" ? 0 : superblock1.decode(image).cntCorrectedRead;
}

/** What a member's own superblock says of it. */
function ownDevice(member: GoldenMemberImage): DeviceImage {
  const { superblock, image } = member;
  const isRecovering = superblock.features.includes("recovery-offset");
  return {
    number: superblock.deviceNumber,
    role: superblock.role,
    node: ownNode(superblock, image),
    recoveryOffsetSectors: isRecovering ? superblock.recoveryOffsetSectors : null,
    recoveryByBitmap: superblock.recoveryByBitmap,
    isReplacement: superblock.replacement,
    writeMostly: superblock.writeMostly,
    failFast: superblock.failFast,
    hasBadBlocks: superblock.badBlockLog?.inUse ?? false,
    correctedSectors: correctedSectors(member),
    journalTailSectors: superblock.journalTailSectors,
  };
}

/** 0.90 alone says more of the others than their role. */
function otherDevice(member: GoldenMemberImage, number: number, role: MdRole): DeviceImage {
  const { superblock, image } = member;
  if (superblock.version !== "0.90") return { ...NOBODY, number, role };
  const { major, minor } = superblock090.decode(image, 0, superblock.byteOrder).disks[number]!;
  return { ...NOBODY, number, role, node: { major, minor } };
}

function isAttached(superblock: MdSuperblock, number: number): boolean {
  const role = superblock.roles[number]!;
  return role.kind !== "spare" && (superblock.version !== "0.90" || role.kind !== "faulty");
}

function wasClean({ superblock, image }: GoldenMemberImage): boolean {
  if (superblock.version !== "0.90") return true; // a dirty one says the same as one whose checkpoint is 0
  const raw = superblock090.decode(image, 0, superblock.byteOrder);
  return raw.cpEvents === raw.events;
}

/** The array as one member's superblock describes it. */
export function arrayOf(member: GoldenMemberImage): ArrayImage {
  const { superblock } = member;
  const own = superblock.deviceNumber;
  const numbers = [...superblock.roles.keys()].filter(
    (number) => number === own || isAttached(superblock, number),
  );
  return {
    events: superblock.events,
    updatedSeconds: superblock.updatedSeconds,
    raidDisks: superblock.shape!.raidDisks,
    componentSectors: superblock.componentSectors,
    isClean: wasClean(member),
    resyncOffsetSectors: superblock.resyncOffsetSectors,
    hasBitmap: superblock.bitmapSector !== null,
    hasPpl: superblock.ppl !== null,
    devices: numbers.map((number) =>
      number === own ? ownDevice(member) : otherDevice(member, number, superblock.roles[number]!),
    ),
  };
}
