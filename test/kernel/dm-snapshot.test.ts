/** snapshot with the real kernel: what it made is read and gone on with here; what was made here it reads, goes on with, and merges. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { BlockDevice } from "../../src/block/device.ts";
import { readSectors, writeSectors } from "../../src/block/promises.ts";
import { DmWorld } from "../support/dm-world.ts";
import { sha256 } from "../support/golden.ts";
import { peerDescribe } from "../support/peers.ts";
import { stampedSectors, writeStampFile } from "../support/stamp.ts";
import { emptyDisk, testFolder } from "../support/temp.ts";
import { bootGuest, looksOf } from "./guest.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";

const SECTORS = 8192;
const COW_SECTORS = 8192;
const ORIGIN = `0 ${SECTORS} snapshot-origin`;
const SNAPSHOT = `0 ${SECTORS} snapshot`;

const SCRIPT = `set -e
  mods dm-mod dm-snapshot
  mk() { dmsetup create $1 --table "$2"; dmsetup mknodes $1; }
  mk o "${ORIGIN} $d0"
  dmsetup suspend o
  mk s "${SNAPSHOT} $d0 $d1 P 1"
  dmsetup resume o
  stamp /dev/mapper/o two 100 300
  stamp /dev/mapper/s three 200 77
  sync
  dmsetup status s >$H/status
  dmsetup remove s; dmsetup remove o
  mk o "${ORIGIN} $d2"
  mk s "${SNAPSHOT} $d2 $d3 P 16"
  dmsetup status s >$H/our-status
  look /dev/mapper/o our-origin
  look /dev/mapper/s our-snapshot
  stamp /dev/mapper/o one 1000 50
  stamp /dev/mapper/s two 150 20
  look /dev/mapper/s on-snapshot
  dmsetup remove s; dmsetup remove o
  cat $d2 >$H/origin; cat $d3 >$H/cow
  mk m "0 ${SECTORS} snapshot-merge $d2 $d3 P 16"
  i=0
  while [ $i -lt 200 ]; do
    set -- $(dmsetup status m); [ "\${4%/*}" = "$5" ] && break
    i=$((i+1)); usleep 100000
  done
  dmsetup remove m
  look $d2 merged`;

interface Made {
  readonly world: DmWorld;
  readonly origin: BlockDevice;
  readonly snap: BlockDevice;
  readonly status: () => Promise<string>;
}

async function made(chunk: number, images: readonly Uint8Array[] = []): Promise<Made> {
  const world = new DmWorld({ a: SECTORS, cow: COW_SECTORS });
  for (const [i, name] of ["a", "cow"].entries())
    if (images[i] !== undefined) await writeSectors(world.disk(name), 0, images[i]);
  const { use: origin } = await world.make("o", `${ORIGIN} ./a`);
  const { use: snap, device } = await world.make("s", `${SNAPSHOT} ./a ./cow P ${chunk}`);
  return { world, origin, snap, status: async () => `${(await device.live!.status(true))[0]}\n` };
}

function stamp(device: BlockDevice, seed: string, at: number, sectors: number): Promise<void> {
  return writeSectors(device, at, stampedSectors(seed, at, sectors));
}

async function digest(device: BlockDevice): Promise<string> {
  return sha256(await readSectors(device, 0, SECTORS));
}

peerDescribe(GUEST_PROGRAMS, "snapshots of the kernel's", () => {
  it("are those made here, in both directions", { timeout: 300_000 }, async () => {
    const ours = await made(16);
    await stamp(ours.origin, "two", 90, 400);
    await stamp(ours.snap, "three", 160, 64);
    const folder = testFolder("dm-snapshot");
    const disks = [SECTORS, COW_SECTORS, SECTORS, COW_SECTORS].map((sectors, i) =>
      emptyDisk(join(folder, `d${i}.img`), sectors * 512),
    );
    for (const [i, name] of ["a", "cow"].entries())
      writeFileSync(disks[2 + i]!, await readSectors(ours.world.disk(name), 0, SECTORS));
    for (const seed of ["one", "two", "three"])
      writeStampFile(join(folder, `stamp-${seed}`), seed, SECTORS);
    const run = await bootGuest({ disks, shareDir: folder, script: SCRIPT, timeoutMs: 120_000 });
    const look = (label: string): string | undefined => looksOf(run).get(label)?.sha256;

    expect(run.text("our-status")).toBe(await ours.status());
    expect(look("our-origin")).toBe(await digest(ours.origin));
    expect(look("our-snapshot")).toBe(await digest(ours.snap));
    await stamp(ours.origin, "one", 1000, 50);
    await stamp(ours.snap, "two", 150, 20);
    expect(look("on-snapshot")).toBe(await digest(ours.snap));
    expect(look("merged")).toBe(await digest(ours.snap));
    const on = await made(
      16,
      [0, 1].map((i) => readFileSync(join(folder, ["origin", "cow"][i]!))),
    );
    expect(await digest(on.snap)).toBe(await digest(ours.snap));
    expect(await digest(on.origin)).toBe(await digest(ours.origin));

    const again = await made(1);
    await stamp(again.origin, "two", 100, 300);
    await stamp(again.snap, "three", 200, 77);
    const kernels = await made(
      1,
      disks.slice(0, 2).map((disk) => readFileSync(disk)),
    );
    expect(run.text("status")).toBe(await kernels.status());
    expect(await digest(kernels.snap)).toBe(await digest(again.snap));
    for (const each of [kernels, again]) await stamp(each.origin, "one", 350, 900);
    expect(await digest(kernels.snap)).toBe(await digest(again.snap));
  });
});
