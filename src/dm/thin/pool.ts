/**
 * Pool: a metadata device, a data device, and the thin volumes that live in them. It outlives its tables: one that is loaded anew for the same metadata
 * device takes over.
 *
 *   write --no data block is free--> out of data space --blocks were given back, or the data device grew--> write
 *     |                                  | 60 s: what waits fails, and so does what comes
 *     |--no metadata block is free--> out of metadata space --metadata grew--> write
 *     `--a change of the metadata failed--> read only, to be checked --that failed too--> fail
 *
 * Metadata is committed a second after it changed, by every flush and FUA write that needs it, and by messages. A commit that fails takes back all
 * since the one before.
 */
import { HoldfastError, toHoldfastError } from "../../base/errors.ts";
import { ignore } from "../../base/nothing.ts";
import type { BioEnd } from "../../block/bio.ts";
import type { BlockDevice } from "../../block/device.ts";
import { flush } from "../../block/promises.ts";
import type { Env, Timer } from "../../env/env.ts";
import { isBlank } from "../../pdata/block-cache.ts";
import { CurrentDevice } from "./current-device.ts";
import { IoGenerations } from "./io-generations.ts";
import { ThinMetadata, isRefusal } from "./metadata.ts";
import { MetadataStore } from "./metadata-store.ts";
import type { PoolFeatures } from "./pool-features.ts";
import { Waiters } from "./waiters.ts";
import type { Waiter } from "./waiters.ts";

export type PoolMode = "write" | "out-of-data" | "out-of-metadata" | "read-only" | "fail";

const COMMIT_PERIOD_MS = 1000;
const NO_SPACE_TIMEOUT_MS = 60_000;
/** A transaction that is larger is committed at once: 32 MiB. */
const MAX_DIRTY_BLOCKS = 8192;

/** What a live table says. */
export interface PoolBinding {
  readonly metadataDevice: BlockDevice;
  readonly dataDevice: BlockDevice;
  readonly dataBlocks: number;
  readonly lowWaterBlocks: number;
  readonly features: PoolFeatures;
  readonly event: () => void;
}

export class Pool {
  /** Of the mapped device when its table was last loaded, for messages. */
  name: string;
  readonly metadata: ThinMetadata;
  readonly data: CurrentDevice;
  readonly blockSectors: number;
  readonly io = new IoGenerations();
  readonly #env: Env;
  readonly #metadataDevice: CurrentDevice;
  #binding: PoolBinding;
  #mode: PoolMode = "write";
  #failsWithoutSpace = false;
  #isLowWaterTold = false;
  #isMetadataLowTold = false;
  #commitTimer: Timer | null = null;
  readonly #waiters = new Waiters();
  #spaceTimer: Timer | null = null;
  #isPaused = true;
  /** While it is suspended. */
  readonly #held = new Waiters();
  #active = 0;
  #idle: (() => void) | null = null;

  private constructor(
    env: Env,
    name: string,
    metadataDevice: CurrentDevice,
    store: MetadataStore,
    binding: PoolBinding,
  ) {
    this.#env = env;
    this.name = name;
    this.#metadataDevice = metadataDevice;
    this.data = new CurrentDevice(binding.dataDevice);
    this.metadata = new ThinMetadata(metadataDevice, store);
    this.blockSectors = store.dataBlockSectors;
    this.#binding = binding;
  }

  /** Opens the metadata, or makes it where there is nothing but zeros, as the kernel does when a table is loaded. @throws `bad-metadata`, `io` */
  static async open(
    env: Env,
    name: string,
    binding: PoolBinding,
    blockSectors: number,
  ): Promise<Pool> {
    const device = new CurrentDevice(binding.metadataDevice);
    const isNew = await isBlank(device);
    if (isNew && binding.features.isReadOnly)
      throw new HoldfastError("bad-metadata", `${device.name} has no metadata of a pool.`);
    if (isNew) {
      const store = MetadataStore.format(device, { dataBlockSectors: blockSectors, dataBlocks: 0 });
      await store.commit(() => Promise.resolve());
    }
    // What a process that died left in a cache counts as the last commit: nothing of the one before is used again until it is durable.
    if (!binding.features.isReadOnly) await flush(device);
    const store = await MetadataStore.open(device);
    if (store.dataBlockSectors !== blockSectors)
      throw new HoldfastError(
        "usage",
        `The pool on ${device.name} has blocks of ${store.dataBlockSectors} sectors, not ${blockSectors}.`,
      );
    return new Pool(env, name, device, store, binding);
  }

  get mode(): PoolMode {
    return this.#mode;
  }

  get failsWithoutSpace(): boolean {
    return this.#failsWithoutSpace;
  }

  get features(): PoolFeatures {
    return this.#binding.features;
  }

  get passesDiscardsDown(): boolean {
    return this.features.passesDiscardsDown && this.data.limits.discard;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Blocks of metadata below which it is said that they are few: a quarter, at most 4 MiB. */
  get metadataThreshold(): number {
    return Math.min(1024, Math.floor(this.metadata.usableMetadataBlocks / 4));
  }

  /** A table takes over. What it is to change by that is done in `resize`. */
  bind(binding: PoolBinding): void {
    this.#binding = binding;
    this.#metadataDevice.current = binding.metadataDevice;
    this.data.current = binding.dataDevice;
    this.#failsWithoutSpace = binding.features.failsWithoutSpace;
    this.setMode(binding.features.isReadOnly ? "read-only" : "write");
  }

  /** Takes over what the devices have more than before. @throws `usage` if the table is too short */
  async resize(): Promise<void> {
    const { dataBlocks } = this.#binding;
    const { metadata } = this;
    if (dataBlocks < metadata.dataBlocks)
      throw new HoldfastError(
        "usage",
        `${this.name} has ${metadata.dataBlocks} data blocks, and its table has room for ${dataBlocks}; a pool cannot shrink.`,
      );
    if (metadata.usableMetadataBlocks < metadata.metadataBlocks)
      throw new HoldfastError(
        "usage",
        `${this.name} has ${metadata.metadataBlocks} blocks of metadata, and its metadata device ${metadata.usableMetadataBlocks}.`,
      );
    if (this.#mode !== "write" || metadata.needsCheck) return;
    if (metadata.usableMetadataBlocks > metadata.metadataBlocks)
      await this.change(() => metadata.growMetadata());
    if (dataBlocks > metadata.dataBlocks) await this.change(() => metadata.growData(dataBlocks));
    await this.commit();
  }

  setMode(wanted: PoolMode): void {
    const before = this.#mode;
    const mode = this.#allowed(wanted);
    this.#mode = mode;
    if (mode === "out-of-data" && before !== mode && !this.#failsWithoutSpace)
      this.#spaceTimer = this.#env.timers.set(NO_SPACE_TIMEOUT_MS, () => this.#timedOut());
    if (mode !== "out-of-data") {
      this.#spaceTimer?.cancel();
      this.#spaceTimer = null;
    }
    if (before !== mode) this.#binding.event();
    if (mode === "read-only" || mode === "fail" || mode === "out-of-metadata")
      this.#waiters.fail(this.unserviceable());
  }

  #allowed(wanted: PoolMode): PoolMode {
    if (this.#mode === "fail") return "fail";
    return wanted === "write" && this.metadata.needsCheck ? "read-only" : wanted;
  }

  /** Nobody gave blocks back, and nobody made the pool larger. */
  #timedOut(): void {
    this.#spaceTimer = null;
    if (this.#mode !== "out-of-data") return;
    this.#failsWithoutSpace = true;
    this.#binding.event();
    this.#waiters.fail(this.unserviceable());
  }

  /** Why a write that needs a new block fails now. */
  unserviceable(): HoldfastError {
    switch (this.#mode) {
      case "out-of-data":
        return new HoldfastError("no-space", `The pool ${this.name} has no free data block.`);
      case "out-of-metadata":
        return new HoldfastError("io", `The pool ${this.name} has no free metadata block.`);
      case "fail":
        return new HoldfastError("io", `The metadata of the pool ${this.name} cannot be used.`);
      case "read-only":
      case "write":
        return new HoldfastError("io", `The pool ${this.name} is read-only.`);
    }
  }

  /** It waits, or fails, as the mode says. */
  waitForSpace(waiter: Waiter): void {
    if (this.#mode === "write") waiter.retry();
    else if (this.#mode === "out-of-data" && !this.#failsWithoutSpace) this.#waiters.add(waiter);
    else waiter.fail(this.unserviceable());
  }

  /** A free data block, for a mapping to come; null: there is none, and the mode says so. @throws what made the metadata fail */
  async reserve(): Promise<number | null> {
    const { metadata } = this;
    if (this.#mode !== "write") return null;
    if (!(await this.makeRoom())) return null;
    const reserve = (): Promise<number | null> => this.#tried(() => metadata.reserve());
    const first = await reserve();
    this.#checkLowWater(metadata.freeDataBlocks + (first === null ? 0 : 1));
    if (first !== null) return first;
    await this.commit();
    const second = this.#mode === "write" ? await reserve() : null;
    if (second === null && this.mode === "write") this.setMode("out-of-data");
    return second;
  }

  /** Room for one more change of the metadata. False: there is none, and the mode says so. */
  async makeRoom(): Promise<boolean> {
    const { metadata } = this;
    // What this transaction gave back is free after it.
    if (!metadata.hasRoom) await this.commit();
    if (!metadata.hasRoom) this.setMode("out-of-metadata");
    return metadata.hasRoom;
  }

  /** @param free blocks before one was taken */
  #checkLowWater(free: number): void {
    if (this.#isLowWaterTold || free > this.#binding.lowWaterBlocks) return;
    this.#isLowWaterTold = true;
    this.#binding.event();
  }

  /** A change of the metadata, which is committed within a second. If it fails, what came since the last commit is undone. */
  async change<T>(work: () => Promise<T>): Promise<T> {
    const result = await this.#tried(work);
    this.#scheduleCommit();
    return result;
  }

  async #tried<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.#failed(toHoldfastError(error));
      throw error;
    }
  }

  #scheduleCommit(): void {
    if (this.metadata.dirtyBlocks > MAX_DIRTY_BLOCKS) void this.commit().catch(ignore);
    this.#commitTimer ??= this.#env.timers.set(COMMIT_PERIOD_MS, () => {
      this.#commitTimer = null;
      // What goes wrong has changed the mode.
      void this.commit().catch(ignore);
    });
  }

  async #failed(error: HoldfastError): Promise<void> {
    if (isRefusal(error) || this.#mode === "read-only" || this.#mode === "fail") return;
    this.#env.log.write("error", `${this.name}: ${error.message}`);
    try {
      await this.metadata.abort();
      this.setMode("read-only");
    } catch {
      this.setMode("fail");
    }
  }

  /**
   * Makes durable what the metadata says. 1 the data device is flushed, 2 the metadata written. Without room for more changes there is room for the
   * commit of those there are. @returns whether the data device was flushed
   */
  async commit(): Promise<boolean> {
    if (this.#mode === "read-only" || this.#mode === "fail") return false;
    let hasFlushed = false;
    try {
      await this.metadata.commit(async () => {
        await this.io.drainOlder();
        await flush(this.data);
        hasFlushed = true;
      });
    } catch (error) {
      await this.#failed(toHoldfastError(error));
      throw error;
    }
    this.#checkSpace();
    return hasFlushed;
  }

  #checkSpace(): void {
    const isLow = this.metadata.freeMetadataBlocks < this.metadataThreshold;
    if (isLow && !this.#isMetadataLowTold) this.#binding.event();
    this.#isMetadataLowTold = isLow;
    if (!this.metadata.hasRoom && this.#mode !== "read-only") this.setMode("out-of-metadata");
    if (this.#mode !== "out-of-data" || this.metadata.freeDataBlocks === 0) return;
    this.setMode("write");
    this.#failsWithoutSpace = this.features.failsWithoutSpace;
    this.#waiters.retry();
  }

  /** All that was written is durable, and found again. */
  flush(end: BioEnd): void {
    if (this.#mode === "fail") {
      end(this.unserviceable());
      return;
    }
    const work = async (): Promise<void> => {
      if (!(await this.commit())) await flush(this.data);
    };
    work().then(
      () => end(null),
      (error: unknown) => end(toHoldfastError(error)),
    );
  }

  /** While it is suspended. */
  hold(waiter: Waiter): void {
    this.#held.add(waiter);
  }

  /** A volume is suspended: what waits here comes back to it. */
  giveBack(owner: object): void {
    this.#waiters.giveBack(owner);
    this.#held.giveBack(owner);
  }

  /** Something of a volume begins, which `ended` is called for. */
  begin(): void {
    this.#active += 1;
  }

  ended(): void {
    this.#active -= 1;
    if (this.#active === 0) this.#idle?.();
  }

  pause(): void {
    this.#isPaused = true;
  }

  /** Nothing is under way, and all is committed. */
  async settle(): Promise<void> {
    if (this.#active > 0) {
      await new Promise<void>((resolve) => (this.#idle = resolve));
      this.#idle = null;
    }
    this.#commitTimer?.cancel();
    this.#commitTimer = null;
    await this.commit().catch(ignore);
  }

  go(): void {
    this.#isPaused = false;
    this.#isLowWaterTold = false;
    this.#held.retry();
    this.#waiters.retry();
  }

  /** The last table that named it is gone. */
  close(): void {
    this.#commitTimer?.cancel();
    this.#spaceTimer?.cancel();
    const error = new HoldfastError("io", `The pool ${this.name} was removed.`);
    this.#waiters.fail(error);
    this.#held.fail(error);
  }
}
