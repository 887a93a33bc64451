/** Words of raid's table: what the kernel takes and what it refuses, and how it shows them again, word by word as Holdfast does. */
import { beforeAll, expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { writeSectors } from "../../src/block/promises.ts";
import { DmCutWorld } from "../support/dm-cut-world.ts";
import { peerDescribe } from "../support/peers.ts";
import { RaidJobs } from "./dm-raid-plan.ts";
import type { RaidKind } from "./dm-raid-plan.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";
import { diskNode } from "./slices.ts";

const TEST_MS = 300_000;
const PAIRS = 4;
/** Four pairs and a journal. */
const DISKS: RaidKind = {
  name: "words",
  words: "",
  devices: PAIRS,
  width: 1,
  missing: -1,
  hasJournal: true,
};
const SECTORS = 4096;

/** Array sectors, type and parameters, devices. "J" is the journal. */
const TABLES: readonly (readonly [number, string, number])[] = [
  [SECTORS, "raid1 1 0", 2],
  [SECTORS, "raid1 3 0 region_size 0", 2],
  [SECTORS, "raid1 3 0 region_size 4", 2],
  [SECTORS, "raid1 3 0 region_size 8192", 2],
  [SECTORS, "raid1 3 0 region_size 3", 2],
  [SECTORS, "raid1 2 0 nosync", 2],
  [SECTORS, "raid1 2 0 SYNC", 2],
  [SECTORS, "raid1 3 0 sync nosync", 2],
  [SECTORS, "raid1 3 0 rebuild 1", 2],
  [SECTORS, "raid1 5 0 rebuild 1 rebuild 1", 2],
  [SECTORS, "raid1 3 0 rebuild 2", 2],
  [SECTORS, "raid1 4 0 sync rebuild 1", 2],
  [SECTORS, "raid1 5 0 write_mostly 1 write_mostly 0", 2],
  [SECTORS, "raid1 6 0 write_mostly 1 nosync REGION_SIZE 64", 2],
  [SECTORS, "raid1 3 0 stripe_cache 256", 2],
  [SECTORS, "raid1 3 0 journal_dev J", 2],
  [
    2 * SECTORS,
    "raid5_ls 9 32 max_recovery_rate 5000 min_recovery_rate 100 region_size 128 daemon_sleep 3000",
    3,
  ],
  [2 * SECTORS, "raid5_ls 5 32 min_recovery_rate 5000 max_recovery_rate 100", 3],
  [2 * SECTORS, "raid5_ls 5 32 daemon_sleep 1 daemon_sleep 2", 3],
  [2 * SECTORS, "raid5_ls 3 32 stripe_cache 1000", 3],
  [2 * SECTORS, "raid5_ls 3 32 data_offset 0", 3],
  [2 * SECTORS, "raid5_ls 3 32 region_size 16", 3],
  [2 * SECTORS, "raid5_ls 1 12", 3],
  [2 * SECTORS, "raid5_ls 1 4", 3],
  [2 * SECTORS, "raid5_ls 2 32 rebuild", 3],
  [2 * SECTORS, "raid5_ls 5 32 rebuild 0 rebuild 1", 3],
  [2 * SECTORS, "raid5_ls 3 32 write_mostly 1", 3],
  [2 * SECTORS, "raid5_ls 3 32 raid10_copies 2", 3],
  [2 * SECTORS, "raid5_ls 2 32 quick", 3],
  [2 * SECTORS, "raid5_ls 5 32 region_size 64 journal_dev J", 3],
  [2 * SECTORS, "raid5_ls 5 32 journal_dev J journal_mode writethrough", 3],
  [2 * SECTORS, "raid5_ls 5 32 journal_dev J journal_mode writeback", 3],
  [2 * SECTORS, "raid5_ls 5 32 journal_mode writeback journal_dev J", 3],
  [2 * SECTORS, "raid5_ls 5 32 journal_dev J journal_mode fast", 3],
  [2 * SECTORS, "raid6_zr 2 32 nosync", 4],
  [2 * SECTORS, "raid6_zr 2 32 sync", 4],
  [2 * SECTORS, "raid10 7 32 raid10_format near raid10_copies 2 region_size 64", 4],
  [2 * SECTORS, "raid10 3 32 raid10_format offset", 4],
  [2 * SECTORS, "raid10 3 32 raid10_format wide", 4],
  [2 * SECTORS, "raid10 2 32 raid10_use_near_sets", 4],
  [2 * SECTORS, "raid10 3 32 raid10_copies 5", 4],
  [2 * SECTORS, "raid10_far 3 32 raid10_copies 2", 4],
  [2 * SECTORS, "raid7 1 32", 3],
];

function tableOf(index: number, disk: (index: number) => string): string {
  const [sectors, words, devices] = TABLES[index]!;
  const all = Array.from({ length: devices * 2 }, (_unused, at) => disk(at)).join(" ");
  return `0 ${sectors} raid ${words.replace("J", disk(PAIRS * 2))} ${devices} ${all}`;
}

function script(): string {
  const zero = Array.from(
    { length: PAIRS },
    (_unused, index) =>
      `dd if=/dev/zero of=${diskNode("words", index * 2)} bs=65536 count=1 oflag=direct status=none`,
  );
  const journal = diskNode("words", PAIRS * 2);
  const tries = TABLES.map((_table, index) => {
    const table = tableOf(index, (disk) => diskNode("words", disk));
    return `try ${index} "${table}"`;
  });
  return `
    try() {
      ${zero.join("\n")}
      dd if=/dev/zero of=${journal} bs=65536 count=1 oflag=direct status=none
      if dmsetup create t --table "$2" 2>/dev/null; then
        echo "$1 table $(dmsetup table t)"
        raid_wait t
        echo "$1 status $(dmsetup status t)"
        gone t
      else
        echo "$1 refused"
      fi
    }
    ${tries.join("\n")}`;
}

interface Answer {
  readonly table: string | null;
  readonly status: string | null;
}

function kernelAnswer(log: string, index: number): Answer {
  const line = (what: string): string | null =>
    new RegExp(`^${index} ${what} (.*)$`, "m").exec(log)?.[1]?.trim() ?? null;
  if (new RegExp(`^${index} refused$`, "m").test(log)) return { table: null, status: null };
  return {
    table: line("table")?.replaceAll(/\b254:(\d+)\b/g, "./$1") ?? "nothing",
    status: line("status"),
  };
}

async function ourAnswer(index: number): Promise<Answer> {
  const sizes = Array.from({ length: PAIRS }, () => [2048, SECTORS]).flat();
  const world = DmCutWorld.empty(new Prng(1), [...sizes, 8192]);
  await world.until(writeSectors(world.disk(0), 0, new Uint8Array(512)));
  const made = world.make(
    "v",
    tableOf(index, (disk) => `./${disk}`),
  );
  const device = await made.catch(() => null);
  if (device === null) return { table: null, status: null };
  const table = device.live!.table()[0]!;
  return { table, status: await world.untilStatus(device, /(\d+)\/\1 idle/) };
}

peerDescribe(GUEST_PROGRAMS, "words of raid's table, there and here", () => {
  let jobs: RaidJobs;
  beforeAll(async () => {
    jobs = new RaidJobs();
    jobs.add("words", DISKS, script());
    await jobs.run();
    return () => jobs.remove();
  }, TEST_MS);

  it.for(TABLES.map(([, words], index) => [words, index] as const))(
    "%s",
    { timeout: TEST_MS },
    async ([, index]) => {
      expect(await ourAnswer(index)).toEqual(kernelAnswer(jobs.get("words").log, index));
    },
  );
});
