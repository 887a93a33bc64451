/**
 * Thin pools in trouble, beside the kernel's: the same commands and writes in a guest and here, and what comes of each is compared: done or refused, and
 * status lines. Only how many metadata blocks are used may differ.
 */
import { expect, it } from "vitest";
import { writeSectors } from "../../src/block/promises.ts";
import type { BlockLimits } from "../../src/block/device.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import { Machine } from "../scenarios/dm/machine.ts";
import { peerDescribe } from "../support/peers.ts";
import { emptyDisk, testFolder } from "../support/temp.ts";
import { bootGuest } from "./guest.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";

const DISK_SECTORS = 65_536;
const BLOCK = 128;

function pool(features = "", blocks = 16, data = "$d1"): string {
  return `"0 ${blocks * BLOCK} thin-pool /dev/mapper/meta ${data} ${BLOCK} 4 ${features}"`;
}

function meta(blocks: number): string {
  return `dmsetup load meta --table "0 ${blocks * 8} linear $d0 0"`;
}

/** Beside dmsetup's own words "write NAME BLOCK COUNT" and "discard NAME BLOCK COUNT". */
const STEPS = `
dmsetup create meta --table "0 ${128 * 8} linear $d0 0"
dmsetup create pool --table ${pool("1 error_if_no_space")}
dmsetup status pool
dmsetup message pool 0 create_thin 0
dmsetup message pool 0 create_thin 0
dmsetup message pool 0 create_thin 16777216
dmsetup message pool 0 create_thin
dmsetup message pool 0 create_snap 5 77
dmsetup message pool 0 delete 77
dmsetup message pool 0 nonsense
dmsetup message pool 0 release_metadata_snap
dmsetup message pool 0 reserve_metadata_snap
dmsetup message pool 0 reserve_metadata_snap
dmsetup message pool 0 release_metadata_snap
dmsetup message pool 0 set_transaction_id 0 2
dmsetup message pool 0 set_transaction_id 0 3
dmsetup status pool
dmsetup suspend pool
dmsetup create t --table "0 4096 thin /dev/mapper/pool 0"
dmsetup message pool 0 create_thin 1
dmsetup resume pool
dmsetup message pool 0 delete 1
dmsetup create t --table "0 4096 thin /dev/mapper/pool 0"
dmsetup message pool 0 delete 0
dmsetup remove pool
dmsetup load pool --table "0 2048 linear $d2 0"
dmsetup load pool --table ${pool("1 ignore_discard")}
dmsetup load pool --table ${pool("", 16, "$d2")}
write t 0 11
dmsetup status pool
dmsetup info -c --noheadings -o events pool
write t 11 1
dmsetup info -c --noheadings -o events pool
write t 12 1
dmsetup info -c --noheadings -o events pool
write t 13 5
dmsetup status pool
dmsetup status t
write t 3 1
write t 20 1
dmsetup message pool 0 create_snap 2 0
write t 3 1
dmsetup status pool
dmsetup message pool 0 delete 2
dmsetup load pool --table ${pool("1 error_if_no_space", 24)}
dmsetup resume pool
dmsetup status pool
write t 20 1
dmsetup status t
dmsetup load pool --table ${pool("", 16)}
dmsetup resume pool
dmsetup info -c --noheadings -o suspended pool
dmsetup load pool --table ${pool("1 read_only", 24)}
dmsetup resume pool
dmsetup status pool
write t 0 1
write t 25 1
dmsetup message pool 0 create_thin 5
dmsetup load pool --table ${pool("", 24)}
dmsetup resume pool
write t 25 1
dmsetup load t --table "0 5120 thin /dev/mapper/pool 0"
dmsetup resume t
write t 39 1
dmsetup status t
dmsetup load t --table "0 1024 thin /dev/mapper/pool 0"
dmsetup resume t
dmsetup status t
discard t 1 2
dmsetup status t
dmsetup status pool
${meta(64)}
dmsetup resume meta
dmsetup remove t
dmsetup remove pool
dmsetup create pool --table ${pool("", 24)}
${meta(256)}
dmsetup resume meta
dmsetup create pool --table ${pool("", 24)}
dmsetup status pool
dmsetup create t --table "0 4096 thin /dev/mapper/pool 0"
dmsetup create u --table "0 4096 thin /dev/mapper/pool 0"
dmsetup remove u
dmsetup load meta --table "0 2048 error"
write t 20 1
write t 28 1
dmsetup status pool
dmsetup suspend meta
write t 29 1
dmsetup resume meta
dmsetup status pool
dmsetup status pool
dmsetup status t
write t 0 1
dmsetup message pool 0 create_thin 7
dmsetup create u --table "0 128 thin /dev/mapper/pool 0"
${meta(256)}
dmsetup resume meta
dmsetup suspend pool
dmsetup resume pool
dmsetup status pool
dmsetup remove t
dmsetup remove pool
dmsetup create pool --table ${pool("", 24)}
dmsetup status pool
`
  .trim()
  .split("\n");

interface Outcome {
  readonly step: string;
  readonly isDone: boolean;
  readonly said: string;
}

function outcome(step: string, code: number, stdout: string): Outcome {
  // Whether it is this commit that failed, or one of the timer's before it, is luck.
  const said = stdout
    .trim()
    .replace(/(thin-pool \d+ )\d+\//, "$1N/")
    .replace(/ Error$/, " Fail");
  return { step, isDone: code === 0, said };
}

async function inGuest(): Promise<Outcome[]> {
  const folder = testFolder("dm-thin-words");
  const disks = [0, 1, 2].map((at) => emptyDisk(`${folder}/d${at}.img`, DISK_SECTORS * 512));
  const lines = STEPS.map((line, at) => {
    const [what, name, from = 0, count = 0] = line.split(" ");
    const device = `/dev/mapper/${name}`;
    const bytes = BLOCK * 512;
    const commands: Record<string, string> = {
      write: `dd if=/dev/zero of=${device} bs=${bytes} seek=${from} count=${count} oflag=direct conv=notrunc`,
      discard: `blkdiscard -o ${Number(from) * bytes} -l ${Number(count) * bytes} ${device}`,
    };
    const command = commands[what!] ?? `${line}; code=$?; dmsetup mknodes; (exit $code)`;
    return `{ ${command}; } >$H/out.${at} 2>$H/err.${at} </dev/null; echo $? >$H/code.${at}`;
  });
  const script = ["mods dm-mod dm-thin-pool", ...lines, "true"].join("\n");
  const run = await bootGuest({ disks, shareDir: folder, script });
  return STEPS.map((step, at) => {
    const isSaid = step.startsWith("dmsetup");
    return outcome(step, Number(run.text(`code.${at}`)), isSaid ? run.text(`out.${at}`) : "");
  });
}

/** The guests' disks discard too little at a time for pools. */
class Disk extends MemoryDevice {
  override readonly limits: BlockLimits = {
    logicalBlockBytes: 512,
    optimalIoBytes: 0,
    readOnly: false,
    discard: false,
    writeZeroes: true,
  };
}

async function here(): Promise<Outcome[]> {
  const disk = (name: string): Disk => new Disk({ name, sectors: DISK_SECTORS });
  const m = new Machine({ d0: disk("d0"), d1: disk("d1"), d2: disk("d2") });
  const told: Outcome[] = [];
  for (const step of STEPS) {
    if (step.startsWith("dmsetup")) {
      const line = step.replace(/^dmsetup /, "").replaceAll(/\$(d\d)/g, "/disks/$1");
      const { code, stdout } = await m.dmsetup(line);
      told.push(outcome(step, code, stdout));
      continue;
    }
    const [what, name = "", from = 0, count = 0] = step.split(" ");
    const [sector, sectors] = [Number(from) * BLOCK, Number(count) * BLOCK];
    const work =
      what === "write"
        ? writeSectors(m.volume(name), sector, new Uint8Array(sectors * 512))
        : m.discard(name, sector, sectors);
    const code = await m.do(
      work.then(
        () => 0,
        () => 1,
      ),
    );
    told.push(outcome(step, code, ""));
  }
  return told;
}

peerDescribe([...GUEST_PROGRAMS], "thin pools in trouble", () => {
  it("do and say what the kernel's do and say", { timeout: 120_000 }, async () => {
    const [guest, own] = await Promise.all([inGuest(), here()]);
    expect(own).toEqual(guest);
  });
});
