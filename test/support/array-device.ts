/**
 * The plainest BlockDevice there is, on one byte array: what other devices are compared with and what layers are
 * tested over. With `held`, bios wait in `pending` until the test completes them in an order of its choice; a bio takes
 * effect when it is completed, so a layer that does not keep order itself is found out.
 */
import type { HoldfastError } from "../../src/base/errors.ts";
import { Bio } from "../../src/block/bio.ts";
import { WRITABLE_LIMITS } from "../../src/block/device.ts";
import type { BlockDevice, BlockLimits, Extent } from "../../src/block/device.ts";
import { refusal } from "../../src/block/refuse.ts";

export class ArrayDevice implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits;
  readonly bytes: Uint8Array;
  /** What was submitted, in order: copies, since a bio may be used again once it has ended. */
  readonly seen: Bio[] = [];
  readonly pending: Bio[] = [];
  held = false;
  /** Gives an error for a bio that is to fail. */
  fault: (bio: Bio) => HoldfastError | null = () => null;
  closed = false;

  constructor(sectors: number, limits: Partial<BlockLimits> = {}, name = "array") {
    this.name = name;
    this.sectors = sectors;
    this.bytes = new Uint8Array(sectors * 512);
    this.limits = { ...WRITABLE_LIMITS, ...limits };
  }

  submit(bio: Bio): void {
    this.seen.push(new Bio(bio.op, bio.sector, bio.sectors, bio.data, bio.flags, bio.end));
    if (this.held) this.pending.push(bio);
    else this.#complete(bio);
  }

  /** Completes the pending bio at `index`. */
  finish(index = 0): void {
    const [bio] = this.pending.splice(index, 1);
    if (bio !== undefined) this.#complete(bio);
  }

  #complete(bio: Bio): void {
    bio.end(this.fault(bio) ?? refusal(this, bio) ?? this.#apply(bio));
  }

  #apply(bio: Bio): HoldfastError | null {
    const from = bio.sector * 512;
    const to = from + bio.sectors * 512;
    if (bio.op === "read") {
      bio.data.set(this.bytes.subarray(from, to));
      return null;
    }
    if (bio.op === "flush") return null;
    if (bio.op === "write") this.bytes.set(bio.data, from);
    else this.bytes.fill(0, from, to);
    return null;
  }

  extents(sector: number, sectors: number): Extent[] {
    return [{ sector, sectors, kind: "data" }];
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}
