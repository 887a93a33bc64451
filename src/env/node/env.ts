/** The real Env: this machine's clock, files, sockets and stderr. */
import type { Env, Log, LogLevel } from "../env.ts";
import type { LocalHttp } from "../http.ts";
import { nodeClock, nodeRandom, nodeTimers } from "./clock.ts";
import { nodeFiles } from "./files.ts";
import { stderrLog } from "./log.ts";
import { nodeSockets } from "./sockets.ts";

/** Loaded when it is used: most verbs do without. */
const http: LocalHttp = {
  serve: async (...given) => (await import("./http.ts")).nodeHttp.serve(...given),
  request: async (...given) => (await import("./http.ts")).nodeHttp.request(...given),
};

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
    http,
    log: options.log ?? stderrLog(options.logLevel ?? "warning"),
  };
}
