/**
 * striped and log-writes with the real kernel: stripes that it wrote are read here and the reverse; its log of writes is replayed here to each of its
 * marks; and the same requests give the same log here, byte for byte.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readSectors, writeSectors, flush, discard } from "../../src/block/promises.ts";
import { BioFlags } from "../../src/block/bio.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import { readWriteLog, replayWriteLog } from "../../src/dm/targets/log-writes/replay.ts";
import type { LogRange } from "../../src/dm/targets/log-writes/log-range.ts";
import type { LogEntry } from "../../src/dm/targets/log-writes/replay.ts";
import { DmWorld } from "../support/dm-world.ts";
import { sha256 } from "../support/golden.ts";
import { peerDescribe } from "../support/peers.ts";
import { stampedSectors, writeStampFile } from "../support/stamp.ts";
import { emptyDisk, testFolder } from "../support/temp.ts";
import { bootGuest, looksOf } from "./guest.ts";
import type { GuestRun } from "./guest.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";

const TEST_MS = 300_000;
const DISK_SECTORS = 8192;
const LOG_SECTORS = 16_384;
const STRIPED = (a: string, b: string): string => `0 12288 striped 2 96 ${a} 0 ${b} 256`;

/** One target a line, and what is told to it; the kernel and we print its table, its status and its answers. */
const SMALL: readonly (readonly [table: string, ...messages: readonly string[]])[] = [
  ["delay $d0 0 5"],
  ["delay $d0 0 5 $d1 8 7"],
  ["delay $d0 0 5 $d1 8 7 $d2 16 9"],
  ["flakey $d0 8 3 2 1 drop_writes"],
  ["flakey $d0 8 3 2 6 error_writes corrupt_bio_byte 32 r 1 4096"],
  ["dust $d0 8 1024"],
  [
    "dust $d0 0 512",
    "listbadblocks",
    "addbadblock 60",
    "addbadblock 7 3",
    "countbadblocks",
    "queryblock 60",
    "removebadblock 60",
    "queryblock 60",
    "listbadblocks",
    "enable",
    "quiet",
    "clearbadblocks",
    "clearbadblocks",
  ],
  ["zero"],
  ["error"],
];

const SMALL_SCRIPT = SMALL.map(
  ([table, ...messages]) => `
  mk t "0 64 ${table}"
  { ${messages.map((text) => `dmsetup message t 0 ${text};`).join(" ")}
    dmsetup table t; dmsetup status t; } >>$H/small
  dmsetup remove t`,
).join("");

const SCRIPT = `set -e
  mods dm-mod dm-log-writes dm-delay dm-flakey dm-dust dm-zero
  mk() { dmsetup create $1 --table "$2"; dmsetup mknodes $1; }
  mk s "${STRIPED("$d2", "$d3")}"
  stamp /dev/mapper/s one
  look /dev/mapper/s kernel-stripes
  dmsetup table s >$H/table; dmsetup status s >$H/status
  dmsetup remove s
  mk m "${STRIPED("$d4", "$d5")}"
  look /dev/mapper/m our-stripes
  dmsetup remove m
  mk l "0 ${DISK_SECTORS} log-writes $d0 $d1"
  stamp /dev/mapper/l one 0 500
  dmsetup message l 0 mark first
  look $d0 first
  stamp /dev/mapper/l two 100 300
  stamp /dev/mapper/l two 5001 7
  dmsetup message l 0 mark second
  look $d0 second
  stamp /dev/mapper/l one 4000 2000
  dmsetup status l >$H/log-status; dmsetup table l >$H/log-table
  dmsetup remove l
  look $d0 end
  ${SMALL_SCRIPT}`;

/** What a file holds, as a device in memory. */
async function inMemory(path: string): Promise<MemoryDevice> {
  const bytes = readFileSync(path);
  const device = new MemoryDevice({ name: path, sectors: bytes.length / 512 });
  await writeSectors(device, 0, bytes);
  return device;
}

async function digest(device: BlockDevice): Promise<string> {
  return sha256(await readSectors(device, 0, device.sectors));
}

/** The stripes of a volume that was written here. */
async function ourStripes(): Promise<Uint8Array[]> {
  const world = new DmWorld({ a: DISK_SECTORS, b: DISK_SECTORS });
  const { use } = await world.make("v", STRIPED("./a", "./b"));
  await writeSectors(use, 0, stampedSectors("one", 0, use.sectors));
  return Promise.all(["a", "b"].map((name) => readSectors(world.disk(name), 0, DISK_SECTORS)));
}

/** The log that the same requests leave here. */
async function loggedAgain(log: BlockDevice, entries: readonly LogEntry[]): Promise<Uint8Array> {
  const world = new DmWorld({ a: DISK_SECTORS, log: LOG_SECTORS });
  const { device, use } = await world.make("v", `0 ${DISK_SECTORS} log-writes ./a ./log`);
  for (const { kind, sector, sectors, isFua, mark, logSector } of entries) {
    const flags = isFua ? BioFlags.fua : BioFlags.none;
    if (kind === "write")
      await writeSectors(use, sector, await readSectors(log, logSector, sectors), flags);
    else if (kind === "discard") await discard(use, sector, sectors);
    else if (kind === "flush") await flush(use);
    else if (mark !== "dm-log-writes-end") await world.all.message(device, 0, ["mark", mark!]);
  }
  await use.close();
  await world.all.remove(device, { deferred: false });
  return readSectors(world.disk("log"), 0, LOG_SECTORS);
}

interface Played {
  readonly run: GuestRun;
  readonly disks: readonly string[];
}

async function play(): Promise<Played> {
  const folder = testFolder("dm-plain");
  const sizes = [DISK_SECTORS, LOG_SECTORS, ...Array<number>(4).fill(DISK_SECTORS)];
  const disks = sizes.map((size, i) => emptyDisk(join(folder, `d${i}.img`), size * 512));
  for (const [i, bytes] of (await ourStripes()).entries()) writeFileSync(disks[4 + i]!, bytes);
  for (const seed of ["one", "two"]) writeStampFile(join(folder, `stamp-${seed}`), seed, 12_288);
  const run = await bootGuest({ disks, shareDir: folder, script: SCRIPT, timeoutMs: 120_000 });
  return { run, disks };
}

async function expectSameStripes({ run, disks }: Played): Promise<void> {
  const wanted = sha256(stampedSectors("one", 0, 12_288));
  expect(looksOf(run).get("kernel-stripes")?.sha256).toBe(wanted);
  expect(looksOf(run).get("our-stripes")?.sha256).toBe(wanted);
  const [a, b] = await ourStripes();
  expect(sha256(readFileSync(disks[2]!))).toBe(sha256(a!));
  expect(sha256(readFileSync(disks[3]!))).toBe(sha256(b!));
  expect(run.text("table")).toBe(`${STRIPED("98:32", "98:48")}\n`);
  expect(run.text("status")).toBe("0 12288 striped 2 98:32 98:48 1 AA\n");
}

async function expectReplays({ run }: Played, log: BlockDevice): Promise<void> {
  const ranges: readonly (readonly [string, LogRange])[] = [
    ["first", { endMark: "first" }],
    ["second", { endMark: "second" }],
    ["end", {}],
  ];
  for (const [label, range] of ranges) {
    const copy = new MemoryDevice({ name: "copy", sectors: DISK_SECTORS });
    expect(await replayWriteLog(log, copy, range)).toBeGreaterThan(0);
    expect(await digest(copy), label).toBe(looksOf(run).get(label)?.sha256);
  }
}

async function expectSameLog({ run }: Played, log: BlockDevice): Promise<void> {
  const entries = await readWriteLog(log);
  const marks = entries.flatMap(({ mark }) => (mark === null ? [] : [mark]));
  expect(marks).toEqual(["first", "second", "dm-log-writes-end"]);
  const kernels = await readSectors(log, 0, LOG_SECTORS);
  expect(sha256(await loggedAgain(log, entries))).toBe(sha256(kernels));
  // The mark at the end came later.
  const last = entries.at(-1)!.logSector - 2;
  const status = `0 ${DISK_SECTORS} log-writes ${entries.length - 1} ${last}\n`;
  expect(run.text("log-status")).toBe(status);
  expect(run.text("log-table")).toBe(`0 ${DISK_SECTORS} log-writes 98:0 98:16\n`);
}

/** What SMALL_SCRIPT prints, here. */
async function smallLines(): Promise<string> {
  const lines: string[] = [];
  for (const [table, ...messages] of SMALL) {
    const world = new DmWorld({ d0: 64 + 16, d1: 64 + 16, d2: 64 + 16 });
    const { device } = await world.make("t", `0 64 ${table.replaceAll("$", "./")}`);
    for (const text of messages) {
      const answer = await world.all.message(device, 0, text.split(" "));
      // dmsetup adds no second end of line.
      if (answer !== null) lines.push(answer.trimEnd());
    }
    lines.push(...device.live!.table(), ...(await device.live!.status(true)));
  }
  const text = lines.map((line) => `${line}\n`).join("");
  return text.replaceAll(/\.\/d(\d)/g, (_, disk: string) => `98:${Number(disk) * 16}`);
}

peerDescribe(GUEST_PROGRAMS, "mapped devices of the kernel's", () => {
  it(
    "have their stripes, their log of writes and their lines as here",
    { timeout: TEST_MS },
    async () => {
      const played = await play();
      await expectSameStripes(played);
      const log = await inMemory(played.disks[1]!);
      await expectReplays(played, log);
      await expectSameLog(played, log);
      expect(await smallLines()).toBe(played.run.text("small"));
    },
  );
});
