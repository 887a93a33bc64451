import { expect, it } from "vitest";
import { createRequest, newDevice } from "../../../test/support/create-request.ts";
import { readSectors, writeSectors } from "../../block/promises.ts";
import { MemoryDevice } from "../../devices/memory.ts";
import { ownNode090 } from "../../formats/md/superblock-090-update.ts";
import { planCreate } from "../create/plan-create.ts";
import type { CreateRequest, PlannedDevice } from "../create/request.ts";
import { probeMdSuperblocks } from "../probe.ts";
import { BadBlockTable } from "./bad-block-table.ts";
import { Member } from "./member.ts";
import type { Standing } from "./member.ts";
import { Members } from "./members.ts";
import { Metadata } from "./metadata.ts";

const CLOCK = { monotonicMs: () => 0, wallMs: () => 1_700_000_500_000 };

async function memberOf(request: CreateRequest, planned: PlannedDevice): Promise<Member> {
  const { sectors } = request.devices[planned.index]!;
  const device = new MemoryDevice({ name: `d${planned.index}`, sectors });
  for (const { sector, bytes } of planned.writes) await writeSectors(device, sector, bytes);
  const superblock = (await probeMdSuperblocks(device)).primary!;
  const { role } = planned;
  const standing: Standing =
    role.kind === "active" ? { kind: "in-sync", slot: role.slot } : { kind: "spare" };
  return new Member({
    label: device.name,
    device,
    superblock,
    image: await readSectors(device, superblock.superSector, 8),
    standing,
    badBlocks: new BadBlockTable(superblock.badBlockLog, []),
  });
}

function node(minor: number): { node: { major: number; minor: number } } {
  return { node: { major: 98, minor } };
}

async function running(version: "0.90" | "1.2"): Promise<[Member[], () => Promise<void>]> {
  const devices = [0, 16, 32].map((minor) => newDevice(20_480, node(minor)));
  const request = createRequest(devices, { version, level: "raid5" });
  const decision = planCreate(request);
  if (decision.kind !== "ok") throw new Error(decision.reason);
  const { devices: planned, componentSectors } = decision.plan;
  const attached = await Promise.all(planned.map((each) => memberOf(request, each)));
  const record = {
    raidDisks: 3,
    componentSectors,
    hasPpl: false,
    events: attached[0]!.superblock.events,
    isClean: true,
    resyncOffsetSectors: Infinity,
  };
  const members = new Members(3, attached);
  const metadata = new Metadata({
    members,
    record,
    bitmap: null,
    clock: CLOCK,
    goneEvents: 0,
    failed: ({ error }) => {
      throw error;
    },
  });
  const commit = (): Promise<void> =>
    new Promise((resolve) => {
      metadata.commit("members", resolve);
    });
  return [attached, commit];
}

/** What the member's own superblock says, as anybody would find it. */
async function told(member: Member): Promise<string> {
  const { primary } = await probeMdSuperblocks(member.device);
  const { deviceNumber, role, checksumOk } = primary!;
  return `${deviceNumber} ${role.kind === "active" ? role.slot : role.kind}${checksumOk ? "" : " bad"}`;
}

it("in 0.90 a rebuilt spare takes the number of its slot, and all superblocks say so", async () => {
  const [[first, second, spare], commit] = await running("0.90");
  expect(spare!.number).toBe(3);
  spare!.standing = { kind: "recovering", slot: 2, recoveredSectors: 0 };
  await commit();
  expect([spare!.number, await told(spare!)]).toEqual([3, "3 spare"]);
  spare!.standing = { kind: "in-sync", slot: 2 };
  await commit();
  expect([spare!.number, await told(spare!)]).toEqual([2, "2 2"]);
  expect(await told(first!)).toBe("0 0");
  first!.standing = { kind: "faulty" };
  await commit();
  expect([first!.number, second!.number, spare!.number]).toEqual([3, 1, 2]);
  expect(await told(second!)).toBe("1 1");
  expect(ownNode090(spare!.image, "little")).toEqual({ major: 98, minor: 32 });
});

it("in version 1 it keeps its number", async () => {
  const [[, , spare], commit] = await running("1.2");
  expect(spare!.number).toBe(3);
  spare!.standing = { kind: "in-sync", slot: 2 };
  await commit();
  expect([spare!.number, await told(spare!)]).toEqual([3, "3 2"]);
});
