/** The thread of an engine that runs arrays as well: the daemon. A file of its own, so that `holdfast open` starts no slower for it. */
import { openDevice } from "../devices/open.ts";
import { sharingOpen } from "../devices/shared.ts";
import { makeHost } from "../host/make-host.ts";
import { runEngineThread } from "./engine-thread.ts";

/** The kernel's: dev.raid.speed_limit_min and _max. */
const SYSTEM_LIMITS = { minKiBps: 1000, maxKiBps: 200_000 };

void runEngineThread({
  makeHost: (env, parity) =>
    makeHost(env, {
      parity,
      openDevice: sharingOpen(openDevice),
      systemLimits: SYSTEM_LIMITS,
    }),
});
