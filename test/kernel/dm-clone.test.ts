/** clone with the real kernel: what it hydrated in part is read and finished here; what was hydrated in part here it reads and finishes. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { BlockDevice } from "../../src/block/device.ts";
import { readSectors, writeSectors } from "../../src/block/promises.ts";
import type { MappedDevice } from "../../src/dm/mapped-device.ts";
import { DmWorld } from "../support/dm-world.ts";
import { sha256 } from "../support/golden.ts";
import { peerDescribe } from "../support/peers.ts";
import { stampedSectors, writeStampFile } from "../support/stamp.ts";
import { emptyDisk, testFolder } from "../support/temp.ts";
import { bootGuest, looksOf } from "./guest.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";

const SECTORS = 8192;
const REGION = 16;
const IDLE = "1 no_hydration 2 hydration_threshold 3";
const NAMES = ["meta", "dest", "source"] as const;

const SCRIPT = `set -e
  mods dm-mod dm-clone
  mk() { dmsetup create $1 --table "$2"; dmsetup mknodes $1; }
  stamp $d2 one 0 ${SECTORS}
  mk c "0 ${SECTORS} clone $d0 $d1 $d2 ${REGION} ${IDLE}"
  stamp /dev/mapper/c two 100 300
  stamp /dev/mapper/c three 4000 64
  dmsetup status c >$H/status
  dmsetup remove c
  mk c "0 ${SECTORS} clone $d3 $d4 $d5 ${REGION} ${IDLE}"
  dmsetup status c >$H/our-status
  look /dev/mapper/c ours
  stamp /dev/mapper/c three 5000 500
  look /dev/mapper/c on-ours
  dmsetup suspend c; dmsetup resume c
  cat $d3 >$H/meta; cat $d4 >$H/dest; cat $d5 >$H/source
  dmsetup message c 0 enable_hydration
  i=0
  while [ $i -lt 200 ]; do
    set -- $(dmsetup status c); [ "\${7%/*}" = "\${7#*/}" ] && break
    i=$((i+1)); usleep 100000
  done
  dmsetup remove c
  look $d4 hydrated`;

interface Made {
  readonly world: DmWorld;
  readonly clone: BlockDevice;
  readonly device: MappedDevice;
}

/** @param images of the disks, or nothing */
async function made(images: readonly Uint8Array[]): Promise<Made> {
  const world = new DmWorld({ meta: SECTORS, dest: SECTORS, source: SECTORS });
  for (const [i, name] of NAMES.entries()) await writeSectors(world.disk(name), 0, images[i]!);
  const table = `0 ${SECTORS} clone ./meta ./dest ./source ${REGION} ${IDLE}`;
  const { use, device } = await world.make("c", table);
  return { world, clone: use, device };
}

function stamp(device: BlockDevice, seed: string, at: number, sectors: number): Promise<void> {
  return writeSectors(device, at, stampedSectors(seed, at, sectors));
}

async function digest(device: BlockDevice): Promise<string> {
  return sha256(await readSectors(device, 0, SECTORS));
}

async function status({ device }: Made): Promise<string> {
  return `${(await device.live!.status(true))[0]}\n`;
}

const EMPTY = new Uint8Array(SECTORS * 512);

peerDescribe(GUEST_PROGRAMS, "clones of the kernel's", () => {
  it("are those made here, in both directions", { timeout: 300_000 }, async () => {
    const ours = await made([EMPTY, EMPTY, stampedSectors("one", 0, SECTORS)]);
    await stamp(ours.clone, "two", 1000, 700);
    const ourStatus = await status(ours);
    const folder = testFolder("dm-clone");
    const disks = Array.from({ length: 6 }, (_unused, i) =>
      emptyDisk(join(folder, `d${i}.img`), SECTORS * 512),
    );
    for (const [i, name] of NAMES.entries())
      writeFileSync(disks[3 + i]!, await readSectors(ours.world.disk(name), 0, SECTORS));
    for (const seed of ["one", "two", "three"])
      writeStampFile(join(folder, `stamp-${seed}`), seed, SECTORS);
    const run = await bootGuest({ disks, shareDir: folder, script: SCRIPT, timeoutMs: 120_000 });
    const look = (label: string): string | undefined => looksOf(run).get(label)?.sha256;

    expect(run.text("our-status")).toBe(ourStatus);
    expect(look("ours")).toBe(await digest(ours.clone));
    await stamp(ours.clone, "three", 5000, 500);
    expect(look("on-ours")).toBe(await digest(ours.clone));
    expect(look("hydrated")).toBe(await digest(ours.clone));
    const on = await made(NAMES.map((name) => readFileSync(join(folder, name))));
    expect(await status(on)).toBe(await status(ours));
    expect(await digest(on.clone)).toBe(await digest(ours.clone));

    const kernels = await made(disks.slice(0, 3).map((disk) => readFileSync(disk)));
    expect(run.text("status")).toBe(await status(kernels));
    const again = await made([EMPTY, EMPTY, stampedSectors("one", 0, SECTORS)]);
    await stamp(again.clone, "two", 100, 300);
    await stamp(again.clone, "three", 4000, 64);
    expect(await status(again)).toBe(await status(kernels));
    expect(await digest(kernels.clone)).toBe(await digest(again.clone));
    await kernels.world.all.message(kernels.device, 0, ["enable_hydration"]);
    kernels.world.time.pass(1000);
    expect(await status(kernels)).toContain(" 512/512 0 0 ");
    expect(await digest(kernels.world.disk("dest"))).toBe(await digest(again.clone));
  });
});
