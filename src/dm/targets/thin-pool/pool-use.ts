/**
 * Who uses the pool on a metadata device: tables, all of one mapped device, and the thin devices in it. While there is one the pool stays, and
 * its mapped device can have no other.
 */
import { HoldfastError } from "../../../base/errors.ts";
import { ignore } from "../../../base/nothing.ts";
import type { TargetContext, TargetDevice } from "../../target.ts";
import { Pool } from "../../thin/pool.ts";
import type { PoolBinding } from "../../thin/pool.ts";

/** What a table says of a pool. */
export interface PoolPlace {
  readonly metadata: TargetDevice;
  readonly data: TargetDevice;
  readonly blockSectors: number;
  readonly binding: PoolBinding;
}

/** By mapped device. */
const uses = new WeakMap<object, PoolUse>();

export class PoolUse {
  #opening: Promise<Pool> | null = null;
  #owner: object | null = null;
  #dataKey = "";
  #users = 0;

  /** One user more; who is the first opens it. @throws `busy`, `usage` where it cannot be had like that; `bad-metadata`, `io` */
  static async take(
    context: TargetContext,
    place: PoolPlace,
  ): Promise<{ readonly use: PoolUse; readonly pool: Pool }> {
    const { env, name, owner } = context;
    const use = context.shared(`thin-pool ${place.metadata.key}`, () => new PoolUse());
    const own = uses.get(owner);
    if (own !== undefined && own !== use)
      throw new HoldfastError("usage", "another pool cannot take the place of one.");
    if (use.#opening === null) {
      use.#owner = owner;
      use.#dataKey = place.data.key;
      use.#opening = Pool.open(env, name, place.binding, place.blockSectors);
      uses.set(owner, use);
    }
    use.join();
    try {
      const pool = await use.#opening;
      use.#check(pool, owner, place);
      return { use, pool };
    } catch (error) {
      use.leave();
      throw error;
    }
  }

  #check(pool: Pool, owner: object, { metadata, data, blockSectors, binding }: PoolPlace): void {
    if (this.#owner !== owner || pool.blockSectors !== blockSectors)
      throw new HoldfastError(
        "busy",
        `${metadata.id} has the metadata of ${pool.name}, with blocks of ${pool.blockSectors} sectors.`,
      );
    if (this.#dataKey !== data.key)
      throw new HoldfastError("busy", `${pool.name} has its data on another device.`);
    // Thin devices that are open have told those above what they can do.
    if (pool.features.discards !== binding.features.discards)
      throw new HoldfastError(
        "usage",
        `${pool.name} is in use; whether it discards (ignore_discard) cannot change now.`,
      );
  }

  join(): void {
    this.#users += 1;
  }

  leave(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    void this.#opening?.then((pool) => pool.close(), ignore);
    this.#opening = null;
    if (this.#owner !== null) uses.delete(this.#owner);
    this.#owner = null;
  }
}
