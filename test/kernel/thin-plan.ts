/**
 * What is done to the devices of a pool, by chance, with a model of what they hold then: played here by mapped devices, or by the kernel as a script. A
 * plan goes on where another ended.
 */
import type { Prng } from "../../src/base/prng.ts";
import { discard, flush, writeSectors } from "../../src/block/promises.ts";
import { sha256 } from "../support/golden.ts";
import { stampInto, stampedSectors } from "../support/stamp.ts";
import type { ThinRig, ThinUse } from "../support/thin-rig.ts";

export const SEEDS = ["A", "B", "C", "D"] as const;
type Seed = (typeof SEEDS)[number];

type Step =
  | { readonly kind: "create"; readonly id: number }
  | { readonly kind: "snapshot"; readonly id: number; readonly origin: number }
  | { readonly kind: "delete"; readonly id: number }
  | {
      readonly kind: "stamp";
      readonly id: number;
      readonly seed: Seed;
      readonly start: number;
      readonly count: number;
    }
  | {
      readonly kind: "discard";
      readonly id: number;
      readonly start: number;
      readonly count: number;
    }
  | { readonly kind: "reserve" | "release" };

/** By sector: which seed it is stamped with; 0 for zeros. */
type Content = Uint8Array;

export class ThinPlan {
  readonly #prng: Prng;
  readonly #blockSectors: number;
  readonly #sectors: number;
  readonly #content = new Map<number, Content>();
  #nextId = 0;
  #isReserved = false;

  constructor(prng: Prng, blockSectors: number, sectors: number) {
    this.#prng = prng;
    this.#blockSectors = blockSectors;
    this.#sectors = sectors;
  }

  get ids(): number[] {
    return [...this.#content.keys()];
  }

  /** What a device holds, as its sha256. */
  digest(id: number): string {
    const content = this.#content.get(id)!;
    const data = new Uint8Array(this.#sectors * 512);
    for (let start = 0; start < this.#sectors;) {
      let end = start;
      while (end < this.#sectors && content[end] === content[start]) end += 1;
      const seed = SEEDS[content[start]! - 1];
      if (seed !== undefined) stampInto(data.subarray(start * 512, end * 512), seed, start);
      start = end;
    }
    return sha256(data);
  }

  /** So many more steps; the model has made them then. */
  steps(count: number): Step[] {
    return Array.from({ length: count }, () => {
      const step = this.#choose();
      this.#apply(step);
      return step;
    });
  }

  #choose(): Step {
    const prng = this.#prng;
    const { ids } = this;
    const kind = prng.below(20);
    if (ids.length === 0 || (kind < 2 && ids.length < 6))
      return { kind: "create", id: this.#nextId };
    const id = prng.pick(ids);
    if (kind < 6 && ids.length < 8) return { kind: "snapshot", id: this.#nextId, origin: id };
    if (kind < 7 && ids.length > 2) return { kind: "delete", id };
    if (kind < 8) return { kind: this.#isReserved ? "release" : "reserve" };
    const start = prng.below(this.#sectors - 1);
    const count = 1 + prng.below(Math.min(2500, this.#sectors - start - 1));
    // Whole pages: of others the kernel's page cache forgets a part. docs/kernel/dm-thin.md tells of sizes that are no power of two.
    const isPower = (this.#blockSectors & (this.#blockSectors - 1)) === 0;
    if (kind < 11 && isPower)
      return { kind: "discard", id, start: start - (start % 8), count: count - (count % 8) + 8 };
    return { kind: "stamp", id, seed: prng.pick(SEEDS), start, count };
  }

  #apply(step: Step): void {
    const size = this.#blockSectors;
    switch (step.kind) {
      case "create":
        this.#content.set(step.id, new Uint8Array(this.#sectors));
        this.#nextId += 1;
        return;
      case "snapshot":
        this.#content.set(step.id, this.#content.get(step.origin)!.slice());
        this.#nextId += 1;
        return;
      case "delete":
        this.#content.delete(step.id);
        return;
      case "stamp":
        this.#content
          .get(step.id)!
          .fill(SEEDS.indexOf(step.seed) + 1, step.start, step.start + step.count);
        return;
      case "discard": {
        const from = Math.ceil(step.start / size) * size;
        const to = Math.floor((step.start + step.count) / size) * size;
        if (from < to) this.#content.get(step.id)!.fill(0, from, to);
        return;
      }
      case "reserve":
      case "release":
        this.#isReserved = step.kind === "reserve";
    }
  }
}

/** The steps as a script, for a pool `pool` whose devices are t0, t1, ... */
export function shellOf(steps: readonly Step[], sectors: number): string {
  const make = (id: number): string => `mk t${id} "0 ${sectors} thin /dev/mapper/pool ${id}"`;
  const lines = steps.map((step) => {
    switch (step.kind) {
      case "create":
        return `dmsetup message pool 0 create_thin ${step.id}\n${make(step.id)}`;
      case "snapshot":
        return `dmsetup suspend t${step.origin}\ndmsetup message pool 0 create_snap ${step.id} ${step.origin}\ndmsetup resume t${step.origin}\n${make(step.id)}`;
      case "delete":
        return `dmsetup remove t${step.id}\ndmsetup message pool 0 delete ${step.id}`;
      case "stamp":
        return `stamp /dev/mapper/t${step.id} ${step.seed} ${step.start} ${step.count}`;
      case "discard":
        return `blkdiscard -o $((${step.start} * 512)) -l $((${step.count} * 512)) /dev/mapper/t${step.id}`;
      case "reserve":
      case "release":
        return `dmsetup message pool 0 ${step.kind}_metadata_snap`;
    }
  });
  return lines.join("\n");
}

/** The same, here. @param open the devices by number, kept up to date */
export async function playHere(
  steps: readonly Step[],
  rig: ThinRig,
  open: Map<number, ThinUse>,
  blocks: number,
): Promise<void> {
  for (const step of steps) {
    switch (step.kind) {
      case "create":
        open.set(step.id, await rig.newThin(`t${step.id}`, step.id, blocks));
        break;
      case "snapshot": {
        const origin = open.get(step.origin)!;
        open.set(step.id, await rig.snapshot(origin, step.origin, `t${step.id}`, step.id));
        break;
      }
      case "delete": {
        const { use, device } = open.get(step.id)!;
        open.delete(step.id);
        await use.close();
        await rig.world.all.remove(device, { deferred: false });
        await rig.message(`delete ${step.id}`);
        break;
      }
      case "stamp": {
        const { use } = open.get(step.id)!;
        await writeSectors(use, step.start, stampedSectors(step.seed, step.start, step.count));
        await flush(use);
        break;
      }
      case "discard":
        await discard(open.get(step.id)!.use, step.start, step.count);
        break;
      case "reserve":
      case "release":
        await rig.message(`${step.kind}_metadata_snap`);
    }
  }
}
