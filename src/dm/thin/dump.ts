/** Tells what a metadata device holds. With damage it stops, or, to repair, tells what can still be had. */
import type { BlockDevice } from "../../block/device.ts";
import { spaceMapRoot } from "../../formats/persistent-data.ts";
import {
  DEVICE_DETAILS_BYTES,
  MAPPING_BYTES,
  deviceDetails,
  mappedBlock,
  mappedTime,
} from "../../formats/thin.ts";
import { BlockCache } from "../../pdata/block-cache.ts";
import { entriesOf, getU64, keyAt, valueOffset } from "../../pdata/btree-node.ts";
import { lossTeller, once, walkTree } from "../../pdata/walk.ts";
import type { DumpOptions, LostKeys } from "../../pdata/walk.ts";
import { rfcUuid } from "../../codec/uuid.ts";
import { readThinSuperblock } from "./metadata-store.ts";
import type { DeviceFacts, MappingFacts, PoolVisitor } from "./visitor.ts";

/** @throws `bad-metadata` */
export async function dumpPool(
  device: BlockDevice,
  visitor: PoolVisitor,
  options: DumpOptions = {},
): Promise<void> {
  const superblock = await readThinSuperblock(device);
  const cache = new BlockCache(device);
  const tell = lossTeller(device.name, options);
  const details = new Map<number, DeviceFacts>();
  await walkTree(
    {
      cache,
      valueBytes: DEVICE_DETAILS_BYTES,
      enter: once(),
      leaf: (node) => {
        for (let index = 0; index < entriesOf(node); index += 1) {
          const id = keyAt(node, index);
          details.set(id, { id, ...deviceDetails.decode(node.data, valueOffset(node, index)) });
        }
      },
      lost: (keys) => tell("devices", keys),
    },
    superblock.deviceDetailsRoot,
  );
  const { blocks } = spaceMapRoot.decode(superblock.dataSpaceMap);
  await visitor.pool({
    uuid: superblock.uuid.every((byte) => byte === 0) ? "" : rfcUuid(superblock.uuid),
    time: superblock.time,
    transactionId: superblock.transactionId,
    flags: superblock.flags,
    version: superblock.version,
    dataBlockSectors: superblock.dataBlockSectors,
    dataBlocks: blocks,
  });
  await walkTree(
    {
      cache,
      valueBytes: 8,
      enter: once(),
      leaf: async (node) => {
        for (let index = 0; index < entriesOf(node); index += 1) {
          const id = keyAt(node, index);
          const root = getU64(node.view, valueOffset(node, index));
          const facts = details.get(id);
          if (facts === undefined) {
            tell("device", { from: id, to: id + 1, why: "it has mappings and no details" });
            continue;
          }
          await dumpDevice(cache, root, facts, visitor, (keys) =>
            tell(`mappings of device ${id},`, keys),
          );
        }
      },
      lost: (keys) => tell("mappings of devices", keys),
    },
    superblock.dataMappingRoot,
  );
  await visitor.poolEnd();
}

async function dumpDevice(
  cache: BlockCache,
  root: number,
  facts: DeviceFacts,
  visitor: PoolVisitor,
  lost: (keys: LostKeys) => void,
): Promise<void> {
  await visitor.device(facts);
  let run: MappingFacts | null = null;
  await walkTree(
    {
      cache,
      valueBytes: MAPPING_BYTES,
      enter: once(),
      leaf: async (node) => {
        for (let index = 0; index < entriesOf(node); index += 1) {
          const offset = valueOffset(node, index);
          const origin = keyAt(node, index);
          const data = mappedBlock(node.view, offset);
          const time = mappedTime(node.view, offset);
          if (run !== null && follows(run, origin, data, time)) {
            run = { ...run, length: run.length + 1 };
            continue;
          }
          if (run !== null) await visitor.mapping(run);
          run = { origin, data, length: 1, time };
        }
      },
      lost,
    },
    root,
  );
  if (run !== null) await visitor.mapping(run);
  await visitor.deviceEnd();
}

function follows(run: MappingFacts, origin: number, data: number, time: number): boolean {
  const { length } = run;
  return origin === run.origin + length && data === run.data + length && time === run.time;
}
