/** The real services: each module is loaded when it is first needed. */
import type { ParityEngine } from "../parity/engine.ts";
import type { Services } from "./services.ts";

/** An overlay in memory takes so much and no more; a folder takes what its file system has. */
const OVERLAY_MEMORY_BYTES = 1024 * 1024 * 1024;

/** One for all volumes, made when the first needs it: a degraded array, or one whose member fails. */
let parityEngine: ParityEngine | undefined;

export const loadedServices: Services = {
  async scan(env, paths) {
    const { scanPaths } = await import("../volume/scan.ts");
    return scanPaths(env, paths);
  },
  async examine(env, paths) {
    const { examinePaths } = await import("../volume/examine.ts");
    return examinePaths(env, paths);
  },
  async explain(env, paths) {
    const { explainPaths } = await import("../volume/explain.ts");
    return explainPaths(env, paths);
  },
  async open(env, request) {
    const { openVolumes } = await import("../volume/open.ts");
    const { createParityEngine } = await import("../parity/engine.ts");
    return openVolumes(env, request, () => (parityEngine ??= createParityEngine()));
  },
  arena: () => parityEngine?.arena ?? null,
  async overlay(env, device, folder) {
    const { openOverlay } = await import("../devices/overlay.ts");
    const choice =
      folder === null
        ? ({ kind: "memory", limitBytes: OVERLAY_MEMORY_BYTES } as const)
        : ({ kind: "folder", folder } as const);
    return openOverlay(env, device, choice);
  },
  async serve(env, options) {
    const { startNbdServer } = await import("../nbd/server.ts");
    return startNbdServer(env, options);
  },
  async files(device) {
    const { openExt4 } = await import("../filesystems/ext4.ts");
    return openExt4(device);
  },
};
