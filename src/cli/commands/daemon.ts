/**
 * `holdfast daemon`, also called as `holdfastd`: runs arrays until it is told to stop.
 *
 *   read the configuration -> start (src/daemon/daemon.ts) -> say so -> wait for SIGINT, SIGTERM or SIGHUP -> stop in order
 *
 * A second signal ends the process at once, which to the arrays is a power cut.
 */
import { resolve } from "node:path";
import type { Daemon } from "../../daemon/daemon.ts";
import type { RunningEngine } from "../../engine/engine.ts";
import type { NbdListen } from "../../nbd/server.ts";
import { controlSocket, defaultStateFolder } from "../../api/socket-place.ts";
import type { DaemonConfig } from "../../daemon/config-file.ts";
import type { Command, CommandContext, ParsedArguments } from "../command.ts";
import { EXIT_DONE } from "../exit-codes.ts";
import { Interruption } from "../interruption.ts";
import { HoldfastError } from "../../base/errors.ts";
import { certificateSettings, keySettings } from "../tls.ts";
import { surroundings } from "./client.ts";

async function tcpPlaces({ env }: CommandContext, { nbd }: DaemonConfig): Promise<NbdListen[]> {
  if (nbd?.tcp === undefined) return [];
  const { host, port, tls } = nbd.tcp;
  const listen = { kind: "tcp", host, port } as const;
  if (tls === undefined) return [{ listen }];
  const { certificates, psk, required } = tls;
  if ((certificates === undefined) === (psk === undefined))
    throw new HoldfastError(
      "usage",
      "nbd.tcp.tls of the configuration needs either certificates or psk.",
    );
  const settings =
    certificates === undefined
      ? await keySettings(env, psk!)
      : await certificateSettings(env, certificates);
  return [{ listen, tls: { mode: required ? "require" : "on", settings } }];
}

async function start(
  context: CommandContext,
  args: ParsedArguments,
  engine: RunningEngine,
  signal: Interruption,
): Promise<Daemon> {
  const { env, services } = context;
  const { loadConfig } = await import("../../daemon/config-file.ts");
  const { startDaemon } = await import("../../daemon/daemon.ts");
  const config = await loadConfig(env, args.value("config"));
  services.setLogLevel(config.logLevel);
  const around = surroundings(context);
  const { uid, processId, folder } = services.process;
  const absolute = (path: string): string => resolve(folder, path);
  const stateFolder = args.value("state") ?? config.state;
  const socket = args.value("socket") ?? config.socket;
  const daemon = await startDaemon(env, engine, {
    // Clients may be in other folders.
    stateFolder: absolute(stateFolder ?? defaultStateFolder(around)),
    socketPath: absolute(controlSocket(around, { socket, stateFolder })),
    nbdPlaces: await tcpPlaces(context, config),
    allowedUids: config.allowedUids,
    uid,
    processId,
  });
  signal.leftovers = [daemon.socketPath, daemon.nbdSocketPath];
  return daemon;
}

async function tellReady(
  { output }: CommandContext,
  args: ParsedArguments,
  engine: RunningEngine,
  { socketPath, problems }: Daemon,
): Promise<void> {
  const exports = await engine.arrayExports();
  if (args.has("json")) {
    await output.jsonLine({ event: "ready", socket: socketPath, exports, problems });
    return;
  }
  await output.lines([
    `listening on ${socketPath}`,
    ...exports.flatMap(({ uris }) => uris).map((uri) => `serving ${uri}`),
  ]);
}

export const command: Command = {
  meta: {
    name: "daemon",
    summary: "run arrays in the background, serve them over NBD, take commands on a socket",
    description: [
      "Runs arrays read-write: resyncs, rebuilds and checks them, and serves each as an NBD export of its name on nbd.sock in the state folder. 'holdfast mdstat', 'holdfast sysfs' and other programs talk to it over its control socket (docs/daemon.md).",
      "What runs is kept in the state folder: a daemon that is started again assembles the same arrays and serves them again. SIGTERM and Ctrl-C stop all arrays in order, so that they are clean.",
      "The state folder is $XDG_STATE_HOME/holdfast (~/.local/state/holdfast), for root /var/lib/holdfast. Only one daemon can use it, and only one program can write to a disk.",
    ],
    arguments: [],
    options: [
      {
        long: "config",
        value: { name: "FILE", completes: "files" },
        text: "a configuration in JSON (docs/daemon.md)",
      },
      {
        long: "state",
        value: { name: "DIR", completes: "folders" },
        text: "the state folder; it is made if it is missing",
      },
      {
        long: "socket",
        value: { name: "PATH", completes: "files" },
        text: "the control socket; else $HOLDFAST_SOCKET, else control.sock in the state folder",
      },
      {
        long: "json",
        text: "print a line of JSON once it is ready, and one at the end (docs/json.md)",
      },
    ],
    examples: [
      { command: "holdfast daemon", text: "Run the arrays that ran last time." },
      {
        command: "holdfast daemon --state ./lab",
        text: "A daemon of its own, with everything it keeps in ./lab.",
      },
    ],
  },
  async run(context, args) {
    const signal = new Interruption(context);
    try {
      const engine = await context.services.startEngine();
      let daemon: Daemon | null = null;
      try {
        daemon = await start(context, args, engine, signal);
        await tellReady(context, args, engine, daemon);
        const death = await Promise.race([signal.happened, engine.died]);
        if (death !== undefined) throw death;
      } finally {
        await (daemon ?? engine).stop();
      }
      if (args.has("json")) await context.output.jsonLine({ event: "stopped" });
    } finally {
      signal.forget();
    }
    return EXIT_DONE;
  },
};
