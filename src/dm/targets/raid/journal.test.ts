/** Sets with a journal device: words and status, what is replayed and from where, power cuts, and a journal that fails. */
import { describe, expect, test } from "vitest";
import { DmCutWorld } from "../../../../test/support/dm-cut-world.ts";
import { seedOfRun } from "../../../../test/support/seed.ts";
import { Prng } from "../../../base/prng.ts";
import { readSectors, writeSectors } from "../../../block/promises.ts";
import { emptyR5Meta } from "../../../formats/md/r5-log-write.ts";
import {
  R5_SEQ_JUMP,
  decodeR5Meta,
  lastR5Start,
  r5Seed,
  readR5Log,
} from "../../../formats/md/r5-log.ts";
import type { R5Log } from "../../../formats/md/r5-log.ts";
import type { MappedDevice } from "../../mapped-device.ts";

const META = 64;
const DATA = 1024;
const JOURNAL = 8192;
const SEED = seedOfRun();
const IDLE = /(\d+)\/\1 idle/;
const LOG: R5Log = { sectors: JOURNAL, seed: r5Seed(new Uint8Array(16)) };

interface Kind {
  readonly type: string;
  readonly devices: number;
  readonly width: number;
}

const KINDS: readonly Kind[] = [
  { type: "raid4", devices: 3, width: 2 },
  { type: "raid5_ls", devices: 3, width: 2 },
  { type: "raid6_zr", devices: 4, width: 2 },
];
const RAID5 = KINDS[1]!;

const journalDisk = ({ devices }: Kind): number => devices * 2;

function tableOf(kind: Kind, words = "", missing = -1): string {
  const { type, devices, width } = kind;
  const pairs = Array.from({ length: devices }, (_unused, index) =>
    index === missing ? "- -" : `./${index * 2} ./${index * 2 + 1}`,
  );
  const said = `journal_dev ./${journalDisk(kind)}${words}`;
  const count = 1 + said.split(" ").length;
  return `0 ${DATA * width} raid ${type} ${count} 16 ${said} ${devices} ${pairs.join(" ")}`;
}

function world({ devices }: Kind, seed = SEED): DmCutWorld {
  const pairs = Array.from({ length: devices }, () => [META, DATA]).flat();
  return DmCutWorld.empty(new Prng(seed), [...pairs, JOURNAL]);
}

const bytes = (sectors: number, value: number): Uint8Array =>
  new Uint8Array(sectors * 512).fill(value);

async function remove(at: DmCutWorld, device: MappedDevice): Promise<void> {
  await at.until(at.mapped.remove(device, { deferred: false }));
}

/** Payloads of each meta block of the log that a kernel would replay: it looks at 0. */
async function logAtStart(at: DmCutWorld, kind: Kind): Promise<number[]> {
  const disk = at.disk(journalDisk(kind));
  const read = (sector: number, sectors: number): Promise<Uint8Array> =>
    at.until(readSectors(disk, sector, sectors));
  const payloads: number[] = [];
  for await (const meta of readR5Log(read, LOG, 0)) payloads.push(meta.payloads.length);
  return payloads;
}

describe("a raid set with a journal", () => {
  test.for(KINDS)("$type logs stripes from 0 on, and leaves an empty log", async (kind) => {
    const at = world(kind);
    const device = await at.make("v", tableOf(kind));
    expect(device.live!.table()).toEqual([tableOf(kind)]);
    const chars = "A".repeat(kind.devices);
    const idle = `0 ${DATA * kind.width} raid ${kind.type} ${kind.devices} ${chars} ${DATA}/${DATA} idle 0 0 A`;
    expect(await at.untilStatus(device, IDLE)).toBe(idle);
    expect(await logAtStart(at, kind)).toEqual([0]);
    await at.write(device, 8, bytes(8, 3));
    expect(await logAtStart(at, kind)).toEqual([0, 2]);
    await at.until(at.mapped.suspend(device, "flush", true));
    expect(await logAtStart(at, kind)).toEqual([0]);
    await at.until(at.mapped.resume(device));
    expect((await at.content(device, 16)).at(-1)).toBe(3);
    await at.until(at.mapped.message(device, 0, ["check"]));
    expect(await at.untilStatus(device, IDLE)).toContain(" idle 0 0 A");
    await remove(at, device);
    // Kernels keep no bitmap of such a set.
    expect(await at.until(readSectors(at.disk(0), 8, 1))).toEqual(bytes(1, 0));
  });

  test("goes round a journal many times, and writes it from the beginning each time", async () => {
    const at = world(RAID5);
    const device = await at.make("v", tableOf(RAID5, " journal_mode writethrough"));
    await at.untilStatus(device, IDLE);
    const use = at.open(device);
    for (let round = 1; round < 12; round += 1)
      await at.until(writeSectors(use, 0, bytes(DATA * 2, round)));
    await at.until(use.close());
    expect((await logAtStart(at, RAID5)).length).toBeGreaterThan(1);
    const later = at.cut();
    const again = await later.make("v", tableOf(RAID5, " journal_mode writeback"));
    expect(await later.status(again)).toMatch(/ 0 0 a$/);
    expect(again.live!.table()[0]).toContain("5 16 journal_dev ./6 journal_mode writeback 3");
    expect((await later.content(again, DATA * 2)).at(-1)).toBe(11);
  });

  test.for(KINDS)(
    "$type is cut amid writes: parity fits, and what was flushed is there",
    async (kind) => {
      for (let round = 0; round < 6; round += 1) {
        const prng = new Prng(SEED + round);
        const at = world(kind, SEED + round);
        const device = await at.make("v", tableOf(kind));
        await at.untilStatus(device, IDLE);
        await at.write(device, 0, bytes(DATA * 2, 1));
        const use = at.open(device);
        for (let each = 0; each < 40; each += 1) {
          writeSectors(use, prng.below(DATA * 2 - 400), bytes(1 + prng.below(400), 2)).catch(
            () => {},
          );
          await at.steps(prng.below(40));
        }
        const later = at.cut();
        const lost = prng.below(kind.devices + 2);
        const again = await later.make("v", tableOf(kind, "", lost < kind.devices ? lost : -1));
        if (lost >= kind.devices) expect(await later.status(again)).toMatch(/ A+ (\d+)\/\1 idle/);
        const whole = await later.content(again, DATA * 2);
        expect(new Set(whole)).toEqual(new Set([1, 2]));
        await remove(later, again);
        const others = [0, 1, 2].filter((index) => index !== lost);
        for (const missing of lost < kind.devices ? [lost] : others) {
          const without = await later.make("w", tableOf(kind, "", missing));
          expect(Buffer.compare(await later.content(without, DATA * 2), whole)).toBe(0);
          await remove(later, without);
        }
      }
    },
  );

  test("a log that kernels began anew behind another is replayed, and not the one before it", async () => {
    const at = world(RAID5);
    const device = await at.make("v", tableOf(RAID5));
    await at.untilStatus(device, IDLE);
    await at.write(device, 0, bytes(8, 1));
    // The power fails, but what a kernel does then is done by hand: it replays, and begins behind the log.
    const later = at.cut();
    const disk = later.disk(journalDisk(RAID5));
    const read = (sector: number, sectors: number): Promise<Uint8Array> =>
      later.until(readSectors(disk, sector, sectors));
    let end = 0;
    let seq = 0n;
    for await (const meta of readR5Log(read, LOG, 0)) {
      end += meta.sectors;
      seq = meta.seq;
    }
    expect(end).toBeGreaterThan(8);
    const empty = emptyR5Meta(LOG.seed, end, seq + 1n + R5_SEQ_JUMP);
    await later.until(writeSectors(disk, end, empty));
    expect(await lastR5Start(read, LOG)).toBe(end);
    // And writes there: members have it, and the first log is old.
    for (const member of [1, 3, 5])
      await later.until(writeSectors(later.disk(member), 0, bytes(8, 0)));
    const again = await later.make("v", tableOf(RAID5));
    expect(await later.content(again, 8)).toEqual(bytes(8, 0));
    const first = decodeR5Meta(await read(0, 8), LOG, 0, null);
    expect(first.kind === "ok" && first.meta.seq > seq + R5_SEQ_JUMP).toBe(true);
  });

  test("a journal that was lost: the set is synced with a new one", async () => {
    const at = world(RAID5);
    const device = await at.make("v", tableOf(RAID5));
    await at.untilStatus(device, IDLE);
    await at.write(device, 0, bytes(8, 1));
    await remove(at, device);
    await at.until(writeSectors(at.disk(journalDisk(RAID5)), 0, bytes(64, 0xee)));
    const again = await at.make("v", tableOf(RAID5));
    expect(await at.status(again)).toContain(" resync 0 0 A");
    await at.untilStatus(again, IDLE);
    expect((await at.content(again, 8))[0]).toBe(1);
  });

  test("is written no more when its journal has failed, and reads on", async () => {
    const at = world(RAID5);
    const device = await at.make("v", tableOf(RAID5));
    await at.untilStatus(device, IDLE);
    await at.write(device, 0, bytes(8, 1));
    at.disk(journalDisk(RAID5)).isGone = true;
    const use = at.open(device);
    await expect(at.until(writeSectors(use, 0, bytes(8, 2)))).rejects.toThrow("write journal");
    expect(await at.status(device)).toMatch(/ AAA \d+\/\d+ idle 0 0 D$/);
    expect(await at.until(readSectors(use, 0, 8))).toEqual(bytes(8, 1));
    await at.until(use.close());
    await remove(at, device);
    // Without it the set has a bitmap again, and is synced.
    const pairs = tableOf(RAID5).split(" ").slice(-7).join(" ");
    const without = await at.make("v", `0 ${DATA * 2} raid raid5_ls 1 16 ${pairs}`);
    expect(await at.status(without)).toContain(" resync 0 0 -");
    await at.untilStatus(without, IDLE);
    expect((await at.content(without, 8))[0]).toBe(1);
  });

  test("is refused where it cannot be", async () => {
    const at = world(RAID5);
    await expect(
      at.make("v", `0 ${DATA * 2} raid raid5_ls 3 16 journal_dev ./1 3 ./0 ./6 ./2 ./3 ./4 ./5`),
    ).rejects.toThrow("raid: ./1 has 1024 sectors, and 8192 are needed");
    await expect(
      at.make("w", `0 ${DATA * 2} raid raid5_ls 3 16 journal_dev ./6 3 - ./1 - ./3 - ./5`),
    ).rejects.toThrow("raid: a set with a journal has metadata devices");
  });
});
