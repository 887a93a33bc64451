/** The thread of serve.mjs: opens a file or a mapped device, and serves it until it gets a message. */
import { parseArgs } from "node:util";
import { parentPort, workerData } from "node:worker_threads";
import { createArena } from "../src/base/arena.ts";
import { chooseBackend } from "../src/bin/backend.ts";
import type { BlockDevice } from "../src/block/device.ts";
import { openDevice } from "../src/devices/open.ts";
import type { Env } from "../src/env/env.ts";
import { nodeEnv } from "../src/env/node/env.ts";
import { startNbdServer } from "../src/nbd/server.ts";
import { plainEngine } from "../src/parity/engine.ts";
import { openMappedVolumes } from "../src/volume/mapped.ts";

const ARENA_BYTES = 64 * 1024 * 1024;

interface Opened {
  readonly device: BlockDevice;
  close(): Promise<void>;
}

async function open(env: Env, readOnly: boolean, args: string[]): Promise<Opened> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { concise: { type: "string" }, volume: { type: "string" } },
  });
  const { concise, volume = "" } = values;
  if (concise === undefined) {
    const device = await openDevice(env, positionals[0] ?? "", { readOnly });
    return { device, close: () => device.close() };
  }
  const parityEngine = () => plainEngine;
  const opened = await openMappedVolumes(env, { concise, volume, readOnly, parityEngine });
  return { device: opened.volumes[0]!.device, close: () => opened.close() };
}

async function serve([access, path = "", ...rest]: readonly string[]): Promise<void> {
  const backend = await chooseBackend(nodeEnv());
  const opened = await open(backend.env, access !== "rw", rest);
  const server = await startNbdServer(backend.env, {
    listen: { kind: "unix", path },
    exports: [{ name: "bench", description: "", device: opened.device }],
    arena: createArena(ARENA_BYTES),
  });
  parentPort!.once("message", () => void stop());
  const stop = async (): Promise<void> => {
    await server.stop();
    await opened.close();
    await backend.stop();
    parentPort!.close();
  };
}

void serve(workerData as readonly string[]);
