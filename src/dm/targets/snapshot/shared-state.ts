/**
 * One SnapshotState for all tables that name the same COW device: it is loaded once, belongs to the table that is live, and is handed over,
 * with what a store without metadata has in memory alone, to the next table that is resumed.
 */
import { HoldfastError } from "../../../base/errors.ts";
import { OneByOne } from "../../../base/one-by-one.ts";
import type { TargetContext } from "../../target.ts";
import { originOf } from "./origin.ts";
import type { Origin } from "./origin.ts";
import { PersistentStore } from "./persistent-store.ts";
import { SnapshotState } from "./snapshot-state.ts";
import type { SnapshotUse } from "./snapshot-state.ts";
import type { SnapshotLine } from "./snapshot-words.ts";
import { TransientStore } from "./transient-store.ts";

/** A target that names the COW device. */
export interface StateHolder {
  readonly use: SnapshotUse;
  readonly isMerge: boolean;
  readonly isSuspended: boolean;
  readonly name: string;
}

interface Loaded {
  readonly state: SnapshotState;
  readonly origin: Origin;
  readonly kind: string;
}

class CowDevice {
  readonly #turns = new OneByOne();
  #loaded: Loaded | null = null;
  readonly #holders = new Set<StateHolder>();
  #owner: StateHolder | null = null;

  join(holder: StateHolder, line: SnapshotLine, context: TargetContext): Promise<SnapshotState> {
    return this.#turns.run(async () => {
      const origin = originOf(context, line.origin);
      if (holder.isMerge) origin.checkMerge(this.#loaded?.state ?? null);
      this.#loaded ??= await load(holder.use, origin, line, context.sectors);
      const { state, kind } = this.#loaded;
      const isOther = this.#loaded.origin !== origin || (kind === "N") !== (line.kind === "N");
      if (isOther || state.sectors !== context.sectors)
        throw new HoldfastError(
          "busy",
          `${line.cow.id} holds the exceptions of another snapshot; its table must name the same origin, length and kind of store.`,
        );
      this.#holders.add(holder);
      return state;
    });
  }

  /** @throws HoldfastError `busy` */
  async own(holder: StateHolder): Promise<void> {
    const before = this.#owner;
    if (before !== null && before !== holder && !before.isSuspended)
      throw new HoldfastError(
        "busy",
        `The exceptions belong to ${before.name}; suspend it before they are handed over.`,
      );
    const { state, origin } = this.#loaded!;
    if (holder.isMerge) origin.checkMerge(state);
    this.#owner = holder;
    state.useDevices(holder.use);
    await state.idle();
    state.isMerging = holder.isMerge;
    origin.add(state);
  }

  /** Its devices are closed next: what goes on for the origin's sake goes by those of another table. */
  leave(holder: StateHolder): Promise<void> {
    return this.#turns.run(() => this.#leave(holder));
  }

  async #leave(holder: StateHolder): Promise<void> {
    if (!this.#holders.delete(holder)) return;
    const { state, origin } = this.#loaded!;
    if (this.#owner === holder) this.#owner = null;
    const next = this.#owner ?? [...this.#holders][0];
    if (next === undefined) {
      this.#loaded = null;
      origin.remove(state);
    } else state.useDevices(next.use);
    await state.idle();
  }
}

async function load(
  use: SnapshotUse,
  origin: Origin,
  { kind, chunkSectors }: SnapshotLine,
  sectors: number,
): Promise<Loaded> {
  if (kind !== "N") {
    const { store, ...found } = await PersistentStore.load(use.cow, kind === "PO", chunkSectors);
    return { state: new SnapshotState(store, found, sectors, use), origin, kind };
  }
  const store = new TransientStore(use.cow, chunkSectors);
  const found = { isValid: true, exceptions: new Map<number, number>() };
  return { state: new SnapshotState(store, found, sectors, use), origin, kind };
}

export function cowDeviceOf(context: TargetContext, { cow }: SnapshotLine): CowDevice {
  return context.shared(`snapshot COW device ${cow.key}`, () => new CowDevice());
}

export type { CowDevice };
