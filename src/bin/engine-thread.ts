/**
 * What an engine's thread runs: a backend, an engine on it, and answers to the main thread until it is told to stop. Then the
 * thread ends by itself, since nothing is left open: it is never terminated (docs/decisions/0009-engine-thread.md).
 */
import { parentPort } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import { hostEngine } from "../engine/engine-host.ts";
import { LocalEngine } from "../engine/local-engine.ts";
import type { LocalEngineOptions } from "../engine/local-engine.ts";
import type { EngineMessage } from "../engine/messages.ts";
import type { Log } from "../env/env.ts";
import { nodeEnv } from "../env/node/env.ts";
import { watchLoopDelay } from "../env/node/loop-delay.ts";
import { chooseBackend } from "./backend.ts";

export async function runEngineThread(
  parts: Pick<LocalEngineOptions, "makeHost"> = {},
): Promise<void> {
  const way = parentPort;
  assert(way !== null, "this is a thread of holdfast");
  const send = (message: EngineMessage): void => way.postMessage(message);
  const log: Log = {
    write: (level, message) => send({ kind: "log", level, message }),
  };
  const backend = chooseBackend(nodeEnv({ log }));
  await hostEngine(
    { send, receive: (handler) => void way.on("message", handler) },
    backend.then(
      ({ env, name }) =>
        new LocalEngine(env, { backend: name, loopDelays: watchLoopDelay(), ...parts }),
    ),
  );
  await backend.then(
    (chosen) => chosen.stop(),
    // Why there is none was the answer to each request.
    () => {},
  );
  way.close();
}
