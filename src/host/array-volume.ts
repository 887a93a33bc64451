/**
 * The volume of an array, for those who serve it: the same device for as long as the array is there, whatever is changed about it.
 *
 * While the array is exchanged (a bitmap is added, it grows), requests wait here. They are no more than what clients have under way.
 */
import { HoldfastError } from "../base/errors.ts";
import { ignore } from "../base/nothing.ts";
import type { Bio } from "../block/bio.ts";
import { READ_ONLY_LIMITS } from "../block/device.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";

type State =
  | { readonly kind: "open"; readonly array: BlockDevice }
  | { readonly kind: "held"; readonly waiting: Bio[] }
  | { readonly kind: "gone" };

export class ArrayVolume implements BlockDevice {
  readonly name: string;
  #state: State;
  #sectors: number;
  #limits: BlockLimits;

  constructor(name: string, array: BlockDevice) {
    this.name = name;
    this.#state = { kind: "open", array };
    this.#sectors = array.sectors;
    this.#limits = array.limits;
  }

  get sectors(): number {
    return this.#state.kind === "open" ? this.#state.array.sectors : this.#sectors;
  }

  get limits(): BlockLimits {
    if (this.#state.kind === "open") return this.#state.array.limits;
    return this.#state.kind === "held" ? this.#limits : READ_ONLY_LIMITS;
  }

  submit(bio: Bio): void {
    const state = this.#state;
    if (state.kind === "open") state.array.submit(bio);
    else if (state.kind === "held") state.waiting.push(bio);
    else bio.end(new HoldfastError("shutdown", `${this.name} is stopped`));
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const state = this.#state;
    if (state.kind === "open") return state.array.extents(sector, sectors, maxExtents);
    return [{ sector, sectors, kind: "data" }];
  }

  /** What comes from now on waits for `resume`. */
  hold(): void {
    if (this.#state.kind !== "open") return;
    const { sectors, limits } = this.#state.array;
    this.#sectors = sectors;
    this.#limits = limits;
    this.#state = { kind: "held", waiting: [] };
  }

  resume(array: BlockDevice): void {
    const state = this.#state;
    this.#state = { kind: "open", array };
    if (state.kind === "held") for (const bio of state.waiting) array.submit(bio);
  }

  /** The array is no more: whoever waits or comes is told so. */
  end(): void {
    const state = this.#state;
    this.#state = { kind: "gone" };
    const why = new HoldfastError("shutdown", `${this.name} is stopped`);
    if (state.kind === "held") for (const bio of state.waiting) bio.end(why);
  }

  /** The array is the host's to close. */
  async close(): Promise<void> {
    await Promise.resolve().then(ignore);
  }
}
