/** Members of a golden case as those of an array that runs. */
import { MemoryDevice } from "../../src/devices/memory.ts";
import { decodeBitmap } from "../../src/formats/md/bitmap.ts";
import type { MdBitmap } from "../../src/formats/md/bitmap.ts";
import { BadBlockTable } from "../../src/md/running/bad-block-table.ts";
import { Member } from "../../src/md/running/member.ts";
import type { Standing } from "../../src/md/running/member.ts";
import { Members } from "../../src/md/running/members.ts";
import type { ArrayRecord } from "../../src/md/running/metadata.ts";
import type { GoldenMemberImage } from "./golden-members.ts";

/** As its own superblock has it. */
export function standingOf({ superblock }: GoldenMemberImage): Standing {
  const { role, recoveryOffsetSectors } = superblock;
  if (role.kind !== "active") return role;
  if (recoveryOffsetSectors === Infinity) return { kind: "in-sync", slot: role.slot };
  return { kind: "recovering", slot: role.slot, recoveredSectors: recoveryOffsetSectors };
}

export interface GoldenArray {
  readonly members: Members;
  readonly record: ArrayRecord;
  readonly bitmap: MdBitmap | null;
}

/** At least one of them is in sync; the first such speaks for the array. The devices are empty. */
export function goldenArray(golden: readonly GoldenMemberImage[]): GoldenArray {
  const speaker = golden.find((one) => standingOf(one).kind === "in-sync")!;
  const { superblock, disk } = speaker;
  const { bitmapSector } = superblock;
  const decoded = bitmapSector === null ? null : decodeBitmap(disk.subarray(bitmapSector * 512));
  const attached = golden.map((one) => {
    const device = new MemoryDevice({ name: `d${one.index}`, sectors: one.disk.length / 512 });
    return new Member({
      label: device.name,
      device,
      superblock: one.superblock,
      image: one.image,
      standing: standingOf(one),
      badBlocks: new BadBlockTable(one.superblock.badBlockLog, []),
    });
  });
  const { shape, componentSectors, events, ppl, resyncOffsetSectors } = superblock;
  const { raidDisks } = shape!;
  return {
    members: new Members(raidDisks, attached),
    record: {
      raidDisks,
      componentSectors,
      hasPpl: ppl !== null,
      events,
      isClean: true,
      resyncOffsetSectors,
    },
    bitmap: decoded?.kind === "ok" ? decoded.bitmap : null,
  };
}
