/** What the targets have in common that have no device under them, and no words. */
import type { Bio } from "../block/bio.ts";
import { WRITABLE_LIMITS } from "../block/device.ts";
import type { Extent } from "../block/device.ts";
import type { Target } from "./target.ts";

export abstract class NoDeviceTarget implements Target {
  readonly limits = WRITABLE_LIMITS;
  readonly splitSectors = 0;
  readonly devices = [];
  readonly #kind: Extent["kind"];

  /** @param kind of all of it */
  constructor(kind: Extent["kind"]) {
    this.#kind = kind;
  }

  abstract submit(bio: Bio): void;

  extents(sector: number, sectors: number): Extent[] {
    return [{ sector, sectors, kind: this.#kind }];
  }

  status(): string {
    return "";
  }

  table(): string {
    return "";
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
