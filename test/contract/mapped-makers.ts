/** Mapped devices for the contract suite: a table of one target each, and one of several. */
import type { BlockDevice } from "../../src/block/device.ts";
import { writeSectors } from "../../src/block/promises.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import { DmWorld } from "../support/dm-world.ts";
import { SECTORS, someContents } from "./made-device.ts";
import type { MadeDevice } from "./made-device.ts";

/** Of several targets, with borders where no block has one. */
function mappedDevice(): Promise<MadeDevice> {
  return mapped(
    { a: 700, b: 260, c: 260 },
    `0 501 linear ./a 3\n501 500 striped 2 5 ./b 0 ./c 7\n1001 ${SECTORS - 1001} linear ./a 611`,
  );
}

function mappedMirror(): Promise<MadeDevice> {
  const words = `mirror disk 3 ./log 64 nosync 2 ./a 3 ./b 0`;
  return mapped({ a: SECTORS + 3, b: SECTORS, log: 8 }, `0 ${SECTORS} ${words}`);
}

function mappedRaid(): Promise<MadeDevice> {
  const disks = { m: 64, a: SECTORS, n: 64, b: SECTORS };
  return mapped(disks, `0 ${SECTORS} raid raid1 4 0 nosync region_size 64 2 ./m ./a ./n ./b`);
}

/** Whole blocks are there from the first write of them on; the last one is cut off. */
async function mappedThin(): Promise<MadeDevice> {
  const world = new DmWorld({ meta: 1024, data: 1280 });
  await start(world, "pool", "0 1280 thin-pool ./meta ./data 128 0");
  await world.all.message(world.all.all[0]!, 0, ["create_thin", "0"]);
  return filled(await start(world, "mapped", `0 ${SECTORS} thin pool 0`));
}

function mappedIntegrity(): Promise<MadeDevice> {
  const words = "integrity ./a 0 - D 2 journal_sectors:704 internal_hash:crc32c";
  return mapped({ a: 4096 }, `0 ${SECTORS} ${words}`);
}

/** Of regions some of which are copied while it is used, and some when they are. */
async function mappedClone(): Promise<MadeDevice> {
  const contents = someContents();
  const source = new MemoryDevice({ name: "source", sectors: SECTORS });
  await writeSectors(source, 0, contents);
  const world = new DmWorld({ meta: 2048, dest: SECTORS, source });
  const table = `0 ${SECTORS} clone ./meta ./dest ./source 8 1 no_hydration`;
  return { device: await start(world, "mapped", table), contents };
}

/** With a snapshot that keeps what it had. */
async function mappedOrigin(): Promise<MadeDevice> {
  const world = new DmWorld({ a: SECTORS, cow: 8192 });
  const made = await filled(await start(world, "mapped", `0 ${SECTORS} snapshot-origin ./a`));
  await start(world, "snap", `0 ${SECTORS} snapshot ./a ./cow P 8`);
  return made;
}

/** Of which much is in the COW device. */
async function mappedSnapshot(): Promise<MadeDevice> {
  const world = new DmWorld({ a: SECTORS, cow: 8192 });
  await start(world, "origin", `0 ${SECTORS} snapshot-origin ./a`);
  return filled(await start(world, "mapped", `0 ${SECTORS} snapshot ./a ./cow P 8`));
}

async function mapped(disks: Record<string, number>, table: string): Promise<MadeDevice> {
  return filled(await start(new DmWorld(disks), "mapped", table));
}

async function start(world: DmWorld, name: string, table: string): Promise<BlockDevice> {
  const device = world.create(name);
  await world.time.until(world.load(device, table));
  await world.time.until(world.all.resume(device));
  return device.open({ readOnly: false });
}

async function filled(device: BlockDevice): Promise<MadeDevice> {
  const contents = someContents();
  await writeSectors(device, 0, contents);
  return { device, contents };
}

export const MAPPED_MAKERS: readonly {
  readonly name: string;
  readonly make: () => Promise<MadeDevice>;
}[] = [
  { name: "mapped device", make: mappedDevice },
  { name: "mapped mirror", make: mappedMirror },
  { name: "mapped raid set", make: mappedRaid },
  { name: "mapped thin device", make: mappedThin },
  { name: "mapped integrity", make: mappedIntegrity },
  { name: "mapped clone", make: mappedClone },
  { name: "mapped snapshot origin", make: mappedOrigin },
  { name: "mapped snapshot", make: mappedSnapshot },
];
