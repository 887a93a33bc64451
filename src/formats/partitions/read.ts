/**
 * The partition table of a device, by Linux's rules: a GPT behind a protective MBR, else an MBR. A GPT without its
 * protective MBR, which Linux ignores, is still told where no MBR is in its place: a disk whose first sector was
 * overwritten is just the one that somebody wants to look at.
 */
import { readSectors } from "../../block/promises.ts";
import type { BlockDevice } from "../../block/device.ts";
import { readGpt } from "./gpt.ts";
import { isProtectiveMbr, readMbr } from "./mbr.ts";
import type { PartitionTable } from "./table.ts";

/**
 * Null: there is no partition table.
 * @throws HoldfastError `io` when the first sector cannot be read, `bad-metadata` for a GPT damaged beyond use
 */
export async function readPartitionTable(device: BlockDevice): Promise<PartitionTable | null> {
  if (device.sectors < 2) return null;
  const sector0 = await readSectors(device, 0, 1);
  if (!isProtectiveMbr(sector0)) {
    const mbr = await readMbr(device, sector0);
    if (mbr !== null) return mbr;
    const gpt = await readGpt(device);
    if (gpt === null) return null;
    const note = "The protective MBR is gone, so Linux does not look at this GPT.";
    return { ...gpt, notes: [note, ...gpt.notes] };
  }
  const gpt = await readGpt(device);
  if (gpt !== null) return gpt;
  const mbr = await readMbr(device, sector0);
  if (mbr === null) return null;
  return { ...mbr, notes: ["The MBR says that a GPT follows, but there is none.", ...mbr.notes] };
}
