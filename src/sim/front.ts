/** The array as its clients have it: each of their bios is ended once, or the run is broken. */
import { assert } from "../base/assert.ts";
import type { HoldfastError } from "../base/errors.ts";
import { Bio } from "../block/bio.ts";
import type { BlockDevice } from "../block/device.ts";
import { standIn } from "./stand-in.ts";

export function endingOnce(device: BlockDevice): BlockDevice {
  return standIn(device, {
    submit: ({ op, sector, sectors, data, flags, end }) => {
      let hasEnded = false;
      const ended = (error: HoldfastError | null): void => {
        assert(!hasEnded, `a ${op} of ${device.name} ends once`);
        hasEnded = true;
        end(error);
      };
      device.submit(new Bio(op, sector, sectors, data, flags, ended));
    },
  });
}
