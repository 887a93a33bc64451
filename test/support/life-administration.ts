/** What administrators do to an array in a simulated life: members come back or are replaced, passes are asked for, states are changed. */
import type { BlockDevice } from "../../src/block/device.ts";
import { probeMdSuperblocks } from "../../src/md/probe.ts";
import type { Member } from "../../src/md/running/member.ts";
import { judgeReturn, rejoin } from "../../src/md/running/rejoin.ts";
import { addAsNew } from "../../src/sim/administration.ts";
import type { Life } from "./array-life.ts";
import { randomBytes } from "./bytes.ts";

const PASSES = ["check", "repair", "frozen", "idle"] as const;
const STATES = ["readonly", "read-auto", "active", "clean"] as const;

/** One of the things that can be done. */
export function administer(life: Life): void {
  const { prng, managed, log } = life;
  const refused = (error: Error): void => void log.push(error.message);
  const choice = prng.below(12);
  if (choice < 5) comeBack(life);
  else if (choice < 7) {
    const word = prng.pick(PASSES);
    log.push(word);
    void managed.sync.setAction(word).catch(refused);
  } else if (choice < 9) {
    const word = prng.pick(STATES);
    log.push(word);
    // Back soon, or little would happen.
    const active = (): Promise<void> => managed.setState("active");
    void managed.setState(word).then(active).catch(refused);
  } else if (choice < 10) suspend(life);
  else replace(life);
}

function suspend({ prng, array, log }: Life): void {
  const sector = prng.below(array.sectors);
  const sectors = prng.chance(0.5) ? 0 : prng.below(array.sectors - sector);
  log.push(`suspend ${sector}+${sectors}`);
  void array.suspendWrites({ sector, sectors });
}

function replace({ prng, managed, log }: Life): void {
  const { attached } = managed.array.members;
  const inSync = attached.filter(({ isInSync }) => isInSync);
  if (inSync.length === 0 || !attached.some(({ standing }) => standing.kind === "spare")) return;
  const member = prng.pick(inSync);
  log.push(`${member.label} is to be replaced`);
  managed.wantReplacement(member);
}

/** A disk that had failed is there again, with what it had: removed and added again, as what it counts for. */
function comeBack(life: Life): void {
  const { disks, array, log } = life;
  const [disk] = disks.failed;
  if (disk === undefined) return;
  const member = array.members.attached.find(({ label }) => label === `disk${disk}`);
  if (member?.isFaulty !== true) return;
  log.push(`disk${disk} is back`);
  const refused = (error: Error): void => void log.push(error.message);
  void disks
    .comeBack(disk)
    .then((device) => readd(life, member, device))
    .catch(refused);
}

async function readd(
  { managed, prng, log }: Life,
  left: Member,
  device: BlockDevice,
): Promise<void> {
  await managed.removeMember(left);
  const { primary } = await probeMdSuperblocks(device);
  if (primary === null) return;
  const candidate = { path: device.name, device, superblock: primary };
  const eventsCleared = managed.bitmap?.store.eventsCleared ?? null;
  const verdict = judgeReturn({ array: managed.array, eventsCleared, candidate });
  log.push(`${device.name} comes ${verdict.kind}`);
  if (verdict.kind === "by-bitmap" || verdict.kind === "whole") {
    await managed.addMember(await rejoin(candidate, verdict));
    return;
  }
  if (verdict.kind === "refused") return;
  const refused = await addAsNew(managed, {
    device,
    deviceUuid: randomBytes(prng, 16),
    badBlockLog: prng.chance(0.5),
    oldSuperSector: primary.superSector,
  });
  if (refused !== null) log.push(refused);
}
