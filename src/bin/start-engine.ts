/** Starts an engine in a thread of its own. */
import { Worker } from "node:worker_threads";
import { HoldfastError } from "../base/errors.ts";
import type { RunningEngine } from "../engine/engine.ts";
import { RemoteEngine } from "../engine/remote-engine.ts";
import type { EnginePort } from "../engine/remote-engine.ts";
import type { EngineMessage } from "../engine/messages.ts";
import type { Log } from "../env/env.ts";

/**
 * @param script what the thread runs: dist/engine-worker.cjs
 * @param log takes what the engine logs
 * @throws HoldfastError `unsupported` when the system gives no thread
 */
export function startEngine(script: URL, log: Log): RunningEngine {
  let worker: Worker;
  try {
    worker = new Worker(script, { name: "engine" });
  } catch (error) {
    throw noThread(error);
  }
  return new RemoteEngine(portTo(worker), log);
}

function portTo(worker: Worker): EnginePort {
  return {
    send: (request) => worker.postMessage(request),
    start(received, gone) {
      let failure: Error | null = null;
      worker.on("message", (message: EngineMessage) => received(message));
      worker.on("error", (error) => {
        failure = explained(error);
      });
      // Always the last event, after "error" too.
      worker.on("exit", (code) => gone(failure ?? endedBy(code)));
    },
  };
}

/** What a thread dies of, as a sentence; a mistake of ours as it is. */
function explained(error: Error): Error {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ERR_WORKER_INIT_FAILED":
      return noThread(error);
    case "ERR_WORKER_OUT_OF_MEMORY":
      return new HoldfastError(
        "no-space",
        "The engine ran out of memory and has ended: clients were cut off, and no disk was written to; NODE_OPTIONS=--max-old-space-size=MIB gives it more.",
        { cause: error },
      );
    default:
      return error;
  }
}

function endedBy(code: number): Error | null {
  if (code === 0) return null;
  return new HoldfastError(
    "io",
    `The engine's thread has ended by itself with exit code ${code}: clients were cut off, and no disk was written to.`,
  );
}

function noThread(error: unknown): HoldfastError {
  const why = error instanceof Error ? error.message : String(error);
  return new HoldfastError(
    "unsupported",
    `No thread can be started to serve from: ${why}; a limit on processes, threads or memory (ulimit -u, -v) may be too low.`,
    { cause: error },
  );
}
