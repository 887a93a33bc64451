/**
 * raid1 and raid10 under random requests, on disks that fail, come back empty and are filled again, with background sync beside. After every
 * acknowledged write it is looked at what a machine that starts after a crash would read.
 */
import { describe, expect, it } from "vitest";
import { randomBytes, sameBytes } from "../../../../test/support/bytes.ts";
import { DATA_OFFSET, turn } from "../../../../test/support/mirror-core.ts";
import {
  Rig,
  SHAPES,
  bytes,
  differencesAt,
  differencesTo,
  runAll,
} from "../../../../test/support/mirror-rig.ts";
import { seedOfRun } from "../../../../test/support/seed.ts";
import { HoldfastError } from "../../../base/errors.ts";
import { Prng } from "../../../base/prng.ts";
import { Bio } from "../../../block/bio.ts";
import type { SyncAction } from "../core.ts";
import type { Member } from "../member.ts";

const SEED = seedOfRun();
/** Requests that end. */
const ENOUGH = 300;
const ASKED_FOR = new HoldfastError("io", "somebody asked for it");

interface Outcome {
  /** Requests that have ended. */
  readonly ended: number;
  readonly problems: readonly string[];
}

describe.each(SHAPES)("%s", (_name, makeGeometry, mayFail) => {
  it.each([0, 1, 2, 3, 4, 5])(
    `keeps what was written while members fail and are replaced, round %i (seed ${SEED})`,
    async (round) => {
      const prng = new Prng(SEED + round);
      const rig = new Rig(makeGeometry(), { hasLog: prng.chance(0.6), copiesAreHeld: true });
      // Half of the time some members are slow, and nobody waits for them.
      if (prng.chance(0.5)) {
        rig.level.writeBehindLimit = prng.pick([0, 3, 100]);
        for (const slot of mayFail) rig.member(slot).writeMostly = prng.chance(0.7);
      }
      const { ended, problems } = await campaign(rig, prng, mayFail);
      expect(problems).toEqual([]);
      expect(ended).toBeGreaterThanOrEqual(ENOUGH);
    },
  );
});

/** Random requests, faults and syncs. Nothing may ever fail, since one copy of each sector is on a member without faults. */
async function campaign(rig: Rig, prng: Prng, mayFail: readonly number[]): Promise<Outcome> {
  const { core, geometry, level } = rig;
  core.holdsRecords = true;
  const model = new Uint8Array(geometry.arraySectors * 512);
  const busy: { readonly start: number; readonly end: number; readonly isWrite: boolean }[] = [];
  const problems: string[] = [];
  const isBehind = (member: Member): boolean => level.writeBehindLimit > 0 && member.writeMostly;
  let ended = 0;
  let syncing = false;
  const sync = async (action: SyncAction): Promise<void> => {
    const work = level.syncWork(action);
    if (work === null || syncing) return;
    syncing = true;
    // Who joins while it runs is not full when it is over.
    const targets = core.members.attached.filter(({ standing }) => standing.kind === "recovering");
    const outcomes = await runAll(work, turn);
    if (action === "recover" && outcomes.every(({ kind }) => kind !== "failed"))
      for (const member of targets)
        if (member.standing.kind === "recovering")
          member.standing = { kind: "in-sync", slot: member.standing.slot };
    syncing = false;
    core.commit("members", () => {});
  };
  const start = (): void => {
    const sectors = prng.pick([1, 2, 8, 8, 20]);
    const sector = prng.below(geometry.arraySectors - sectors);
    const range = { start: sector, end: sector + sectors, isWrite: prng.chance(0.6) };
    const overlaps = busy.some(
      (one) => (one.isWrite || range.isWrite) && one.start < range.end && range.start < one.end,
    );
    if (overlaps) return;
    busy.push(range);
    const isZero = range.isWrite && prng.chance(0.1);
    const data = range.isWrite && !isZero ? randomBytes(prng, sectors * 512) : bytes(0, sectors);
    const op = range.isWrite ? (isZero ? "write-zeroes" : "write") : "read";
    const bio = new Bio(op, sector, sectors, isZero ? new Uint8Array(0) : data, 0, () => {});
    level.run(bio, (error) => {
      if (error !== null) problems.push(`${op} at ${sector}: ${error.message}`);
      ended += 1;
      busy.splice(busy.indexOf(range), 1);
      if (!range.isWrite) {
        if (!sameBytes(data, model.subarray(sector * 512, (sector + sectors) * 512)))
          problems.push(`a read at ${sector} got something else`);
        return;
      }
      model.set(data, sector * 512);
      // Law 3: whoever would be believed after a crash now has it, but for those that nobody waits for.
      for (let i = 0; i < sectors; i += 1) {
        const here = data.subarray(i * 512, (i + 1) * 512);
        problems.push(...differencesAt(rig, sector + i, here, (one) => !isBehind(one)));
      }
    });
  };
  const trouble = (): void => {
    const slot = prng.pick(mayFail);
    const members = core.members.at(slot);
    const member = members.member;
    if (member === null) {
      const gone = core.members.attached.filter((one) => one.isFaulty);
      for (const one of gone) if (core.waitingRecords === 0) core.remove(one);
      core.join({ kind: "recovering", slot, recoveredSectors: 0 });
      return;
    }
    const { faults } = core.diskOf(member);
    const sector = DATA_OFFSET + prng.below(core.record.componentSectors - 20);
    switch (prng.below(8)) {
      case 0:
        faults.vanish();
        break;
      case 1:
      case 2:
        faults.failWrites(sector, prng.between(1, 9));
        break;
      case 3:
        core.memberFailed(member, ASKED_FOR, () => {});
        break;
      default:
        faults.failReads(sector, prng.between(1, 9));
    }
  };
  // What is held back, or locked by a pass, is waited for: how much gets through in so many rounds is chance.
  for (let i = 0; i < 400 || (ended < ENOUGH && i < 4000); i += 1) {
    for (let n = 0; n < 4; n += 1) start();
    if (prng.chance(0.05)) trouble();
    if (prng.chance(0.05))
      void sync(prng.pick(["recover", "recover", "check", "repair", "resync"]));
    for (let n = prng.below(20); n > 0; n -= 1) core.stepOnce(prng);
    if (prng.chance(0.5)) await turn();
  }
  let quiet = 0;
  while (quiet < 3 || syncing || busy.length > 0) {
    while (core.stepOnce(prng)) quiet = 0;
    await turn();
    quiet += 1;
  }
  problems.push(...differencesTo(rig, model));
  if (core.locks.entries > 0) problems.push("a range is still locked");
  return { ended, problems };
}
