/** How a device takes a bio in: the same first steps for every one of them. */
import { BioFlags } from "./bio.ts";
import type { Bio, BioEnd } from "./bio.ts";
import type { BlockDevice } from "./device.ts";
import type { InFlight } from "./in-flight.ts";
import { refusal } from "./refuse.ts";

/**
 * False for a bio that the device does not take, which has ended then. Any other counts as under way from now on: when it is done the
 * device calls `inFlight.end`, then the bio's `end`.
 */
export function isAdmitted(
  device: Pick<BlockDevice, "name" | "sectors" | "limits">,
  inFlight: InFlight,
  bio: Bio,
): boolean {
  const refused = refusal(device, bio);
  if (refused === null) {
    inFlight.begin();
    return true;
  }
  bio.end(refused);
  return false;
}

/**
 * The same for what need not be fast. Ends a bio that the device does not take, and gives null. Any other counts as under way from now on, and the device calls what is
 * given instead of the bio's own `end`.
 */
export function admit(
  device: Pick<BlockDevice, "name" | "sectors" | "limits">,
  inFlight: InFlight,
  bio: Bio,
): BioEnd | null {
  if (!isAdmitted(device, inFlight, bio)) return null;
  return (error) => {
    inFlight.end();
    bio.end(error);
  };
}

/** Runs a bio, after a flush of the device if the bio wants one; a flush that fails ends it. */
export function afterPreflush(
  bio: Bio,
  end: BioEnd,
  flush: (flushed: BioEnd) => void,
  run: () => void,
): void {
  if ((bio.flags & BioFlags.preflush) === 0) run();
  else flush((error) => (error === null ? run() : end(error)));
}
