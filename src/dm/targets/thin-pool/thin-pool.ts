/**
 * thin-pool: where thin devices keep their blocks, and the metadata that says which.
 *
 *   METADATA DATA BLOCK-SECTORS LOW-WATER-BLOCKS [N FEATURE...]
 *
 * Reads and writes of the pool itself go to the data device as they are.
 */
import { ignore } from "../../../base/nothing.ts";
import type { Bio } from "../../../block/bio.ts";
import type { Extent } from "../../../block/device.ts";
import { Relay } from "../../../block/relay.ts";
import { quoteWord } from "../../table.ts";
import type {
  Target,
  TargetContext,
  TargetDevice,
  TargetLimits,
  TargetType,
} from "../../target.ts";
import type { Pool, PoolBinding } from "../../thin/pool.ts";
import { featureWords, parseFeatures } from "../../thin/pool-features.ts";
import type { Words } from "../../words.ts";
import { checkRange } from "../../one-device-target.ts";
import { poolMessage } from "./messages.ts";
import { PoolUse } from "./pool-use.ts";

const MIN_BLOCK_SECTORS = 128;
const MAX_BLOCK_SECTORS = 2 * 1024 * 1024;

export class ThinPoolTarget implements Target {
  readonly splitSectors = 0;
  readonly devices: readonly TargetDevice[];
  readonly pool: Pool;
  readonly #binding: PoolBinding;
  readonly #use: PoolUse;
  readonly #relay: Relay;

  constructor(
    pool: Pool,
    use: PoolUse,
    devices: readonly [TargetDevice, TargetDevice],
    binding: PoolBinding,
  ) {
    this.pool = pool;
    this.#use = use;
    this.devices = devices;
    this.#binding = binding;
    this.#relay = new Relay(devices[1].device, ignore);
  }

  get limits(): TargetLimits {
    return { ...this.#binding.dataDevice.limits, discard: false, writeZeroes: false };
  }

  submit(bio: Bio): void {
    this.#relay.pass(bio, bio.sector);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#binding.dataDevice.extents(sector, sectors, maxExtents);
  }

  async status(flushes: boolean): Promise<string> {
    const { pool } = this;
    if (hasFailed(pool)) return "Fail";
    // Figures that are as new as can be.
    if (flushes && !pool.isPaused) await pool.commit().catch(ignore);
    // As the kernel says it when it is this commit that fails.
    if (hasFailed(pool)) return "Error";
    const { metadata, features } = pool;
    const { metadataBlocks, dataBlocks } = metadata;
    const mode =
      pool.mode === "out-of-data" ? "out_of_data_space" : pool.mode === "write" ? "rw" : "ro";
    const passes = pool.passesDiscardsDown ? "discard_passdown" : "no_discard_passdown";
    const words = [
      metadata.transactionId,
      `${metadataBlocks - metadata.freeMetadataBlocks}/${metadataBlocks}`,
      `${dataBlocks - metadata.freeDataBlocks}/${dataBlocks}`,
      metadata.heldRoot === 0 ? "-" : metadata.heldRoot,
      mode,
      features.discards ? passes : "ignore_discard",
      pool.failsWithoutSpace ? "error_if_no_space" : "queue_if_no_space",
      metadata.needsCheck ? "needs_check" : "-",
      pool.metadataThreshold,
    ];
    return words.map((word) => `${word} `).join("");
  }

  table(): string {
    const { lowWaterBlocks, features } = this.#binding;
    const [metadata, data] = this.devices.map(({ id }) => quoteWord(id));
    return `${metadata} ${data} ${this.pool.blockSectors} ${lowWaterBlocks} ${featureWords(features)}`;
  }

  message(words: readonly string[]): Promise<string | null> {
    return poolMessage(this.pool, words);
  }

  presuspend(): void {
    this.pool.pause();
  }

  postsuspend(): Promise<void> {
    return this.pool.settle();
  }

  preresume(): Promise<void> {
    this.pool.bind(this.#binding);
    return this.pool.resize();
  }

  resume(): void {
    this.pool.go();
  }

  /** A thin device is opened: the pool stays, whatever becomes of this table. @returns what ends it */
  join(): () => void {
    this.#use.join();
    return () => this.#use.leave();
  }

  close(): Promise<void> {
    this.#use.leave();
    return Promise.resolve();
  }
}

/** It may have changed since it was asked last. */
function hasFailed({ mode }: Pool): boolean {
  return mode === "fail";
}

async function construct(context: TargetContext, words: Words): Promise<Target> {
  const metadataWord = words.word("the metadata device");
  const dataWord = words.word("the data device");
  const blockSectors = words.number("the block size", MIN_BLOCK_SECTORS, MAX_BLOCK_SECTORS);
  if (blockSectors % MIN_BLOCK_SECTORS !== 0)
    throw words.wrong(`the block size is a multiple of ${MIN_BLOCK_SECTORS} sectors`);
  const lowWaterBlocks = words.number("the low water mark in blocks");
  const features = parseFeatures(words);
  words.end();
  const mode = features.isReadOnly || context.isReadOnly ? "read-only" : "read-write";
  const metadata = await context.open(metadataWord, mode);
  const data = await context.open(dataWord);
  if (metadata.key === data.key)
    throw words.wrong("metadata and data cannot be on the same device", 2);
  checkRange(data, 0, context.sectors, (why) => words.wrong(why, 2));
  const binding: PoolBinding = {
    metadataDevice: metadata.device,
    dataDevice: data.device,
    dataBlocks: Math.floor(context.sectors / blockSectors),
    lowWaterBlocks,
    features: mode === "read-only" ? { ...features, isReadOnly: true } : features,
    event: () => context.event(),
  };
  const { use, pool } = await PoolUse.take(context, { metadata, data, blockSectors, binding });
  pool.name = context.name;
  return new ThinPoolTarget(pool, use, [metadata, data], binding);
}

export const THIN_POOL: TargetType = {
  name: "thin-pool",
  version: [1, 23, 0],
  isSingleton: true,
  isImmutable: true,
  construct,
};
