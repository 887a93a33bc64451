/**
 * The daemon: owns an engine whose arrays and mapped devices it starts again, serves over NBD, and has administered over the control socket.
 *
 *   start  1 lock the state folder, 2 serve NBD, 3 start what the state file lists, 4 listen on the control socket
 *   stop   1 no more requests, 2 the state file stays as it is, 3 arrays without superblocks end, and the file says how, 4 NBD clients go, arrays end
 *          clean, 5 the lock
 *
 * After a SIGKILL the system has taken the lock back; the sockets that are left have nobody behind them and are replaced.
 */
import { HoldfastError, toHoldfastError } from "../base/errors.ts";
import { VERSION } from "../base/version.ts";
import { API_VERSION } from "../api/own-answers.ts";
import type { ApiHealth, OwnAnswers } from "../api/own-answers.ts";
import { MAX_REQUEST_BYTES, apiServer } from "../api/server.ts";
import type { EngineFigures, RunningEngine } from "../engine/engine.ts";
import type { Env } from "../env/env.ts";
import type { HttpListener, PeerCredentials } from "../env/http.ts";
import { hostBehind } from "../host/host-call.ts";
import type { Host } from "../host/host-call.ts";
import type { NbdListen } from "../nbd/server.ts";
import { recordingHost } from "./recording-host.ts";
import { StateKeeper } from "./state-keeper.ts";
import { lockState } from "./state-lock.ts";

export interface DaemonOptions {
  readonly stateFolder: string;
  readonly socketPath: string;
  /** Beside nbd.sock in the state folder. */
  readonly nbdPlaces: readonly NbdListen[];
  /** Who may use the control socket beside this user and root. */
  readonly allowedUids: readonly number[];
  /** This user; null where users have no numbers. */
  readonly uid: number | null;
  readonly processId: number;
}

export interface Daemon {
  readonly socketPath: string;
  readonly nbdSocketPath: string;
  /** What the state file lists and could not be started: a sentence each. */
  readonly problems: readonly string[];
  /** In order. Resolves to the last figures. Further calls wait for the same end. */
  stop(): Promise<EngineFigures>;
}

/** For answers to requests that were under way. */
const GOODBYE_MS = 2000;
/** How long to wait for events before asking again. */
const EVENTS_WAIT_MS = 60_000;

/**
 * @param engine is stopped by `Daemon.stop`, or here when starting fails
 * @throws HoldfastError `busy` for another daemon on the state folder, `bad-metadata` for a state file that cannot be read, and as listening does
 */
export async function startDaemon(
  env: Env,
  engine: RunningEngine,
  options: DaemonOptions,
): Promise<Daemon> {
  const daemon = new LocalDaemon(env, engine, options);
  try {
    await daemon.start();
  } catch (error) {
    await daemon.stop().catch(() => {});
    throw error;
  }
  return daemon;
}

class LocalDaemon implements Daemon {
  readonly socketPath: string;
  readonly nbdSocketPath: string;
  readonly #env: Env;
  readonly #engine: RunningEngine;
  readonly #options: DaemonOptions;
  readonly #host: Host;
  readonly #keeper: StateKeeper;
  #unlock: (() => Promise<void>) | null = null;
  #listener: HttpListener | null = null;
  #watching: Promise<void> = Promise.resolve();
  #stopping: Promise<EngineFigures> | null = null;

  constructor(env: Env, engine: RunningEngine, options: DaemonOptions) {
    this.#env = env;
    this.#engine = engine;
    this.#options = options;
    this.socketPath = options.socketPath;
    this.nbdSocketPath = `${options.stateFolder}/nbd.sock`;
    this.#host = hostBehind((call) => engine.callHost(call));
    this.#keeper = new StateKeeper(env, options.stateFolder, this.#host);
  }

  get problems(): readonly string[] {
    return this.#keeper.problems;
  }

  async start(): Promise<void> {
    const { stateFolder, processId, nbdPlaces } = this.#options;
    await this.#env.files.makeFolder(stateFolder, 0o700);
    this.#unlock = await lockState(this.#env, stateFolder, processId);
    const local: NbdListen = { listen: { kind: "unix", path: this.nbdSocketPath } };
    await this.#engine.serveArrays({ places: [local, ...nbdPlaces] });
    await this.#keeper.restore();
    this.#listener = await this.#env.http.serve(this.socketPath, {
      maxBodyBytes: MAX_REQUEST_BYTES,
      answer: apiServer({
        host: recordingHost(this.#host, this.#keeper),
        own: this.#own(),
        admit: (peer) => this.#admit(peer),
        log: this.#env.log,
      }),
    });
    this.#watching = this.#watch();
  }

  #own(): OwnAnswers {
    const { processId } = this.#options;
    return {
      version: async () => ({ name: "holdfast", version: VERSION, api: API_VERSION, processId }),
      health: () => this.#health(),
      figures: () => this.#engine.figures(),
    };
  }

  async #health(): Promise<ApiHealth> {
    const { problems } = this;
    return {
      status: problems.length === 0 ? "ok" : "trouble",
      stateFolder: this.#options.stateFolder,
      exports: await this.#engine.arrayExports(),
      problems,
    };
  }

  /** Where the system does not say who asks, the socket's mode alone keeps others out. */
  #admit(peer: PeerCredentials | null): void {
    const { uid, allowedUids } = this.#options;
    if (peer === null || uid === null) return;
    if (peer.uid === uid || peer.uid === 0 || allowedUids.includes(peer.uid)) return;
    throw new HoldfastError(
      "permission",
      `User ${peer.uid} may not administer these arrays; the daemon's configuration lists who may as allowedUids.`,
    );
  }

  /** Writes down what changes by itself: members that fail, spares that take their place. */
  async #watch(): Promise<void> {
    let after = 0;
    while (this.#stopping === null) {
      try {
        const events = await this.#host.events({ after, waitMs: EVENTS_WAIT_MS });
        const last = events.at(-1);
        // Without any the wait is over, or the host is being closed.
        if (last === undefined) continue;
        after = last.number;
      } catch {
        // The engine is no more: whoever holds it is told.
        return;
      }
      await this.#keeper.record();
    }
  }

  stop(): Promise<EngineFigures> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<EngineFigures> {
    this.#listener?.close();
    try {
      await this.#keeper.freeze();
      const { figures, arrays } = await this.#engine.stop();
      await this.#keeper.settle(arrays).catch((error: unknown) => {
        const text = `How arrays without superblocks ended was not written down: ${toHoldfastError(error).message}`;
        this.#env.log.write("error", text);
      });
      return figures;
    } finally {
      await this.#watching;
      await this.#sayGoodbye();
      await this.#unlock?.();
    }
  }

  async #sayGoodbye(): Promise<void> {
    if (this.#listener === null) return;
    const listener = this.#listener;
    await new Promise<void>((resolve) => {
      const timer = this.#env.timers.set(GOODBYE_MS, resolve);
      void listener.idle().then(() => {
        timer.cancel();
        resolve();
      });
    });
    listener.cut();
  }
}
