/** What bin/holdfast.ts loads once there is something to do: the real Env and the command line on top of it. */
import { createRequire } from "node:module";
import { VERSION } from "../base/version.ts";
import { loadedServices } from "../cli/loaded-services.ts";
import { runCli, tellFailure } from "../cli/main.ts";
import { Output } from "../cli/output.ts";
import { nodeTerminal } from "../cli/terminal-node.ts";
import { nodeEnv } from "../env/node/env.ts";
import { chooseBackend } from "./backend.ts";
import type { Backend } from "./backend.ts";

/** Runs one command line (without the program's name); resolves to the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const terminal = nodeTerminal();
  const base = nodeEnv();
  if (args[0] !== "open") return runCli(args, { env: base, terminal, services: loadedServices });
  let backend: Backend;
  try {
    backend = await chooseBackend(base);
  } catch (thrown) {
    return tellFailure(thrown, new Output(terminal));
  }
  try {
    return await runCli(args, { env: backend.env, terminal, services: loadedServices });
  } finally {
    await backend.stop();
  }
}

/** The text of `holdfast --version --verbose`. */
export async function verboseVersion(): Promise<string> {
  const koffi = koffiVersion();
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
