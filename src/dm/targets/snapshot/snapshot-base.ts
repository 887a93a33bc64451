/** What snapshot and snapshot-merge have in common: devices, status and table, life with the exceptions they share. */
import { HoldfastError } from "../../../base/errors.ts";
import { ignore } from "../../../base/nothing.ts";
import type { Bio } from "../../../block/bio.ts";
import type { Extent } from "../../../block/device.ts";
import { Relay } from "../../../block/relay.ts";
import type { Target, TargetContext, TargetDevice, TargetLimits } from "../../target.ts";
import type { CowDevice, StateHolder } from "./shared-state.ts";
import { cowDeviceOf } from "./shared-state.ts";
import type { SnapshotState, SnapshotUse } from "./snapshot-state.ts";
import { snapshotTable } from "./snapshot-words.ts";
import type { SnapshotLine } from "./snapshot-words.ts";

export abstract class SnapshotBase implements Target, StateHolder {
  readonly devices: readonly TargetDevice[];
  readonly use: SnapshotUse;
  readonly name: string;
  abstract readonly isMerge: boolean;
  abstract readonly splitSectors: number;
  isSuspended = true;
  protected readonly line: SnapshotLine;
  protected readonly toOrigin: Relay;
  protected readonly toCow: Relay;
  readonly #cowDevice: CowDevice;
  #state: SnapshotState | null = null;

  constructor(line: SnapshotLine, context: TargetContext) {
    const { env, name } = context;
    this.line = line;
    this.name = name;
    this.devices = [line.origin, line.cow];
    this.toOrigin = new Relay(line.origin.device, ignore);
    this.toCow = new Relay(line.cow.device, (bio) => this.endedAtCow(bio));
    const changed = (message: string): void => {
      env.log.write("error", `${name}: the snapshot in ${line.cow.id}: ${message}`);
      context.event();
    };
    this.use = { origin: line.origin.device, cow: line.cow.device, changed };
    this.#cowDevice = cowDeviceOf(context, line);
  }

  async join(context: TargetContext): Promise<this> {
    this.#state = await this.#cowDevice.join(this, this.line, context);
    return this;
  }

  protected get state(): SnapshotState {
    return this.#state!;
  }

  protected endedAtCow(_bio: Bio): void {}

  protected chunkOf({ sector }: Bio): number {
    return Math.floor(sector / this.state.chunkSectors);
  }

  protected passToCow(bio: Bio, newChunk: number): void {
    const { chunkSectors } = this.state;
    this.toCow.pass(bio, newChunk * chunkSectors + (bio.sector % chunkSectors));
  }

  get limits(): TargetLimits {
    const { origin, cow } = this.line;
    const blocks = [origin, cow].map(({ device }) => device.limits.logicalBlockBytes);
    return {
      logicalBlockBytes: Math.max(...blocks),
      optimalIoBytes: 0,
      discard: this.line.features.has("discard_zeroes_cow"),
      writeZeroes: false,
    };
  }

  abstract submit(bio: Bio): void;

  extents(sector: number, sectors: number, _maxExtents: number): Extent[] {
    return [{ sector, sectors, kind: "data" }];
  }

  status(): string {
    const { isValid, hasMergeFailed, hasOverflowed, store } = this.state;
    if (!isValid) return "Invalid";
    if (hasMergeFailed) return "Merge failed";
    if (hasOverflowed) return "Overflow";
    const { allocatedSectors, totalSectors, metadataSectors } = store.usage;
    return `${allocatedSectors}/${totalSectors} ${metadataSectors}`;
  }

  table(): string {
    return snapshotTable(this.line, this.state.store.kind, this.state.chunkSectors);
  }

  postsuspend(): Promise<void> {
    this.isSuspended = true;
    return Promise.resolve();
  }

  async preresume(): Promise<void> {
    await this.#cowDevice.own(this);
  }

  resume(): void {
    this.isSuspended = false;
  }

  close(): Promise<void> {
    this.isSuspended = true;
    return this.#cowDevice.leave(this);
  }
}

export function invalidError(name: string): HoldfastError {
  return new HoldfastError("io", `${name}: the snapshot is invalid or has no room; remove it.`);
}
