/** How a device takes a bio in: the same first steps for every one of them. */
import { BioFlags } from "./bio.ts";
import type { Bio, BioEnd } from "./bio.ts";
import type { BlockDevice } from "./device.ts";
import type { InFlight } from "./in-flight.ts";
import { refusal } from "./refuse.ts";

/**
 * Ends a bio that the device does not take, and gives null. Any other counts as under way from now on, and the device calls what is
 * given instead of the bio's own `end`.
 */
export function admit(
  device: Pick<BlockDevice, "name" | "sectors" | "limits">,
  inFlight: InFlight,
  bio: Bio,
): BioEnd | null {
  const refused = refusal(device, bio);
  if (refused !== null) {
    bio.end(refused);
    return null;
  }
  inFlight.begin();
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
