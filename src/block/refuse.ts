/** What every device says of a bio that it does not take. Devices ask `refusal` first and end the bio with it. */
import { unreachable } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Bio } from "./bio.ts";
import type { BlockDevice } from "./device.ts";

export function readOnlyError(name: string): HoldfastError {
  return new HoldfastError("read-only", `${name} is open read-only; open it for writing first.`);
}

/** Null for a bio that lies inside the device and that its limits allow. */
export function refusal(
  device: Pick<BlockDevice, "name" | "sectors" | "limits">,
  bio: Bio,
): HoldfastError | null {
  const end = bio.sector + bio.sectors;
  if (!(bio.sector >= 0 && bio.sectors >= 0 && end <= device.sectors)) {
    const range = `sectors ${bio.sector} to ${end}`;
    return new HoldfastError(
      "usage",
      `${range} are not inside ${device.name}, which has ${device.sectors} sectors.`,
    );
  }
  switch (bio.op) {
    case "read":
    case "flush":
      return null;
    case "write":
      return device.limits.readOnly ? readOnlyError(device.name) : null;
    case "discard":
      if (device.limits.readOnly) return readOnlyError(device.name);
      return device.limits.discard
        ? null
        : new HoldfastError("unsupported", `${device.name} cannot discard.`);
    case "write-zeroes":
      if (device.limits.readOnly) return readOnlyError(device.name);
      return device.limits.writeZeroes
        ? null
        : new HoldfastError("unsupported", `${device.name} has no write-zeroes; write zeros.`);
    default:
      return unreachable(bio.op);
  }
}
