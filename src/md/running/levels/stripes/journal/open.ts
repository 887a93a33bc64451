/** The journal of an array that is being assembled: read, and shown over the members; nothing is written yet. */
import { HoldfastError } from "../../../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../../../base/units.ts";
import { readSectors } from "../../../../../block/promises.ts";
import { R5_BLOCK_SECTORS } from "../../../../../formats/md/r5-log.ts";
import { generate } from "../../../../../parity/parity.ts";
import type { AssemblyPlan } from "../../../../plan.ts";
import { stripesOf } from "../../../../planned-geometry.ts";
import { readJournal } from "../../../../replay/journal.ts";
import type { FoundJournal } from "../../../../replay/journal.ts";
import { startArray } from "../../../../start.ts";
import { ReplayedMembers } from "../replayed-members.ts";
import type { FoundLog, StripeWrite } from "../stripe-log.ts";
import { StripeJournal } from "./stripe-journal.ts";

/** Of a journal's blocks that are held in memory until they are on the members. */
const REPLAY_LIMIT_BYTES = 2 ** 30;

/** Reads the journal of an array that has one, or has lost it; nothing is written. */
export async function openJournal(plan: AssemblyPlan): Promise<FoundLog> {
  const found = await readJournal(plan, REPLAY_LIMIT_BYTES);
  // Where nobody records the tail, a journal without a log at its beginning is a new one.
  const isNew = found?.usedSectors === 0 && plan.journal!.superblock.journalTailSectors === null;
  if (found === null || isNew) {
    return {
      isMended: false,
      deviceOf: ({ device }) => device,
      make: (core, geometry) => new StripeJournal(core, geometry, null),
    };
  }
  if (found.usedSectors === 0) {
    const text = `the write journal ${plan.journal!.path} has no meta block where its superblock says that it begins; leave it out and use --force`;
    throw new HoldfastError("bad-metadata", text);
  }
  const completed = await completeStripes(plan, found);
  const replayed = await ReplayedMembers.over(found.stripes.finish().members);
  return {
    isMended: false,
    deviceOf: (candidate) => replayed.deviceOf(candidate),
    make: (core, geometry) =>
      new StripeJournal(core, geometry, {
        journal: plan.journal!.superblock,
        found,
        completed,
        replayed,
      }),
  };
}

/** Makes the parity of stripes that the journal has the data of only, from what an array that is only read shows of them. */
async function completeStripes(
  plan: AssemblyPlan,
  { stripes }: FoundJournal,
): Promise<StripeWrite[]> {
  const dataOnly = stripes.dataOnly();
  const geometry = stripesOf(plan);
  if (dataOnly.length === 0 || geometry === null) return [];
  const options = { name: "array", backup: null, replayLimitBytes: REPLAY_LIMIT_BYTES };
  const { device } = await startArray(plan, options);
  const writes: StripeWrite[] = [];
  for (const { memberSector, data } of dataOnly) {
    const layout = geometry.rowLayout(geometry.rowOfMemberSector(memberSector));
    const blocks = new Map<number, Uint8Array>();
    for (const slot of layout.data) {
      const sector = Number(geometry.toVolume(slot, memberSector));
      blocks.set(slot, await readSectors(device, sector, R5_BLOCK_SECTORS));
    }
    for (const slot of layout.q === null ? [layout.p] : [layout.p, layout.q])
      blocks.set(slot, new Uint8Array(R5_BLOCK_SECTORS * SECTOR_BYTES));
    generate(layout, blocks);
    const q = layout.q === null ? null : blocks.get(layout.q)!;
    stripes.complete(memberSector, blocks.get(layout.p)!, q);
    const written = [...data.keys()].map((sector) => geometry.locate(sector).slot);
    const range = { layout, sector: memberSector, sectors: R5_BLOCK_SECTORS };
    writes.push({ range, written, blocks });
  }
  return writes;
}
