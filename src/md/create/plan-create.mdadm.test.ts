/** mdadm reads what planCreate has planned, and finds in it what was meant. */
import { execFileSync } from "node:child_process";
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { createRequest, newDevice } from "../../../test/support/create-request.ts";
import { peerDescribe, peerTest } from "../../../test/support/peers.ts";
import { emptyDisk, testFolder } from "../../../test/support/temp.ts";
import { findProgram } from "../../../scripts/peers.mjs";
import { planCreate } from "./plan-create.ts";
import type { CreatePlan, CreateRequest, PlannedDevice } from "./request.ts";

function mdadm(...words: string[]): string {
  const environment = { ...process.env, TZ: "UTC", LC_ALL: "C" };
  return execFileSync(findProgram("mdadm")!, words, { encoding: "utf8", env: environment });
}

/** Carries a plan out on sparse files; paths by index of the device. */
function carryOut(request: CreateRequest, plan: CreatePlan): Map<number, string> {
  const folder = testFolder("create");
  return new Map(
    plan.devices.map(({ index, writes }) => {
      const path = join(folder, `d${index}.img`);
      emptyDisk(path, request.devices[index]!.sectors * 512);
      const file = openSync(path, "r+");
      for (const { sector, bytes } of writes) writeSync(file, bytes, 0, bytes.length, sector * 512);
      closeSync(file);
      return [index, path];
    }),
  );
}

/** "Data Offset : 2048 sectors" as an entry "Data Offset" -> "2048 sectors". */
function fieldsOf(text: string): Map<string, string> {
  return new Map(
    text.split("\n").flatMap((line) => {
      const at = line.indexOf(" : ");
      return at < 0 ? [] : [[line.slice(0, at).trim(), line.slice(at + 3).trim()] as const];
    }),
  );
}

function roleText({ role }: PlannedDevice): string {
  switch (role.kind) {
    case "active":
      return `Active device ${role.slot}`;
    case "journal":
      return "Journal";
    default:
      return "spare";
  }
}

function checkExamined(
  request: CreateRequest,
  plan: CreatePlan,
  device: PlannedDevice,
  path: string,
): void {
  const fields = fieldsOf(mdadm("--examine", path));
  const uuid = Buffer.from(request.arrayUuid)
    .toString("hex")
    .replace(/(.{8})(?=.)/g, "$1:");
  expect(fields.get("Checksum")).toMatch(/correct$/);
  expect(fields.get("Raid Level")).toBe(request.level);
  expect(fields.get("Raid Devices")).toBe(String(request.raidDisks));
  expect(fields.get("State")).toBe(plan.isClean ? "clean" : "active");
  expect(fields.get("Creation Time")).toBe("Tue Nov 14 22:13:20 2023");
  expect(fields.get(request.version === "0.90" ? "UUID" : "Array UUID")).toBe(uuid);
  if (request.version === "0.90") return;
  const superSector = device.writes.at(-1)!.sector;
  const log = device.writes.find(({ what }) => what === "bad-block-log")!.sector - superSector;
  expect(fields.get("Version")).toBe(request.version);
  expect(fields.get("Name")).toMatch(/^host:0\b/);
  expect(fields.get("Device Role")).toBe(roleText(device));
  expect(fields.get("Super Offset")).toBe(`${superSector} sectors`);
  expect(fields.get("Avail Dev Size")).toMatch(new RegExp(`^${device.dataSectors}\\b`));
  expect(fields.get("Bad Block Log")).toBe(`512 entries available at offset ${log} sectors`);
  if (request.version !== "1.0")
    expect(fields.get("Data Offset")).toBe(`${device.dataOffsetSectors} sectors`);
  if (plan.chunkSectors > 0) expect(fields.get("Chunk Size")).toBe(`${plan.chunkSectors / 2}K`);
}

/** mdadm takes a file for a bitmap, whatever is in it; so the bitmap is put into one of its own. */
function checkBitmap(plan: CreatePlan, device: PlannedDevice, path: string): void {
  const write = device.writes.find(({ what }) => what === "bitmap");
  if (write === undefined) return;
  writeFileSync(path, write.bytes);
  const fields = fieldsOf(mdadm("--examine-bitmap", path));
  const kib = plan.bitmapChunkSectors! / 2;
  expect(fields.get("Chunksize")).toBe(kib >= 1024 ? `${kib / 1024} MB` : `${kib} KB`);
  expect(fields.get("Version")).toBe("4");
  expect(fields.get("State")).toBe("OK");
  expect(fields.get("Bitmap")).toMatch(/\(100\.0%\)$/);
}

const MIB = 2048;

function many(count: number, sectors = 40 * MIB): ReturnType<typeof newDevice>[] {
  return Array.from({ length: count }, (_unused, at) => newDevice(sectors + 8 * at));
}

const BITMAP = { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 };
const JOURNAL = newDevice(20 * MIB, { isJournal: true });

const REQUESTS: readonly [string, CreateRequest][] = [
  ["raid1 1.2 with bitmap", createRequest(many(2), { bitmap: BITMAP })],
  ["raid1 1.1", createRequest(many(3), { version: "1.1", assumeClean: true })],
  ["raid1 1.0 with bitmap", createRequest(many(2), { version: "1.0", bitmap: BITMAP })],
  ["raid1 1.0", createRequest(many(2), { version: "1.0" })],
  ["raid1 0.90 with bitmap", createRequest(many(2), { version: "0.90", bitmap: BITMAP })],
  ["raid5 0.90", createRequest(many(3), { version: "0.90", level: "raid5" })],
  ["raid5 with a spare", createRequest(many(4), { level: "raid5", spareDisks: 1 })],
  ["raid5 with a missing member", createRequest([...many(2), null], { level: "raid5" })],
  ["raid5 with a journal", createRequest([JOURNAL, ...many(3)], { level: "raid5" })],
  ["raid5 with PPL", createRequest(many(3), { level: "raid5", consistencyPolicy: "ppl" })],
  [
    "raid5 1.0 with PPL",
    createRequest(many(3), { level: "raid5", consistencyPolicy: "ppl", version: "1.0" }),
  ],
  ["raid6", createRequest(many(5), { level: "raid6", chunkSectors: 64, bitmap: BITMAP })],
  ["raid10 f2", createRequest(many(3), { level: "raid10", layout: 0x201, bitmap: BITMAP })],
  ["raid4", createRequest(many(3), { level: "raid4" })],
  ["raid0 with zones", createRequest([...many(1), ...many(1, 60 * MIB)], { level: "raid0" })],
  ["linear", createRequest(many(2), { level: "linear" })],
  [
    "raid1 of 3 TiB",
    createRequest(many(2, 3 * 1024 * 1024 * MIB), { bitmap: { ...BITMAP, chunkSectors: null } }),
  ],
];

peerDescribe(["mdadm"], "mdadm reads what is planned", () => {
  for (const [name, request] of REQUESTS) {
    peerTest(["mdadm"], name, () => {
      const decision = planCreate(request);
      if (decision.kind !== "ok") throw new Error(decision.reason);
      const { plan } = decision;
      const paths = carryOut(request, plan);
      for (const device of plan.devices) {
        const path = paths.get(device.index)!;
        checkExamined(request, plan, device, path);
        checkBitmap(plan, device, `${path}.bitmap`);
      }
    });
  }
});
