/**
 * Mapped devices inside a program that measures, over devices that it has at hand, which tables name "./NAME". Whoever imports this sees to
 * it that TypeScript can be imported.
 */
import { HoldfastError } from "../src/base/errors.ts";
import { LentDevice } from "../src/block/lent.ts";
import { discard, readInto, writeSectors } from "../src/block/promises.ts";
import { MemoryDevice } from "../src/devices/memory.ts";
import { MappedDevices } from "../src/dm/mapped-devices.ts";
import { parseTable } from "../src/dm/table.ts";
import { PoolBuilder } from "../src/dm/thin/restore.ts";
import { nodeEnv } from "../src/env/node/env.ts";
import { plainEngine } from "../src/parity/engine.ts";
import { SyncScheduler } from "../src/sync/scheduler.ts";

/** @typedef {import("../src/block/device.ts").BlockDevice} BlockDevice */
/** @typedef {import("../src/dm/mapped-device.ts").MappedDevice} MappedDevice */

export const THIN_BLOCK_SECTORS = 128;
/** Neighbours of a thin device are none in its pool, as after random writes. A prime: all blocks have their turn. */
const STRIDE = 7919;
/** Of a mirror: 64 MiB, as of the bitmap of a small array. */
export const REGION_SECTORS = 131072;
const METADATA_SECTORS = 16 * 2048;

/** @param {Readonly<Record<string, BlockDevice>>} devices */
export function mappedOver(devices) {
  const all = new MappedDevices({
    env: nodeEnv(),
    parityEngine: () => plainEngine,
    scheduler: new SyncScheduler(),
    paths: {
      keyOf: (path) => Promise.resolve(path),
      open: (path) => {
        const device = devices[path.slice(2)];
        if (device === undefined) throw new HoldfastError("not-found", path);
        // It stays open when a table is gone.
        const lent = new LentDevice(device, () => Promise.resolve());
        return Promise.resolve({ device: lent, id: path });
      },
    },
  });
  /** @type {(name: string, table: string) => Promise<MappedDevice>} */
  const make = async (name, table) => {
    const device = all.create({ name, uuid: "", minor: null });
    await all.load(device, parseTable(table), false);
    await all.resume(device);
    return device;
  };
  return { all, make };
}

/**
 * Metadata of a pool with one device, 0, whose blocks are all mapped.
 * @param {BlockDevice} metadata
 * @param {number} blocks
 */
export async function provision(metadata, blocks) {
  const builder = new PoolBuilder(metadata);
  const counts = { time: 0, transactionId: 0 };
  const sizes = { dataBlockSectors: THIN_BLOCK_SECTORS, dataBlocks: blocks };
  await builder.pool({ uuid: "", flags: 0, version: 2, ...counts, ...sizes });
  const device = { id: 0, transactionId: 0, creationTime: 0, snapshottedTime: 0 };
  await builder.device({ ...device, mappedBlocks: blocks });
  for (let block = 0; block < blocks; block += 1)
    await builder.mapping({ origin: block, data: (block * STRIDE) % blocks, length: 1, time: 0 });
  await builder.deviceEnd();
  await builder.poolEnd();
}

/**
 * What mapped devices are made of here, by name; `members` are of one size.
 * @type {Readonly<Record<string, { readonly members: number, readonly make: (members: readonly BlockDevice[]) => Promise<MappedDevice> }>>}
 */
export const MAPPED = {
  "dm linear": {
    members: 1,
    make: async ([a]) => mappedOver({ a: have(a) }).make("v", `0 ${have(a).sectors} linear ./a 0`),
  },
  "dm striped": {
    members: 2,
    make: async ([a, b]) => {
      const { sectors } = have(a);
      const { make } = mappedOver({ a: have(a), b: have(b) });
      return make("v", `0 ${sectors * 2} striped 2 128 ./a 0 ./b 0`);
    },
  },
  "dm mirror": {
    members: 2,
    make: async ([a, b]) => {
      const log = new MemoryDevice({ name: "log", sectors: METADATA_SECTORS });
      const { make } = mappedOver({ a: have(a), b: have(b), log });
      const words = `disk 3 ./log ${REGION_SECTORS} nosync 2 ./a 0 ./b 0`;
      const device = await make("v", `0 ${have(a).sectors} mirror ${words}`);
      // That a region is dirty is written down, which takes more than one turn of the loop.
      const use = device.open({ readOnly: false });
      for (let at = 0; at < use.sectors; at += REGION_SECTORS)
        await writeSectors(use, at, new Uint8Array(4096));
      return device;
    },
  },
  "dm thin": {
    members: 1,
    make: async ([a]) => {
      const { sectors } = have(a);
      const meta = new MemoryDevice({ name: "meta", sectors: METADATA_SECTORS });
      const { make } = mappedOver({ a: have(a), meta });
      await provision(meta, sectors / THIN_BLOCK_SECTORS);
      await make("pool", `0 ${sectors} thin-pool ./meta ./a ${THIN_BLOCK_SECTORS} 0`);
      const device = await make("v", `0 ${sectors} thin pool 0`);
      // Mappings are read when they are first needed, which takes more than one turn of the loop.
      const use = device.open({ readOnly: false });
      for (let at = 0; at < sectors; at += THIN_BLOCK_SECTORS)
        await readInto(use, at, new Uint8Array(4096));
      return device;
    },
  },
  "dm clone": {
    members: 1,
    make: async ([a]) => {
      const { sectors } = have(a);
      const meta = new MemoryDevice({ name: "meta", sectors: METADATA_SECTORS });
      const source = new MemoryDevice({ name: "source", sectors });
      const { make } = mappedOver({ a: have(a), meta, source });
      const features = "2 no_hydration no_discard_passdown";
      const device = await make("v", `0 ${sectors} clone ./meta ./a ./source 128 ${features}`);
      // What is discarded counts as hydrated.
      const use = device.open({ readOnly: false });
      await discard(use, 0, sectors);
      await use.close();
      return device;
    },
  },
};

/** @param {BlockDevice | undefined} member @returns {BlockDevice} */
function have(member) {
  if (member === undefined) throw new Error("a mapped device has too few members");
  return member;
}
