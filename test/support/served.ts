/** `bin/holdfast open` as a process of its own, for outside clients. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { build } from "../../scripts/build.mjs";

export const HOLDFAST = fileURLToPath(new URL("../../bin/holdfast", import.meta.url));

/** What HOLDFAST_BACKEND says; "best" leaves the choice to the program. */
export type Backend = "best" | "node";

export interface Served {
  /** By volume name. */
  readonly uris: ReadonlyMap<string, string>;
  /** The one URI. */
  readonly uri: string;
  /** Ends the server with a signal; resolves to its exit code, or the signal's name if that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
}

interface Ready {
  readonly event: string;
  readonly volumes: readonly { readonly name: string; readonly uri: string }[];
}

function ended(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.on("exit", (code, signal) => resolve(code ?? signal ?? "nothing"));
  });
}

/** The first line of standard output; fails with what stands on standard error when the process ends before it. */
function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = "";
    let errors = "";
    child.stderr?.on("data", (data: Buffer) => (errors += data.toString()));
    child.stdout?.on("data", (data: Buffer) => {
      out += data.toString();
      const end = out.indexOf("\n");
      if (end >= 0) resolve(out.slice(0, end));
    });
    child.on("exit", (code) => reject(new Error(`holdfast open ended with ${code}: ${errors}`)));
  });
}

/** Starts `holdfast open` with these arguments, resolves when it is ready. */
export async function serve(args: readonly string[], backend: Backend = "best"): Promise<Served> {
  await build();
  const child = spawn(HOLDFAST, ["open", "--json", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: backend === "best" ? process.env : { ...process.env, HOLDFAST_BACKEND: backend },
  });
  const exit = ended(child);
  const ready = JSON.parse(await firstLine(child)) as Ready;
  const uris = new Map(ready.volumes.map(({ name, uri }) => [name, uri]));
  return {
    uris,
    uri: ready.volumes[0]?.uri ?? "",
    stop: (signal = "SIGTERM") => {
      child.kill(signal);
      return exit;
    },
  };
}

/** Serves while `use` runs, then stops it in order and checks that it ended well. */
export async function whileServed(
  args: readonly string[],
  backend: Backend,
  use: (uri: string) => Promise<void>,
): Promise<void> {
  const served = await serve(args, backend);
  let code: number | string = "nothing";
  try {
    await use(served.uri);
  } finally {
    code = await served.stop();
  }
  if (code !== 0) throw new Error(`holdfast open ended with ${code}`);
}
