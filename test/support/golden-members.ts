/** The md superblocks of a golden case, with the bytes that the kernel wrote. */
import { probeMdSuperblocks } from "../../src/md/probe.ts";
import type { MdSuperblock } from "../../src/formats/md/superblock.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import { writeSectors } from "../../src/block/promises.ts";
import { nonZeroBlocks } from "../../scripts/sparse.mjs";
import { unpackImage } from "./golden.ts";
import type { GoldenCase } from "./golden.ts";

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
