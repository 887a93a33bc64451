/** What administrators do: members that were lost come back as what they count for, or are replaced. */
import { HoldfastError } from "../base/errors.ts";
import type { BlockDevice } from "../block/device.ts";
import { probeMdSuperblocks } from "../md/probe.ts";
import type { ManagedArray } from "../md/running/managed-array.ts";
import type { Member } from "../md/running/member.ts";
import { freeDeviceNumber, newMember, prepareMember } from "../md/running/new-member.ts";
import { judgeReturn, rejoin } from "../md/running/rejoin.ts";
import type { Machine } from "./machine.ts";

export function memberOn(machine: Machine, disk: number): Member | undefined {
  const label = machine.disks[disk]?.name;
  return machine.managed.array.members.attached.find((member) => member.label === label);
}

/** Runs it to its end beside everything else; a refusal is only noted. */
export function inBackground(machine: Machine, what: Promise<unknown>): void {
  const { errands } = machine;
  const errand = what
    .catch((error: unknown) => {
      if (!(error instanceof HoldfastError)) throw error;
      machine.world.say(`refused: ${error.message}`);
    })
    .finally(() => errands.delete(errand));
  errands.add(errand);
}

/** A disk that had failed is there again: what the array knows of it is removed, and it is added. */
export function returnDisk(machine: Machine, disk: number): Promise<void> {
  const { returning } = machine;
  returning.add(disk);
  return takeBack(machine, disk).finally(() => returning.delete(disk));
}

async function takeBack(machine: Machine, disk: number): Promise<void> {
  const left = memberOn(machine, disk);
  const device = await machine.plugIn(disk);
  const { managed, world } = machine;
  if (left !== undefined) await managed.removeMember(left);
  const { primary } = await probeMdSuperblocks(device);
  if (primary === null) return;
  const candidate = { path: device.name, device, superblock: primary };
  const eventsCleared = managed.bitmap?.store.eventsCleared ?? null;
  const request = { array: managed.array, eventsCleared, candidate };
  const verdict = machine.verdictOf(judgeReturn(request), request);
  world.say(`${device.name} comes back: ${verdict.kind}`);
  if (verdict.kind === "refused") return;
  if (verdict.kind === "by-bitmap" || verdict.kind === "whole") {
    await managed.addMember(await rejoin(candidate, verdict));
    return;
  }
  const deviceUuid = new Uint8Array(16);
  world.prng(`uuid ${world.nowUs}`).fill(deviceUuid);
  const { badBlockLog } = machine.shape;
  const oldSuperSector = primary.superSector;
  const refused = await addAsNew(managed, { device, deviceUuid, badBlockLog, oldSuperSector });
  if (refused !== null) world.say(refused);
}

export interface Newcomer {
  readonly device: BlockDevice;
  readonly deviceUuid: Uint8Array;
  readonly badBlockLog: boolean;
  /** Of the superblock that is on it yet. */
  readonly oldSuperSector: number;
}

/** Adds a device as one that the array has never seen. Null, or why it cannot be. */
export async function addAsNew(
  managed: ManagedArray,
  { device, deviceUuid, badBlockLog, oldSuperSector }: Newcomer,
): Promise<string | null> {
  const made = newMember({
    array: managed.array,
    bitmap: managed.bitmap?.store.shape ?? null,
    device,
    joining: {
      label: device.name,
      deviceUuid,
      isJournal: false,
      writeMostly: false,
      failFast: false,
      node: null,
      oldSuperblockSectors: [oldSuperSector],
    },
    number: freeDeviceNumber(managed.array),
    badBlockLog,
    journalSequence: 5n,
  });
  if (made.kind === "refused") return made.reason;
  await prepareMember(made);
  await managed.addMember(made.member);
  return null;
}
