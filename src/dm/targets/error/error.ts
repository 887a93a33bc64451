/** error: every read and write fails. Words are not looked at, and `table` has none, as in the kernel. */
import { HoldfastError } from "../../../base/errors.ts";
import type { Bio } from "../../../block/bio.ts";
import { NoDeviceTarget } from "../../no-device-target.ts";
import type { TargetType } from "../../target.ts";

class ErrorTarget extends NoDeviceTarget {
  readonly #name: string;

  constructor(name: string) {
    super("data");
    this.#name = name;
  }

  /** A flush goes to devices, and there are none. */
  override submit(bio: Bio): void {
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
}

export const ERROR: TargetType = {
  name: "error",
  version: [1, 5, 0],
  isSingleton: false,
  construct: ({ name }) => Promise.resolve(new ErrorTarget(name)),
};
