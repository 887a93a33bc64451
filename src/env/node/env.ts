/** The real Env: this machine's clock, files, sockets and stderr. */
import type { Env, Log, LogLevel } from "../env.ts";
import type { Sockets } from "../sockets.ts";
import { nodeClock, nodeRandom, nodeTimers } from "./clock.ts";
import { nodeFiles } from "./files.ts";
import { stderrLog } from "./log.ts";

/** Loaded on first use: most commands never touch the network. */
async function loadSockets(): Promise<Sockets> {
  return (await import("./sockets.ts")).nodeSockets;
}

const lazySockets: Sockets = {
  listen: async (address, accept) => (await loadSockets()).listen(address, accept),
  connect: async (address) => (await loadSockets()).connect(address),
  checkTls: async (settings) => (await loadSockets()).checkTls(settings),
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
    sockets: lazySockets,
    log: options.log ?? stderrLog(options.logLevel ?? "warning"),
  };
}
