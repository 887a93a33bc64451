/**
 * Commits: when a clone's metadata is made durable, and what follows when it cannot be.
 *
 *   write --a commit fails--> read only, with the regions of the last commit --that cannot be read--> fail
 *
 * It is committed a second after it changed, when all is hydrated, and by flushes and FUA writes. Those that come while a commit is under way
 * share the next one.
 */
import { HoldfastError, toHoldfastError } from "../../../base/errors.ts";
import { ignore } from "../../../base/nothing.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { flush } from "../../../block/promises.ts";
import type { Env, Timer } from "../../../env/env.ts";
import { CloneMetadata } from "./clone-metadata.ts";
import type { RegionMap } from "./region-map.ts";
import type { CloneSizes } from "./superblock.ts";

export type CloneMode = "write" | "read-only" | "fail";

const COMMIT_PERIOD_MS = 1000;

export interface CommitsOptions {
  readonly env: Pick<Env, "timers" | "log">;
  readonly name: string;
  readonly metadataDevice: BlockDevice;
  readonly destination: BlockDevice;
  readonly sizes: CloneSizes;
  /** The table was loaded for reading. */
  readonly isReadOnly: boolean;
  readonly event: () => void;
}

/** @param hasFlushed the destination was flushed since the commit was asked for */
export type Committed = (error: HoldfastError | null, hasFlushed: boolean) => void;

export class Commits {
  readonly #options: CommitsOptions;
  #metadata: CloneMetadata;
  #mode: CloneMode;
  #failure: HoldfastError | null = null;
  #asking: Committed[] = [];
  #isRunning = false;
  #timer: Timer | null = null;

  constructor(options: CommitsOptions, metadata: CloneMetadata) {
    this.#options = options;
    this.#metadata = metadata;
    this.#mode = options.isReadOnly ? "read-only" : "write";
  }

  get mode(): CloneMode {
    return this.#mode;
  }

  get metadata(): CloneMetadata {
    return this.#metadata;
  }

  get regions(): RegionMap {
    return this.#metadata.regions;
  }

  /** A commit failed: what was written to regions hydrated since the last one is lost, so nobody is told any more that all is durable. */
  get failure(): HoldfastError | null {
    return this.#failure;
  }

  /** Something is hydrated in memory that is not, or not yet, on the metadata device. */
  get isNeeded(): boolean {
    return this.#isRunning || this.regions.hasChanged;
  }

  /** What does not go while the mode is not "write" ends with this. */
  refusal(): HoldfastError {
    const { name } = this.#options;
    if (this.#mode === "fail")
      return new HoldfastError("io", `The metadata of the clone ${name} cannot be used.`);
    return this.#failure ?? new HoldfastError("io", `The clone ${name} is read-only.`);
  }

  /**
   * Reads the metadata anew: another table may have changed it since. 1 flush, 2 read: a process that died may have left its last commit in a
   * cache, and who finds a region hydrated there does not commit it again.
   */
  async reload(): Promise<void> {
    const { metadataDevice, sizes, isReadOnly } = this.#options;
    if (!isReadOnly) await flush(metadataDevice);
    this.#metadata = await CloneMetadata.open(metadataDevice, sizes);
  }

  /** Regions `from` up to `to` have in the destination what they should. False: that cannot be taken down. */
  mark(from: number, to: number): boolean {
    if (this.#mode !== "write") return false;
    this.regions.set(from, to);
    if (this.regions.isComplete) this.commit(ignore);
    this.#timer ??= this.#options.env.timers.set(COMMIT_PERIOD_MS, () => {
      this.#timer = null;
      this.commit(ignore);
    });
    return true;
  }

  commit(done: Committed): void {
    this.#asking.push(done);
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#asking.length > 0) {
      const asking = this.#asking;
      this.#asking = [];
      const hasFlushed = this.#mode === "write" && this.regions.hasChanged && (await this.#once());
      for (const done of asking) done(this.#failure, hasFlushed);
    }
    this.#isRunning = false;
  }

  /** @returns whether it went well */
  async #once(): Promise<boolean> {
    try {
      await this.#metadata.commit(() => flush(this.#options.destination));
    } catch (error) {
      await this.#failed(toHoldfastError(error));
      return false;
    }
    if (this.regions.isComplete) this.#options.event();
    return true;
  }

  async #failed({ message }: HoldfastError): Promise<void> {
    const { env, name } = this.#options;
    env.log.write("error", `${name}: ${message}`);
    this.#failure = new HoldfastError(
      "io",
      `The metadata of the clone ${name} could not be committed: ${message}`,
    );
    this.#setMode("read-only");
    await this.reload().catch(() => this.#setMode("fail"));
  }

  #setMode(mode: CloneMode): void {
    this.#mode = mode;
    this.#options.event();
  }

  /** Nothing changes any more: all is committed, if it can be. */
  async settle(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.isNeeded) await new Promise<void>((resolve) => this.commit(() => resolve()));
  }
}
