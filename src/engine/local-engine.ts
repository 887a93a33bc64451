/**
 * An engine in the thread that calls it, on any Env.
 *
 * Its requests are worked on one after the other, but for `figures` and what is asked of its arrays. What it holds is given back in the reverse order of its coming.
 * There is one arena: the parity kernels work in it, and the server's buffers come from it.
 */
import { createArena } from "../base/arena.ts";
import type { Arena } from "../base/arena.ts";
import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import { OneByOne } from "../base/one-by-one.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { BlockDevice } from "../block/device.ts";
import type { Env } from "../env/env.ts";
import type { LoopDelays } from "../env/loop-delay.ts";
import { callHost } from "../host/host-call.ts";
import type { HostCall } from "../host/host-call.ts";
import type { OwnedHost } from "../host/owned-host.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import { startNbdServer } from "../nbd/server.ts";
import type { NbdServer, NbdServerOptions } from "../nbd/server.ts";
import { createParityEngine } from "../parity/engine.ts";
import type { ParityEngine } from "../parity/engine.ts";
import { openVolumes } from "../volume/open.ts";
import type { SetStarter } from "../volume/open.ts";
import type { OpenedVolume } from "../volume/volume.ts";
import { ArrayExports } from "./array-exports.ts";
import type { RunningArrays } from "./running-arrays.ts";
import type {
  Access,
  ArrayExport,
  Engine,
  EngineEnd,
  EngineFigures,
  EngineVolume,
  OpenCall,
  OpenedByEngine,
  ServeArraysCall,
  ServeCall,
  Serving,
} from "./engine.ts";

/** Of address space: memory is only taken where the arena was used. */
const ARENA_BYTES = 64 * 1024 * 1024;
/** An overlay in memory takes so much and no more; a folder takes what its file system has. */
const OVERLAY_MEMORY_BYTES = 1024 * 1024 * 1024;

export interface LocalEngineOptions {
  /** Called when it is first asked for arrays; without it there are none to administer. */
  readonly makeHost?: (env: Env, parity: () => ParityEngine) => OwnedHost;
  /** Of the Env, for the figures. */
  readonly backend: string;
  /** Of this thread, so far. */
  readonly loopDelays: () => LoopDelays;
}

type Close = () => Promise<void>;

export class LocalEngine implements Engine {
  readonly #env: Env;
  readonly #options: LocalEngineOptions;
  readonly #startedMs: number;
  /** Open volumes by name, overlays on top. */
  readonly #devices = new Map<string, BlockDevice>();
  readonly #closes: Close[] = [];
  /** Null until something is to be written to. */
  #running: RunningArrays | null = null;
  #arena: Arena | null | undefined;
  #parity: ParityEngine | undefined;
  #server: NbdServer | null = null;
  /** Asks for the host only once it has arrays. */
  readonly #arrays = new ArrayExports((array) => this.#arrayHost().use(array));
  #host: OwnedHost | null = null;
  readonly #requests = new OneByOne();
  #ended: readonly ArrayView[] = [];
  #stopping: Promise<EngineEnd> | null = null;

  constructor(env: Env, options: LocalEngineOptions) {
    this.#env = env;
    this.#options = options;
    this.#startedMs = env.clock.monotonicMs();
  }

  open(call: OpenCall): Promise<OpenedByEngine> {
    return this.#inTurn(() => this.#open(call));
  }

  serve(call: ServeCall): Promise<Serving> {
    return this.#inTurn(() => this.#serve(call));
  }

  // Async, so that they reject and do not throw.
  async callHost(call: HostCall): Promise<unknown> {
    this.#refuseWhenStopping();
    return callHost(this.#arrayHost(), call);
  }

  serveArrays(call: ServeArraysCall): Promise<void> {
    return this.#inTurn(() => this.#serveArrays(call));
  }

  async arrayExports(): Promise<readonly ArrayExport[]> {
    this.#refuseWhenStopping();
    return this.#arrays.list();
  }

  async figures(): Promise<EngineFigures> {
    this.#refuseWhenStopping();
    return this.#figures();
  }

  stop(): Promise<EngineEnd> {
    this.#stopping ??= this.#requests.run(() => this.#stop());
    return this.#stopping;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#refuseWhenStopping();
    return this.#requests.run(work);
  }

  #refuseWhenStopping(): void {
    if (this.#stopping !== null) throw new HoldfastError("shutdown", "The engine is stopped.");
  }

  async #open({ request, access }: OpenCall): Promise<OpenedByEngine> {
    const parityEngine = (): ParityEngine => this.#parityEngine();
    const starter = access.kind === "read-write" ? await this.#starter() : undefined;
    const opened = await openVolumes(this.#env, request, parityEngine, starter);
    const closes: Close[] = [() => opened.close()];
    try {
      const devices = await this.#withOverlays(opened.volumes, access, closes);
      this.#adopt(devices);
      this.#closes.push(...closes);
      const volumes = opened.volumes.map(({ name, report }) =>
        volumeFacts(name, devices.get(name)!, report),
      );
      return { volumes, refused: opened.refused };
    } catch (error) {
      await closeAll(closes);
      throw error;
    }
  }

  async #starter(): Promise<SetStarter> {
    const { RunningArrays } = await import("./running-arrays.ts");
    this.#running ??= new RunningArrays(this.#env, () => this.#parityEngine());
    return this.#running.start;
  }

  async #withOverlays(
    volumes: readonly OpenedVolume[],
    access: Access,
    closes: Close[],
  ): Promise<ReadonlyMap<string, BlockDevice>> {
    if (access.kind !== "overlay")
      return new Map(volumes.map(({ name, device }) => [name, device]));
    const { openOverlay } = await import("../devices/overlay.ts");
    const { folder } = access;
    const store =
      folder === null
        ? ({ kind: "memory", limitBytes: OVERLAY_MEMORY_BYTES } as const)
        : ({ kind: "folder", folder } as const);
    const laid = new Map<string, BlockDevice>();
    for (const { name, device } of volumes) {
      const top = await openOverlay(this.#env, device, store);
      closes.push(() => top.close());
      laid.set(name, top);
    }
    return laid;
  }

  #adopt(devices: ReadonlyMap<string, BlockDevice>): void {
    for (const name of devices.keys()) {
      if (this.#devices.has(name))
        throw new HoldfastError("usage", `A volume named ${name} is open already.`);
    }
    for (const [name, device] of devices) this.#devices.set(name, device);
  }

  #arrayHost(): OwnedHost {
    if (this.#host !== null) return this.#host;
    const { makeHost } = this.#options;
    if (makeHost === undefined)
      throw new HoldfastError("unsupported", "This engine has no arrays to administer.");
    const host = makeHost(this.#env, () => this.#parityEngine());
    this.#host = host;
    host.listen(this.#arrays);
    // Whoever asks for arrays before they are served has them stopped after the server, too.
    this.#closes.unshift(async () => {
      this.#ended = await host.close();
    });
    return host;
  }

  async #serveArrays({ places }: ServeArraysCall): Promise<void> {
    const [first, ...alsoListen] = places;
    assert(first !== undefined, "there is a place to serve at");
    const server = await this.#startServer({ ...first, alsoListen, exports: [] });
    this.#arrays.serveBy(server);
  }

  async #startServer(options: NbdServerOptions): Promise<NbdServer> {
    if (this.#server !== null) throw new HoldfastError("busy", "The engine serves already.");
    const server = await startNbdServer(this.#env, { ...options, arena: this.#sharedArena() });
    this.#server = server;
    this.#closes.push(() => server.stop());
    return server;
  }

  async #serve({ listen, exports, tls }: ServeCall): Promise<Serving> {
    const server = await this.#startServer({
      listen,
      exports: exports.map(({ volume, name, description }) => ({
        name,
        description,
        device: this.#device(volume),
      })),
      ...(tls === undefined ? {} : { tls }),
    });
    return { address: server.address, uris: exports.map(({ name }) => server.uri(name)) };
  }

  #device(volume: string): BlockDevice {
    const device = this.#devices.get(volume);
    if (device === undefined) throw new HoldfastError("not-found", `No volume ${volume} is open.`);
    return device;
  }

  #sharedArena(): Arena | null {
    this.#arena ??= createArena(ARENA_BYTES);
    return this.#arena;
  }

  /** Made when the first volume needs it: a degraded array, or one whose member fails. */
  #parityEngine(): ParityEngine {
    this.#parity ??= createParityEngine(this.#sharedArena());
    return this.#parity;
  }

  #figures(): EngineFigures {
    return {
      backend: this.#options.backend,
      elapsedMs: Math.round(this.#env.clock.monotonicMs() - this.#startedMs),
      nbd: this.#server?.stats ?? null,
      arena: this.#arena?.counters() ?? null,
      loopDelay: this.#options.loopDelays(),
      arrays: this.#running?.figures ?? [],
    };
  }

  async #stop(): Promise<EngineEnd> {
    await this.#host?.letGo();
    await closeAll(this.#closes.splice(0));
    return { figures: this.#figures(), arrays: this.#ended };
  }
}

function volumeFacts(
  name: string,
  device: BlockDevice,
  report: EngineVolume["report"],
): EngineVolume {
  const { sectors, limits } = device;
  return { name, sizeBytes: sectors * SECTOR_BYTES, readOnly: limits.readOnly, report };
}

/** The last first, and all of them, whatever fails; throws the first error then. */
async function closeAll(closes: readonly Close[]): Promise<void> {
  const errors: unknown[] = [];
  for (const close of closes.toReversed()) {
    try {
      await close();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
