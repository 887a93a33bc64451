/** What bin/holdfast.ts loads once there is something to do: the real Env and the command line on top of it. */
import { createRequire } from "node:module";
import { VERSION } from "../base/version.ts";
import { loadedServices } from "../cli/loaded-services.ts";
import { runCli } from "../cli/main.ts";
import type { Services } from "../cli/services.ts";
import { nodeTerminal } from "../cli/terminal-node.ts";
import type { RunningEngine } from "../engine/engine.ts";
import type { Log } from "../env/env.ts";
import { nodeEnv } from "../env/node/env.ts";
// Loaded from the start: when it is needed, nothing may load any more.
import { exitNow } from "./exit-now.ts";

/** Lies beside this file once both are built. */
const ENGINE_SCRIPT = new URL("engine-worker.cjs", import.meta.url);

/** Runs one command line (without the program's name); resolves to the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const env = nodeEnv();
  // Its thread starts while the rest is loaded here: nobody waits for it then.
  const early = needsEngine(args) ? startEarly(env.log) : null;
  // The command hears of a failure when it asks for the engine.
  early?.catch(() => {});
  const services: Services = {
    ...loadedServices,
    startEngine: () => early ?? Promise.reject(new Error("this verb has no engine")),
    async watchProcess() {
      const { watchProcess } = await import("./watch-process.ts");
      return watchProcess();
    },
  };
  try {
    return await runCli(args, { env, terminal: nodeTerminal(exitNow), services });
  } finally {
    // Where the command line was wrong nobody took it over. Whoever did knows how the stop went.
    await early?.then((engine) => engine.stop()).catch(() => {});
  }
}

function needsEngine([verb, ...words]: readonly string[]): boolean {
  return verb === "open" && !words.includes("--help") && !words.includes("-h");
}

async function startEarly(log: Log): Promise<RunningEngine> {
  const { startEngine } = await import("./start-engine.ts");
  return startEngine(ENGINE_SCRIPT, log);
}

/** The text of `holdfast --version --verbose`. */
export async function verboseVersion(): Promise<string> {
  const koffi = koffiVersion();
  const { chooseBackend } = await import("./backend.ts");
  const backend = await chooseBackend(nodeEnv());
  await backend.stop();
  return [
    `holdfast ${VERSION}`,
    `node     ${process.versions.node}`,
    `platform ${process.platform} ${process.arch}`,
    `koffi    ${koffi ?? "not there: sparse files are read in full, and holes are not punched"}`,
    `backend  ${backend.name}`,
    "",
  ].join("\n");
}

/** Koffi is an optional dependency with a binary for each platform: it may be there and still not load. */
function koffiVersion(): string | null {
  try {
    const require = createRequire(import.meta.url);
    const koffi = require("koffi") as { readonly version: string };
    return koffi.version;
  } catch {
    return null;
  }
}
