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
import { stderrLog } from "../env/node/log.ts";
// Loaded from the start: when it is needed, nothing may load any more.
import { exitNow } from "./exit-now.ts";

/** What the engine's thread runs, by verb. These lie beside this file once all are built. */
const ENGINE_SCRIPTS: ReadonlyMap<string | undefined, URL> = new Map([
  ["open", new URL("engine-worker.cjs", import.meta.url)],
  ["daemon", new URL("array-engine-worker.cjs", import.meta.url)],
]);

/** Runs one command line (without the program's name); resolves to the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const log = stderrLog("warning");
  const env = nodeEnv({ log });
  // Its thread starts while the rest is loaded here: nobody waits for it then.
  const script = engineScript(args);
  const early = script === undefined ? null : startEarly(script, log);
  // The command hears of a failure when it asks for the engine.
  early?.catch(() => {});
  const services: Services = {
    ...loadedServices,
    process: { uid: process.getuid?.() ?? null, processId: process.pid, folder: process.cwd() },
    setLogLevel: (level) => log.setLevel(level),
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

function engineScript([verb, ...words]: readonly string[]): URL | undefined {
  const wantsHelp = words.includes("--help") || words.includes("-h");
  return wantsHelp ? undefined : ENGINE_SCRIPTS.get(verb);
}

async function startEarly(script: URL, log: Log): Promise<RunningEngine> {
  const { startEngine } = await import("./start-engine.ts");
  return startEngine(script, log);
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
