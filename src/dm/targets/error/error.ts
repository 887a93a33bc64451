/** error: every read and write fails. Words are not looked at, and `table` has none, as in the kernel. */
import { HoldfastError } from "../../../base/errors.ts";
import { WRITABLE_LIMITS } from "../../../block/device.ts";
import type { Bio } from "../../../block/bio.ts";
import type { Extent } from "../../../block/device.ts";
import type { Target, TargetType } from "../../target.ts";

class ErrorTarget implements Target {
  readonly limits = WRITABLE_LIMITS;
  readonly splitSectors = 0;
  readonly devices = [];
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** A flush goes to devices, and there are none. */
  submit(bio: Bio): void {
    if (bio.op === "flush") {
      bio.end(null);
      return;
    }
    bio.end(
      new HoldfastError(
        "io",
        `${this.#name}: the table has an error target there, which fails every ${bio.op}.`,
      ),
    );
  }

  extents(sector: number, sectors: number): Extent[] {
    return [{ sector, sectors, kind: "data" }];
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

export const ERROR: TargetType = {
  name: "error",
  version: [1, 5, 0],
  isSingleton: false,
  construct: ({ name }) => Promise.resolve(new ErrorTarget(name)),
};
