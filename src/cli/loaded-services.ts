/** The real services, but for those of the process itself (src/bin/run.ts): each module is loaded when it is first needed. */
import type { ParityEngine } from "../parity/engine.ts";
import type { Services } from "./services.ts";

/** One for all volumes, made when the first needs it: a degraded array, or one whose member fails. */
let parityEngine: ParityEngine | undefined;

export const loadedServices: Omit<
  Services,
  "startEngine" | "watchProcess" | "process" | "setLogLevel"
> = {
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
  async files(device) {
    const { openExt4 } = await import("../filesystems/ext4.ts");
    return openExt4(device);
  },
};
