/** The real Env: this machine's clock, files, sockets and stderr. */
import type { Env, Log, LogLevel } from "../env.ts";
import { nodeClock, nodeRandom, nodeTimers } from "./clock.ts";
import { nodeFiles } from "./files.ts";
import { stderrLog } from "./log.ts";
import { nodeSockets } from "./sockets.ts";

export interface NodeEnvOptions {
  /** Lines below it are not written; "warning" by default. */
  readonly logLevel?: LogLevel;
  /** Instead of stderr. */
  readonly log?: Log;
}

export function nodeEnv(options: NodeEnvOptions = {}): Env {
  return {
    clock: nodeClock,
    timers: nodeTimers,
    random: nodeRandom,
    files: nodeFiles,
    sockets: nodeSockets,
    log: options.log ?? stderrLog(options.logLevel ?? "warning"),
  };
}
