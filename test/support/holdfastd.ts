/** `holdfastd` as a process of its own, for tests and for scripts. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { build } from "../../scripts/build.mjs";
import { connect } from "../../src/api/client.ts";
import type { ApiClient } from "../../src/api/client.ts";
import { nodeEnv } from "../../src/env/node/env.ts";

const HOLDFASTD = fileURLToPath(new URL("../../bin/holdfastd", import.meta.url));

export interface DaemonReady {
  readonly event: "ready";
  readonly socket: string;
  readonly exports: readonly { readonly name: string; readonly uris: readonly string[] }[];
  readonly problems: readonly string[];
}

export interface DaemonEnd {
  /** The exit code, or the signal that ended it. */
  readonly how: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface DaemonProcess {
  readonly child: ChildProcess;
  /** Null when it ended before it was ready. */
  readonly ready: DaemonReady | null;
  readonly ended: Promise<DaemonEnd>;
  end(signal: NodeJS.Signals): Promise<DaemonEnd>;
  client(): Promise<ApiClient>;
}

/** @param started told before it is ready */
export async function launchHoldfastd(
  args: readonly string[],
  variables: NodeJS.ProcessEnv = {},
  started: (child: ChildProcess) => void = () => {},
): Promise<DaemonProcess> {
  await build();
  const child = spawn(HOLDFASTD, ["--json", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOLDFAST_SOCKET: "", ...variables },
  });
  started(child);
  let stdout = "";
  let stderr = "";
  let told: (line: string) => void;
  const firstLine = new Promise<string>((resolve) => (told = resolve));
  child.stdout.on("data", (data: Buffer) => {
    stdout += data.toString();
    if (stdout.includes("\n")) told(stdout.split("\n")[0]!);
  });
  child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
  const ended = new Promise<DaemonEnd>((resolve) =>
    child.on("close", (code, signal) =>
      resolve({ how: code ?? signal ?? "nothing", stdout, stderr }),
    ),
  );
  const line = await Promise.race([firstLine, ended.then(() => null)]);
  const ready = line === null ? null : (JSON.parse(line) as DaemonReady);
  return {
    child,
    ready,
    ended,
    end(signal) {
      child.kill(signal);
      return ended;
    },
    client: () => connect(nodeEnv(), ready!.socket),
  };
}
